"""What a linear function of a vector is made of: coefficients that are elements, vectors and matrices, as trees of known values.

A matrix stands for what it does from the left in a program of columns (`u @ (w @ x)`), and from the right in one of
rows (`(x @ w) @ u`), where the vectors are along the last axis and everything before it is a batch.
"""

from __future__ import annotations

import enum
import operator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Display, Ref, Slice, Var
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient, Op

_FULL = Slice(Const(None), Const(None), Const(None))


class Side(enum.Enum):
    """On which side of the vectors matrices stand."""

    COLUMNS = "columns"
    ROWS = "rows"


@dataclass(frozen=True, eq=False)
class Dot(Op):
    """The sum of products along the last axis: `args` are two vectors, or stacks of them, either of which may be a number."""


@dataclass(frozen=True, eq=False)
class Extent(Op):
    """How many elements a vector of the unknown has."""


def dot(one: Coefficient, other: Coefficient) -> Coefficient:
    if 0 in (affine.number(one), affine.number(other)):
        return 0
    return Dot(_dot, (one, other))


def _dot(one: Any, other: Any) -> Any:
    return jnp.sum(one * other, axis=-1)


@dataclass(frozen=True, eq=False)
class RankOne:
    """`of * dot(weights, x)`, for each vector."""

    of: Coefficient
    weights: Coefficient

    @property
    def parts(self) -> tuple[Coefficient, ...]:
        return (self.of, self.weights)


@dataclass(frozen=True, eq=False)
class Product:
    """`factors`, applied one after the other; `sizes` are those of the values in between and at the end, where known."""

    factors: tuple[Coefficient, ...]
    sizes: tuple[int | None, ...]

    @property
    def parts(self) -> tuple[Coefficient, ...]:
        return self.factors


Update = RankOne | Product


@dataclass(frozen=True, eq=False)
class Wide:
    """`diagonal * x + sum(updates) + offset`: of the shape of x."""

    diagonal: Coefficient
    updates: tuple[Update, ...] = ()
    offset: Coefficient = 0


@dataclass(frozen=True, eq=False)
class Inner:
    """`dot(weights, x) + offset`: one number for each vector; `kept` with an axis of size 1 in its place."""

    weights: Coefficient
    offset: Coefficient = 0
    kept: bool = False


@dataclass(frozen=True, eq=False)
class Chain:
    """x, to which matrices are applied, and an offset."""

    product: Product
    offset: Coefficient = 0


Linear = Wide | Inner | Chain


# ---- matrices --------------------------------------------------------------------------------------


def transposed(matrix: Coefficient, defining: Any) -> Coefficient:
    """Return the transposed matrix: of one that is a transposed one, that one."""
    if isinstance(matrix, Op) and matrix.fn is getattr:
        return matrix.args[0]
    made = defining.get(matrix) if isinstance(matrix, Var) else None
    if isinstance(made, Apply) and made.fn == Ref(getattr, "getattr"):
        if made.args[1] in (Const("T"), Const("mT")):
            return made.args[0]
    return Op(getattr, (matrix, Const("T")))


def product(one: Coefficient, other: Coefficient) -> Op:
    return Op(operator.matmul, (one, other))


def as_column(vector: Coefficient) -> Coefficient:
    return Op(operator.getitem, (vector, Display(tuple, (_FULL, Const(None)))))


def as_row(vector: Coefficient) -> Coefficient:
    return Op(operator.getitem, (vector, Const(None)))


def with_axis(value: Coefficient) -> Coefficient:
    """Return the value with an axis of size 1 behind it."""
    return Op(operator.getitem, (value, Display(tuple, (Const(...), Const(None)))))


__all__ = [
    "Chain",
    "Dot",
    "Extent",
    "Inner",
    "Linear",
    "Product",
    "RankOne",
    "Side",
    "Update",
    "Wide",
    "as_column",
    "as_row",
    "dot",
    "product",
    "transposed",
    "with_axis",
]
