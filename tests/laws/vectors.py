"""Pytrees of numbers as vectors of real numbers, on which Jacobians are matrices."""

import jax
import jax.numpy as jnp
import numpy as np


def to_vector(tree):
    """Return all elements of `tree` in one float64 vector; a complex element counts two."""
    parts = [_real_parts(jnp.asarray(leaf)).astype(jnp.float64) for leaf in jax.tree.leaves(tree)]
    return jnp.concatenate(parts) if parts else jnp.zeros(0)


def from_vector(vector, like):
    """Return the tree of the shapes and dtypes of `like` whose vector is `vector`."""
    leaves, structure = jax.tree.flatten(like)
    widths = [_width(leaf) for leaf in leaves]
    pieces = jnp.split(vector, np.cumsum(widths)[:-1]) if leaves else []
    restored = [_restored(piece, leaf) for piece, leaf in zip(pieces, leaves, strict=True)]
    return jax.tree.unflatten(structure, restored)


def is_differentiable(leaf):
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.inexact)


def _width(leaf):
    return jnp.size(leaf) * (2 if jnp.iscomplexobj(leaf) else 1)


def _real_parts(leaf):
    leaf = leaf.ravel()
    return jnp.concatenate([leaf.real, leaf.imag]) if jnp.iscomplexobj(leaf) else leaf


def _restored(piece, like):
    like = jnp.asarray(like)
    if jnp.iscomplexobj(like):
        real, imaginary = jnp.split(piece, 2)
        piece = real + 1j * imaginary
    return piece.reshape(like.shape).astype(like.dtype)
