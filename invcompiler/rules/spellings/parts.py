"""Spellings of functions that take arrays apart and put them together."""

# ruff: noqa: B008 -- the defaults of readings are constants

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Const, Display
from invcompiler.rules.canonical import (
    NONE,
    Call,
    axis_tree,
    declare_all,
    is_given,
    method,
    name_arguments,
    named,
    same,
    spelled,
)


def _concatenate(arrays, axis=Const(0), dtype=NONE):
    return {"arrays": arrays, "axis": axis, "dtype": dtype}


same(_concatenate, jnp.concatenate, np.concatenate)


@spelled(jnp.concatenate, *named(jnp, "concat"))
def _concat(arrays, /, *, axis=Const(0)):
    return _concatenate(arrays, axis)


@spelled(jnp.concatenate, lax.concatenate)
def _concatenate_lax(operands, dimension):
    return _concatenate(operands, dimension)


def _append(arr, values, axis=NONE):
    if is_given(axis):
        return Call(jnp.concatenate, _concatenate(Display(list, (arr, values)), axis))
    return {"arr": arr, "values": values}


same(_append, jnp.append)
name_arguments(jnp.append, "arr", "values")


def _stack(arrays, axis=Const(0), out=NONE, dtype=NONE):
    return {"arrays": arrays, "axis": axis, "out": out, "dtype": dtype}


same(_stack, jnp.stack, np.stack)


def _split(ary, indices_or_sections, axis=Const(0)):
    return {"ary": ary, "indices_or_sections": axis_tree(indices_or_sections), "axis": axis}


same(_split, jnp.split, np.split)
same(_split, jnp.array_split)


@spelled(jnp.split, lax.split)
def _split_lax(operand, sizes, axis=Const(0)):
    sizes = axis_tree(sizes)
    if not isinstance(sizes, Display) or not all(isinstance(s, Const) for s in sizes.items):
        return None
    ends = np.cumsum([s.value for s in sizes.items])[:-1]  # type: ignore[union-attr]
    return _split(operand, Display(tuple, tuple(Const(int(end)) for end in ends)), axis)


declare_all(jnp, "hstack vstack dstack column_stack hsplit vsplit dsplit unstack block pad tile")
declare_all(jnp, "zeros ones full empty insert delete broadcast_to repeat take_along_axis meshgrid")
declare_all(lax, "slice slice_in_dim index_in_dim dynamic_slice dynamic_slice_in_dim")
declare_all(lax, "dynamic_index_in_dim dynamic_update_slice dynamic_update_slice_in_dim")
declare_all(lax, "bitcast_convert_type pad broadcast_in_dim select_n clamp cumlogsumexp")


def _where(condition, x, y, /, *, size=NONE, fill_value=NONE):
    return {"condition": condition, "x": x, "y": y}


same(_where, jnp.where)
name_arguments(jnp.where, "condition", "x", "y")


@spelled(jnp.where, lax.select)
def _select(pred, on_true, on_false):
    return {"condition": pred, "x": on_true, "y": on_false}


def _take(a, indices, axis=NONE, out=NONE, mode=NONE, unique_indices=NONE, indices_are_sorted=NONE,
          fill_value=NONE):  # fmt: skip
    return {"a": a, "indices": indices, "axis": axis, "mode": mode}


same(_take, jnp.take)
name_arguments(jnp.take, "a", "indices", "axis", "mode")
method(jnp.take, "take")(_take)
