"""Associative scans, whose values follow one from the other, and distribution functions of `jax.scipy.stats`."""

import operator

import jax.numpy as jnp
from jax import lax
from jax.scipy import stats

from tests.programs.registry import program
from tests.programs.samples import positive, real

X = real(4)
ROWS, MATRICES = real(4, 2), real(4, 2, 2, seed=3)
DECAY = positive(4, seed=2)


@program(X)
def scan_of_sums(x):
    return lax.associative_scan(jnp.add, x)


@program(positive(4))
def scan_of_products_from_the_end(x):
    return lax.associative_scan(operator.mul, x, reverse=True)


@program(real(3, 4))
def scan_of_log_sums(x):
    return lax.associative_scan(jnp.logaddexp, x, axis=1)


def combine(first, then):
    """Two maps `h -> a h + b`, one after the other."""
    a, b = first
    c, d = then
    return a * c, c * b + d


@program(X, DECAY)
def scan_of_affine_maps(x, a):
    _, h = lax.associative_scan(combine, (a, x))
    return h


@program(ROWS, positive(2))
def linear_recurrent_unit(x, rate):
    decay = jnp.exp(-rate) * jnp.ones_like(x)
    return lax.associative_scan(combine, (decay, jnp.sqrt(1 - decay**2) * x), reverse=True)[1]


@program(ROWS, MATRICES)
def scan_of_maps_of_vectors(x, a):
    def after(first, then):
        return then[0] @ first[0], (then[0] @ first[1][..., None])[..., 0] + then[1]

    return lax.associative_scan(after, (a, x))[1]


@program((DECAY, X))
def scan_of_unknown_maps(maps):
    a, b = maps
    return lax.associative_scan(combine, (a, b))


@program(positive(4))
def products_from_the_end(x):
    return lax.cumprod(x, reverse=True)


@program(X)
def log_sums_from_the_end(x):
    return lax.cumlogsumexp(x, reverse=True)


@program(X, 0.3)
def filled_like_the_unknown(x, c):
    return x * jnp.full_like(x, c)


@program(X, 0.3, 1.2)
def gumbel(x, loc, scale):
    return stats.gumbel_r.cdf(x, loc, scale)


@program(1 + positive(4), 0.5)
def shifted_exponential(x, loc):
    return stats.expon.cdf(x, loc)


@program(1.5 + positive(4), 2.0, 1.5)
def pareto(x, b, scale):
    return stats.pareto.logsf(x, b, scale=scale)


@program(0.2 * X, 0.1, 0.7)
def truncated_normal(x, loc, scale):
    return stats.truncnorm.cdf(x, -2.0, 3.0, loc, scale)


@program(X)
def far_tail_of_the_normal_distribution(x):
    return stats.norm.logcdf(10 * x - 20)
