"""Flows from the literature, written forward-only."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import linalg, special

from tests.programs.registry import program
from tests.programs.samples import lower, matrix, mlp, positive, real, uniform, unit

BATCH = real(2, 4)
IMAGE = real(2, 2, 4)


def net(params, x):
    hidden = jnp.tanh(x @ params["w1"] + params["b1"])
    return hidden @ params["w2"] + params["b2"]


REALNVP = [{"net": mlp(2, 4, seed=i)} for i in range(2)]


def realnvp_layer(layer, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = jnp.split(net(layer["net"], a), 2, axis=-1)
    b = b * jnp.exp(jnp.tanh(s)) + t
    return jnp.concatenate([b, a], axis=-1)


@program(REALNVP, BATCH, argnums=1)
def realnvp(params, x):
    for layer in params:
        x = realnvp_layer(layer, x)
    return x


@program([mlp(2, 2, seed=i) for i in range(3)], BATCH, argnums=1)
def nice(params, x):
    a, b = x[..., ::2], x[..., 1::2]
    for layer in params:
        a, b = b + net(layer, a), a
    return jnp.concatenate([a, b], axis=-1)


def actnorm(params, x):
    return (x + params["bias"]) * jnp.exp(params["log_scale"])


ACTNORM = {"bias": real(4), "log_scale": 0.3 * real(4, seed=1)}


@program(ACTNORM, IMAGE, argnums=1)
def actnorm_of_image(params, x):
    return actnorm(params, x)


def invertible_1x1(w, x):
    return x @ w


@program(matrix(4), IMAGE, argnums=1)
def convolution_1x1(w, x):
    return invertible_1x1(w, x)


GLOW = {"actnorm": ACTNORM, "w": matrix(4), "net": mlp(2, 4, seed=2)}


def glow_coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    log_scale, shift = jnp.split(net(params, a), 2, axis=-1)
    b = (b + shift) * jax.nn.sigmoid(log_scale + 2)
    return jnp.concatenate([a, b], axis=-1)


@program(GLOW, IMAGE, argnums=1)
def glow_step(params, x):
    x = actnorm(params["actnorm"], x)
    x = invertible_1x1(params["w"], x)
    return glow_coupling(params["net"], x)


@program([GLOW, GLOW], IMAGE, argnums=1)
def glow(params, x):
    for step in params:
        x = actnorm(step["actnorm"], x)
        x = invertible_1x1(step["w"], x)
        x = glow_coupling(step["net"], x)
    return x


PLU = {
    "lower": real(4, 4, seed=1),
    "upper": real(4, 4, seed=2),
    "log_diagonal": 0.3 * real(4),
    "order": jnp.array([2, 0, 3, 1]),
}


@program(PLU, BATCH, argnums=1)
def plu_linear(params, x):
    x = x[..., params["order"]]
    upper = jnp.triu(params["upper"], 1) + jnp.diag(jnp.exp(params["log_diagonal"]))
    x = jnp.einsum("ij,bj->bi", upper, x)
    unit_lower = jnp.tril(params["lower"], -1) + jnp.eye(4)
    return jnp.einsum("ij,bj->bi", unit_lower, x)


@program(uniform(2, 4, low=0.1, high=0.9))
def logit_transform(x, alpha=0.05):
    x = alpha + (1 - 2 * alpha) * x
    return jnp.log(x) - jnp.log1p(-x)


@program(jnp.arange(4.0).reshape(2, 2) * 3 + 1, unit(2, 2))
def dequantise(x, noise):
    return special.logit((x + noise) / 16 * 0.9 + 0.05)


@program(real(4, 2))
def haar_step(x):
    even, odd = x[::2], x[1::2]
    average = (even + odd) / jnp.sqrt(2.0)
    detail = (even - odd) / jnp.sqrt(2.0)
    return jnp.concatenate([average, detail])


@program(real(8))
def haar_step_by_a_number(x):
    even, odd = x[::2], x[1::2]
    return (even + odd) * 0.5**0.5, (odd - even) * 0.5**0.5


@program(real(8))
def averages_and_differences(x):
    even, odd = x[::2], x[1::2]
    return (even + odd) / 2, (even - odd) / 2


@program((real(4), real(4, seed=1)))
def thirds_of_a_pair(x):
    a, b = x
    return (a + 2 * b) / 3, (a - b) / 3


@program((real(4), real(4, seed=1)), real(seed=2))
def scaled_pair(x, scale):
    a, b = x
    return (a + b) * scale, (a - b) * scale


@program(real(4))
def lifting_scheme(x):
    even, odd = x[::2], x[1::2]
    odd = odd - 0.5 * (even + jnp.roll(even, -1))
    even = even + 0.25 * (odd + jnp.roll(odd, 1))
    return even, odd


REVNET = {"f": mlp(2, 2, seed=1), "g": mlp(2, 2, seed=2)}


@program(REVNET, (real(2), real(2, seed=1)), argnums=1)
def revnet_block(params, x):
    x1, x2 = x
    y1 = x1 + net(params["f"], x2)
    y2 = x2 + net(params["g"], y1)
    return y1, y2


def potential(q):
    return jnp.sum(q**4) / 4 + jnp.sum(jnp.cos(q))


@program((real(2), real(2, seed=3)))
def leapfrog(state, step=0.1):
    q, p = state
    force = jax.grad(potential)
    for _ in range(3):
        p = p - 0.5 * step * force(q)
        q = q + step * p
        p = p - 0.5 * step * force(q)
    return q, p


@program((real(2), real(2, seed=3)))
def velocity_verlet_scan(state):
    def step(state, _):
        q, p = state
        p = p - 0.05 * jnp.sin(q)
        q = q + 0.1 * p
        p = p - 0.05 * jnp.sin(q)
        return (q, p), None

    state, _ = lax.scan(step, state, length=4)
    return state


STACK = {
    "w": jnp.stack([matrix(4, seed=i) for i in range(3)]),
    "b": jnp.stack([real(4, seed=i) for i in range(3)]),
}


@program(STACK, BATCH, argnums=1)
def affine_stack(params, x):
    def step(x, layer):
        return jax.nn.leaky_relu(x @ layer["w"] + layer["b"], 0.2), None

    x, _ = lax.scan(step, x, params)
    return x


@program({"mean": real(4), "scale": lower(4)}, real(4, seed=1), argnums=1)
def whitening(params, x):
    return linalg.solve_triangular(params["scale"], x - params["mean"], lower=True)


@program(real(3, seed=2), mlp(1, 2), argnums=0)
def masked_autoregressive(x, params):
    """MAF, sampled in order: `y[i]` is conditioned on `y[i - 1]`."""

    def step(previous, x):
        s, t = net(params, previous[None])
        y = x * jnp.exp(jnp.tanh(s)) + t
        return y, y

    _, y = lax.scan(step, jnp.zeros((), x.dtype), x)
    return y


def linear_spline(x, knots, values):
    """A monotone piecewise linear map whose knots are known, and so is the bin by `where`."""
    left = jnp.where(x < knots, 2.0 * (x - knots), 0.5 * (x - knots))
    return left + values


@program(real(3), real(3, seed=1), real(3, seed=2))
def two_piece_spline(x, knots, values):
    return linear_spline(x, knots, values)


@program(unit(3), jnp.asarray(0.5), jnp.asarray(-0.4), domain="unit")
def kumaraswamy_cdf(x, log_a, log_b):
    return 1 - (1 - x ** jnp.exp(log_a)) ** jnp.exp(log_b)


@program(real(3))
def ordered(x):
    return jnp.concatenate([x[:1], x[:1] + jnp.cumsum(jnp.exp(x[1:]))])


@program(real(3), jnp.asarray(-1.0), jnp.asarray(2.5))
def bounded(x, low, high):
    return low + (high - low) * jax.nn.sigmoid(x)


@program(real(3))
def gaussian_copula(x):
    u = special.ndtr(x)
    return -jnp.log1p(-u)


@program(real(3), positive(3), real(3, seed=1))
def johnson_su(x, delta, gamma):
    return jnp.sinh((x - gamma) / delta)


@program(GLOW["net"], real(2, 2, 2), argnums=1, example=real(2, 2, 2))
def multi_scale_image_flow(params, x):
    x = x.reshape(2, 4)
    kept, x = x[:, :2], x[:, 2:]
    s, t = jnp.split(net(params, kept), 2, axis=-1)
    return kept, x * jnp.exp(jnp.tanh(s)) + t


@program(mlp(2, 2), jnp.array([1, 0]), BATCH, argnums=2)
def shuffled_couplings(params, order, x):
    a, b = jnp.split(x, 2, axis=-1)
    a = a[..., order]
    b = b + net(params, a)
    y = jnp.concatenate([b, a], axis=-1)
    return jnp.flip(y, axis=-1)


@program(real(4), real(2, 4, seed=1))
def householder(x, vectors):
    for v in vectors:
        x = x - 2 * v * (v @ x) / (v @ v)
    return x


@program(real(2, 4, 6, 3), matrix(6))
def squeeze_and_factor_out(x, mixing):
    """The shape of `x` follows from those of both outputs."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(b, h // 2, w // 2, 4 * c)
    out, rest = jnp.split(x, 2, axis=-1)
    return out * jnp.exp(jnp.tanh(rest)), rest @ mixing


def squeezed(x):
    b, h, w, c = x.shape
    blocks = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 5, 2, 4)
    return blocks.reshape(b, h // 2, w // 2, -1)


SCALES = [{"shift": real(n), "log_scale": 0.3 * real(n, seed=1)} for n in (4, 8)]


@program(SCALES, real(1, 4, 8, 1), argnums=1, needs_arguments="the number of scales")
def scales_that_are_factored_out(params, x):
    """What the list holds in the end depends on how many scales there are, and so does the shape of each."""
    latents = []
    for number, scale in enumerate(params):
        x = squeezed(x)
        x = (x + scale["shift"]) * jnp.exp(scale["log_scale"])
        if number < len(params) - 1:
            latent, x = jnp.split(x, 2, axis=-1)
            latents.append(latent)
    latents.append(x)
    return latents


BIJECTORS = [lambda x: x * 2 + 1, jnp.sinh, lambda x: jnp.exp(x / 4)]


@program(real(3))
def chained_bijectors(x):
    return functools.reduce(lambda value, bijector: bijector(value), BIJECTORS, x)


@program(REALNVP, BATCH, argnums=1)
def reduced_layers(params, x):
    return functools.reduce(lambda value, layer: realnvp_layer(layer, value), params, x)
