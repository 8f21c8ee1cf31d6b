"""Expressions: operators, attributes, items and displays.

A container that the text builds is seen through: an item of it is the tree that was put there.
"""

from __future__ import annotations

import ast
import operator
from typing import Any

from invcompiler.frontend.iterators import consumed
from invcompiler.frontend.lowering import MOST_ITEMS, Local, Lowering, Unfollowed, expression
from invcompiler.frontend.resolve import Found, step
from invcompiler.ir.nodes import Const, Display, Ref, Slice, Star, Tree

_OPERATORS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
OPERATORS = {kind: Ref(fn, f"operator.{fn.__name__}", operator) for kind, fn in _OPERATORS.items()}
GETITEM = Ref(operator.getitem, "operator.getitem", operator)
CONTAINS = Ref(operator.contains, "operator.contains", operator)
GETATTR = Ref(getattr, "getattr", getattr)
COMPUTED: list[Any] = []  # the one entry is that of calls.py: attributes that are properties


@expression(ast.Constant)
def constant(lowering: Lowering, node: ast.Constant, name: str | None) -> Tree:
    return Const(node.value)


@expression(ast.Name)
def name_(lowering: Lowering, node: ast.Name, name: str | None) -> Tree:
    found = lowering.entry(node.id, node)
    if isinstance(found, Local):
        return found.closure(lowering)
    lowering.unit.share(found)
    if lowering.unit.closures or lowering.unit.captured:
        lowering.refuse_stale(found, node)
    return found


# ---- operators ----------------------------------------------------------------------------------


@expression(ast.BinOp)
def binary(lowering: Lowering, node: ast.BinOp, name: str | None) -> Tree:
    """Lower the operators of `a + b + c` from the left: such a sum may be longer than the stack is deep."""
    spine = [node]
    while isinstance(spine[-1].left, ast.BinOp):
        spine.append(spine[-1].left)
    value = lowering.expression(spine[-1].left)
    for part in reversed(spine):
        right = lowering.expression(part.right)
        wish = name if part is node else None
        value = operation(lowering, type(part.op), value, right, part, wish)
    return value


def operation(
    lowering: Lowering, kind: type, left: Tree, right: Tree, node: ast.AST, name: str | None = None
) -> Tree:
    """Return `left op right`; sums and repetitions of displays are displays."""
    if isinstance(left, Display) and left.kind in (tuple, list):
        if kind is ast.Add and isinstance(right, Display) and right.kind is left.kind:
            return Display(left.kind, (*left.items, *right.items))
        if kind is ast.Mult and isinstance(right, Const) and isinstance(right.value, int):
            if len(left.items) * right.value <= MOST_ITEMS:
                return Display(left.kind, left.items * right.value)
    if kind is ast.Mult and isinstance(right, Display) and isinstance(left, Const):
        return operation(lowering, kind, right, left, node, name)
    out = lowering.apply(OPERATORS[kind], (left, right), node=node, name=name)
    if kind in (ast.Add, ast.Mult):
        lowering.unit.makes_list(out, left, right)
    return out


@expression(ast.UnaryOp)
def unary(lowering: Lowering, node: ast.UnaryOp, name: str | None) -> Tree:
    value = lowering.expression(node.operand)
    if isinstance(node.op, ast.Not) and (truth := truth_of(value)) is not None:
        return Const(not truth)
    return lowering.apply(OPERATORS[type(node.op)], (value,), node=node, name=name)


def truth_of(value: Tree) -> bool | None:
    """Return whether `value` is true, where the text decides that."""
    match value:
        case Const():
            return bool(value.value)
        case Display(kind=kind) if kind in (tuple, list, dict):
            if not value.items:
                return False
            return True if any(not isinstance(item, Star) for item in value.items) else None
        case Ref() if callable(value.value) and isinstance(value.value, type(truth_of)):
            return True
    return None


@expression(ast.Compare)
def compare(lowering: Lowering, node: ast.Compare, name: str | None) -> Tree:
    if len(node.ops) > 1:
        return _chain(lowering, node, name)
    left = lowering.expression(node.left)
    right = lowering.expression(node.comparators[0])
    return _comparison(lowering, node.ops[0], left, right, node, name)


def _comparison(lowering, op, left: Tree, right: Tree, node: ast.AST, name: str | None) -> Tree:
    if isinstance(op, ast.In | ast.NotIn):
        within = contains(lowering, right, left, node)
        if isinstance(op, ast.In):
            return within
        if isinstance(within, Const):
            return Const(not within.value)
        return lowering.apply(OPERATORS[ast.Not], (within,), node=node, name=name)
    if isinstance(op, ast.Is | ast.IsNot) and Const(None) == left:
        left, right = right, left
    return lowering.apply(OPERATORS[type(op)], (left, right), node=node, name=name)


def contains(lowering: Lowering, container: Tree, item: Tree, node: ast.AST) -> Tree:
    if isinstance(container, Display) and container.kind is dict and isinstance(item, Const):
        return Const(item.value in (container.keys or ()))
    if isinstance(container, Display) and isinstance(item, Const):
        if all(isinstance(other, Const) for other in container.items):
            return Const(item.value in [other.value for other in container.items])  # type: ignore[union-attr]
    return lowering.apply(CONTAINS, (container, item), node=node)


def _chain(lowering: Lowering, node: ast.Compare, name: str | None) -> Tree:
    """Fold `a < b < c` of constants; any other is copied."""
    values = [lowering.expression(part) for part in (node.left, *node.comparators)]
    for op, left, right in zip(node.ops, values, values[1:], strict=False):
        part = _comparison(lowering, op, left, right, node, None)
        if not isinstance(part, Const):
            raise Unfollowed("a chain of comparisons", node)
        if not part.value:
            return part
    return part


# ---- attributes and items -----------------------------------------------------------------------


@expression(ast.Attribute)
def attribute(lowering: Lowering, node: ast.Attribute, name: str | None) -> Tree:
    return attribute_of(
        lowering, lowering.expression(node.value), lowering.unit.private(node.attr), node, name
    )


def attribute_of(
    lowering: Lowering, value: Tree, attr: str, node: ast.AST, name: str | None = None
) -> Tree:
    """Return `value.attr`: followed here and now for what the text can name, else read at run time."""
    if isinstance(value, Ref):
        found = _static_attribute(lowering, value, attr)
        if found is not None:
            return found
    if isinstance(value, Display) and value.spelling is not None and value.keys is not None:
        if attr in value.keys:
            return value.items[value.keys.index(attr)]
    for computed in COMPUTED:
        if (found := computed(lowering, value, attr, node)) is not None:
            return found
    return lowering.apply(GETATTR, (value, Const(attr)), node=node, name=name)


def _static_attribute(lowering: Lowering, ref: Ref, attr: str) -> Tree | None:
    if isinstance(ref, Found):
        return lowering.unit.captures.attribute(ref, attr)
    if hasattr(ref.value, attr):
        value = getattr(ref.value, attr)
        return Ref(value, f"{ref.spelling}.{attr}", ref.root if ref.root is not None else ref.value)
    return None


@expression(ast.Subscript)
def subscript(lowering: Lowering, node: ast.Subscript, name: str | None) -> Tree:
    value = lowering.expression(node.value)
    return item_of(lowering, value, lowering.expression(node.slice), node, name)


def item_of(
    lowering: Lowering, value: Tree, index: Tree, node: ast.AST, name: str | None = None
) -> Tree:
    if isinstance(value, Found) and value.capture is not None and isinstance(index, Const):
        capture = step(value.capture, "item", index.value)
        if isinstance(value.value, tuple | list | dict):
            return lowering.unit.captures.tree(capture)
    if isinstance(value, Display) and value.kind not in (tuple, list, dict):
        value = Display(tuple, value.items) if issubclass(value.kind, tuple) else value
    out = lowering.apply(GETITEM, (value, index), node=node, name=name)
    if isinstance(index, Slice):
        lowering.unit.makes_list(out, value)
    return out


@expression(ast.Slice)
def slice_(lowering: Lowering, node: ast.Slice, name: str | None) -> Tree:
    def part(bound: ast.expr | None) -> Tree:
        return Const(None) if bound is None else lowering.expression(bound)

    return Slice(part(node.lower), part(node.upper), part(node.step))


# ---- displays -----------------------------------------------------------------------------------


@expression(ast.Tuple, ast.List)
def display(lowering: Lowering, node: ast.Tuple | ast.List, name: str | None) -> Tree:
    kind = tuple if isinstance(node, ast.Tuple) else list
    return Display(kind, items_of(lowering, node.elts))


def items_of(lowering: Lowering, nodes: list[ast.expr]) -> tuple[Tree, ...]:
    """Return the items of a display or the arguments of a call, with `*display` spelled out."""
    items: list[Tree] = []
    for node in nodes:
        if not isinstance(node, ast.Starred):
            items.append(lowering.expression(node))
            continue
        value = lowering.expression(consumed(lowering, node.value))
        items.extend(starred(value))
    return tuple(items)


def starred(value: Tree) -> tuple[Tree, ...]:
    """Return the items that `*value` stands for."""
    if isinstance(value, Display) and value.kind is dict:
        return tuple(map(Const, value.keys or ()))
    if isinstance(value, Display) and issubclass(value.kind, tuple | list):
        return value.items
    return (Star(value),)


@expression(ast.Dict)
def dict_(lowering: Lowering, node: ast.Dict, name: str | None) -> Tree:
    items: dict[Any, Tree] = {}
    start: Tree | None = None
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        if key_node is None:
            value = lowering.expression(value_node)
            if value_node is node.values[0] and dict_items(value) is None and _is_update(node):
                start = value
            else:
                items.update(_shown_dict(value, value_node))
            continue
        key = lowering.expression(key_node)
        if not isinstance(key, Const):
            raise Unfollowed("a dict with a computed key", key_node)
        items[key.value] = lowering.expression(value_node)
    if start is not None:
        made = Ref(dict, "dict")
        return lowering.apply(made, (start,), tuple(items.items()), node=node, name=name)
    return Display(dict, tuple(items.values()), tuple(items))


def _is_update(node: ast.Dict) -> bool:
    """Whether a display reads `{**value, "key": ...}`, which is `dict(value, key=...)`."""
    keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys[1:]]
    return bool(keys) and all(isinstance(key, str) and key.isidentifier() for key in keys)


def _shown_dict(value: Tree, node: ast.expr) -> dict[Any, Tree]:
    items = dict_items(value)
    if items is None:
        raise Unfollowed("`**` of a dict whose keys the text does not show", node)
    return items


def dict_items(value: Tree) -> dict[Any, Tree] | None:
    """Return the items of a dict that the text shows."""
    if not isinstance(value, Display) or value.kind is not dict or value.keys is None:
        return None
    return dict(zip(value.keys, value.items, strict=True))


@expression(ast.NamedExpr)
def walrus(lowering: Lowering, node: ast.NamedExpr, name: str | None) -> Tree:
    value = lowering.expression(node.value, node.target.id)
    lowering.bind(node.target.id, value)
    return value


@expression(ast.JoinedStr)
def format_string(lowering: Lowering, node: ast.JoinedStr, name: str | None) -> Tree:
    """Fold an f-string of plain constants; any other is copied."""
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(part.value)
            continue
        value = lowering.expression(part.value)  # type: ignore[attr-defined]
        plain = part.conversion == -1 and part.format_spec is None  # type: ignore[attr-defined]
        if not (plain and isinstance(value, Const)):
            raise Unfollowed("an f-string", node)
        parts.append(format(value.value))
    return Const("".join(parts))
