"""Cotangents of functions that move, join, repeat or sum elements."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.nodes import Const, Display, Tree, Var
from invcompiler.rules.adjoint_registry import Spread, built_in, emitter, static

LINEAR = {"linear": True, "holomorphic": True}
MOVES = {**LINEAR, "moves": True}

# ---- shapes ---------------------------------------------------------------------------------------


@built_in(jnp.reshape, "a", condition=lambda a, shape, order: order == "C", **MOVES)
def _(y_bar, a):
    return y_bar.reshape(a.shape)


@built_in(jnp.ravel, "a", condition=lambda a, order: order == "C", **MOVES)
def _(y_bar, a):
    return y_bar.reshape(a.shape)


@built_in(jnp.squeeze, "a", **MOVES)
def _(y_bar, a):
    return y_bar.reshape(a.shape)


@built_in(jnp.expand_dims, "a", **MOVES)
def _(y_bar, a):
    return y_bar.reshape(a.shape)


@built_in(jnp.transpose, "a", **MOVES)
def _(y_bar, a, axes):
    if axes is None:
        return y_bar.T
    return jnp.transpose(y_bar, inverse_permutation(axes))


@static
def inverse_permutation(axes):
    return tuple(int(i) for i in np.argsort([axis % len(axes) for axis in axes]))


@built_in(jnp.matrix_transpose, "x", **MOVES)
def _(y_bar):
    return y_bar.mT


@built_in(jnp.swapaxes, "a", **MOVES)
def _(y_bar, axis1, axis2):
    return jnp.swapaxes(y_bar, axis1, axis2)


@built_in(jnp.moveaxis, "a", **MOVES)
def _(y_bar, source, destination):
    return jnp.moveaxis(y_bar, destination, source)


@built_in(jnp.flip, "m", **MOVES)
def _(y_bar, axis):
    if axis is None:
        return jnp.flip(y_bar)
    return jnp.flip(y_bar, axis)


@static
def negated(shift):
    return tuple(-n for n in shift) if isinstance(shift, tuple) else -shift


@built_in(jnp.roll, "a", condition=lambda a, shift, axis: isinstance(shift, int | tuple), **MOVES)
def _(y_bar, shift, axis):
    if axis is None:
        return jnp.roll(y_bar, negated(shift))
    return jnp.roll(y_bar, negated(shift), axis)


# ---- taking apart and putting together ----------------------------------------------------------------


def _parts(tree: Tree) -> tuple[Tree, ...]:
    assert isinstance(tree, Display)
    return tree.items


def _widths(arrays, axis, dtype):
    """Whether the arrays are displayed one by one, and of one dtype."""
    if not isinstance(arrays, list | tuple) or not isinstance(axis, int):
        return False
    return len({jnp.result_type(x) for x in arrays}) == 1 and jnp.ndim(arrays[0]) > 0


@emitter(jnp.concatenate, "arrays", condition=_widths, **LINEAR)
def _(emit: Any, arguments: Mapping[str, Tree], y: Var, y_bar: Tree) -> Tree:
    arrays, axis = arguments["arrays"], arguments["axis"]
    assert isinstance(axis, Const)
    sizes = [emit.ask(lambda x: jnp.shape(x)[axis.value], part) for part in _parts(arrays)]
    if None in sizes:
        sizes_now = [_size(emit, part, axis) for part in _parts(arrays)]
        return _split_by(emit, y_bar, sizes_now, axis, arrays)
    ends = tuple(Const(int(n)) for n in np.cumsum([size.value for size in sizes])[:-1])
    split = emit.call(jnp.split, y_bar, Display(list, ends), **_axis(axis))
    return _unpacked(emit, split, arrays)


def _axis(axis: Const) -> dict[str, Tree]:
    return {} if axis.value == 0 else {"axis": axis}


def _size(emit: Any, part: Tree, axis: Const) -> Tree:
    return emit.call(jnp.size, part, axis)


def _split_by(emit: Any, y_bar: Tree, sizes: list[Tree], axis: Const, arrays: Tree) -> Tree:
    ends = emit.call(np.cumsum, Display(list, tuple(sizes[:-1])))
    return _unpacked(emit, emit.call(jnp.split, y_bar, ends, **_axis(axis)), arrays)


def _unpacked(emit: Any, value: Tree, like: Tree) -> Tree:
    assert isinstance(like, Display)
    return Display(like.kind, emit.items(value, len(like.items)), like.keys, like.spelling)


def _stackable(arrays, axis, out, dtype):
    return isinstance(arrays, list | tuple) and len({jnp.result_type(x) for x in arrays}) == 1


@emitter(jnp.stack, "arrays", condition=_stackable, **LINEAR)
def _(emit: Any, arguments: Mapping[str, Tree], y: Var, y_bar: Tree) -> Tree:
    axis = arguments["axis"]
    if axis != Const(0):
        y_bar = emit.call(jnp.moveaxis, y_bar, axis, Const(0))
    if not isinstance(arguments["arrays"], Display):
        return emit.call(list, y_bar)
    return _unpacked(emit, y_bar, arguments["arrays"])


def _is_even(ary, indices_or_sections, axis):
    return isinstance(axis, int)


@emitter(jnp.split, "ary", condition=_is_even, **LINEAR)
def _(emit: Any, arguments: Mapping[str, Tree], y: Var, y_bar: Tree) -> Tree:
    axis = arguments["axis"]
    assert isinstance(axis, Const)
    return emit.call(jnp.concatenate, y_bar, **_axis(axis))


# ---- sums and repetitions -------------------------------------------------------------------------------


@static
def reduced_shape(shape, axis):
    """Return `shape` with ones along the reduced axes."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = {a % len(shape) for a in axes} if shape else set()
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


@static
def reduced_size(shape, axis):
    """Return how many elements of an array of `shape` are summed into one."""
    return math_prod(shape) // max(math_prod(reduced_shape(shape, axis)), 1)


def math_prod(sizes):
    return int(np.prod(sizes, dtype=np.int64))


def _plain(a, axis, dtype, keepdims):
    return dtype is None and isinstance(axis, int | tuple | None)


@emitter(jnp.sum, "a", condition=_plain, **MOVES)
def _(emit: Any, arguments: Mapping[str, Tree], y: Var, y_bar: Tree) -> Any:
    return _spread(emit, arguments, y_bar)


@emitter(jnp.mean, "a", condition=_plain, **MOVES)
def _(emit: Any, arguments: Mapping[str, Tree], y: Var, y_bar: Tree) -> Any:
    a, axis = arguments["a"], arguments["axis"]
    known = emit.ask(lambda x, i: reduced_size(jnp.shape(x), i), a, axis)
    count = Const(known.value) if known else emit.call(reduced_size, emit.call(jnp.shape, a), axis)
    return _spread(emit, arguments, emit.call(operator.truediv, y_bar, count))


def _spread(emit: Any, arguments: Mapping[str, Tree], y_bar: Tree) -> Any:
    """Return `y_bar` broadcast to the shape of the argument that was summed."""
    a, axis, keepdims = arguments["a"], arguments["axis"], arguments["keepdims"]
    known = emit.ask(lambda x, i, k: _reduction(jnp.shape(x), i, k), a, axis, keepdims)
    if known is None:
        shape = emit.call(reduced_shape, emit.call(jnp.shape, a), axis)
        rows = emit.call(jnp.reshape, y_bar, shape)
        return emit.call(jnp.broadcast_to, rows, emit.call(jnp.shape, a))
    shape, dropped = known.value
    if dropped and not emit.is_number(y_bar):
        y_bar = emit.call(jnp.expand_dims, y_bar, axis)
    return Spread(y_bar, shape)


def _reduction(shape: tuple, axis: Any, keepdims: bool) -> tuple[tuple, bool]:
    """Return `shape`, and whether what is left of it must get the reduced axes back before it broadcasts to it."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    reduced = sorted(a % len(shape) for a in axes) if shape else []
    return shape, not keepdims and reduced != list(range(len(reduced)))


def _has_shape(array, shape, **_):
    return isinstance(array, int | float | complex) or array.shape is not None


@built_in(jnp.broadcast_to, "array", condition=_has_shape, **LINEAR)
def _(y_bar, array):
    return summed_to(y_bar, array.shape)


def summed_to(y_bar, shape):
    leading = leading_axes(y_bar.shape, shape)
    kept = kept_axes(y_bar.shape, shape)
    total = y_bar if len(leading) == 0 else jnp.sum(y_bar, leading)
    return total if len(kept) == 0 else jnp.sum(total, kept, keepdims=True)


@static
def leading_axes(longer, shorter):
    return tuple(range(len(longer) - len(shorter)))


@static
def kept_axes(longer, shorter):
    extra = len(longer) - len(shorter)
    return tuple(i for i, n in enumerate(shorter) if n == 1 and longer[i + extra] != 1)


@built_in(jnp.cumsum, "a", condition=lambda a, axis, reverse: isinstance(axis, int), **LINEAR)
def _(y_bar, axis, reverse):
    if reverse:
        return jnp.cumsum(y_bar, axis)
    return jnp.flip(jnp.cumsum(jnp.flip(y_bar, axis), axis), axis)
