"""Branches on what is static, and on predicates that are known when the inverse runs."""

import jax.numpy as jnp
from jax import lax

from tests.programs.registry import program
from tests.programs.samples import matrix, positive, real

X = real(3)
W = real(3, seed=1)
TRUE = jnp.asarray(True)
FALSE = jnp.asarray(False)
USE_EXP = True


@program(X, True)
def static_if(x, flip):
    if flip:
        x = x[::-1]
    return 2 * x


@program(X, False)
def static_else(x, flip):
    if flip:
        y = x[::-1]
    else:
        y = jnp.exp(x)
    return y


@program(X, 3)
def chain_of_conditions(x, n):
    if n == 1:
        return x + 1
    elif n == 2:
        return x * 2
    else:
        return jnp.sinh(x) * n


@program(X, None)
def early_return(x, shift):
    if shift is None:
        return jnp.exp(x)
    return x + shift


@program(X, W)
def early_return_not_taken(x, shift):
    if shift is None:
        return jnp.exp(x)
    return x + shift


@program(X, "exp")
def string_choice(x, kind):
    if kind == "exp":
        return jnp.exp(x)
    if kind == "tanh":
        return jnp.tanh(x)
    raise ValueError(kind)


@program(X, True)
def ternary(x, positive):
    return jnp.exp(x) if positive else -jnp.exp(x)


@program(X)
def global_flag(x):
    if USE_EXP:
        return jnp.exp(x)
    return x


@program(X)
def shape_decides(x):
    if x.ndim == 1:
        return x * 2
    return x.reshape(-1)


@program(X)
def length_decides(x):
    half = 1 if x.shape[0] % 2 else 2
    return jnp.concatenate([x[half:] * 3, x[:half]])


@program(X, TRUE)
def cond(x, predicate):
    return lax.cond(predicate, lambda x: jnp.exp(x), lambda x: 2 * x, x)


@program(X, FALSE)
def cond_not_taken(x, predicate):
    def up(x):
        return x + 1

    def down(x):
        return x * 3

    return lax.cond(predicate, up, down, x)


@program(X, W)
def cond_on_computed_predicate(x, w):
    return lax.cond(jnp.sum(w) > 0, lambda x, w: x * jnp.exp(w), lambda x, w: x - w, x, w)


@program(X, W)
def cond_with_closure(x, w):
    y = lax.cond(w[0] > 0, lambda: x + w, lambda: w - x)
    return jnp.arctan(y)


@program(X, jnp.asarray(1))
def switch(x, index):
    branches = [lambda x: x + 1, lambda x: jnp.sinh(x), lambda x: 3 * x]
    return lax.switch(index, branches, x)


@program(X, jnp.asarray(2))
def switch_of_layers(x, index):
    return lax.switch(index, (jnp.exp, jnp.tanh, jnp.negative), x)


@program(X, matrix(3), TRUE)
def cond_of_linear_maps(x, w, transposed):
    return lax.cond(transposed, lambda x: w.T @ x, lambda x: w @ x, x)


@program((X, W), TRUE)
def cond_of_pairs(pair, swap):
    return lax.cond(swap, lambda a, b: (b + a, a), lambda a, b: (a, b * 2), *pair)


@program(X, W)
def where_on_known(x, w):
    return jnp.where(w > 0, x * 2, x + w)


@program(X, W)
def select_on_known(x, w):
    return lax.select(w > 0, jnp.exp(x), -x)


@program(real(2, 3), jnp.array([True, False, True]))
def where_on_a_mask_of_rows(x, mask):
    return jnp.where(mask, 3 * x, -2 * x)


@program(positive(3), jnp.asarray(0.3), domain="positive")
def where_on_one_known_number(x, power):
    return jnp.where(power == 0, jnp.log(x), (x**power - 1) / power)


@program(X)
def leaky_by_where(x):
    return jnp.where(x > 0, x, 0.1 * x)


@program(X)
def leaky_by_where_other_way(x):
    return jnp.where(x < 0, 0.5 * x, 2 * x)


@program(X)
def elu_by_where(x):
    return jnp.where(x > 0, x, jnp.expm1(x))


@program(X, "fast", keywords={"scale": 2.0})
def keyword_choice(x, mode, *, scale=1.0, centred=False):
    if mode == "fast" and not centred:
        x = x * scale
    if centred:
        x = x - 1
    return jnp.sinh(x)


@program(X, (True, False, True))
def flags_in_a_tuple(x, flags):
    for flag in flags:
        x = jnp.exp(0.3 * x) if flag else x[::-1]
    return x


@program(X, 2)
def asserted(x, n):
    """Has a docstring, an assertion, and an f-string in it."""
    assert n > 0, f"n is {n}"
    return x * n
