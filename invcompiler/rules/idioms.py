"""Idioms, as equations: how people spell invertible functions, and the one call that says the same.

A spelling names its operand several times, or loses digits: `1 / (1 + exp(-x))` of a large x is 1. One call of
`jax.nn.sigmoid` names it once, and has an inverse and a log-slope in stable form. Operands are
recognised before what uses them, so a spelling is stated in terms of the calls that its parts have
become: `log(exp(x) - 1)` here is `log(expm1(x))`.

Comparisons decide pieces that meet at 0, so that `>` and `>=` say the same.
"""

# fmt: off

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.scipy.special
from jax import lax

from invcompiler.ir.build import literal as literal_value
from invcompiler.rules.equation import (
    CompileTime,
    Guard,
    Table,
    inexact,
    known,
    literal,
    number,
    positive_literal,
    real,
)

idiom = Table()

# ---- literal factors and powers --------------------------------------------------------------------


@CompileTime
def product(c, d):
    return c * d


@CompileTime
def successor(n):
    return n + 1


def _is_power_of_two(value) -> bool:
    return value is not None and value != 0 and abs(math.frexp(value)[0]) == 0.5


power_of_two = Guard(
    "a literal power of 2, of either sign: products with it are exact",
    lambda tree, context: _is_power_of_two(number(tree)),
)
exponent = Guard(
    "a literal exponent from 2 on",
    lambda tree, context: literal.holds(tree, context) and type(number(tree)) is int
    and literal_value(tree)[0] >= 2,
)
fraction = Guard(
    "a literal between 0 and 1",
    lambda tree, context: 0 < (number(tree) or 0) < 1,
)


@idiom(c=power_of_two, d=power_of_two, x=inexact)
class literal_times_literal_times:
    def before(c, d, x):  return c * (d * x)
    def after(c, d, x):   return product(c, d) * x


@idiom(x=inexact)
class one_times:
    def before(x):        return 1 * x
    def after(x):         return x


@idiom(c=literal, a=inexact, b=inexact)
class common_literal_factor_of_quotient:
    def before(c, a, b):  return (c * a) / (c * b)
    def after(c, a, b):   return a / b


@idiom
class square_of_product:
    def before(x):        return x * x
    def after(x):         return jnp.square(x)


@idiom
class cube:
    def before(x):        return jnp.square(x) * x
    def after(x):         return x**3


@idiom(n=exponent)
class one_more_factor:
    def before(x, n):     return x**n * x
    def after(x, n):      return x ** successor(n)


@idiom(x=real)
class root_times_operand:
    def before(x):        return x * jnp.sqrt(x)
    def after(x):         return x**1.5


@idiom(x=real)
class operand_over_root:
    def before(x):        return x / jnp.sqrt(x)
    def after(x):         return jnp.sqrt(x)


@idiom(x=real)
class root_of_square:
    def before(x):        return jnp.sqrt(jnp.square(x))
    def after(x):         return jnp.abs(x)


@idiom(x=real)
class larger_of_both_signs:
    def before(x):        return jnp.maximum(x, -x)
    def after(x):         return jnp.abs(x)


# ---- exp and log near 1 and 0 --------------------------------------------------------------------------


@idiom(x=inexact)
class square_of_exp:
    def before(x):        return jnp.square(jnp.exp(x))
    def after(x):         return jnp.exp(2 * x)


@idiom(x=inexact)
class exp_minus_one:
    def before(x):        return jnp.exp(x) - 1
    def after(x):         return jnp.expm1(x)


@idiom(x=inexact)
class minus_one_plus_exp:
    def before(x):        return -1 + jnp.exp(x)
    def after(x):         return jnp.expm1(x)


@idiom(x=inexact)
class one_minus_exp:
    def before(x):        return 1 - jnp.exp(x)
    def after(x):         return -jnp.expm1(x)


@idiom(x=inexact)
class log_of_one_plus:
    def before(x):        return jnp.log(1 + x)
    def after(x):         return jnp.log1p(x)


@idiom(x=inexact)
class log_of_one_minus:
    def before(x):        return jnp.log(1 - x)
    def after(x):         return jnp.log1p(-x)


# ---- sigmoid -----------------------------------------------------------------------------------------


@idiom(x=real)
class exp_over_one_plus_exp:
    def before(x):        return jnp.exp(x) / (1 + jnp.exp(x))
    def after(x):         return jax.nn.sigmoid(x)


@idiom(x=real)
class one_over_one_plus_exp:
    def before(x):        return 1 / (1 + jnp.exp(x))
    def after(x):         return jax.nn.sigmoid(-x)


@idiom(x=real)
class one_over_one_plus_one_over_exp:
    def before(x):        return 1 / (1 + 1 / jnp.exp(x))
    def after(x):         return jax.nn.sigmoid(x)


@idiom(a=known, x=real)
class known_over_one_plus_exp:
    def before(a, x):     return a / (1 + jnp.exp(x))
    def after(a, x):      return a * jax.nn.sigmoid(-x)


@idiom(x=real)
class half_of_one_plus_tanh:
    def before(x):        return 0.5 * (1 + jnp.tanh(x))
    def after(x):         return jax.nn.sigmoid(2 * x)


@idiom(x=real)
class half_plus_half_of_tanh:
    def before(x):        return 0.5 + 0.5 * jnp.tanh(x)
    def after(x):         return jax.nn.sigmoid(2 * x)


@idiom(x=real)
class one_minus_sigmoid:
    def before(x):        return 1 - jax.nn.sigmoid(x)
    def after(x):         return jax.nn.sigmoid(-x)


@idiom(x=real)
class exp_of_log_sigmoid:
    def before(x):        return jnp.exp(jax.nn.log_sigmoid(x))
    def after(x):         return jax.nn.sigmoid(x)


@idiom(x=real)
class exp_of_negative_softplus:
    def before(x):        return jnp.exp(-jax.nn.softplus(x))
    def after(x):         return jax.nn.sigmoid(-x)


# ---- logit -------------------------------------------------------------------------------------------


@idiom(x=real)
class log_of_odds:
    def before(x):        return jnp.log(x / (1 - x))
    def after(x):         return jax.scipy.special.logit(x)


@idiom(x=real)
class log_of_odds_against:
    def before(x):        return jnp.log((1 - x) / x)
    def after(x):         return -jax.scipy.special.logit(x)


@idiom(x=real)
class log_of_reciprocal_minus_one:
    def before(x):        return jnp.log(1 / x - 1)
    def after(x):         return -jax.scipy.special.logit(x)


@idiom(x=real)
class difference_of_logs:
    def before(x):        return jnp.log(x) - jnp.log1p(-x)
    def after(x):         return jax.scipy.special.logit(x)


@idiom(x=real)
class difference_of_logs_reversed:
    def before(x):        return jnp.log1p(-x) - jnp.log(x)
    def after(x):         return -jax.scipy.special.logit(x)


# ---- softplus and log-sigmoid ----------------------------------------------------------------------------


@idiom(x=real)
class log1p_of_exp:
    def before(x):        return jnp.log1p(jnp.exp(x))
    def after(x):         return jax.nn.softplus(x)


@idiom(x=real)
class logaddexp_with_zero:
    def before(x):        return jnp.logaddexp(x, 0)
    def after(x):         return jax.nn.softplus(x)


@idiom(x=real)
class operand_plus_softplus_of_negative:
    def before(x):        return x + jax.nn.softplus(-x)
    def after(x):         return jax.nn.softplus(x)


@idiom(x=real)
class larger_plus_softplus:
    def before(x):        return jnp.maximum(x, 0) + jax.nn.softplus(-jnp.abs(x))
    def after(x):         return jax.nn.softplus(x)


@idiom(x=real)
class relu_plus_softplus:
    def before(x):        return jax.nn.relu(x) + jax.nn.softplus(-jnp.abs(x))
    def after(x):         return jax.nn.softplus(x)


@idiom(x=real)
class log_of_sigmoid:
    def before(x):        return jnp.log(jax.nn.sigmoid(x))
    def after(x):         return jax.nn.log_sigmoid(x)


@idiom(x=real)
class negative_softplus_of_negative:
    def before(x):        return -jax.nn.softplus(-x)
    def after(x):         return jax.nn.log_sigmoid(x)


@idiom(x=real)
class operand_minus_softplus:
    def before(x):        return x - jax.nn.softplus(x)
    def after(x):         return jax.nn.log_sigmoid(x)


@idiom(x=real)
class negative_log_sigmoid:
    def before(x):        return -jax.nn.log_sigmoid(x)
    def after(x):         return jax.nn.softplus(-x)


@idiom(x=real)
class log_sigmoid_of_negative:
    def before(x):        return jax.nn.log_sigmoid(-x)
    def after(x):         return -jax.nn.softplus(x)


@idiom(x=real)
class log1p_of_negative_sigmoid:
    def before(x):        return jnp.log1p(-jax.nn.sigmoid(x))
    def after(x):         return -jax.nn.softplus(x)


# ---- hyperbolic functions --------------------------------------------------------------------------------


@idiom(x=real)
class exp_minus_exp_of_negative:
    def before(x):        return jnp.exp(x) - jnp.exp(-x)
    def after(x):         return 2 * jnp.sinh(x)


@idiom(x=real)
class exp_plus_exp_of_negative:
    def before(x):        return jnp.exp(x) + jnp.exp(-x)
    def after(x):         return 2 * jnp.cosh(x)


@idiom(x=real)
class exp_minus_one_over_exp:
    def before(x):        return jnp.exp(x) - 1 / jnp.exp(x)
    def after(x):         return 2 * jnp.sinh(x)


@idiom(x=real)
class exp_plus_one_over_exp:
    def before(x):        return jnp.exp(x) + 1 / jnp.exp(x)
    def after(x):         return 2 * jnp.cosh(x)


@idiom(x=real)
class half_exp_minus_half_exp_of_negative:
    def before(x):        return 0.5 * jnp.exp(x) - 0.5 * jnp.exp(-x)
    def after(x):         return jnp.sinh(x)


@idiom(x=real)
class half_exp_plus_half_exp_of_negative:
    def before(x):        return 0.5 * jnp.exp(x) + 0.5 * jnp.exp(-x)
    def after(x):         return jnp.cosh(x)


@idiom(x=real)
class sinh_over_cosh:
    def before(x):        return jnp.sinh(x) / jnp.cosh(x)
    def after(x):         return jnp.tanh(x)


@idiom(x=real)
class expm1_over_exp_plus_one:
    def before(x):        return jnp.expm1(x) / (jnp.exp(x) + 1)
    def after(x):         return jnp.tanh(0.5 * x)


@idiom(x=real)
class expm1_over_expm1_plus_two:
    def before(x):        return jnp.expm1(x) / (jnp.expm1(x) + 2)
    def after(x):         return jnp.tanh(0.5 * x)


@idiom(x=real)
class negative_expm1_over_exp_plus_one:
    def before(x):        return -jnp.expm1(x) / (jnp.exp(x) + 1)
    def after(x):         return jnp.tanh(-(0.5 * x))


@idiom(x=real)
class twice_sigmoid_minus_one:
    def before(x):        return 2 * jax.nn.sigmoid(x) - 1
    def after(x):         return jnp.tanh(0.5 * x)


@idiom(x=real)
class one_minus_twice_sigmoid:
    def before(x):        return 1 - 2 * jax.nn.sigmoid(x)
    def after(x):         return jnp.tanh(-(0.5 * x))


@idiom(x=real)
class operand_plus_root_of_square_plus_one:
    def before(x):        return x + jnp.sqrt(jnp.square(x) + 1)
    def after(x):         return jnp.exp(jnp.arcsinh(x))


@idiom(x=real)
class root_of_square_plus_one_minus_operand:
    def before(x):        return jnp.sqrt(jnp.square(x) + 1) - x
    def after(x):         return jnp.exp(-jnp.arcsinh(x))


@idiom(x=real)
class log_of_exp_of_arcsinh:
    def before(x):        return jnp.log(jnp.exp(jnp.arcsinh(x)))
    def after(x):         return jnp.arcsinh(x)


@idiom(x=real)
class log_of_operand_plus_root_of_square_minus_one:
    def before(x):        return jnp.log(x + jnp.sqrt(jnp.square(x) - 1))
    def after(x):         return jnp.arccosh(x)


@idiom(x=real)
class log_of_one_plus_over_one_minus:
    def before(x):        return jnp.log((1 + x) / (1 - x))
    def after(x):         return 2 * jnp.arctanh(x)


@idiom(x=real)
class log_of_one_minus_over_one_plus:
    def before(x):        return jnp.log((1 - x) / (1 + x))
    def after(x):         return -2 * jnp.arctanh(x)


@idiom(x=real)
class difference_of_log1ps:
    def before(x):        return jnp.log1p(x) - jnp.log1p(-x)
    def after(x):         return 2 * jnp.arctanh(x)


@idiom(x=real)
class twice_arctanh_of_centred:
    def before(x):        return 2 * jnp.arctanh(2 * x - 1)
    def after(x):         return jax.scipy.special.logit(x)


# ---- algebraic sigmoids ------------------------------------------------------------------------------------


@idiom(x=real)
class operand_over_one_plus_abs:
    def before(x):        return x / (1 + jnp.abs(x))
    def after(x):         return jax.nn.soft_sign(x)


@idiom(x=real)
class operand_over_root_of_one_plus_square:
    def before(x):        return x / jnp.sqrt(1 + jnp.square(x))
    def after(x):         return jnp.tanh(jnp.arcsinh(x))


@idiom(x=real)
class operand_over_root_of_one_minus_square:
    def before(x):        return x / jnp.sqrt(1 - jnp.square(x))
    def after(x):         return jnp.sinh(jnp.arctanh(x))


@idiom(x=real)
class operand_times_reciprocal_root_of_one_plus_square:
    def before(x):        return x * lax.rsqrt(1 + jnp.square(x))
    def after(x):         return jnp.tanh(jnp.arcsinh(x))


@idiom(b=positive_literal, x=real)
class half_of_operand_plus_root_of_square_plus_literal:
    def before(b, x):     return 0.5 * (x + jnp.sqrt(jnp.square(x) + b))
    def after(b, x):      return jax.nn.squareplus(x, b)


@idiom(x=real)
class sin_over_cos:
    def before(x):        return jnp.sin(x) / jnp.cos(x)
    def after(x):         return jnp.tan(x)


# ---- two slopes --------------------------------------------------------------------------------------------


@idiom(a=fraction, x=real)
class larger_of_operand_and_fraction:
    def before(a, x):     return jnp.maximum(x, a * x)
    def after(a, x):      return jax.nn.leaky_relu(x, a)


@idiom(a=positive_literal, x=real)
class scaled_where_not_positive:
    def before(a, x):     return jnp.where(x > 0, x, a * x)
    def after(a, x):      return jax.nn.leaky_relu(x, a)


@idiom(a=positive_literal, x=real)
class scaled_where_negative:
    def before(a, x):     return jnp.where(x < 0, a * x, x)
    def after(a, x):      return jax.nn.leaky_relu(x, a)


@idiom(a=positive_literal, x=real)
class positive_part_plus_scaled_negative_part:
    def before(a, x):     return jnp.maximum(x, 0) + a * jnp.minimum(x, 0)
    def after(a, x):      return jax.nn.leaky_relu(x, a)


@idiom(a=positive_literal, x=real)
class positive_part_plus_negative_part_of_scaled:
    def before(a, x):     return jnp.maximum(x, 0) + jnp.minimum(a * x, 0)
    def after(a, x):      return jax.nn.leaky_relu(x, a)


@idiom(a=positive_literal, x=real)
class relu_minus_scaled_relu_of_negative:
    def before(a, x):     return jax.nn.relu(x) - a * jax.nn.relu(-x)
    def after(a, x):      return jax.nn.leaky_relu(x, a)


@idiom(x=real)
class expm1_where_not_positive:
    def before(x):        return jnp.where(x > 0, x, jnp.expm1(x))
    def after(x):         return jax.nn.elu(x)


@idiom(x=real)
class expm1_where_negative:
    def before(x):        return jnp.where(x < 0, jnp.expm1(x), x)
    def after(x):         return jax.nn.elu(x)


@idiom(a=positive_literal, x=real)
class scaled_expm1_where_not_positive:
    def before(a, x):     return jnp.where(x > 0, x, a * jnp.expm1(x))
    def after(a, x):      return jax.nn.elu(x, a)


@idiom(a=positive_literal, x=real)
class scaled_expm1_where_negative:
    def before(a, x):     return jnp.where(x < 0, a * jnp.expm1(x), x)
    def after(a, x):      return jax.nn.elu(x, a)


@idiom(x=real)
class positive_part_plus_negative_part_of_expm1:
    def before(x):        return jnp.maximum(x, 0) + jnp.minimum(jnp.expm1(x), 0)
    def after(x):         return jax.nn.elu(x)


@idiom(a=positive_literal, x=real)
class positive_part_plus_negative_part_of_scaled_expm1:
    def before(a, x):     return jnp.maximum(x, 0) + jnp.minimum(a * jnp.expm1(x), 0)
    def after(a, x):      return jax.nn.elu(x, a)


@idiom(a=positive_literal, x=real)
class scaled_expm1_of_fraction_where_not_positive:
    def before(a, x):     return jnp.where(x > 0, x, a * jnp.expm1(x / a))
    def after(a, x):      return jax.nn.celu(x, a)


# ---- stable forms that name their operand twice ------------------------------------------------------------

# The inverses of softplus and of log-sigmoid, as one term, so that they can be inverted. That term
# overflows where the stable form does not: `rules/equations.py` turns it back in what is emitted.
folded = Table()


@folded(x=real)
class operand_plus_log_of_negative_expm1:
    def before(x):        return x + jnp.log(-jnp.expm1(-x))
    def after(x):         return jnp.log(jnp.expm1(x))


@folded(x=real)
class operand_plus_log1p_of_negative_exp:
    def before(x):        return x + jnp.log1p(-jnp.exp(-x))
    def after(x):         return jnp.log(jnp.expm1(x))


@folded(x=real)
class operand_minus_log_of_negative_expm1:
    def before(x):        return x - jnp.log(-jnp.expm1(x))
    def after(x):         return jax.scipy.special.logit(jnp.exp(x))


@folded(x=real)
class operand_minus_log1p_of_negative_exp:
    def before(x):        return x - jnp.log1p(-jnp.exp(x))
    def after(x):         return jax.scipy.special.logit(jnp.exp(x))
