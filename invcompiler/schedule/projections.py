"""An array to which a multiple of its own sums along some axes is added: `x + c * x.mean(0)`, `x + u[:, None] * (w @ x)`.

`y = d x + u t` with `t = sum(w x)` along the axes, everything elementwise. So `t (1 + sum(w u / d)) = sum(w y / d)`, and x follows: it is a
Sherman-Morrison formula for each index of the other axes. Which axes stand where follows from shapes: it is read when these are known.
(`schedule/low_rank.py` reads sums along the last axis, and products with matrices, before shapes are known.)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Apply, Const, Display, Slice, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.canonical import NONE, Call, declare
from invcompiler.rules.conditions import static_value
from invcompiler.rules.registry import Refusal
from invcompiler.rules.subscripts import labels_of
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient, Op
from invcompiler.schedule.contractions import as_einsum, of_dimensions
from invcompiler.schedule.low_rank import candidates, value_of, vanishes
from invcompiler.schedule.plan import Projected
from invcompiler.schedule.summed_products import added_axes

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_DEEPEST = 40  # equations between the unknown and the value
_ADDED = -1  # the label of an axis that is none of x's
_FULL = Slice(NONE, NONE, NONE)


class _Other(Exception):
    """A value is of no form that is known here."""


@dataclass(frozen=True, eq=False)
class Sum:
    """`of * sum(weights * x)` along `axes` of x, or the mean; all broadcast against x, as with `keepdims=True`."""

    of: Coefficient
    weights: Coefficient
    axes: tuple[int, ...]
    is_mean: bool


@dataclass(frozen=True, eq=False)
class _Whole:
    """`diagonal * x + sums + offset`, of the shape of x."""

    diagonal: Coefficient
    sums: tuple[Sum, ...] = ()
    offset: Coefficient = 0


@dataclass(frozen=True, eq=False)
class _Part:
    """`of * sum(weights * x) + offset`, where `labels` say of each axis of the value which one of x it is."""

    of: Coefficient
    total: Sum
    labels: tuple[int, ...]
    offset: Coefficient = 0


_Form = _Whole | _Part


def collect(solver: Solver) -> Projected | None:
    """Return the step that recovers an array from the first value that is such a sum."""
    if not solver.context.facts.is_concrete:
        return None
    for equation in solver.graph.equations:
        if not isinstance(equation, Apply) or not affine.is_stuck(solver, equation):
            continue
        call = solver.call(equation)
        if call is None or call.fn not in (jnp.add, jnp.subtract):
            continue
        step = _solved(solver, equation)
        if step is not None:
            return step
    return None


def _solved(solver: Solver, equation: Apply) -> Projected | None:
    for x in candidates(solver, equation.out):
        try:
            form = _Reading(solver, x).of_value(equation.out)
        except _Other:
            continue
        step = _step(solver, equation, x, form) if isinstance(form, _Whole) else None
        if step is None:
            continue
        refusal = _singular(solver, step)
        if refusal is None:
            return step
        solver.refusals[equation] = refusal
        return None
    return None


def _step(solver: Solver, equation: Apply, x: Var, form: _Whole) -> Projected | None:
    sums = list(form.sums)
    if not sums or affine.number(form.diagonal) == 0:
        return None
    first = sums[0]
    if not all(_go_together(first, other) for other in sums[1:]):
        return None
    for other in sums[1:]:
        first = replace(first, of=affine.add(first.of, other.of))
    over = affine.divide(first.of, form.diagonal)
    shape = solver.context.concrete_shape(x)
    assert shape is not None
    inner = affine.multiply(over, first.weights)
    spread = _shape_of(solver, inner)
    varies = any(_size(spread, axis, len(shape)) != 1 for axis in first.axes)
    count = 1 if first.is_mean or varies else math.prod(shape[axis] for axis in first.axes)
    determinant = affine.multiply(count, inner)
    if not varies:
        determinant = affine.add(1, determinant)
    return Projected(
        equation,
        equation.out,
        x,
        form.diagonal,
        first.of,
        first.weights,
        first.axes,
        first.is_mean,
        form.offset,
        determinant,
        varies,
        spread,
    )


def _go_together(one: Sum, other: Sum) -> bool:
    same = one.weights is other.weights or (
        affine.number(one.weights) is not None
        and affine.number(one.weights) == affine.number(other.weights)
    )
    return same and one.axes == other.axes and one.is_mean is other.is_mean


def _size(shape: tuple[int, ...], axis: int, rank: int) -> int:
    """Return the size of a coefficient along an axis of x, against which it is broadcast."""
    place = axis - rank + len(shape)
    return shape[place] if place >= 0 else 1


def _singular(solver: Solver, step: Projected) -> Refusal | None:
    value = value_of(solver, step.diagonal)
    if value is not None and not (np.isfinite(value) & (value != 0)).all():
        return Refusal("a factor is zero or not finite: the output does not determine the unknown")
    value = value_of(solver, step.determinant)
    if value is None:
        return None
    if step.varies:
        shape = solver.context.concrete_shape(step.solved)
        assert shape is not None
        places = tuple(axis - len(shape) for axis in step.axes)
        summed = np.broadcast_to(value, np.broadcast_shapes(value.shape, (1,) * len(shape)))
        value = 1 + (summed.mean(places) if step.is_mean else summed.sum(places))
    if vanishes(np.asarray(value)):
        return Refusal("the unknown cancels here: the output does not determine it")
    return None


# ---- shapes of coefficients ------------------------------------------------------------------------------


def _shape_of(solver: Solver, coefficient: Coefficient) -> tuple[int, ...]:
    """Return the shape of a coefficient. Raises _Other for one of unknown shape."""
    if affine.number(coefficient) is not None:
        return ()
    if isinstance(coefficient, Op) and coefficient.fn in (operator.getitem, jnp.transpose):
        inner = _shape_of(solver, coefficient.args[0])
        if coefficient.fn is jnp.transpose:
            return tuple(inner[axis.value] for axis in coefficient.args[1].items)
        return np.empty(inner)[_index_of(coefficient.args[1])].shape
    if isinstance(coefficient, Op):
        return np.broadcast_shapes(*(_shape_of(solver, arg) for arg in coefficient.args))
    found = solver.context.concrete_shape(coefficient)
    if found is None:
        raise _Other
    return found


def _index_of(index: Tree) -> tuple[Any, ...]:
    parts = index.items if isinstance(index, Display) else (index,)
    return tuple(slice(None) if part == _FULL else part.value for part in parts)  # type: ignore[union-attr]


# ---- reading ---------------------------------------------------------------------------------------------


class _Reading:
    """One reading of the values that are computed from `x`."""

    def __init__(self, solver: Solver, x: Var):
        self.solver = solver
        self.context = solver.context
        self.x = x
        shape = solver.context.concrete_shape(x)
        if shape is None:
            raise _Other
        self.shape = shape
        self._read: dict[Var, _Form] = {x: _Whole(1)}

    def of(self, tree: Tree, depth: int) -> _Form | None:
        """Return the form of a value; None for what is known."""
        if all(var in self.solver.known and var is not self.x for var in leaves(tree)):
            return None
        if not isinstance(tree, Var) or depth > _DEEPEST:
            raise _Other
        if tree not in self._read:
            self._read[tree] = self._made(tree, depth + 1)
        return self._read[tree]

    def of_value(self, value: Var) -> _Form:
        """Return the form of a value that is known, in terms of how it is computed."""
        return self._made(value, 0)

    def _made(self, var: Var, depth: int) -> _Form:
        equation = self.solver.graph.defining.get(var)
        call = self.solver.call(equation) if isinstance(equation, Apply) else None
        handler = None if call is None else _HANDLERS.get(call.fn)
        shape = self.context.concrete_shape(var)
        if call is None or handler is None or shape is None:
            raise _Other
        operands = {name: self.of(tree, depth) for name, tree in call.arguments.items()}
        form = handler(self, call, operands, shape)
        wanted = self.shape if isinstance(form, _Whole) else None
        if wanted is not None and shape != wanted:
            raise _Other
        return form

    # ---- parts --------------------------------------------------------------------------------

    def widened(self, form: _Form) -> _Whole:
        """Return the form of a value that is added to one of the shape of x: each of its axes must be the one that it meets."""
        if isinstance(form, _Whole):
            return form
        rank, axes = len(self.shape), form.total.axes
        if len(form.labels) > rank:
            raise _Other
        met = dict(enumerate(form.labels, start=rank - len(form.labels)))
        for axis in range(rank):
            label = met.get(axis, _ADDED)
            if label != (_ADDED if axis in axes else axis):
                raise _Other
        total = replace(form.total, of=form.of)
        return _Whole(0, (total,), form.offset)

    def summed(
        self, form: _Form | None, axes: tuple[int, ...], weights: Coefficient, is_mean: bool
    ) -> _Part:
        """Return the sum of `weights` times a value of the shape of x, without the axes."""
        if not isinstance(form, _Whole) or form.sums or affine.number(form.offset) != 0:
            raise _Other
        total = Sum(1, affine.multiply(weights, form.diagonal), axes, is_mean)
        labels = tuple(i for i in range(len(self.shape)) if i not in axes)
        return _Part(1, total, labels)

    def with_axes(self, form: _Form | None, index: Tree, labels: tuple[int, ...]) -> _Part:
        """Return a part with axes of size 1 more."""
        if not isinstance(form, _Part):
            raise _Other
        of, offset = (self._indexed(c, form, index) for c in (form.of, form.offset))
        return _Part(of, form.total, labels, offset)

    def _indexed(self, coefficient: Coefficient, form: _Part, index: Tree) -> Coefficient:
        shape = _shape_of(self.solver, coefficient)
        if not shape:
            return coefficient
        if len(shape) != len(form.labels):
            raise _Other
        return Op(operator.getitem, (coefficient, index))


# ---- what is linear ----------------------------------------------------------------------------------

_Operands = dict[str, "_Form | None"]
_Handler = Callable[[_Reading, Call, _Operands, tuple[int, ...]], _Form]
_HANDLERS: dict[Any, _Handler] = {}


def _handles(*fns: Any) -> Callable[[_Handler], _Handler]:
    def enter(handler: _Handler) -> _Handler:
        for fn in fns:
            declare(fn)
            _HANDLERS[fn] = handler
        return handler

    return enter


def _two(call: Call, operands: _Operands) -> list[tuple[Tree, _Form | None]]:
    return [(tree, operands[name]) for name, tree in list(call.arguments.items())[:2]]


def _mapped(form: _Form, fn: Callable[[Coefficient], Coefficient]) -> _Form:
    """Return the form with `fn`, which is linear, applied to each coefficient."""
    if isinstance(form, _Part):
        return replace(form, of=fn(form.of), offset=fn(form.offset))
    sums = tuple(replace(one, of=fn(one.of)) for one in form.sums)
    return _Whole(fn(form.diagonal), sums, fn(form.offset))


@_handles(jnp.add, jnp.subtract)
def _added(reading: _Reading, call: Call, operands: _Operands, shape: tuple[int, ...]) -> _Form:
    (tree, one), (other_tree, other) = _two(call, operands)
    combine = affine.add if call.fn is jnp.add else affine.subtract
    if other is not None and call.fn is jnp.subtract:
        other = _mapped(other, affine.negative)
    if one is None or other is None:
        form = one if one is not None else other
        assert form is not None
        if isinstance(form, _Part) and len(shape) != len(form.labels):
            raise _Other
        known = (
            combine(form.offset, other_tree) if one is not None else affine.add(tree, form.offset)
        )
        return replace(form, offset=known)
    first, second = reading.widened(one), reading.widened(other)
    diagonal = affine.add(first.diagonal, second.diagonal)
    return _Whole(diagonal, first.sums + second.sums, affine.add(first.offset, second.offset))


@_handles(jnp.negative)
def _negative(reading: _Reading, call: Call, operands: _Operands, shape: tuple[int, ...]) -> _Form:
    (form,) = operands.values()
    assert form is not None
    return _mapped(form, affine.negative)


@_handles(jnp.multiply, jnp.divide)
def _scaled(reading: _Reading, call: Call, operands: _Operands, shape: tuple[int, ...]) -> _Form:
    (tree, one), (other_tree, other) = _two(call, operands)
    if (one is None) is (other is None) or (call.fn is jnp.divide and one is None):
        raise _Other
    form, by = (one, other_tree) if one is not None else (other, tree)
    assert form is not None
    if call.fn is jnp.divide:
        made = _mapped(form, lambda c: affine.divide(c, by))
    else:
        made = _mapped(form, lambda c: affine.multiply(by, c))
    if not isinstance(made, _Part):
        return made
    more = (_ADDED,) * (len(shape) - len(made.labels))
    return replace(made, labels=more + made.labels)


@_handles(jnp.sum, jnp.mean)
def _reduced(reading: _Reading, call: Call, operands: _Operands, shape: tuple[int, ...]) -> _Form:
    given = static_value(call.arguments["axis"], reading.context.facts)
    rank = len(reading.shape)
    keeps = call.arguments["keepdims"]
    if given is None or call.arguments["dtype"] != NONE or not isinstance(keeps, Const):
        raise _Other
    axes = range(rank) if given[0] is None else given[0]
    axes = axes if isinstance(axes, tuple | list | range) else (axes,)
    numbers = tuple(sorted({axis % rank for axis in axes})) if rank else ()
    found = reading.summed(operands["a"], numbers, 1, call.fn is jnp.mean)
    if keeps.value is True:
        labels = tuple(_ADDED if i in numbers else i for i in range(rank))
        return replace(found, labels=labels)
    return found


@_handles(jnp.expand_dims)
def _expanded(reading: _Reading, call: Call, operands: _Operands, shape: tuple[int, ...]) -> _Form:
    axes = static_value(call.arguments["axis"], reading.context.facts)
    if axes is None:
        raise _Other
    numbers = axes[0] if isinstance(axes[0], tuple | list) else (axes[0],)
    return _with_added(reading, operands["a"], {n % len(shape) for n in numbers}, len(shape))


@_handles(operator.getitem)
def _indexed(reading: _Reading, call: Call, operands: _Operands, shape: tuple[int, ...]) -> _Form:
    added = added_axes(call.arguments["index"], len(shape))
    if added is None:
        raise _Other
    return _with_added(reading, operands["a"], added, len(shape))


def _with_added(reading: _Reading, form: _Form | None, added: set[int], rank: int) -> _Form:
    if not isinstance(form, _Part):
        raise _Other
    rest = iter(form.labels)
    labels = tuple(_ADDED if i in added else next(rest) for i in range(rank))
    index = Display(tuple, tuple(NONE if i in added else _FULL for i in range(rank)))
    return reading.with_axes(form, index, labels)


# ---- sums of products --------------------------------------------------------------------------------


@_handles(jnp.matmul)
def _matmul(reading: _Reading, call: Call, operands: _Operands, shape: tuple[int, ...]) -> _Form:
    """A vector times x, or x times a vector."""
    (a, one), (b, other) = _two(call, operands)
    rank = len(reading.shape)
    known = b if one is not None else a
    if (one is None) is (other is None) or reading.context.facts.rank(known) != 1:
        raise _Other
    if one is not None:
        text = of_dimensions(rank, 1, ((rank - 1,), (0,)), ((), ()))
    else:
        text = of_dimensions(1, rank, ((0,), (max(rank - 2, 0),)), ((), ()))
    arguments = {"subscripts": Const(text), "a": a, "b": b}
    return _product(reading, Call(jnp.einsum, arguments), {**operands, "subscripts": None}, shape)


@_handles(jnp.einsum, jnp.dot, jnp.inner, jnp.tensordot, jnp.vecdot, lax.dot_general)
def _product(reading: _Reading, call: Call, operands: _Operands, shape: tuple[int, ...]) -> _Form:
    """A sum over axes of x, with known weights that have no other axes; or a known vector for each number of a part."""
    unknown = [name for name, form in operands.items() if form is not None]
    if len(unknown) != 1:
        raise _Other
    form = operands[unknown[0]]
    einsum = as_einsum(call, unknown[0], reading.context.facts)
    labels = None if einsum is None else labels_of(einsum.arguments["subscripts"].value)  # type: ignore[union-attr]
    if einsum is None or labels is None or "." in labels[0] + labels[1]:
        raise _Other
    known, of, value = labels
    if isinstance(form, _Part):
        return _outer(form, einsum.arguments["a"], labels)
    if not set(known) <= set(of) or not set(value) <= set(of):
        raise _Other
    axes = tuple(i for i, label in enumerate(of) if label not in value)
    if not axes:
        raise _Other
    weights = _aligned(einsum.arguments["a"], known, of)
    found = reading.summed(form, axes, weights, False)
    return replace(found, labels=tuple(of.index(label) for label in value))


def _outer(form: _Part, known_tree: Tree, labels: tuple[str, str, str]) -> _Part:
    known, of, value = labels
    zero = affine.number(form.offset) == 0 and affine.number(form.of) is not None
    if set(value) != set(known + of) or set(known) & set(of) or not zero:
        raise _Other
    placed = tuple(form.labels[of.index(c)] if c in of else _ADDED for c in value)
    return _Part(affine.multiply(form.of, _aligned(known_tree, known, value)), form.total, placed)


def _aligned(tree: Tree, labels: str, wanted: str) -> Coefficient:
    """Return a known array with its axes where `wanted` has them, and axes of size 1 for the others."""
    order = sorted(labels, key=wanted.index)
    coefficient: Coefficient = tree
    if order != list(labels):
        axes = Display(tuple, tuple(Const(labels.index(c)) for c in order))
        coefficient = Op(jnp.transpose, (coefficient, axes))
    first = min(wanted.index(c) for c in labels)
    rest = wanted[first:]
    if len(rest) == len(labels):
        return coefficient
    return Op(
        operator.getitem,
        (coefficient, Display(tuple, tuple(_FULL if c in labels else NONE for c in rest))),
    )


@_handles(jnp.outer)
def _outer_product(
    reading: _Reading, call: Call, operands: _Operands, shape: tuple[int, ...]
) -> _Form:
    (a, one), (b, other) = _two(call, operands)
    form = one if one is not None else other
    known = b if one is not None else a
    if not isinstance(form, _Part) or len(form.labels) != 1:
        raise _Other
    if reading.context.facts.rank(known) != 1:
        raise _Other
    return _outer(form, known, ("b", "a", "ab") if one is not None else ("a", "b", "ab"))


__all__ = ["collect"]
