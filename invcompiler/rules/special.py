"""Special functions: error functions, the normal distribution, weighted logarithms, Box-Cox.

Conventions as in `elementwise`. With the density of the standard normal, phi(x) = exp(-x^2/2) / sqrt(2 pi):
erf'(x) = 2/sqrt(pi) exp(-x^2) and Phi'(x) = phi(x) (DLMF 7.2.1 and 7.2.2).
"""

# fmt: off

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.scipy.special
from jax import lax

from invcompiler.ir.interval import NEGATIVE, POSITIVE, UNIT, Interval
from invcompiler.rules.conditions import nonzero, number
from invcompiler.rules.emitted import log_hazard, ndtri_exp
from invcompiler.rules.registry import Refusal, elementwise

_OPEN_UNIT_BALL = Interval(-1, 1, lo_open=True, hi_open=True)

# ---- error functions -----------------------------------------------------------------------------

def _is_wide(call, facts):
    dtype = facts.dtype(call.arguments["x"])
    if dtype is None or dtype.itemsize >= 4:
        return None
    return Refusal(f"`ndtri`, its inverse, does not take {dtype}", "compute it in float32")

@elementwise(jax.scipy.special.erf, range=_OPEN_UNIT_BALL)
class erf:
    def inverse(y):             return jax.scipy.special.erfinv(y)
    def slope(x):               return 2 / math.sqrt(math.pi) * jnp.exp(-(x**2))
    def log_slope(x):           return math.log(2 / math.sqrt(math.pi)) - x**2

@elementwise(jax.scipy.special.erfinv, domain=_OPEN_UNIT_BALL)
class erfinv:
    def inverse(y):             return jax.scipy.special.erf(y)
    def slope(y):               return math.sqrt(math.pi) / 2 * jnp.exp(y**2)
    def log_slope(y):           return y**2 + math.log(math.sqrt(math.pi) / 2)

@elementwise(jax.scipy.special.erfc, range=Interval(0, 2, lo_open=True, hi_open=True))
class erfc:                                            # erfc(x) = 2 Phi(-sqrt(2) x)
    condition = _is_wide
    def inverse(y):             return -jax.scipy.special.ndtri(y / 2) / math.sqrt(2)
    def slope(x):               return -2 / math.sqrt(math.pi) * jnp.exp(-(x**2))
    def log_slope(x):           return math.log(2 / math.sqrt(math.pi)) - x**2

if hasattr(jax.scipy.special, "erfcinv"):
    @elementwise(jax.scipy.special.erfcinv, domain=Interval(0, 2, lo_open=True, hi_open=True))
    class erfcinv:
        def inverse(y):         return jax.scipy.special.erfc(y)
        def slope(y):           return -math.sqrt(math.pi) / 2 * jnp.exp(y**2)
        def log_slope(y):       return y**2 + math.log(math.sqrt(math.pi) / 2)

# ---- the standard normal distribution --------------------------------------------------------------

@elementwise(jax.scipy.special.ndtr, range=UNIT)
class ndtr:                                            # y = Phi(x)
    def inverse(y):             return jax.scipy.special.ndtri(y)
    def slope(x):               return jnp.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    def log_slope(x):           return -(x**2) / 2 - math.log(2 * math.pi) / 2

@elementwise(jax.scipy.special.ndtri, domain=UNIT)
class ndtri:                                           # Phi(y) = p
    def inverse(y):             return jax.scipy.special.ndtr(y)
    def slope(y):               return math.sqrt(2 * math.pi) * jnp.exp(y**2 / 2)
    def log_slope(y):           return y**2 / 2 + math.log(2 * math.pi) / 2

@elementwise(jax.scipy.special.log_ndtr, range=NEGATIVE)
class log_ndtr:                                        # y = log Phi(x)
    def inverse(y):             return ndtri_exp(y)
    def slope(x):               return jnp.exp(log_hazard(x))
    def log_slope(x):           return log_hazard(x)

# ---- logistic functions ----------------------------------------------------------------------------

@elementwise(jax.scipy.special.logit, domain=UNIT)
class logit:                                           # y = log(x / (1 - x))
    def inverse(y):             return jax.nn.sigmoid(y)
    def slope(x):               return 1 / (x * (1 - x))
    def log_slope(y):           return jax.nn.softplus(y) + jax.nn.softplus(-y)

# ---- weighted logarithms -----------------------------------------------------------------------------

_weight = nonzero("x1", "a weight")

@elementwise(jax.scipy.special.xlogy, argument="x2", domain=POSITIVE)
class xlogy_2:                                         # y = x1 log x2
    condition = _weight
    def inverse(y, x1):         return jnp.exp(y / x1)
    def slope(x1, x2):          return x1 / x2
    def log_slope(y, x1):       return jnp.log(jnp.abs(x1)) - y / x1

@elementwise(jax.scipy.special.xlogy, argument="x1")
class xlogy_1:
    condition = number("x2", lambda v: (v > 0) & (v != 1), Refusal("the logarithm is zero or NaN"))
    def inverse(y, x2):         return y / jnp.log(x2)
    def slope(x2):              return jnp.log(x2)
    def log_slope(x2):          return jnp.log(jnp.abs(jnp.log(x2)))

@elementwise(jax.scipy.special.xlog1py, argument="x2", domain=Interval(-1, math.inf, lo_open=True))
class xlog1py_2:                                       # y = x1 log(1 + x2)
    condition = _weight
    def inverse(y, x1):         return jnp.expm1(y / x1)
    def slope(x1, x2):          return x1 / (1 + x2)
    def log_slope(y, x1):       return jnp.log(jnp.abs(x1)) - y / x1

@elementwise(jax.scipy.special.xlog1py, argument="x1")
class xlog1py_1:
    condition = number("x2", lambda v: (v > -1) & (v != 0), Refusal("the logarithm is zero or NaN"))
    def inverse(y, x2):         return y / jnp.log1p(x2)
    def slope(x2):              return jnp.log1p(x2)
    def log_slope(x2):          return jnp.log(jnp.abs(jnp.log1p(x2)))

# ---- real and complex ------------------------------------------------------------------------------

@elementwise(lax.complex, argument="real")
class complex_of_real:                                 # y = real + i imag
    def inverse(y):             return jnp.real(y)
    def log_slope():            return 0.0

@elementwise(lax.complex, argument="imag")
class complex_of_imag:
    def inverse(y):             return jnp.imag(y)
    def log_slope():            return 0.0

# ---- powers on a line through 0, Box and Cox 1964 ----------------------------------------------------

# y = (x^p - 1) / p, or log x for p = 0; so log(1 + p y) / p = log x
@elementwise(jax.scipy.special.boxcox, domain=POSITIVE)
class boxcox:
    def inverse(y, lmbda):
        power = jnp.where(lmbda == 0, 1, lmbda)
        return jnp.exp(jnp.where(lmbda == 0, y, jnp.log1p(power * y) / power))
    def slope(x, lmbda):        return x ** (lmbda - 1)
    def log_slope(x, lmbda):    return (lmbda - 1) * jnp.log(x)

@elementwise(jax.scipy.special.boxcox1p, domain=Interval(-1, math.inf, lo_open=True))
class boxcox1p:                                        # boxcox(1 + x, p)
    def inverse(y, lmbda):
        power = jnp.where(lmbda == 0, 1, lmbda)
        return jnp.expm1(jnp.where(lmbda == 0, y, jnp.log1p(power * y) / power))
    def slope(x, lmbda):        return (1 + x) ** (lmbda - 1)
    def log_slope(x, lmbda):    return (lmbda - 1) * jnp.log1p(x)
    def log_slope_back(y, lmbda):
        power = jnp.where(lmbda == 0, 1, lmbda)
        return (lmbda - 1) * jnp.where(lmbda == 0, y, jnp.log1p(power * y) / power)
