"""Known matrices that are a diagonal and a few outer products by the way in which they are computed: `eye(n) - 2 * outer(v, v)`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from itertools import permutations
from typing import Any

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Display, Slice, Tree, Var
from invcompiler.rules.canonical import NONE, Call
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient
from invcompiler.schedule.linear_forms import Reading
from invcompiler.schedule.linear_terms import (
    Product,
    RankOne,
    Side,
    Update,
    Wide,
    as_column,
    as_row,
)

_DEEPEST = 12


def applied(reading: Reading, matrix: Tree) -> Wide | None:
    """Return the form of the product of such a matrix and the unknown, or None for any other matrix."""
    found = _structure(reading, matrix)
    if found is None or not found.updates or affine.number(found.diagonal) == 0:
        return None
    updates = tuple(_of_vectors(reading, update) for update in found.updates)
    return Wide(found.diagonal, updates)


def _of_vectors(reading: Reading, update: Update) -> Update:
    """Return an update of the unknown; outer products as narrow matrices where the unknown has columns."""
    columns = reading.side is Side.COLUMNS
    if isinstance(update, Product):
        return update if columns else Product(update.factors[::-1], update.sizes)
    u, w = (update.of, update.weights) if columns else (update.weights, update.of)
    if columns and reading.is_batched:
        return Product((as_row(w), as_column(u)), (1, None))
    return RankOne(u, w)


def _structure(reading: Reading, tree: Tree, depth: int = 0) -> Wide | None:
    """Return a matrix as a diagonal and updates, in the orientation of columns."""
    made = reading.solver.graph.defining.get(tree) if isinstance(tree, Var) else None
    call = reading.solver.call(made) if isinstance(made, Apply) and depth < _DEEPEST else None
    handler = None if call is None else _HANDLERS.get(call.fn)
    return None if call is None or handler is None else handler(reading, call, depth + 1)


def _eye(reading: Reading, call: Call, depth: int) -> Wide | None:
    given = call.arguments
    is_square = given.get("M", NONE) in (NONE, given.get("N"))
    return Wide(1) if is_square and given.get("k", Const(0)) == Const(0) else None


def _diag(reading: Reading, call: Call, depth: int) -> Wide | None:
    vector = call.arguments["v"]
    rank = reading.facts.rank(vector)
    if rank not in (None, 1) or call.arguments["k"] != Const(0):
        return None
    if rank is None:  # of a matrix, it would be a vector
        reading.assumed[vector] = 1
    return Wide(vector)


def _outer(reading: Reading, call: Call, depth: int) -> Wide | None:
    u, w = list(call.arguments.values())[:2]
    if reading.facts.rank(u) not in (None, 1) or reading.facts.rank(w) not in (None, 1):
        return None
    reading.assumed.update({tree: 1 for tree in (u, w) if reading.facts.rank(tree) is None})
    return Wide(0, (RankOne(u, w),))


def _sum(sign: int) -> Callable[[Reading, Call, int], Wide | None]:
    def handler(reading: Reading, call: Call, depth: int) -> Wide | None:
        trees = list(call.arguments.values())[:2]
        one, other = (_structure(reading, tree, depth) for tree in trees)
        if one is None or other is None:
            return None
        if sign < 0:
            other = _scaled(other, affine.negative)
        updates = (*one.updates, *other.updates)
        return Wide(affine.add(one.diagonal, other.diagonal), updates)

    return handler


def _negative(reading: Reading, call: Call, depth: int) -> Wide | None:
    found = _structure(reading, next(iter(call.arguments.values())), depth)
    return None if found is None else _scaled(found, affine.negative)


def _multiply(reading: Reading, call: Call, depth: int) -> Wide | None:
    one, other = list(call.arguments.values())[:2]
    for matrix, by in ((one, other), (other, one)):
        found = _structure(reading, matrix, depth)
        if found is not None and _is_scalar(reading, by):
            return _scaled(found, partial(affine.multiply, by))
    column, row = _expanded(reading, one, True), _expanded(reading, other, False)
    if column is None or row is None:
        column, row = _expanded(reading, other, True), _expanded(reading, one, False)
    return None if column is None or row is None else Wide(0, (RankOne(column, row),))


def _divide(reading: Reading, call: Call, depth: int) -> Wide | None:
    matrix, by = list(call.arguments.values())[:2]
    found = _structure(reading, matrix, depth)
    if found is None or not _is_scalar(reading, by):
        return None
    return _scaled(found, lambda c: affine.divide(c, by))


def _scaled(found: Wide, fn: Callable[[Coefficient], Any]) -> Wide:
    updates = tuple(
        RankOne(fn(u.of), u.weights)
        if isinstance(u, RankOne)
        else Product((*u.factors[:-1], fn(u.factors[-1])), u.sizes)
        for u in found.updates
    )
    return Wide(fn(found.diagonal), updates)


def _is_scalar(reading: Reading, tree: Tree) -> bool:
    """Whether a value is a number; one that is computed from vectors of unknown rank is, if it is their product."""
    if affine.number(tree) is not None or reading.facts.rank(tree) == 0:
        return True
    made = reading.solver.graph.defining.get(tree) if isinstance(tree, Var) else None
    call = reading.solver.call(made) if isinstance(made, Apply) else None
    if call is None or reading.facts.rank(tree) is not None:
        return False
    first, *rest = call.arguments.values()
    if call.fn in (jnp.matmul, jnp.dot, jnp.vdot, jnp.inner):
        return reading.assumed.get(first) == reading.assumed.get(rest[0]) == 1
    return call.fn in (jnp.sum, jnp.linalg.norm) and call.arguments["axis"] == NONE


def _expanded(reading: Reading, tree: Tree, is_column: bool) -> Coefficient | None:
    """Return the vector that `v[:, None]`, or `v[None]` and `v` itself, is a matrix of; or a multiple of it."""
    made = reading.solver.graph.defining.get(tree) if isinstance(tree, Var) else None
    call = reading.solver.call(made) if isinstance(made, Apply) else None
    vector = None if call is None else next(iter(call.arguments.values()))
    if call is not None and call.fn is jnp.multiply:
        for by, inner in permutations(call.arguments.values()):
            found = _expanded(reading, inner, is_column) if _is_scalar(reading, by) else None
            if found is not None:
                return affine.multiply(by, found)
    if call is not None and call.fn is jnp.expand_dims:
        wanted = (Const(1), Const(-1)) if is_column else (Const(0), Const(-2))
        added = call.arguments["axis"] in wanted
    elif call is not None and call.fn is operator.getitem:
        added = _adds(call.arguments["index"], is_column)
    else:
        added = False
    if added and vector is not None and reading.facts.rank(vector) in (None, 1):
        if reading.facts.rank(vector) is None:
            reading.assumed[vector] = 1
        return vector
    return tree if not is_column and reading.facts.rank(tree) == 1 else None


def _adds(index: Tree, is_column: bool) -> bool:
    parts = index.items if isinstance(index, Display) else (index,)
    full = Slice(NONE, NONE, NONE)
    return parts == (full, NONE) if is_column else parts in ((NONE, full), (NONE,))


def _product(reading: Reading, call: Call, depth: int) -> Wide | None:
    a, b = list(call.arguments.values())[:2]
    if any(reading.facts.rank(tree) not in (None, 2) for tree in (a, b)):
        return None
    narrow, wide = reading.size(a, -1), reading.size_along()
    if narrow is not None and wide is not None and narrow >= wide:
        return None
    return Wide(0, (Product((b, a), (narrow, wide)),))


_HANDLERS: dict[Any, Callable[[Reading, Call, int], Wide | None]] = {
    jnp.eye: _eye, jnp.identity: _eye, jnp.diag: _diag, jnp.outer: _outer,
    jnp.add: _sum(1), jnp.subtract: _sum(-1), jnp.negative: _negative,
    jnp.multiply: _multiply, jnp.divide: _divide, jnp.matmul: _product, jnp.dot: _product,
}  # fmt: skip

__all__ = ["applied"]
