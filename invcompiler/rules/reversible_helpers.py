"""Functions that reconstructing adjoints call by name: their text is copied into the module that is emitted."""

from __future__ import annotations

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np


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
    leaves, structure = jax.tree.flatten(bars)
    real = [jnp.issubdtype(jnp.result_type(bar), jnp.inexact) for bar in leaves]
    given = [jnp.asarray(bar) for bar, is_real in zip(leaves, real) if is_real]
    guarded = iter(unless_drifted(given, worst, tolerance))
    every = [next(guarded) if is_real else bar for bar, is_real in zip(leaves, real)]
    return jax.tree.unflatten(structure, every)


def unless_drifted(bars, worst, tolerance):
    """Return a list of arrays as it is, or NaNs in their place and a warning if `worst` exceeds `tolerance`.

    A loop of at most one step holds them where they are. XLA would make a `where` of one with the sum that it guards, which then
    waits for the end of the way back, and all that is summed with it.
    """

    def poison(state):
        bars, is_right, worst = state
        nan = warned(worst, tolerance)
        return [bar * jnp.asarray(nan, bar.dtype) for bar in bars], is_right | True, worst

    def guarded(bars, worst):
        start = (bars, worst <= tolerance, worst)
        return jax.lax.while_loop(lambda state: ~state[1], poison, start)[0]

    def guarded_jvp(primals, tangents):
        is_right = primals[1] <= tolerance
        return guarded(*primals), [jnp.where(is_right, dot, jnp.nan) for dot in tangents[0]]

    linear = jax.custom_jvp(guarded)
    linear.defjvp(guarded_jvp)
    return linear(bars, worst)


def warned(worst, tolerance):
    """Warn of drift when it is run, and return NaN.

    A program with effects is called by way of Python, which takes longer than a small gradient. A pure callback has none, but
    its value would be sent to all devices.
    """
    if jax.device_count() > 1:
        jax.debug.callback(warn_of_drift, worst, tolerance)
        return jnp.nan
    nan = jax.ShapeDtypeStruct((), jnp.float32)
    return jax.pure_callback(warn_of_drift, nan, worst, tolerance, vmap_method="sequential")


def warn_of_drift(worst, tolerance):
    """Warn that a reconstruction has drifted too far for its gradient to be of use. Return NaN."""
    if not worst <= tolerance:
        warnings.warn(
            f"what was reconstructed from the output has a relative drift of {float(worst):.1e}, more than "
            f"the tolerance of {float(tolerance):.1e}: the gradient is NaN; keep more states (store_every), "
            "make additive updates exact (exact=True), or compute in a wider dtype",
            RuntimeWarning,
            stacklevel=2,
        )
    return np.float32(np.nan)


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
    "unless_drifted",
    "warn_of_drift",
    "warned",
]
