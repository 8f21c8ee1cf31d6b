"""Functions whose adjoints should read as if somebody had written them by hand."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

READABLE = []


def example(*arguments, argnums=None):
    def register(function):
        numbers = tuple(range(len(arguments))) if argnums is None else argnums
        READABLE.append((function, arguments, numbers))
        return function

    return register


def real(*shape, seed=0):
    return np.random.default_rng(seed + 10 * len(shape)).normal(size=shape)


@example(real(3))
def square_then_sine(x):
    y = x**2
    return jnp.sin(y)


@example(real(5, 3), real(3, 4), real(4))
def dense_layer(x, w, b):
    return jnp.tanh(x @ w + b)


@example({"w": real(3, 4), "b": real(4)}, real(5, 3))
def parameters_in_a_dict(params, x):
    h = jax.nn.relu(x @ params["w"] + params["b"])
    return jnp.sum(h, axis=-1)


@example([(real(3, 4), real(4)), (real(4, 2), real(2))], real(5, 3))
def perceptron(layers, x):
    for w, b in layers:
        x = jnp.tanh(x @ w + b)
    return x


@example(real(2, 4))
def affine_coupling(x):
    a, b = jnp.split(x, 2, axis=-1)
    s = jnp.tanh(a)
    b = b * jnp.exp(s) + a
    return jnp.concatenate([a, b], axis=-1)


@example(real(4))
def sliced_coupling(x):
    a, b = x[:2], x[2:]
    return jnp.concatenate([a, b * jnp.exp(a)])


@example(real(5), real(5, seed=1))
def used_twice(x, y):
    z = x * y
    return z * x + jnp.exp(z)


@example(real(4, 3), real(3))
def broadcast_row(m, row):
    return m * row - row


@example(real(6, 4))
def softmax_cross_entropy(logits):
    return -jnp.mean(jax.nn.log_softmax(logits)[:, 0])


@example(real(6, 4), real(4), real(4, seed=1))
def layer_norm(x, gain, bias):
    mean = jnp.mean(x, axis=-1, keepdims=True)
    centred = x - mean
    variance = jnp.mean(centred**2, axis=-1, keepdims=True)
    return centred * lax.rsqrt(variance + 1e-5) * gain + bias


@example({name: real(4, 4, seed=i) for i, name in enumerate("qkv")}, real(6, 4))
def attention(params, x):
    q, k, v = x @ params["q"], x @ params["k"], x @ params["v"]
    weights = jax.nn.softmax(q @ k.T / 2.0, axis=-1)
    return weights @ v


@example({"wx": real(2, 3), "wh": real(3, 3)}, real(3), real(5, 2))
def recurrent_network(params, h, xs):
    def step(h, x):
        h = jnp.tanh(x @ params["wx"] + h @ params["wh"])
        return h, h

    return lax.scan(step, h, xs)


@example(real(3), real(3, seed=1))
def leapfrog(q, p):
    for _ in range(3):
        p = p - 0.1 * jnp.sin(q)
        q = q + 0.2 * p
    return q, p


@example(real(3))
def fori_iteration(x):
    return lax.fori_loop(0, 4, lambda i, c: jnp.cos(c) * x, x)


@example(real(3), real(3, seed=1))
def conditional(x, y):
    return lax.cond(jnp.sum(x) > 0, lambda: x * y, lambda: jnp.sin(y))


@example(real(3), "tanh", argnums=(0,))
def static_choice(x, activation):
    if activation == "tanh":
        return jnp.tanh(x)
    return jax.nn.relu(x)


def block(layer, x):
    return x + jnp.tanh(x @ layer["w"])


@example([{"w": real(3, 3, seed=i)} for i in range(2)], real(3))
def residual_network(layers, x):
    for layer in layers:
        x = block(layer, x)
    return x


@example({"w": real(4, 3, 3)}, real(3))
def scanned_residual_network(layers, x):
    def step(x, layer):
        return block(layer, x), None

    x, _ = lax.scan(step, x, layers)
    return x


@example(real(2, 6, 6, 3), real(3, 3, 3, 4))
def convolution(image, kernel):
    dims = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(image, kernel, (1, 1), "SAME", dimension_numbers=dims)
    return jax.nn.relu(y)


@example(real(5), real(5, seed=1))
def pytree_of_outputs(x, y):
    return {"product": x * y, "norm": jnp.sqrt(jnp.sum(x**2))}


@example(real(4, 4), real(4))
def gaussian_log_density(scale, x):
    z = scale @ x
    return -0.5 * jnp.sum(z**2) + jnp.linalg.slogdet(scale)[1]


@example(real(4))
def clipped_where(x):
    return jnp.where(x > 0, jnp.log1p(jnp.abs(x)), x)


@example(real(5, 3), real(3))
def mapped_rows(rows, w):
    return jax.vmap(lambda row: jnp.sin(row) @ w)(rows)


@example(real(4))
def updated_element(x):
    return x.at[1].multiply(x[0])


@example(real(3, 4), real(2, 4, 5))
def einsum_of_two(a, b):
    return jnp.einsum("ij,kjl->kil", a, b)
