"""Tables of bins: what depends on an unknown through comparisons alone, `k = jnp.searchsorted(knots, x) - 1; slopes[k]`.

Where the function of the unknown increases, `x >= t` says the same as `f(x) >= f(t)`: with the values at the thresholds in the place of
the thresholds, the same comparisons find the bin from the value. In one bin all that the table gives is known.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Display, Equation, Method, Ref, Slice, Tree, Var
from invcompiler.ir.walk import leaves, operands
from invcompiler.schedule.pointwise import between, is_pointwise

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_COMPARED = (jnp.greater, jnp.greater_equal, jnp.less, jnp.less_equal)


@dataclass(frozen=True)
class Comparison:
    """A call that compares the unknown, or a view of it, with the known `threshold`, its argument number `place`."""

    equation: Apply
    place: int

    @property
    def threshold(self) -> Tree:
        return self.equation.args[self.place]


@dataclass(frozen=True)
class Table:
    """A function from `source` to `out`: `steps` depend on the source by `comparisons` alone, of it and `views` of it, `smooth` are the
    equations that act on each element, and read what the steps give."""

    out: Var
    source: Var
    views: tuple[Apply, ...]
    comparisons: tuple[Comparison, ...]
    steps: tuple[Equation, ...]
    smooth: tuple[Apply, ...]

    @property
    def entries(self) -> tuple[Var, ...]:
        """Return the values of steps that the smooth equations read."""
        made = {out for e in self.steps for out in e.outs}
        read = dict.fromkeys(var for e in self.smooth for var in operands(e))
        return tuple(var for var in read if var in made)


def table_of(solver: Solver, out: Var, source: Var) -> Table | None:
    """Return the table that leads from `source` to `out`, if there is one."""
    equations = between(solver, out, source)
    if equations is None:
        return None
    views, comparisons, steps = stepped(solver, equations, source)
    found = {*views, *steps}
    smooth = [e for e in equations if e not in found]
    unknown = {out for e in views for out in e.outs}
    if not comparisons or all(out not in e.outs for e in smooth):
        return None
    if any(v in unknown for e in smooth for v in operands(e)):
        return None
    for equation in smooth:
        call = solver.call(equation) if isinstance(equation, Apply) else None
        if call is None or not is_pointwise(call):
            return None
    applies = tuple(e for e in smooth if isinstance(e, Apply))
    return Table(out, source, tuple(views), tuple(comparisons), tuple(steps), applies)


def stepped(
    solver: Solver, equations: Iterable[Equation], source: Var
) -> tuple[list[Apply], list[Comparison], list[Equation]]:
    """Return the equations that depend on `source` by comparisons alone, these comparisons, and the views of it that they compare."""
    known = solver.known
    seen: set[Var] = {source}  # the source and views of it
    found: set[Var] = set()
    views: list[Apply] = []
    comparisons: list[Comparison] = []
    steps: list[Equation] = []
    for equation in equations:
        read = [var for var in operands(equation) if var not in known]
        if read and all(var in found for var in read):
            steps.append(equation)
            found.update(equation.outs)
            continue
        if not isinstance(equation, Apply) or not all(var in seen for var in read):
            continue
        comparison = _comparison(solver, equation)
        if comparison is not None:
            comparisons.append(comparison)
            steps.append(equation)
            found.add(equation.out)
        elif _is_view(equation):
            views.append(equation)
            seen.add(equation.out)
    used = {var for e in (*views, *steps) for var in operands(e)}
    return [e for e in views if e.out in used], comparisons, steps


def _comparison(solver: Solver, equation: Apply) -> Comparison | None:
    if equation.kwargs and any(
        leaf not in solver.known for _, t in equation.kwargs for leaf in leaves(t)
    ):
        return None
    unknown = [
        place
        for place, tree in enumerate(equation.args)
        if any(leaf not in solver.known for leaf in leaves(tree))
    ]
    if len(unknown) != 1 or not isinstance(equation.args[unknown[0]], Var):
        return None
    place = _place_of_threshold(solver, equation, unknown[0])
    if place is None or not isinstance(equation.args[place], Var | Const):
        return None
    return Comparison(equation, place)


def _place_of_threshold(solver: Solver, equation: Apply, unknown: int) -> int | None:
    call = solver.call(equation)
    if call is not None and call.fn in _COMPARED and len(equation.args) == 2:
        return 1 - unknown
    match equation.fn:
        case Ref(value=fn) if fn is jnp.searchsorted:
            return 0 if unknown == 1 else None
        case Ref(value=fn) if fn is jnp.digitize and len(equation.args) > 1:
            return 1 if unknown == 0 else None
        case Method(name="searchsorted"):
            return 0 if unknown == 1 else None
    return None


def _is_view(equation: Apply) -> bool:
    """Whether a call gives its operand an axis: `x[..., None]`, `jnp.expand_dims(x, -1)`."""
    match equation.fn:
        case Ref(value=fn) if fn is jnp.expand_dims:
            return True
        case Ref(value=fn) if fn is operator.getitem:
            index = equation.args[1]
            parts = index.items if isinstance(index, Display) else (index,)
            return all(_keeps_all(part) for part in parts)
    return False


def _keeps_all(part: Tree) -> bool:
    whole = Slice(Const(None), Const(None), Const(None))
    return part in (Const(None), Const(Ellipsis), whole)
