"""Statements in order: assignment in all its forms, and what has no effect on values."""

from __future__ import annotations

import ast

from invcompiler.frontend.expressions import GETITEM, operation
from invcompiler.frontend.lowering import STATEMENTS, Lowering, Unfollowed, statement
from invcompiler.frontend.opaque import copy_expression, copy_statement
from invcompiler.ir.nodes import Const, Display, Ref, Slice, Star, Tree

_LIST = Ref(list, "list", list)


def run(lowering: Lowering, statements: list[ast.stmt]) -> Tree | None:
    """Lower `statements`; return what they return, or None if they run to their end."""
    for node in statements:
        if isinstance(node, ast.Return):
            return returned(lowering, node)
        follow(lowering, node)
    return None


def returned(lowering: Lowering, node: ast.Return) -> Tree:
    return Const(None) if node.value is None else value_of(lowering, node.value, None)


def follow(lowering: Lowering, node: ast.stmt) -> None:
    """Lower one statement; copy it if what it does is not followed."""
    mark = lowering.mark()
    lower = STATEMENTS.get(type(node))
    try:
        if lower is None:
            raise Unfollowed(_what(node), node)
        lower(lowering, node)
    except Unfollowed as unfollowed:
        lowering.undo(mark)
        copy_statement(lowering, node, unfollowed)


def _what(node: ast.stmt) -> str:
    return f"`{type(node).__name__.lower()}`"


def value_of(lowering: Lowering, node: ast.expr, name: str | None) -> Tree:
    """Lower the expression of a statement; copy it if what it does is not followed."""
    mark = lowering.mark()
    try:
        return lowering.expression(node, name)
    except Unfollowed as unfollowed:
        lowering.undo(mark)
        return copy_expression(lowering, node, unfollowed, name)


# ---- assignment ---------------------------------------------------------------------------------


@statement(ast.Assign)
def assign(lowering: Lowering, node: ast.Assign) -> None:
    wish = next((target.id for target in node.targets if isinstance(target, ast.Name)), None)
    value = value_of(lowering, node.value, wish)
    for target in node.targets:
        bind_target(lowering, target, value)


@statement(ast.AnnAssign)
def annotated(lowering: Lowering, node: ast.AnnAssign) -> None:
    if node.value is not None:
        wish = node.target.id if isinstance(node.target, ast.Name) else None
        bind_target(lowering, node.target, value_of(lowering, node.value, wish))


@statement(ast.AugAssign)
def augmented(lowering: Lowering, node: ast.AugAssign) -> None:
    """Lower `a += b` as `a = a + b`: arrays are immutable, and lists are followed by identity."""
    target = node.target
    if not isinstance(target, ast.Name):
        raise Unfollowed("assignment to an item or attribute", target)
    before = lowering.expression(ast.copy_location(ast.Name(target.id, ast.Load()), target))
    value = value_of(lowering, node.value, None)
    if isinstance(before, Display) and before.kind is list:
        raise Unfollowed("a list that is extended in place", target)
    after = operation(lowering, type(node.op), before, value, node, target.id)
    lowering.bind(target.id, after)


def bind_target(lowering: Lowering, target: ast.expr, value: Tree) -> None:
    match target:
        case ast.Name():
            lowering.bind(target.id, value)
        case ast.Tuple() | ast.List():
            parts = unpack(lowering, target.elts, value, target)
            for part, item in zip(target.elts, parts, strict=True):
                bind_target(lowering, part.value if isinstance(part, ast.Starred) else part, item)
        case _:
            raise Unfollowed("assignment to an item or attribute", target)


def unpack(
    lowering: Lowering, targets: list[ast.expr], value: Tree, node: ast.AST
) -> tuple[Tree, ...]:
    """Return one tree for each target of `targets = value`."""
    star = next((i for i, part in enumerate(targets) if isinstance(part, ast.Starred)), None)
    items = _shown_items(value)
    if items is not None:
        return _distribute(items, len(targets), star, node)
    if isinstance(value, Display):
        raise Unfollowed("unpacking of a display with a starred item", node)
    wishes = [part.id if isinstance(part, ast.Name) else None for part in targets]
    if star is None:
        return tuple(
            lowering.apply(GETITEM, (value, Const(i)), node=part, name=wish, arity=len(targets))
            for i, (part, wish) in enumerate(zip(targets, wishes, strict=True))
        )
    return _unpack_starred(lowering, targets, star, value, wishes)


def _shown_items(value: Tree) -> tuple[Tree, ...] | None:
    if isinstance(value, Display) and value.kind is dict:
        return tuple(map(Const, value.keys or ()))
    if isinstance(value, Display) and issubclass(value.kind, tuple | list):
        return None if any(isinstance(item, Star) for item in value.items) else value.items
    return None


def _distribute(items, count: int, star: int | None, node: ast.AST) -> tuple[Tree, ...]:
    if star is None and len(items) == count:
        return items
    if star is None or len(items) < count - 1:
        raise Unfollowed(f"unpacking of {len(items)} items into {count}", node)
    after = count - star - 1
    middle = items[star : len(items) - after]
    return (*items[:star], Display(list, middle), *items[len(items) - after :])


def _unpack_starred(lowering, targets, star: int, value: Tree, wishes) -> tuple[Tree, ...]:
    after = len(targets) - star - 1
    parts: list[Tree] = []
    for i, (part, wish) in enumerate(zip(targets, wishes, strict=True)):
        index: Tree = Const(i if i < star else i - len(targets))
        if i == star:
            index = Slice(Const(star), Const(-after if after else None), Const(None))
        item = lowering.apply(GETITEM, (value, index), node=part, name=None if i == star else wish)
        if i == star:
            item = lowering.apply(_LIST, (item,), node=part, name=wish)
        parts.append(item)
    return tuple(parts)


# ---- statements without values ------------------------------------------------------------------


@statement(ast.Pass)
def nothing(lowering: Lowering, node: ast.Pass) -> None:
    pass


@statement(ast.Assert)
def assertion(lowering: Lowering, node: ast.Assert) -> None:
    """An assertion computes nothing: it says what is true of the values that are computed."""
    if any(isinstance(part, ast.NamedExpr) for part in ast.walk(node)):
        lowering.expression(node.test)


@statement(ast.Delete)
def delete(lowering: Lowering, node: ast.Delete) -> None:
    for target in node.targets:
        if not isinstance(target, ast.Name):
            raise Unfollowed("`del` of an item or attribute", target)
        lowering.unbind(target.id)


@statement(ast.Expr)
def bare_expression(lowering: Lowering, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):
        lowering.expression(node.value)

