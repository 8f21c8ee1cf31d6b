"""Arithmetic with one unknown operand, and unknowns that occur more than once but collect."""

import math
import operator

import jax
import jax.numpy as jnp
from jax import lax

import invcompiler as inv
from tests.programs.registry import program
from tests.programs.samples import positive, real, unit

X = real(3)
Y = real(3, seed=1)


@program(X)
def affine(x):
    return 2.0 * x + 1.0


@program(X)
def affine_of_integers(x):
    return 3 * x - 2


@program(X, Y)
def add(x, shift):
    return x + shift


@program(X, Y)
def subtract(x, shift):
    return x - shift


@program(X, Y)
def subtract_from(x, total):
    return total - x


@program(X, Y)
def multiply(x, scale):
    return x * scale


@program(X, Y)
def divide(x, scale):
    return x / scale


@program(X, Y)
def divide_into(x, numerator):
    return numerator / x


@program(X)
def negate(x):
    return -x


@program(X)
def cube(x):
    return x**3


@program(X)
def fifth_power(x):
    return jnp.power(x, 5)


@program(positive(3), positive(3, seed=1), domain="positive")
def power(x, exponent):
    return x**exponent


@program(X, 1 + positive(3))
def exponential_of_base(x, base):
    return base**x


@program(positive(3))
def half_power(x):
    return x**0.5


@program(positive(3))
def negative_power(x):
    return x**-3


@program(X, Y, positive(3))
def standardise(x, mean, scale):
    return (x - mean) / scale


@program(X, jnp.asarray(0.7))
def scalar_broadcast(x, scale):
    return x * scale + scale


@program(real(2, 3), positive(3))
def row_broadcast(x, scale):
    return x * scale


@program(real(2, 3), positive(2, 1))
def column_broadcast(x, scale):
    return x / scale


@program(X, Y)
def known_on_both_sides(x, w):
    return jnp.exp(w) * (x + w) - w


@program(X)
def spelled_by_operator(x):
    return operator.add(operator.mul(x, 3.0), 1.0)


@program(X, Y)
def spelled_by_jnp(x, w):
    return jnp.subtract(jnp.multiply(jnp.add(x, w), 2.0), w)


@program(X, Y)
def spelled_by_lax(x, w):
    return lax.div(lax.sub(x, w), jnp.full_like(w, 0.4))


@program(X)
def doubled(x):
    return x + x


@program(X)
def collected(x):
    return 3 * x - x


@program(X, Y)
def factored(x, c):
    return x * (1 + jnp.exp(c)) + c


@program(X, Y)
def collected_with_factors(x, a):
    return jnp.exp(a) * x + 0.5 * x + a


@program(X)
def collected_through_a_name(x):
    shifted = x + 1
    return 2 * x + shifted / 3


@program(X, Y, argnums=1)
def second_argument(w, x):
    return x * jnp.exp(w)


@program(X, Y, argnums=(0, 1))
def both_arguments(a, b):
    return jnp.exp(a), b * 2 + a


@program(X, Y, real(3, seed=2), argnums=(0, 2))
def outer_arguments(a, shift, b):
    return a + shift, b - a * shift


@program(X, Y, argnums=(1, 0))
def arguments_in_another_order(a, b):
    return a * 3, b + jnp.tanh(a)


@program(X)
def residual_on_known_half(x):
    return x.at[1:].add(jnp.sin(x[:1]))


@program(X, 0.5)
def python_float(x, scale):
    return x * scale - scale


@program(X, unit(3))
def interpolate_towards(x, weight):
    return weight * x + (1 - weight) * 2.0


@program(jnp.asarray(1.3))
def zero_dimensional(x):
    return 4 - x / 2


@program(real(0))
def empty(x):
    return jnp.exp(2 * x)


@program(X)
def identity(x):
    return x


@program(X)
def double_negation(x):
    return -(-x)


@program(positive(3))
def quotient_of_affine_functions(x):
    return (2 * x + 1) / (x + 3)


@program(real(3), positive(3), real(3, seed=1))
def quotient_with_known_coefficients(x, a, b):
    return (a * x + b) / (0.1 * b * x + 4)


@program(positive(3), domain="positive")
def hill(x):
    return x**2 / (1 + x**2)


@program(positive(3), domain="positive")
def quadratic(x):
    return x**2 + x


@program(positive(3), positive(3, seed=1), positive(3, seed=2), real(3), domain="positive")
def quadratic_with_known_coefficients(x, a, b, c):
    return a * x**2 + b * x + c


@program(-positive(3), domain=inv.Interval(-math.inf, 0))
def quadratic_below_zero(x):
    return (x - 2) * x + 1


@program(positive(3) + 1, domain=inv.Interval(1, math.inf))
def quadratic_beyond_one(x):
    return 3 * jnp.square(x) - x


@program(unit(3), domain="unit")
def quotient_that_peaks_at_an_end(x):
    return x / (1 + x**2)


@program(0.5 * unit(3), domain=inv.Interval(0, 0.5))
def parabola_to_its_top(x):
    return x * (1 - x)


@program(positive(3), domain="positive")
def difference_to_its_reciprocal(x):
    return x - 1 / x


@program(X)
def quotient_in_exp(x):
    return (jnp.exp(x) - 1) / (3 + jnp.exp(x))


@program(X)
def powers_of_exp(x):
    return 3 * jnp.exp(x) - 2 * jnp.exp(-x)


@program(positive(3), domain="positive")
def with_its_root(x):
    return x + 2 * jnp.sqrt(x)


@program(X, Y)
def quadratic_in_softplus(x, s):
    return jax.nn.softplus(x) * (jax.nn.softplus(x) + jnp.exp(s))


@program((real(3), real(3, seed=1), real(3, seed=2)))
def three_sums(terms):
    a, b, c = terms
    return a + b + c, a - b, a + 2 * c


@program(positive(4), 0.7)
def product_in_which_the_unknown_cancels(x, k):
    return x * (2 / x + k)


@program(positive(4), domain="nonnegative")
def quotient_with_a_common_factor(x):
    return (x**2 + x) / (3 * x)
