"""Names that are bound more than once, and names that try to collide with emitted ones."""

import jax.numpy as jnp

from tests.programs.registry import program
from tests.programs.samples import real

X = real(4)
W = real(4, seed=1)


@program(X, W)
def one_name_throughout(x, w):
    x = x + w
    x = jnp.exp(x)
    x = x * 2
    return x


@program(X)
def recycled_temporary(x):
    t = x[:2]
    a = t * 2
    t = x[2:]
    b = t + jnp.sin(a)
    t = jnp.concatenate([a, b])
    return t


@program(X, W)
def overwritten_known(x, w):
    w = jnp.tanh(w)
    x = x * jnp.exp(w)
    w = w**2
    return x + w


@program(X, W)
def unknown_takes_name_of_known(x, w):
    w = x + w
    x = w * 2
    return x


@program(X, W)
def known_takes_name_of_unknown(x, w):
    y = x * 3
    x = jnp.cos(w)
    return y + x


@program(X)
def names_of_the_compiler(x):
    ildj = jnp.exp(x)
    log_det = ildj * 2
    y = log_det + 1
    return y


@program(X, W)
def parameter_called_y(x, y):
    return x * jnp.exp(y) + y


@program(X, W, W, argnums=0)
def parameters_called_jnp_and_jax(x, np, jax):
    return x + np * jax


@program(X)
def shadowed_builtins(x):
    sum = x[:2] * 2
    len = x[2:] + sum
    return jnp.concatenate([sum, len])


@program(X)
def parts_overwritten_in_turn(x):
    a, b = jnp.split(x, 2)
    a = a + jnp.sin(b)
    b = b * jnp.exp(a)
    a = a - b**2
    return jnp.concatenate([a, b])


@program(X, W)
def unused_temporaries(x, w):
    unused = jnp.sum(x) + w.mean()
    also_unused = unused**2
    del also_unused
    return x - w


@program(X)
def intermediate_used_only_forward(x):
    a, b = x[:2], x[2:]
    norm = jnp.sqrt(jnp.sum(a**2) + 1)
    return jnp.concatenate([a, b * norm])


@program(X, W)
def underscore(x, w):
    _ = w * 2
    _, tail = x[:2], x[2:]
    head, _ = x[:2], x[2:]
    return jnp.concatenate([tail, head])
