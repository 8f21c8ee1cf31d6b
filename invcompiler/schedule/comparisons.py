"""What a condition says of where values live: `x > 0`, `(x >= -1) & (x <= 1)`, `2 * x + 1 < 3`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from invcompiler.ir.build import literal
from invcompiler.ir.interval import REAL, Interval
from invcompiler.ir.nodes import Apply, Const, Equation, Tree, Var
from invcompiler.schedule import affine
from invcompiler.schedule.choices import OPPOSITE, Choices, Compared, Condition, Truth

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_ABOVE = {jnp.greater: True, jnp.greater_equal: False}  # whether the end is open
_BELOW = {jnp.less: True, jnp.less_equal: False}
_MIRRORED = {
    jnp.greater: jnp.less,
    jnp.less: jnp.greater,
    jnp.greater_equal: jnp.less_equal,
    jnp.less_equal: jnp.greater_equal,
}
_AND = (jnp.logical_and, jnp.bitwise_and)
_OR = (jnp.logical_or, jnp.bitwise_or)
_NOT = (jnp.logical_not, jnp.bitwise_not, jnp.invert)

Intervals = dict[Var, Interval]


def narrowed(solver: Solver, source: Var, choices: Choices) -> Intervals | None:
    """Return where values live where conditions come out as `choices` has them, None if they never do."""
    found: Intervals = {}
    for condition, truth in choices.items():
        said = _said(solver, source, condition, truth)
        for var, interval in () if said is None else said.items():
            both = interval.intersection(found.get(var, solver.context.interval(var)))
            if both is None:
                return None
            found[var] = both
        if said is None:
            return None
    return _inside_abs(solver, found)


def within_bounds(solver: Solver, source: Var, equation: Equation, choices: Choices) -> Tree | None:
    """Return what `jnp.clip` is given where the conditions say that it changes nothing."""
    call = solver.call(equation) if isinstance(equation, Apply) else None
    if call is None or call.fn is not jnp.clip or not choices:
        return None
    var, *ends = call.arguments.values()
    if not isinstance(var, Var) or len(ends) != 2:
        return None
    stated = [found for c, truth in choices.items() for found in _comparisons(solver, c, truth)]
    said = narrowed(solver, source, choices) or {}
    interval = said.get(var, solver.context.interval(var))
    for end, fns, is_inside in (
        (ends[0], _ABOVE, lambda bound: interval.lo >= bound),
        (ends[1], _BELOW, lambda bound: interval.hi <= bound),
    ):
        bound = _number(end)
        is_stated = any(fn in fns and (left, right) == (var, end) for fn, left, right in stated)
        if not is_stated and end != Const(None) and (bound is None or not is_inside(bound)):
            return None
    return var


def _comparisons(
    solver: Solver, condition: Condition, truth: bool
) -> Iterator[tuple[Any, Tree, Tree]]:
    """Yield the comparisons that hold where a condition comes out as `truth` has it, from both sides."""
    if isinstance(condition, Compared):
        fn = condition.fn if truth else OPPOSITE.get(condition.fn)
        if fn in _MIRRORED:
            yield fn, condition.left, condition.right
            yield _MIRRORED[fn], condition.right, condition.left
        return
    made = (
        solver.graph.all_defining.get(condition.tree) if isinstance(condition.tree, Var) else None
    )
    call = solver.call(made) if isinstance(made, Apply) else None
    trees = () if call is None else tuple(call.arguments.values())[:2]
    if call is not None and call.fn in (_AND if truth else _OR):
        for part in trees:
            yield from _comparisons(solver, Truth(part), truth)
    elif call is not None and call.fn in _NOT:
        yield from _comparisons(solver, Truth(trees[0]), not truth)
    elif call is not None and call.fn in OPPOSITE:
        yield from _comparisons(solver, Compared(call.fn, *trees), truth)


def _inside_abs(solver: Solver, found: Intervals) -> Intervals | None:
    """Add what is known of `x` where its sign is known and where `abs(x)` lives."""
    for var, interval in list(found.items()):
        inner = _operand_of_abs(solver, var)
        known = found.get(inner, REAL) if inner is not None else REAL
        if inner is None or interval.lo <= 0:
            continue
        if known.is_nonnegative:
            both = known.intersection(interval)
        elif known.is_nonpositive:
            both = known.intersection(-interval)
        else:
            continue
        if both is None:
            return None
        found[inner] = both
    return found


def _operand_of_abs(solver: Solver, var: Var) -> Var | None:
    made = solver.graph.all_defining.get(var)
    call = solver.call(made) if isinstance(made, Apply) else None
    inner = next(iter(call.arguments.values())) if call is not None and call.fn is jnp.abs else None
    return inner if isinstance(inner, Var) else None


def _said(solver: Solver, source: Var, condition: Condition, truth: bool) -> Intervals | None:
    if isinstance(condition, Compared):
        return _compared(solver, source, condition.fn, condition.left, condition.right, truth)
    tree = condition.tree
    made = solver.graph.all_defining.get(tree) if isinstance(tree, Var) else None
    call = solver.call(made) if isinstance(made, Apply) else None
    if call is None:
        return {}
    trees = tuple(call.arguments.values())
    if call.fn in _NOT:
        return _said(solver, source, Truth(trees[0]), not truth)
    if call.fn in (_AND if truth else _OR):
        return narrowed(solver, source, {Truth(part): truth for part in trees[:2]})
    if call.fn in OPPOSITE:
        return _compared(solver, source, call.fn, trees[0], trees[1], truth)
    return {}


def _compared(
    solver: Solver, source: Var, fn: Any, left: Tree, right: Tree, truth: bool
) -> Intervals:
    if fn not in OPPOSITE:
        return {}
    fn = fn if truth else OPPOSITE[fn]
    if _number(right) is None:
        left, right, fn = right, left, _MIRRORED[fn]
    bound = _number(right)
    if bound is None or not isinstance(left, Var):
        return _difference(solver, fn, left, right)
    found = {left: _side(fn, bound)}
    inner = _operand_of_abs(solver, left)
    if inner is not None and bound > 0 and fn in _BELOW:
        found[inner] = Interval(-bound, bound, _BELOW[fn], _BELOW[fn])
    found.update(_of_source(solver, source, left, fn, bound))
    return found


def _difference(solver: Solver, fn: Any, left: Tree, right: Tree) -> Intervals:
    """Where `x > t` the differences `x - t` that the program computes are positive."""
    found: Intervals = {}
    for var, made in solver.graph.all_defining.items():
        call = solver.call(made) if isinstance(made, Apply) else None
        if call is not None and call.fn is jnp.subtract:
            trees = tuple(call.arguments.values())[:2]
            if trees == (left, right):
                found[var] = _side(fn, 0.0)
            elif trees == (right, left):
                found[var] = _side(_MIRRORED[fn], 0.0)
    return found


def _of_source(solver: Solver, source: Var, var: Var, fn: Any, bound: float) -> Intervals:
    """Return what a comparison of an affine function of `source` says of `source` itself."""
    if var is source or solver.graph.defining.get(var) is None:
        return {}
    form = affine.form_of(solver, var)
    factor = None if form is None else _number(form.coefficients.get(source))
    if form is None or set(form.coefficients) != {source} or not factor:
        return {}
    offset = _number(form.offset)
    if offset is None:
        return {}
    return {source: _side(fn if factor > 0 else _MIRRORED[fn], (bound - offset) / factor)}


def _side(fn: Any, bound: float) -> Interval:
    if fn in _ABOVE:
        return Interval(bound, math.inf, _ABOVE[fn])
    return Interval(-math.inf, bound, False, _BELOW[fn])


def _number(tree: Any) -> float | None:
    """Return the finite number that a tree or a coefficient is."""
    if type(tree) in (int, float):
        return float(tree)
    known = None if tree is None or isinstance(tree, affine.Op) else literal(tree)
    if known is None or type(known[0]) not in (int, float) or not math.isfinite(known[0]):
        return None
    return float(known[0])
