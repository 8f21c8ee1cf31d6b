"""Functions that derivatives call by name where shapes are not known: their text is copied into the module that is emitted."""

from __future__ import annotations

import jax.numpy as jnp


def unbroadcast(x_bar, x):
    """Return `x_bar` summed to the shape of `x`, which was broadcast, in the dtype of `x`."""
    x_bar = jnp.sum(x_bar, tuple(range(jnp.ndim(x_bar) - jnp.ndim(x))))
    ones = [i for i, n in enumerate(jnp.shape(x)) if n == 1 and x_bar.shape[i] != 1]
    x_bar = jnp.sum(x_bar, tuple(ones), keepdims=True)
    if not jnp.iscomplexobj(x):
        x_bar = jnp.real(x_bar)
    return x_bar.astype(jnp.result_type(x))


def items_like(container, items):
    """Return `items` as a container of the kind of `container`: a list, a tuple, a dict, or an array."""
    if len(items) != len(container):
        raise ValueError("a loop walked a part of a container only: cut it to its length before")
    if isinstance(container, dict):
        return dict(zip(container, items))
    if isinstance(container, (list, tuple)):
        return type(container)(items)
    return jnp.stack(items)


def same(x):
    """Return `x`: stands in functions forward for what matters to functions back only."""
    return x


def seen_by(fn, x_bar):
    """Return what `fn` makes of a cotangent, or the cotangent itself if `fn` returns nothing."""
    new = fn(x_bar)
    return x_bar if new is None else new


__all__ = ["items_like", "same", "seen_by", "unbroadcast"]
