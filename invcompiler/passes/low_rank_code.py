"""Code for a vector to which multiples of its projections are added: the few numbers first, then the vector.

def reflected(x, v):                          def reflected_inverse(y, v):
    return x - 2 * v * (v @ x) / (v @ v)          return y - v * (2 * (v @ y) / (v @ v))
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Apply, Const, Display, Slice, Tree, Var
from invcompiler.passes.log_det import Term
from invcompiler.passes.ops import attribute, call, getitem, tuple_of
from invcompiler.passes.shape_answers import answer
from invcompiler.passes.templates import template_function
from invcompiler.rules import low_rank
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient, Op
from invcompiler.schedule.linear_terms import (
    Dot,
    Extent,
    Product,
    RankOne,
    Side,
    as_column,
    as_row,
)
from invcompiler.schedule.plan import LowRank

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter

_FULL = Slice(Const(None), Const(None), Const(None))


def solve(emitter: Emitter, step: LowRank) -> None:
    """Bind the unknown; add the log-determinant."""
    writer = _Writer(emitter, step)
    y = affine.subtract(step.value, step.offset)
    if not step.narrow:
        x = writer.solved(writer.emit(y))
    elif step.determinant is not None:
        x = writer.rank_one(writer.emit(affine.divide(y, step.diagonal)))
    else:
        x = writer.narrow(writer.emit(affine.divide(y, step.diagonal)))
    emitter.bind(step.solved, x)
    writer.assume()
    if emitter.ildj:
        add_log_det(emitter, step)


def add_log_det(emitter: Emitter, step: LowRank) -> None:
    """Add log |det| of the diagonal and of what the updates make of it."""
    _Writer(emitter, step).add_log_det()


@dataclass(frozen=True)
class _Parts:
    """`number * scalar * vector`: a coefficient taken apart."""

    number: float
    scalar: Coefficient
    vector: Coefficient


@dataclass(frozen=True, eq=False)
class Joined(Op):
    """Matrices side by side."""

    axis: int


class _Writer:
    def __init__(self, emitter: Emitter, step: LowRank):
        self.emitter = emitter
        self.step = step
        self.assumed = dict(step.assumed)

    @property
    def builder(self) -> Builder:
        return self.emitter.builder

    def call(self, fn: Callable[..., Any], *args: Tree, **kwargs: Tree) -> Tree:
        return call(self.builder, fn, *args, **kwargs)

    def template(self, fn: Any, *args: Tree) -> Tree:
        function = template_function(fn)
        values = {param.var: tree for param, tree in zip(function.params, args, strict=True)}
        return self.builder.inline(function, values)

    def assume(self) -> None:
        """Note what operands of unknown rank are taken for."""
        facts = self.emitter.facts
        for rank, what in ((1, "vector"), (2, "matrix")):
            names = [
                f"`{tree.name}`"
                for tree, assumed in self.assumed.items()
                if assumed == rank and isinstance(tree, Var) and tree.name
                if facts.rank(tree) is None
            ]
            if rank == 1 and names:
                are = f"that is a {what}" if len(names) == 1 else f"that are {what}s"
                self.emitter.assumptions.append(f"Holds for {' and '.join(names)} {are}.")

    # ---- coefficients -----------------------------------------------------------------------

    def emit(self, coefficient: Coefficient) -> Tree:
        if isinstance(coefficient, Dot):
            return self.dot(*coefficient.args)
        if isinstance(coefficient, Extent):
            return self.extent()
        if isinstance(coefficient, Joined):
            parts = Display(list, tuple(map(self.emit, coefficient.args)))
            return self.call(jnp.concatenate, parts, axis=Const(coefficient.axis))
        if isinstance(coefficient, Op):
            return self.call(coefficient.fn, *(self.emit(arg) for arg in coefficient.args))
        if isinstance(coefficient, int | float):
            return Const(coefficient)
        return self.emitter.value(coefficient)

    def extent(self) -> Tree:
        return getitem(self.builder, answer(self.emitter, self.step.solved, "shape"), -1)

    def rank(self, coefficient: Coefficient) -> int:
        """Return the rank of a value; what is not known is a vector."""
        if affine.number(coefficient) is not None or isinstance(coefficient, Extent):
            return 0
        if isinstance(coefficient, Dot):
            return max(max(map(self.rank, coefficient.args)) - 1, 0)
        if isinstance(coefficient, Op):
            return self._rank_of_op(coefficient)
        if isinstance(coefficient, Display | Slice | Const):
            return 0
        found = self.emitter.facts.rank(coefficient)
        if found is None:
            return self.assumed.get(coefficient, 0 if self._is_total(coefficient) else self._most)
        return found

    @property
    def _most(self) -> int:
        """The rank of which the code holds for any smaller one, too."""
        return 2 if self.step.is_batched else 1

    def _is_told(self, coefficient: Coefficient) -> bool:
        """Whether the rank of a value is known, or assumed."""
        told = (self.emitter.facts.rank(tree) is not None for tree in affine.trees_of(coefficient))
        return all(told)

    def _is_total(self, tree: Tree) -> bool:
        """Whether a value of unknown rank is a product of two vectors, or a sum over all axes."""
        made = self.emitter.context.defining.get(tree) if isinstance(tree, Var) else None
        found = self.emitter.context.call(made) if isinstance(made, Apply) else None
        if found is None:
            return False
        first, *rest = found.arguments.values()
        if found.fn in (jnp.matmul, jnp.dot, jnp.inner, jnp.vdot, jnp.vecdot):
            return self.rank(first) == 1 and self.rank(rest[0]) == 1
        if found.fn in (jnp.sum, jnp.linalg.norm):
            return found.arguments["axis"] == Const(None)
        return found.fn is jnp.sqrt and self._is_total(first)

    def _rank_of_op(self, coefficient: Op) -> int:
        if coefficient.fn is operator.matmul:  # a vector times a matrix
            return min(map(self.rank, coefficient.args))
        rank = max(map(self.rank, coefficient.args))
        return rank + 1 if coefficient.fn is operator.getitem else rank

    def dot(self, one: Coefficient, other: Coefficient) -> Tree:
        """Return the code of an inner product along the last axis."""
        scalars = [self.rank(one) == 0, self.rank(other) == 0]
        if all(scalars):
            both = affine.multiply(one, other)
            return self.call(operator.mul, self.extent(), self.emit(both))
        if any(scalars):
            scalar, vector = (one, other) if scalars[0] else (other, one)
            total = self.call(jnp.sum, self.emit(vector), **self._last_axis(self.rank(vector)))
            return (
                total
                if affine.number(scalar) == 1
                else self.call(operator.mul, self.emit(scalar), total)
            )
        return self._product_of_vectors(
            self.emit(one), self.rank(one), self.emit(other), self.rank(other)
        )

    def _product_of_vectors(self, one: Tree, rank: int, other: Tree, other_rank: int) -> Tree:
        if rank == 1 and other_rank == 1:
            return self.call(operator.matmul, one, other)
        if rank == 1:
            return self.call(operator.matmul, other, one)
        if other_rank == 1:
            return self.call(operator.matmul, one, other)
        return self.call(jnp.sum, self.call(operator.mul, one, other), axis=Const(-1))

    def _last_axis(self, rank: int) -> dict[str, Tree]:
        return {} if rank == 1 else {"axis": Const(-1)}

    # ---- one update of rank one -------------------------------------------------------------

    def rank_one(self, y: Tree) -> Tree:
        """x = y - u (w y) / (1 + w u), with the numbers put together first."""
        [update] = self.step.updates
        assert isinstance(update, RankOne)
        u = self.parts(affine.divide(update.of, self.step.diagonal))
        w = self.parts(update.weights)
        number = u.number * w.number
        over = affine.number(self.step.determinant)
        t = self._projected(w.vector, y)
        if over is not None:
            number /= over
        size = abs(number)
        if size != 1:
            t = self.call(operator.mul, Const(_plain(size)), t)
        for scalar in (u.scalar, w.scalar):
            t = self._scaled(t, scalar)
        if over is None:
            t = self.call(operator.truediv, t, self.emit(self.step.determinant))
        self.emitter.wish(t, "t")
        if self.step.is_batched:
            t = getitem(self.builder, t, tuple_of([Const(...), Const(None)]))
        moved = (
            t if affine.number(u.vector) == 1 else self.call(operator.mul, self.emit(u.vector), t)
        )
        return self.call(operator.sub if number > 0 else operator.add, y, moved)

    def _projected(self, weights: Coefficient, y: Tree) -> Tree:
        rank = self.emitter.facts.rank(self.step.solved) or self._most
        if self.rank(weights) == 0:
            return self._scaled(self.call(jnp.sum, y, **self._last_axis(rank)), weights)
        return self._product_of_vectors(self.emit(weights), self.rank(weights), y, rank)

    def _scaled(self, t: Tree, scalar: Coefficient) -> Tree:
        """Multiply by a scalar, or divide by what it is over."""
        if affine.number(scalar) == 1:
            return t
        if isinstance(scalar, Op) and scalar.fn is operator.truediv:
            return self.call(
                operator.truediv, self._scaled(t, scalar.args[0]), self.emit(scalar.args[1])
            )
        return self.call(operator.mul, self.emit(scalar), t)

    def parts(self, coefficient: Coefficient) -> _Parts:
        number = affine.number(coefficient)
        if number is not None:
            return _Parts(number, 1, 1)
        if self.rank(coefficient) == 0:
            return _Parts(1, coefficient, 1)
        fn, args = self._taken_apart(coefficient)
        if fn is operator.neg:
            inner = self.parts(args[0])
            return _Parts(-inner.number, inner.scalar, inner.vector)
        if fn is operator.mul:
            one, other = map(self.parts, args)
            return _Parts(
                one.number * other.number,
                affine.multiply(one.scalar, other.scalar),
                affine.multiply(one.vector, other.vector),
            )
        if fn is operator.truediv:
            one, other = map(self.parts, args)
            if other.number:
                return _Parts(
                    one.number / other.number,
                    affine.divide(one.scalar, other.scalar),
                    affine.divide(one.vector, other.vector),
                )
        return _Parts(1, 1, coefficient)

    def _taken_apart(self, coefficient: Coefficient) -> tuple[Any, tuple]:
        """Return operator and operands of a product; of a value of the program if it is a multiple by a number."""
        if isinstance(coefficient, Op):
            return coefficient.fn, coefficient.args
        made = self.emitter.context.defining.get(coefficient)
        found = self.emitter.context.call(made) if isinstance(made, Apply) else None
        fn = {jnp.multiply: operator.mul, jnp.negative: operator.neg}.get(found and found.fn)
        if fn is None or found is None:
            return None, ()
        args = tuple(found.arguments.values())
        if fn is operator.neg or any(affine.number(arg) is not None for arg in args):
            return fn, args
        return None, ()

    # ---- several, or wider ones -------------------------------------------------------------

    def narrow(self, y: Tree) -> Tree:
        a, b = self.emit(self._scaled_a()), self.emit(self._b())
        small = self._small()
        if self.step.side is Side.COLUMNS:
            return self.template(low_rank.columns, y, a, b, small)
        rank = self.emitter.facts.rank(self.step.solved)
        if self._has_own_matrices():
            return self.template(low_rank.rows_with_own_matrix, y, a, b, small)
        rows = low_rank.rows if rank == 2 else low_rank.rows_of_stack
        return self.template(rows, y, a, b, small)

    def _small(self) -> Tree:
        columns = self.step.side is Side.COLUMNS
        pair = self.emit(self._scaled_a()), self.emit(self._b())
        inner = self.call(operator.matmul, *(pair[::-1] if columns else pair))
        small = self.template(low_rank.plus_identity, inner)
        self.emitter.wish(small, "small")
        return small

    def _has_own_matrices(self) -> bool:
        return self.step.is_batched and self.rank(self.step.diagonal) > 1

    def _scaled_a(self) -> Coefficient:
        a, diagonal = self._a(), self.step.diagonal
        if self.rank(diagonal) == 0:
            return affine.divide(a, diagonal)
        if self._has_own_matrices():
            index = Display(tuple, (Const(...), Const(None), _FULL))
            return affine.divide(a, Op(operator.getitem, (diagonal, index)))
        return affine.divide(a, as_column(diagonal) if self.step.side is Side.COLUMNS else diagonal)

    def _a(self) -> Coefficient:
        """Return what makes multiples of the few numbers."""
        columns = self.step.side is Side.COLUMNS
        parts = [
            (as_column(update.of) if columns else as_row(update.of))
            if isinstance(update, RankOne)
            else update.factors[1]
            for update in self.step.updates
        ]
        return _joined(parts, 1 if columns else 0)

    def _b(self) -> Coefficient:
        """Return what makes the few numbers."""
        columns = self.step.side is Side.COLUMNS
        parts = [
            (as_row(update.weights) if columns else as_column(update.weights))
            if isinstance(update, RankOne)
            else update.factors[0]
            for update in self.step.updates
        ]
        return _joined(parts, 0 if columns else 1)

    # ---- one matrix -------------------------------------------------------------------------

    def solved(self, y: Tree) -> Tree:
        m = self._matrix()
        if self.step.side is Side.COLUMNS:
            return self.template(low_rank.solved_columns, y, m)
        rank = self.emitter.facts.rank(self.step.solved)
        rows = low_rank.solved_rows if rank == 2 else low_rank.solved_rows_of_stack
        return self.template(rows, y, m)

    def _matrix(self) -> Tree:
        total: Coefficient = 0
        for update in self.step.updates:
            total = affine.add(total, self._matrix_of(update))
        diagonal = self.step.diagonal
        if affine.number(diagonal) == 0:
            return self.emit(total)
        if affine.number(diagonal) == 1:
            return self.template(low_rank.plus_identity, self.emit(total))
        if self.rank(diagonal) == 0:
            given = self.emit(total), self.emit(diagonal)
            return self.template(low_rank.plus_multiple_of_identity, *given)
        return self.call(operator.add, self.call(jnp.diag, self.emit(diagonal)), self.emit(total))

    def _matrix_of(self, update: RankOne | Product) -> Coefficient:
        columns = self.step.side is Side.COLUMNS
        if isinstance(update, RankOne):
            pair = (update.of, update.weights)
            return Op(jnp.outer, pair if columns else pair[::-1])
        if len(update.factors) == 1:
            return update.factors[0]
        return Op(operator.matmul, update.factors[::-1] if columns else update.factors)

    # ---- log-determinants -------------------------------------------------------------------

    def add_log_det(self) -> None:
        step, add = self.step, self.emitter.log_det.add_term
        if step.narrow:
            self._add_diagonal()
        if step.determinant is not None:
            number = affine.number(step.determinant)
            core = 1 if step.is_batched or self.emitter.facts.rank(step.solved) else None
            if number is not None:
                value = self._doubled(Const(math.log(abs(number))))
                add(Term(value, step.solved, core, rank=0))
                return
            size = self.call(jnp.abs, self.emit(step.determinant))
            value = self._doubled(self.call(jnp.log, size))
            rank = self.rank(step.determinant) if self._is_told(step.determinant) else None
            if not step.is_batched:
                rank = 0
            full = bool(rank) and self._has_its_own(step.determinant)
            add(Term(value, step.solved, core, full=full, rank=rank))
            return
        matrix = self._small() if step.narrow else self._matrix()
        matrix_of = self.emit(self._a()) if step.narrow else matrix
        value = self.template(low_rank.log_abs_det, matrix)
        value = self._doubled(value)
        own = step.narrow and self._has_own_matrices()
        if self.emitter.facts.rank(step.solved) is None and step.side is Side.COLUMNS:
            size = answer(self.emitter, step.solved, "size")
            length = getitem(self.builder, attribute(self.builder, matrix_of, "shape"), 0)
            count = self.call(operator.floordiv, size, length)
            add(Term(self.call(operator.mul, count, value), step.solved, None))
        elif step.is_batched and step.side is Side.COLUMNS:
            shape = answer(self.emitter, step.solved, "shape")
            value = self.call(operator.mul, getitem(self.builder, shape, -1), value)
            add(Term(value, step.solved, 2, rank=0))
        else:
            told = own and self._has_its_own(step.diagonal)
            add(Term(value, step.solved, 1, full=told, rank=None if own else 0))

    def _has_its_own(self, coefficient: Coefficient) -> bool:
        """Whether a coefficient has values of its own for each vector: it may be broadcast, unless a part of it is like the unknown."""
        trees, facts = affine.trees_of(coefficient), self.emitter.facts
        return any(facts.same_shape(tree, self.step.solved) is True for tree in trees)

    def _doubled(self, value: Tree) -> Tree:
        dtype = self.emitter.facts.dtype(self.step.solved)
        if dtype is None or dtype.kind != "c":
            return value
        return self.call(operator.mul, Const(2), value)

    def _add_diagonal(self) -> None:
        """Add log |d| for each element."""
        diagonal = self.step.diagonal
        number = affine.number(diagonal)
        if number is not None:
            value: Tree = Const(math.log(abs(number)))
        else:
            value = self.call(jnp.log, self.call(jnp.abs, self.emit(diagonal)))
        trees = affine.trees_of(diagonal)
        facts = self.emitter.facts
        ranks = [facts.rank(tree) for tree in trees]
        rank = None if None in ranks else max((r for r in ranks if r is not None), default=0)
        full = any(facts.same_shape(tree, self.step.solved) is True for tree in trees)
        self.emitter.log_det.add_term(
            Term(self._doubled(value), self.step.solved, full=full, rank=rank)
        )


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


def _joined(parts: list[Coefficient], axis: int) -> Coefficient:
    return parts[0] if len(parts) == 1 else Joined(jnp.concatenate, tuple(parts), axis)


__all__ = ["add_log_det", "solve"]
