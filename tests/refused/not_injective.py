"""Functions that give one value for two inputs, where no domain says which of them is meant."""

# The formatter would change the mark.
# fmt: off

import jax
import jax.numpy as jnp
from jax import lax

import invcompiler as inv
from invcompiler.errors import InformationDroppedError as Dropped
from tests.refused.registry import refused

Inversion = inv.InversionError
INTEGERS = jax.ShapeDtypeStruct((3,), jnp.uint32)


@refused(Inversion)
def square(x):
    return x**2  #~ several arguments give one value


@refused(Inversion)
def square_by_name(x):
    return jnp.square(x - 1)  #~ several arguments give one value


@refused(Inversion)
def fourth_power(x):
    return jnp.power(x, 4)  #~ several arguments give one value


@refused(Inversion)
def product_with_itself(x):
    return x * x  #~ several arguments give one value


@refused(Inversion)
def absolute_value(x):
    return jnp.abs(x)  #~ several arguments give one value


@refused(Inversion)
def builtin_absolute_value(x):
    return abs(2 * x)  #~ several arguments give one value


@refused(Inversion)
def cosh(x):
    return jnp.cosh(x)  #~ several arguments give one value


@refused(Inversion)
def sine(x):
    return jnp.sin(x)  #~ several arguments give one value


@refused(Inversion)
def cosine(x):
    return jnp.cos(x)  #~ several arguments give one value


@refused(Inversion)
def tangent(x):
    return jnp.tan(x)  #~ several arguments give one value


@refused(Inversion, domain=inv.Interval(-1.0, 2.0))
def square_on_a_domain_around_zero(x):
    return x**2  #~ several arguments give one value


@refused(Inversion, domain="positive")
def sine_on_too_large_a_domain(x):
    return jnp.sin(x)  #~ several arguments give one value


@refused(Inversion, domain="positive")
def square_of_logarithm(x):
    return jnp.log(x) ** 2  #~ several arguments give one value


@refused(Inversion)
def bell(x):
    return jnp.exp(-(x**2) / 2)  #~ several arguments give one value


@refused(Inversion)
def hypotenuse(x):
    return jnp.hypot(x, 1.0)  #~ several arguments give one value


@refused(Inversion)
def sigmoid_derivative(x):
    p = jax.nn.sigmoid(x)
    return p * (1 - p)  #~ an unknown on both sides


@refused(Inversion)
def relu(x):
    return jax.nn.relu(x)  #~ several arguments give one value


@refused(Inversion)
def relu6(x):
    return jax.nn.relu6(x)  #~ several arguments give one value


@refused(Inversion)
def gelu(x):
    return jax.nn.gelu(x)  #~ no rule to invert


@refused(Inversion)
def silu(x):
    return jax.nn.silu(x)  #~ no rule to invert


@refused(Dropped)
def clip(x):
    return jnp.clip(x, -1.0, 1.0)  #~ many inputs of


@refused(Dropped)
def maximum(x):
    return jnp.maximum(x, 0.0)  #~ many inputs of


@refused(Dropped)
def minimum_with_known(x, w):
    return jnp.minimum(x, w)  #~ many inputs of


@refused(Dropped)
def rounded(x):
    return jnp.round(x)  #~ many inputs of


@refused(Dropped)
def floor(x):
    return jnp.floor(x * 10)  #~ many inputs of


@refused(Dropped)
def sign(x):
    return jnp.sign(x)  #~ many inputs of


@refused(Dropped)
def cast_to_integer(x):
    return x.astype(jnp.int32)  #~ drops fractions


@refused(Dropped, example=jax.ShapeDtypeStruct((3,), jnp.float64))
def cast_to_short_integer(x):
    return x.astype(jnp.int8) * 2  #~


@refused(Dropped)
def comparison(x):
    return x > 0  #~ many inputs of


@refused(Dropped)
def remainder(x):
    return x % 2  #~ one value to all that differ by


@refused(Dropped)
def floor_division(x):
    return x // 2  #~ many inputs of


@refused(Dropped, example=INTEGERS)
def even_multiplier(x):
    return x * 2  #~ even factor


@refused(Dropped, call=(jnp.zeros(3, jnp.uint32),))
def even_multiplier_seen_at_the_call(x):
    return x * 6  #~ even factor


@refused(Dropped, example=INTEGERS)
def integer_division(x):
    return x // 3  #~ many inputs of


@refused(Inversion)
def masked_bits(x):
    return x & 0xFF  #~ no rule to invert


@refused(Inversion)
def set_bits(x, key):
    return x | key  #~ no rule to invert


@refused(Dropped, example=INTEGERS)
def shifted_out(x):
    return x << 3  #~ many inputs of


@refused(Dropped)
def parabola(x):
    return x**2 + x  #~ it turns at -0.5


@refused(Dropped, domain="unit")
def parabola_that_turns_within(x):
    return x * (1 - x)  #~ it turns at 0.5


@refused(Dropped)
def two_branches_beside_a_pole(x):
    return x - 1 / x  #~ whose denominator is not seen


@refused(Dropped)
def quadratic_in_exp(x):
    return jnp.exp(2 * x) - jnp.exp(x)  #~ it turns at 0.5


@refused(Dropped)
def one_hot(x):
    return jax.nn.one_hot(x, 4)  #~ many inputs of


@refused(Inversion)
def phase(z):
    return jnp.angle(z)  #~ no rule to invert


@refused(Inversion)
def nan_replaced(x):
    return lax.select(jnp.isnan(x), jnp.zeros_like(x), jnp.isfinite(x))  #~ many inputs of `jnp.isfinite`


TABLE = jnp.arange(1.0, 6.0)


@refused(Inversion, call=(TABLE[:4], TABLE, TABLE[1:], TABLE[1:]))
def table_of_lines_that_do_not_meet(x, knots, slopes, offsets):
    k = jnp.clip(jnp.searchsorted(knots, x) - 1, 0, 3)
    return x * slopes[k] + offsets[k]  #~ not seen to meet


@refused(Inversion, call=(TABLE, TABLE, TABLE))
def spline_that_falls(x, knots, values):
    k = jnp.clip(jnp.searchsorted(knots, x) - 1, 0, 3)
    slope = (values[k + 1] - values[k]) / (knots[k + 1] - knots[k])
    return values[k] - (x - knots[k]) * slope  #~ not seen to


@refused(Inversion, call=(TABLE, TABLE))
def shift_by_the_number_of_large_elements(x, shifts):
    return x + shifts[jnp.sum(x > 2)]  #~ table of bins


@refused(Dropped, call=(jnp.zeros(3, jnp.uint32),))
def halves_combined_with_each_other(x):
    return x ^ ((x << 16) | (x >> 16))  #~ some bits of the unknown do not reach


@refused(Dropped)
def shift_that_wraps_around_without_a_domain(x):
    return (x + 0.3) % 1.0  #~ one value to all that differ by 1


@refused(Inversion)
def cdf_outside_of_its_support(x):
    return jax.scipy.stats.expon.cdf(x, scale=2.0)  #~ several arguments give one value


@refused(Inversion, domain="positive")
def cdf_of_a_bounded_support(x):
    return jax.scipy.stats.uniform.cdf(x)  #~ several arguments give one value
