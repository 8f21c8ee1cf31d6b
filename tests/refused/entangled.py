"""Unknowns on both sides of an operation that no rule collects."""

# The formatter would change the mark.
# fmt: off

import jax.numpy as jnp

import invcompiler as inv
from tests.refused.registry import refused

Inversion = inv.InversionError


@refused(Inversion, argnums=(0, 1))
def sum_of_unknowns(x, y):
    return x + y  #~ an unknown on both sides


@refused(Inversion, argnums=(0, 1))
def product_of_unknowns(x, y):
    return x * y  #~ an unknown on both sides


@refused(Inversion, argnums=(0, 1))
def matrix_product_of_unknowns(w, x):
    return w @ x  #~ an unknown on both sides


@refused(Inversion)
def gate(x, w):
    u = jnp.tanh(w * x)
    return x * u  #~ an unknown on both sides


@refused(Inversion)
def residual(x, w):
    return x + 0.5 * jnp.tanh(w @ x)  #~ an unknown on both sides


@refused(Inversion)
def lambert(x):
    return x * jnp.exp(x)  #~ an unknown on both sides


@refused(Inversion)
def sum_of_parts(pair):
    a, b = pair
    return a + b  #~ an unknown on both sides


@refused(Inversion)
def product_of_halves(x):
    a, b = x[:2], x[2:]
    return a * b  #~ an unknown on both sides


@refused(Inversion)
def both_halves_from_each_other(x):
    a, b = x[:2], x[2:]
    return jnp.concatenate([a + jnp.sin(b), b + jnp.sin(a)])  #~ an unknown on both sides


@refused(Inversion, argnums=(0, 1))
def power_of_unknowns(x, y):
    return jnp.exp(x) ** y  #~ an unknown on both sides


@refused(Inversion)
def maximum_of_unknowns(x):
    return jnp.maximum(x[:2], x[2:])  #~ many inputs of


@refused(Inversion)
def self_attention(x):
    weights = jnp.exp(x @ x.T)
    return weights @ x  #~ an unknown on both sides


@refused(Inversion)
def squares_of_parts(pair):
    a, b = pair
    return jnp.exp(a) + jnp.exp(b), jnp.exp(a) * jnp.exp(b)  #~ an unknown on both sides
