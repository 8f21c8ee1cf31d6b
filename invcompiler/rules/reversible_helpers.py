"""Functions that reconstructing adjoints call by name: their text is copied into the module that is emitted."""

from __future__ import annotations

import functools
import warnings

import jax
import jax.numpy as jnp


def drift(found, kept):
    """Return the largest deviation of an element of `found` from `kept`, relative to the largest element of that."""
    deviation, scale = 0.0, 0.0
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


__all__ = ["checked", "drift", "warn_of_drift"]
