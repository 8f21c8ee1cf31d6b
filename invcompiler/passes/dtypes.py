"""Which calls give complex numbers, or integers, judged from their operands.

Only as far as equations ask: that a value is *not* a real floating one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Const, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.canonical import Call

_REAL_OF_COMPLEX = {jnp.abs, jnp.real, jnp.imag, jnp.angle, jnp.linalg.norm}
_COMPLEX = {lax.complex, jnp.fft.fft, jnp.fft.ifft, jnp.fft.fft2, jnp.fft.fftn, jnp.fft.rfft}
_COUNTS = {jnp.argmax, jnp.argmin, jnp.argsort}
_CLOSED_ON_INTEGERS = {
    jnp.abs,
    jnp.add,
    jnp.concatenate,
    jnp.cumsum,
    jnp.expand_dims,
    jnp.flip,
    jnp.floor_divide,
    jnp.max,
    jnp.maximum,
    jnp.min,
    jnp.minimum,
    jnp.multiply,
    jnp.negative,
    jnp.power,
    jnp.prod,
    jnp.ravel,
    jnp.remainder,
    jnp.reshape,
    jnp.roll,
    jnp.sign,
    jnp.square,
    jnp.squeeze,
    jnp.subtract,
    jnp.sum,
    jnp.transpose,
    operator.getitem,
}


def dtype_of_call(call: Call, dtype: Callable[[Tree], Any | None]) -> Any | None:
    """Return the dtype of `call` if it is known to be complex or integer, else None.

    `dtype` says as much of its operands.
    """
    if call.fn in _COUNTS:
        return np.dtype(int)
    if call.fn in _COMPLEX or _has_complex_literal(call):
        return np.dtype(complex)
    if call.fn is jnp.astype or call.fn in _REAL_OF_COMPLEX - _CLOSED_ON_INTEGERS:
        return None
    operands = [dtype(var) for tree in call.arguments.values() for var in leaves(tree)]
    complex_ones = [d for d in operands if d is not None and jnp.issubdtype(d, jnp.complexfloating)]
    if complex_ones:
        return None if call.fn in _REAL_OF_COMPLEX else complex_ones[0]
    return _integer(call, operands)


def _has_complex_literal(call: Call) -> bool:
    trees = call.arguments.values()
    return any(isinstance(tree, Const) and type(tree.value) is complex for tree in trees)


def _integer(call: Call, operands: list[Any | None]) -> Any | None:
    """Integers stay integers if all that they are combined with are, literals too."""
    trees = call.arguments.values()
    literals = [tree.value for tree in trees if isinstance(tree, Const)]
    closed = call.fn in _CLOSED_ON_INTEGERS
    if not operands or not closed or any(type(value) in (float, complex) for value in literals):
        return None
    if any(d is None or not jnp.issubdtype(d, jnp.integer) for d in operands):
        return None
    return operands[0] if any(isinstance(tree, Var) for tree in trees) else None


__all__ = ["dtype_of_call"]
