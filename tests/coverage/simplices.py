"""Ordered vectors, simplices, splines."""

import jax
import jax.numpy as jnp

from tests.coverage.registry import ships
from tests.programs.samples import real, unit

X = real(4)
KNOTS = jnp.array([-2.0, -1.0, 0.5, 2.0])
VALUES = jnp.array([-2.0, -0.5, 0.2, 2.0])
SLOPES = jnp.array([1.0, 0.5, 1.5, 1.0])


@ships(X, TFP="Ordered^-1", NumPyro="OrderedTransform")
def ordered(x):
    return jnp.cumsum(jnp.concatenate([x[:1], jnp.exp(x[1:])]))


@ships(X, TFP="SoftmaxCentered", density=False, example=X)
def softmax_centred(x):
    return jax.nn.softmax(jnp.concatenate([x, jnp.zeros(1)]))


@ships(X, TFP="IteratedSigmoidCentered", NumPyro="StickBreakingTransform", density=False, example=X)
def stick_breaking(x):
    z = jax.nn.sigmoid(x - jnp.log(jnp.arange(4, 0, -1)))
    rest = jnp.cumprod(1 - z)
    return jnp.concatenate([z, jnp.ones(1)]) * jnp.concatenate([jnp.ones(1), rest])


@ships(unit(4) / 5, NumPyro="SimplexToOrderedTransform")
def simplex_to_ordered(x):
    return jax.scipy.special.logit(jnp.cumsum(x)) + 0.3


@ships(X, NumPyro="ZeroSumTransform", density=False, example=X)
def zero_sum(x):
    return jnp.concatenate([x, -jnp.sum(x, keepdims=True)])


@ships(X, KNOTS, VALUES, FrEIA="BinnedSpline (linear)")
def linear_spline(x, knots, values):
    i = jnp.clip(jnp.searchsorted(knots, x) - 1, 0, 2)
    slope = (values[i + 1] - values[i]) / (knots[i + 1] - knots[i])
    return values[i] + (x - knots[i]) * slope


@ships(X, KNOTS, VALUES, FrEIA="LinearSpline (interp)")
def interpolated(x, knots, values):
    return jnp.interp(x, knots, values)


@ships(
    X, KNOTS, VALUES, SLOPES, distrax="RationalQuadraticSpline", TFP="RationalQuadraticSpline",
    FlowJAX="RationalQuadraticSpline", FrEIA="RationalQuadraticSpline",
)  # fmt: skip
def rational_quadratic_spline(x, knots, values, slopes):
    i = jnp.clip(jnp.searchsorted(knots, x, side="right") - 1, 0, 2)
    width, height = knots[i + 1] - knots[i], values[i + 1] - values[i]
    s, t = height / width, (x - knots[i]) / width
    d, e = slopes[i], slopes[i + 1]
    above = height * (s * t**2 + d * t * (1 - t))
    below = s + (d + e - 2 * s) * t * (1 - t)
    return values[i] + above / below
