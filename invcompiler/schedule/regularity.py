"""Whether a function of one array is seen not to be injective where it is tried: what the text alone decides is refused early.

An injective function of connected arguments keeps orientation: its determinant has one sign, and is not zero everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Apply, Block, Function, Loop
from invcompiler.rules.canonical import canonical
from invcompiler.rules.roots import is_regular, jacobian

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
            with jax.ensure_compile_time_eval():
                found = [_sign_at(function, x) for x in _points(tried, domain)]
        except _REFUTATIONS:
            continue
        if found[0] is not None:
            return (0 in found and not any(found)) or {-1.0, 1.0} <= set(found)
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


def _points(shape: tuple[int, ...], domain: Interval) -> Iterator[jax.Array]:
    lo, hi = max(domain.lo, min(-2.0, domain.hi - 4)), min(domain.hi, max(2.0, domain.lo + 4))
    generator = np.random.default_rng(0)
    for _ in range(_POINTS):
        yield jnp.asarray(generator.uniform(lo, hi, shape), jnp.float32)


def _sign_at(function: Function, x: jax.Array) -> float | None:
    """Return the sign of the determinant at x, zero if it is singular; None if the value has another shape, or is none."""

    def f(x: jax.Array) -> jax.Array:
        return evaluate(function, (x,))

    if jax.eval_shape(f, x).shape != x.shape:
        return None
    matrix = jacobian(f, x, None)
    if not bool(jnp.isfinite(matrix).all()):
        return None
    return float(jnp.linalg.slogdet(matrix)[0]) * bool(is_regular(matrix))


__all__ = ["is_refuted"]
