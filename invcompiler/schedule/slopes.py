"""Whether a function of one unknown that acts element by element is monotone: bounds of its slope, by interval arithmetic.

The bounds are numbers where that decides, else code that computes them from the known values when the inverse runs: the slope of
`x - e * jnp.sin(x)` lies between `1 - abs(e)` and `1 + abs(e)`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np

from invcompiler.ir.build import Builder
from invcompiler.ir.interval import NONNEGATIVE, NONPOSITIVE, POSITIVE, REAL, Interval, point
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Const,
    Display,
    Function,
    Loop,
    Ref,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves, operands
from invcompiler.rules.canonical import Call, canonical, declare, key_of
from invcompiler.schedule.continuity import is_floating
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.parts import parts_of
from invcompiler.schedule.slope_table import local_slope


@dataclass(frozen=True)
class Monotone:
    """`sign` is 1 for an increasing function, -1 for a decreasing one. Without it `bounds` computes (low, high) from the known
    parameters: the function increases where low is above zero, or not below it if `smooth`, and decreases likewise.
    """

    sign: int | None
    bounds: Function | None = None
    smooth: bool = False


@dataclass(frozen=True)
class Unproven:
    """Why a function is not seen to be monotone: `slope` is where its slope lies, None if nothing is known of it."""

    slope: Interval | None
    waits: bool = False  # for shapes


@dataclass(frozen=True)
class Slope:
    """Bounds of the slope of a value: an interval for all values of the knowns, and trees that are tighter for given ones."""

    interval: Interval
    low: Tree | None = None
    high: Tree | None = None
    smooth: bool = True
    constant: bool = False  # the value may not depend on the unknown: a factor may be zero


def monotone(
    function: Function,
    facts: Facts,
    intervals: Mapping[Var, Interval],
    literals: Mapping[Var, np.ndarray],
) -> Monotone | Unproven:
    """Return how `function` is monotone in its first parameter, on which it acts element by element.

    `literals` has the values of parameters that the text states.
    """
    walk = _Walk(function, facts, intervals, literals)
    try:
        for equation in function.body.equations:
            walk.equation(equation)
        slope = walk.of(function.body.result)
    except _Unknown as unknown:
        return Unproven(None, isinstance(unknown, _Waits))
    if slope is None:
        return Unproven(point(0.0))
    sign = _sign(slope.interval, slope.smooth and not slope.constant)
    if sign is not None:
        return Monotone(sign, smooth=slope.smooth)
    if slope.low is None and slope.high is None:
        return Unproven(slope.interval)
    low, high = (walk.end(slope, end) for end in ("low", "high"))
    block = Block((), tuple(walk.builder.equations), Display(tuple, (low, high)))
    bounds = Function(f"slope_of_{function.name}", function.params[1:], block)
    return Monotone(None, bounds, slope.smooth)


def _sign(interval: Interval, smooth: bool) -> int | None:
    """Return the sign of all slopes. Analytic functions may be flat at points, if they are not so everywhere."""
    if interval.is_positive or (smooth and interval.is_nonnegative and interval.hi > 0):
        return 1
    if interval.is_negative or (smooth and interval.is_nonpositive and interval.lo < 0):
        return -1
    return None


class _Unknown(Exception):
    def __init__(self, equation: Any):
        super().__init__()
        self.equation = equation


class _Pole(_Unknown):
    """The function may have a pole: it may be monotone on both sides of it, and is not so as a whole."""


class _Waits(_Unknown):
    """Shapes would tell."""


class _Walk:
    def __init__(
        self,
        function: Function,
        facts: Facts,
        intervals: Mapping[Var, Interval],
        literals: Mapping[Var, np.ndarray],
    ):
        self.facts = facts
        self.intervals = intervals
        self.literals = literals
        self.builder = Builder()
        self.slopes: dict[Var, Slope] = {function.params[0].var: Slope(point(1.0))}
        self.at: Any = None

    def of(self, tree: Tree) -> Slope | None:
        """Return the slope of a value, None for one that does not depend on the unknown."""
        if isinstance(tree, Var):
            return self.slopes.get(tree)
        if any(var in self.slopes for var in leaves(tree)):
            raise _Unknown(self.at)
        return None

    def interval(self, tree: Tree) -> Interval:
        if isinstance(tree, Const) and isinstance(tree.value, int | float):
            return point(tree.value)
        return self.intervals.get(tree, REAL) if isinstance(tree, Var) else REAL

    def equation(self, equation: Any) -> None:
        self.at = equation
        if not any(var in self.slopes for var in operands(equation)):
            self.builder.add(equation)  # bounds may rest on it
            return
        if isinstance(equation, Loop):
            self.loop(equation)
            return
        if not isinstance(equation, Apply):
            raise _Unknown(equation)
        call = canonical(equation)
        if call is None:
            raise _Unknown(equation)
        self.slopes[equation.out] = self.call(call, equation.out)

    def call(self, call: Call, out: Var) -> Slope:
        handler = _HANDLERS.get(id(call.fn))
        if handler is not None:
            return handler(self, call, out)
        first, *others = call.arguments.values()
        slope = self.of(first)
        if slope is None or any(self.of(tree) is not None for tree in others):
            raise _Unknown(self.at)
        found = local_slope(call, self.interval(first), self.interval(out))
        if found is None:
            raise _Unknown(self.at)
        factor, smooth = found
        return self.scaled(replace(slope, smooth=slope.smooth and smooth), factor)

    def loop(self, loop: Loop) -> None:
        """Find slopes of the carried values that hold at first and are kept by every step."""
        parts = parts_of(loop)
        trees = [tree for _, tree in parts.items] + list(parts.collected)
        outside, self.builder = self.builder, Builder()  # bounds do not leave the loop
        guess = [_plain(self.of(tree)) for tree in loop.init]
        while True:
            for var, slope in zip(parts.carries, guess, strict=True):
                self.slopes.update({} if slope is None else {var: slope})
            for equation in loop.body.equations:
                self.equation(equation)
            after = [_plain(self.of(tree)) for tree in parts.new_carries]
            wider = [_widened(one, other) for one, other in zip(guess, after, strict=True)]
            if wider == guess:
                break
            guess = wider
        self.builder, self.at = outside, loop
        if any(self.of(tree) is not None for tree in trees):
            raise _Unknown(loop)
        for out, slope in zip(parts.final, guess, strict=True):
            if slope is not None:
                self.slopes[out] = slope

    # ---- arithmetic of bounds ---------------------------------------------------------------

    def end(self, slope: Slope, end: str) -> Tree:
        """Return a bound as a tree."""
        tree = getattr(slope, end)
        if tree is not None:
            return tree
        return Const(slope.interval.lo if end == "low" else slope.interval.hi)

    def added(self, one: Slope, other: Slope) -> Slope:
        interval = one.interval + other.interval
        smooth, constant = one.smooth and other.smooth, one.constant and other.constant
        if _is_plain(one) and _is_plain(other):
            return Slope(interval, smooth=smooth, constant=constant)
        low, high = (self.sum(self.end(one, end), self.end(other, end)) for end in ("low", "high"))
        return Slope(interval, low, high, smooth, constant)

    def negative(self, slope: Slope) -> Slope:
        if _is_plain(slope):
            return replace(slope, interval=-slope.interval)
        low, high = self.end(slope, "high"), self.end(slope, "low")
        return Slope(-slope.interval, self.minus(low), self.minus(high), slope.smooth)

    def scaled(self, slope: Slope, factor: Interval) -> Slope:
        """Return the slope times what lies in `factor`."""
        if factor.lo == factor.hi == 1:
            return slope
        interval = slope.interval * factor
        if _is_plain(slope):
            return Slope(interval, smooth=slope.smooth)
        corners = [
            self.product(Const(number), self.end(slope, end))
            for number in (factor.lo, factor.hi)
            for end in ("low", "high")
        ]
        return self.spanned(interval, corners, slope.smooth)

    def times(self, slope: Slope, known: Tree) -> Slope:
        """Return the slope times a known value, which may be zero."""
        constant = slope.constant or 0.0 in self.interval(known)
        return replace(self.product_with(slope, known), constant=constant)

    def product_with(self, slope: Slope, known: Tree) -> Slope:
        """Return the slope times a known value, whose interval may tell enough."""
        within = self.interval(known)
        interval = slope.interval * within
        if isinstance(known, Const) or (_is_plain(slope) and slope.interval == REAL):
            return self.scaled(slope, within)
        if _is_plain(slope) and slope.interval.is_nonnegative and math.isinf(slope.interval.hi):
            return self.of_sign(interval, known, slope.smooth)
        if _is_plain(slope) and slope.interval.is_nonpositive and math.isinf(slope.interval.lo):
            return self.negative(self.of_sign(-interval, known, slope.smooth))
        ends = [self.end(slope, end) for end in ("low", "high")]
        if ends[0] == ends[1]:
            tree = self.product(known, ends[0])
            return Slope(interval, tree, tree, slope.smooth)
        if _is_plain(slope) and slope.interval.lo == -slope.interval.hi:
            high = self.product(self.apply(jnp.abs, known), ends[1])
            return Slope(interval, self.minus(high), high, slope.smooth)
        return self.spanned(interval, [self.product(known, end) for end in ends], slope.smooth)

    def of_sign(self, interval: Interval, known: Tree, smooth: bool) -> Slope:
        """Return a known value times anything that is not negative."""
        ends = []
        for compare, infinite in ((operator.ge, -math.inf), (operator.le, math.inf)):
            is_zero = self.apply(compare, known, Const(0))
            ends.append(self.apply(jnp.where, is_zero, Const(0.0), Const(infinite)))
        return Slope(interval, ends[0], ends[1], smooth)

    def coefficient(self, slope: Slope, known: Tree) -> Slope:
        """Return a known value, which may be zero, times a slope of which nothing may be known."""
        if slope.interval != REAL:
            return self.times(slope, known)
        is_zero = self.apply(operator.eq, known, Const(0))
        low, high = (
            self.apply(jnp.where, is_zero, Const(0.0), Const(end)) for end in (-math.inf, math.inf)
        )
        return Slope(REAL, low, high, slope.smooth)

    def spanned(self, interval: Interval, corners: list[Tree], smooth: bool) -> Slope:
        """Return the least and the greatest of several trees; infinite products with unknown signs leave nothing to say."""
        corners = list(dict.fromkeys(corners))
        if any(isinstance(c, Const) and not math.isfinite(c.value) for c in corners):
            return Slope(interval, smooth=smooth)
        low = high = corners[0]
        for corner in corners[1:]:
            low, high = self.apply(jnp.minimum, low, corner), self.apply(jnp.maximum, high, corner)
        return Slope(interval, low, high, smooth)

    def sum(self, one: Tree, other: Tree) -> Tree:
        if isinstance(one, Const) and isinstance(other, Const):
            return Const(one.value + other.value)
        for number, rest in ((one, other), (other, one)):
            if isinstance(number, Const) and (number.value == 0 or math.isinf(number.value)):
                return rest if number.value == 0 else number
        return self.apply(operator.add, one, other)

    def product(self, one: Tree, other: Tree) -> Tree:
        """Return a product; of infinity and an unknown number NaN, of zero and anything zero."""
        for number, rest in ((one, other), (other, one)):
            if not isinstance(number, Const):
                continue
            if isinstance(rest, Const):
                return Const(0.0 if 0 in (number.value, rest.value) else number.value * rest.value)
            if number.value in (0, 1):
                return rest if number.value == 1 else Const(0.0)
            if number.value == -1:
                return self.minus(rest)
            if math.isinf(number.value):
                return Const(math.nan)
        return self.apply(operator.mul, one, other)

    def minus(self, tree: Tree) -> Tree:
        return Const(-tree.value) if isinstance(tree, Const) else self.apply(operator.neg, tree)

    def apply(self, fn: Callable, *args: Tree) -> Tree:
        return self.builder.apply(_ref(fn), args)


def _ref(fn: Callable) -> Ref:
    if getattr(jnp, fn.__name__, None) is fn:
        return Ref(fn, f"jnp.{fn.__name__}", jnp)
    return Ref(fn, f"operator.{fn.__name__}", operator)


def _plain(slope: Slope | None) -> Slope | None:
    return None if slope is None else Slope(slope.interval, smooth=slope.smooth)


def _widened(one: Slope | None, other: Slope | None) -> Slope | None:
    """Return a slope that includes both: one of a few, so that a loop is looked at a few times only."""
    if other is None or other == one:
        return one
    before = Slope(point(0.0)) if one is None else one
    smooth = before.smooth and other.smooth
    if before.interval.includes(other.interval):
        return Slope(before.interval, smooth=smooth)
    return Slope(_summed(before.interval.hull(other.interval)), smooth=smooth)


def _is_plain(slope: Slope) -> bool:
    return slope.low is None and slope.high is None


# ---- functions of several arguments ---------------------------------------------------------------

_HANDLERS: dict[int, Callable[[_Walk, Call, Var], Slope]] = {}
_KEPT: list = []


def _handles(*fns: Any) -> Callable:
    def enter(handler: Callable) -> Callable:
        for fn in fns:
            declare(fn)
            _HANDLERS[id(key_of(fn))] = handler
            _KEPT.append(fn)
        return handler

    return enter


def _two(walk: _Walk, call: Call) -> tuple[Tree, Slope | None, Tree, Slope | None]:
    a, b = list(call.arguments.values())[:2]
    return a, walk.of(a), b, walk.of(b)


@_handles(jnp.add)
def _add(walk: _Walk, call: Call, out: Var) -> Slope:
    _, a, _, b = _two(walk, call)
    if a is not None and b is not None:
        return walk.added(a, b)
    return a or b  # type: ignore[return-value]


@_handles(jnp.subtract)
def _subtract(walk: _Walk, call: Call, out: Var) -> Slope:
    _, a, _, b = _two(walk, call)
    if b is None:
        return a  # type: ignore[return-value]
    negative = walk.negative(b)
    return negative if a is None else walk.added(a, negative)


@_handles(jnp.multiply)
def _multiply(walk: _Walk, call: Call, out: Var) -> Slope:
    x, a, y, b = _two(walk, call)
    if a is not None and b is not None:
        if x is y:
            return walk.scaled(a, walk.interval(x).scale(2.0))
        return walk.added(walk.scaled(a, walk.interval(y)), walk.scaled(b, walk.interval(x)))
    return walk.times(a, y) if a is not None else walk.times(b, x)  # type: ignore[arg-type]


@_handles(jnp.divide)
def _divide(walk: _Walk, call: Call, out: Var) -> Slope:
    x, a, y, b = _two(walk, call)
    if b is None:
        assert a is not None
        return (
            walk.scaled(a, walk.interval(y).reciprocal()) if _tells(walk, y) else _over(walk, a, y)
        )
    if 0.0 in walk.interval(y):
        raise _Pole(walk.at)
    steep = -(walk.interval(y).power(-2))
    by_denominator = walk.scaled(b, walk.interval(x) * steep)
    if a is None:
        return by_denominator
    return walk.added(walk.scaled(a, walk.interval(y).reciprocal()), by_denominator)


def _tells(walk: _Walk, known: Tree) -> bool:
    interval = walk.interval(known)
    return isinstance(known, Const) or interval.is_positive or interval.is_negative


def _over(walk: _Walk, slope: Slope, known: Tree) -> Slope:
    return walk.times(slope, walk.apply(operator.truediv, Const(1), known))


@_handles(jnp.asarray, jnp.astype)
def _cast(walk: _Walk, call: Call, out: Var) -> Slope:
    """A cast to another floating dtype changes nothing but precision; one to integers is a staircase."""
    first, *_ = call.arguments.values()
    slope = walk.of(first)
    if slope is None or not is_floating(call):
        raise _Unknown(walk.at)
    return slope


@_handles(jnp.power)
def _power(walk: _Walk, call: Call, out: Var) -> Slope:
    x, a, n, b = _two(walk, call)
    within = walk.interval(x)
    if b is None and a is not None and not isinstance(n, Const) and within.is_positive:
        return walk.times(walk.scaled(a, POSITIVE), n)  # n x^(n - 1)
    if b is None and a is not None and isinstance(n, Const) and type(n.value) in (int, float):
        if n.value < 0 and 0.0 in within:
            raise _Pole(walk.at)
        return walk.scaled(a, within.power(n.value - 1).scale(n.value))
    if a is None and b is not None and within.is_positive:  # c^x, of slope c^x log c
        return walk.scaled(b, walk.interval(out) * within.image(math.log))
    raise _Unknown(walk.at)


@_handles(jnp.polyval)
def _polynomial(walk: _Walk, call: Call, out: Var) -> Slope:
    """The sum of k c x^(k - 1) over the powers: of coefficients that are constants, or given at run time."""
    p, x = call.arguments["p"], call.arguments["x"]
    slope, values = walk.of(x), walk.literals.get(p) if isinstance(p, Var) else None
    shape = walk.facts.shape(p) if values is None else values.shape
    if slope is None or walk.of(p) is not None or (shape is not None and len(shape) != 1):
        raise _Unknown(walk.at)
    if shape is None or not isinstance(shape[0], int):
        raise _Waits(walk.at)
    total = Slope(point(0.0))
    for place in range(shape[0] - 1):
        k = shape[0] - 1 - place
        term = walk.scaled(slope, walk.interval(x).power(k - 1).scale(float(k)))
        if values is not None:
            term = walk.scaled(term, point(float(values[place])))
        else:
            term = walk.coefficient(term, walk.apply(operator.getitem, p, Const(place)))
        total = walk.added(total, term)
    return total


@_handles(jnp.logaddexp)
def _logaddexp(walk: _Walk, call: Call, out: Var) -> Slope:
    """The slope is a mean of those of the operands, whose weights are positive."""
    _, a, _, b = _two(walk, call)
    weight = Interval(0, 1, lo_open=True, hi_open=True)
    if a is not None and b is not None:
        hull = a.interval.hull(b.interval)
        return Slope(hull, smooth=a.smooth and b.smooth)
    return walk.scaled(a or b, weight)  # type: ignore[arg-type]


@_handles(jnp.where)
def _where(walk: _Walk, call: Call, out: Var) -> Slope:
    """A choice that does not depend on the unknown."""
    condition, x, y = call.arguments.values()
    if walk.of(condition) is not None:
        raise _Unknown(walk.at)
    zero = Slope(point(0.0), constant=True)
    a, b = walk.of(x) or zero, walk.of(y) or zero
    hull, constant = a.interval.hull(b.interval), a.constant or b.constant
    return Slope(hull, smooth=a.smooth and b.smooth, constant=constant)


@_handles(jnp.maximum, jnp.minimum)
def _extreme(walk: _Walk, call: Call, out: Var) -> Slope:
    _, a, _, b = _two(walk, call)
    zero = Slope(point(0.0))
    return Slope((a or zero).interval.hull((b or zero).interval), smooth=False)


@_handles(jnp.clip)
def _clip(walk: _Walk, call: Call, out: Var) -> Slope:
    first, *bounds = call.arguments.values()
    slope = walk.of(first)
    if slope is None or any(walk.of(tree) is not None for tree in bounds):
        raise _Unknown(walk.at)
    return Slope(slope.interval.hull(point(0.0)), smooth=False)


@_handles(jax.nn.leaky_relu)
def _leaky(walk: _Walk, call: Call, out: Var) -> Slope:
    first, negative = call.arguments.values()
    slope = walk.of(first)
    if slope is None or walk.of(negative) is not None:
        raise _Unknown(walk.at)
    return walk.scaled(replace(slope, smooth=False), walk.interval(negative).hull(point(1.0)))


@_handles(jax.nn.elu, jax.nn.celu)
def _elu(walk: _Walk, call: Call, out: Var) -> Slope:
    first, alpha = call.arguments.values()
    slope = walk.of(first)
    if slope is None or alpha != Const(1.0):
        raise _Unknown(walk.at)
    unit = Interval(0, 1, lo_open=True)
    return walk.scaled(replace(slope, smooth=False), unit)


# ---- axes -----------------------------------------------------------------------------------------


@_handles(jnp.expand_dims, jnp.squeeze, jnp.mean)
def _kept(walk: _Walk, call: Call, out: Var) -> Slope:
    first, *others = call.arguments.values()
    slope = walk.of(first)
    if slope is None or any(walk.of(tree) is not None for tree in others):
        raise _Unknown(walk.at)
    return Slope(slope.interval, smooth=slope.smooth)


@_handles(jnp.sum)
def _sum(walk: _Walk, call: Call, out: Var) -> Slope:
    first, *_ = call.arguments.values()
    slope = walk.of(first)
    if slope is None:
        raise _Unknown(walk.at)
    return Slope(_summed(slope.interval), smooth=slope.smooth)


def _summed(interval: Interval) -> Interval:
    """A sum of positive numbers is positive, if there are any; else it is constant, which shows when it is solved."""
    for sign in (POSITIVE, NONNEGATIVE, -POSITIVE, NONPOSITIVE):
        if sign.includes(interval):
            return sign
    return REAL


@_handles(jax.scipy.special.logsumexp)
def _logsumexp(walk: _Walk, call: Call, out: Var) -> Slope:
    """The slope is a mean of those of the terms; weights `b` that are positive change nothing."""
    first, *_ = call.arguments.values()
    slope = walk.of(first)
    weights = call.arguments.get("b", Const(None))
    is_mean = weights == Const(None) or (
        walk.of(weights) is None and walk.interval(weights).is_positive
    )
    if slope is None or not is_mean:
        raise _Unknown(walk.at)
    return Slope(slope.interval, smooth=slope.smooth)


@_handles(jnp.matmul, jnp.dot)
def _product(walk: _Walk, call: Call, out: Var) -> Slope:
    """A sum of products with known numbers."""
    a, b = call.arguments["a"], call.arguments["b"]
    slope, known = (walk.of(a), b) if walk.of(a) is not None else (walk.of(b), a)
    if slope is None or walk.of(known) is not None:
        raise _Unknown(walk.at)
    return Slope(_summed(slope.interval * walk.interval(known)), smooth=slope.smooth)


__all__ = ["Monotone", "Unproven", "monotone"]
