"""Looking at a function of several pieces: do their images overlap, and do they meet where one ends and another begins?

The function is run on a fine grid, where all that it depends on is known. Two stretches that are monotone and whose images overlap
are two inputs of one output. That no overlap is found is taken for a proof that there is none: thresholds that the text names are
looked at from close by.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.ir.evaluate import run
from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Const,
    Display,
    Equation,
    Function,
    Param,
    ParameterKind,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves, operands
from invcompiler.rules.canonical import Call
from invcompiler.rules.registry import Refusal
from invcompiler.schedule.plan import Way
from invcompiler.schedule.pointwise import between, is_pointwise

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_ROUNDS = 2  # of looking closer at where pieces meet
_MOST, _MORE = 1536, 256  # points that are looked at, at first and closer
_CONSTANTS = 8  # that are looked at from close by


@dataclass(frozen=True)
class View:
    refusal: Refusal | None = None
    is_proven: bool = False


UNSEEN = View()


def survey(solver: Solver, out: Var, source: Var, ways: tuple[Way, ...]) -> View:
    """Return what can be seen of a function from `source` to `out` in pieces."""
    equations = between(solver, out, source)
    if equations is None or not _is_followed(solver, equations, is_pointwise_or_reduces):
        return UNSEEN
    pointwise = _is_followed(solver, equations, is_pointwise)
    given = _given(solver, equations, source)
    if given is None or not _shows_conditions(equations, ways, {source, *given}):
        return UNSEEN
    look = _look(equations, source, out, ways, given, pointwise)
    interval = solver.context.interval(source)
    seen = _seen(look, _grid(interval, _constants(equations, given)), _MOST)
    for _ in range(_ROUNDS):
        seen = _joined(seen, _seen(look, _closer(seen), _MORE))
    stretches = _stretches(seen)
    view = _judged(stretches)
    return view if pointwise else View(view.refusal)


# ---- what is run -----------------------------------------------------------------------------------------


def _is_followed(solver: Solver, equations: Iterable[Equation], accepts: Callable) -> bool:
    """Whether all calls of `equations`, in their blocks too, are ones that `accepts` names."""
    for equation in equations:
        if isinstance(equation, Branch):
            if not all(_is_followed(solver, block.equations, accepts) for block in equation.blocks):
                return False
            continue
        call = solver.call(equation) if isinstance(equation, Apply) else None
        if call is None or not accepts(call):
            return False
    return True


_REDUCTIONS = (jnp.sum, jnp.mean, jnp.max, jnp.min, jnp.prod, jnp.any, jnp.all)


def is_pointwise_or_reduces(call: Call) -> bool:
    """Whether a call can be run on an array of one element, for one of any size."""
    return is_pointwise(call) or call.fn in _REDUCTIONS


def _given(solver: Solver, equations: list, source: Var) -> dict[Var, Any] | None:
    """Return the values of what the equations read, if they are all numbers that are known today."""
    made = {out for equation in equations for out in equation.outs}
    found: dict[Var, Any] = {}
    for equation in equations:
        for var in operands(equation):
            if var in made or var is source or var in found:
                continue
            value = solver.context.array(var)
            if value is None or value.ndim:
                return None
            found[var] = value[()]
    return found


def _shows_conditions(equations: list, ways: tuple[Way, ...], given: set[Var]) -> bool:
    """Whether all conditions are values of these equations, not of a block inside one of them."""
    made = {out for equation in equations for out in equation.outs}
    read = {v for way in ways for c, _ in way.choices for tree in c.trees for v in leaves(tree)}
    return read <= made | given


def _look(
    equations: list,
    source: Var,
    out: Var,
    ways: tuple[Way, ...],
    given: dict[Var, Any],
    scalar: bool,
):
    """Return the function that gives, for each point, the value and the number of the way that is taken.

    A function of a whole array is looked at on arrays of one element.
    """
    conditions = list(dict.fromkeys(c for way in ways for c, _ in way.choices))
    trees = [tree for c in conditions for tree in c.trees]
    block = Block((source,), tuple(equations), Display(tuple, (out, *trees)))
    function = Function("looked_at", (Param(source, ParameterKind.POSITIONAL_ONLY),), block)

    def at(x: Any) -> tuple:
        y, *rest = run(function, {**given, source: x if scalar else x[None]})
        values = iter(rest)
        truth = {c: jnp.all(c.holds(*(next(values) for _ in c.trees))) for c in conditions}
        number = jnp.asarray(-1)
        for i, way in reversed(list(enumerate(ways))):
            taken = jnp.all(jnp.stack([jnp.equal(truth[c], want) for c, want in way.choices]))
            number = jnp.where(taken, i, number)
        return jnp.asarray(y, float).reshape(()), number

    return jax.vmap(at)


@dataclass(frozen=True)
class _Seen:
    """Points in order, the values there, and the numbers of the ways that are taken there."""

    points: np.ndarray
    values: np.ndarray
    numbers: np.ndarray


def _seen(look: Callable, points: np.ndarray, size: int) -> _Seen:
    """Look at points. Their number is made up to `size`: what runs is compiled once for each function and size."""
    chosen = points[:: -(-len(points) // size)] if len(points) > size else points
    padded = np.concatenate([chosen, np.full(size - len(chosen), chosen[-1])])
    with jax.ensure_compile_time_eval():
        values, numbers = (np.asarray(a)[: len(chosen)] for a in look(jnp.asarray(padded)))
    return _Seen(chosen, values, numbers)


def _joined(one: _Seen, other: _Seen) -> _Seen:
    points, first = np.unique(np.concatenate([one.points, other.points]), return_index=True)
    values = np.concatenate([one.values, other.values])[first]
    return _Seen(points, values, np.concatenate([one.numbers, other.numbers])[first])


# ---- where to look -----------------------------------------------------------------------------------------


def _constants(equations: list, given: dict[Var, Any]) -> list[float]:
    found = [float(v) for v in given.values() if np.isrealobj(v) and np.isfinite(float(v))]
    for equation in equations:
        parts = (
            list(equation.args) if isinstance(equation, Apply) else list(_inner_constants(equation))
        )
        found += [
            float(tree.value)
            for tree in parts
            if isinstance(tree, Const) and type(tree.value) in (int, float)
        ]
    return [c for c in dict.fromkeys(found) if abs(c) < 1e6][:_CONSTANTS]


def _inner_constants(branch: Branch) -> Iterator[Tree]:
    for block in branch.blocks:
        for equation in block.equations:
            yield from equation.args if isinstance(equation, Apply) else ()


def _grid(interval: Interval, constants: list[float]) -> np.ndarray:
    far = np.geomspace(1e-6, 1e6, 97)
    near = np.geomspace(1e-5, 1.0, 17)
    around = [c + side * near for c in (*constants, *(-c for c in constants)) for side in (-1, 1)]
    ends = [e for e in (interval.lo, interval.hi) if np.isfinite(e)]
    around += [e + side * near for e in ends for side in (-1, 1)]
    if len(ends) == 2:
        around.append(np.linspace(ends[0], ends[1], 201)[1:-1])
    points = np.concatenate([far, -far, np.linspace(-8.013, 8.017, 433), *around])
    return np.unique(points[[x in interval for x in points.tolist()]])


def _closer(seen: _Seen) -> np.ndarray:
    """Return points between those of different pieces."""
    (changes,) = np.nonzero(seen.numbers[1:] != seen.numbers[:-1])
    between = [np.linspace(seen.points[i], seen.points[i + 1], 34)[1:-1] for i in changes]
    return np.concatenate([seen.points[:1], *between])


# ---- what is seen ------------------------------------------------------------------------------------------


@dataclass
class _Stretch:
    """A row of points of one piece, in order."""

    x: np.ndarray
    y: np.ndarray

    @property
    def is_monotone(self) -> bool:
        steps = np.diff(self.y)
        return bool((steps >= 0).all() or (steps <= 0).all())

    @property
    def is_flat(self) -> bool:
        return len(self.y) > 2 and bool((self.y == self.y[0]).all())


def _stretches(seen: _Seen) -> list[_Stretch]:
    finite = np.isfinite(seen.values)
    points, values, numbers = (a[finite] for a in (seen.points, seen.values, seen.numbers))
    cuts = np.nonzero(numbers[1:] != numbers[:-1])[0] + 1
    parts = zip(np.split(points, cuts), np.split(values, cuts), strict=True)
    return [_Stretch(x, y) for x, y in parts if len(x) > 1]


def _judged(stretches: list[_Stretch]) -> View:
    if len(stretches) < 2 or not all(s.is_monotone for s in stretches):
        return UNSEEN
    proven = True
    for number, one in enumerate(stretches):
        for other in stretches[number + 1 :]:
            shared = _shared(one, other)
            if shared is not None and shared[2] > 1e-4:
                return View(_overlapping(one, other, _plain(*shared[:2])))
            proven = proven and shared is None
    meets = all(_meet(a, b) for a, b in itertools.pairwise(stretches))
    return View(None, proven and meets)


def _shared(one: _Stretch, other: _Stretch) -> tuple[float, float, float] | None:
    """Return the values that two stretches have in common, from, to, and how much that is relative to their size."""
    lo = max(one.y.min(), other.y.min())
    hi = min(one.y.max(), other.y.max())
    size = 1e-30 + max(abs(lo), abs(hi))
    width = (hi - lo) / (size + 1e-3)
    return (float(lo), float(hi), float(width)) if width > 1e-6 else None


def _meet(one: _Stretch, other: _Stretch) -> bool:
    """Whether a stretch goes on where the one before it stops."""
    usual = max(abs(one.y[-1] - one.y[-2]), abs(other.y[1] - other.y[0]))
    return bool(abs(other.y[0] - one.y[-1]) <= 16 * usual + 1e-5 * (abs(one.y[-1]) + 1e-3))


def _plain(lo: float, hi: float) -> float:
    """Return a number of ordinary size between two, for a message."""
    middle = (lo + hi) / 2
    ordinary = float(np.clip(np.copysign(1.0, middle), lo, hi))
    return ordinary if lo < ordinary < hi else middle


def _overlapping(one: _Stretch, other: _Stretch, value: float) -> Refusal:
    inputs = [float(np.interp(value, *_rising(s))) for s in (one, other)]
    return Refusal(
        f"its pieces overlap: {inputs[0]:.3g} and {inputs[1]:.3g} both give {value:.3g}",
        "give it pieces whose values do not overlap, or pass `domain=` to keep to one of them",
    )


def _rising(stretch: _Stretch) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(stretch.y, kind="stable")
    return stretch.y[order], stretch.x[order]
