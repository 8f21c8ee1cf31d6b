"""Losses whose gradients are measured: a perceptron, an attention block, a convolutional net, a recurrent net, a flow."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_RANDOM = np.random.default_rng(0)


def r(*shape):
    return jnp.asarray(_RANDOM.normal(size=shape) / 10, jnp.float32)


def mlp(params, x, t):
    for w, b in params[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = params[-1]
    logits = x @ w + b
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(logits) * t, axis=-1))


MLP = (
    [(r(64, 128), r(128)), (r(128, 128), r(128)), (r(128, 10), r(10))],
    r(256, 64),
    jax.nn.one_hot(jnp.arange(256) % 10, 10),
)


def layer_norm(x, g, b):
    m = jnp.mean(x, -1, keepdims=True)
    v = jnp.mean((x - m) ** 2, -1, keepdims=True)
    return (x - m) * lax.rsqrt(v + 1e-5) * g + b


def attention(p, x):
    B, T, D = x.shape
    h = layer_norm(x, p["g1"], p["b1"])
    q, k, v = h @ p["q"], h @ p["k"], h @ p["v"]
    q = q.reshape(B, T, 4, D // 4).transpose(0, 2, 1, 3)
    k = k.reshape(B, T, 4, D // 4).transpose(0, 2, 1, 3)
    v = v.reshape(B, T, 4, D // 4).transpose(0, 2, 1, 3)
    a = jax.nn.softmax(q @ k.transpose(0, 1, 3, 2) / 4.0, axis=-1)
    o = (a @ v).transpose(0, 2, 1, 3).reshape(B, T, D)
    x = x + o @ p["o"]
    h = layer_norm(x, p["g2"], p["b2"])
    return x + jax.nn.gelu(h @ p["w1"] + p["c1"]) @ p["w2"] + p["c2"]


def att_loss(p, x):
    return jnp.mean(attention(p, x) ** 2)


D = 64
ATT = (
    {
        **{n: r(D, D) for n in "qkvo"},
        "w1": r(D, 4 * D),
        "w2": r(4 * D, D),
        "c1": r(4 * D),
        "c2": r(D),
        "g1": 1 + r(D),
        "b1": r(D),
        "g2": 1 + r(D),
        "b2": r(D),
    },
    r(8, 32, D),
)


def conv(params, x, t):
    for k in params["convs"]:
        x = jax.nn.relu(
            lax.conv_general_dilated(
                x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        )
    x = jnp.mean(x, axis=(1, 2))
    return jnp.mean((x @ params["w"] - t) ** 2)


CONV = ({"convs": [r(3, 3, 3, 8), r(3, 3, 8, 8)], "w": r(8, 10)}, r(8, 16, 16, 3), r(8, 10))


def rnn(params, h, xs):
    def step(h, x):
        h = jnp.tanh(x @ params["wx"] + h @ params["wh"] + params["b"])
        return h, h @ params["wo"]

    h, ys = lax.scan(step, h, xs)
    return jnp.mean(ys**2)


RNN = ({"wx": r(16, 64), "wh": r(64, 64), "b": r(64), "wo": r(64, 8)}, r(32, 64), r(20, 32, 16))


def flow(params, x):
    ld = 0.0
    for p in params:
        a, b = jnp.split(x, 2, axis=-1)
        h = jnp.tanh(a @ p["w1"] + p["b1"])
        s, t = jnp.split(h @ p["w2"] + p["b2"], 2, axis=-1)
        s = jnp.tanh(s)
        b = b * jnp.exp(s) + t
        ld = ld + jnp.sum(s, axis=-1)
        x = jnp.concatenate([b, a], axis=-1)
    return -jnp.mean(ld - 0.5 * jnp.sum(x**2, axis=-1))


FLOW = ([{"w1": r(8, 32), "b1": r(32), "w2": r(32, 16), "b2": r(16)} for _ in range(4)], r(256, 16))


MODELS = {
    "perceptron": (mlp, MLP),
    "attention": (att_loss, ATT),
    "convolution": (conv, CONV),
    "recurrent": (rnn, RNN),
    "flow": (flow, FLOW),
}
