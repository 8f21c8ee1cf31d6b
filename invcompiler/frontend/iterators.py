"""Calls that make iterators, as comprehensions: `map(f, xs)` where it is consumed is `[f(x) for x in xs]`."""

from __future__ import annotations

import ast

from invcompiler.frontend.lowering import Lowering
from invcompiler.frontend.names import read_names
from invcompiler.ir.nodes import Ref

_ITERATORS = (map, zip, enumerate, reversed)


def consumed(lowering: Lowering, node: ast.expr) -> ast.expr:
    """Return `node`, the value of which is read to its end where it stands, as an expression whose value is a list."""
    if isinstance(node, ast.GeneratorExp):
        lowering.unit.used_up.add(node)
    made = _iterator(lowering, node)
    return node if made is None else _as_comprehension(made, node)  # type: ignore[arg-type]


def mapped(lowering: Lowering, node: ast.expr) -> ast.expr:
    """Return `node`, which is read to its end where it stands, with comprehensions for `map(f, xs)` in it."""
    made = _iterator(lowering, node)
    if made is None:
        return node
    assert isinstance(node, ast.Call)
    if made is map:
        return _as_comprehension(made, node)
    args = [mapped(lowering, arg) for arg in node.args]
    return ast.copy_location(ast.Call(node.func, args, node.keywords), node)


def _iterator(lowering: Lowering, node: ast.expr) -> type | None:
    """Return which of Python's iterators `node` makes: `map`, `zip`, `enumerate`, `reversed`, or None."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    if any(isinstance(arg, ast.Starred) for arg in node.args) or not node.args:
        return None
    found = lowering.expression(node.func)
    made = next((f for f in _ITERATORS if isinstance(found, Ref) and found.value is f), None)
    if made is map and len(node.args) > 2:  # the comprehension of it has a `zip`
        rows = lowering.expression(ast.copy_location(ast.Name("zip", ast.Load()), node))
        return made if isinstance(rows, Ref) and rows.value is zip else None
    return made


def _as_comprehension(made: type, node: ast.Call) -> ast.ListComp:
    """Return the list comprehension of what the iterator that `node` makes gives."""
    if made is not map:
        item = _names(node, 1)
        return _comprehension(_loads(item)[0], item, node, node)
    called, *columns = node.args
    items = _names(node, len(columns))
    element = ast.Call(called, _loads(items), [])
    rows = ast.Call(ast.Name("zip", ast.Load()), columns, []) if len(columns) > 1 else columns[0]
    return _comprehension(element, items, rows, node)


def _loads(names: list[str]) -> list[ast.expr]:
    return [ast.Name(name, ast.Load()) for name in names]


def _comprehension(
    element: ast.expr, items: list[str], iterable: ast.expr, node: ast.Call
) -> ast.ListComp:
    stores: list[ast.expr] = [ast.Name(item, ast.Store()) for item in items]
    target = stores[0] if len(stores) == 1 else ast.Tuple(stores, ast.Store())
    made = ast.ListComp(element, [ast.comprehension(target, iterable, [], 0)])
    return ast.fix_missing_locations(ast.copy_location(made, node))


def _names(node: ast.Call, count: int) -> list[str]:
    """Return names for items that mean nothing else in `node`."""
    taken = set(read_names([node]))
    free = (
        name
        for i in range(count + len(taken))
        if (name := f"item_{i}" if i else "item") not in taken
    )
    return [next(free) for _ in range(count)]


__all__ = ["consumed", "mapped"]
