"""Code for an array to which a multiple of its own sums along some axes is added: the sums first, then the array.

def centred(x, c):                            def centred_inverse(y, c):
    return x + c * x.mean(0)                      return y - c / (1 + c) * jnp.mean(y, axis=0, keepdims=True)
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.nodes import Const, Tree
from invcompiler.passes.affine_code import emit
from invcompiler.passes.log_det import Term
from invcompiler.passes.ops import call, ints
from invcompiler.schedule import affine
from invcompiler.schedule.plan import Projected

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def solve(emitter: Emitter, step: Projected) -> None:
    """Bind the unknown; add the log-determinant."""
    y = affine.divide(affine.subtract(step.value, step.offset), step.diagonal)
    value = emit(emitter, y)
    over = affine.divide(step.of, step.diagonal)
    total = _total(emitter, step, _times(emitter, step.weights, value))
    if step.varies:
        total = call(emitter.builder, operator.truediv, total, _determinant(emitter, step))
    else:
        over = affine.divide(over, step.determinant)
    number = affine.number(over)
    if number is not None and number < 0:
        moved = _times(emitter, -number, total)
        x = call(emitter.builder, operator.add, value, moved)
    else:
        x = call(emitter.builder, operator.sub, value, _times(emitter, over, total))
    emitter.bind(step.solved, x)
    if emitter.ildj:
        add_log_det(emitter, step)


def _times(emitter: Emitter, by: affine.Coefficient, value: Tree) -> Tree:
    if affine.number(by) == 1:
        return value
    return call(emitter.builder, operator.mul, emit(emitter, by), value)


def _total(emitter: Emitter, step: Projected, value: Tree) -> Tree:
    """Return the sum or mean along the axes, which are kept."""
    fn = jnp.mean if step.is_mean else jnp.sum
    rank = emitter.facts.rank(step.solved)
    if rank == len(step.axes):
        return call(emitter.builder, fn, value)
    axis: Tree = Const(step.axes[0]) if len(step.axes) == 1 else ints(step.axes)
    return call(emitter.builder, fn, value, axis=axis, keepdims=Const(True))


def _determinant(emitter: Emitter, step: Projected) -> Tree:
    value = emit(emitter, step.determinant)
    if step.varies:
        shape, rank = step.shape, emitter.facts.rank(step.solved) or 0
        places = [axis - rank + len(shape) for axis in step.axes]
        if len(shape) < rank or any(place < 0 or shape[place] == 1 for place in places):
            whole = emitter.context.concrete_shape(step.solved)
            assert whole is not None
            value = call(emitter.builder, jnp.broadcast_to, value, ints(whole))
        value = _total(emitter, step, value)
        value = call(emitter.builder, operator.add, Const(1), value)
    return value


def add_log_det(emitter: Emitter, step: Projected) -> None:
    """Add log |d| for each element, and that of the determinant for each index of the other axes."""
    shape = emitter.context.concrete_shape(step.solved)
    assert shape is not None
    _add_diagonal(emitter, step)
    builder, batch = emitter.builder, emitter.log_det.batch_ndims
    others = [axis for axis in range(len(shape)) if axis not in step.axes]
    number = None if step.varies else affine.number(step.determinant)
    spread: tuple[int, ...] = ()
    if number is not None:
        value: Tree = Const(math.log(abs(number)))
    else:
        found = call(builder, jnp.abs, _determinant(emitter, step))
        value = call(builder, jnp.log, found)
        spread = _spread(step, shape)
    if batch and spread:
        kept = tuple(1 if axis in step.axes else size for axis, size in enumerate(shape))
        value = call(builder, jnp.broadcast_to, value, ints(kept))
        value = call(builder, jnp.sum, value, axis=ints(range(batch, len(shape))))
        times = 1
    else:
        times = math.prod(shape[axis] for axis in others if axis >= batch) // math.prod(spread)
        value = call(builder, jnp.sum, value) if spread else value
    if _is_complex(emitter, step):
        times *= 2
    if isinstance(value, Const):
        value = Const(times * value.value)
    elif times != 1:
        value = call(builder, operator.mul, Const(times), value)
    emitter.log_det.add_term(Term(value, step.solved, None))


def _spread(step: Projected, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the determinant; () for one number."""
    if not step.varies:
        return step.shape
    kept = [1 if axis in step.axes else size for axis, size in enumerate(shape)]
    ahead = (1,) * (len(shape) - len(step.shape))
    found = tuple(min(k, n) for k, n in zip(kept, ahead + step.shape, strict=True))
    if len(step.axes) == len(shape):
        return ()
    whole = len(step.shape) < len(shape) or any(step.shape[axis] == 1 for axis in step.axes)
    return tuple(kept) if whole else found


def _add_diagonal(emitter: Emitter, step: Projected) -> None:
    number = affine.number(step.diagonal)
    if number is not None:
        value: Tree = Const(math.log(abs(number)))
    else:
        size = call(emitter.builder, jnp.abs, emit(emitter, step.diagonal))
        value = call(emitter.builder, jnp.log, size)
    if _is_complex(emitter, step):
        value = call(emitter.builder, operator.mul, Const(2), value)
    shapes = [emitter.context.concrete_shape(tree) for tree in affine.trees_of(step.diagonal)]
    shape = np.broadcast_shapes(*(found for found in shapes if found is not None))
    full = shape == emitter.context.concrete_shape(step.solved)
    term = Term(value, step.solved, full=full, rank=len(shape), shape=shape)
    emitter.log_det.add_term(term)


def _is_complex(emitter: Emitter, step: Projected) -> bool:
    dtype = emitter.facts.dtype(step.solved)
    return dtype is not None and dtype.kind == "c"


__all__ = ["add_log_det", "solve"]
