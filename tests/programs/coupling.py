"""Coupling layers: one part of the input decides how the other is transformed."""

import jax
import jax.numpy as jnp

from tests.programs.registry import program
from tests.programs.samples import mlp, real

X = real(4)
BATCH = real(2, 4)
NET = mlp(2, 4)
SHIFT_NET = mlp(2, 2, seed=3)


def net(params, x):
    hidden = jnp.tanh(x @ params["w1"] + params["b1"])
    return jnp.split(hidden @ params["w2"] + params["b2"], 2, axis=-1)


def shift_net(params, x):
    return jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]


@program(NET, BATCH, argnums=1)
def coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = net(params, a)
    return jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)


@program(X)
def coupling_of_halves(x):
    a, b = x[:2], x[2:]
    return jnp.concatenate([a, b * jnp.exp(jnp.sin(a)) + a])


@program(X)
def coupling_with_slices_twice(x):
    return jnp.concatenate([x[:2], x[2:] * jnp.exp(jnp.tanh(x[:2])) + x[:2] ** 2])


@program(BATCH, SHIFT_NET)
def additive_coupling(x, params):
    a, b = x[..., :2], x[..., 2:]
    return jnp.concatenate([a, b + shift_net(params, a)], axis=-1)


@program(BATCH, SHIFT_NET)
def coupling_by_update(x, params):
    return x.at[..., 2:].add(shift_net(params, x[..., :2]))


@program(BATCH, NET)
def affine_coupling_by_updates(x, params):
    s, t = net(params, x[..., :2])
    x = x.at[..., 2:].multiply(jnp.exp(s))
    x = x.at[..., 2:].add(t)
    return x


@program(BATCH, NET)
def coupling_with_sigmoid_scale(x, params):
    a, b = jnp.split(x, 2, axis=-1)
    log_scale, shift = net(params, a)
    scale = jax.nn.sigmoid(log_scale + 2.0)
    return jnp.concatenate([a, (b + shift) * scale], axis=-1)


@program(BATCH, NET)
def coupling_with_bounded_scale(x, params):
    a, b = jnp.split(x, [2], axis=-1)
    raw, shift = net(params, a)
    log_scale = 0.9 * jnp.tanh(raw)
    b = jnp.exp(log_scale) * b
    b = b + shift
    return jnp.concatenate((a, b), axis=-1)


@program(X, jnp.array([1.0, 0.0, 1.0, 0.0]), no_gradient="its mask is 0 or 1, and nothing between")
def masked_additive(x, mask):
    return x + (1 - mask) * jnp.sin(mask * x)


MASK = jnp.array([1.0, 1.0, 0.0, 0.0])


@program(X)
def masked_affine(x):
    held = MASK * x
    s = jnp.tanh(held[::-1])
    return held + (1 - MASK) * (x * jnp.exp(s) + jnp.cos(held[::-1]))


CHECKERBOARD = jnp.array([True, False, True, False])


@program(X)
def masked_by_where(x):
    held = jnp.where(CHECKERBOARD, x, 0.0)
    shift = jnp.sum(held) * jnp.ones(4)
    return jnp.where(CHECKERBOARD, x, x * 2 + shift)


@program(X, {"first": SHIFT_NET, "second": mlp(2, 2, seed=5)})
def coupling_twice_with_swap(x, params):
    a, b = x[:2], x[2:]
    b = b + shift_net(params["first"], a)
    a = a * jnp.exp(shift_net(params["second"], b))
    return jnp.concatenate([b, a])


@program(X, real(2))
def conditional_coupling(x, context):
    a, b = x[:2], x[2:]
    s, t = net(NET, a * context)
    return jnp.concatenate([a + context, b * jnp.exp(s) + t])


@program(X)
def unequal_parts(x):
    a, b = x[:1], x[1:]
    return jnp.concatenate([a, b * jnp.exp(a) + jnp.cos(a)])


@program(real(6))
def three_parts(x):
    a, b, c = jnp.split(x, 3)
    b = b + jnp.sin(a)
    c = c * jnp.exp(0.3 * a * b)
    return jnp.concatenate([a, b, c])


@program(real(6))
def multi_scale(x):
    kept, x = x[:2], x[2:]
    x = x * jnp.exp(jnp.tanh(kept).mean())
    a, b = x[:2], x[2:]
    b = b - a**3
    return kept, jnp.concatenate([a, b])


@program(X, real(2), argnums=(0, 1))
def coupling_of_arguments(x, context):
    return x * jnp.exp(jnp.tanh(context).sum()), context + 1


@program(BATCH, NET, no_ildj="the log-det beside the output adds a degree of freedom")
def coupling_with_its_log_det(x, params):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = net(params, a)
    y = jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)
    return y, jnp.sum(s, axis=-1)


@program((real(2), real(2, seed=1)), SHIFT_NET)
def coupling_of_a_pair(pair, params):
    a, b = pair
    return a, b + shift_net(params, a)


@program(real(2, 2, 2))
def coupling_of_channels(x):
    a, b = x[..., 0], x[..., 1]
    b = b * jnp.exp(jnp.sin(a)) + a
    return jnp.stack([a, b], axis=-1)
