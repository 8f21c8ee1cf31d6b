"""Functions that reconstructing adjoints call by name: their text is copied into the module that is emitted."""

from __future__ import annotations

import functools
import warnings

import jax
import jax.numpy as jnp


def drift(found, kept):
    """Return the largest deviation of an element of `found` from `kept`, relative to the largest element of that."""
    deviation = scale = jnp.zeros(())
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(kept)):
        if jnp.issubdtype(jnp.result_type(y), jnp.inexact) and jnp.size(y):
            deviation = jnp.maximum(deviation, jnp.max(jnp.abs(x - y)))
            scale = jnp.maximum(scale, jnp.max(jnp.abs(y)))
    return deviation / jnp.where(scale == 0, 1.0, scale)


def checked(bars, tolerance, *drifts):
    """Return the cotangents `bars`, or NaN if a value that was reconstructed has drifted too far from what it was."""
    worst = functools.reduce(jnp.maximum, drifts)
    is_right = worst <= tolerance
    warn = lambda: jax.debug.callback(warn_of_drift, worst, tolerance)
    jax.lax.cond(is_right, lambda: None, warn)

    def guarded(bar):
        if not jnp.issubdtype(jnp.result_type(bar), jnp.inexact):
            return bar
        return jnp.where(is_right, bar, jnp.nan)

    return jax.tree.map(guarded, bars)


def warn_of_drift(worst, tolerance):
    """Warn that a reconstruction has drifted too far for its gradient to be of use."""
    if not worst <= tolerance:
        warnings.warn(
            f"what was reconstructed from the output has a relative drift of {float(worst):.1e}, more than "
            f"the tolerance of {float(tolerance):.1e}: the gradient is NaN; keep more states (store_every), "
            "make additive updates exact (exact=True), or compute in a wider dtype",
            RuntimeWarning,
            stacklevel=2,
        )


def every_kth(states, k):
    """Return a list with every k-th of `states`, and None in the place of the others."""
    return [state if i % k == 0 else None for i, state in enumerate(states)]


def latest(x, kept):
    """Return the state that was kept, or `x`, which was reconstructed, where none was."""
    return x if kept is None else kept


def room(x, n):
    """Return zeros for `n` states like `x`."""
    return jax.tree.map(lambda x: jnp.broadcast_to(jnp.zeros_like(x), (n, *jnp.shape(x))), x)


def stored(kept, x, row):
    """Return `kept` with the state `x` as a row. A row is written until a later state has one of its own."""
    return jax.tree.map(lambda kept, x: kept.at[row].set(x), kept, x)


def restored(x, kept, i, k):
    """Return the state at the start of step `i`: the one that was kept, or `x`, which was reconstructed."""
    return jax.tree.map(lambda x, kept: jnp.where((i + 1) % k == 0, kept[i // k], x), x, kept)


def on_grid(t):
    """Return `t` rounded to multiples of a power of two: sums of such are exact while they are below 256 (in float32)."""
    if not jnp.issubdtype(jnp.result_type(t), jnp.inexact):
        return t
    digits = jnp.finfo(jnp.result_type(t)).nmant + 1
    scale = 2.0 ** (digits - min(8, digits // 3))
    return jnp.round(t * scale) / scale


__all__ = [
    "checked",
    "drift",
    "every_kth",
    "latest",
    "on_grid",
    "restored",
    "room",
    "stored",
    "warn_of_drift",
]
