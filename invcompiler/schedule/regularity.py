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
from invcompiler.ir.nodes import Apply, Block, Function, Loop
from invcompiler.rules.canonical import canonical
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
    if not _is_known(function.body):
        return False
    for tried in _shapes(shape):
        try:
            found = run_now(functools.partial(_signs, function, _points(tried, domain)))
        except _REFUTATIONS:
            continue
        if found:
            return not any(found) or {-1.0, 1.0} <= set(found)
    return False


def _shapes(shape: tuple[int, ...] | None) -> tuple[tuple[int, ...], ...]:
    """Return shapes to try: of a large array those of smaller ones, which the function may take as well."""
    if shape is None:
        return _SHAPES
    if 0 in shape:
        return ()
    return (shape,) if math.prod(shape) <= _LARGEST else ((3,) * len(shape), (2,) * len(shape))


def _is_known(block: Block) -> bool:
    """Whether a block calls nothing but functions that rules speak of: no one else's code is run to try it."""
    for equation in block.equations:
        match equation:
            case Apply() if canonical(equation) is not None:
                continue
            case Loop(body=body) if _is_known(body):
                continue
            case _:
                return False
    return True


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
