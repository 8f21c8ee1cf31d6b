import math

import jax
import jax.numpy as jnp
from jax import lax


def kepler_inverse_and_ildj(y, e):
    """Inverse of `kepler` (test_golden.py:31) with respect to E, and its log-det-Jacobian.

    `E` is found by iteration, to float precision; NaN where there is no solution, or it is not
    seen to be monotone.
    """
    abs_e = jnp.abs(e)
    where = jnp.where(1.0 + abs_e <= 0, -1, jnp.nan)
    E = monotone_root(kepler, y, (e,), sign=jnp.where(1.0 - abs_e >= 0, 1, where))
    ildj = -jnp.sum(jnp.log(jnp.abs(slope(kepler, E, (e,)))))
    return E, ildj


def monotone_root(f, y, known, lo=None, hi=None, sign=1):
    """Return x between lo and hi with f(x, *known) == y, for each element; NaN where there is none.

    `sign * f` increases in x. Newton steps within a bracket, which is halved where they leave it or
    are slow (Press et al., Numerical Recipes, section 9.4), until x is known to float precision.
    """
    lo, hi = -math.inf if lo is None else lo, math.inf if hi is None else hi
    start = min(max(0.0, lo + 1), hi - 1) if hi - lo > 2 else (lo + hi) / 2

    def residual(x):
        return sign * (f(x, *known) - y)

    def solve(residual, x):
        return bracketed_newton(residual, x, jnp.full_like(x, lo), jnp.full_like(x, hi), y)

    def tangent_solve(tangent, b):
        return b / tangent(jnp.ones_like(b))

    return lax.custom_root(residual, jnp.full_like(y, start), solve, tangent_solve)


def kepler(E, e):
    """What is solved for E."""
    return E - e * jnp.sin(E)


def slope(f, x, known):
    """Return df/dx, where each element of f depends on the same element of x alone."""
    return jax.jvp(lambda x: f(x, *known), (x,), (jnp.ones_like(x),))[1]


def bracketed_newton(residual, x, lo, hi, y):
    """Return the root of an increasing function between lo and hi, starting at x, or NaN."""
    eps, limit = jnp.finfo(x.dtype).eps, 4 * jnp.finfo(x.dtype).bits
    start = x

    def values(x):
        return jax.jvp(residual, (x,), (jnp.ones_like(x),))

    def unfinished(state):
        count, *_, moving = state
        return jnp.any(moving) & (count < limit)

    def step(state):
        count, x, lo, hi, moved, moving = state
        r, dr = values(x)
        beyond = jnp.isnan(r)
        lo = jnp.where((r < 0) | beyond & (x < start), x, lo)
        hi = jnp.where((r > 0) | beyond & (x > start), x, hi)
        newton = x - r / dr
        is_fast = (lo < newton) & (newton < hi) & (jnp.abs(newton - x) < moved / 2)
        new = jnp.where(is_fast, newton, midpoint(lo, hi))
        new = jnp.where(moving & (r != 0), new, x)
        moved = jnp.abs(new - x)
        return count + 1, new, lo, hi, moved, moved > eps * jnp.abs(new)

    state = 0, x, lo, hi, jnp.full_like(x, math.inf), x == x
    _, x, lo, hi, _, _ = lax.while_loop(unfinished, step, state)
    r, dr = values(x)
    is_small = jnp.abs(r) <= 4 * eps * (jnp.abs(y) + jnp.abs(x * dr))
    is_closed = hi - lo <= 4 * eps * jnp.abs(x)
    is_root = is_small | is_closed & (residual(lo) <= 0) & (residual(hi) >= 0)
    near = jnp.abs(x) / 64 + 1 / 1024
    is_flat = (dr == 0) & ~((residual(x - near) < 0) & (residual(x + near) > 0))
    return jnp.where(is_root & ~is_flat & jnp.isfinite(r) & jnp.isfinite(x), x, math.nan)


def midpoint(lo, hi):
    """Return a number between: zero for two signs, of the mean exponent if they are far apart."""
    tiny, most = jnp.finfo(lo.dtype).tiny, jnp.finfo(lo.dtype).max
    a, b = jnp.clip(jnp.abs(lo), tiny, most), jnp.clip(jnp.abs(hi), tiny, most)
    geometric = jnp.where(hi > 0, 1, -1) * jnp.sqrt(a) * jnp.sqrt(b)
    is_far = jnp.maximum(a, b) > 4 * jnp.minimum(a, b)
    return jnp.where((lo < 0) & (hi > 0), 0, jnp.where(is_far, geometric, lo + (hi - lo) / 2))
