"""Reading a part of a program as a linear function of one vector: `x + u * (w @ x)`, `d * x + a @ (b @ x)`.

Where shapes are known they decide whether `w @ x` is one number or a vector. Where they are not, the use of the value does: what is
multiplied by a value is taken to be a number for each vector. A specialised compile finds out.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Display, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.canonical import Call, declare
from invcompiler.rules.subscripts import labels_of
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient, Op
from invcompiler.schedule.linear_terms import (
    Chain,
    Extent,
    Inner,
    Linear,
    Product,
    RankOne,
    Side,
    Wide,
    as_column,
    dot,
    product,
    transposed,
    with_axis,
)

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_DEEPEST = 40  # equations between the unknown and the value


class NotLinear(Exception):
    """The value is not seen to be a linear function of the unknown."""


class Open(NotLinear):
    """Whether it is one depends on ranks that are not known."""


class Reading:
    """One reading of the values that are computed from `x`.

    `vectors`: what to take operands of unknown rank for; None: what their use says. `is_batched`: whether the vectors of x are along
    its last axis, or next to last one, and there are more axes; of an x of unknown rank it may be so.
    """

    def __init__(self, solver: Solver, x: Var, vectors: bool | None, is_batched: bool):
        self.solver = solver
        self.facts = solver.context.facts
        self.x = x
        self.shape = solver.context.concrete_shape(x)
        self.rank = self.facts.rank(x)
        self.is_batched = is_batched
        self.vectors = vectors
        self.side = None if is_batched else Side.COLUMNS
        self.assumed: dict[Tree, int] = {}
        self._read: dict[Var, Linear] = {x: Wide(1)}

    def of(self, tree: Tree, depth: int = 0) -> Linear | None:
        """Return the form of a value; None for what is known. Raises NotLinear."""
        unknown = [var for var in leaves(tree) if var is self.x or var not in self.solver.known]
        if not unknown:
            return None
        if not isinstance(tree, Var) or depth > _DEEPEST:
            raise NotLinear
        if tree not in self._read:
            self._read[tree] = self._made(tree, depth + 1)
        return self._read[tree]

    def of_value(self, value: Var) -> Linear | None:
        """Return the form of a value that is known, in terms of how it is computed."""
        return self._made(value, 0)

    def _made(self, var: Var, depth: int) -> Linear:
        equation = self.solver.graph.defining.get(var)
        call = self.solver.call(equation) if isinstance(equation, Apply) else None
        handler = None if call is None else _HANDLERS.get(id(call.fn))
        if call is None or handler is None:
            raise NotLinear
        operands = {name: self.of(tree, depth) for name, tree in call.arguments.items()}
        form = handler(self, call, operands, var)
        self._check_shape(form, var)
        return form

    def _check_shape(self, form: Linear, var: Var) -> None:
        """Every value must have the shape that its form says: nothing is broadcast on the way."""
        found = self.solver.context.concrete_shape(var)
        if self.shape is None or found is None:
            return
        match form:
            case Wide():
                wanted = found == self.shape
            case Inner(kept=kept):
                wanted = found == self.shape[:-1] + ((1,) if kept else ())
            case Chain() if self.side is Side.COLUMNS and self.is_batched:
                wanted = found[:-2] + found[-1:] == self.shape[:-2] + self.shape[-1:]
            case Chain():
                wanted = found[:-1] == self.shape[:-1] and len(found) == len(self.shape)
        if not wanted:
            raise NotLinear

    # ---- questions --------------------------------------------------------------------------

    @property
    def mismatch(self) -> NotLinear:
        """What to raise where ranks do not fit."""
        return NotLinear() if self.facts.is_concrete else Open()

    def of_any_rank(self) -> None:
        """Refuse a form that is written for any axes before the last, if x is taken for a single vector."""
        if self.rank is None and not self.is_batched:
            raise Open

    def rank_of(self, tree: Coefficient) -> int | None:
        """Return the rank of a known value, None if that is not known."""
        if affine.number(tree) is not None:
            return 0
        if isinstance(tree, Op):
            ranks = [self.rank_of(arg) for arg in tree.args if not _is_index(arg)]
            return None if None in ranks else max((r for r in ranks if r is not None), default=0)
        return self.facts.rank(tree)

    def is_scalar(self, tree: Coefficient) -> bool:
        return self.rank_of(tree) == 0

    def is_vector(self, tree: Tree, out: Var) -> bool:
        """Whether an operand of a product is one vector; its use decides where its rank is not known."""
        rank = self.facts.rank(tree)
        if rank is None:
            as_vector = self._is_weighed(out) if self.vectors is None else self.vectors
            rank = self.assumed[tree] = 1 if as_vector else 2
        if rank not in (1, 2):
            raise self.mismatch
        return rank == 1

    def _is_weighed(self, var: Var) -> bool:
        """Whether a value is multiplied by something that is no number, or gets an axis."""
        for equation in self.solver.graph.users.get(var, ()):
            call = self.solver.call(equation) if isinstance(equation, Apply) else None
            if call is None:
                continue
            if call.fn in (operator.getitem, jnp.expand_dims, jnp.outer):
                return True
            if call.fn in (jnp.multiply, jnp.divide):
                others = [tree for tree in call.arguments.values() if tree is not var]
                if any(affine.number(tree) is None for tree in others):
                    return True
            if call.fn in (jnp.multiply, jnp.divide, jnp.negative) or self._is_shifted(call, var):
                assert isinstance(equation, Apply)
                if self._is_weighed(equation.out):
                    return True
        return False

    def _is_shifted(self, call: Call, var: Var) -> bool:
        """Whether a number that the text states is added to a value."""
        others = [tree for tree in call.arguments.values() if tree is not var]
        added = call.fn in (jnp.add, jnp.subtract)
        return added and all(affine.number(tree) is not None for tree in others)

    def on(self, side: Side) -> None:
        """Note on which side of the vectors matrices stand."""
        if self.side is None:
            self.side = side
        if self.side is not side:
            raise self.mismatch

    def size(self, matrix: Tree, axis: int) -> int | None:
        found = self.facts.dim(matrix, axis)
        return found if isinstance(found, int) else None

    def size_along(self) -> int | None:
        """Return how many elements a vector has, if that is known."""
        if not self.shape:
            return None
        return self.shape[-2 if self.is_batched and self.side is Side.COLUMNS else -1]

    def extent(self) -> Coefficient:
        return self.shape[-1] if self.shape else Extent(_no_value, ())

    # ---- matrices ---------------------------------------------------------------------------

    def applied(self, form: Linear, matrix: Coefficient, size: int | None) -> Chain:
        """Apply a matrix, in the orientation of the side."""
        match form:
            case Wide(updates=(), diagonal=diagonal, offset=offset):
                chain = Chain(Product((self._scaled_inputs(matrix, diagonal),), (size,)))
            case Chain(product=before, offset=offset):
                factors, sizes = (*before.factors, matrix), (*before.sizes, size)
                chain = Chain(Product(factors, sizes))
            case _:
                raise self.mismatch
        return Chain(chain.product, self.image(matrix, offset))

    def image(self, matrix: Coefficient, vector: Coefficient) -> Coefficient:
        """Return the matrix, applied to a known vector."""
        if affine.number(vector) == 0:
            return 0
        if self.is_scalar(vector):
            raise self.mismatch
        columns = self.side is Side.COLUMNS
        return product(matrix, vector) if columns else product(vector, matrix)

    def _scaled_inputs(self, matrix: Coefficient, by: Coefficient) -> Coefficient:
        """Return the matrix whose argument is scaled before."""
        if affine.number(by) == 1 or self.is_scalar(by):
            return affine.multiply(by, matrix)
        if self.is_batched and (self.side is Side.COLUMNS or self.rank_of(by) != 1):
            raise self.mismatch
        return affine.multiply(matrix, by if self.side is Side.COLUMNS else as_column(by))

    def _scaled_outputs(self, matrix: Coefficient, by: Coefficient, combine: Callable) -> Any:
        if affine.number(by) == 1 or self.is_scalar(by):
            return combine(matrix, by)
        if self.is_batched and (self.side is Side.COLUMNS or self.rank_of(by) != 1):
            raise self.mismatch
        return combine(matrix, as_column(by) if self.side is Side.COLUMNS else by)

    def scaled(self, product_: Product, by: Coefficient, combine: Callable) -> Product:
        *factors, last = product_.factors
        return Product((*factors, self._scaled_outputs(last, by, combine)), product_.sizes)

    def widened(self, form: Linear) -> Wide:
        """Return the form of a value that is added to one of the shape of x."""
        match form:
            case Wide():
                return form
            case Inner(weights=weights, offset=offset, kept=kept) if kept or not self.is_batched:
                return Wide(0, (RankOne(1, weights),), offset)
            case Chain(product=found, offset=offset):
                return Wide(0, (found,), offset)
        raise self.mismatch

    def is_elementwise(self, by: Coefficient) -> None:
        """Check that a factor can be a diagonal along the axis of the vectors."""
        if self.is_batched and self.side is Side.COLUMNS and not self.is_scalar(by):
            raise self.mismatch


def _no_value() -> Any:
    raise NotLinear


def _is_index(arg: Any) -> bool:
    return isinstance(arg, Display | Const) and affine.number(arg) is None


# ---- what is linear ------------------------------------------------------------------------------

Operands = dict[str, "Linear | None"]
_HANDLERS: dict[int, Callable[[Reading, Call, Operands, Var], Linear]] = {}


def _handles(*fns: Any) -> Callable:
    def enter(handler: Callable) -> Callable:
        for fn in fns:
            declare(fn)
            _HANDLERS[id(fn)] = handler
        return handler

    return enter


def _two(call: Call, operands: Operands) -> tuple[tuple[Tree, Linear | None], ...]:
    names = list(call.arguments)[:2]
    return tuple((call.arguments[name], operands[name]) for name in names)


@_handles(jnp.add)
def _add(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    return _sum(reading, call, operands, affine.add, lambda c: c)


@_handles(jnp.subtract)
def _subtract(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    return _sum(reading, call, operands, affine.subtract, affine.negative)


def _sum(
    reading: Reading, call: Call, operands: Operands, combine: Callable, sign: Callable
) -> Linear:
    (tree, one), (other_tree, other) = _two(call, operands)
    if other is None:
        assert one is not None
        return _shifted(one, combine(_offset(one), other_tree))
    other = _mapped(reading, other, sign)
    if one is None:
        return _shifted(other, affine.add(tree, _offset(other)))
    offset = affine.add(_offset(one), _offset(other))
    match one, other:
        case Inner(), Inner() if one.kept == other.kept:
            return Inner(affine.add(one.weights, other.weights), offset, one.kept)
    first, second = reading.widened(one), reading.widened(other)
    diagonal = affine.add(first.diagonal, second.diagonal)
    return Wide(diagonal, (*first.updates, *second.updates), offset)


def _offset(form: Linear) -> Coefficient:
    return form.offset


def _shifted(form: Linear, offset: Coefficient) -> Linear:
    match form:
        case Wide(diagonal=diagonal, updates=updates):
            return Wide(diagonal, updates, offset)
        case Inner(weights=weights, kept=kept):
            return Inner(weights, offset, kept)
        case Chain(product=found):
            return Chain(found, offset)


def _mapped(reading: Reading, form: Linear, fn: Callable) -> Linear:
    """Return the form with `fn`, which is linear, applied to each coefficient."""
    match form:
        case Wide(diagonal=diagonal, updates=updates, offset=offset):
            changed = tuple(_mapped_update(update, fn) for update in updates)
            return Wide(fn(diagonal), changed, fn(offset))
        case Inner(weights=weights, offset=offset, kept=kept):
            return Inner(fn(weights), fn(offset), kept)
        case Chain(product=found, offset=offset):
            changed = _mapped_update(found, fn)
            assert isinstance(changed, Product)
            return Chain(changed, fn(offset))


def _mapped_update(update: Any, fn: Callable) -> Any:
    if isinstance(update, RankOne):
        return RankOne(fn(update.of), update.weights)
    *factors, last = update.factors
    return Product((*factors, fn(last)), update.sizes)


@_handles(jnp.negative)
def _negative(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    form = next(iter(operands.values()))
    assert form is not None
    return _mapped(reading, form, affine.negative)


@_handles(jnp.multiply)
def _multiply(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    (tree, one), (other_tree, other) = _two(call, operands)
    if one is not None and other is not None:
        raise NotLinear
    form, by = (one, other_tree) if one is not None else (other, tree)
    assert form is not None
    return _times(reading, form, by, out, lambda c, k: affine.multiply(k, c))


@_handles(jnp.divide)
def _divide(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    (_, form), (by, other) = _two(call, operands)
    if form is None or other is not None:
        raise NotLinear
    return _times(reading, form, by, out, affine.divide)


def _times(reading: Reading, form: Linear, by: Tree, out: Var, combine: Callable) -> Linear:
    match form:
        case Wide(diagonal=diagonal, updates=updates, offset=offset):
            reading.is_elementwise(by)
            changed = tuple(
                RankOne(combine(update.of, by), update.weights)
                if isinstance(update, RankOne)
                else reading.scaled(update, by, combine)
                for update in updates
            )
            return Wide(combine(diagonal, by), changed, combine(offset, by))
        case Chain(product=found, offset=offset):
            return Chain(reading.scaled(found, by, combine), combine(offset, by))
        case Inner():
            return _inner_times(reading, form, by, out, combine)


def _inner_times(reading: Reading, form: Inner, by: Tree, out: Var, combine: Callable) -> Linear:
    if reading.is_scalar(by) or not _becomes_wide(reading, form, out):
        per_vector = by if reading.is_scalar(by) or form.kept else with_axis(by)
        return Inner(combine(form.weights, per_vector), combine(form.offset, by), form.kept)
    if reading.is_batched and not form.kept:
        raise reading.mismatch
    return Wide(0, (RankOne(combine(1, by), form.weights),), combine(form.offset, by))


def _becomes_wide(reading: Reading, form: Inner, out: Var) -> bool:
    """Whether the product of a number for each vector and of what is no number has the shape of x."""
    found = reading.solver.context.concrete_shape(out)
    if reading.shape is None or found is None:
        return True
    return found != reading.shape[:-1] + ((1,) if form.kept else ())


# ---- sums of products --------------------------------------------------------------------------------


def _inner(reading: Reading, form: Linear, weights: Coefficient, kept: bool = False) -> Inner:
    if reading.is_batched:
        reading.on(Side.ROWS)
    match form:
        case Wide(updates=(), diagonal=diagonal, offset=offset):
            return Inner(affine.multiply(weights, diagonal), dot(weights, offset), kept)
        case Chain(product=Product(factors=factors), offset=offset):
            columns = reading.side is Side.COLUMNS
            for factor in reversed(factors):
                weights = product(weights, factor) if columns else product(factor, weights)
            if affine.number(offset) == 0:
                return Inner(weights, 0, kept)
    raise reading.mismatch


def _row_times(reading: Reading, form: Linear, known: Tree, out: Var) -> Linear:
    """The unknown on the left of a matrix or a vector."""
    if reading.is_vector(known, out):
        return _inner(reading, form, known)
    reading.of_any_rank()
    if reading.is_batched:
        reading.on(Side.ROWS)
        return reading.applied(form, known, reading.size(known, -1))
    columns = transposed(known, reading.solver.context.defining)
    return reading.applied(form, columns, reading.size(known, -1))


def _times_column(reading: Reading, form: Linear, known: Tree, out: Var) -> Linear:
    """The unknown on the right of a matrix or a vector."""
    if reading.is_vector(known, out):
        if reading.is_batched:
            raise reading.mismatch
        return _inner(reading, form, known)
    if reading.is_batched:
        reading.on(Side.COLUMNS)
    return reading.applied(form, known, reading.size(known, -2))


@_handles(jnp.matmul, jnp.dot)
def _matmul(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    (a, one), (b, other) = _two(call, operands)
    if one is not None and other is None:
        return _row_times(reading, one, b, out)
    if other is not None and one is None:
        return _times_column(reading, other, a, out)
    raise NotLinear


@_handles(jnp.tensordot)
def _tensordot(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    if call.arguments["axes"] != Const(1):
        raise NotLinear
    return _matmul(reading, call, operands, out)


@_handles(jnp.inner)
def _jnp_inner(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    (a, one), (b, other) = _two(call, operands)
    if one is not None and other is not None:
        raise NotLinear
    form, known = (one, b) if one is not None else (other, a)
    assert form is not None
    if reading.is_vector(known, out):
        return _inner(reading, form, known)
    if reading.is_batched and one is None:
        raise NotLinear
    turned = transposed(known, reading.solver.context.defining)
    if reading.is_batched:
        reading.on(Side.ROWS)
    matrix = turned if reading.is_batched else known
    return reading.applied(form, matrix, reading.size(known, 0))


@_handles(jnp.vdot, jnp.vecdot)
def _vector_product(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    (a, one), (b, other) = _two(call, operands)
    form, known = (one, b) if one is not None else (other, a)
    if form is None or (one is not None and other is not None):
        raise NotLinear
    if _may_be_complex(reading) and one is not None:  # conjugated
        raise NotLinear
    if call.fn is jnp.vdot and (reading.is_batched or not reading.is_vector(known, out)):
        raise NotLinear
    if call.fn is jnp.vecdot and call.arguments.get("axis", Const(-1)) != Const(-1):
        raise NotLinear
    if _may_be_complex(reading):
        return _inner(reading, form, Op(jnp.conj, (known,)))
    return _inner(reading, form, known)


def _may_be_complex(reading: Reading) -> bool:
    dtype = reading.facts.dtype(reading.x)
    return dtype is not None and dtype.kind == "c"


@_handles(jnp.linalg.solve)
def _solve(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    """A solve with a small matrix, on the way from few numbers to the vector: `p @ h.T @ solve(s, h @ x)`."""
    form, matrix = operands["b"], call.arguments["a"]
    if not isinstance(form, Chain) or operands["a"] is not None or reading.is_batched:
        raise NotLinear
    if reading.facts.rank(matrix) not in (None, 2):
        raise NotLinear
    reading.assumed.setdefault(matrix, 2)
    return reading.applied(form, Op(jnp.linalg.inv, (matrix,)), reading.size(matrix, 0))


@_handles(jnp.matvec)
def _matvec(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    form, matrix = operands["x2"], call.arguments["x1"]
    if form is None or operands["x1"] is not None or reading.facts.rank(matrix) not in (None, 2):
        raise NotLinear
    if not reading.is_batched:
        return reading.applied(form, matrix, reading.size(matrix, 0))
    reading.on(Side.ROWS)
    rows = transposed(matrix, reading.solver.context.defining)
    return reading.applied(form, rows, reading.size(matrix, 0))


@_handles(jnp.vecmat)
def _vecmat(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    form, matrix = operands["x1"], call.arguments["x2"]
    if form is None or operands["x2"] is not None or reading.facts.rank(matrix) not in (None, 2):
        raise NotLinear
    if _may_be_complex(reading):
        raise NotLinear
    reading.assumed[matrix] = 2
    if reading.is_batched:
        reading.on(Side.ROWS)
        return reading.applied(form, matrix, reading.size(matrix, 1))
    columns = transposed(matrix, reading.solver.context.defining)
    return reading.applied(form, columns, reading.size(matrix, 1))


@_handles(jnp.outer)
def _outer(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    """`outer(x @ w, u)`: a number for each row, times a vector."""
    (_, one), (b, other) = _two(call, operands)
    if other is not None or not isinstance(one, Inner) or one.kept:
        raise reading.mismatch
    if reading.rank not in (None, 2) or reading.facts.rank(b) not in (None, 1):
        raise NotLinear
    reading.of_any_rank()
    reading.assumed.setdefault(b, 1)
    offset = 0 if affine.number(one.offset) == 0 else Op(jnp.outer, (one.offset, b))
    return Wide(0, (RankOne(b, one.weights),), offset)


@_handles(jnp.sum, jnp.mean)
def _reduced(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    form = operands["a"]
    if form is None or not _is_last(reading, call.arguments["axis"]):
        raise reading.mismatch
    keep = call.arguments["keepdims"]
    if keep not in (Const(True), Const(False)) or call.arguments["dtype"] != Const(None):
        raise NotLinear
    assert isinstance(keep, Const)
    weights = 1 if call.fn is jnp.sum else affine.divide(1, reading.extent())
    if not isinstance(form, Wide):
        raise NotLinear
    if keep.value:
        reading.of_any_rank()
    return _inner(reading, form, weights, bool(keep.value))


def _is_last(reading: Reading, axis: Tree) -> bool:
    if isinstance(axis, Display) and len(axis.items) == 1:
        axis = axis.items[0]
    if axis == Const(None):
        return not reading.is_batched
    if not isinstance(axis, Const) or type(axis.value) is not int:
        return False
    return axis.value == -1 or (reading.rank is not None and axis.value == reading.rank - 1)


@_handles(jnp.expand_dims)
def _expanded(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    axis = call.arguments["axis"]
    adds_last = axis == Const(-1) or axis == Const(1 if reading.rank is None else reading.rank - 1)
    return _with_axis(reading, operands["a"], adds_last, out)


@_handles(operator.getitem)
def _item(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    """`t[..., None]`, or `t[:, None]` of one axis."""
    index = call.arguments["index"]
    parts = index.items if isinstance(index, Display) else (index,)
    *before, last = parts
    adds_last = last == Const(None) and all(p == Const(...) or _is_full(p) for p in before)
    axes = [part for part in before if part != Const(...)]
    if len(axes) == len(before) and reading.rank is not None and len(axes) != reading.rank - 1:
        adds_last = False
    return _with_axis(reading, operands["a"], adds_last, out)


def _is_full(part: Tree) -> bool:
    none = Const(None)
    return (
        getattr(part, "lower", 0) == getattr(part, "upper", 0) == getattr(part, "step", 0) == none
    )


@_handles(jnp.reshape)
def _reshaped(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    found = reading.solver.context.concrete_shape(out)
    known = found is not None and reading.shape is not None
    is_column = known and found == reading.shape[:-1] + (1,)  # type: ignore[index]
    return _with_axis(reading, operands["a"], is_column, out)


def _with_axis(reading: Reading, form: Linear | None, adds_last: bool, out: Var) -> Inner:
    if not isinstance(form, Inner):
        raise NotLinear
    if form.kept or not adds_last:
        raise reading.mismatch
    reading.of_any_rank()
    offset = 0 if affine.number(form.offset) == 0 else with_axis(form.offset)
    return Inner(form.weights, offset, kept=True)


# ---- einsum --------------------------------------------------------------------------------------------


@_handles(jnp.einsum)
def _einsum(reading: Reading, call: Call, operands: Operands, out: Var) -> Linear:
    subscripts = call.arguments["subscripts"]
    position = 0 if operands["a"] is not None else 1
    form = operands["ab"[position]]
    labels = labels_of(subscripts.value) if isinstance(subscripts, Const) else None
    if labels is None or form is None or operands["ba"[position]] is not None:
        raise NotLinear
    known, unknown, value = labels[1 - position], labels[position], labels[2]
    matrix = call.arguments["ba"[position]]
    if not unknown:
        raise NotLinear
    if isinstance(form, Inner):
        return _einsum_outer(form, (known, unknown, value), matrix)
    *batch, axis = unknown
    before = "".join(batch)
    if before:
        reading.of_any_rank()
    if reading.is_batched:
        reading.on(Side.ROWS)
    if known == axis and value == before:
        return _inner(reading, form, matrix)
    if known == unknown and value == before and "." not in known:
        return _inner(reading, form, matrix)
    made = value[len(before) :]
    if len(known) != 2 or value[: len(before)] != before or len(made) != 1 or made in unknown:
        raise NotLinear
    if set(known) != {axis, made}:
        raise NotLinear
    rows = known == axis + made
    if rows is not reading.is_batched:
        oriented = transposed(matrix, reading.solver.context.defining)
    else:
        oriented = matrix
    return reading.applied(form, oriented, reading.size(matrix, 1 if rows else 0))


def _einsum_outer(form: Inner, labels: tuple[str, str, str], vector: Tree) -> Linear:
    """`"b,i->bi"`: a number for each vector, times a vector."""
    known, unknown, value = labels
    zero = affine.number(form.offset) == 0
    if form.kept or len(known) != 1 or value != unknown + known or not zero:
        raise NotLinear
    return Wide(0, (RankOne(vector, form.weights),))


__all__ = ["NotLinear", "Open", "Reading"]
