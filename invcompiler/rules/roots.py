"""Iterative solvers that emitted code calls where there is no closed form: their text is copied.

Each solves `f(x, *known) == y` for x. What did not converge is NaN, never another value: the
result is put into f again at the end. Derivatives are those of the implicit function, by
`lax.custom_root`, at every order and in both modes.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax

# ---- element by element ---------------------------------------------------------------------------


def slope(f, x, known):
    """Return df/dx, where each element of f depends on the same element of x alone."""
    return jax.jvp(lambda x: f(x, *known), (x,), (jnp.ones_like(x),))[1]


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
        beyond = jnp.isnan(r)  # too far out for floats
        lo = jnp.where((r < 0) | (beyond & (x < start)), x, lo)
        hi = jnp.where((r > 0) | (beyond & (x > start)), x, hi)
        newton = x - r / dr
        is_fast = (lo < newton) & (newton < hi) & (jnp.abs(newton - x) < moved / 2)
        new = jnp.where(is_fast, newton, midpoint(lo, hi))
        new = jnp.where(moving & (r != 0), new, x)
        moved = jnp.abs(new - x)
        return count + 1, new, lo, hi, moved, moved > eps * jnp.abs(new)

    state = (0, x, lo, hi, jnp.full_like(x, math.inf), x == x)
    _, x, lo, hi, _, _ = lax.while_loop(unfinished, step, state)
    r, dr = values(x)
    is_small = jnp.abs(r) <= 4 * eps * (jnp.abs(y) + jnp.abs(x * dr))
    is_closed = hi - lo <= 4 * eps * jnp.abs(x)
    is_root = is_small | (is_closed & (residual(lo) <= 0) & (residual(hi) >= 0))
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


# ---- systems --------------------------------------------------------------------------------------


def jacobian(f, x, axes):
    """Return the Jacobian of f in the last `axes` axes of x (None: all), of shape (..., n, n)."""
    batch = x.shape[: x.ndim - (x.ndim if axes is None else axes)]
    shape = x.shape[len(batch) :]
    n = math.prod(shape)
    basis = jnp.eye(n, dtype=x.dtype).reshape(n, *(1 for _ in batch), *shape)

    def column(direction):
        return jax.jvp(f, (x,), (jnp.broadcast_to(direction, x.shape),))[1].reshape(*batch, n)

    return jax.vmap(column, out_axes=-1)(basis)


def log_abs_det(f, x, known, axes):
    """Return log |det df/dx| over the last `axes` axes of x (None: all)."""
    return jnp.linalg.slogdet(jacobian(lambda x: f(x, *known), x, axes))[1]


def newton_root(f, y, known, axes, probes=16):
    """Return x with f(x, *known) == y, solved in its last `axes` axes at once (None: all), or NaN.

    f is taken to be injective. The determinant of its Jacobian then has one sign: NaN where it has
    not, on the way from y to x and at some points around x. Newton's method with full steps, which
    ends if each element of f is affine in one more of x; where that does not converge, steps are
    halved as long as they do not bring f closer to y (Nocedal and Wright, Numerical Optimization,
    section 11.2).
    """

    def solve(residual, x):
        free = newton(residual, x, y, axes, probes, False, jnp.isnan(y))
        damped = newton(residual, x, y, axes, probes, True, jnp.isfinite(free))
        return jnp.where(jnp.isfinite(free), free, damped)

    def tangent_solve(tangent, b):
        return solved(jacobian(tangent, b, axes), b)

    return lax.custom_root(lambda x: f(x, *known) - y, y, solve, tangent_solve)


def solved(matrix, b):
    """Return x with matrix @ x == b, where b may have its elements in several axes."""
    column = b.reshape(*matrix.shape[:-1], 1)
    return jnp.linalg.solve(matrix, column).reshape(b.shape)


def newton(residual, x, y, axes, probes, is_damped, skip):
    """Return the root of `residual` that Newton's method finds from x, or NaN; not where `skip`."""
    eps = jnp.finfo(x.dtype).eps
    inner = tuple(range(x.ndim - (x.ndim if axes is None else axes), x.ndim))
    limit = 64 + math.prod(x.shape[axis] for axis in inner)

    def size(v):
        return jnp.max(jnp.abs(v), axis=inner, keepdims=True, initial=0)

    def orientation(x):
        return jnp.linalg.slogdet(jacobian(residual, x, axes))[0].reshape(active.shape)

    def unfinished(state):
        count, *_, active = state
        return jnp.any(active) & (count < limit)

    def step(state):
        count, x, part, one_sign, active = state
        r, matrix = residual(x), jacobian(residual, x, axes)
        move = solved(matrix, r)
        new = x - part * move
        is_better = size(residual(new)) < size(r)
        is_done = size(move) <= 2 * eps * size(x)
        one_sign &= (orientation(x) == sign) | ~active
        x = jnp.where(active & (is_better | (not is_damped)), new, x)
        part = jnp.where(is_better | (not is_damped), jnp.minimum(2 * part, 1), part / 2)
        return count + 1, x, part, one_sign, active & ~is_done & (part > 1 / 1024)

    active = ~jnp.any(skip, axis=inner, keepdims=True)
    sign = orientation(x)
    state = (0, x, jnp.ones_like(sign), active, active)
    _, x, _, one_sign, _ = lax.while_loop(unfinished, step, state)
    r, matrix = residual(x), jacobian(residual, x, axes)
    reach = (jnp.abs(matrix) @ jnp.abs(x).reshape(*matrix.shape[:-1], 1)).reshape(x.shape)
    is_small = size(r) <= 8 * eps * (size(y) + size(reach))
    is_proper = is_regular(matrix).reshape(sign.shape)
    if probes:  # f is not injective if it turns over anywhere
        scales = jnp.geomspace(0.1, 10, probes, dtype=x.dtype)
        away = jax.random.normal(jax.random.key(0), (probes, *x.shape), x.dtype)
        moved = jax.vmap(jnp.multiply)(scales, away * (1 + jnp.abs(x)))
        there = jax.vmap(lambda move: orientation(x + move))(moved)
        is_proper &= jnp.all((there == sign) | jnp.isnan(there), axis=0)
    return jnp.where(is_small & one_sign & is_proper, x, math.nan)


def is_regular(matrix):
    """Return whether matrices are invertible to float precision."""
    values = jnp.linalg.svd(matrix, compute_uv=False)
    least = 8 * matrix.shape[-1] * jnp.finfo(matrix.dtype).eps
    return values[..., -1] > least * values[..., 0]


# ---- residuals ------------------------------------------------------------------------------------


def residual_root(f, y, known, axes, sign=1, probes=16):
    """Return x with f(x, *known) == y, in its last `axes` axes at once (None: all), or NaN.

    `sign * f` is x + g(x), where g contracts in the Euclidean norm: Banach's iteration
    x <- y - g(x) (Behrmann et al. 2019, arXiv:1811.00995, algorithm 1). NaN if g is not seen to
    contract along the steps and at x. Newton's method solves for few numbers, and takes any g.
    """
    shape = y.shape[y.ndim - (y.ndim if axes is None else axes) :]
    if axes != 0 and math.prod(shape) <= 16:
        return newton_root(f, y, known, axes, probes)

    def solve(residual, x):
        return contraction_root(residual, x, axes)

    def tangent_solve(tangent, b):
        def root(matvec, b):
            return contraction_root(lambda t: matvec(t) - b, b, axes)

        return lax.custom_linear_solve(tangent, b, root, root)

    return lax.custom_root(lambda x: sign * (f(x, *known) - y), sign * y, solve, tangent_solve)


def contraction_root(residual, x, axes):
    """Return the root of `residual`, which is x plus a contraction, or NaN where it is none."""
    eps = jnp.finfo(x.dtype).eps
    inner = tuple(range(x.ndim - (x.ndim if axes is None else axes), x.ndim))
    scale = norm(x, inner) + norm(residual(x), inner)

    def unfinished(state):
        count, *_, active = state
        return jnp.any(active) & (count < 5000)

    def step(state):
        count, x, before, contracts, active = state
        r, tangent = jax.linearize(residual, x)
        left = norm(r, inner)
        contracts &= (norm(tangent(r) - r, inner) < left) | (left == 0) | ~active
        active &= contracts & (left > eps * scale) & (left < before)
        return count + 1, jnp.where(active, x - r, x), left, contracts, active

    every = scale == scale
    state = (0, x, jnp.full_like(scale, math.inf), every, every)
    _, x, _, contracts, _ = lax.while_loop(unfinished, step, state)
    is_root = contracts & (norm(residual(x), inner) <= 16 * eps * (scale + norm(x, inner)))
    return jnp.where(is_root & (stretch(residual, x, inner) < 0.999), x, math.nan)


def stretch(residual, x, axes):
    """Return the spectral norm of the Jacobian of `residual` less 1, by power iteration."""
    tangent = jax.linearize(residual, x)[1]
    cotangent = jax.linear_transpose(tangent, x)

    def step(_, v):
        v = tangent(v) - v
        v = cotangent(v)[0] - v
        return v / (norm(v, axes) + jnp.finfo(x.dtype).tiny)

    start = jax.random.normal(jax.random.key(0), x.shape[x.ndim - len(axes) :], x.dtype)
    v = lax.fori_loop(0, 20, step, jnp.broadcast_to(start, x.shape))
    return norm(tangent(v) - v, axes)


def norm(x, axes):
    """Return the Euclidean norm over `axes`, which are kept."""
    return jnp.sqrt(jnp.sum(x * x, axis=axes, keepdims=True))


__all__ = ["log_abs_det", "monotone_root", "newton_root", "residual_root", "slope"]
