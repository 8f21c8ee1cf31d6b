"""Distribution functions and quantiles of `jax.scipy.stats`, which shift by `loc` and scale by `scale`.

Conventions as in `elementwise`. With z = (x - loc) / scale, a distribution function is F(z); its slope is the density over scale.
"""

# fmt: off

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.scipy.special
from jax.scipy import stats

from invcompiler.ir.interval import NEGATIVE, NONNEGATIVE, NONPOSITIVE, UNIT, Interval
from invcompiler.rules.conditions import number
from invcompiler.rules.registry import Refusal, elementwise

_CLOSED_UNIT = Interval(0, 1)

# ---- normal ------------------------------------------------------------------------------------------

@elementwise(stats.norm.cdf, range=UNIT)
class norm_cdf:                                        # y = Phi(z)
    def inverse(y, loc, scale):     return jax.scipy.special.ndtri(y) * scale + loc
    def slope(x, loc, scale):
        return jnp.exp(-(((x - loc) / scale) ** 2) / 2) / (math.sqrt(2 * math.pi) * scale)
    def log_slope(x, loc, scale):
        return -(((x - loc) / scale) ** 2) / 2 - math.log(2 * math.pi) / 2 - jnp.log(jnp.abs(scale))

@elementwise(stats.norm.sf, range=UNIT)
class norm_sf:                                         # y = Phi(-z)
    def inverse(y, loc, scale):     return loc - jax.scipy.special.ndtri(y) * scale
    def slope(x, loc, scale):
        return -jnp.exp(-(((x - loc) / scale) ** 2) / 2) / (math.sqrt(2 * math.pi) * scale)
    def log_slope(x, loc, scale):
        return -(((x - loc) / scale) ** 2) / 2 - math.log(2 * math.pi) / 2 - jnp.log(jnp.abs(scale))

@elementwise(stats.norm.ppf, domain=UNIT)
class norm_ppf:                                        # Phi((y - loc) / scale) = q
    def inverse(y, loc, scale):     return jax.scipy.special.ndtr((y - loc) / scale)
    def slope(y, loc, scale):
        return scale * math.sqrt(2 * math.pi) * jnp.exp(((y - loc) / scale) ** 2 / 2)
    def log_slope(y, loc, scale):
        return ((y - loc) / scale) ** 2 / 2 + math.log(2 * math.pi) / 2 + jnp.log(jnp.abs(scale))

@elementwise(stats.norm.isf, domain=UNIT)
class norm_isf:                                        # Phi(-(y - loc) / scale) = q
    def inverse(y, loc, scale):     return jax.scipy.special.ndtr((loc - y) / scale)
    def slope(y, loc, scale):
        return -scale * math.sqrt(2 * math.pi) * jnp.exp(((y - loc) / scale) ** 2 / 2)
    def log_slope(y, loc, scale):
        return ((y - loc) / scale) ** 2 / 2 + math.log(2 * math.pi) / 2 + jnp.log(jnp.abs(scale))

# For y near 0 the upper tail, 1 - e^y, is the probability that has all its digits.
@elementwise(stats.norm.logcdf, range=NEGATIVE)
class norm_logcdf:                                     # y = log Phi(z)
    def inverse(y, loc, scale):
        tail = jnp.where(y > -math.log(2), -jnp.expm1(y), jnp.exp(y))
        return jnp.where(y > -math.log(2), -1, 1) * jax.scipy.special.ndtri(tail) * scale + loc
    def slope(y, x, loc, scale):
        return jnp.exp(-(((x - loc) / scale) ** 2) / 2 - math.log(2 * math.pi) / 2 - y) / scale
    def log_slope(y, x, loc, scale):
        density = -(((x - loc) / scale) ** 2) / 2 - math.log(2 * math.pi) / 2
        return density - y - jnp.log(jnp.abs(scale))

# ---- logistic ------------------------------------------------------------------------------------------

@elementwise(stats.logistic.cdf, range=UNIT)
class logistic_cdf:                                    # y = 1 / (1 + e^-z)
    def inverse(y, loc, scale):     return jax.scipy.special.logit(y) * scale + loc
    def slope(y, scale):            return y * (1 - y) / scale
    def log_slope(x, loc, scale):
        z = (x - loc) / scale
        return -jax.nn.softplus(z) - jax.nn.softplus(-z) - jnp.log(jnp.abs(scale))

@elementwise(stats.logistic.sf, range=UNIT)
class logistic_sf:
    def inverse(y, loc, scale):     return loc - jax.scipy.special.logit(y) * scale
    def slope(y, scale):            return -y * (1 - y) / scale
    def log_slope(x, loc, scale):
        z = (x - loc) / scale
        return -jax.nn.softplus(z) - jax.nn.softplus(-z) - jnp.log(jnp.abs(scale))

@elementwise(stats.logistic.ppf, domain=UNIT)
class logistic_ppf:
    def inverse(y, loc, scale):     return jax.nn.sigmoid((y - loc) / scale)
    def slope(x, scale):            return scale / (x * (1 - x))
    def log_slope(y, loc, scale):
        z = (y - loc) / scale
        return jax.nn.softplus(z) + jax.nn.softplus(-z) + jnp.log(jnp.abs(scale))

@elementwise(stats.logistic.isf, domain=UNIT)
class logistic_isf:
    def inverse(y, loc, scale):     return jax.nn.sigmoid((loc - y) / scale)
    def slope(x, scale):            return -scale / (x * (1 - x))
    def log_slope(y, loc, scale):
        z = (y - loc) / scale
        return jax.nn.softplus(z) + jax.nn.softplus(-z) + jnp.log(jnp.abs(scale))

# ---- Cauchy --------------------------------------------------------------------------------------------

@elementwise(stats.cauchy.cdf, range=UNIT)
class cauchy_cdf:                                      # y = 1/2 + arctan(z) / pi
    def inverse(y, loc, scale):     return jnp.tan(math.pi * (y - 0.5)) * scale + loc
    def slope(x, loc, scale):       return 1 / (math.pi * scale * (1 + ((x - loc) / scale) ** 2))
    def log_slope(x, loc, scale):
        return -2 * jnp.log(jnp.hypot(1, (x - loc) / scale)) - jnp.log(math.pi * jnp.abs(scale))

@elementwise(stats.cauchy.sf, range=UNIT)
class cauchy_sf:
    def inverse(y, loc, scale):     return jnp.tan(math.pi * (0.5 - y)) * scale + loc
    def slope(x, loc, scale):       return -1 / (math.pi * scale * (1 + ((x - loc) / scale) ** 2))
    def log_slope(x, loc, scale):
        return -2 * jnp.log(jnp.hypot(1, (x - loc) / scale)) - jnp.log(math.pi * jnp.abs(scale))

@elementwise(stats.cauchy.ppf, domain=UNIT)
class cauchy_ppf:
    def inverse(y, loc, scale):     return 0.5 + jnp.arctan((y - loc) / scale) / math.pi
    def slope(y, loc, scale):       return math.pi * scale * (1 + ((y - loc) / scale) ** 2)
    def log_slope(y, loc, scale):
        return 2 * jnp.log(jnp.hypot(1, (y - loc) / scale)) + jnp.log(math.pi * jnp.abs(scale))

@elementwise(stats.cauchy.isf, domain=UNIT)
class cauchy_isf:
    def inverse(y, loc, scale):     return 0.5 - jnp.arctan((y - loc) / scale) / math.pi
    def slope(y, loc, scale):       return -math.pi * scale * (1 + ((y - loc) / scale) ** 2)
    def log_slope(y, loc, scale):
        return 2 * jnp.log(jnp.hypot(1, (y - loc) / scale)) + jnp.log(math.pi * jnp.abs(scale))

# ---- Laplace, exponential, uniform -----------------------------------------------------------------------

@elementwise(stats.laplace.cdf, range=UNIT)
class laplace_cdf:                                     # y = e^z / 2, or 1 - e^-z / 2 for positive z
    def inverse(y, loc, scale):
        tail = jnp.minimum(y, 1 - y)
        return loc - jnp.sign(y - 0.5) * scale * jnp.log(2 * tail)
    def slope(x, loc, scale):       return jnp.exp(-jnp.abs((x - loc) / scale)) / (2 * scale)
    def log_slope(x, loc, scale):   return -jnp.abs((x - loc) / scale) - jnp.log(2 * jnp.abs(scale))

_from_zero = number("loc", lambda loc: loc == 0, Refusal("`loc` is not 0", "subtract it from `x`"))

@elementwise(stats.expon.cdf, domain=NONNEGATIVE, range=Interval(0, 1, hi_open=True))
class expon_cdf:                                       # y = 1 - e^(-x / scale)
    condition = _from_zero
    def inverse(y, scale):          return -scale * jnp.log1p(-y)
    def slope(x, scale):            return jnp.exp(-x / scale) / scale
    def log_slope(x, scale):        return -x / scale - jnp.log(jnp.abs(scale))

@elementwise(stats.expon.sf, domain=NONNEGATIVE, range=Interval(0, 1, lo_open=True))
class expon_sf:                                        # y = e^(-x / scale)
    condition = _from_zero
    def inverse(y, scale):          return -scale * jnp.log(y)
    def slope(y, scale):            return -y / scale
    def log_slope(x, scale):        return -x / scale - jnp.log(jnp.abs(scale))

@elementwise(stats.expon.logsf, domain=NONNEGATIVE, range=NONPOSITIVE)
class expon_logsf:
    condition = _from_zero
    def inverse(y, scale):          return -scale * y
    def slope(scale):               return -1 / scale
    def log_slope(scale):           return -jnp.log(jnp.abs(scale))

@elementwise(stats.expon.ppf, domain=UNIT)
class expon_ppf:                                       # y = loc - scale log(1 - q)
    def inverse(y, loc, scale):     return -jnp.expm1((loc - y) / scale)
    def slope(y, loc, scale):       return scale * jnp.exp((y - loc) / scale)
    def log_slope(y, loc, scale):   return (y - loc) / scale + jnp.log(jnp.abs(scale))

@elementwise(stats.uniform.ppf, domain=_CLOSED_UNIT)
class uniform_ppf:                                     # y = loc + scale q
    def inverse(y, loc, scale):     return (y - loc) / scale
    def slope(scale):               return scale
    def log_slope(scale):           return jnp.log(jnp.abs(scale))
