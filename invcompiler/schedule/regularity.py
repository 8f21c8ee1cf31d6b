"""Whether a function of one array is singular wherever it is tried: what the text alone decides is refused when it is compiled."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import Function
from invcompiler.rules.roots import is_regular, jacobian

_SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (2, 3), (3, 3))
_LARGEST = 64
_POINTS = 3
# what a function may raise for a shape that is not its own
_REFUTATIONS = (
    *(TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError),
    NotImplementedError,  # what JAX cannot differentiate
)


def is_singular(function: Function, shape: tuple[int, ...] | None) -> bool:
    """Whether the Jacobian of `function`, whose one parameter has `shape` (None: any), is singular at random points."""
    for tried in _SHAPES if shape is None else (shape,):
        if math.prod(tried) > _LARGEST or 0 in tried:
            continue
        try:
            with jax.ensure_compile_time_eval():
                regular = [_is_regular_at(function, _point(tried, seed)) for seed in range(_POINTS)]
        except _REFUTATIONS:
            continue
        if None not in regular:
            return not any(regular)
    return False


def _point(shape: tuple[int, ...], seed: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(0.2, 0.8, shape), jnp.float32)


def _is_regular_at(function: Function, x: jax.Array) -> bool | None:
    """Whether the Jacobian at x is regular; None if the value has another shape."""

    def f(x: jax.Array) -> jax.Array:
        return evaluate(function, (x,))

    if jax.eval_shape(f, x).shape != x.shape:
        return None
    matrix = jacobian(f, x, None)
    return bool(is_regular(matrix)) or not bool(jnp.isfinite(matrix).all())


__all__ = ["is_singular"]
