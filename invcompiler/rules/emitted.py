"""Functions that templates call by name: their text is copied into the module that is emitted."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
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


def shifted_back(y, axis, last):
    """Return `y` moved back by one along an axis: all elements but the first, then `last`."""
    tail = jnp.full_like(lax.slice_in_dim(y, 0, 1, axis=axis), last)
    return jnp.concatenate([lax.slice_in_dim(y, 1, None, axis=axis), tail], axis=axis)


def ndtri_exp(y):
    """Return the quantile of the standard normal distribution at the probability e^y."""
    is_upper = y > -math.log(2)  # 1 - e^y has all its digits then
    tail = jnp.where(is_upper, -jnp.expm1(y), jnp.exp(jnp.maximum(y, -80)))
    near = jnp.where(is_upper, -1, 1) * jax.scipy.special.ndtri(tail)
    far = jnp.minimum(y, -80)  # Phi(x) ~ phi(x) / -x there, and Newton's method does the rest
    x = -jnp.sqrt(-2 * far - math.log(2 * math.pi) - jnp.log(-2 * far))
    for _ in range(3):
        x = x + (jax.scipy.special.log_ndtr(x) - far) / (x + 1 / x)
    return jnp.where(y < -80, x, near)


def log_hazard(x):
    """Return the log of the density of the standard normal distribution over its distribution function."""
    far, low, high = jnp.minimum(x, -12), jnp.clip(x, -12, 0), jnp.maximum(x, 0)
    series: Any = 1.0  # Phi(x) = phi(x) / -x times it, DLMF 7.12.1
    for k in range(23, 0, -2):
        series = 1 - k * series / far**2
    left = math.log(2 / math.pi) / 2 - jnp.log(jax.scipy.special.erfcx(-low / math.sqrt(2)))
    right = -(high**2) / 2 - math.log(2 * math.pi) / 2 - jax.scipy.special.log_ndtr(high)
    return jnp.where(x < -12, jnp.log(-far / series), jnp.where(x < 0, left, right))


__all__ = ["inverse_index", "log_hazard", "modular_inverse", "ndtri_exp", "shifted", "shifted_back"]
