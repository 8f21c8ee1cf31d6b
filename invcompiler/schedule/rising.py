"""Whether a table of bins is seen to be an increasing function: it is run on knots drawn at random.

A function of bins increases for some tables only: the knots are to be in order, and the slopes positive. Arrays that are given are drawn
so, and what is computed from them is computed. On several draws the function is to act on each element, to have one value on
both sides of each threshold, and to increase from one to the next. That what was drawn stands for what is given is checked
at run time, as far as known arrays hold the values, or the slopes, at the thresholds.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.ir.evaluate import run
from invcompiler.ir.interval import NONNEGATIVE, POSITIVE, Interval
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Const,
    Display,
    Function,
    Method,
    Param,
    ParameterKind,
    Ref,
    Tree,
    Var,
)
from invcompiler.ir.walk import operands
from invcompiler.schedule.bins import Table
from invcompiler.schedule.callees import is_library
from invcompiler.schedule.running import run_now

if TYPE_CHECKING:
    from invcompiler.schedule.context import Context

_DRAWS = 2
_FEW = 16
_WITHIN = np.linspace(0, 1, 9)
_REFUTATIONS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


@dataclass(frozen=True)
class NotSeen:
    """Why a table is not seen to increase; `waits` for shapes."""

    reason: str
    waits: bool = False


@dataclass(frozen=True)
class Image:
    """The known values of the function at a threshold: `array`, at the indices that lead to the threshold."""

    array: Var
    indices: tuple[Tree, ...] = ()


@dataclass(frozen=True)
class Rising:
    """What is seen of a table that increases.

    `images` are the known values at the threshold of each comparison; `values` and `slopes` those at the knots, of which the thresholds
    are some. `below` and `above`: whether it increases beyond the first and the last knot too. `intervals`: where values live in a bin,
    `same`: which of them are others, since `jnp.clip` and the like change nothing there.
    """

    images: tuple[Image, ...]
    knots: Tree
    values: Var
    slopes: Var | None
    below: bool
    above: bool
    intervals: Mapping[Var, Interval]
    same: Mapping[Var, Var]


def rising(context: Context, table: Table, is_known: Callable[[Var], bool]) -> Rising | NotSeen:
    """Return what is seen of a table, or why nothing is."""
    given, roots = _known_equations(context, table, is_known)
    shape = context.concrete_shape(table.source)
    shapes = {root: _shape(context, root) for root in roots}
    if shape is None or None in shapes.values():
        guessed = {r: _USUAL if known is None else known for r, known in shapes.items()}
        found = _tried(table, tuple(given.values()), shape or (3,), tuple(guessed.items()))
        return found if isinstance(found, Rising) else replace(found, waits=True)
    return _tried(table, tuple(given.values()), shape, tuple(shapes.items()))


_USUAL = ((5,), np.dtype(float))  # of arrays of which nothing is known: as many knots as slopes


@functools.lru_cache(maxsize=64)
def _tried(
    table: Table,
    equations: tuple[Apply, ...],
    shape: tuple[int, ...],
    known: tuple[tuple[Var, Any], ...],
) -> Rising | NotSeen:
    given, shapes = {e.out: e for e in equations}, dict(known)
    small = _small(shape, shapes)
    drawn = {root: _shrunk(known, shape, small) for root, known in shapes.items()}
    try:
        with jax.enable_x64(True):
            at = _evaluator(table)
            seen: Rising | NotSeen | None = None
            chains = [_chain(c.threshold, given) for c in table.comparisons]
            for arrays in ([chain[-1:] for chain in chains], [chain[:1] for chain in chains]):
                knots = dict.fromkeys(tree for chain in arrays for tree, _ in chain)
                draws = [_Draw(table, small, drawn, given, at, knots, n) for n in range(_DRAWS)]
                found = _judged(chains, knots, draws)
                if isinstance(found, Rising):
                    return found
                seen = seen or found
            assert seen is not None
            return seen
    except _REFUTATIONS:
        return NotSeen("a table of bins that cannot be tried with knots drawn at random")


def _known_equations(
    context: Context, table: Table, is_known: Callable[[Var], bool]
) -> tuple[dict[Var, Apply], list[Var]]:
    """Return the equations of functions of libraries that what the table rests on is computed by, and what they rest on."""
    equations = (*table.views, *table.steps, *table.smooth)
    made = {out for e in equations for out in e.outs} | {table.source}
    waiting = [v for e in equations for v in operands(e) if v not in made]
    given: dict[Var, Apply] = {}
    roots: dict[Var, None] = {}
    while waiting:
        var = waiting.pop()
        if var in given or var in roots:
            continue
        e = context.defining.get(var)
        if is_known(var) and isinstance(e, Apply) and _is_of_library(e):
            given[var] = e
            waiting += operands(e)
        else:
            roots[var] = None
    return given, list(roots)


def _is_of_library(equation: Apply) -> bool:
    if isinstance(equation.fn, Method):
        return True
    return isinstance(equation.fn, Ref) and is_library(equation.fn.value)


def _shape(context: Context, root: Var) -> Any:
    static = context.facts.static(root)
    if static is not None:
        return static.value if isinstance(static.value, bool | int | float | str) else None
    shape, dtype = context.concrete_shape(root), context.facts.dtype(root)
    return None if shape is None or dtype is None else (shape, np.dtype(dtype))


def _small(shape: tuple[int, ...], shapes: Mapping[Var, Any]) -> tuple[int, ...]:
    """Return a shape like that of the unknown with few elements, and more than one of them where that can be."""
    if math.prod(shape) > _FEW:
        return tuple(min(size, 2) for size in shape)
    ranks = [len(known[0]) for known in shapes.values() if isinstance(known, tuple)]
    return tuple(max(size, 2) for size in shape) if max(ranks, default=0) < 2 else shape


def _shrunk(known: Any, shape: tuple[int, ...], small: tuple[int, ...]) -> Any:
    """Return the shape of an array that is given for each element, for fewer of them."""
    if not isinstance(known, tuple) or not shape or known[0][: len(shape)] != shape:
        return known
    if len(known[0]) == 1:  # as many knots as elements, or one number for each of them
        return known
    return (small + known[0][len(shape) :], known[1])


# ---- one draw ----------------------------------------------------------------------------------------


def _evaluator(table: Table) -> Callable[..., Any]:
    """Return what computes all values at points, with the entries of the bins in which other points are; and the slopes."""
    outs = tuple(e.out for e in table.smooth)
    entries = table.entries
    steps = _values_of_steps(table)
    lookup = _function("lookup", (table.source,), (*table.views, *table.steps), steps)
    smooth = _function("smooth", (table.source, *entries), table.smooth, outs)

    def one(known: dict[Var, Any], x: Any, bin: Any) -> tuple:
        found = run(lookup, {**known, table.source: bin})
        looked_up = dict(zip(steps, found, strict=True))
        given = {**known, **{var: looked_up[var] for var in entries}}

        def value(x: Any) -> Any:
            return run(smooth, {**given, table.source: x})

        values, dots = jax.jvp(value, (x,), (jnp.ones_like(x),))
        return (*found, *values), dots[outs.index(table.out)]

    return one


def _values_of_steps(table: Table) -> tuple[Var, ...]:
    return tuple(out for e in table.steps for out in e.outs)


class _Draw:
    """A table with knots drawn at random: `edges` are its thresholds in order, for each element."""

    def __init__(
        self,
        table: Table,
        shape: tuple[int, ...],
        shapes: Mapping[Var, Any],
        given: Mapping[Var, Apply],
        at: Callable[..., Any],
        knots: Iterable[Tree],
        number: int,
    ):
        random = np.random.default_rng(number)
        self.table, self.shape, self._at = table, shape, at
        self.values = {root: _drawn(root_shape, random) for root, root_shape in shapes.items()}
        self._compute(given)
        thresholds = [self._along_first(tree) for tree in knots]
        spread = [np.broadcast_to(t, (len(t), *shape)) for t in thresholds]
        edges = np.sort(np.concatenate(spread), 0)
        gaps = np.diff(edges, axis=0).reshape(len(edges) - 1, math.prod(shape))
        self.edges = edges[np.concatenate([[True], (gaps > 1e-9).any(axis=1)])]
        self.width = float(np.ptp(self.edges)) or 1.0
        below, above = self.edges[:1] - self.width, self.edges[-1:] + self.width
        self.middles = np.concatenate([below, (self.edges[1:] + self.edges[:-1]) / 2, above])

    def _compute(self, given: Mapping[Var, Apply]) -> None:
        """Compute what is known from what is drawn."""
        order: list[Var] = []
        waiting = list(given)
        while waiting:
            var = waiting[-1]
            missing = [v for v in operands(given[var]) if v in given and v not in order]
            if missing and var not in order:
                waiting += missing
                continue
            waiting.pop()
            if var not in order:
                order.append(var)
        function = _function("known", (), [given[var] for var in order], tuple(order))
        found = run_now(lambda: run(function, self._arrays()))
        self.values.update(zip(order, found, strict=True))

    def value(self, tree: Tree) -> np.ndarray:
        known = tree.value if isinstance(tree, Const) else self.values[tree]  # type: ignore[index]
        return np.asarray(known, float)

    def knots(self, tree: Tree) -> np.ndarray | None:
        """Return knots along a first axis, if they are such."""
        try:
            return self._along_first(tree)
        except ValueError:
            return None

    def _along_first(self, threshold: Tree) -> np.ndarray:
        """Return thresholds along a first axis, before the axes of the unknown."""
        value = self.value(threshold)
        if value.ndim > 1 and value.ndim == len(self.shape) + 1:
            return np.moveaxis(value, -1, 0)
        if value.ndim > 1:
            raise ValueError
        return value.reshape((-1, *(1,) * len(self.shape)))

    def at(self, *probes: tuple[Any, Any]) -> list[tuple[dict[Var, np.ndarray], np.ndarray]]:
        """Return for each of (points, points in the bins whose entries hold) all values, and the slopes."""
        sides = [[np.broadcast_to(side, (len(side), *self.shape)) for side in p] for p in probes]
        points, bins = (np.concatenate([side[i] for side in sides]) for i in (0, 1))
        values, slopes = run_now(lambda: self._all_at(points, bins))
        cuts = np.cumsum([len(side[0]) for side in sides])[:-1]
        vars_ = (*_values_of_steps(self.table), *(e.out for e in self.table.smooth))
        parts = [np.split(np.asarray(a), cuts) for a in (points, slopes, *values)]
        return [
            (dict(zip((self.table.source, *vars_), (p[0], *p[2:]), strict=True)), p[1])
            for p in zip(*parts, strict=True)
        ]

    def _all_at(self, points: Any, bins: Any) -> Any:
        known = self._arrays()
        return jax.vmap(lambda x, bin: self._at(known, x, bin))(points, bins)

    def _arrays(self) -> dict[Var, Any]:
        """Return what is known as arrays of JAX's, which can be indexed by what is traced."""
        values = self.values.items()
        return {v: jnp.asarray(a) if isinstance(a, np.ndarray) else a for v, a in values}


def _function(name: str, params: tuple[Var, ...], equations: Any, results: Any) -> Function:
    kind = ParameterKind.POSITIONAL_ONLY
    result = Display(tuple, results) if isinstance(results, tuple) else results
    return Function(
        name, tuple(Param(var, kind) for var in params), Block((), tuple(equations), result)
    )


def _drawn(shape: Any, random: np.random.Generator) -> Any:
    """Return numbers that rise along the last axis, between 0.5 and 1.6."""
    if not isinstance(shape, tuple):
        return shape
    shape, dtype = shape
    if dtype.kind not in "fV":
        raise ValueError
    last = shape[-1] if shape else 1
    found = 0.5 + np.cumsum(random.uniform(0.5, 1.5, shape or (1,)), axis=-1) / max(last, 2)
    return found.reshape(shape)


def _close(one: Any, other: Any) -> bool:
    return bool(np.allclose(one, other, rtol=1e-6, atol=1e-9))


# ---- what is seen --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Look:
    """What is seen of one draw: `values` are those at points of all bins, `at_knots` the value and the slope at each of several thresholds."""

    by_element: bool
    meets: bool
    rises: bool
    below: bool
    above: bool
    values: Mapping[Var, np.ndarray]
    at_knots: Mapping[Tree, tuple[np.ndarray, np.ndarray]]


def _look(draw: _Draw, knots: Mapping[Tree, np.ndarray]) -> _Look:
    edges, middles, out = draw.edges, draw.middles, draw.table.out
    weights = _WITHIN.reshape(1, -1, *(1,) * len(draw.shape))
    points = (edges[:-1, None] + np.diff(edges, axis=0)[:, None] * weights).reshape(-1, *draw.shape)
    bins = np.repeat(middles[1:-1], len(_WITHIN), axis=0)
    far = np.array([0, 0.01, 0.1, 1, 10, 1e3]).reshape(-1, *(1,) * len(draw.shape))
    ends = middles[[0] * len(far)], middles[[-1] * len(far)]
    moved = middles[[len(middles) // 2] * 2].copy()
    moved[1].flat[0] = middles[1].flat[0]
    probes = [
        (edges, middles[:-1]),
        (edges, middles[1:]),
        (points, bins),
        (edges[0] + (ends[0] - edges[0]) * far, ends[0]),
        (edges[-1] + (ends[1] - edges[-1]) * far, ends[1]),
        (moved, moved),
    ]
    probes += [(knot, _bins_of(draw, knot)) for knot in knots.values()]
    found = draw.at(*probes)
    left, right, within, below, above, both = (values[out] for values, _ in found[:6])
    rows = within.reshape(len(edges) - 1, len(_WITHIN), -1)
    inner = slice(1, len(edges) - 1)
    one, other = both.reshape(2, -1)
    return _Look(
        by_element=draw.shape == () or bool(np.array_equal(one[1:], other[1:])),
        meets=_close(left[inner], right[inner]),
        rises=bool((np.diff(rows, axis=1) > 0).all() and np.isfinite(rows).all()),
        below=_goes_on(below, right[0], -1),
        above=_goes_on(above, left[-1], 1),
        values=found[2][0],
        at_knots={
            tree: (values[out], slope)
            for tree, (values, slope) in zip(knots, found[6:], strict=True)
        },
    )


def _bins_of(draw: _Draw, knot: np.ndarray) -> np.ndarray:
    """Return points in the bins that begin at thresholds; in the last bin for the last of them."""
    spread = np.broadcast_to(knot, (len(knot), *draw.shape))
    far = [np.abs(draw.edges - x).reshape(len(draw.edges), -1).max(1) for x in spread]
    return draw.middles[[min(int(np.argmin(d)), len(draw.edges) - 2) + 1 for d in far]]


def _goes_on(y: np.ndarray, value: np.ndarray, sign: int) -> bool:
    """Whether a function goes on to increase beyond an end, where it has `value`."""
    rises = np.isfinite(y).all() and (sign * np.diff(y, axis=0) > 0).all()
    return bool(_close(y[0], value) and rises)


def _judged(chains: list[_Chain], knots: Iterable[Tree], draws: list[_Draw]) -> Rising | NotSeen:
    trees = list(dict.fromkeys(tree for chain in chains for tree, _ in chain))
    looks = [_look(d, {t: x for t in trees if (x := d.knots(t)) is not None}) for d in draws]
    if not all(look.by_element for look in looks):
        return NotSeen("a table of bins that is not seen to act element by element")
    if not all(look.meets for look in looks):
        return NotSeen("a table of bins whose pieces are not seen to meet where one ends")
    if not all(look.rises for look in looks):
        return NotSeen("a table of bins that is not seen to increase where its knots do")
    images = [_image(chain, draws, looks) for chain in chains]
    sizes = {tree: len(x) for tree in knots if (x := draws[0].knots(tree)) is not None}
    main = max(sizes, key=lambda tree: sizes[tree])
    values = _known(draws, [look.at_knots[main][0] for look in looks])
    found = [image for image in images if image is not None]
    if values is None or len(found) < len(images):
        return NotSeen("a table of bins of which no known array holds the values at the knots")
    slopes = _known(draws, [look.at_knots[main][1] for look in looks])
    below, above = (all(getattr(look, side) for look in looks) for side in ("below", "above"))
    return Rising(
        tuple(found),
        main,
        values,
        slopes,
        below,
        above,
        _intervals(looks),
        _same(draws[0].table, looks),
    )


_Chain = list[tuple[Tree, tuple[Tree, ...]]]


def _chain(threshold: Tree, given: Mapping[Var, Apply]) -> _Chain:
    """Return the threshold, and the arrays that it is a part of, with the indices that lead from these to it."""
    chain: _Chain = [(threshold, ())]
    while isinstance(threshold, Var) and threshold in given:
        equation = given[threshold]
        if not isinstance(equation.fn, Ref) or equation.fn.value is not operator.getitem:
            break
        threshold, index = equation.args
        chain.append((threshold, (index, *chain[-1][1])))
    return chain


def _image(chain: _Chain, draws: list[_Draw], looks: list[_Look]) -> Image | None:
    for tree, indices in chain:
        if tree not in looks[0].at_knots:
            continue
        found = _known(draws, [look.at_knots[tree][0] for look in looks])
        if found is not None:
            return Image(found, indices)
    return None


def _known(draws: list[_Draw], wanted: list[np.ndarray]) -> Var | None:
    """Return a known array that holds the wanted values, along its last axis, on all draws."""
    for var in sorted(draws[0].values, key=lambda var: var.name is None):
        if all(_holds(draw, var, want) for draw, want in zip(draws, wanted, strict=True)):
            return var
    return None


def _holds(draw: _Draw, var: Var, want: np.ndarray) -> bool:
    value = np.asarray(draw.values[var])
    if value.dtype.kind not in "fV" or value.ndim not in (0, 1, len(draw.shape) + 1):
        return False
    along = draw._along_first(var)
    if len(along) != len(want):
        return False
    return _close(np.broadcast_to(along, want.shape), want)


def _intervals(looks: list[_Look]) -> dict[Var, Interval]:
    """Return where values live in a bin: from 0 to 1, or on one side of 0."""
    found: dict[Var, Interval] = {}
    for var in looks[0].values:
        values = np.concatenate([np.ravel(look.values[var]) for look in looks])
        if values.dtype.kind != "f":
            continue
        lo, hi = values.min(), values.max()
        if abs(lo) < 1e-9 and abs(hi - 1) < 1e-9:
            found[var] = Interval(0, 1)
        elif lo > 1e-9:
            found[var] = POSITIVE
        elif abs(lo) < 1e-9:
            found[var] = NONNEGATIVE
    return found


def _same(table: Table, looks: list[_Look]) -> dict[Var, Var]:
    """Return the values that are equal to an operand of theirs."""
    found: dict[Var, Var] = {}
    for equation in table.smooth:
        for var in operands(equation):
            values = [(look.values[equation.out], look.values.get(var)) for look in looks]
            if all(y is not None and np.array_equal(x, y) for x, y in values):
                found.setdefault(equation.out, found.get(var, var))
    return found
