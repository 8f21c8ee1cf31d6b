"""Running a call in reverse by the rule that the author of the function stated with `inv.custom_inverse`.

Which arguments a rule recovers only shows when it is called: it is tried, on abstract values, when the inverse is made.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from invcompiler.errors import EntangledError, NoRuleError, ShapeError
from invcompiler.frontend.callables import same_value, stated_rule
from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import Apply, Const, Display, Ref, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.stated import GeneralRule, UnaryRule
from invcompiler.schedule.abstract import Abstract, Array, Items, abstract, is_fixed
from invcompiler.schedule.callees import Callee, callee_of, has_open_arguments
from invcompiler.schedule.context import Context
from invcompiler.schedule.plan import ByStatedRule
from invcompiler.schedule.spread import applications
from invcompiler.schedule.trial import REFUTATIONS, Outcome, parts_of, trial

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_UNKNOWN = Const(None)


@dataclass(frozen=True, eq=False)
class Stated:
    """A call of a function whose inverse is stated; `arguments` has one tree for each of its parameters."""

    function: Any
    rule: UnaryRule | GeneralRule
    name: str
    arguments: Display


def stated_function(fn: Any) -> Any:
    """Return the function with a stated inverse that `fn` is, or that `jax.jit` and the like wrap; None if there is none."""
    while fn is not None and stated_rule(fn) is None:
        fn = same_value(fn)
    return fn


def stated(equation: Apply, context: Context) -> Stated | None:
    """Return what a call calls, if its inverse is stated."""
    callee = callee_of(equation, context)
    if callee is None or callee.mapping is not None or not isinstance(callee.fn, Ref):
        return None
    function = stated_function(callee.fn.value)
    if function is None or has_open_arguments(callee.args, callee.kwargs):
        return None
    bound = _bound(function, callee)
    if bound is None:
        return None
    name = str(getattr(function, "__name__", callee.fn.spelling))
    return Stated(function, stated_rule(function), name, bound)


def _bound(function: Any, callee: Callee) -> Display | None:
    """Return the arguments of a call, one for each parameter, in their order; None if they do not fit."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None if callee.kwargs else Display(tuple, callee.args)
    try:
        bound = signature.bind(*callee.args, **dict(callee.kwargs))  # type: ignore[arg-type]
    except TypeError:
        return None
    trees: list[Tree] = []
    for name, parameter in signature.parameters.items():
        if name not in bound.arguments:
            if parameter.default is not parameter.empty:
                default = as_tree(parameter.default)
                trees.append(Ref(parameter.default, name) if default is None else default)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            trees += bound.arguments[name]
        elif parameter.kind is parameter.VAR_KEYWORD:
            given = bound.arguments[name]
            trees.append(Display(dict, tuple(given.values()), tuple(given)))
        else:
            trees.append(bound.arguments[name])
    return Display(tuple, tuple(trees))


# ---- steps ----------------------------------------------------------------------------------------


def invert(solver: Solver, equation: Apply, found: Stated) -> ByStatedRule | None:
    """Return the step that calls the rule, whose value is known; None if that gives up, which is noted."""
    unknown = [var for var in leaves(found.arguments) if var not in solver.known]
    if not unknown:
        return None
    if len(set(unknown)) < len(unknown):
        solver.refusals[equation] = _twice(solver, equation, found)
        return None
    if isinstance(found.rule, UnaryRule):
        return _unary(solver, equation, found)
    given = _given(solver, equation, found)
    outcome = trial(found, given, equation.out, equation, solver.context)
    return _general(solver, equation, found, given, equation.out, outcome)


def invert_partly(solver: Solver, equation: Apply, items: Mapping[Any, Var]) -> ByStatedRule | None:
    """Return the step that calls the rule with the known `items` of a value, and None for the others."""
    found = stated(equation, solver.context)
    unknown = [] if found is None else [v for v in leaves(found.arguments) if v not in solver.known]
    if found is None or isinstance(found.rule, UnaryRule) or len(unknown) != len(set(unknown)):
        return None
    output = _known_part(solver, equation, items)
    if output is None or not unknown:
        return None
    given = _given(solver, equation, found)
    try:
        outcome = trial(found, given, output, equation, solver.context)
    except REFUTATIONS:  # a rule that wants all of the output
        return None
    return _general(solver, equation, found, given, output, outcome)


def _known_part(solver: Solver, equation: Apply, items: Mapping[Any, Var]) -> Display | None:
    """Return the value of a call as a container, None in the place of each item that is not known."""
    structure = solver.context.structure(equation.out)
    arity = next((v.region.arity for v in solver.graph.views_of_whole[equation.out]), None)  # type: ignore[union-attr]
    if structure is not None and structure.kind in (tuple, list, dict):
        keys = structure.keys if structure.kind is dict else range(structure.length)
        parts = tuple(items.get(key, _UNKNOWN) for key in keys or ())
        return Display(structure.kind, parts, structure.keys)
    if structure is not None or arity is None:
        return None
    return Display(tuple, tuple(items.get(key, _UNKNOWN) for key in range(arity)))


def _general(
    solver: Solver,
    equation: Apply,
    found: Stated,
    given: Display,
    output: Tree,
    outcome: Outcome | None,
) -> ByStatedRule | None:
    recovered = _recovered(found.arguments, outcome, solver)
    if not any(True for _ in leaves(recovered)):
        solver.refusals[equation] = gave_up(solver, equation, found)
        return None
    unknown = [var for var in leaves(found.arguments) if var not in solver.known]
    is_all = set(leaves(recovered)) == set(unknown)
    return _step(solver, equation, found, (output, given), recovered, is_all, outcome)


def _given(solver: Solver, equation: Apply, found: Stated) -> Display:
    """Return the arguments with None at each leaf that is unknown."""
    holes = _structures(solver, equation)
    items = tuple(_masked(tree, solver, holes) for tree in found.arguments.items)
    return Display(tuple, items)


def _step(
    solver: Solver,
    equation: Apply,
    found: Stated,
    knowns: tuple[Tree, Display],
    recovered: Display,
    is_all: bool,
    outcome: Outcome | None,
) -> ByStatedRule:
    if outcome is not None and outcome.is_exact:
        _check_shapes(solver, equation, found, recovered, outcome.invals)
    solver.refusals.pop(equation, None)
    return ByStatedRule(equation, found.rule, found.name, *knowns, recovered, is_all, outcome)


def _check_shapes(solver: Solver, equation: Apply, found: Stated, tree: Tree, came: Any) -> None:
    """Refuse what is recovered in another shape than it had."""
    if isinstance(tree, Display):
        if came is not None:
            for item, part in zip(tree.items, parts_of(tree, came), strict=True):
                _check_shapes(solver, equation, found, item, part)
        return
    if not isinstance(tree, Var):
        return
    wanted = solver.context.facts.of(tree)
    got = abstract(came)
    if not same_shapes(wanted, got):
        raise ShapeError(
            f"the rule stated for `{found.name}` recovers {shown(got)}, and the function was given {shown(wanted)}",
            span=equation.span,
            function=solver.context.function.name,
            label="called here",
            hint="return what the function takes; if that is another shape than the output has, pass `example=`",
        )


def is_unary_call(found: Stated, solver: Solver) -> bool:
    """Whether a call is one that a unary rule speaks of: of one argument, of which nothing is known."""
    items = found.arguments.items
    return len(items) == 1 and not any(var in solver.known for var in leaves(items[0]))


def _unary(solver: Solver, equation: Apply, found: Stated) -> ByStatedRule | None:
    if not is_unary_call(found, solver):
        solver.refusals[equation] = _not_unary(solver, equation, found)
        return None
    given = _given(solver, equation, found)
    outcome = trial(found, given, equation.out, equation, solver.context)
    if outcome is not None and outcome.invals is None:
        solver.refusals[equation] = gave_up(solver, equation, found)
        return None
    knowns = (equation.out, given)
    return _step(solver, equation, found, knowns, found.arguments, True, outcome)


def _masked(tree: Tree, solver: Solver, holes: Mapping[Var, Tree]) -> Tree:
    """Return an argument with None at each leaf that is unknown."""
    if isinstance(tree, Display) and any(var not in solver.known for var in leaves(tree)):
        return replace(tree, items=tuple(_masked(item, solver, holes) for item in tree.items))
    if isinstance(tree, Var) and tree not in solver.known:
        value = solver.context.facts.of(tree)
        return holes.get(tree, _UNKNOWN) if value is None else _holes(value)
    return tree


def _structures(solver: Solver, equation: Apply) -> dict[Var, Tree]:
    """Return containers of Nones for the arguments that the text of the function takes apart."""
    entered = next(solver.context.enter(solver.context, equation, frozenset()), None)
    if entered is None:
        return {}
    found: dict[Var, Tree] = {}
    for param, tree in entered.bound.arguments.items():
        parts = [e for e in applications(entered.function.body) if _takes_item(e, param)]
        keys = {e.args[1].value: None for e in parts if isinstance(e.args[1], Const)}
        arity = next((e.arity for e in parts if e.arity is not None), None)
        if isinstance(tree, Var) and arity is not None:
            found[tree] = Display(tuple, (_UNKNOWN,) * arity)
        elif isinstance(tree, Var) and keys and all(isinstance(key, str) for key in keys):
            found[tree] = Display(dict, (_UNKNOWN,) * len(keys), tuple(sorted(keys)))
    return found


def _takes_item(equation: Apply, whole: Var) -> bool:
    fn = equation.fn
    return isinstance(fn, Ref) and fn.value is operator.getitem and equation.args[0] is whole


def _holes(value: Abstract) -> Tree:
    """Return a container of Nones of the structure of an unknown one; None for an array."""
    if not isinstance(value, Items) or not _is_plain(value):
        return _UNKNOWN
    items = tuple(map(_holes, value.items))
    is_named = value.kind not in (tuple, list, dict)
    spelling = Ref(value.kind, value.kind.__name__, value.kind) if is_named else None
    return Display(value.kind, items, value.keys, spelling)


def _is_plain(value: Items) -> bool:
    """Whether the text can build the container by calling its class with its fields."""
    if value.kind in (tuple, list, dict):
        return True
    return value.keys is not None and all(isinstance(key, str) for key in value.keys)


def _recovered(arguments: Display, outcome: Outcome | None, solver: Solver) -> Display:
    """Return the arguments with the vars that the rule recovers, and None everywhere else."""

    def of(tree: Tree, came: Any) -> Tree:
        if isinstance(tree, Var) and tree not in solver.known:
            return tree if came is True else _UNKNOWN
        if isinstance(tree, Display):
            return replace(
                tree,
                items=tuple(
                    of(item, came if isinstance(came, bool) else came[number])
                    for number, item in enumerate(tree.items)
                ),
            )
        return _UNKNOWN

    came = True if outcome is None else outcome.came(arguments, solver.known)
    found = of(arguments, came)
    assert isinstance(found, Display)
    return found


def same_shapes(wanted: Abstract, got: Abstract) -> bool:
    """Whether two values agree in structure and shapes, as far as that is known."""
    if isinstance(wanted, Items) and isinstance(got, Items):
        pairs = zip(wanted.items, got.items, strict=False)
        return len(wanted.items) == len(got.items) and all(same_shapes(a, b) for a, b in pairs)
    if isinstance(wanted, Array) and isinstance(got, Array) and is_fixed(wanted):
        return wanted.shape == got.shape
    return isinstance(wanted, Items) == isinstance(got, Items) or wanted is None


def shown(value: Abstract) -> str:
    """Return the shapes of a value, as a message shows them."""
    if isinstance(value, Items):
        return f"({', '.join(map(shown, value.items))})"
    shape = getattr(value, "shape", None)
    return f"shape {shape}" if shape is not None else "something else"


# ---- refusals -------------------------------------------------------------------------------------


def _facts(solver: Solver, equation: Apply, found: Stated) -> dict[str, Any]:
    function = solver.context.function
    unknown = [
        v.name or "a value without a name" for v in leaves(found.arguments) if v not in solver.known
    ]
    given = [v.name for v in leaves(found.arguments) if v in solver.known and v.name]
    return {
        "reason": f"cannot recover what `{found.name}` took from what it gave",
        "span": equation.span,
        "function": function.name,
        "known": (f"the output of `{found.name}`", *dict.fromkeys(given)),
        "missing": tuple(dict.fromkeys(unknown)),
    }


def gave_up(solver: Solver, equation: Apply, found: Stated) -> NoRuleError:
    facts = _facts(solver, equation, found)
    facts["label"] = f"the rule stated for `{found.name}` gives up for these knowns"
    facts["hint"] = "make another argument known, or state more in `def_inverse_and_ildj`"
    return NoRuleError(**facts)


def _not_unary(solver: Solver, equation: Apply, found: Stated) -> NoRuleError:
    facts = _facts(solver, equation, found)
    facts["label"] = "the rule that is stated is for one argument, of which nothing is known"
    facts["hint"] = "state the inverse with `def_inverse_and_ildj`, which is told what is known"
    return NoRuleError(**facts)


def _twice(solver: Solver, equation: Apply, found: Stated) -> EntangledError:
    facts = _facts(solver, equation, found)
    facts["label"] = f"one unknown as several arguments of `{found.name}`"
    facts["hint"] = "state the inverse of the function around it"
    return EntangledError(**facts)


__all__ = ["Stated", "gave_up", "invert", "is_unary_call", "stated", "stated_function"]
