"""Why unknowns stay unknown: the equation that is in the way, or what the output does not hold."""

from __future__ import annotations

import copy
import operator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from invcompiler.errors import (
    BranchError,
    EntangledError,
    InformationDroppedError,
    InvcompilerError,
    InversionError,
    NoRuleError,
    ShapeError,
    UnsupportedSyntaxError,
)
from invcompiler.ir.interval import REAL
from invcompiler.ir.nodes import (
    Apply,
    Branch,
    Const,
    Equation,
    Loop,
    Method,
    Opaque,
    Ref,
    Span,
    Var,
)
from invcompiler.ir.walk import leaves
from invcompiler.rules.canonical import Call
from invcompiler.rules.registry import Refusal
from invcompiler.rules.without_inverse import why_not
from invcompiler.schedule import deductions, summed_products
from invcompiler.schedule.isolate import Branching
from invcompiler.schedule.not_iterated import NotIterated
from invcompiler.schedule.parts import parts_of
from invcompiler.schedule.regions import (
    Band,
    Diagonal,
    Elements,
    Except,
    Item,
    Masked,
    Permuted,
    Region,
    Span1,
)
from invcompiler.schedule.views import is_shape_query

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_REDUCTIONS = (
    jnp.sum, jnp.mean, jnp.prod, jnp.max, jnp.min, jnp.std, jnp.var, jnp.argmax, jnp.argmin,
    jnp.sort, jnp.argsort, jnp.median, jnp.any, jnp.all, jnp.linalg.norm, jnp.linalg.det,
    jnp.round, jnp.floor, jnp.ceil, jnp.rint, jnp.trunc, jnp.sign, jnp.clip, jnp.maximum,
    jnp.minimum, jnp.floor_divide, jnp.remainder, jax.nn.relu, jax.nn.softmax, jnp.triu, jnp.tril,
    jax.nn.relu6, jnp.unique, jnp.trace, jnp.less, jnp.greater, jnp.equal, jnp.not_equal,
    jnp.left_shift, jnp.right_shift, jnp.greater_equal, jnp.less_equal, jnp.isfinite, jax.nn.log_softmax, jax.nn.one_hot,
)  # fmt: skip


def drops(fn: Any) -> bool:
    """Whether many arguments of `fn` give one value."""
    return any(fn is dropper for dropper in _REDUCTIONS)


def explain(solver: Solver, missing: list[Var]) -> InvcompilerError:
    """Return the error that says why `missing` cannot be recovered."""
    waiting = (e for e, r in solver.refusals.items() if isinstance(r, NotIterated) and r.waits)
    found = (_at(solver, equation, missing) for equation in (*waiting, *blocking(solver)))
    error = next((error for error in found if error is not None), None)
    return _told(_dropped(solver, missing) if error is None else error)


def _told(error: InvcompilerError) -> InvcompilerError:
    """Return an error that says in words what it cannot show: a function that was traced has no lines."""
    if error.span is not None or not error.label or error.label in error.reason:
        return error
    told = copy.copy(error)
    told.reason = f"{error.reason}: {error.label}"
    return told


def blocking(solver: Solver) -> list[Equation]:
    """Return the equations whose value is known and whose operands are not, those next to the output first."""
    graph = solver.graph
    found = []
    for equation in reversed(graph.equations):
        unknown = any(var not in solver.known for var in graph.reads(equation))
        stuck = any(_touched(solver, out) for out in equation.outs)
        if is_shape_query(equation) or not unknown or not stuck:
            continue
        if not _is_view(solver, equation):
            found.append(equation)
    return found


def _touched(solver: Solver, var: Var) -> bool:
    return var in solver.known or bool(solver.pieces.get(var))


def _is_view(solver: Solver, equation: Equation) -> bool:
    return any(
        view.whole in solver.graph.reads(equation)
        for out in equation.outs
        for view in solver.graph.views_of_part.get(out, ())
    )


def _facts(solver: Solver, missing: list[Var]) -> dict[str, Any]:
    function = solver.context.function
    given = [p.var.name or "?" for p in function.params if p.var in solver.known]
    names = [var.name or "a value without a name" for var in missing]
    return {
        "function": function.name,
        "known": ("the output", *given),
        "missing": tuple(dict.fromkeys(names)),
    }


def _subject(solver: Solver, missing: list[Var]) -> str:
    names = " and ".join(f"`{var.name}`" for var in missing if var.name) or "the unknown"
    return f"cannot recover {names} from the output of `{solver.context.function.name}`"


def _at(solver: Solver, equation: Equation, missing: list[Var]) -> InvcompilerError | None:
    facts = _facts(solver, missing)
    facts |= {"span": equation.span, "reason": _subject(solver, missing)}
    refusal = solver.refusals.get(equation)
    match refusal:
        case NotIterated():
            return _not_iterated(refusal, facts)
        case InvcompilerError() if not isinstance(equation, Loop):
            return _from_inside(refusal, equation)
        case Branching():
            return _branching(refusal, equation, facts)
        case Refusal():
            return _refused(refusal, facts)
    match equation:
        case Opaque():
            facts["label"] = f"an unknown flows through {equation.what}, which cannot be inverted"
            facts["hint"] = "keep it to known values, or state the inverse of a function around it"
            return UnsupportedSyntaxError(**facts)
        case Branch():
            return _branch(solver, equation, facts)
        case Loop():
            return _loop(solver, equation, facts)
        case Apply():
            return _call(solver, equation, facts, missing)


def _refused(refusal: Refusal, facts: dict) -> InversionError:
    facts["label"] = refusal.reason
    facts["hint"] = refusal.hint or (
        "return the unknown as well, or state the inverse of a function around it with "
        "`inv.custom_inverse`"
    )
    unknown_inverse = refusal.reason.startswith("its inverse is not known")
    return (NoRuleError if unknown_inverse else InformationDroppedError)(**facts)


def _not_iterated(refusal: NotIterated, facts: dict) -> InversionError:
    facts["label"], facts["hint"] = refusal.reason, refusal.hint
    if refusal.waits:
        return ShapeError(**facts)
    return InformationDroppedError(**facts) if refusal.drops else EntangledError(**facts)


def _loop(solver: Solver, equation: Loop, facts: dict) -> InversionError:
    parts = parts_of(equation)
    known = [out for out in parts.collections if out in solver.known]
    items = any(leaf not in solver.known for _, tree in parts.items for leaf in leaves(tree))
    if items and not known:
        facts["label"] = "only what the loop carries to its end is returned, not what it takes in"
        facts["hint"] = "return what each step makes of its item as well"
        return InformationDroppedError(**facts)
    refusal = solver.refusals.get(equation)
    if isinstance(refusal, InvcompilerError) and not isinstance(refusal, InformationDroppedError):
        return refusal  # type: ignore[return-value]
    facts["label"] = "a loop that an unknown flows through, whose start cannot be recovered"
    facts["hint"] = "return the final value of all that it carries"
    return EntangledError(**facts)


def _from_inside(error: InvcompilerError, equation: Equation) -> InvcompilerError:
    """Return the error of a callee or a body, with a mark where it was entered."""
    inside = (
        error.span is not None
        and equation.span is not None
        and _encloses(equation.span, error.span)
    )
    if isinstance(equation, Apply) and equation.span is not None and not inside:
        error.notes = (*error.notes, (equation.span, "called here"))
    return error


def _encloses(outer: Span, inner: Span) -> bool:
    return outer.file == inner.file and outer.line <= inner.line <= outer.end_line


def _branching(refusal: Branching, equation: Equation, facts: dict) -> InversionError:
    assert isinstance(equation, Apply)
    where = "of an unknown real number" if refusal.interval == REAL else f"on {refusal.interval}"
    facts["label"] = f"{spelled(equation)} {where}: several arguments give one value"
    facts["hint"] = (
        'say where the argument lives, with `domain=` if it is the unknown itself (`domain="positive"`, '
        "`domain=inv.Interval(lo, hi)`), else with `inv.assume(value, domain)`"
    )
    return BranchError(**facts)


def _branch(solver: Solver, equation: Branch, facts: dict) -> InversionError:
    if any(var not in solver.known for var in leaves(equation.predicate)):
        facts["label"] = "which branch was taken depends on an unknown"
        facts["hint"] = "decide on a value that is known, or that can be computed from the output"
        return BranchError(**facts)
    facts["label"] = "not every branch determines the unknown"
    facts["hint"] = "use the unknown in each branch"
    return InformationDroppedError(**facts)


def _call(
    solver: Solver, equation: Apply, facts: dict, missing: list[Var]
) -> InversionError | None:
    call = solver.call(equation)
    unknown = [var for var in solver.graph.reads(equation) if var not in solver.known]
    name = spelled(equation)
    opaque = next(
        (m for v in unknown if isinstance(m := solver.graph.defining.get(v), Opaque)), None
    )
    if opaque is not None:
        return _at(solver, opaque, missing)  # type: ignore[return-value]
    if deductions.waits_for_shapes(solver, equation) or summed_products.waits(solver, equation):
        facts["label"] = f"whether {name} can be undone depends on shapes"
        facts["hint"] = "pass `example=`, an array or a `jax.ShapeDtypeStruct` like the unknown"
        return ShapeError(**facts)
    if equation.out not in solver.known:
        facts["label"] = f"only a part of what {name} gives is used: the rest is dropped"
        facts["hint"] = "return the rest as well, or take it as a known argument"
        return InformationDroppedError(**facts)
    parts = solver.graph.at_parts(equation)
    if parts is not None and parts[0] == "set":
        facts["label"] = "the elements that are overwritten here are dropped"
        facts["hint"] = "return them as well, or take them as a known argument"
        return InformationDroppedError(**facts)
    if is_reduction(solver, equation):
        facts["label"] = f"many inputs of {name} give the same output"
        facts["hint"] = "return the unknown as well, or make it a known argument"
        return InformationDroppedError(**facts)
    if _waits_for_function(solver, equation):
        facts["label"] = f"which function {name} is shows when the inverse is called"
        facts["hint"] = "call the generated function: it is compiled for its arguments then"
        return ShapeError(**facts)
    if _waits_for_shapes(solver, call, equation):
        facts["label"] = "which part is which depends on shapes"
        facts["hint"] = "pass `example=`, an array or a `jax.ShapeDtypeStruct` like the unknown"
        return ShapeError(**facts)
    if len(unknown) > 1:
        facts["label"] = f"an unknown on both sides of {name}, and no rule collects them"
        other = next((var.name for var in unknown if var.name and var not in missing), None)
        facts["hint"] = _entangled_hint(other, facts["function"])
        facts["notes"] = _other_path(solver, unknown, missing, equation)
        return EntangledError(**facts)
    if call is not None and _appears_twice(call.arguments.values(), unknown):
        facts["label"] = f"the unknown appears more than once in {name}, and no rule collects it"
        facts["hint"] = _entangled_hint(None, facts["function"])
        return EntangledError(**facts)
    reason = why_not(call.fn if call is not None else getattr(equation.fn, "value", None))
    facts["label"] = f"no rule to invert {name}" + (f", which {reason}" if reason else "")
    facts["hint"] = (
        "teach the compiler with `inv.inverse_rule`, or state the inverse of a function around it "
        "with `inv.custom_inverse`"
    )
    return NoRuleError(**facts)


def is_reduction(solver: Solver, equation: Equation) -> bool:
    """Whether the equation calls a function of which many inputs give one output."""
    if not isinstance(equation, Apply):
        return False
    call = solver.call(equation)
    return drops(call.fn if call is not None else getattr(equation.fn, "value", None))


def _waits_for_shapes(solver: Solver, call: Call | None, equation: Apply) -> bool:
    """Whether more may be said of the call once the shapes of its operands are known."""
    if solver.context.facts.is_concrete:
        return False
    return call is not None and any(call.fn is fn for fn in _SHAPED)


def _waits_for_function(solver: Solver, equation: Apply) -> bool:
    """Whether what is called is an argument, or a part of one."""
    if solver.context.facts.is_concrete or not isinstance(equation.fn, Var):
        return False
    return equation.fn in solver.known and _is_passed_in(solver, equation.fn)


def _is_passed_in(solver: Solver, var: Var) -> bool:
    """Whether `var` is an argument, or a part of one."""
    made = solver.graph.defining.get(var)
    while isinstance(made, Apply) and isinstance(made.fn, Ref):
        if made.fn.value not in (operator.getitem, getattr) or not isinstance(made.args[0], Var):
            return False
        made = solver.graph.defining.get(made.args[0])
    return made is None


_SHAPED = (
    jnp.append,
    jnp.pad,
    jnp.tile,
    jnp.broadcast_to,
    jnp.repeat,
    jnp.concatenate,
    jnp.stack,
    jnp.hstack,
    jnp.vstack,
    jnp.dstack,
    jnp.column_stack,
)


def _appears_twice(trees: Any, unknown: list[Var]) -> bool:
    uses = [var for tree in trees for var in leaves(tree) if var in unknown]
    return len(uses) > 1


def _entangled_hint(other: str | None, function: str) -> str:
    if other is None:
        return f"state the inverse with `inv.custom_inverse({function})`"
    return (
        f"make `{other}` an argument, so that it is known, or state the inverse with "
        f"`inv.custom_inverse({function})`"
    )


def _other_path(
    solver: Solver, unknown: list[Var], missing: list[Var], equation: Equation
) -> tuple[tuple[Span, str], ...]:
    """Mark where a second unknown of a stuck call was made, if it is on another line."""
    for var in unknown:
        made = solver.graph.defining.get(var)
        if var in missing or made is None or made.span is None or equation.span is None:
            continue
        if made.span.line != equation.span.line:
            name = next((m.name for m in missing if m.name), "the unknown")
            return ((made.span, f"`{name}` reaches the output through this as well"),)
    return ()


_SIGNS = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/",
    operator.pow: "**", operator.matmul: "@", operator.mod: "%", operator.floordiv: "//",
    operator.neg: "-", operator.and_: "&", operator.or_: "|", operator.xor: "^",
    operator.getitem: "[]", operator.lt: "<", operator.gt: ">", operator.le: "<=",
    operator.ge: ">=", operator.eq: "==", operator.ne: "!=",
}  # fmt: skip


def spelled(equation: Apply) -> str:
    """Return the callee in the user's words, in backticks."""
    match equation.fn:
        case Ref(value=fn) if getattr(fn, "__module__", None) == "_operator" and fn in _SIGNS:
            return f"`{_SIGNS[fn]}`"
        case Ref(value=fn) if fn is getattr:
            name = equation.args[1]
            return f"`.{name.value}`" if isinstance(name, Const) else "`getattr`"
        case Ref(spelling=spelling):
            return f"`{spelling}`"
        case Method(name=name):
            return f"`.{name}`"
        case Var(name=str() as name):
            return f"`{name}`"
        case _:
            return "a local function"


# ---- information that is not in the output --------------------------------------------------------


def _dropped(solver: Solver, missing: list[Var]) -> InversionError:
    facts = _facts(solver, missing)
    var = deepest(solver, missing)
    name = missing[0].name or "the unknown"
    facts["reason"] = f"the output of `{solver.context.function.name}` does not determine `{name}`"
    uses = solver.graph.users.get(var, [])
    views = solver.graph.views_of_whole.get(var, [])
    known_parts = [v for v in views if v.part in solver.known]
    if len(known_parts) > 1 and not solver.context.facts.is_concrete:
        if not has_gap([v.region for v in known_parts]):
            facts["span"] = _span_of(solver, known_parts[0].part)
            facts["label"] = (
                f"whether these are all parts of `{var.name or name}` depends on its shape"
            )
            facts["hint"] = "pass `example=`, a value or a `jax.ShapeDtypeStruct` like the unknown"
            return ShapeError(**facts)
    if known_parts:
        span = known_parts[0].part.span or _span_of(solver, known_parts[0].part)
        only = "the only use" if len(views) == 1 else "the only uses"
        facts["span"] = span
        facts["label"] = (
            f"{only} of `{var.name or name}`: {_rest(known_parts[0].region)} is dropped"
        )
        facts["hint"] = _dropped_hint(name, known_parts[0].region)
        return InformationDroppedError(**facts)
    if not uses:
        facts["span"] = var.span or solver.context.function.span
        facts["label"] = f"`{var.name or name}` does not reach the output"
    else:
        facts["span"] = uses[-1].span
        facts["label"] = f"what becomes of `{var.name or name}` here does not reach the output"
    facts["hint"] = "return it as well, or make it a known argument"
    return InformationDroppedError(**facts)


def has_gap(regions: list[Region]) -> bool:
    """Whether slices of one axis leave out elements between them, whatever its length is."""
    spans = [r for r in regions if isinstance(r, Span1) and r.step == 1]
    if len(spans) != len(regions) or len({span.axis for span in spans}) != 1:
        return False
    reached: Any = 0
    for span in sorted(spans, key=lambda s: s.start if isinstance(s.start, int) else 1 << 60):
        if isinstance(span.start, int) and isinstance(reached, int) and span.start > reached:
            return True
        reached = span.stop if isinstance(span.stop, int) else None
        if reached is None:
            return False
    return False


def deepest(solver: Solver, missing: list[Var]) -> Var:
    """Follow the uses of the unknown towards the output, as far as nothing is known."""
    var = missing[0]
    for _ in range(len(solver.graph.equations)):
        if any(v.part in solver.known for v in solver.graph.views_of_whole.get(var, ())):
            return var
        outs = [
            out
            for equation in solver.graph.users.get(var, ())
            for out in equation.outs
            if out not in solver.known
        ]
        if not outs:
            return var
        var = outs[0]
    return var


def _span_of(solver: Solver, var: Var) -> Span | None:
    made = solver.graph.defining.get(var)
    return None if made is None else made.span


def _rest(region: Region) -> str:
    match region:
        case Span1(axis=-1):
            return "the rest of its last axis"
        case Span1(axis=0):
            return "the rest of its first axis"
        case Span1(axis=axis):
            return f"the rest of its axis {axis}"
        case Item():
            return "the rest of it"
        case Band():
            return "the rest of the matrix"
        case Diagonal():
            return "what is not on the diagonal"
        case Permuted() | Elements() | Except() | Masked():
            return "what the index does not pick"


def _dropped_hint(name: str, region: Region) -> str:
    hint = "return the rest as well, or take it as a known argument"
    if isinstance(region, Span1 | Permuted | Elements):
        hint += f"; if this is all of `{name}`, pass `example=` so that its shape is known"
    return hint
