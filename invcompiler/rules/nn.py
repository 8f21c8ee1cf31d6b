"""Activation functions. Conventions as in `elementwise`.

Both sides of a `where` are computed: the operand of the side that is not taken is made one for which
it is finite, so that its gradient is too.
"""

# fmt: off

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from invcompiler.ir.interval import NEGATIVE, NONNEGATIVE, NONPOSITIVE, POSITIVE, UNIT, Interval
from invcompiler.rules.conditions import known_number, number
from invcompiler.rules.registry import Refusal, elementwise, state_range

# ---- smooth ------------------------------------------------------------------------------------------

@elementwise(jax.nn.sigmoid, range=UNIT)
class sigmoid:                                         # y = 1 / (1 + e^-x), dy/dx = y (1 - y)
    def inverse(y):             return jax.scipy.special.logit(y)
    def slope(y):               return y * (1 - y)
    def log_slope(x):           return -jax.nn.softplus(x) - jax.nn.softplus(-x)
    def log_slope_back(y):      return jnp.log(y) + jnp.log1p(-y)

@elementwise(jax.nn.softplus, range=POSITIVE)
class softplus:                                        # y = log(1 + e^x)
    def inverse(y):             return y + jnp.log(-jnp.expm1(-y))
    def slope(x):               return jax.nn.sigmoid(x)
    def log_slope(x):           return jax.nn.log_sigmoid(x)
    def log_slope_back(y):      return jnp.log(-jnp.expm1(-y))

@elementwise(jax.nn.log_sigmoid, range=NEGATIVE)
class log_sigmoid:                                     # y = -softplus(-x)
    def inverse(y):             return y - jnp.log(-jnp.expm1(y))
    def slope(x):               return jax.nn.sigmoid(-x)
    def log_slope(x):           return jax.nn.log_sigmoid(-x)
    def log_slope_back(y):      return jnp.log(-jnp.expm1(y))

@elementwise(jax.nn.log1mexp, domain=POSITIVE, range=NEGATIVE)
class log1mexp:                                        # e^y = 1 - e^-x
    def inverse(y):             return -jax.nn.log1mexp(-y)
    def slope(x):               return 1 / jnp.expm1(x)
    def log_slope(y, x):        return -x - y

@elementwise(jax.nn.soft_sign, range=Interval(-1, 1, lo_open=True, hi_open=True))
class soft_sign:                                       # y = x / (1 + |x|)
    def inverse(y):             return y / (1 - jnp.abs(y))
    def slope(x):               return 1 / (1 + jnp.abs(x)) ** 2
    def log_slope(x):           return -2 * jnp.log1p(jnp.abs(x))

def _is_positive(name, what):
    reason = f"{what} is not positive, and then several inputs have one output"
    return number(name, lambda value: value > 0, Refusal(reason, "use a positive one"))

# y = (x + sqrt(x^2 + b)) / 2, so y - b / (4 y) = x and y + b / (4 y) = sqrt(x^2 + b)
@elementwise(jax.nn.squareplus, range=POSITIVE)
class squareplus:
    condition = _is_positive("b", "`b`")
    def inverse(y, b):          return y - b / (4 * y)
    def slope(y, b):            return y / (y + b / (4 * y))
    def log_slope(y, b):        return jnp.log(y) - jnp.log(y + b / (4 * y))

# ---- in two pieces -------------------------------------------------------------------------------------

@elementwise(jax.nn.leaky_relu)
class leaky_relu:                                      # y = x or a x
    condition = _is_positive("negative_slope", "`negative_slope`")
    def inverse(y, negative_slope):
        return jnp.where(y >= 0, y, y / negative_slope)
    def slope(x, negative_slope):
        return jnp.where(x >= 0, 1.0, negative_slope)
    def log_slope(x, negative_slope):
        return jnp.where(x >= 0, 0.0, jnp.log(negative_slope))

@elementwise(jax.nn.elu, jax.nn.celu)
class elu_of_1:                                        # y = x or e^x - 1
    condition = known_number("alpha", lambda a: a == 1, Refusal("`alpha` is not 1"))
    def inverse(y):             return jnp.where(y > 0, y, jnp.log1p(jnp.minimum(y, 0)))
    def slope(x):               return jnp.exp(jnp.minimum(x, 0))
    def log_slope(x):           return jnp.minimum(x, 0)

@elementwise(jax.nn.elu)
class elu:                                             # y = x or a (e^x - 1)
    condition = _is_positive("alpha", "`alpha`")
    def inverse(y, alpha):      return jnp.where(y > 0, y, jnp.log1p(jnp.minimum(y, 0) / alpha))
    def slope(x, alpha):        return jnp.where(x > 0, 1.0, alpha * jnp.exp(jnp.minimum(x, 0)))
    def log_slope(x, alpha):    return jnp.where(x > 0, 0.0, x + jnp.log(alpha))

@elementwise(jax.nn.celu)
class celu:                                            # y = x or a (e^(x/a) - 1)
    condition = _is_positive("alpha", "`alpha`")
    def inverse(y, alpha):      return jnp.where(y > 0, y, alpha * jnp.log1p(jnp.minimum(y, 0) / alpha))
    def slope(x, alpha):        return jnp.exp(jnp.minimum(x / alpha, 0))
    def log_slope(x, alpha):    return jnp.minimum(x / alpha, 0)

# The constants of Klambauer et al. 2017, arXiv:1706.02515, as `jax.nn.selu` has them.
ALPHA = 1.6732632423543772
SCALE = 1.0507009873554805

@elementwise(jax.nn.selu, range=Interval(-ALPHA * SCALE, math.inf))
class selu:                                            # y = scale x or scale alpha (e^x - 1)
    def inverse(y):
        scale, alpha = 1.0507009873554805, 1.6732632423543772
        return jnp.where(y > 0, y / scale, jnp.log1p(jnp.minimum(y, 0) / (scale * alpha)))
    def slope(x):
        scale, alpha = 1.0507009873554805, 1.6732632423543772
        return scale * jnp.where(x > 0, 1.0, alpha * jnp.exp(jnp.minimum(x, 0)))
    def log_slope(x):
        scale, alpha = 1.0507009873554805, 1.6732632423543772
        return math.log(scale) + jnp.where(x > 0, 0.0, x + math.log(alpha))

# ---- with values outside of their domain, where they are flat or fall -----------------------------------------

@elementwise(jax.nn.relu, domain=NONNEGATIVE, range=NONNEGATIVE, local_slope=True)
class relu:                                            # y = x
    def inverse(y):             return y
    def slope():                return 1.0
    def log_slope():            return 0.0

@elementwise(jax.nn.relu6, domain=Interval(0, 6), range=Interval(0, 6), local_slope=True)
class relu6:
    def inverse(y):             return y
    def slope():                return 1.0
    def log_slope():            return 0.0

@elementwise(jax.nn.hard_tanh, domain=Interval(-1, 1), range=Interval(-1, 1), local_slope=True)
class hard_tanh:
    def inverse(y):             return y
    def slope():                return 1.0
    def log_slope():            return 0.0

@elementwise(jax.nn.hard_sigmoid, domain=Interval(-3, 3), range=Interval(0, 1), local_slope=True)
class hard_sigmoid:                                    # y = (x + 3) / 6
    def inverse(y):             return 6 * y - 3
    def slope():                return 1 / 6
    def log_slope():            return -math.log(6)

# y = x (x + 3) / 6 below 3, and x beyond; the root is written without a difference
@elementwise(
    jax.nn.hard_silu, domain=Interval(-1.5, math.inf), range=Interval(-0.375, math.inf),
    local_slope=True,
)
class hard_silu:
    def inverse(y):
        return jnp.where(y < 3, 12 * y / (3 + jnp.sqrt(9 + 24 * jnp.minimum(y, 3))), y)
    def slope(x):               return jnp.where(x < 3, x / 3 + 0.5, 1.0)
    def log_slope(x):           return jnp.where(x < 3, jnp.log(x / 3 + 0.5), 0.0)
    def log_slope_back(y):      return jnp.where(y < 3, jnp.log(0.25 + y * 2 / 3) / 2, 0.0)

@elementwise(jax.nn.sparse_plus, domain=Interval(-1, math.inf), range=NONNEGATIVE, local_slope=True)
class sparse_plus:                                     # y = (x + 1)^2 / 4 below 1, and x beyond
    def inverse(y):             return jnp.where(y < 1, 2 * jnp.sqrt(jnp.minimum(y, 1)) - 1, y)
    def slope(x):               return jnp.where(x < 1, (x + 1) / 2, 1.0)
    def log_slope(x):           return jnp.where(x < 1, jnp.log1p(x) - math.log(2), 0.0)
    def log_slope_back(y):      return jnp.where(y < 1, jnp.log(y) / 2, 0.0)

@elementwise(jax.nn.sparse_sigmoid, domain=Interval(-1, 1), range=Interval(0, 1), local_slope=True)
class sparse_sigmoid:                                  # y = (x + 1) / 2
    def inverse(y):             return 2 * y - 1
    def slope():                return 0.5
    def log_slope():            return -math.log(2)

# ---- not invertible element by element, with values that lie somewhere ------------------------------------------------------

state_range(Interval(0, 1), jax.nn.softmax)
state_range(NONPOSITIVE, jax.nn.log_softmax)
