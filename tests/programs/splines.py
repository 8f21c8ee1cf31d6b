"""Splines between known knots, whose bins are looked up in the ways that people write."""

import jax
import jax.numpy as jnp

from tests.programs.registry import program
from tests.programs.samples import real

X = real(4)
KNOTS = jnp.array([-3.0, -1.0, 0.5, 1.3, 3.0])
VALUES = jnp.array([-3.0, -0.5, 0.2, 1.6, 3.0])
SLOPES = jnp.array([1.0, 0.5, 1.5, 0.7, 1.0])


@program(X, KNOTS, VALUES)
def linear_spline(x, knots, values):
    i = jnp.clip(jnp.digitize(x, knots) - 1, 0, knots.size - 2)
    width = knots[i + 1] - knots[i]
    return values[i] + (values[i + 1] - values[i]) * (x - knots[i]) / width


@program(X, KNOTS, SLOPES)
def quadratic_spline(x, knots, slopes):
    width = jnp.diff(knots)
    areas = jnp.concatenate([jnp.zeros(1), jnp.cumsum((slopes[1:] + slopes[:-1]) / 2 * width)])
    k = jnp.sum(x[:, None] >= knots[1:-1], axis=-1)
    rest = x - knots[k]
    bend = (slopes[k + 1] - slopes[k]) / width[k]
    return areas[k] + rest * slopes[k] + 0.5 * bend * rest**2


@program(2 * X, KNOTS, VALUES, SLOPES)
def rational_quadratic_spline_with_tails(x, knots, values, slopes):
    inside = (x > knots[0]) & (x < knots[-1])
    within = jnp.where(inside, x, 0.0)
    k = jnp.searchsorted(knots, within) - 1
    width, height = knots[k + 1] - knots[k], values[k + 1] - values[k]
    t, s, d, e = (within - knots[k]) / width, height / width, slopes[k], slopes[k + 1]
    y = values[k] + height * (s * t**2 + d * t * (1 - t)) / (s + (d + e - 2 * s) * t * (1 - t))
    return jnp.where(inside, y, x)


@program(real(2, 3), real(2, 3, 5), real(2, 3, 5, seed=1), real(2, 3, 6, seed=2))
def rational_quadratic_spline_of_parameters(x, widths, heights, slopes):
    knots = 6 * jnp.cumsum(jax.nn.softmax(widths), -1) - 3
    knots = jnp.concatenate([jnp.full_like(knots[..., :1], -3.0), knots], -1)
    values = 6 * jnp.cumsum(jax.nn.softmax(heights), -1) - 3
    values = jnp.concatenate([jnp.full_like(values[..., :1], -3.0), values], -1)
    slopes = 1e-3 + jax.nn.softplus(slopes)
    k = jnp.sum(x[..., None] >= knots[..., :-1], axis=-1, keepdims=True) - 1
    x0 = jnp.take_along_axis(knots, k, -1)[..., 0]
    y0 = jnp.take_along_axis(values, k, -1)[..., 0]
    width = jnp.take_along_axis(jnp.diff(knots), k, -1)[..., 0]
    height = jnp.take_along_axis(jnp.diff(values), k, -1)[..., 0]
    d = jnp.take_along_axis(slopes, k, -1)[..., 0]
    e = jnp.take_along_axis(slopes[..., 1:], k, -1)[..., 0]
    s, t = height / width, (x - x0) / width
    above = height * (s * jnp.square(t) + d * t * (1 - t))
    return y0 + above / (s + (d + e - 2 * s) * t * (1 - t))


@program(jnp.array(0.4), KNOTS, VALUES, SLOPES)
def rational_quadratic_spline_by_masks(x, knots, values, slopes):
    bin = (x >= knots[:-1]) & (x < knots[1:])
    table = jnp.stack([knots, values, slopes], axis=1)
    x0, y0, d0 = jnp.sum(bin[:, None] * table[:-1], axis=0)
    x1, y1, d1 = jnp.sum(bin[:, None] * table[1:], axis=0)
    s = (y1 - y0) / (x1 - x0)
    t = jnp.clip((x - x0) / (x1 - x0), 0.0, 1.0)
    above = (y1 - y0) * (s * t * t + d0 * t * (1 - t))
    return y0 + above / (s + (d1 + d0 - 2 * s) * t * (1 - t))
