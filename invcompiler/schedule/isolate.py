"""Running one call in reverse: the one unknown operand from the value and the other operands, by a rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from invcompiler.errors import ShapeError
from invcompiler.ir.build import literal
from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Apply, Equation, Ref, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.canonical import Call, parameters_of
from invcompiler.rules.registry import InverseRule, Kind, Refusal
from invcompiler.schedule import contractions
from invcompiler.schedule.plan import Isolate
from invcompiler.schedule.regions import Band, Masked, Piece
from invcompiler.schedule.running import run_now

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


def whole(solver: Solver, equation: Apply) -> Isolate | None:
    """Return the step that isolates the unknown operand of `equation`, whose value is known."""
    call = solver.call(equation)
    if call is None or equation.out not in solver.known:
        return None
    found = lone_unknown(solver, call)
    if found is None or is_masked(solver, equation):
        return None
    name, var = found
    rule = choose(solver, equation, call, name, var)
    if rule is None:
        return _of_product(solver, equation, call, name, var)
    return Isolate(equation, call, rule, equation.out, var)


def _of_product(solver: Solver, equation: Apply, call: Call, name: str, var: Var) -> Isolate | None:
    """Return the step for a product whose operands the rules know in another form."""
    product = contractions.as_einsum(call, name, solver.context.facts)
    if product is not None:
        rule = choose(solver, equation, product, "b", var)
        return None if rule is None else Isolate(equation, product, rule, equation.out, var)
    if contractions.is_open(call, solver.context.facts):
        solver.refusals[equation] = _waits_for_ranks(solver, equation)
    return None


def _waits_for_ranks(solver: Solver, equation: Apply) -> ShapeError:
    function = solver.context.function.name
    return ShapeError(
        f"what this product sums over in `{function}` depends on the number of axes of its operands",
        span=equation.span,
        function=function,
        label="which axes these are is known when it is called",
        hint="call the generated function, or pass `example=`, an array or a `jax.ShapeDtypeStruct` like the unknown",
    )


def is_masked(solver: Solver, equation: Apply) -> bool:
    """Whether the call sets the elements outside of a mask to zero: a part, which does not determine the operand."""
    views = solver.graph.views_of_part.get(equation.out, ())
    return any(isinstance(view.region, Masked | Band) for view in views)


def lone_unknown(solver: Solver, call: Call) -> tuple[str, Var] | None:
    """Return the one argument that is an unknown var, if all of the others are known."""
    unknown = unknown_arguments(solver, call)
    if len(unknown) != 1:
        return None
    name, tree = next(iter(unknown.items()))
    return (name, tree) if isinstance(tree, Var) else None


def unknown_arguments(solver: Solver, call: Call) -> dict[str, Tree]:
    return {
        name: tree
        for name, tree in call.arguments.items()
        if any(var not in solver.known for var in leaves(tree))
    }


def choose(solver: Solver, equation: Apply, call: Call, name: str, var: Var) -> InverseRule | None:
    """Return the first rule for the argument that applies; note why the others do not."""
    for rule in solver.context.rules(call, name):
        refusal = check(solver, call, rule, var)
        if refusal is None and rule.kind is not Kind.STRUCTURAL:
            refusal = rounded(solver, equation, var)
        if refusal is None:
            return rule
        if is_telling(refusal) or equation not in solver.refusals:
            solver.refusals[equation] = refusal
    return None


def is_telling(refusal: Refusal | Branching) -> bool:
    """Whether a refusal is about this use of a function, not about the kind of its numbers."""
    return isinstance(refusal, Branching) or not refusal.reason.startswith("its inverse is not")


def check(solver: Solver, call: Call, rule: InverseRule, var: Tree) -> Refusal | Branching | None:
    context = solver.context
    interval = context.interval(var)
    if call.fn is jnp.multiply and any(is_zero(solver, t) for t in call.arguments.values()):
        return Refusal("a factor is zero: the output does not depend on the unknown")
    if not rule.domain.includes(interval) and not ends_with_domain(rule, call, interval):
        return Branching(rule, interval)
    return rule.refusal(call, context.facts)


def rounded(solver: Solver, equation: Apply, var: Var) -> Refusal | None:
    """Integers that are promoted to floats are not recovered exactly."""
    before, after = (solver.context.facts.dtype(v) for v in (var, equation.out))
    if before is None or after is None or before.kind not in "iu" or after.kind in "iub":
        return None
    return Refusal(
        "an unknown integer becomes a float here, and is rounded",
        "cast it with `.astype` where every value keeps one of its own",
    )


def is_zero(solver: Solver, tree: Tree) -> bool:
    """Whether the text makes zeros here, of whatever shape."""
    made = solver.context.defining.get(tree) if isinstance(tree, Var) else None
    if not isinstance(made, Apply) or not isinstance(made.fn, Ref):
        return False
    return made.fn.value is jnp.zeros_like or made.fn.value is jnp.zeros


def ends_with_domain(rule: InverseRule, call: Call, interval: Interval) -> bool:
    """Whether the function has no real value outside of the rule's domain: then there is no branch to choose.

    It is tried at points on both sides of the domain; the logarithm of a negative number is NaN. An end of the domain that does
    not belong to it is a single point, where the function has a limit if it has a value at all.
    """
    if Interval(rule.domain.lo, rule.domain.hi).includes(interval):
        return True
    outside = [x for x in _TRIED if x in interval and x not in rule.domain]
    arguments = {name: literal(tree) for name, tree in call.arguments.items()}
    arguments.pop(rule.argument)
    if not outside or any(value is None for value in arguments.values()):
        return False
    given = tuple((name, value[0]) for name, value in arguments.items() if value is not None)
    return _is_undefined(rule, given, tuple(outside))


_TRIED = (-1e30, -1e3, -37.5, -2.5, -1.5, -0.7, -1e-3, 1e-3, 0.3, 1.7, 2.5, 37.5, 1e3, 1e30)


def _is_undefined(rule: InverseRule, given: tuple, points: tuple[float, ...]) -> bool:
    names = parameters_of(rule.fn)
    values = dict(given)
    values[rule.argument] = np.asarray(points)
    if set(names) != set(values):
        return False
    found = run_now(lambda: rule.fn(*(values[name] for name in names)))
    return bool(np.isnan(found).all())


@dataclass(frozen=True)
class Branching:
    """A rule does not apply since the function is injective on its domain only."""

    rule: InverseRule
    interval: Interval


def partial(solver: Solver, equation: Equation, piece: Piece) -> tuple[Isolate, Var] | None:
    """Run an elementwise call in reverse on a value that is known on `piece.region` only."""
    if not isinstance(equation, Apply):
        return None
    call = solver.call(equation)
    found = None if call is None else lone_unknown(solver, call)
    if call is None or found is None:
        return None
    name, var = found
    rule = choose(solver, equation, call, name, var)
    if rule is None or rule.kind is not Kind.ELEMENTWISE:
        return None
    fresh = Var(var.name, var.span)
    return Isolate(equation, call, rule, piece.source, fresh, piece.region), var
