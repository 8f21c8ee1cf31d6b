"""Distribution functions and quantiles of `jax.scipy.stats`, which shift by `loc` and scale by `scale`.

Conventions as in `elementwise`. With z = (x - loc) / scale, a distribution function is F(z); its slope is the density over scale.
Those whose support is bounded are in `supports`.
"""

# fmt: off

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.scipy.special
from jax.scipy import stats

from invcompiler.ir.interval import NEGATIVE, UNIT
from invcompiler.rules.emitted import log_hazard, ndtri_exp
from invcompiler.rules.registry import elementwise

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

@elementwise(stats.norm.logcdf, range=NEGATIVE)
class norm_logcdf:                                     # y = log Phi(z)
    def inverse(y, loc, scale):     return ndtri_exp(y) * scale + loc
    def slope(x, loc, scale):       return jnp.exp(log_hazard((x - loc) / scale)) / scale
    def log_slope(x, loc, scale):
        return log_hazard((x - loc) / scale) - jnp.log(jnp.abs(scale))

@elementwise(stats.norm.logsf, range=NEGATIVE)
class norm_logsf:                                      # y = log Phi(-z)
    def inverse(y, loc, scale):     return loc - ndtri_exp(y) * scale
    def slope(x, loc, scale):       return -jnp.exp(log_hazard((loc - x) / scale)) / scale
    def log_slope(x, loc, scale):
        return log_hazard((loc - x) / scale) - jnp.log(jnp.abs(scale))

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
    def inverse(y, loc, scale):     return loc - scale / jnp.tan(math.pi * y)
    def slope(x, loc, scale):       return 1 / (math.pi * scale * (1 + ((x - loc) / scale) ** 2))
    def log_slope(x, loc, scale):
        return -2 * jnp.log(jnp.hypot(1, (x - loc) / scale)) - jnp.log(math.pi * jnp.abs(scale))

@elementwise(stats.cauchy.sf, range=UNIT)
class cauchy_sf:
    def inverse(y, loc, scale):     return loc + scale / jnp.tan(math.pi * y)
    def slope(x, loc, scale):       return -1 / (math.pi * scale * (1 + ((x - loc) / scale) ** 2))
    def log_slope(x, loc, scale):
        return -2 * jnp.log(jnp.hypot(1, (x - loc) / scale)) - jnp.log(math.pi * jnp.abs(scale))

@elementwise(stats.cauchy.ppf, domain=UNIT)
class cauchy_ppf:
    def inverse(y, loc, scale):     return jnp.arctan2(scale, loc - y) / math.pi
    def slope(y, loc, scale):       return math.pi * scale * (1 + ((y - loc) / scale) ** 2)
    def log_slope(y, loc, scale):
        return 2 * jnp.log(jnp.hypot(1, (y - loc) / scale)) + jnp.log(math.pi * jnp.abs(scale))

@elementwise(stats.cauchy.isf, domain=UNIT)
class cauchy_isf:
    def inverse(y, loc, scale):     return jnp.arctan2(scale, y - loc) / math.pi
    def slope(y, loc, scale):       return -math.pi * scale * (1 + ((y - loc) / scale) ** 2)
    def log_slope(y, loc, scale):
        return 2 * jnp.log(jnp.hypot(1, (y - loc) / scale)) + jnp.log(math.pi * jnp.abs(scale))

# The tail whose probability has all its digits: e^y, or 1 - e^y for y near 0.
@elementwise(stats.cauchy.logcdf, range=NEGATIVE)
class cauchy_logcdf:
    def inverse(y, loc, scale):
        tail = jnp.where(y > -math.log(2), -jnp.expm1(y), -jnp.exp(y))
        return loc + scale / jnp.tan(math.pi * tail)
    def slope(y, x, loc, scale):
        return jnp.exp(-y) / (math.pi * scale * (1 + ((x - loc) / scale) ** 2))
    def log_slope(y, x, loc, scale):
        density = -2 * jnp.log(jnp.hypot(1, (x - loc) / scale)) - jnp.log(math.pi * jnp.abs(scale))
        return density - y

@elementwise(stats.cauchy.logsf, range=NEGATIVE)
class cauchy_logsf:
    def inverse(y, loc, scale):
        tail = jnp.where(y > -math.log(2), -jnp.expm1(y), -jnp.exp(y))
        return loc - scale / jnp.tan(math.pi * tail)
    def slope(y, x, loc, scale):
        return -jnp.exp(-y) / (math.pi * scale * (1 + ((x - loc) / scale) ** 2))
    def log_slope(y, x, loc, scale):
        density = -2 * jnp.log(jnp.hypot(1, (x - loc) / scale)) - jnp.log(math.pi * jnp.abs(scale))
        return density - y

# ---- Gumbel: of the greatest, and of the least ------------------------------------------------------------

def _log_minus_log1mexp(y):
    """Return log t for y = log(1 - e^-t): y itself where both are tiny."""
    return jnp.where(y < -40, y, jnp.log(-jax.nn.log1mexp(-jnp.maximum(y, -40))))

@elementwise(stats.gumbel_r.cdf, range=UNIT)
class gumbel_r_cdf:                                    # y = e^-e^-z
    def inverse(y, loc, scale):     return loc - scale * jnp.log(-jnp.log(y))
    def slope(x, loc, scale):
        z = (x - loc) / scale
        return jnp.exp(-z - jnp.exp(-z)) / scale
    def log_slope(x, loc, scale):
        z = (x - loc) / scale
        return -z - jnp.exp(-z) - jnp.log(scale)

@elementwise(stats.gumbel_r.logcdf, range=NEGATIVE)
class gumbel_r_logcdf:                                 # y = -e^-z
    def inverse(y, loc, scale):     return loc - scale * jnp.log(-y)
    def slope(y, scale):            return -y / scale
    def log_slope(x, loc, scale):   return (loc - x) / scale - jnp.log(scale)

@elementwise(stats.gumbel_r.sf, range=UNIT)
class gumbel_r_sf:                                     # y = 1 - e^-e^-z
    def inverse(y, loc, scale):     return loc - scale * jnp.log(-jnp.log1p(-y))
    def slope(x, loc, scale):
        z = (x - loc) / scale
        return -jnp.exp(-z - jnp.exp(-z)) / scale
    def log_slope(x, loc, scale):
        z = (x - loc) / scale
        return -z - jnp.exp(-z) - jnp.log(scale)

@elementwise(stats.gumbel_r.logsf, range=NEGATIVE)
class gumbel_r_logsf:                                  # y = log(1 - e^-e^-z)
    def inverse(y, loc, scale):     return loc - scale * _log_minus_log1mexp(y)
    def slope(y, x, loc, scale):
        z = (x - loc) / scale
        return -jnp.exp(-z - jnp.exp(-z) - y) / scale
    def log_slope(y, x, loc, scale):
        z = (x - loc) / scale
        return -z - jnp.exp(-z) - y - jnp.log(scale)
    def log_slope_back(y, scale):
        log_t = _log_minus_log1mexp(y)
        return log_t - y - jnp.exp(log_t) - jnp.log(scale)

@elementwise(stats.gumbel_r.ppf, domain=UNIT)
class gumbel_r_ppf:                                    # y = loc - scale log(-log p)
    def inverse(y, loc, scale):     return jnp.exp(-jnp.exp((loc - y) / scale))
    def slope(p, scale):            return -scale / (p * jnp.log(p))
    def log_slope(y, loc, scale):
        z = (y - loc) / scale
        return z + jnp.exp(-z) + jnp.log(jnp.abs(scale))

@elementwise(stats.gumbel_l.cdf, range=UNIT)
class gumbel_l_cdf:                                    # y = 1 - e^-e^z
    def inverse(y, loc, scale):     return loc + scale * jnp.log(-jnp.log1p(-y))
    def slope(x, loc, scale):
        z = (x - loc) / scale
        return jnp.exp(z - jnp.exp(z)) / scale
    def log_slope(x, loc, scale):
        z = (x - loc) / scale
        return z - jnp.exp(z) - jnp.log(scale)

@elementwise(stats.gumbel_l.logcdf, range=NEGATIVE)
class gumbel_l_logcdf:                                 # y = log(1 - e^-e^z)
    def inverse(y, loc, scale):     return loc + scale * _log_minus_log1mexp(y)
    def slope(y, x, loc, scale):
        z = (x - loc) / scale
        return jnp.exp(z - jnp.exp(z) - y) / scale
    def log_slope(y, x, loc, scale):
        z = (x - loc) / scale
        return z - jnp.exp(z) - y - jnp.log(scale)
    def log_slope_back(y, scale):
        log_t = _log_minus_log1mexp(y)
        return log_t - y - jnp.exp(log_t) - jnp.log(scale)

@elementwise(stats.gumbel_l.sf, range=UNIT)
class gumbel_l_sf:                                     # y = e^-e^z
    def inverse(y, loc, scale):     return loc + scale * jnp.log(-jnp.log(y))
    def slope(x, loc, scale):
        z = (x - loc) / scale
        return -jnp.exp(z - jnp.exp(z)) / scale
    def log_slope(x, loc, scale):
        z = (x - loc) / scale
        return z - jnp.exp(z) - jnp.log(scale)

@elementwise(stats.gumbel_l.logsf, range=NEGATIVE)
class gumbel_l_logsf:                                  # y = -e^z
    def inverse(y, loc, scale):     return loc + scale * jnp.log(-y)
    def slope(y, scale):            return y / scale
    def log_slope(x, loc, scale):   return (x - loc) / scale - jnp.log(scale)

@elementwise(stats.gumbel_l.ppf, domain=UNIT)
class gumbel_l_ppf:                                    # y = loc + scale log(-log(1 - p))
    def inverse(y, loc, scale):     return -jnp.expm1(-jnp.exp((y - loc) / scale))
    def slope(p, scale):            return -scale / ((1 - p) * jnp.log1p(-p))
    def log_slope(y, loc, scale):
        z = (y - loc) / scale
        return jnp.exp(z) - z + jnp.log(jnp.abs(scale))

# ---- Laplace --------------------------------------------------------------------------------------------

@elementwise(stats.laplace.cdf, range=UNIT)
class laplace_cdf:                                     # y = e^z / 2, or 1 - e^-z / 2 for positive z
    def inverse(y, loc, scale):
        tail = jnp.minimum(y, 1 - y)
        return loc - jnp.sign(y - 0.5) * scale * jnp.log(2 * tail)
    def slope(x, loc, scale):       return jnp.exp(-jnp.abs((x - loc) / scale)) / (2 * scale)
    def log_slope(x, loc, scale):   return -jnp.abs((x - loc) / scale) - jnp.log(2 * jnp.abs(scale))
