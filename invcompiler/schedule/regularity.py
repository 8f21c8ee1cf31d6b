"""Whether a function of one array is seen not to be injective where it is tried: what the text alone decides is refused early.

An injective function of connected arguments keeps orientation: its determinant has one sign, and is not zero everywhere.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Function
from invcompiler.rules.roots import is_regular, jacobian
from invcompiler.schedule.running import run_now

_SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (2, 3), (3, 3))
_LARGEST = 64
_POINTS = 8
# what a function may raise for a shape that is not its own
_REFUTATIONS: tuple[type[Exception], ...] = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,  # what JAX cannot differentiate
)


def is_refuted(function: Function, shape: tuple[int, ...] | None, domain: Interval) -> bool:
    """Whether `function`, whose one parameter has `shape` (None: any), is singular or changes orientation at random points."""
    for tried in _SHAPES if shape is None else (shape,):
        if math.prod(tried) > _LARGEST or 0 in tried:
            continue
        try:
            found = run_now(functools.partial(_signs, function, _points(tried, domain)))
        except _REFUTATIONS:
            continue
        if found:
            return not any(found) or {-1.0, 1.0} <= set(found)
    return False


def _points(shape: tuple[int, ...], domain: Interval) -> jax.Array:
    lo, hi = max(domain.lo, min(-2.0, domain.hi - 4)), min(domain.hi, max(2.0, domain.lo + 4))
    found = np.random.default_rng(0).uniform(lo, hi, (_POINTS, *shape))
    return jnp.asarray(found, jnp.float32)


def _signs(function: Function, points: jax.Array) -> list[float]:
    """Return the signs of the determinant at points, zero where it is singular; none if the value has another shape, or is none."""

    def f(x: jax.Array) -> jax.Array:
        return evaluate(function, (x,))

    def sign(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        matrix = jacobian(f, x, None)
        return jnp.linalg.slogdet(matrix)[0] * is_regular(matrix), jnp.isfinite(matrix).all()

    if jax.eval_shape(f, points[0]).shape != points[0].shape:
        return []
    signs, is_finite = jax.jit(jax.vmap(sign))(points)
    return np.asarray(signs)[np.asarray(is_finite)].tolist()


__all__ = ["is_refuted"]
