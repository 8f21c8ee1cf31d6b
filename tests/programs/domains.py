"""Functions that are injective on part of the line only, and what states that part."""

import math

import jax
import jax.numpy as jnp

import invcompiler as inv
from tests.programs.registry import program
from tests.programs.samples import positive, real, unit

X = real(3)
POSITIVE = positive(3)


@program(POSITIVE, domain="positive")
def square(x):
    return x**2


@program(-POSITIVE, domain=inv.Interval(-jnp.inf, 0.0))
def square_of_negatives(x):
    return x**2


@program(POSITIVE, domain="positive")
def product_with_itself(x):
    return x * x


@program(POSITIVE, domain="nonnegative")
def absolute_value(x):
    return jnp.abs(x)


@program(POSITIVE, domain="positive")
def cosh(x):
    return jnp.cosh(x)


@program(unit(3), domain="unit")
def sine(x):
    return jnp.sin(x)


@program(1 + positive(3) / 2, domain=inv.Interval(0.0, 3.0))
def cosine(x):
    return jnp.cos(x)


@program(unit(3), domain="unit")
def tangent(x):
    return jnp.tan(x)


@program(2.5 + unit(3), domain=inv.Interval(2.0, 4.0))
def sine_on_the_falling_branch(x):
    return jnp.sin(x)


@program(X)
def square_of_exp(x):
    return jnp.exp(x) ** 2


@program(X)
def absolute_value_of_softplus(x):
    return jnp.abs(jax.nn.softplus(x))


@program(X)
def sine_of_sigmoid(x):
    return jnp.sin(jax.nn.sigmoid(x))


@program(X)
def cosh_of_exp(x):
    return jnp.cosh(jnp.exp(x))


@program(X)
def square_of_shifted_sigmoid(x):
    return (jax.nn.sigmoid(x) + 1) ** 2


@program(X)
def square_of_negated_exp(x):
    return (-jnp.exp(x)) ** 2


@program(POSITIVE)
def assumed_positive(x):
    x = inv.assume(x, "positive")
    return x**4


@program(2 + unit(3))
def assumed_interval(x):
    return jnp.cos(inv.assume(x, inv.Interval(2.0, 3.1)))


@program({"rate": POSITIVE, "shift": X}, domain={"rate": "positive", "shift": "real"})
def prefix_of_domains(params):
    return {"rate": params["rate"] ** 2, "shift": params["shift"] + params["rate"]}


@program(POSITIVE, X, argnums=(0, 1), domain=("positive", "real"))
def domain_for_each_argument(a, b):
    return a**2, b + a


@program(POSITIVE, domain="positive")
def square_after_a_slice(x):
    head = x[:1] ** 2
    tail = x[1:] * head
    return jnp.concatenate([head, tail])


@program(POSITIVE, domain="positive")
def half_normal_cdf(x):
    return jax.scipy.special.erf(x / jnp.sqrt(2.0))


@program(POSITIVE, jnp.asarray(1.5), jnp.asarray(-0.2), domain="positive")
def weibull_cdf(x, shape, log_scale):
    return 1 - jnp.exp(-((x / jnp.exp(log_scale)) ** shape))


@program(POSITIVE, jnp.asarray(0.4), domain="positive")
def box_cox(x, power):
    return (x**power - 1) / power


@program(unit(4), real(4), domain="unit")
def shift_that_wraps_around(x, a):
    return (x + a) % 1.0


@program(2 * math.pi * unit(4), real(4), domain=inv.Interval(0, 2 * math.pi, hi_open=True))
def reflected_angle(x, a):
    return jnp.mod(a - x, 2 * jnp.pi)


@program(POSITIVE, 1.5, 2.0, domain="positive")
def weibull_cdf_with_a_scale(x, shape, scale):
    return -jnp.expm1(-((x / scale) ** shape))


@program(unit(4), 2.0, 3.0, domain="unit")
def kumaraswamy_cdf(x, a, b):
    return 1 - (1 - x**a) ** b


@program(2 + POSITIVE, jnp.asarray([1.0, 2.0, 0.5]), 3.0, domain=inv.Interval(2, math.inf))
def pareto_cdf(x, least, shape):
    return 1 - (least / x) ** shape


@program(POSITIVE, 0.4, 0.3, domain="positive")
def generalised_pareto_cdf(x, scale, shape):
    return 1 - (1 + shape * x / scale) ** (-1 / shape)


@program(POSITIVE, domain="positive")
def root_of_a_sum_and_its_operand(x):
    return x + jnp.sqrt(x + 1)


@program(0.5 * POSITIVE, domain=inv.Interval(0, 2))
def operand_and_root_of_what_is_left(x):
    return x + 0.5 * jnp.sqrt(4 - x)


@program(POSITIVE, domain="positive")
def operand_over_root_of_a_sum(x):
    return (x + 3) / jnp.sqrt(2 * x + 4)
