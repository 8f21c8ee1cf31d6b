"""Distributions of `jax.scipy.stats` on a bounded support, outside of which their functions are constant.

Conventions as in `distributions`. Where the support is known when the inverse is made, it is the domain. Where it moves with known
arrays, the value that stands for all that is outside gives NaN.
"""

# fmt: off

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.scipy.special
from jax.scipy import stats

from invcompiler.ir.interval import (
    NEGATIVE,
    NONNEGATIVE,
    NONPOSITIVE,
    POSITIVE,
    UNIT,
    Interval,
)
from invcompiler.rules.conditions import every, known_number
from invcompiler.rules.registry import Refusal, elementwise

_CLOSED_UNIT = Interval(0, 1)
_TO_ONE = Interval(0, 1, hi_open=True)
_FROM_ONE = Interval(1, math.inf)
_BEYOND_ONE = Interval(1, math.inf, lo_open=True)

# ---- where the support is ----------------------------------------------------------------------------

def _is(name, value):
    return known_number(name, lambda n: n == value, Refusal(f"`{name}` is not {value}"))

_from_zero = _is("loc", 0)
_standard = every(_is("loc", 0), _is("scale", 1))

def _unless(standard):
    """The condition that the support is not the one of the standard distribution, which is a domain."""
    def condition(call, facts):
        if standard(call, facts) is None:
            return Refusal("it is constant outside of its support")
        return None
    return condition

_moved_from_zero = _unless(_from_zero)
_moved_or_scaled = _unless(_standard)

# ---- exponential ---------------------------------------------------------------------------------------

@elementwise(stats.expon.cdf, range=_TO_ONE)
class expon_cdf_moved:
    condition = _moved_from_zero
    def inverse(y, loc, scale):     return jnp.where(y > 0, loc - scale * jnp.log1p(-y), jnp.nan)
    def slope(x, loc, scale):
        return jnp.where(x >= loc, jnp.exp((loc - x) / scale) / scale, 0.0)
    def log_slope(x, loc, scale):
        return jnp.where(x >= loc, (loc - x) / scale - jnp.log(jnp.abs(scale)), -jnp.inf)
    def log_slope_back(y, scale):   return jnp.log1p(-y) - jnp.log(jnp.abs(scale))

@elementwise(stats.expon.cdf, domain=NONNEGATIVE, range=_TO_ONE)
class expon_cdf:                                       # y = 1 - e^-z
    condition = _from_zero
    def inverse(y, scale):          return -scale * jnp.log1p(-y)
    def slope(x, scale):            return jnp.exp(-x / scale) / scale
    def log_slope(x, scale):        return -x / scale - jnp.log(jnp.abs(scale))

@elementwise(stats.expon.logcdf, range=NEGATIVE)
class expon_logcdf_moved:
    condition = _moved_from_zero
    def inverse(y, loc, scale):
        return jnp.where(y > -jnp.inf, loc - scale * jax.nn.log1mexp(-y), jnp.nan)
    def slope(x, loc, scale):
        return jnp.where(x > loc, 1 / (scale * jnp.expm1((x - loc) / scale)), 0.0)
    def log_slope(y, x, loc, scale):
        return jnp.where(x > loc, (loc - x) / scale - y - jnp.log(jnp.abs(scale)), -jnp.inf)
    def log_slope_back(y, scale):   return jax.nn.log1mexp(-y) - y - jnp.log(jnp.abs(scale))

@elementwise(stats.expon.logcdf, domain=POSITIVE, range=NEGATIVE)
class expon_logcdf:                                    # y = log(1 - e^-z)
    condition = _from_zero
    def inverse(y, scale):          return -scale * jax.nn.log1mexp(-y)
    def slope(x, scale):            return 1 / (scale * jnp.expm1(x / scale))
    def log_slope(y, x, scale):     return -x / scale - y - jnp.log(jnp.abs(scale))

@elementwise(stats.expon.sf, range=Interval(0, 1, lo_open=True))
class expon_sf_moved:
    condition = _moved_from_zero
    def inverse(y, loc, scale):     return jnp.where(y < 1, loc - scale * jnp.log(y), jnp.nan)
    def slope(x, loc, scale):
        return jnp.where(x >= loc, -jnp.exp((loc - x) / scale) / scale, 0.0)
    def log_slope(x, loc, scale):
        return jnp.where(x >= loc, (loc - x) / scale - jnp.log(jnp.abs(scale)), -jnp.inf)
    def log_slope_back(y, scale):   return jnp.log(y) - jnp.log(jnp.abs(scale))

@elementwise(stats.expon.sf, domain=NONNEGATIVE, range=Interval(0, 1, lo_open=True))
class expon_sf:                                        # y = e^-z
    condition = _from_zero
    def inverse(y, scale):          return -scale * jnp.log(y)
    def slope(y, scale):            return -y / scale
    def log_slope(x, scale):        return -x / scale - jnp.log(jnp.abs(scale))

@elementwise(stats.expon.logsf, range=NONPOSITIVE)
class expon_logsf_moved:
    condition = _moved_from_zero
    def inverse(y, loc, scale):     return jnp.where(y < 0, loc - scale * y, jnp.nan)
    def slope(x, loc, scale):       return jnp.where(x >= loc, -1 / scale, 0.0)
    def log_slope(x, loc, scale):
        return jnp.where(x >= loc, -jnp.log(jnp.abs(scale)), -jnp.inf)
    def log_slope_back(scale):      return -jnp.log(jnp.abs(scale))

@elementwise(stats.expon.logsf, domain=NONNEGATIVE, range=NONPOSITIVE)
class expon_logsf:                                     # y = -z
    condition = _from_zero
    def inverse(y, scale):          return -scale * y
    def slope(scale):               return -1 / scale
    def log_slope(scale):           return -jnp.log(jnp.abs(scale))

@elementwise(stats.expon.ppf, domain=UNIT)
class expon_ppf:                                       # y = loc - scale log(1 - q)
    def inverse(y, loc, scale):     return -jnp.expm1((loc - y) / scale)
    def slope(y, loc, scale):       return scale * jnp.exp((y - loc) / scale)
    def log_slope(y, loc, scale):   return (y - loc) / scale + jnp.log(jnp.abs(scale))

@elementwise(stats.expon.pdf, domain=NONNEGATIVE, range=POSITIVE)
class expon_pdf:                                       # y = e^-z / scale
    condition = _from_zero
    def inverse(y, scale):          return -scale * jnp.log(y * scale)
    def slope(y, scale):            return -y / scale
    def log_slope(x, scale):        return -x / scale - 2 * jnp.log(jnp.abs(scale))

@elementwise(stats.expon.logpdf, domain=NONNEGATIVE)
class expon_logpdf:                                    # y = -z - log(scale)
    condition = _from_zero
    def inverse(y, scale):          return -scale * (y + jnp.log(scale))
    def slope(scale):               return -1 / scale
    def log_slope(scale):           return -jnp.log(jnp.abs(scale))

# ---- uniform -------------------------------------------------------------------------------------------

@elementwise(stats.uniform.cdf, range=_CLOSED_UNIT)
class uniform_cdf_moved:                               # y = z, or 0, or 1
    condition = _moved_or_scaled
    def inverse(y, loc, scale):     return jnp.where((y > 0) & (y < 1), loc + scale * y, jnp.nan)
    def slope(x, loc, scale):       return jnp.where((x > loc) & (x < loc + scale), 1 / scale, 0.0)
    def log_slope(x, loc, scale):
        return jnp.where((x > loc) & (x < loc + scale), -jnp.log(jnp.abs(scale)), -jnp.inf)
    def log_slope_back(scale):      return -jnp.log(jnp.abs(scale))

@elementwise(stats.uniform.cdf, domain=_CLOSED_UNIT, range=_CLOSED_UNIT)
class uniform_cdf:                                     # y = x
    condition = _standard
    def inverse(y):                 return y
    def slope():                    return 1.0
    def log_slope():                return 0.0

@elementwise(stats.uniform.ppf, domain=_CLOSED_UNIT)
class uniform_ppf:                                     # y = loc + scale q
    def inverse(y, loc, scale):     return (y - loc) / scale
    def slope(scale):               return scale
    def log_slope(scale):           return jnp.log(jnp.abs(scale))

# ---- Pareto: z = (x - loc) / scale is at least 1 ---------------------------------------------------------

@elementwise(stats.pareto.cdf, range=_TO_ONE)
class pareto_cdf_moved:
    condition = _moved_or_scaled
    def inverse(y, b, loc, scale):
        return jnp.where(y > 0, loc + scale * jnp.exp(-jnp.log1p(-y) / b), jnp.nan)
    def slope(x, b, loc, scale):
        z = (x - loc) / scale
        return jnp.where(z >= 1, b * z ** (-b - 1) / scale, 0.0)
    def log_slope(x, b, loc, scale):
        z = (x - loc) / scale
        density = jnp.log(b) - (b + 1) * jnp.log(z) - jnp.log(jnp.abs(scale))
        return jnp.where(z >= 1, density, -jnp.inf)
    def log_slope_back(y, b, scale):
        return jnp.log(b) + (1 + 1 / b) * jnp.log1p(-y) - jnp.log(jnp.abs(scale))

@elementwise(stats.pareto.cdf, domain=_FROM_ONE, range=_TO_ONE)
class pareto_cdf:                                      # y = 1 - z^-b
    condition = _standard
    def inverse(y, b):              return jnp.exp(-jnp.log1p(-y) / b)
    def slope(x, b):                return b * x ** (-b - 1)
    def log_slope(x, b):            return jnp.log(b) - (b + 1) * jnp.log(x)

@elementwise(stats.pareto.logcdf, range=NEGATIVE)
class pareto_logcdf_moved:
    condition = _moved_or_scaled
    def inverse(y, b, loc, scale):
        return jnp.where(y > -jnp.inf, loc + scale * (-jnp.expm1(y)) ** (-1 / b), jnp.nan)
    def slope(x, b, loc, scale):
        z = (x - loc) / scale
        return jnp.where(z >= 1, b * z ** (-b - 1) / (1 - z ** -b) / scale, 0.0)
    def log_slope(y, x, b, loc, scale):
        z = (x - loc) / scale
        density = jnp.log(b) - (b + 1) * jnp.log(z) - y - jnp.log(jnp.abs(scale))
        return jnp.where(z >= 1, density, -jnp.inf)
    def log_slope_back(y, b, scale):
        log_sf = jnp.log(-jnp.expm1(y))
        return jnp.log(b) + (1 + 1 / b) * log_sf - y - jnp.log(jnp.abs(scale))

@elementwise(stats.pareto.logcdf, domain=_BEYOND_ONE, range=NEGATIVE)
class pareto_logcdf:                                   # y = log(1 - z^-b)
    condition = _standard
    def inverse(y, b):              return (-jnp.expm1(y)) ** (-1 / b)
    def slope(x, b):                return b * x ** (-b - 1) / (1 - x ** -b)
    def log_slope(y, x, b):         return jnp.log(b) - (b + 1) * jnp.log(x) - y

@elementwise(stats.pareto.sf, range=Interval(0, 1, lo_open=True))
class pareto_sf_moved:
    condition = _moved_or_scaled
    def inverse(y, b, loc, scale):  return jnp.where(y < 1, loc + scale * y ** (-1 / b), jnp.nan)
    def slope(x, b, loc, scale):
        z = (x - loc) / scale
        return jnp.where(z >= 1, -b * z ** (-b - 1) / scale, 0.0)
    def log_slope(x, b, loc, scale):
        z = (x - loc) / scale
        density = jnp.log(b) - (b + 1) * jnp.log(z) - jnp.log(jnp.abs(scale))
        return jnp.where(z >= 1, density, -jnp.inf)
    def log_slope_back(y, b, scale):
        return jnp.log(b) + (1 + 1 / b) * jnp.log(y) - jnp.log(jnp.abs(scale))

@elementwise(stats.pareto.sf, domain=_FROM_ONE, range=Interval(0, 1, lo_open=True))
class pareto_sf:                                       # y = z^-b
    condition = _standard
    def inverse(y, b):              return y ** (-1 / b)
    def slope(x, b):                return -b * x ** (-b - 1)
    def log_slope(x, b):            return jnp.log(b) - (b + 1) * jnp.log(x)

@elementwise(stats.pareto.logsf, range=NONPOSITIVE)
class pareto_logsf_moved:
    condition = _moved_or_scaled
    def inverse(y, b, loc, scale):  return jnp.where(y < 0, loc + scale * jnp.exp(-y / b), jnp.nan)
    def slope(x, b, loc, scale):
        z = (x - loc) / scale
        return jnp.where(z >= 1, -b / z / scale, 0.0)
    def log_slope(x, b, loc, scale):
        z = (x - loc) / scale
        density = jnp.log(b) - jnp.log(z) - jnp.log(jnp.abs(scale))
        return jnp.where(z >= 1, density, -jnp.inf)
    def log_slope_back(y, b, scale):
        return jnp.log(b) + y / b - jnp.log(jnp.abs(scale))

@elementwise(stats.pareto.logsf, domain=_FROM_ONE, range=NONPOSITIVE)
class pareto_logsf:                                    # y = -b log z
    condition = _standard
    def inverse(y, b):              return jnp.exp(-y / b)
    def slope(x, b):                return -b / x
    def log_slope(x, b):            return jnp.log(b) - jnp.log(x)

@elementwise(stats.pareto.ppf, domain=_TO_ONE)
class pareto_ppf:                                      # y = loc + scale (1 - q)^(-1/b)
    def inverse(y, b, loc, scale):  return -jnp.expm1(-b * jnp.log((y - loc) / scale))
    def slope(y, b, loc, scale):    return scale / b * ((y - loc) / scale) ** (b + 1)
    def log_slope(y, b, loc, scale):
        log_z = jnp.log((y - loc) / scale)
        return (b + 1) * log_z + jnp.log(jnp.abs(scale)) - jnp.log(b)

@elementwise(stats.pareto.pdf, domain=_FROM_ONE, range=POSITIVE)
class pareto_pdf:                                      # y = b z^(-b - 1)
    condition = _standard
    def inverse(y, b):              return (y / b) ** (-1 / (b + 1))
    def slope(x, b):                return -b * (b + 1) * x ** (-b - 2)
    def log_slope(x, b):            return jnp.log(b) + jnp.log(b + 1) - (b + 2) * jnp.log(x)

@elementwise(stats.pareto.logpdf, domain=_FROM_ONE)
class pareto_logpdf:                                   # y = log b - (b + 1) log z
    condition = _standard
    def inverse(y, b):              return jnp.exp((jnp.log(b) - y) / (b + 1))
    def slope(x, b):                return -(b + 1) / x
    def log_slope(x, b):            return jnp.log(b + 1) - jnp.log(x)

# ---- normal, between a and b: of two tails the one is used whose probabilities have all their digits --------

def normal_mass(a, b):
    """The probability between `a` and `b`."""
    ndtr = jax.scipy.special.ndtr
    return jnp.where(a > 0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))

def truncnorm_quantile(p, q, a, b):
    """Where the probability below is `p`, and that above is q = 1 - p."""
    a, b = jnp.asarray(a, p.dtype), jnp.asarray(b, p.dtype)
    below = jax.scipy.special.ndtr(a) + p * normal_mass(a, b)
    above = jax.scipy.special.ndtr(-b) + q * normal_mass(a, b)
    return jnp.where(below < above, 1, -1) * jax.scipy.special.ndtri(jnp.minimum(below, above))

def truncnorm_log_density(x, a, b, loc, scale):
    """The log-density inside of the support."""
    a, b, z = jnp.asarray(a, x.dtype), jnp.asarray(b, x.dtype), (x - loc) / scale
    return -(z**2) / 2 - math.log(2 * math.pi) / 2 - jnp.log(normal_mass(a, b)) - jnp.log(scale)

def truncnorm_log_density_inside(x, a, b, loc, scale):
    """The log-density, which is -inf outside of the support."""
    z = (x - loc) / scale
    return jnp.where((z > a) & (z < b), truncnorm_log_density(x, a, b, loc, scale), -jnp.inf)

def _is_wide(call, facts):
    dtype = facts.dtype(call.arguments["x"])
    if dtype is None or dtype.itemsize >= 4:
        return None
    return Refusal(f"`ndtri`, its inverse, does not take {dtype}", "compute it in float32")

@elementwise(stats.truncnorm.cdf, range=_CLOSED_UNIT)
class truncnorm_cdf:
    condition = _is_wide
    def inverse(y, a, b, loc, scale):
        x = truncnorm_quantile(y, 1 - y, a, b) * scale + loc
        return jnp.where((y > 0) & (y < 1), x, jnp.nan)
    def slope(x, a, b, loc, scale):         return jnp.exp(truncnorm_log_density_inside(x, a, b, loc, scale))
    def log_slope(x, a, b, loc, scale):     return truncnorm_log_density_inside(x, a, b, loc, scale)
    def log_slope_back(x, a, b, loc, scale):return truncnorm_log_density(x, a, b, loc, scale)

@elementwise(stats.truncnorm.sf, range=_CLOSED_UNIT)
class truncnorm_sf:
    condition = _is_wide
    def inverse(y, a, b, loc, scale):
        x = truncnorm_quantile(1 - y, y, a, b) * scale + loc
        return jnp.where((y > 0) & (y < 1), x, jnp.nan)
    def slope(x, a, b, loc, scale):         return -jnp.exp(truncnorm_log_density_inside(x, a, b, loc, scale))
    def log_slope(x, a, b, loc, scale):     return truncnorm_log_density_inside(x, a, b, loc, scale)
    def log_slope_back(x, a, b, loc, scale):return truncnorm_log_density(x, a, b, loc, scale)

@elementwise(stats.truncnorm.logcdf, range=NONPOSITIVE)
class truncnorm_logcdf:
    condition = _is_wide
    def inverse(y, a, b, loc, scale):
        x = truncnorm_quantile(jnp.exp(y), -jnp.expm1(y), a, b) * scale + loc
        return jnp.where((y > -jnp.inf) & (y < 0), x, jnp.nan)
    def slope(y, x, a, b, loc, scale):
        return jnp.exp(truncnorm_log_density_inside(x, a, b, loc, scale) - y)
    def log_slope(y, x, a, b, loc, scale):      return truncnorm_log_density_inside(x, a, b, loc, scale) - y
    def log_slope_back(y, x, a, b, loc, scale): return truncnorm_log_density(x, a, b, loc, scale) - y

@elementwise(stats.truncnorm.logsf, range=NONPOSITIVE)
class truncnorm_logsf:
    condition = _is_wide
    def inverse(y, a, b, loc, scale):
        x = truncnorm_quantile(-jnp.expm1(y), jnp.exp(y), a, b) * scale + loc
        return jnp.where((y > -jnp.inf) & (y < 0), x, jnp.nan)
    def slope(y, x, a, b, loc, scale):
        return -jnp.exp(truncnorm_log_density_inside(x, a, b, loc, scale) - y)
    def log_slope(y, x, a, b, loc, scale):      return truncnorm_log_density_inside(x, a, b, loc, scale) - y
    def log_slope_back(y, x, a, b, loc, scale): return truncnorm_log_density(x, a, b, loc, scale) - y
