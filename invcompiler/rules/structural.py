"""Functions that move elements and change none: shapes, axes, orders, copies, casts that lose nothing.

In `inverse` the argument itself stands for its shape and dtype.
"""

# fmt: off

from __future__ import annotations

import operator

import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Const, Display, Ref, Slice
from invcompiler.rules.conditions import is_lossless, number_value, static_value
from invcompiler.rules.emitted import inverse_index
from invcompiler.rules.registry import Numbers, Refusal, elementwise, numbers_of, structural
from invcompiler.rules.statics import inverse_permutation, negated, swapped

# ---- shapes ------------------------------------------------------------------------------------------

def _in_row_order(call, facts):
    if static_value(call.arguments["order"], facts) == ("C",):
        return None
    return Refusal("its inverse is known for `order='C'` only")

@structural(jnp.reshape)
class reshape:
    condition = _in_row_order
    def inverse(y, a):                      return jnp.reshape(y, a.shape)

@structural(jnp.reshape)
class reshape_in_order:
    def inverse(y, a, order):               return jnp.reshape(y, a.shape, order=order)

@structural(jnp.ravel)
class ravel:
    condition = _in_row_order
    def inverse(y, a):                      return jnp.reshape(y, a.shape)

@structural(jnp.ravel)
class ravel_in_order:
    def inverse(y, a, order):               return jnp.reshape(y, a.shape, order=order)

@structural(jnp.expand_dims)
class expand_dims:
    def inverse(y, axis):                   return jnp.squeeze(y, axis=axis)

@structural(jnp.squeeze)
class squeeze:
    def inverse(y, a, axis):
        return jnp.reshape(y, a.shape) if axis is None else jnp.expand_dims(y, axis=axis)

@structural(jnp.atleast_1d, jnp.atleast_2d, jnp.atleast_3d)
class at_least:
    def inverse(y, x):                      return jnp.reshape(y, x.shape)

# ---- axes --------------------------------------------------------------------------------------------

@structural(jnp.transpose)
class transpose:
    def inverse(y, axes):
        return y.T if axes is None else jnp.transpose(y, inverse_permutation(axes))

@structural(jnp.matrix_transpose)
class matrix_transpose:
    def inverse(y):                         return y.mT

@structural(jnp.swapaxes)
class swapaxes:
    def inverse(y, axis1, axis2):           return jnp.swapaxes(y, axis1, axis2)

@structural(jnp.moveaxis)
class moveaxis:
    def inverse(y, source, destination):    return jnp.moveaxis(y, destination, source)

def _permutes_axes(call, facts):
    known = static_value(call.arguments["subscripts"], facts)
    if known is None or call.arguments["b"] != Const(None):
        return Refusal("its subscripts are not those of a transposition")
    before, arrow, after = str(known[0]).replace(" ", "").partition("->")
    if arrow and sorted(before) == sorted(after) and len(set(before)) == len(before):
        return None
    return Refusal("it sums over an axis, or takes a diagonal", "keep every axis, once")

@structural(jnp.einsum, argument="a")
class einsum_of_one:
    condition = _permutes_axes
    def inverse(y, subscripts):             return jnp.einsum(swapped(subscripts), y)

# ---- orders ------------------------------------------------------------------------------------------

@structural(jnp.flip)
class flip:
    def inverse(y, axis):
        return jnp.flip(y) if axis is None else jnp.flip(y, axis=axis)

@structural(jnp.roll)
class roll:
    def inverse(y, shift, axis):
        back = negated(shift)
        return jnp.roll(y, back) if axis is None else jnp.roll(y, back, axis=axis)

@structural(jnp.rot90)
class rot90:
    def inverse(y, k, axes):                return jnp.rot90(y, -k, axes=axes)

@structural(jnp.fft.fftshift)
class fftshift:
    def inverse(y, axes):
        return jnp.fft.ifftshift(y) if axes is None else jnp.fft.ifftshift(y, axes=axes)

@structural(jnp.fft.ifftshift)
class ifftshift:
    def inverse(y, axes):
        return jnp.fft.fftshift(y) if axes is None else jnp.fft.fftshift(y, axes=axes)

# ---- permutations by index ---------------------------------------------------------------------------

# A position that no index names gets the number of positions, which is past the end: there, `take` gives NaN. So
# an index that turns out to repeat itself cannot give a value that looks right.

def permutation_refusal(indices, size, facts):
    """Return why `indices` is no permutation of `size` positions, None if it is one as far as is known."""
    rank = facts.rank(indices)
    value = number_value(indices, facts)
    if value is not None:
        rank = value.ndim
    if rank not in (None, 1):
        return Refusal(f"an index with {rank} axes does not permute one axis")
    if value is None:
        return None
    if value.dtype.kind not in "iu":
        return Refusal("the index is not one of integers")
    if isinstance(size, int) and value.size != size:
        return Refusal(f"the index has {value.size} of {size} positions",
                       "recover the other positions from another part of the output")
    positions = np.sort(np.where(value < 0, value + value.size, value))
    if np.array_equal(positions, np.arange(value.size)):
        return None
    return Refusal("the index is not a permutation: a position is missing, and another is taken twice",
                   "index by a permutation")

def _size(array, axis, facts):
    """Return the length of an axis, if it is known."""
    shape = facts.shape(array)
    if shape is None or not -len(shape) <= axis < len(shape):
        return None
    return shape[axis]

def _takes_a_permutation(call, facts):
    arguments = call.arguments
    axis = static_value(arguments["axis"], facts)
    if arguments["mode"] != Const(None):
        return Refusal("its inverse is not known with `mode=`")
    if axis is None or not isinstance(axis[0], int):
        rank = facts.rank(arguments["a"])
        if axis != (None,) or rank not in (None, 1):
            return Refusal("it flattens its operand", "pass `axis=`")
        axis = (0,)
    return permutation_refusal(arguments["indices"], _size(arguments["a"], axis[0], facts), facts)

def _takes_along(axis_given):
    def condition(call, facts):
        if (call.arguments["axis"] != Const(None)) is not axis_given:
            return Refusal("its `axis` is another one")
        return _takes_a_permutation(call, facts)
    return condition

@structural(jnp.take, numbers=Numbers.INEXACT | Numbers.INTEGER)
class take_along_axis:
    condition = _takes_along(True)
    def inverse(y, indices, axis):          return jnp.take(y, inverse_index(indices), axis=axis)

@structural(jnp.take, numbers=Numbers.INEXACT | Numbers.INTEGER)
class take_of_vector:
    condition = _takes_along(False)
    def inverse(y, indices):                return jnp.take(y, inverse_index(indices), axis=0)

def _index_parts(tree):
    """Return what precedes the last part of an index, and that part."""
    if isinstance(tree, Display) and tree.kind is tuple and tree.items:
        return tree.items[:-1], tree.items[-1]
    return (), tree

def _is_whole(part):
    return part == Slice(Const(None), Const(None), Const(None))

def _indexes_a_permutation(axis_of):
    def condition(call, facts):
        before, index = _index_parts(call.arguments["index"])
        axis = axis_of(before)
        if axis is None or isinstance(index, Const | Slice | Display | Ref):
            return Refusal("it is no index by an array of positions of one axis")
        dtype = facts.dtype(index)
        if dtype is not None and numbers_of(dtype) is not Numbers.INTEGER:
            return Refusal("the index is not one of integers")
        return permutation_refusal(index, _size(call.arguments["a"], axis, facts), facts)
    return condition

def _leading(before):       return 0 if not before else None
def _trailing(before):      return -1 if before == (Const(Ellipsis),) else None
def _inner(before):         return len(before) if before and all(map(_is_whole, before)) else None

@structural(operator.getitem, argument="a", numbers=Numbers.INEXACT | Numbers.INTEGER)
class permuted_rows:                                   # x[p]
    condition = _indexes_a_permutation(_leading)
    def inverse(y, index):                  return jnp.take(y, inverse_index(index), axis=0)

@structural(operator.getitem, argument="a", numbers=Numbers.INEXACT | Numbers.INTEGER)
class permuted_columns:                                # x[..., p]
    condition = _indexes_a_permutation(_trailing)
    def inverse(y, index):                  return jnp.take(y, inverse_index(index[-1]), axis=-1)

@structural(operator.getitem, argument="a", numbers=Numbers.INEXACT | Numbers.INTEGER)
class permuted_axis:                                   # x[:, p]
    condition = _indexes_a_permutation(_inner)
    def inverse(y, index):
        return jnp.take(y, inverse_index(index[-1]), axis=len(index) - 1)

# ---- copies and casts --------------------------------------------------------------------------------

@structural(jnp.asarray)
class asarray:                                         # also copies, fences, shardings and names of values
    def inverse(y):                         return y

def _is_real(call, facts):
    kind = numbers_of(facts.dtype(call.arguments["x"]))
    if kind is None:
        return Refusal("it drops the imaginary part, if there is one", "pass a real `example=`")
    return Refusal("it drops the imaginary part") if kind is Numbers.COMPLEX else None

@structural(jnp.real)
class real:
    condition = _is_real
    def inverse(y):                         return y

_lossy_hint = "cast to a dtype that holds every value of the operand"

def _loses_nothing(call, facts):
    target = static_value(call.arguments["dtype"], facts)
    if target is None:
        return Refusal("its dtype is not known when the inverse is made")
    source, target = facts.dtype(call.arguments["x"]), jnp.dtype(target[0])
    if source is None:
        if numbers_of(target) in Numbers.INEXACT:
            return None
        return Refusal(f"a cast to {target} drops fractions", _lossy_hint)
    if is_lossless(source, target):
        return None
    return Refusal(f"a cast from {source} to {target} rounds", _lossy_hint)

def _makes_complex(call, facts):
    source = numbers_of(facts.dtype(call.arguments["x"]))
    target = static_value(call.arguments["dtype"], facts)
    if source in (None, Numbers.COMPLEX) or target is None:
        return Refusal("it is no cast from real to complex")
    if numbers_of(jnp.dtype(target[0])) is not Numbers.COMPLEX:
        return Refusal("it is no cast from real to complex")
    return _loses_nothing(call, facts)

@structural(jnp.astype)
class cast_to_complex:
    condition = _makes_complex
    def inverse(y, x):                      return jnp.real(y).astype(x.dtype)

@structural(jnp.astype)
class cast:
    condition = _loses_nothing
    def inverse(y, x):                      return y.astype(x.dtype)

def _keeps_width(call, facts):
    source, target = facts.dtype(call.arguments["operand"]), static_value(call.arguments["new_dtype"], facts)
    if source is None or target is None:
        return Refusal("its dtypes are not known when the inverse is made", "pass `example=`")
    if jnp.dtype(source).itemsize == jnp.dtype(target[0]).itemsize:
        return None
    return Refusal("it regroups the bytes of several elements")

@elementwise(lax.bitcast_convert_type, numbers=Numbers.ANY)
class bitcast:                                         # has no derivative, and so no log-det
    condition = _keeps_width
    def inverse(y, operand):                return lax.bitcast_convert_type(y, operand.dtype)
