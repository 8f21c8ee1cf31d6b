"""Functions without source: of `exec`, of libraries, and what libraries make of others."""

import functools

import jax
import jax.numpy as jnp

from tests.programs.registry import program
from tests.programs.samples import real

X = real(4)
W = real(4, seed=1)

TEXT = """
def affine(x, w):
    return jnp.exp(w) * x + jnp.sin(w)

def coupling(x, w):
    a, b = jnp.split(x, 2)
    s, t = jnp.tanh(a), a * w[:2]
    return jnp.concatenate([a, b * jnp.exp(s) + t])

def running(x):
    return jax.lax.scan(lambda c, v: (jnp.sin(c) + v, jnp.sin(c) + v), 1.0, x)[1]

def permuted(x):
    return jax.nn.softplus(x[jnp.array([2, 0, 3, 1])])
"""
SPACE = {"__name__": "without_source", "jax": jax, "jnp": jnp}
exec(TEXT, SPACE)
affine = SPACE["affine"]
without_text = functools.partial(program, no_source="made by `exec`")

without_text(X, W, name="traced.affine")(affine)
without_text(X, W, name="traced.coupling")(SPACE["coupling"])
without_text(X, name="traced.running")(SPACE["running"])
without_text(X, name="traced.permuted")(SPACE["permuted"])
without_text(W, name="traced.partly_applied")(functools.partial(SPACE["coupling"], w=X))
without_text(X, W, name="traced.mapped")(jax.vmap(affine))


@program(X, W)
def inside_another(x, w):
    return jnp.sinh(affine(x, w)) + w


@program(X)
def vectorized(x):
    return jnp.vectorize(lambda a: jnp.arcsinh(a) * 2.0)(x)


@program(X, W)
def in_a_loop(x, w):
    for _ in range(2):
        x = affine(x, w)
    return x
