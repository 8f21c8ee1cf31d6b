"""Sixteen realistic programs, forward only, each with the inverse that an expert would write by hand.

Every hand-written `inverse(y, *known)` and `inverse_and_ildj(y, *known)` is meant to be as good as one can
make it: nothing computed twice, stable forms, no more memory than needed. Only jax is imported here, so that
other libraries can be given the same programs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import lu_factor, lu_solve, solve_triangular

BATCH, WIDTH, HIDDEN = 256, 64, 128
HALF = WIDTH // 2


@dataclass(frozen=True)
class Program:
    """A forward function of `args`, of which number `argnum` is recovered, and its hand-written inverses."""

    forward: Callable
    inverse: Callable
    inverse_and_ildj: Callable
    args: Callable[[], tuple]
    argnum: int = 0
    domain: Any = None

    @property
    def name(self) -> str:
        return self.forward.__name__


def normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def stack(trees: list) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


# ---- the parts that hand-written and forward code share ---------------------------------------------


def init_net(seed: int, ins: int = HALF, outs: int = WIDTH) -> dict:
    return {
        "w1": normal(seed, ins, HIDDEN) / ins**0.5,
        "b1": jnp.zeros(HIDDEN),
        "w2": 0.1 * normal(seed + 1, HIDDEN, outs) / HIDDEN**0.5,
        "b2": jnp.zeros(outs),
    }


def net(params, a):
    return jnp.tanh(a @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]


def scale_and_shift(params, a):
    s, t = jnp.split(net(params, a), 2, axis=-1)
    return jnp.tanh(s), t


# ---- 1: an affine coupling (RealNVP) ------------------------------------------------------------------


def coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = scale_and_shift(params, a)
    return jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)


def coupling_inverse(y, params):
    a, b = jnp.split(y, 2, axis=-1)
    s, t = scale_and_shift(params, a)
    return jnp.concatenate([a, (b - t) * jnp.exp(-s)], axis=-1)


def coupling_inverse_and_ildj(y, params):
    a, b = jnp.split(y, 2, axis=-1)
    s, t = scale_and_shift(params, a)
    return jnp.concatenate([a, (b - t) * jnp.exp(-s)], axis=-1), -jnp.sum(s)


# ---- 2: a stack of couplings, in a Python loop over a list of layers --------------------------------------


def coupling_stack(layers, x):
    for layer in layers:
        x = coupling(layer, x)
        x = x[..., ::-1]
    return x


def coupling_stack_inverse(y, layers):
    for layer in reversed(layers):
        y = coupling_inverse(y[..., ::-1], layer)
    return y


def coupling_stack_inverse_and_ildj(y, layers):
    ildj = 0.0
    for layer in reversed(layers):
        y, term = coupling_inverse_and_ildj(y[..., ::-1], layer)
        ildj += term
    return y, ildj


# ---- 3: the same as a scan over stacked parameters ------------------------------------------------------


def coupling_scan(layers, x):
    def body(x, layer):
        return coupling(layer, x)[..., ::-1], None

    x, _ = lax.scan(body, x, layers)
    return x


def coupling_scan_inverse(y, layers):
    def body(y, layer):
        return coupling_inverse(y[..., ::-1], layer), None

    return lax.scan(body, y, layers, reverse=True)[0]


def coupling_scan_inverse_and_ildj(y, layers):
    def body(carry, layer):
        y, ildj = carry
        y, term = coupling_inverse_and_ildj(y[..., ::-1], layer)
        return (y, ildj + term), None

    return lax.scan(body, (y, jnp.zeros((), y.dtype)), layers, reverse=True)[0]


# ---- 4: a step of Glow: actnorm, invertible 1x1 convolution, coupling -------------------------------------


def glow_step(params, x):
    x = x * jnp.exp(params["log_scale"]) + params["bias"]
    x = x @ params["w"]
    return coupling(params["net"], x)


def glow_step_inverse(y, params):
    x = coupling_inverse(y, params["net"])
    x = jnp.linalg.solve(params["w"].T, x.reshape(-1, WIDTH).T).T.reshape(x.shape)
    return (x - params["bias"]) * jnp.exp(-params["log_scale"])


def glow_step_inverse_and_ildj(y, params):
    a, b = jnp.split(y, 2, axis=-1)
    s, t = scale_and_shift(params["net"], a)
    x = jnp.concatenate([a, (b - t) * jnp.exp(-s)], axis=-1)
    factor = lu_factor(params["w"])  # one factorisation serves the inverse and the determinant
    x = lu_solve(factor, x.reshape(-1, WIDTH).T, trans=1).T.reshape(x.shape)
    x = (x - params["bias"]) * jnp.exp(-params["log_scale"])
    logdet = jnp.sum(jnp.log(jnp.abs(jnp.diagonal(factor[0]))) + params["log_scale"])
    rows = y.size // WIDTH
    return x, -jnp.sum(s) - rows * logdet


# ---- 5: NICE: additive couplings and a final scaling -----------------------------------------------------


def nice(params, x):
    a, b = x[..., :HALF], x[..., HALF:]
    b = b + net(params["first"], a)
    a = a + net(params["second"], b)
    return jnp.concatenate([a, b], axis=-1) * jnp.exp(params["log_scale"])


def nice_inverse(y, params):
    y = y * jnp.exp(-params["log_scale"])
    a, b = y[..., :HALF], y[..., HALF:]
    a = a - net(params["second"], b)
    b = b - net(params["first"], a)
    return jnp.concatenate([a, b], axis=-1)


def nice_inverse_and_ildj(y, params):
    rows = y.size // y.shape[-1]
    return nice_inverse(y, params), -rows * jnp.sum(params["log_scale"])


# ---- 6: a reversible residual block (RevNet) of two streams ----------------------------------------------


def revnet(params, x):
    x1, x2 = x
    y1 = x1 + net(params["f"], x2)
    y2 = x2 + net(params["g"], y1)
    return y1, y2


def revnet_inverse(y, params):
    y1, y2 = y
    x2 = y2 - net(params["g"], y1)
    x1 = y1 - net(params["f"], x2)
    return x1, x2


def revnet_inverse_and_ildj(y, params):
    return revnet_inverse(y, params), jnp.zeros((), y[0].dtype)


# ---- 7: a Haar wavelet transform of two levels -----------------------------------------------------------


def haar(x):
    even, odd = x[..., 0::2], x[..., 1::2]
    low, high = (even + odd) / 2**0.5, (even - odd) / 2**0.5
    even, odd = low[..., 0::2], low[..., 1::2]
    return (even + odd) / 2**0.5, (even - odd) / 2**0.5, high


def interleave(even, odd):
    return jnp.stack([even, odd], axis=-1).reshape(*even.shape[:-1], -1)


def haar_inverse(y):
    lowest, middle, high = y
    low = interleave((lowest + middle) / 2**0.5, (lowest - middle) / 2**0.5)
    return interleave((low + high) / 2**0.5, (low - high) / 2**0.5)


def haar_inverse_and_ildj(y):
    return haar_inverse(y), jnp.zeros((), y[0].dtype)


# ---- 8: an autoregressive recurrence ------------------------------------------------------------------------


def autoregressive(coefficients, x):
    def step(state, x_t):
        y_t = coefficients["a"] * state + jnp.exp(coefficients["s"]) * x_t
        return y_t, y_t

    return lax.scan(step, jnp.zeros(x.shape[1:], x.dtype), x)[1]


# Its inverse keeps the scan. (Since the carry is the output before, it could be written without one, at the price of
# all steps' intermediate values at once; XLA, which counts the body of a loop once, could not compare the two.)
def autoregressive_inverse(y, coefficients):
    def step(before, y_t):
        return y_t, (y_t - coefficients["a"] * before) * jnp.exp(-coefficients["s"])

    return lax.scan(step, jnp.zeros(y.shape[1:], y.dtype), y)[1]


def autoregressive_inverse_and_ildj(y, coefficients):
    ildj = -y.shape[0] * jnp.sum(coefficients["s"])
    return autoregressive_inverse(y, coefficients), ildj


# ---- 9: from the real line to the constrained parameters of a model -------------------------------------------


def constrain(z):
    return {
        "mean": 10.0 * z["mean"],
        "scale": jax.nn.softplus(z["scale"]) + 1e-3,
        "rate": jnp.exp(z["rate"]),
        "weight": jax.nn.sigmoid(z["weight"]),
        "corr": jnp.tanh(z["corr"]),
    }


def softplus_inverse(y):
    return y + jnp.log(-jnp.expm1(-y))


def constrain_inverse(y):
    return {
        "mean": y["mean"] / 10.0,
        "scale": softplus_inverse(y["scale"] - 1e-3),
        "rate": jnp.log(y["rate"]),
        "weight": jax.scipy.special.logit(y["weight"]),
        "corr": jnp.arctanh(y["corr"]),
    }


def constrain_inverse_and_ildj(y):
    z = constrain_inverse(y)
    terms = [
        -y["mean"].size * jnp.log(10.0),
        -jnp.sum(jnp.log(-jnp.expm1(-(y["scale"] - 1e-3)))),
        -jnp.sum(z["rate"]),
        -jnp.sum(jnp.log(y["weight"]) + jnp.log1p(-y["weight"])),
        -jnp.sum(jnp.log1p(y["corr"]) + jnp.log1p(-y["corr"])),
    ]
    return z, sum(terms)


# ---- 10: naive spellings, of which the inverse should be the stable one -----------------------------------------


def naive_squash(x, low, high):
    return low + (high - low) * (1 / (1 + jnp.exp(-x)))


def naive_squash_inverse(y, low, high):
    return jax.scipy.special.logit((y - low) / (high - low))


def naive_squash_inverse_and_ildj(y, low, high):
    u = (y - low) / (high - low)
    terms = jnp.log(jnp.abs(high - low)) + jnp.log(u) + jnp.log1p(-u)
    return jax.scipy.special.logit(u), -jnp.sum(terms)


# ---- 11: a linear layer by its LU factors -------------------------------------------------------------------------


def lu_linear(params, x):
    lower = jnp.tril(params["lower"], -1) + jnp.eye(WIDTH)
    upper = jnp.triu(params["upper"], 1) + jnp.diag(jnp.exp(params["log_diagonal"]))
    return x @ lower @ upper + params["bias"]


def lu_linear_inverse(y, params):
    lower = jnp.tril(params["lower"], -1) + jnp.eye(WIDTH)
    upper = jnp.triu(params["upper"], 1) + jnp.diag(jnp.exp(params["log_diagonal"]))
    columns = solve_triangular(upper.T, (y - params["bias"]).T, lower=True)
    return solve_triangular(lower.T, columns, unit_diagonal=True).T


def lu_linear_inverse_and_ildj(y, params):
    rows = y.size // y.shape[-1]
    return lu_linear_inverse(y, params), -rows * jnp.sum(params["log_diagonal"])


# ---- 12: whitening by a Cholesky factor -------------------------------------------------------------------------------


def whiten(x, mean, factor):
    return solve_triangular(factor, (x - mean).T, lower=True).T


def whiten_inverse(y, mean, factor):
    return (jnp.tril(factor) @ y.T).T + mean


def whiten_inverse_and_ildj(y, mean, factor):
    ildj = y.shape[0] * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(factor))))
    return whiten_inverse(y, mean, factor), ildj


# ---- 13: a leapfrog integrator (Hamiltonian Monte Carlo) ------------------------------------------------------------------


def force(q):
    return -q + jnp.sin(q)


def leapfrog(state, step):
    def body(_, state):
        q, p = state
        p = p + 0.5 * step * force(q)
        q = q + step * p
        p = p + 0.5 * step * force(q)
        return q, p

    return lax.fori_loop(0, 20, body, state)


def leapfrog_inverse(y, step):
    def body(_, state):
        q, p = state
        p = p - 0.5 * step * force(q)
        q = q - step * p
        p = p - 0.5 * step * force(q)
        return q, p

    return lax.fori_loop(0, 20, body, y)


def leapfrog_inverse_and_ildj(y, step):
    return leapfrog_inverse(y, step), jnp.zeros((), y[0].dtype)


# ---- 14: ordered cut points ------------------------------------------------------------------------------------------------


def ordered(x):
    return jnp.cumsum(jnp.concatenate([x[..., :1], jnp.exp(x[..., 1:])], axis=-1), axis=-1)


def ordered_inverse(y):
    return jnp.concatenate([y[..., :1], jnp.log(y[..., 1:] - y[..., :-1])], axis=-1)


def ordered_inverse_and_ildj(y):
    gaps = jnp.log(y[..., 1:] - y[..., :-1])
    return jnp.concatenate([y[..., :1], gaps], axis=-1), -jnp.sum(gaps)


# ---- 15: sinh-arcsinh tails (Jones and Pewsey 2009) -----------------------------------------------------------------------------


def sinh_arcsinh(x, tail, skew):
    return jnp.sinh(jnp.exp(tail) * jnp.arcsinh(x) + skew)


def sinh_arcsinh_inverse(y, tail, skew):
    return jnp.sinh((jnp.arcsinh(y) - skew) * jnp.exp(-tail))


def sinh_arcsinh_inverse_and_ildj(y, tail, skew):
    v = jnp.arcsinh(y)
    u = (v - skew) * jnp.exp(-tail)
    # The logarithms of `cosh(u)` and of `sqrt(1 + y * y)`, which is `cosh(v)`, would overflow.
    return jnp.sinh(u), jnp.sum(jnp.logaddexp(u, -u) - jnp.logaddexp(v, -v) - tail)


# ---- 16: a masked (checkerboard) coupling on images --------------------------------------------------------------------------------


def checkerboard(params, x, mask):
    s, t = scale_and_shift(params, x * mask)
    return x * mask + (1 - mask) * (x * jnp.exp(s) + t)


def checkerboard_inverse(y, params, mask):
    s, t = scale_and_shift(params, y * mask)
    return y * mask + (1 - mask) * ((y - t) * jnp.exp(-s))


def checkerboard_inverse_and_ildj(y, params, mask):
    s, t = scale_and_shift(params, y * mask)
    x = y * mask + (1 - mask) * ((y - t) * jnp.exp(-s))
    return x, -jnp.sum((1 - mask) * s)


# ---- the list -----------------------------------------------------------------------------------------------------------------------


def images() -> jax.Array:
    return normal(0, BATCH, WIDTH)


def square(seed: int) -> jax.Array:
    return jnp.eye(WIDTH) + 0.05 * normal(seed, WIDTH, WIDTH)


def layers(count: int) -> list:
    return [init_net(10 * i) for i in range(count)]


def glow_args() -> tuple:
    params = {"log_scale": 0.1 * normal(1, WIDTH), "bias": normal(2, WIDTH), "w": square(3)}
    return params | {"net": init_net(4)}, normal(0, 16, 4, 4, WIDTH)


def nice_args() -> tuple:
    params = {"first": init_net(1, HALF, HALF), "second": init_net(2, HALF, HALF)}
    return params | {"log_scale": 0.1 * normal(3, WIDTH)}, images()


def revnet_args() -> tuple:
    params = {"f": init_net(1, HALF, HALF), "g": init_net(2, HALF, HALF)}
    return params, (normal(3, BATCH, HALF), normal(4, BATCH, HALF))


def autoregressive_args() -> tuple:
    return {"a": jnp.full(WIDTH, 0.9), "s": 0.1 * normal(1, WIDTH)}, images()


def constrain_args() -> tuple:
    names = ["mean", "scale", "rate", "weight", "corr"]
    return ({name: normal(i, BATCH, WIDTH) for i, name in enumerate(names)},)


def lu_args() -> tuple:
    params = {"lower": 0.05 * normal(1, WIDTH, WIDTH), "upper": 0.05 * normal(2, WIDTH, WIDTH)}
    return params | {"log_diagonal": 0.1 * normal(3, WIDTH), "bias": normal(4, WIDTH)}, images()


def whiten_args() -> tuple:
    return images(), normal(1, WIDTH), jnp.tril(square(2))


def checkerboard_args() -> tuple:
    return init_net(1, WIDTH, 2 * WIDTH), images(), (jnp.arange(WIDTH) % 2).astype(jnp.float32)


def program(forward: Callable, args: Callable[[], tuple], argnum: int = 0) -> Program:
    name = forward.__name__
    inverse, both = globals()[f"{name}_inverse"], globals()[f"{name}_inverse_and_ildj"]
    return Program(forward, inverse, both, args, argnum)


PROGRAMS = [
    program(coupling, lambda: (init_net(1), images()), 1),
    program(coupling_stack, lambda: (layers(8), images()), 1),
    program(coupling_scan, lambda: (stack(layers(8)), images()), 1),
    program(glow_step, glow_args, 1),
    program(nice, nice_args, 1),
    program(revnet, revnet_args, 1),
    program(haar, lambda: (images(),)),
    program(autoregressive, autoregressive_args, 1),
    program(constrain, constrain_args),
    program(naive_squash, lambda: (images(), jnp.full(WIDTH, -1.0), jnp.full(WIDTH, 3.0))),
    program(lu_linear, lu_args, 1),
    program(whiten, whiten_args),
    program(leapfrog, lambda: ((images(), normal(1, BATCH, WIDTH)), jnp.float32(0.1))),
    program(ordered, lambda: (images(),)),
    program(sinh_arcsinh, lambda: (images(), 0.1 * normal(1, WIDTH), normal(2, WIDTH))),
    program(checkerboard, checkerboard_args, 1),
]
