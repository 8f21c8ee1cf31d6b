"""Slopes of elementwise functions: y_bar times the slope is the cotangent of the argument.

The slope is in terms of the output where that is cheaper than in terms of the input. At kinks they are what
JAX takes them to be.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.scipy.special as special
from jax import lax

from invcompiler.rules.adjoint_registry import pointwise, slope

# ---- arithmetic -----------------------------------------------------------------------------------


def _are_no_lists(x1, x2):
    return not isinstance(x1, list | tuple) and not isinstance(x2, list | tuple)


@pointwise(jnp.add, "x1", condition=_are_no_lists, linear=True, holomorphic=True)
def _(y_bar):
    return y_bar


@pointwise(jnp.add, "x2", condition=_are_no_lists, linear=True, holomorphic=True)
def _(y_bar):
    return y_bar


@pointwise(jnp.subtract, "x1", linear=True, holomorphic=True)
def _(y_bar):
    return y_bar


@pointwise(jnp.subtract, "x2", linear=True, holomorphic=True)
def _(y_bar):
    return -y_bar


@pointwise(jnp.multiply, "x1", linear=True, holomorphic=True)
def _(y_bar, x2):
    return y_bar * x2


@pointwise(jnp.multiply, "x2", linear=True, holomorphic=True)
def _(y_bar, x1):
    return y_bar * x1


@pointwise(jnp.divide, "x1", linear=True, holomorphic=True)
def _(y_bar, x2):
    return y_bar / x2


@pointwise(jnp.divide, "x2", holomorphic=True)
def _(y_bar, y, x2):
    return -y_bar * (y / x2)


@pointwise(jnp.negative, "x", linear=True, holomorphic=True)
def _(y_bar):
    return -y_bar


@pointwise(jnp.positive, "x", linear=True, holomorphic=True)
def _(y_bar):
    return y_bar


def _is_no_list(x):
    return not isinstance(x, list | tuple)


@pointwise(jnp.asarray, "x", condition=_is_no_list, linear=True, holomorphic=True)
def _(y_bar):
    return y_bar


@pointwise(jnp.astype, "x", linear=True)
def _(y_bar):
    return y_bar


def _is_number(x1, x2):
    return isinstance(x2, int | float) and not isinstance(x2, bool)


@slope(jnp.power, "x1", condition=_is_number)
def _(x1, x2):
    return power_slope(x1, x2)


def power_slope(x, n):
    """Return n * x**(n - 1), the slope of x**n."""
    if n == 0:
        return 0
    if n == 2:
        return 2 * x
    return n * x ** (n - 1)


@slope(jnp.square)
def _(x):
    return 2 * x


@slope(jnp.sqrt)
def _(y):
    return 0.5 / y


@slope(lax.rsqrt)
def _(x, y):
    return -0.5 * y / x


@slope(jnp.reciprocal)
def _(y):
    return -y * y


@slope(jnp.abs, real_only=True)
def _(x):
    return jnp.sign(x)


@pointwise(jnp.maximum, "x1")
def _(y_bar, x1, x2):
    return y_bar * larger(x1, x2)


@pointwise(jnp.maximum, "x2")
def _(y_bar, x1, x2):
    return y_bar * larger(x2, x1)


@pointwise(jnp.minimum, "x1")
def _(y_bar, x1, x2):
    return y_bar * larger(x2, x1)


@pointwise(jnp.minimum, "x2")
def _(y_bar, x1, x2):
    return y_bar * larger(x1, x2)


def larger(a, b):
    """Return 1 where a > b, 0 where a < b, and 1/2 where they are equal."""
    return jnp.where(a > b, 1.0, jnp.where(a == b, 0.5, 0.0))


@pointwise(jnp.where, "x", linear=True, holomorphic=True)
def _(y_bar, condition):
    return jnp.where(condition, y_bar, 0)


@pointwise(jnp.where, "y", linear=True, holomorphic=True)
def _(y_bar, condition):
    return jnp.where(condition, 0, y_bar)


@pointwise(jnp.real, real_only=True)
def _(y_bar):
    return y_bar


# ---- exponentials and logarithms --------------------------------------------------------------------


@slope(jnp.exp, holomorphic=True)
def _(y):
    return y


@slope(jnp.exp2)
def _(y):
    return y * math.log(2)


@slope(jnp.expm1)
def _(y):
    return y + 1


@pointwise(jnp.log, "x", holomorphic=True)
def _(y_bar, x):
    return y_bar / x


@slope(jnp.log2)
def _(x):
    return 1 / (x * math.log(2))


@slope(jnp.log10)
def _(x):
    return 1 / (x * math.log(10))


@pointwise(jnp.log1p, "x")
def _(y_bar, x):
    return y_bar / (x + 1)


# ---- trigonometric and hyperbolic -----------------------------------------------------------------


@slope(jnp.sin, holomorphic=True)
def _(x):
    return jnp.cos(x)


@pointwise(jnp.cos, "x", holomorphic=True)
def _(y_bar, x):
    return -y_bar * jnp.sin(x)


@slope(jnp.tan)
def _(y):
    return 1 + y**2


@slope(jnp.sinh)
def _(x):
    return jnp.cosh(x)


@slope(jnp.cosh)
def _(x):
    return jnp.sinh(x)


@slope(jnp.tanh)
def _(y):
    return 1 - y**2


@pointwise(jnp.arctan, "x")
def _(y_bar, x):
    return y_bar / (1 + x**2)


@slope(jnp.arcsin)
def _(x):
    return lax.rsqrt(1 - x**2)


@pointwise(jnp.arccos, "x")
def _(y_bar, x):
    return -y_bar * lax.rsqrt(1 - x**2)


@slope(jnp.arcsinh)
def _(x):
    return lax.rsqrt(x**2 + 1)


@slope(jnp.arccosh)
def _(x):
    return lax.rsqrt((x - 1) * (x + 1))


@pointwise(jnp.arctanh, "x")
def _(y_bar, x):
    return y_bar / (1 - x**2)


# ---- of neural networks -------------------------------------------------------------------------------


@slope(jax.nn.sigmoid)
def _(y):
    return y * (1 - y)


@slope(jax.nn.softplus)
def _(x):
    return jax.nn.sigmoid(x)


@slope(jax.nn.log_sigmoid)
def _(x):
    return jax.nn.sigmoid(-x)


@pointwise(jax.nn.relu, "x")
def _(y_bar, x):
    return jnp.where(x > 0, y_bar, 0)


# ---- special functions ---------------------------------------------------------------------------------


@slope(special.erf)
def _(x):
    return 2 / math.sqrt(math.pi) * jnp.exp(-(x**2))


@slope(special.erfc)
def _(x):
    return -2 / math.sqrt(math.pi) * jnp.exp(-(x**2))


@slope(special.gammaln)
def _(x):
    return special.digamma(x)
