"""Functions that templates call by name: their text is copied into the module that is emitted."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax


def modular_inverse(m):
    """Return the inverse of odd integers modulo 2^n, where n is the number of their bits."""
    r = m  # right to 3 bits, as m * m is 1 modulo 8; each Newton step doubles them
    r = r * (2 - m * r)
    r = r * (2 - m * r)
    r = r * (2 - m * r)
    r = r * (2 - m * r)
    return r * (2 - m * r)


def inverse_index(index):
    """Return the index that undoes a permutation: where each position went, past the end if nowhere."""
    nowhere = jnp.full(index.shape, index.size)
    return nowhere.at[index].set(jnp.arange(index.size))


def shifted(y, axis, first):
    """Return `y` moved by one along an axis: `first`, then all elements but the last."""
    head = jnp.full_like(lax.slice_in_dim(y, 0, 1, axis=axis), first)
    return jnp.concatenate([head, lax.slice_in_dim(y, 0, -1, axis=axis)], axis=axis)


__all__ = ["inverse_index", "modular_inverse", "shifted"]
