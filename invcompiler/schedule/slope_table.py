"""In which interval the slope of a function of one argument lies, given where its argument and its value live.

One table, by canonical keys. `SMOOTH` functions are analytic: a sum or product of them with a slope of one sign is strictly monotone
unless it is constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special as special
from jax import lax

from invcompiler.ir.interval import POSITIVE, REAL, Interval, point
from invcompiler.rules.canonical import Call
from invcompiler.rules.registry import Kind, inverse_rules

Rule = Callable[[Interval, Interval], Interval]  # of the argument's interval and the value's

_UNIT_SLOPE = Interval(0, 1, lo_open=True)  # from 0, which is not reached, to 1
_OPEN = Interval(0, 1, lo_open=True, hi_open=True)
_QUARTERS = Interval(-math.pi / 2, math.pi / 2)  # between two poles of the tangent


def _constant(interval: Interval) -> Rule:
    return lambda x, y: interval


def _softplus_slope(x: Interval, y: Interval) -> Interval:
    return x.image(_sigmoid, within=_OPEN)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _within(one: Interval, other: Interval) -> Interval:
    return one.intersection(other) or other


def _by_sign(x: Interval, y: Interval) -> Interval:
    if x.is_positive:
        return point(1.0)
    return point(-1.0) if x.is_negative else Interval(-1, 1)


SMOOTH: dict[Any, Rule] = {
    jnp.exp: lambda x, y: y,
    jnp.exp2: lambda x, y: y.scale(math.log(2)),
    jnp.expm1: lambda x, y: _within(y + point(1.0), POSITIVE),
    jnp.log: lambda x, y: _within(x, POSITIVE).reciprocal(),
    jnp.log2: lambda x, y: _within(x, POSITIVE).reciprocal().scale(1 / math.log(2)),
    jnp.log10: lambda x, y: _within(x, POSITIVE).reciprocal().scale(1 / math.log(10)),
    jnp.log1p: lambda x, y: _within(x + point(1.0), POSITIVE).reciprocal(),
    jnp.sqrt: lambda x, y: _within(y, POSITIVE).reciprocal().scale(0.5),
    jnp.cbrt: _constant(POSITIVE),
    jnp.square: lambda x, y: x.scale(2.0),
    jnp.negative: _constant(point(-1.0)),
    jnp.positive: _constant(point(1.0)),
    jnp.reciprocal: lambda x, y: -(y * y) if x.is_positive or x.is_negative else REAL,
    jnp.sin: _constant(Interval(-1, 1)),
    jnp.cos: _constant(Interval(-1, 1)),
    jnp.tan: lambda x, y: Interval(1, math.inf) if _QUARTERS.includes(x) else REAL,
    jnp.sinh: _constant(Interval(1, math.inf)),
    jnp.cosh: lambda x, y: x.image(math.sinh),
    jnp.tanh: lambda x, y: _within(point(1.0) - y.power(2), _UNIT_SLOPE),
    jnp.arcsinh: _constant(_UNIT_SLOPE),
    jnp.arctan: _constant(_UNIT_SLOPE),
    jnp.arcsin: _constant(Interval(1, math.inf)),
    jnp.arccos: _constant(Interval(-math.inf, -1)),
    jnp.arctanh: _constant(Interval(1, math.inf)),
    jax.nn.sigmoid: lambda x, y: _within(y * (point(1.0) - y), Interval(0, 0.25, lo_open=True)),
    jax.nn.softplus: _softplus_slope,
    jax.nn.log_sigmoid: lambda x, y: _softplus_slope(-x, y),
    jax.nn.silu: _constant(Interval(-0.1, 1.1)),
    jax.nn.gelu: _constant(Interval(-0.14, 1.14)),
    special.erf: _constant(Interval(0, 1.1284, lo_open=True)),
    special.erfc: _constant(Interval(-1.1284, 0, hi_open=True)),
    special.ndtr: _constant(Interval(0, 0.3990, lo_open=True)),
    special.ndtri: _constant(Interval(2.5, math.inf)),
    special.log_ndtr: _constant(POSITIVE),
    special.logit: _constant(Interval(4, math.inf)),
}
"""Of analytic functions."""

KINKED: dict[Any, Rule] = {
    jnp.abs: _by_sign,
    jax.nn.relu: _constant(Interval(0, 1)),
    jax.nn.relu6: _constant(Interval(0, 1)),
    jax.nn.hard_tanh: _constant(Interval(0, 1)),
    jax.nn.soft_sign: lambda x, y: _within((point(1.0) + abs(x)).power(-2), _UNIT_SLOPE),
    jax.nn.selu: _constant(Interval(0, 1.7582, lo_open=True)),
}
"""Of functions that are continuous, and not analytic."""

_ARITHMETIC = (
    jnp.add, jnp.subtract, jnp.multiply, jnp.divide, jnp.power, jnp.maximum, jnp.minimum, jnp.where,
    jnp.logaddexp, jnp.clip, jax.nn.leaky_relu, jax.nn.elu, jax.nn.celu, jnp.hypot, jnp.arctan2,
)  # fmt: skip
_ELEMENTWISE = {id(fn) for fn in (*SMOOTH, *KINKED, *_ARITHMETIC, lax.rsqrt, jax.nn.squareplus)}


def is_elementwise(fn: Any) -> bool:
    """Whether `fn` is known to act element by element on operands that broadcast."""
    if id(fn) in _ELEMENTWISE:
        return True
    rules = inverse_rules(fn)
    return bool(rules) and all(rule.kind is Kind.ELEMENTWISE for rule in rules)


def local_slope(call: Call, x: Interval, y: Interval) -> tuple[Interval, bool] | None:
    """Return where the slope of a function of its first argument lies, and whether it is analytic; None if that is not known."""
    for table, smooth in ((_BY_ID_SMOOTH, True), (_BY_ID_KINKED, False)):
        rule = table.get(id(call.fn))
        if rule is not None:
            return rule(x, y), smooth
    return None


_BY_ID_SMOOTH = {id(fn): rule for fn, rule in SMOOTH.items()}
_BY_ID_KINKED = {id(fn): rule for fn, rule in KINKED.items()}

__all__ = ["KINKED", "SMOOTH", "is_elementwise", "local_slope"]
