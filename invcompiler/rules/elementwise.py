"""Elementwise functions: arithmetic, powers, exponentials, trigonometry, bits.

In a rule `y` is the output and every other name an argument; slope is dy/dx, log_slope is log |dy/dx|, and so is log_slope_back,
in terms of y: given y near the end of a range, x has lost digits that y has, and the other way round. Of two equal forms that one
stands here which stays right at the ends of the range of float32.
"""

# fmt: off

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.interval import NONNEGATIVE, NONPOSITIVE, POSITIVE, Interval
from invcompiler.rules.conditions import (
    every,
    is_integer,
    known_number,
    nonzero,
    number,
)
from invcompiler.rules.emitted import modular_inverse
from invcompiler.rules.registry import Numbers, Refusal, elementwise, state_range

PI = math.pi
INF = math.inf

# ---- arithmetic with one known operand ------------------------------------------------------------

@elementwise(jnp.add, argument="x1", numbers=Numbers.NUMBER)
class add_1:                                           # y = x1 + x2
    def inverse(y, x2):         return y - x2
    def slope():                return 1.0
    def log_slope():            return 0.0

@elementwise(jnp.add, argument="x2", numbers=Numbers.NUMBER)
class add_2:
    def inverse(y, x1):         return y - x1
    def slope():                return 1.0
    def log_slope():            return 0.0

@elementwise(jnp.subtract, argument="x1", numbers=Numbers.NUMBER)
class subtract_1:                                      # y = x1 - x2
    def inverse(y, x2):         return y + x2
    def slope():                return 1.0
    def log_slope():            return 0.0

@elementwise(jnp.subtract, argument="x2", numbers=Numbers.NUMBER)
class subtract_2:
    def inverse(y, x1):         return x1 - y
    def slope():                return -1.0
    def log_slope():            return 0.0

@elementwise(jnp.multiply, argument="x1", numbers=Numbers.INEXACT)
class multiply_1:                                      # y = x1 x2
    condition = nonzero("x2", "a factor")
    def inverse(y, x2):         return y / x2
    def slope(x2):              return x2
    def log_slope(x2):          return jnp.log(jnp.abs(x2))

@elementwise(jnp.multiply, argument="x2", numbers=Numbers.INEXACT)
class multiply_2:
    condition = nonzero("x1", "a factor")
    def inverse(y, x1):         return y / x1
    def slope(x1):              return x1
    def log_slope(x1):          return jnp.log(jnp.abs(x1))

@elementwise(jnp.divide, argument="x1", numbers=Numbers.INEXACT)
class divide_1:                                        # y = x1 / x2
    condition = number("x2", np.isfinite, Refusal("a divisor is infinite"))
    def inverse(y, x2):         return y * x2
    def slope(x2):              return 1 / x2
    def log_slope(x2):          return -jnp.log(jnp.abs(x2))

@elementwise(jnp.divide, argument="x2", numbers=Numbers.INEXACT)
class divide_2:
    condition = nonzero("x1", "a dividend")
    def inverse(y, x1):         return x1 / y
    def slope(y, x2):           return -y / x2
    def log_slope(y, x2):       return jnp.log(jnp.abs(y)) - jnp.log(jnp.abs(x2))

@elementwise(jnp.negative, numbers=Numbers.NUMBER)
class negative:                                        # y = -x
    def inverse(y):             return -y
    def slope():                return -1.0
    def log_slope():            return 0.0

@elementwise(jnp.positive, numbers=Numbers.NUMBER)
class positive:                                        # y = x
    def inverse(y):             return y
    def slope():                return 1.0
    def log_slope():            return 0.0

@elementwise(jnp.reciprocal, numbers=Numbers.INEXACT)
class reciprocal:                                      # y = 1 / x
    def inverse(y):             return 1 / y
    def slope(y):               return -(y**2)
    def log_slope(y):           return 2 * jnp.log(jnp.abs(y))

# Integers wrap modulo 2^n, where the odd numbers have inverses.
_odd_refusal = Refusal(
    "an even factor shifts bits out of an integer, which are lost",
    "use an odd factor, or a floating dtype",
)

def _factor_is_odd(name):
    def is_whole(call, facts):
        whole = is_integer(call.arguments[name], facts)
        return None if whole in (None, True) else Refusal("an integer times a fraction is rounded")
    return every(is_whole, number(name, lambda value: value % 2 == 1, _odd_refusal))

@elementwise(jnp.multiply, argument="x1", numbers=Numbers.INTEGER)
class multiply_odd_1:                                  # y = x1 x2 modulo 2^n
    condition = _factor_is_odd("x2")
    def inverse(y, x2):         return y * modular_inverse(jnp.asarray(x2, y.dtype))

@elementwise(jnp.multiply, argument="x2", numbers=Numbers.INTEGER)
class multiply_odd_2:
    condition = _factor_is_odd("x1")
    def inverse(y, x1):         return y * modular_inverse(jnp.asarray(x1, y.dtype))

# ---- absolute value and powers: a rule for each branch ----------------------------------------------

@elementwise(jnp.abs, domain=NONNEGATIVE, range=NONNEGATIVE, numbers=Numbers.REAL | Numbers.INTEGER)
class abs_of_nonnegative:                              # y = x
    def inverse(y):             return y
    def slope():                return 1.0
    def log_slope():            return 0.0

@elementwise(jnp.abs, domain=NONPOSITIVE, range=NONNEGATIVE, numbers=Numbers.REAL | Numbers.INTEGER)
class abs_of_nonpositive:                              # y = -x
    def inverse(y):             return -y
    def slope():                return -1.0
    def log_slope():            return 0.0

@elementwise(jnp.copysign, argument="x1", domain=NONNEGATIVE)
class copysign_of_nonnegative:                         # y = |x1|, of the sign of x2
    def inverse(y):             return jnp.abs(y)
    def slope(x2):              return jnp.copysign(1.0, x2)
    def log_slope():            return 0.0

@elementwise(jnp.copysign, argument="x1", domain=NONPOSITIVE)
class copysign_of_nonpositive:
    def inverse(y):             return -jnp.abs(y)
    def slope(x2):              return -jnp.copysign(1.0, x2)
    def log_slope():            return 0.0

@elementwise(jnp.square, domain=NONNEGATIVE, range=NONNEGATIVE)
class square_of_nonnegative:                           # y = x^2
    def inverse(y):             return jnp.sqrt(y)
    def slope(x):               return 2 * x
    def log_slope(x):           return jnp.log(2 * x)

@elementwise(jnp.square, domain=NONPOSITIVE, range=NONNEGATIVE)
class square_of_nonpositive:
    def inverse(y):             return -jnp.sqrt(y)
    def slope(x):               return 2 * x
    def log_slope(x):           return jnp.log(-2 * x)

@elementwise(jnp.sqrt, domain=NONNEGATIVE, range=NONNEGATIVE)
class sqrt:
    def inverse(y):             return y**2
    def slope(y):               return 0.5 / y
    def log_slope(y):           return -jnp.log(2 * y)

@elementwise(lax.rsqrt, domain=POSITIVE, range=POSITIVE)
class rsqrt:                                           # y = 1 / sqrt(x)
    def inverse(y):             return 1 / y**2
    def slope(y):               return -0.5 * y**3
    def log_slope(y):           return 3 * jnp.log(y) - math.log(2)

@elementwise(jnp.cbrt)
class cbrt:                                            # y = x^(1/3), of the sign of x
    def inverse(y):             return y**3
    def slope(y):               return 1 / (3 * y**2)
    def log_slope(y):           return -2 * jnp.log(jnp.abs(y)) - math.log(3)

def _exponent(holds, reason="the exponent is not this number"):
    return known_number("x2", holds, Refusal(reason))

def _is_odd(n):      return n.is_integer() and n % 2 == 1
def _is_even(n):     return n.is_integer() and n % 2 == 0 and n != 0

@elementwise(jnp.power, jnp.float_power, argument="x1", domain=NONNEGATIVE, range=NONNEGATIVE)
class power_2_of_nonnegative:                          # y = x^2
    condition = _exponent(lambda n: n == 2)
    def inverse(y):             return jnp.sqrt(y)
    def slope(x1):              return 2 * x1
    def log_slope(x1):          return jnp.log(2 * x1)

@elementwise(jnp.power, jnp.float_power, argument="x1", domain=NONPOSITIVE, range=NONNEGATIVE)
class power_2_of_nonpositive:
    condition = _exponent(lambda n: n == 2)
    def inverse(y):             return -jnp.sqrt(y)
    def slope(x1):              return 2 * x1
    def log_slope(x1):          return jnp.log(-2 * x1)

@elementwise(jnp.power, argument="x1", numbers=Numbers.NUMBER)
class power_1:                                         # y = x
    condition = _exponent(lambda n: n == 1)
    def inverse(y):             return y
    def slope():                return 1.0
    def log_slope():            return 0.0

@elementwise(jnp.power, argument="x1", numbers=Numbers.INEXACT)
class power_minus_1:                                   # y = 1 / x
    condition = _exponent(lambda n: n == -1)
    def inverse(y):             return 1 / y
    def slope(y):               return -(y**2)
    def log_slope(y):           return 2 * jnp.log(jnp.abs(y))

@elementwise(jnp.power, jnp.float_power, argument="x1")
class power_3:                                         # y = x^3
    condition = _exponent(lambda n: n == 3)
    def inverse(y):             return jnp.cbrt(y)
    def slope(x1):              return 3 * x1**2
    def log_slope(x1):          return 2 * jnp.log(jnp.abs(x1)) + math.log(3)

@elementwise(jnp.power, jnp.float_power, argument="x1")
class power_odd:                                       # y = x^n, of the sign of x
    condition = _exponent(lambda n: _is_odd(n) and abs(n) != 1)
    def inverse(y, x2):         return jnp.sign(y) * jnp.abs(y) ** (1 / x2)
    def slope(x1, x2):          return x2 * x1 ** (x2 - 1)
    def log_slope(x1, x2):      return (x2 - 1) * jnp.log(jnp.abs(x1)) + math.log(abs(x2))

@elementwise(jnp.power, jnp.float_power, argument="x1", domain=NONPOSITIVE, range=NONNEGATIVE)
class power_even_of_nonpositive:                       # y = x^n
    condition = _exponent(lambda n: _is_even(n) and n != 2)
    def inverse(y, x2):         return -(y ** (1 / x2))
    def slope(x1, x2):          return x2 * x1 ** (x2 - 1)
    def log_slope(x1, x2):      return (x2 - 1) * jnp.log(-x1) + math.log(abs(x2))

@elementwise(jnp.power, jnp.float_power, argument="x1", domain=NONNEGATIVE, range=NONNEGATIVE)
class power_half:                                      # y = sqrt(x)
    condition = _exponent(lambda n: n == 0.5)
    def inverse(y):             return y**2
    def slope(y):               return 0.5 / y
    def log_slope(y):           return -jnp.log(2 * y)

@elementwise(jnp.power, jnp.float_power, argument="x1", domain=NONNEGATIVE, range=NONNEGATIVE)
class power_of_nonnegative:                            # y = x^p
    condition = nonzero("x2", "an exponent")
    def inverse(y, x2):         return y ** (1 / x2)
    def slope(x1, x2):          return x2 * x1 ** (x2 - 1)
    def log_slope(x1, x2):      return (x2 - 1) * jnp.log(x1) + jnp.log(jnp.abs(x2))

_base_refusal = Refusal(
    "a base that is 1, zero or negative has no real logarithm to divide by",
    "use a positive base other than 1",
)

@elementwise(jnp.power, jnp.float_power, argument="x2", range=POSITIVE)
class power_of_base:                                   # y = b^x
    condition = number("x1", lambda b: (b > 0) & (b != 1), _base_refusal)
    def inverse(y, x1):         return jnp.log(y) / jnp.log(x1)
    def slope(y, x1):           return y * jnp.log(x1)
    def log_slope(x1, x2):      return x2 * jnp.log(x1) + jnp.log(jnp.abs(jnp.log(x1)))

# ---- exponentials and logarithms ----------------------------------------------------------------

@elementwise(jnp.exp, range=POSITIVE)
class exp:                                             # y = e^x
    def inverse(y):             return jnp.log(y)
    def slope(y):               return y
    def log_slope(x):           return x

@elementwise(jnp.exp2, range=POSITIVE)
class exp2:                                            # y = 2^x
    def inverse(y):             return jnp.log2(y)
    def slope(y):               return y * math.log(2)
    def log_slope(x):           return x * math.log(2) + math.log(math.log(2))

@elementwise(jnp.expm1, range=Interval(-1, INF, lo_open=True))
class expm1:                                           # y = e^x - 1
    def inverse(y):             return jnp.log1p(y)
    def slope(x):               return jnp.exp(x)
    def log_slope(x):           return x

@elementwise(jnp.log, domain=POSITIVE)
class log:                                             # y = log x
    def inverse(y):             return jnp.exp(y)
    def slope(x):               return 1 / x
    def log_slope(y):           return -y

@elementwise(jnp.log2, domain=POSITIVE)
class log2:
    def inverse(y):             return jnp.exp2(y)
    def slope(x):               return 1 / (x * math.log(2))
    def log_slope(y):           return -y * math.log(2) - math.log(math.log(2))

@elementwise(jnp.log10, domain=POSITIVE)
class log10:
    def inverse(y):             return 10.0**y
    def slope(x):               return 1 / (x * math.log(10))
    def log_slope(y):           return -y * math.log(10) - math.log(math.log(10))

@elementwise(jnp.log1p, domain=Interval(-1, INF, lo_open=True))
class log1p:                                           # y = log(1 + x)
    def inverse(y):             return jnp.expm1(y)
    def slope(x):               return 1 / (1 + x)
    def log_slope(y):           return -y

@elementwise(jnp.logaddexp, argument="x1")
class logaddexp_1:                                     # y = log(e^x1 + e^x2)
    def inverse(y, x2):         return y + jnp.log(-jnp.expm1(x2 - y))
    def slope(y, x1):           return jnp.exp(x1 - y)
    def log_slope(y, x1):       return x1 - y
    def log_slope_back(y, x2):  return jnp.log(-jnp.expm1(x2 - y))

@elementwise(jnp.logaddexp, argument="x2")
class logaddexp_2:
    def inverse(y, x1):         return y + jnp.log(-jnp.expm1(x1 - y))
    def slope(y, x2):           return jnp.exp(x2 - y)
    def log_slope(y, x2):       return x2 - y
    def log_slope_back(y, x1):  return jnp.log(-jnp.expm1(x1 - y))

@elementwise(jnp.logaddexp2, argument="x1")
class logaddexp2_1:                                    # y = log2(2^x1 + 2^x2)
    def inverse(y, x2):         return y + jnp.log2(-jnp.expm1((x2 - y) * math.log(2)))
    def slope(y, x1):           return jnp.exp2(x1 - y)
    def log_slope(y, x1):       return (x1 - y) * math.log(2)
    def log_slope_back(y, x2):  return jnp.log(-jnp.expm1((x2 - y) * math.log(2)))

@elementwise(jnp.logaddexp2, argument="x2")
class logaddexp2_2:
    def inverse(y, x1):         return y + jnp.log2(-jnp.expm1((x1 - y) * math.log(2)))
    def slope(y, x2):           return jnp.exp2(x2 - y)
    def log_slope(y, x2):       return (x2 - y) * math.log(2)
    def log_slope_back(y, x1):  return jnp.log(-jnp.expm1((x1 - y) * math.log(2)))

@elementwise(jnp.ldexp, argument="x1")
class ldexp:                                           # y = x1 2^x2
    def inverse(y, x2):         return jnp.ldexp(y, -x2)
    def slope(x2):              return jnp.exp2(x2)
    def log_slope(x2):          return x2 * math.log(2)

# ---- hyperbolic functions: log cosh x = logaddexp(x, -x) - log 2, for large x as well -----------------

@elementwise(jnp.sinh)
class sinh:
    def inverse(y):             return jnp.arcsinh(y)
    def slope(x):               return jnp.cosh(x)
    def log_slope(x):           return jnp.logaddexp(x, -x) - math.log(2)

@elementwise(jnp.cosh, domain=NONNEGATIVE, range=Interval(1, INF))
class cosh_of_nonnegative:
    def inverse(y):             return jnp.arccosh(y)
    def slope(x):               return jnp.sinh(x)
    def log_slope(x):           return x + jnp.log(-jnp.expm1(-2 * x)) - math.log(2)
    def log_slope_back(y):      return 0.5 * (jnp.log(y - 1) + jnp.log(y + 1))

@elementwise(jnp.cosh, domain=NONPOSITIVE, range=Interval(1, INF))
class cosh_of_nonpositive:
    def inverse(y):             return -jnp.arccosh(y)
    def slope(x):               return jnp.sinh(x)
    def log_slope(x):           return -x + jnp.log(-jnp.expm1(2 * x)) - math.log(2)
    def log_slope_back(y):      return 0.5 * (jnp.log(y - 1) + jnp.log(y + 1))

@elementwise(jnp.tanh, range=Interval(-1, 1, lo_open=True, hi_open=True))
class tanh:                                            # 1 - tanh(x)^2 = (2 / (e^x + e^-x))^2
    def inverse(y):             return jnp.arctanh(y)
    def slope(y):               return 1 - y**2
    def log_slope(x):           return 2 * (math.log(2) - jnp.logaddexp(x, -x))
    def log_slope_back(y):      return jnp.log1p(y) + jnp.log1p(-y)

@elementwise(jnp.arcsinh)
class arcsinh:
    def inverse(y):             return jnp.sinh(y)
    def slope(y):               return 1 / jnp.cosh(y)
    def log_slope(y):           return math.log(2) - jnp.logaddexp(y, -y)

@elementwise(jnp.arccosh, domain=Interval(1, INF), range=NONNEGATIVE)
class arccosh:
    def inverse(y):             return jnp.cosh(y)
    def slope(y):               return 1 / jnp.sinh(y)
    def log_slope(y):           return math.log(2) - y - jnp.log(-jnp.expm1(-2 * y))

@elementwise(jnp.arctanh, domain=Interval(-1, 1, lo_open=True, hi_open=True))
class arctanh:
    def inverse(y):             return jnp.tanh(y)
    def slope(x):               return 1 / ((1 - x) * (1 + x))
    def log_slope(y):           return 2 * (jnp.logaddexp(y, -y) - math.log(2))

# ---- trigonometric functions: a rule for each monotone branch near zero -------------------------------

_CLOSED_UNIT = Interval(-1, 1)

@elementwise(jnp.sin, domain=Interval(-PI / 2, PI / 2), range=_CLOSED_UNIT)
class sin_rising:
    def inverse(y):             return jnp.arcsin(y)
    def slope(x):               return jnp.cos(x)
    def log_slope(x):           return jnp.log(jnp.cos(x))
    def log_slope_back(y):      return (jnp.log1p(y) + jnp.log1p(-y)) / 2

@elementwise(jnp.sin, domain=Interval(PI / 2, 3 * PI / 2), range=_CLOSED_UNIT)
class sin_falling:
    def inverse(y):             return math.pi - jnp.arcsin(y)
    def slope(x):               return jnp.cos(x)
    def log_slope(x):           return jnp.log(-jnp.cos(x))
    def log_slope_back(y):      return (jnp.log1p(y) + jnp.log1p(-y)) / 2

@elementwise(jnp.sin, domain=Interval(-3 * PI / 2, -PI / 2), range=_CLOSED_UNIT)
class sin_falling_below_zero:
    def inverse(y):             return -math.pi - jnp.arcsin(y)
    def slope(x):               return jnp.cos(x)
    def log_slope(x):           return jnp.log(-jnp.cos(x))
    def log_slope_back(y):      return (jnp.log1p(y) + jnp.log1p(-y)) / 2

@elementwise(jnp.cos, domain=Interval(0, PI), range=_CLOSED_UNIT)
class cos_falling:
    def inverse(y):             return jnp.arccos(y)
    def slope(x):               return -jnp.sin(x)
    def log_slope(x):           return jnp.log(jnp.sin(x))
    def log_slope_back(y):      return (jnp.log1p(y) + jnp.log1p(-y)) / 2

@elementwise(jnp.cos, domain=Interval(-PI, 0), range=_CLOSED_UNIT)
class cos_rising:
    def inverse(y):             return -jnp.arccos(y)
    def slope(x):               return -jnp.sin(x)
    def log_slope(x):           return jnp.log(-jnp.sin(x))
    def log_slope_back(y):      return (jnp.log1p(y) + jnp.log1p(-y)) / 2

@elementwise(jnp.cos, domain=Interval(PI, 2 * PI), range=_CLOSED_UNIT)
class cos_rising_beyond_pi:
    def inverse(y):             return 2 * math.pi - jnp.arccos(y)
    def slope(x):               return -jnp.sin(x)
    def log_slope(x):           return jnp.log(-jnp.sin(x))
    def log_slope_back(y):      return (jnp.log1p(y) + jnp.log1p(-y)) / 2

@elementwise(jnp.tan, domain=Interval(-PI / 2, PI / 2, lo_open=True, hi_open=True))
class tan:                                             # dy/dx = 1 + y^2
    def inverse(y):             return jnp.arctan(y)
    def slope(y):               return 1 + y**2
    def log_slope(y):           return 2 * jnp.log(jnp.hypot(1.0, y))

@elementwise(jnp.tan, domain=Interval(PI / 2, 3 * PI / 2, lo_open=True, hi_open=True))
class tan_beyond_half_pi:
    def inverse(y):             return jnp.arctan(y) + math.pi
    def slope(y):               return 1 + y**2
    def log_slope(y):           return 2 * jnp.log(jnp.hypot(1.0, y))

@elementwise(jnp.tan, domain=Interval(-3 * PI / 2, -PI / 2, lo_open=True, hi_open=True))
class tan_below_half_pi:
    def inverse(y):             return jnp.arctan(y) - math.pi
    def slope(y):               return 1 + y**2
    def log_slope(y):           return 2 * jnp.log(jnp.hypot(1.0, y))

@elementwise(jnp.arcsin, domain=_CLOSED_UNIT, range=Interval(-PI / 2, PI / 2))
class arcsin:
    def inverse(y):             return jnp.sin(y)
    def slope(y):               return 1 / jnp.cos(y)
    def log_slope(y):           return -jnp.log(jnp.cos(y))

@elementwise(jnp.arccos, domain=_CLOSED_UNIT, range=Interval(0, PI))
class arccos:
    def inverse(y):             return jnp.cos(y)
    def slope(y):               return -1 / jnp.sin(y)
    def log_slope(y):           return -jnp.log(jnp.sin(y))

@elementwise(jnp.arctan, range=Interval(-PI / 2, PI / 2))
class arctan:                                          # dy/dx = 1 / (1 + x^2)
    def inverse(y):             return jnp.tan(y)
    def slope(x):               return 1 / (1 + x**2)
    def log_slope(x):           return -2 * jnp.log(jnp.hypot(1.0, x))

@elementwise(jnp.deg2rad)
class deg2rad:
    def inverse(y):             return jnp.rad2deg(y)
    def slope():                return math.pi / 180
    def log_slope():            return math.log(math.pi / 180)

@elementwise(jnp.rad2deg)
class rad2deg:
    def inverse(y):             return jnp.deg2rad(y)
    def slope():                return 180 / math.pi
    def log_slope():            return math.log(180 / math.pi)

# In polar coordinates: the angle of (x2, x1), for a fixed nonzero side.
@elementwise(jnp.arctan2, argument="x1", range=Interval(-PI, PI))
class arctan2_1:                                       # tan y = x1 / x2
    condition = nonzero("x2", "the other side")
    def inverse(y, x2):         return x2 * jnp.tan(y)
    def slope(x1, x2):          return x2 / (x1**2 + x2**2)
    def log_slope(x1, x2):      return jnp.log(jnp.abs(x2)) - 2 * jnp.log(jnp.hypot(x1, x2))

@elementwise(jnp.arctan2, argument="x2", range=Interval(-PI, PI))
class arctan2_2:
    condition = nonzero("x1", "the other side")
    def inverse(y, x1):         return x1 / jnp.tan(y)
    def slope(x1, x2):          return -x1 / (x1**2 + x2**2)
    def log_slope(x1, x2):      return jnp.log(jnp.abs(x1)) - 2 * jnp.log(jnp.hypot(x1, x2))

@elementwise(jnp.hypot, argument="x1", domain=NONNEGATIVE, range=NONNEGATIVE)
class hypot_of_nonnegative_1:                          # y^2 = x1^2 + x2^2
    def inverse(y, x2):         return jnp.sqrt(y - x2) * jnp.sqrt(y + x2)
    def slope(y, x1):           return x1 / y
    def log_slope(y, x1):       return jnp.log(x1) - jnp.log(y)

@elementwise(jnp.hypot, argument="x1", domain=NONPOSITIVE, range=NONNEGATIVE)
class hypot_of_nonpositive_1:
    def inverse(y, x2):         return -jnp.sqrt(y - x2) * jnp.sqrt(y + x2)
    def slope(y, x1):           return x1 / y
    def log_slope(y, x1):       return jnp.log(-x1) - jnp.log(y)

@elementwise(jnp.hypot, argument="x2", domain=NONNEGATIVE, range=NONNEGATIVE)
class hypot_of_nonnegative_2:
    def inverse(y, x1):         return jnp.sqrt(y - x1) * jnp.sqrt(y + x1)
    def slope(y, x2):           return x2 / y
    def log_slope(y, x2):       return jnp.log(x2) - jnp.log(y)

@elementwise(jnp.hypot, argument="x2", domain=NONPOSITIVE, range=NONNEGATIVE)
class hypot_of_nonpositive_2:
    def inverse(y, x1):         return -jnp.sqrt(y - x1) * jnp.sqrt(y + x1)
    def slope(y, x2):           return x2 / y
    def log_slope(y, x2):       return jnp.log(-x2) - jnp.log(y)

# ---- complex numbers -----------------------------------------------------------------------------

@elementwise(jnp.conj, numbers=Numbers.ANY)
class conj:                                            # keeps areas, and has no complex derivative
    def inverse(y):             return jnp.conj(y)
    def log_slope():            return 0.0

# ---- bits ----------------------------------------------------------------------------------------

@elementwise(jnp.bitwise_xor, argument="x1", numbers=Numbers.INTEGER | Numbers.BOOL)
class bitwise_xor_1:
    def inverse(y, x2):         return y ^ x2

@elementwise(jnp.bitwise_xor, argument="x2", numbers=Numbers.INTEGER | Numbers.BOOL)
class bitwise_xor_2:
    def inverse(y, x1):         return y ^ x1

@elementwise(jnp.logical_xor, argument="x1", numbers=Numbers.BOOL)
class logical_xor_1:
    def inverse(y, x2):         return jnp.logical_xor(y, x2)

@elementwise(jnp.logical_xor, argument="x2", numbers=Numbers.BOOL)
class logical_xor_2:
    def inverse(y, x1):         return jnp.logical_xor(y, x1)

@elementwise(jnp.invert, numbers=Numbers.INTEGER | Numbers.BOOL)
class invert:
    def inverse(y):             return ~y

@elementwise(jnp.logical_not, numbers=Numbers.BOOL)
class logical_not:
    def inverse(y):             return jnp.logical_not(y)

# ---- functions without an inverse, whose values lie somewhere --------------------------------------

state_range(NONNEGATIVE, jnp.var, jnp.std, jnp.linalg.norm)
state_range(_CLOSED_UNIT, jnp.sign)
