"""Spellings of functions that rearrange an array: as functions, as methods, as attributes."""

# ruff: noqa: B008 -- the defaults of readings are constants

from __future__ import annotations

import operator

import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Const
from invcompiler.rules.canonical import (
    ATTRIBUTES,
    NONE,
    Call,
    axis_tree,
    declare,
    enter,
    is_given,
    method,
    name_arguments,
    same,
    spelled,
    starred,
    tuple_tree,
)


def _reshape(a, shape, order=Const("C"), *, copy=NONE, out_sharding=NONE):
    return {"a": a, "shape": tuple_tree(shape), "order": order}


same(_reshape, jnp.reshape)
name_arguments(jnp.reshape, "a", "shape", "order")


@spelled(jnp.reshape, lax.reshape)
def _reshape_lax(operand, new_sizes, dimensions=NONE, *, out_sharding=NONE):
    return None if is_given(dimensions) else _reshape(operand, new_sizes)


@spelled(jnp.reshape, np.reshape)
def _reshape_numpy(a, shape, order=Const("C")):
    return _reshape(a, shape, order)


@method(jnp.reshape, "reshape")
def _reshape_method(a, *shape, order=Const("C"), copy=NONE, out_sharding=NONE):
    return _reshape(a, starred(shape), order)


@spelled(jnp.reshape, lax.collapse)
def _collapse(operand, start_dimension, stop_dimension=NONE):
    whole = start_dimension == Const(0) and not is_given(stop_dimension)
    return _reshape(operand, Const(-1)) if whole else None


def _ravel(a, order=Const("C"), *, out_sharding=NONE):
    return {"a": a, "order": order}


same(_ravel, jnp.ravel, np.ravel)
name_arguments(jnp.ravel, "a", "order")
method(jnp.ravel, "ravel", "flatten")(_ravel)


def _transpose(a, axes=NONE):
    return {"a": a, "axes": axis_tree(axes)}


same(_transpose, jnp.transpose, np.transpose)


@spelled(jnp.transpose, jnp.permute_dims)
def _permute_dims(a, /, axes):
    return _transpose(a, axes)


@spelled(jnp.transpose, lax.transpose)
def _transpose_lax(operand, permutation):
    return _transpose(operand, permutation)


@method(jnp.transpose, "transpose")
def _transpose_method(a, *axes):
    return _transpose(a, NONE if not axes else axes[0] if len(axes) == 1 else starred(axes))


ATTRIBUTES["T"] = lambda x: Call(jnp.transpose, {"a": x, "axes": NONE})
ATTRIBUTES["mT"] = lambda x: Call(jnp.matrix_transpose, {"x": x})


def _matrix_transpose(x, /):
    return {"x": x}


same(_matrix_transpose, jnp.matrix_transpose, getattr(jnp.linalg, "matrix_transpose", None))


def _swapaxes(a, axis1, axis2):
    return {"a": a, "axis1": axis1, "axis2": axis2}


same(_swapaxes, jnp.swapaxes, np.swapaxes)
method(jnp.swapaxes, "swapaxes")(_swapaxes)


def _moveaxis(a, source, destination):
    return {"a": a, "source": axis_tree(source), "destination": axis_tree(destination)}


same(_moveaxis, jnp.moveaxis, np.moveaxis)


def _flip(m, axis=NONE):
    return {"m": m, "axis": axis_tree(axis)}


same(_flip, jnp.flip, np.flip)


@spelled(jnp.flip, lax.rev)
def _rev(operand, dimensions):
    return _flip(operand, dimensions)


@spelled(jnp.flip, jnp.fliplr)
def _fliplr(m):
    return _flip(m, Const(1))


@spelled(jnp.flip, jnp.flipud)
def _flipud(m):
    return _flip(m, Const(0))


def _roll(a, shift, axis=NONE):
    return {"a": a, "shift": axis_tree(shift), "axis": axis_tree(axis)}


same(_roll, jnp.roll, np.roll)
declare(jnp.rot90)


def _expand_dims(a, axis):
    return {"a": a, "axis": axis_tree(axis)}


same(_expand_dims, jnp.expand_dims, np.expand_dims)


@spelled(jnp.expand_dims, lax.expand_dims)
def _expand_dims_lax(array, dimensions):
    return _expand_dims(array, dimensions)


def _squeeze(a, axis=NONE):
    return {"a": a, "axis": axis_tree(axis)}


same(_squeeze, jnp.squeeze, np.squeeze)
method(jnp.squeeze, "squeeze")(_squeeze)


@spelled(jnp.squeeze, lax.squeeze)
def _squeeze_lax(array, dimensions):
    return _squeeze(array, dimensions)


def _at_least(*arys):
    return {"x": arys[0]} if len(arys) == 1 else None


def _enter_at_least() -> None:
    for fn in (jnp.atleast_1d, jnp.atleast_2d, jnp.atleast_3d):
        enter(fn, fn, _at_least)
        name_arguments(fn, "x")


_enter_at_least()


def _getitem(a, index, /):
    return {"a": a, "index": index}


same(_getitem, operator.getitem)
