"""Functions of several monotone pieces, chosen by the unknown itself."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.programs.registry import program
from tests.programs.samples import positive, real, unit

X = real(5)
SLOPE = positive(5)
KNOT = jnp.asarray(0.3)


@program(X)
def in_three_pieces(x):
    return jnp.where(x < -1, 2 * x + 1, jnp.where(x < 1, x, 3 * x - 2))


@program(X)
def exp_below_and_line_above(x):
    return jnp.where(x < 0, jnp.exp(x), 1 + x)


@program(X)
def with_a_gap(x):
    return jnp.where(x < 0, x - 1, x + 1)


@program(X)
def falling(x):
    return jnp.where(x < 0, -2 * x, -x)


@program(X)
def cubic_inside(x):
    return jnp.where((x > -1) & (x < 1), x**3, x)


@program(X)
def yeo_johnson(x):
    return jnp.where(x >= 0, ((x + 1) ** 0.5 - 1) / 0.5, -((1 - x) ** 1.5 - 1) / 1.5)


@program(
    X, jnp.asarray(0.7), no_gradient="JAX's is NaN: that of a power of what the other piece is for"
)
def yeo_johnson_of_known_power(x, power):
    above = ((x + 1) ** power - 1) / power
    below = -((1 - x) ** (2 - power) - 1) / (2 - power)
    return jnp.where(x >= 0, above, below)


@program(X, SLOPE)
def slope_known_at_run_time(x, slope):
    return jnp.where(x > 0, x, slope * x)


@program(X, SLOPE, KNOT)
def knots_known_at_run_time(x, slope, knot):
    above = slope * (x - knot) + knot
    below = slope * (x + knot) - knot
    return jnp.where(x > knot, above, jnp.where(x < -knot, below, x))


@program(X)
def symmetric_logarithm(x):
    return jnp.sign(x) * jnp.log1p(jnp.abs(x))


@program(X, no_gradient="the slope of a square root is infinite at zero")
def signed_square_root(x):
    return jnp.sign(x) * jnp.sqrt(jnp.abs(x))


@program(X)
def sum_with_its_absolute_value(x):
    return x + 0.5 * jnp.abs(x)


@program(X)
def larger_of_two_lines(x):
    return jnp.maximum(2 * x, 0.5 * x)


@program(X)
def parts_of_both_signs(x):
    return 2 * jnp.maximum(x, 0) + jnp.expm1(jnp.minimum(x, 0))


@program(X)
def selected_in_order(x):
    return jnp.select([x > 1, x < -1], [2 * x - 1, 2 * x + 1], x)


@program(X)
def piecewise_of_functions(x):
    return jnp.piecewise(x, [x < 0, x >= 0], [lambda x: 0.5 * x, lambda x: 2 * x])


@program(jnp.asarray(-0.7))
def cond_on_a_number(x):
    return lax.cond(x < 0, jnp.exp, lambda x: x + 1, x)


@program(X)
def cond_of_each_element(x):
    return jax.vmap(lambda x: lax.cond(x > 0, lambda x: 2 * x, lambda x: 0.5 * x, x))(x)


@program(unit(5))
def laplace_quantile(p):
    return jnp.where(p < 0.5, jnp.log(2 * p), -jnp.log(2 * (1 - p)))


@program((X, real(5, seed=1)))
def coupled_pieces(pair):
    a, b = pair
    return a, jnp.where(b > 0, b * jnp.exp(jnp.tanh(a)), b)


@program(X)
def symmetric_logarithm_by_copysign(x):
    return jnp.copysign(jnp.log1p(jnp.abs(x)), x)
