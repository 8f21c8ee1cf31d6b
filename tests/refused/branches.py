"""Branches that the output does not tell apart, and predicates that are unknown."""

# The formatter would change the mark.
# fmt: off

import jax.numpy as jnp
from jax import lax

import invcompiler as inv
from tests.refused.registry import refused

Inversion = inv.InversionError


@refused(Inversion)
def absolute_value_by_where(x):
    return jnp.where(x > 0, x, -x)  #~ its pieces overlap


@refused(Inversion)
def overlapping_pieces(x):
    return jnp.where(x > 0, x, x + 1)  #~ its pieces overlap


@refused(Inversion)
def flat_piece(x):
    return jnp.where(x > 0, x, 0.0)  #~


@refused(Inversion)
def relu_by_where(x):
    return jnp.where(x < 0, jnp.zeros_like(x), x)  #~ an unknown on both sides


@refused(Inversion)
def if_on_the_unknown(x):
    if x.sum() > 0:  #~ which branch was taken
        return x * 2
    return -x


@refused(Inversion)
def ternary_on_the_unknown(x):
    return x if x[0] > 0 else -x  #~ which branch was taken


@refused(Inversion)
def cond_on_the_unknown(x):
    return lax.cond(jnp.sum(x) > 0, lambda x: x, lambda x: -x, x)  #~ its pieces overlap


@refused(Inversion)
def switch_on_the_unknown(x):
    index = jnp.argmax(x)
    return lax.switch(index, [lambda x: x, lambda x: 2 * x], x)  #~ which branch was taken


@refused(Inversion)
def sorted_by_its_own_order(x):
    order = jnp.argsort(x)
    return x[order]  #~ the only use


@refused(Inversion)
def trip_count_from_the_unknown(x):
    n = jnp.max(x).astype(int)
    return lax.fori_loop(0, n, lambda i, x: x * 2, x)  #~ only what the loop carries


@refused(Inversion)
def overlapping_in_a_tail(x):
    return jnp.where(jnp.abs(x) < 1, x, x**3 - 0.5)  #~ its pieces overlap


@refused(Inversion)
def negative_part_too_large(x):
    return x + 2 * jnp.abs(x)  #~ its pieces overlap
