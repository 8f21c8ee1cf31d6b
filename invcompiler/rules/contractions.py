"""Products that sum over axes in any order, as `jnp.einsum` spells them: a known matrix, or one for each index of shared axes.

The rules are for the second operand; a call with the unknown in the first is read as the one with both changed places. The operands are
brought into the order in which `jnp.linalg.solve` takes them, as far as they are not: what is in order already is not moved.
"""

# fmt: off

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.nodes import Const
from invcompiler.rules.conditions import every, nonzero, number_value, static_value
from invcompiler.rules.linear import singular
from invcompiler.rules.registry import Numbers, Refusal, elementwise, linear
from invcompiler.rules.statics import unscaling
from invcompiler.rules.subscripts import (
    count_made,
    count_shared,
    is_in_order,
    is_mirrored,
    labels_of,
    made_axis,
    matrix_axes,
    roles,
    summed_axis,
    unknown_axes,
    value_axes,
)

_hint = "sum over one axis of a square matrix, whose other axis takes its place"

# ---- conditions --------------------------------------------------------------------------------------

def _subscripts(call, facts):
    found = static_value(call.arguments["subscripts"], facts)
    two = call.arguments["b"] != Const(None)
    return found[0] if two and found is not None and isinstance(found[0], str) else None

def _applies_matrices(call, facts):
    subscripts = _subscripts(call, facts)
    labels = subscripts and labels_of(subscripts)
    if not labels:
        return Refusal("its subscripts are not those of a product of two operands", _hint)
    of = roles(subscripts)
    if of is None and set(labels[0]) - set(labels[1]) - set(labels[2]):
        return Refusal("it sums over an axis of the known operand alone", _hint)
    if of is None and labels[0] and set(labels[0]) & set(labels[2]) - set(labels[1]) and set(labels[1]) <= set(labels[2]):
        return Refusal("it spreads the operand over an axis", _hint)
    if of is None:
        return Refusal("it does not take an axis of the operand to one of the output", _hint)
    return _square(call, facts, of)

def _square(call, facts, of):
    shape = facts.shape(call.arguments["a"])
    value = number_value(call.arguments["a"], facts)
    if value is not None:
        shape = value.shape
    if "." in of.known or shape is None or len(shape) != len(of.known):
        return None
    sizes = dict(zip(of.known, shape))
    n, m = (_product(sizes[label] for label in part) for part in (of.summed, of.made))
    if isinstance(n, int) and isinstance(m, int) and n != m:
        return Refusal(f"it takes {n} elements to {m}: only a square matrix has an inverse", _hint)
    if value is None or not isinstance(n, int):
        return None
    stack = np.transpose(value, [of.known.index(c) for c in of.shared + of.made + of.summed])
    return singular(stack.reshape(-1, n, n))

def _product(sizes):
    sizes = list(sizes)
    return math.prod(sizes) if all(isinstance(size, int) for size in sizes) else None

def _is(holds):
    """The condition that the roles of the labels are such; `_applies_matrices` holds."""
    def condition(call, facts):
        of = roles(_subscripts(call, facts))
        return None if holds(of) else Refusal("its inverse is not one of this order of axes")
    return condition

def _one_each(of):
    return len(of.summed) == len(of.made) == 1

def _free_as_they_are(of):
    return of.free == "".join(c for c in of.unknown if c in of.free)

def _form(holds):
    return every(_applies_matrices, _is(holds))

# ---- one matrix -----------------------------------------------------------------------------------------

@linear(jnp.einsum, argument="b", core=1)
class einsum_vector:                                   # "ij,j->i"
    condition = _form(lambda of: _one_each(of) and not of.shared + of.free)
    def inverse(y, subscripts, a):
        return jnp.linalg.solve(jnp.transpose(a, matrix_axes(subscripts)), y)
    def log_det(subscripts, a):
        return jnp.linalg.slogdet(jnp.transpose(a, matrix_axes(subscripts)))[1]

@linear(jnp.einsum, argument="b", core=None)
class einsum_matrix:                                   # "ij,bj->bi": columns, or rows
    condition = _form(lambda of: _one_each(of) and not of.shared and len(of.free) == 1 and of.free != ".")
    def inverse(y, subscripts, a):
        m = jnp.transpose(a, matrix_axes(subscripts))
        columns = jnp.transpose(y, value_axes(subscripts))
        return jnp.transpose(jnp.linalg.solve(m, columns), unknown_axes(subscripts))
    def log_det(subscripts, a, b):
        m = jnp.transpose(a, matrix_axes(subscripts))
        return b.size // a.shape[0] * jnp.linalg.slogdet(m)[1]

@linear(jnp.einsum, argument="b", core=1)
class einsum_rows:                                     # "ij,bhj->bhi", "ij,...j->...i"
    condition = _form(lambda of: _one_each(of) and not of.shared and of.value[-1] == of.made
                      and of.unknown[-1] == of.summed and _free_as_they_are(of))
    def inverse(y, subscripts, a):
        m = jnp.transpose(a, matrix_axes(subscripts))
        return jnp.linalg.solve(m, y.reshape(-1, a.shape[0]).T).T.reshape(y.shape)
    def log_det(subscripts, a):
        return jnp.linalg.slogdet(jnp.transpose(a, matrix_axes(subscripts)))[1]

@linear(jnp.einsum, argument="b", core=None)
class einsum_axis:                                     # "oc,bchw->bohw"
    condition = _form(lambda of: _one_each(of) and not of.shared and _free_as_they_are(of))
    def inverse(y, subscripts, a):
        columns = jnp.moveaxis(y, made_axis(subscripts), 0)
        m = jnp.transpose(a, matrix_axes(subscripts))
        x = jnp.linalg.solve(m, columns.reshape(columns.shape[0], -1)).reshape(columns.shape)
        return jnp.moveaxis(x, 0, summed_axis(subscripts))
    def log_det(subscripts, a, b):
        m = jnp.transpose(a, matrix_axes(subscripts))
        return b.size // a.shape[0] * jnp.linalg.slogdet(m)[1]

# ---- a matrix for each index of shared axes -------------------------------------------------------------

def _stacked(of):
    return bool(of.shared) and _one_each(of) and is_in_order(f"{of.known},{of.unknown}->{of.value}")

@linear(jnp.einsum, argument="b", core=1)
class einsum_stack_of_vectors:                         # "bij,bj->bi"
    condition = _form(lambda of: _stacked(of) and not of.free)
    def inverse(y, subscripts, a):
        m = a.mT if is_mirrored(subscripts) else a
        return jnp.linalg.solve(m, y[..., None])[..., 0]
    def log_det(subscripts, a):
        return jnp.linalg.slogdet(a.mT if is_mirrored(subscripts) else a)[1]

@linear(jnp.einsum, argument="b", core=2)
class einsum_stack_of_columns:                         # "bij,bjk->bik"
    condition = _form(lambda of: _stacked(of) and len(of.free) == 1 and of.free != ".")
    def inverse(y, subscripts, a):
        return jnp.linalg.solve(a.mT if is_mirrored(subscripts) else a, y)
    def log_det(subscripts, a, b):
        return b.shape[-1] * jnp.linalg.slogdet(a.mT if is_mirrored(subscripts) else a)[1]

@linear(jnp.einsum, argument="b", core=None)
class einsum_vectors:                                  # "ibj,jb->ib"
    condition = _form(lambda of: _one_each(of) and "." not in of.known + of.unknown and not of.free)
    def inverse(y, subscripts, a):
        m = jnp.transpose(a, matrix_axes(subscripts))
        columns = jnp.transpose(y, value_axes(subscripts))
        x = jnp.linalg.solve(m, columns[..., None])[..., 0]
        return jnp.transpose(x, unknown_axes(subscripts))
    def log_det(subscripts, a):
        return jnp.sum(jnp.linalg.slogdet(jnp.transpose(a, matrix_axes(subscripts)))[1])

@linear(jnp.einsum, argument="b", core=None)
class einsum_matrices:                                 # "hij,bhj->bhi"
    condition = _form(lambda of: _one_each(of) and "." not in of.known + of.unknown and len(of.free) == 1)
    def inverse(y, subscripts, a):
        m = jnp.transpose(a, matrix_axes(subscripts))
        columns = jnp.transpose(y, value_axes(subscripts))
        return jnp.transpose(jnp.linalg.solve(m, columns), unknown_axes(subscripts))
    def log_det(subscripts, a, b):
        m = jnp.transpose(a, matrix_axes(subscripts))
        return b.size * m.shape[-1] // a.size * jnp.sum(jnp.linalg.slogdet(m)[1])

# ---- anything else: the axes of a role as one -----------------------------------------------------------

@linear(jnp.einsum, argument="b", core=None)
class einsum_tensor:                                   # "ijkl,kl->ij"
    condition = _form(lambda of: "." not in of.known + of.unknown and not of.shared + of.free)
    def inverse(y, subscripts, a):
        m = jnp.transpose(a, matrix_axes(subscripts))
        shape = m.shape[count_made(subscripts):]
        columns = jnp.transpose(y, value_axes(subscripts)).reshape(-1)
        x = jnp.linalg.solve(m.reshape(math.prod(shape), -1), columns).reshape(shape)
        return jnp.transpose(x, unknown_axes(subscripts))
    def log_det(subscripts, a):
        m = jnp.transpose(a, matrix_axes(subscripts))
        shape = m.shape[count_made(subscripts):]
        return jnp.linalg.slogdet(m.reshape(math.prod(shape), -1))[1]

@linear(jnp.einsum, argument="b", core=None)
class einsum_product:                                  # "ijkl,klb->ijb"
    condition = _form(lambda of: "." not in of.known + of.unknown and not of.shared)
    def inverse(y, subscripts, a):
        m = jnp.transpose(a, matrix_axes(subscripts))
        shape = m.shape[count_made(subscripts):]
        n = math.prod(shape)
        columns = jnp.transpose(y, value_axes(subscripts))
        x = jnp.linalg.solve(m.reshape(n, n), columns.reshape(n, -1))
        x = x.reshape(*shape, *columns.shape[count_made(subscripts):])
        return jnp.transpose(x, unknown_axes(subscripts))
    def log_det(subscripts, a, b):
        m = jnp.transpose(a, matrix_axes(subscripts))
        n = math.prod(m.shape[count_made(subscripts):])
        return b.size // n * jnp.linalg.slogdet(m.reshape(n, n))[1]

@linear(jnp.einsum, argument="b", core=None)
class einsum_products:                                 # "hijkl,hklb->hijb"
    condition = _form(lambda of: "." not in of.known + of.unknown)
    def inverse(y, subscripts, a):
        m = jnp.transpose(a, matrix_axes(subscripts))
        columns = jnp.transpose(y, value_axes(subscripts))
        lead = m.shape[:count_shared(subscripts)]
        shape = m.shape[count_shared(subscripts) + count_made(subscripts):]
        free = columns.shape[count_shared(subscripts) + count_made(subscripts):]
        n = math.prod(shape)
        x = jnp.linalg.solve(m.reshape(*lead, n, n), columns.reshape(*lead, n, -1))
        return jnp.transpose(x.reshape(*lead, *shape, *free), unknown_axes(subscripts))
    def log_det(subscripts, a, b):
        m = jnp.transpose(a, matrix_axes(subscripts))
        n = math.prod(m.shape[count_shared(subscripts) + count_made(subscripts):])
        each = jnp.linalg.slogdet(m.reshape(*m.shape[:count_shared(subscripts)], n, n))[1]
        return b.size * n // a.size * jnp.sum(each)

# ---- products without a sum -------------------------------------------------------------------------------

def _scales(call, facts):
    subscripts = _subscripts(call, facts)
    labels = subscripts and labels_of(subscripts)
    if labels and set(labels[1]) == set(labels[2]) and set(labels[0]) <= set(labels[1]):
        return None
    return Refusal("its inverse is not that of an elementwise product")

def _in_place(call, facts):
    known, unknown, value = labels_of(_subscripts(call, facts))
    if value == unknown and value.endswith(known) and "." not in known:
        return None
    return Refusal("its inverse is not that of operands which are broadcast in place")

@elementwise(jnp.einsum, argument="b", numbers=Numbers.INEXACT)
class einsum_factor:                                   # "bi,i->bi"
    condition = every(_scales, _in_place, nonzero("a", "a factor"))
    def inverse(y, a):              return y / a
    def slope(a):                   return a

@linear(jnp.einsum, argument="b", core=None)
class einsum_scaling:                                  # "i,bi->bi"
    condition = every(_scales, nonzero("a", "a factor"))
    def inverse(y, subscripts, a):  return jnp.einsum(unscaling(subscripts), 1 / a, y)
    def log_det(a, b):              return b.size // a.size * jnp.sum(jnp.log(jnp.abs(a)))
