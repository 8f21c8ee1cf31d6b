"""Which matrices are triangular by the way in which they are computed: `jnp.tril(w, -1) + jnp.eye(n)`."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import jax.numpy as jnp
import jax.scipy.linalg

from invcompiler.ir.build import literal
from invcompiler.ir.nodes import Const, Tree, Var
from invcompiler.rules.canonical import NONE, Call
from invcompiler.rules.equation import Context


class Diagonal(enum.Enum):
    ZEROS = enum.auto()
    ONES = enum.auto()
    ANYTHING = enum.auto()


@dataclass(frozen=True)
class Triangle:
    """A matrix, of two axes, that is zero above its diagonal (`lower`), below it (`upper`), or both.

    `diagonal` is what stands there: a vector that the program has, or how much is known of it.
    """

    lower: bool
    upper: bool
    diagonal: Diagonal | Var = Diagonal.ANYTHING

    @property
    def transposed(self) -> Triangle:
        return replace(self, lower=self.upper, upper=self.lower)

    def with_diagonal(self, diagonal: Diagonal | Var) -> Triangle | None:
        kept = replace(self, diagonal=diagonal)
        return kept if self.lower or self.upper else None


class Calls(Context, Protocol):
    def call(self, tree: Tree) -> Call | None: ...


def triangle(tree: Tree, context: Any) -> Triangle | None:
    """Return what is known of a matrix, or None if it is not known to be triangular."""
    call = context.call(tree)
    reading = None if call is None else _READINGS.get(call.fn)
    return None if reading is None or call is None else reading(call, context)


Reading = Callable[[Call, Calls], "Triangle | None"]
_READINGS: dict[Any, Reading] = {}


def _of(*fns: Any) -> Callable[[Reading], Reading]:
    def add(reading: Reading) -> Reading:
        _READINGS.update(dict.fromkeys(fns, reading))
        return reading

    return add


def _first(call: Call) -> Tree:
    return next(iter(call.arguments.values()))


def _whole_number(tree: Tree) -> int | None:
    found = literal(tree)
    return found[0] if found is not None and type(found[0]) is int else None


def _is_matrix(tree: Tree, context: Calls) -> bool:
    """Whether a value is known to be one matrix: of a stack of them, `.T` is another thing."""
    shape = context.shape(tree)
    return shape is not None and len(shape) == 2


# ---- parts of matrices -----------------------------------------------------------------------------


@_of(jnp.tril)
def _tril(call: Call, context: Calls) -> Triangle | None:
    k = _whole_number(call.arguments["k"])
    if k is None or k > 0 or not _is_matrix(_first(call), context):
        return None
    return Triangle(True, False, Diagonal.ZEROS if k < 0 else Diagonal.ANYTHING)


@_of(jnp.triu)
def _triu(call: Call, context: Calls) -> Triangle | None:
    k = _whole_number(call.arguments["k"])
    if k is None or k < 0 or not _is_matrix(_first(call), context):
        return None
    return Triangle(False, True, Diagonal.ZEROS if k > 0 else Diagonal.ANYTHING)


@_of(jnp.linalg.cholesky)
def _cholesky(call: Call, context: Calls) -> Triangle | None:
    is_lower = call.arguments.get("upper", Const(False)) == Const(False)
    return Triangle(True, False) if is_lower and _is_matrix(_first(call), context) else None


@_of(jnp.eye)
def _eye(call: Call, context: Calls) -> Triangle | None:
    columns, k = call.arguments["M"], call.arguments["k"]
    is_square = columns in (NONE, call.arguments["N"])
    return Triangle(True, True, Diagonal.ONES) if is_square and k == Const(0) else None


@_of(jnp.identity)
def _identity(call: Call, context: Calls) -> Triangle | None:
    return Triangle(True, True, Diagonal.ONES)


@_of(jnp.diag)
def _diag(call: Call, context: Calls) -> Triangle | None:
    vector, k = call.arguments["v"], call.arguments["k"]
    shape = context.shape(vector)
    if shape is None or len(shape) != 1 or k != Const(0):  # of a matrix it takes the diagonal
        return None
    return Triangle(True, True, vector if isinstance(vector, Var) else Diagonal.ANYTHING)


@_of(operator.getitem)
def _factor(call: Call, context: Calls) -> Triangle | None:
    """The factors of `qr` and of `lu` of one square matrix."""
    made, index = context.call(call.arguments["a"]), _whole_number(call.arguments["index"])
    if made is None or index is None or not _is_square(_first(made), context):
        return None
    if is_qr(made) and index == 1:
        return Triangle(False, True)
    if is_lu(made) and index in (1, 2):
        return Triangle(index == 1, index == 2, Diagonal.ONES if index == 1 else Diagonal.ANYTHING)
    return None


def is_qr(call: Call) -> bool:
    return call.fn is jnp.linalg.qr and call.arguments["mode"] == Const("reduced")


def is_lu(call: Call) -> bool:
    return call.fn is jax.scipy.linalg.lu and call.arguments["permute_l"] == Const(False)


def _is_square(tree: Tree, context: Calls) -> bool:
    shape = context.shape(tree)
    return shape is not None and len(shape) == 2 and shape[0] == shape[1]


def is_square(tree: Tree, context: Any) -> bool:
    """Whether a value is known to be one square matrix."""
    return _is_square(tree, context)


# ---- orthogonal ones -------------------------------------------------------------------------------


def is_orthogonal(tree: Tree, context: Any) -> bool:
    """Whether a real matrix, which is square, is orthogonal by the way in which it is computed."""
    call = context.call(tree)
    if call is None:
        return False
    if call.fn in (jnp.transpose, jnp.matrix_transpose):
        turned = call.arguments.get("axes", NONE) == NONE
        return turned and is_orthogonal(_first(call), context)
    if call.fn is jnp.matmul:
        return all(is_orthogonal(factor, context) for factor in list(call.arguments.values())[:2])
    if call.fn is jax.scipy.linalg.expm:
        return _is_antisymmetric(_first(call), context)
    if call.fn is not operator.getitem:
        return False
    made = context.call(call.arguments["a"])
    if made is None or call.arguments["index"] not in _orthogonal_parts(made):
        return False
    shape = context.shape(_first(made))
    return shape is None or len(shape) < 2 or shape[-1] == shape[-2]


def _orthogonal_parts(call: Call) -> tuple[Const, ...]:
    """Return which of the factors that a factorisation of a square matrix returns are orthogonal."""
    if is_qr(call) or is_lu(call):
        return (Const(0),)
    if call.fn is jnp.linalg.eigh:
        return (Const(1),)
    return (Const(0), Const(2)) if call.fn is jnp.linalg.svd else ()


def _is_antisymmetric(tree: Tree, context: Any) -> bool:
    """Whether a matrix is minus its own transpose: `a - a.T`, or a multiple of it."""
    call = context.call(tree)
    if call is None:
        return False
    one, other = (*call.arguments.values(), NONE)[:2]
    if call.fn is jnp.subtract:
        return _is_transposed(one, other, context) or _is_transposed(other, one, context)
    if call.fn is jnp.negative:
        return _is_antisymmetric(one, context)
    if call.fn is jnp.divide:
        return _is_number(other, context) and _is_antisymmetric(one, context)
    if call.fn is jnp.multiply:
        pairs = ((one, other), (other, one))
        return any(_is_number(by, context) and _is_antisymmetric(a, context) for by, a in pairs)
    return False


def _is_transposed(tree: Tree, of: Tree, context: Any) -> bool:
    call = context.call(tree)
    if call is None or call.fn not in (jnp.transpose, jnp.matrix_transpose):
        return False
    return call.arguments.get("axes", NONE) == NONE and _first(call) == of


def _is_number(tree: Tree, context: Any) -> bool:
    return isinstance(tree, Const) or context.shape(tree) == ()


# ---- combinations ----------------------------------------------------------------------------------


@_of(jnp.transpose)
def _transpose(call: Call, context: Calls) -> Triangle | None:
    if call.arguments["axes"] != NONE:
        return None
    return _transposed(call, context)


@_of(jnp.matrix_transpose)
def _transposed(call: Call, context: Calls) -> Triangle | None:
    found = triangle(_first(call), context)
    return None if found is None else found.transposed


@_of(jnp.add)
def _sum(call: Call, context: Calls) -> Triangle | None:
    one, other = (triangle(tree, context) for tree in list(call.arguments.values())[:2])
    if one is None or other is None:
        return None
    both = Triangle(one.lower and other.lower, one.upper and other.upper)
    if one.diagonal is Diagonal.ZEROS:
        return both.with_diagonal(other.diagonal)
    return both.with_diagonal(
        one.diagonal if other.diagonal is Diagonal.ZEROS else Diagonal.ANYTHING
    )


@_of(jnp.subtract)
def _difference(call: Call, context: Calls) -> Triangle | None:
    one, other = (triangle(tree, context) for tree in list(call.arguments.values())[:2])
    if one is None or other is None:
        return None
    both = Triangle(one.lower and other.lower, one.upper and other.upper)
    subtracts_none = other.diagonal is Diagonal.ZEROS
    return both.with_diagonal(one.diagonal if subtracts_none else Diagonal.ANYTHING)


@_of(jnp.negative)
def _negative(call: Call, context: Calls) -> Triangle | None:
    found = triangle(_first(call), context)
    is_zero = found is not None and found.diagonal is Diagonal.ZEROS
    return found and found.with_diagonal(Diagonal.ZEROS if is_zero else Diagonal.ANYTHING)


@_of(jnp.matmul, jnp.dot)
def _product(call: Call, context: Calls) -> Triangle | None:
    one, other = (triangle(tree, context) for tree in list(call.arguments.values())[:2])
    if one is None or other is None:
        return None
    both = Triangle(one.lower and other.lower, one.upper and other.upper)
    units = one.diagonal is other.diagonal is Diagonal.ONES
    return both.with_diagonal(Diagonal.ONES if units else Diagonal.ANYTHING)


__all__ = ["Diagonal", "Triangle", "is_orthogonal", "is_square", "triangle"]
