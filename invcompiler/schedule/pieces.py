"""Functions of several pieces: which piece a value went through is found out from the value.

`jnp.where(x > 0, f(x), g(x))`, and likewise `lax.cond`, `abs`, `sign`, `maximum` and `minimum`, choose between ways from an unknown
`x` to a known value. Each way is solved on its own, where it is taken; of the candidates that this gives, the one is the unknown
that takes the way that it was found on. Where the ways' images overlap two candidates do: that is refused when it is seen
here (`schedule/survey.py`), and gives NaN when it is met at run time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from invcompiler.errors import InvcompilerError
from invcompiler.ir.nodes import Apply, Block, Branch, Display, Equation, Tree, Var
from invcompiler.ir.walk import leaves, map_operands, map_tree, operands
from invcompiler.schedule.bins import stepped
from invcompiler.schedule.choices import Choices, Chooser, chooser_of
from invcompiler.schedule.comparisons import narrowed, within_bounds
from invcompiler.schedule.lookup import acts_on_elements, look_up
from invcompiler.schedule.plan import Lookup, Pieces, Plan, Way
from invcompiler.schedule.pointwise import between, is_pointwise
from invcompiler.schedule.survey import survey

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_MOST_WAYS = 6
_MOST_CHOICES = 3
_PLAIN = 6  # characters of a number that is written into the text


# ---- the unknown that a stuck value comes from --------------------------------------------------------


def split(solver: Solver) -> Pieces | Lookup | None:
    """Return the step that recovers an unknown from a value that comes from it by several ways.

    Functions of two pieces that have a rule are taken apart where the rule is not enough.
    """
    for solver.takes_rules_apart in (False, True):
        for equation in reversed(solver.graph.equations):
            if _is_stuck(solver, equation):
                step = _split(solver, equation)
                if step is not None:
                    return step
    return None


def _is_stuck(solver: Solver, equation: Equation) -> bool:
    return (
        isinstance(equation, Apply | Branch)
        and len(equation.outs) == 1
        and equation.outs[0] in solver.known
        and equation not in solver.used
        and equation not in solver.refusals
        and bool(solver.waiting[equation])
    )


def source_of(solver: Solver, out: Var) -> Var | None:
    """Return the nearest unknown through which `out` depends on all unknowns that it depends on."""
    waiting = {out}
    while waiting:
        latest = max(waiting, key=solver.order)
        waiting.remove(latest)
        if not waiting and latest is not out:
            return latest
        equation = solver.graph.defining.get(latest)
        if equation is None:
            return None
        waiting.update(var for var in operands(equation) if var not in solver.known)
    return None


def _split(solver: Solver, equation: Equation) -> Pieces | Lookup | None:
    out = equation.outs[0]
    source = source_of(solver, out)
    if source is None or solver.context.is_container(source):
        return None
    _, _, steps = stepped(solver, between(solver, out, source) or (), source)
    kept = {out for equation in steps for out in equation.outs}
    ways = [
        way for way in _ways(solver, out, source, {}, kept) if _is_taken(solver, source, way[0])
    ]
    if len(ways) == 1 and not ways[0][0]:
        return look_up(solver, equation, source)
    if not 2 <= len(ways) <= _MOST_WAYS:
        return None
    scalar = _chosen_as_a_whole(solver, ways)
    if not scalar and not _is_elementwise(solver, out, source, ways):
        return None
    solved = [_solved(solver, way, source, scalar) for way in ways]
    if any(isinstance(way, InvcompilerError) for way in solved):
        error = next(way for way in solved if isinstance(way, InvcompilerError))
        solver.refusals[equation] = error
        return None
    found = [way for way in solved if isinstance(way, Way)]
    if len(found) < 2 or len(found) < len(solved):
        return None
    if not scalar and are_apart(found):
        return Pieces(equation, out, source, tuple(found), True, False, False)
    view = survey(solver, out, source, tuple(found))
    if view.refusal is not None:
        solver.refusals[equation] = view.refusal
        return None
    return Pieces(equation, out, source, tuple(found), False, view.is_proven, scalar)


def are_apart(ways: list[Way]) -> bool:
    """Whether the images of the ways have at most ends in common, at numbers that one would write down."""
    ordered = sorted(ways, key=lambda way: way.image.lo)
    return all(
        one.image.hi <= other.image.lo and all(map(_is_plain, (one.image.hi, other.image.lo)))
        for one, other in itertools.pairwise(ordered)
    )


def _is_plain(end: float) -> bool:
    return math.isfinite(end) and len(f"{end:.17g}") <= _PLAIN


# ---- ways ----------------------------------------------------------------------------------------------


@dataclass
class _Open:
    """A way under construction: the equations that `result` needs, or the chooser that is to be decided first."""

    equations: list[Apply]
    result: Tree
    undecided: Chooser | None = None


def _ways(
    solver: Solver, out: Var, source: Var, choices: Choices, kept: set[Var]
) -> Iterator[tuple[Choices, _Open]]:
    """Yield the ways from `source` to `out`, with the choices that lead to them."""
    if len(choices) > _MOST_CHOICES:
        return
    way = _followed(solver, out, source, choices, kept)
    if way.undecided is None:
        yield choices, way
        return
    for taken in (True, False):
        yield from _ways(solver, out, source, {**choices, way.undecided.condition: taken}, kept)


def _is_taken(solver: Solver, source: Var, choices: Choices) -> bool:
    """Whether more than a single value may take a way."""
    said = narrowed(solver, source, choices)
    return said is not None and all(interval.lo < interval.hi for interval in said.values())


def _followed(solver: Solver, out: Var, source: Var, choices: Choices, kept: set[Var]) -> _Open:
    """Follow `out` back to `source`, by the sides that `choices` name; what a table gives is not taken apart."""
    defining: dict[Var, Equation] = dict(solver.graph.all_defining)
    alias: dict[Var, Tree] = {}
    done: dict[Var, Apply] = {}
    waiting = [out]
    ordered: list[Var] = []
    while waiting:
        var = waiting[-1]
        if var in done or var in alias or var is source or (var in solver.known and var is not out):
            waiting.pop()
            if var in done and var not in ordered:
                ordered.append(var)
            continue
        equation = defining.get(var)
        is_open = equation is not None and var not in kept
        chooser = chooser_of(solver, equation) if is_open else None
        within = within_bounds(solver, source, equation, choices) if is_open else None
        if within is not None:
            alias[var] = within
            waiting += leaves(within)
            continue
        if chooser is not None and _depends(solver, chooser):
            if chooser.condition not in choices:
                return _Open([], out, chooser)
            side = chooser.sides[0 if choices[chooser.condition] else 1]
            waiting += _take_side(solver, side, var, chooser.equation, alias, done, defining)
        elif isinstance(equation, Apply):
            done[var] = equation
            waiting += operands(equation)
        else:
            alias[var] = var  # a loop or the like: it cannot be followed, and stays unknown

    def resolve(var: Var) -> Tree:
        of = alias.get(var, var)
        return var if of is var else map_tree(resolve, of)

    equations = [map_operands(resolve, done[var]) for var in ordered]
    return _Open([e for e in equations if isinstance(e, Apply)], map_tree(resolve, out))


def _depends(solver: Solver, chooser: Chooser) -> bool:
    return any(var not in solver.known for var in operands(chooser.equation))


def _take_side(
    solver: Solver, side: Any, var: Var, equation: Equation, alias: dict, done: dict, defining: dict
) -> list[Var]:
    """Note what the chosen side makes of `var`; return the vars that it needs."""
    if isinstance(side, Apply):
        done[var] = side
        return list(operands(side))
    if isinstance(side, Block):
        inner = {out: e for e in side.equations for out in e.outs}
        defining.update(inner)
        solver.context.defining.update(inner)
        assert isinstance(side.result, Display)
        side = side.result.items[equation.outs.index(var)]
    alias[var] = side
    return list(leaves(side))


def _chosen_as_a_whole(solver: Solver, ways: list[tuple[Choices, _Open]]) -> bool:
    """Whether each condition is one truth value, for all elements together."""
    facts = solver.context.facts
    conditions = {condition for choices, _ in ways for condition in choices}
    return all(
        condition.is_whole or all(facts.shape(tree) == () for tree in condition.trees)
        for condition in conditions
    )


# ---- element by element ----------------------------------------------------------------------------------


def _is_elementwise(
    solver: Solver, out: Var, source: Var, ways: list[tuple[Choices, _Open]]
) -> bool:
    equations = between(solver, out, source)
    if equations is None:
        return False
    looked_up = {e for _, way in ways for e in _steps_of(solver, way, source)}
    conditions = {v for choices, _ in ways for c in choices for t in c.trees for v in leaves(t)}
    looked_up -= _made_of(solver, conditions, source)
    for equation in equations:
        if equation in looked_up:
            continue  # what reads it is solved by a table, which is tried element by element
        call = solver.call(equation) if isinstance(equation, Apply) else None
        if call is None or not is_pointwise(call):
            return False
        if solver.context.facts.same_shape(equation.outs[0], source) is False:
            return False
    return True


def _steps_of(solver: Solver, way: _Open, source: Var) -> set[Equation]:
    """Return the equations that a table on a way consists of, as the function has them."""
    views, _, steps = stepped(solver, way.equations, source)
    defining = solver.graph.defining
    return {defining[out] for e in (*views, *steps) for out in e.outs if out in defining}


def _made_of(solver: Solver, vars_: set[Var], source: Var) -> set[Equation]:
    """Return the equations that values are computed by from `source`."""
    found: set[Equation] = set()
    waiting = list(vars_)
    while waiting:
        var = waiting.pop()
        equation = solver.graph.defining.get(var)
        if var is not source and equation is not None and equation not in found:
            found.add(equation)
            waiting += operands(equation)
    return found


# ---- solving one way ---------------------------------------------------------------------------------------


def _solved(
    solver: Solver, way: tuple[Choices, _Open], source: Var, scalar: bool
) -> Way | InvcompilerError | None:
    """Return the way with a plan for it; None if it does not determine the unknown."""
    choices, followed = way
    result = followed.result
    if not isinstance(result, Var) or (
        result in solver.known and result is not source and not followed.equations
    ):
        return None
    context = solver.context.on(narrowed(solver, source, choices) or {})
    block = Block((), tuple(followed.equations), Display(tuple, (result,)))
    if result is source:
        plan = Plan((source,), (), (source,))
        return Way(tuple(choices.items()), block, result, plan, context, context.interval(result))
    reads = {var for e in followed.equations for var in operands(e)}
    given = [result, *(var for var in reads if var in solver.known)]
    try:
        plan = solver.solve_within(block, tuple(dict.fromkeys(given)), (source,), context)
    except InvcompilerError as error:
        return error
    if not scalar and not all(acts_on_elements(step) for step in plan.steps):
        return None
    return Way(tuple(choices.items()), block, result, plan, context, context.interval(result))
