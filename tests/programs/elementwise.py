"""One elementwise function at a time, and a few of them in a row."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import special

from tests.programs.registry import program
from tests.programs.samples import positive, real, uniform, unit

X = real(3)
POSITIVE = positive(3)
UNIT = unit(3)


@program(X)
def exp(x):
    return jnp.exp(x)


@program(POSITIVE)
def log(x):
    return jnp.log(x)


@program(X)
def expm1(x):
    return jnp.expm1(x)


@program(POSITIVE)
def log1p(x):
    return jnp.log1p(x)


@program(X)
def exp2(x):
    return jnp.exp2(x)


@program(POSITIVE)
def log2(x):
    return jnp.log2(x)


@program(POSITIVE)
def log10(x):
    return jnp.log10(x)


@program(X)
def tanh(x):
    return jnp.tanh(x)


@program(unit(3) - 0.4)
def arctanh(x):
    return jnp.arctanh(x)


@program(X)
def sinh(x):
    return jnp.sinh(x)


@program(X)
def arcsinh(x):
    return jnp.arcsinh(x)


@program(1 + POSITIVE)
def arccosh(x):
    return jnp.arccosh(x)


@program(unit(3) - 0.4)
def arcsin(x):
    return jnp.arcsin(x)


@program(unit(3) - 0.4)
def arccos(x):
    return jnp.arccos(x)


@program(X)
def arctan(x):
    return jnp.arctan(x)


@program(POSITIVE)
def sqrt(x):
    return jnp.sqrt(x)


@program(POSITIVE)
def rsqrt(x):
    return lax.rsqrt(x)


@program(X)
def cbrt(x):
    return jnp.cbrt(x)


@program(X)
def reciprocal(x):
    return jnp.reciprocal(x)


@program(X)
def negative(x):
    return jnp.negative(x)


@program(X)
def deg2rad(x):
    return jnp.deg2rad(x)


@program(X)
def rad2deg(x):
    return jnp.rad2deg(x)


@program(X)
def sigmoid(x):
    return jax.nn.sigmoid(x)


@program(X)
def softplus(x):
    return jax.nn.softplus(x)


@program(X)
def log_sigmoid(x):
    return jax.nn.log_sigmoid(x)


@program(X)
def leaky_relu(x):
    return jax.nn.leaky_relu(x)


@program(X)
def leaky_relu_steep(x):
    return jax.nn.leaky_relu(x, negative_slope=0.3)


@program(X)
def elu(x):
    return jax.nn.elu(x)


@program(X)
def selu(x):
    return jax.nn.selu(x)


@program(X)
def celu(x):
    return jax.nn.celu(x, alpha=0.7)


@program(X)
def soft_sign(x):
    return jax.nn.soft_sign(x)


@program(UNIT)
def logit(x):
    return special.logit(x)


@program(X)
def expit(x):
    return special.expit(x)


@program(X)
def erf(x):
    return special.erf(x)


@program(X)
def erfc(x):
    return special.erfc(x)


@program(UNIT - 0.4)
def erf_inv(x):
    return special.erfinv(x)


@program(X)
def ndtr(x):
    return special.ndtr(x)


@program(UNIT)
def ndtri(x):
    return special.ndtri(x)


@program(X)
def lax_spellings(x):
    return lax.neg(lax.tanh(lax.exp(lax.neg(x))))


@program(X)
def logistic(x):
    return lax.logistic(x)


@program(X)
def gumbel_cdf(x):
    return jnp.exp(-jnp.exp(-x))


@program(UNIT)
def gumbel_quantile(u):
    return -jnp.log(-jnp.log(u))


@program(X)
def sinh_arcsinh(x):
    return jnp.sinh(1.3 * jnp.arcsinh(x) + 0.4)


@program(X)
def naive_sigmoid(x):
    return 1 / (1 + jnp.exp(-x))


@program(UNIT)
def naive_logit(p):
    return jnp.log(p) - jnp.log1p(-p)


@program(UNIT)
def log_odds(p):
    return jnp.log(p / (1 - p))


@program(X)
def naive_softplus(x):
    return jnp.log(1 + jnp.exp(x))


@program(X)
def naive_tanh(x):
    return (jnp.exp(x) - jnp.exp(-x)) / (jnp.exp(x) + jnp.exp(-x))


@program(POSITIVE)
def inverse_softplus(y):
    return jnp.log(jnp.expm1(y))


@program(real(2, 2), example=real(2, 2))
def exp_then_reshape(x):
    """The program for which Oryx returns a log-det of zero."""
    return jnp.exp(x.reshape(4))


@program(uniform(4, low=-0.5, high=0.5))
def long_chain(x):
    x = jnp.sinh(x)
    x = jnp.tanh(x) * 2
    x = jnp.exp(x) + 1
    x = jnp.log(x)
    x = jnp.arctan(x) - 0.3
    return jnp.expm1(x)


@program(jnp.asarray(0.7))
def scalar_softplus(x):
    return jax.nn.softplus(x)


@program(real(2, 3))
def matrix_of_tanh(x):
    return 0.5 * jnp.tanh(x) + 0.5


@program(X)
def root_of_square_plus_one_less_itself(x):
    return jnp.sqrt(1 + x**2) - x


@program(unit(3), domain="unit")
def over_root_of_one_less_its_square(x):
    return x / jnp.sqrt(1 - x * x)
