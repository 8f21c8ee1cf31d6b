"""Running sums and products along an axis, and differences. Each is triangular, with one diagonal entry per element."""

# fmt: off

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from invcompiler.rules.conditions import every, static_value
from invcompiler.rules.emitted import shifted, shifted_back
from invcompiler.rules.registry import Numbers, Refusal, linear

# ---- conditions --------------------------------------------------------------------------------------------

def _axis(known):
    """The condition that an axis is given, or that it is None for an operand that has one axis only."""
    def condition(call, facts):
        axis = static_value(call.arguments["axis"], facts)
        if known:
            return None if axis and isinstance(axis[0], int) else Refusal("its `axis` is not given")
        return None if axis == (None,) else Refusal("its `axis` is given")
    return condition

def _option(name, *values):
    def condition(call, facts):
        value = static_value(call.arguments[name], facts)
        return None if value and value[0] in values else Refusal(f"`{name}` is another one")
    return condition

# ---- sums ----------------------------------------------------------------------------------------------------

@linear(jnp.cumsum, core=None, numbers=Numbers.NUMBER)
class cumsum:                                          # y_i = y_(i-1) + x_i
    condition = every(_axis(True), _option("reverse", False))
    def inverse(y, axis):       return jnp.diff(y, axis=axis, prepend=0)
    def log_det():              return 0.0

@linear(jnp.cumsum, core=None, numbers=Numbers.NUMBER)
class cumsum_of_all:
    condition = every(_axis(False), _option("reverse", False))
    def inverse(y, a):          return jnp.diff(y, prepend=0).reshape(a.shape)
    def log_det():              return 0.0

@linear(jnp.cumsum, core=None, numbers=Numbers.NUMBER)
class cumsum_reversed:                                 # y_i = x_i + y_(i+1)
    condition = every(_axis(True), _option("reverse", True))
    def inverse(y, axis):       return -jnp.diff(y, axis=axis, append=0)
    def log_det():              return 0.0

# ---- products --------------------------------------------------------------------------------------------------

@linear(jnp.cumprod, core=None)
class cumprod:                                         # y_i = y_(i-1) x_i
    condition = every(_axis(True), _option("reverse", False))
    def inverse(y, axis):       return y / shifted(y, axis, 1)
    def log_det(y, axis):       return jnp.sum(jnp.log(jnp.abs(shifted(y, axis, 1))))

@linear(jnp.cumprod, core=None)
class cumprod_reversed:                                # y_i = x_i y_(i+1)
    condition = every(_axis(True), _option("reverse", True))
    def inverse(y, axis):       return y / shifted_back(y, axis, 1)
    def log_det(y, axis):       return jnp.sum(jnp.log(jnp.abs(shifted_back(y, axis, 1))))

@linear(jnp.cumprod, core=None)
class cumprod_of_all:
    condition = every(_axis(False), _option("reverse", False))
    def inverse(y, a):          return (y / shifted(y, 0, 1)).reshape(a.shape)
    def log_det(y):             return jnp.sum(jnp.log(jnp.abs(shifted(y, 0, 1))))

# y_i = log(e^y_(i-1) + e^x_i)
@linear(lax.cumlogsumexp, core=None, numbers=Numbers.REAL)
class cumlogsumexp:
    condition = every(_axis(True), _option("reverse", False))
    def inverse(y, axis):       return y + jnp.log(-jnp.expm1(shifted(y, axis, -jnp.inf) - y))
    def log_det(y, operand):    return jnp.sum(operand - y)

@linear(lax.cumlogsumexp, core=None, numbers=Numbers.REAL)
class cumlogsumexp_reversed:
    condition = every(_axis(True), _option("reverse", True))
    def inverse(y, axis):       return y + jnp.log(-jnp.expm1(shifted_back(y, axis, -jnp.inf) - y))
    def log_det(y, operand):    return jnp.sum(operand - y)

# ---- differences -------------------------------------------------------------------------------------------------

def _given_one(name, other):
    """The condition that one element is known on one side of the operand, and none on the other."""
    def condition(call, facts):
        if static_value(call.arguments[name], facts) == (None,):
            return Refusal("it drops what all elements have in common",
                           "keep an element: `jnp.diff(x, prepend=...)`")
        if static_value(call.arguments[other], facts) != (None,):
            return Refusal("it has more differences than elements")
        return _one_element(call.arguments[name], call.arguments["axis"], facts)
    return condition

def _one_element(side, axis, facts):
    shape, axis = facts.shape(side), static_value(axis, facts)
    if axis is None or not shape or not -len(shape) <= axis[0] < len(shape):
        return None
    if isinstance(shape[axis[0]], int) and shape[axis[0]] != 1:
        return Refusal("it has more differences than elements")
    return None

@linear(jnp.diff, core=None, numbers=Numbers.NUMBER)
class diff_from:                                       # y_i = x_i - x_(i-1)
    condition = every(_option("n", 1), _given_one("prepend", "append"))
    def inverse(y, axis, prepend):  return jnp.cumsum(y, axis=axis) + prepend
    def log_det():                  return 0.0

@linear(jnp.diff, core=None, numbers=Numbers.NUMBER)
class diff_until:                                      # y_i = x_(i+1) - x_i
    condition = every(_option("n", 1), _given_one("append", "prepend"))
    def inverse(y, axis, append):
        return append - jnp.flip(jnp.cumsum(jnp.flip(y, axis), axis=axis), axis)
    def log_det():                  return 0.0
