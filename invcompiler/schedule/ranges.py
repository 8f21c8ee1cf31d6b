"""What functions do to intervals: one table, by canonical keys.

Monotone functions map ends to ends; the others state what they can.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
from jax import lax

from invcompiler.ir.interval import (
    NEGATIVE,
    NONNEGATIVE,
    NONPOSITIVE,
    POSITIVE,
    REAL,
    UNIT,
    Interval,
    point,
)
from invcompiler.ir.nodes import Const, Display, Tree
from invcompiler.rules.canonical import Call

INF = math.inf
_BALL = Interval(-1, 1)
_OPEN_BALL = Interval(-1, 1, lo_open=True, hi_open=True)


@dataclass
class Bounds:
    """A call, seen through the intervals of its arguments."""

    of: Callable[[Tree], Interval]
    number_of: Callable[[Tree], float | None]
    call: Call

    def __getitem__(self, name: str) -> Interval:
        return self.of(self.tree(name))

    def tree(self, name: str) -> Tree:
        return self.call.arguments.get(name, Const(None))

    def number(self, name: str) -> float | None:
        return self.number_of(self.tree(name))

    def first(self) -> Interval:
        return self.of(next(iter(self.call.arguments.values())))

    def is_given(self, name: str) -> bool:
        return self.tree(name) != Const(None)


@dataclass(frozen=True)
class Range:
    """`wraps`: on integers the function computes modulo a power of two, so that it says nothing of them."""

    interval: Callable[[Bounds], Interval | None]
    wraps: bool = False


RANGES: dict[int, Range] = {}
_KEPT: list[Any] = []  # the functions whose ids are keys


def _enter(fn: Any, interval: Callable[[Bounds], Interval | None], wraps: bool = False) -> None:
    if id(fn) in RANGES:
        raise ValueError(f"{fn} has two ranges")
    RANGES[id(fn)] = Range(interval, wraps)
    _KEPT.append(fn)


def _ranges(*fns: Any, wraps: bool = False) -> Callable:
    """Enter the function that follows for `fns`."""

    def enter(interval: Callable) -> Callable:
        for fn in fns:
            _enter(fn, interval, wraps)
        return interval

    return enter


def _named(module: Any, names: str) -> list[Any]:
    return [getattr(module, name) for name in names.split() if hasattr(module, name)]


# ---- monotone functions of one argument -----------------------------------------------------------


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _log(x: float) -> float:
    return -INF if x == 0 else math.log(x)


def _log1p(x: float) -> float:
    return -INF if x == -1 else math.log1p(x)


def _arctanh(x: float) -> float:
    return math.copysign(INF, x) if abs(x) == 1 else math.atanh(x)


def _logit(x: float) -> float:
    return -INF if x == 0 else INF if x == 1 else math.log(x / (1 - x))


def _soft_sign(x: float) -> float:
    return math.copysign(1.0, x) if math.isinf(x) else x / (1 + abs(x))


# fn, the same on floats, where it is defined, where its values live
_INCREASING: list[tuple[Any, Any, Interval, Interval]] = [
    (jnp.exp, math.exp, REAL, POSITIVE),
    (jnp.exp2, lambda x: math.pow(2.0, x), REAL, POSITIVE),
    (jnp.expm1, math.expm1, REAL, Interval(-1, INF, lo_open=True)),
    (jnp.log, _log, NONNEGATIVE, REAL),
    (jnp.log2, lambda x: _log(x) / math.log(2), NONNEGATIVE, REAL),
    (jnp.log10, lambda x: _log(x) / math.log(10), NONNEGATIVE, REAL),
    (jnp.log1p, _log1p, Interval(-1, INF), REAL),
    (jnp.sqrt, math.sqrt, NONNEGATIVE, NONNEGATIVE),
    (jnp.cbrt, lambda x: math.copysign(abs(x) ** (1 / 3), x), REAL, REAL),
    (jnp.sinh, math.sinh, REAL, REAL),
    (jnp.tanh, math.tanh, REAL, _OPEN_BALL),
    (jnp.arcsinh, math.asinh, REAL, REAL),
    (jnp.arccosh, math.acosh, Interval(1, INF), NONNEGATIVE),
    (jnp.arctanh, _arctanh, _BALL, REAL),
    (jnp.arcsin, math.asin, _BALL, REAL),
    (jnp.arctan, math.atan, REAL, REAL),
    (jnp.deg2rad, math.radians, REAL, REAL),
    (jnp.rad2deg, math.degrees, REAL, REAL),
    (jnp.floor, math.floor, REAL, REAL),
    (jnp.ceil, math.ceil, REAL, REAL),
    (jnp.sign, lambda x: float((x > 0) - (x < 0)), REAL, _BALL),
    (jax.nn.sigmoid, _sigmoid, REAL, UNIT),
    (jax.nn.softplus, _softplus, REAL, POSITIVE),
    (jax.nn.log_sigmoid, lambda x: -_softplus(-x), REAL, NEGATIVE),
    (jax.nn.soft_sign, _soft_sign, REAL, _OPEN_BALL),
    (jax.nn.relu, lambda x: max(x, 0.0), REAL, NONNEGATIVE),
    (jax.nn.relu6, lambda x: min(max(x, 0.0), 6.0), REAL, Interval(0, 6)),
    (jax.scipy.special.erf, math.erf, REAL, _OPEN_BALL),
    (jax.scipy.special.ndtr, lambda x: 0.5 * math.erfc(-x / math.sqrt(2)), REAL, UNIT),
    (jax.scipy.special.logit, _logit, Interval(0, 1), REAL),
]
_DECREASING = [
    (jnp.arccos, math.acos, _BALL, NONNEGATIVE),
    (jax.scipy.special.erfc, math.erfc, REAL, Interval(0, 2, lo_open=True, hi_open=True)),
]
_EVEN = [(jnp.cosh, math.cosh, Interval(1, INF))]
_EVERYWHERE = [
    (jnp.sin, _BALL),
    (jnp.cos, _BALL),
    (lax.rsqrt, POSITIVE),
    (jax.nn.squareplus, POSITIVE),
    (jax.nn.hard_tanh, _BALL),
    (jax.nn.softmax, Interval(0, 1)),
    (jax.nn.log_softmax, NONPOSITIVE),
    (jnp.hypot, NONNEGATIVE),
    (jnp.var, NONNEGATIVE),
    (jnp.std, NONNEGATIVE),
    (jnp.linalg.norm, NONNEGATIVE),
    (jax.scipy.special.log_ndtr, NEGATIVE),
    (jax.scipy.special.erfcx, POSITIVE) if hasattr(jax.scipy.special, "erfcx") else None,
]


def _enter_functions_of_one() -> None:
    for fn, on_floats, domain, within in _INCREASING:
        _enter(fn, _monotone(on_floats, True, domain, within))
    for fn, on_floats, domain, within in _DECREASING:
        _enter(fn, _monotone(on_floats, False, domain, within))
    for fn, on_floats, within in _EVEN:
        _enter(fn, _even(on_floats, within))
    for row in _EVERYWHERE:
        if row is not None:
            _enter(row[0], _constant(row[1]))


def _monotone(
    on_floats: Callable, increasing: bool, domain: Interval, within: Interval
) -> Callable[[Bounds], Interval]:
    def interval(bounds: Bounds) -> Interval:
        defined = bounds.first().intersection(domain)
        if defined is None:
            return within
        return defined.image(on_floats, increasing=increasing, within=within)

    return interval


def _even(on_floats: Callable, within: Interval) -> Callable[[Bounds], Interval]:
    return lambda bounds: abs(bounds.first()).image(on_floats, within=within)


def _constant(interval: Interval) -> Callable[[Bounds], Interval]:
    return lambda bounds: interval


_enter_functions_of_one()


# ---- arithmetic ---------------------------------------------------------------------------------


@_ranges(jnp.add, wraps=True)
def _add(bounds):
    return bounds["x1"] + bounds["x2"]


@_ranges(jnp.subtract, wraps=True)
def _subtract(bounds):
    return bounds["x1"] - bounds["x2"]


@_ranges(jnp.multiply, wraps=True)
def _multiply(bounds):
    if bounds.tree("x1") == bounds.tree("x2"):
        return bounds["x1"].power(2)
    return bounds["x1"] * bounds["x2"]


@_ranges(jnp.divide)
def _divide(bounds):
    return bounds["x1"] / bounds["x2"]


@_ranges(jnp.reciprocal)
def _reciprocal(bounds):
    return bounds.first().reciprocal()


@_ranges(jnp.negative, wraps=True)
def _negative(bounds):
    return -bounds.first()


@_ranges(jnp.abs, wraps=True)
def _abs(bounds):
    return abs(bounds.first())


@_ranges(jnp.square, wraps=True)
def _square(bounds):
    return bounds.first().power(2)


_BEYOND_ONE = Interval(1, INF, lo_open=True)


@_ranges(jnp.power, wraps=True)
def _power(bounds):
    exponent, base = bounds.number("x2"), bounds["x1"]
    if exponent is not None:
        return base.power(exponent)
    power = bounds["x2"]
    if UNIT.includes(base) and (power.is_positive or power.is_negative):
        return UNIT if power.is_positive else _BEYOND_ONE
    if _BEYOND_ONE.includes(base) and (power.is_positive or power.is_negative):
        return _BEYOND_ONE if power.is_positive else UNIT
    if base.is_positive:
        return POSITIVE
    return NONNEGATIVE if base.is_nonnegative else None


@_ranges(jnp.remainder)
def _remainder(bounds):
    divisor = bounds["x2"]
    if not divisor.is_positive or math.isinf(divisor.hi):
        return NONNEGATIVE if divisor.is_positive else None
    return Interval(0, divisor.hi)


@_ranges(jnp.maximum, jnp.fmax)
def _maximum(bounds):
    return bounds["x1"].maximum(bounds["x2"])


@_ranges(jnp.minimum, jnp.fmin)
def _minimum(bounds):
    return bounds["x1"].minimum(bounds["x2"])


@_ranges(jnp.logaddexp)
def _logaddexp(bounds):
    greater = bounds["x1"].maximum(bounds["x2"])
    return Interval(greater.lo, INF, greater.lo_open)


@_ranges(jnp.clip)
def _clip(bounds):
    found = bounds["arr"]
    if bounds.is_given("min"):
        found = found.maximum(bounds["min"])
    return found.minimum(bounds["max"]) if bounds.is_given("max") else found


@_ranges(jnp.where)
def _where(bounds):
    return bounds["x"].hull(bounds["y"])


# ---- structure ----------------------------------------------------------------------------------


@_ranges(
    *_named(
        jnp, "asarray positive reshape ravel transpose matrix_transpose swapaxes moveaxis flip roll"
    ),
    *_named(
        jnp, "rot90 expand_dims squeeze atleast_1d atleast_2d atleast_3d split hsplit vsplit dsplit"
    ),
    *_named(jnp, "unstack broadcast_to tile repeat take_along_axis sort median diagonal"),
    *_named(jnp, "concatenate stack hstack vstack dstack column_stack max min mean"),
    *_named(
        lax, "slice slice_in_dim index_in_dim dynamic_slice dynamic_slice_in_dim broadcast_in_dim"
    ),
    lax.dynamic_index_in_dim,
)
def _kept(bounds):
    return bounds.first()


@_ranges(jnp.take)
def _take(bounds):
    return bounds["a"] if bounds.tree("mode") == Const(None) else None


@_ranges(jnp.astype)
def _astype(bounds):
    dtype = getattr(bounds.tree("dtype"), "value", None)
    try:
        is_floating = dtype is not None and jnp.issubdtype(dtype, jnp.floating)
    except TypeError:
        return None
    return bounds["x"] if is_floating else None


@_ranges(jnp.append)
def _append(bounds):
    return bounds["arr"].hull(bounds["values"])


@_ranges(jnp.pad)
def _pad(bounds):
    """Values that are not copies are 0, or one that is given."""
    options = bounds.tree("kwargs")
    if bounds.tree("mode") != Const("constant") or not isinstance(options, Display):
        return None
    filled = bounds.of(options.items[0]) if options.keys else point(0.0)
    return bounds.first().hull(filled)


@_ranges(jnp.ones)
def _ones(bounds):
    return point(1.0)


@_ranges(jnp.zeros)
def _zeros(bounds):
    return point(0.0)


@_ranges(jnp.eye, jnp.identity)
def _eye(bounds):
    return Interval(0, 1)


@_ranges(jnp.tril, jnp.triu, jnp.diag)
def _triangle(bounds):
    return bounds.first().hull(point(0.0))


@_ranges(jnp.sum, jnp.cumsum, wraps=True)
def _sum(bounds):
    """A sum of no elements is zero."""
    interval = bounds.first()
    if interval.is_nonnegative:
        return NONNEGATIVE
    return NONPOSITIVE if interval.is_nonpositive else None


@_ranges(jnp.prod, jnp.cumprod, wraps=True)
def _product(bounds):
    interval = bounds.first()
    if interval.is_positive:
        return POSITIVE
    return NONNEGATIVE if interval.is_nonnegative else None


__all__ = ["RANGES", "Bounds", "Range"]
