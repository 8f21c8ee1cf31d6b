"""Calls: of functions by name, of methods of values, and of what only builds a container."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from typing import Any

from invcompiler.frontend.expressions import (
    attribute_of,
    dict_items,
    items_of,
)
from invcompiler.frontend.lowering import Lowering, Unfollowed, expression
from invcompiler.frontend.mutation import refuse_change_of_arguments
from invcompiler.frontend.resolve import Found
from invcompiler.frontend.see_through import see_through
from invcompiler.frontend.survey import VALUE_AND_CHANGE
from invcompiler.ir.nodes import Capture, Closure, Display, Method, Ref, Tree, Var

STRUCTURED: dict[Any, Callable[..., Tree | None]] = {}  # filled by structured.py

Keywords = tuple[tuple[str | None, Tree], ...]


@expression(ast.Call)
def call(lowering: Lowering, node: ast.Call, name: str | None) -> Tree:
    if isinstance(node.func, ast.Attribute):
        receiver = lowering.receiver(node.func.value)
        return _method(lowering, receiver, node, name)
    fn = lowering.expression(node.func)
    _use_up(lowering, fn, node)
    if isinstance(fn, Ref) and fn.value is super and not node.args:
        return parent(lowering, node)
    return call_value(
        lowering, fn, items_of(lowering, node.args), keywords(lowering, node), node, name
    )


def _method(lowering: Lowering, receiver: Tree, node: ast.Call, name: str | None) -> Tree:
    assert isinstance(node.func, ast.Attribute)
    attr = lowering.unit.private(node.func.attr)
    if isinstance(receiver, Ref):
        fn = attribute_of(lowering, receiver, attr, node.func)
        _use_up(lowering, fn, node)
        args = items_of(lowering, node.args)
        return call_value(lowering, fn, args, keywords(lowering, node), node, name)
    if attr in VALUE_AND_CHANGE and not isinstance(receiver, Display):
        raise Unfollowed("a change in place inside an expression", node)
    args = (receiver, *items_of(lowering, node.args))
    kwargs = keywords(lowering, node)
    seen = see_through(lowering, Method(attr), args, kwargs, node)
    if seen is not None:
        return seen
    return lowering.apply(Method(attr), args, kwargs, node=node, name=name)


def parent(lowering: Lowering, node: ast.Call) -> Tree:
    """Return `super()` of an object that was found: what its methods are is known here."""
    scope = lowering.unit.scope
    owner = None if scope is None else scope.find("__class__")
    first = [*lowering.unit.node.args.posonlyargs, *lowering.unit.node.args.args][:1]
    self = lowering.entry(first[0].arg, node) if first else None
    if owner is None or not isinstance(self, Found) or self.capture is None:
        raise Unfollowed("`super()` of an object that is not known here", node)
    read, find = self.capture.read, owner.read
    capture = Capture("super()", self.capture.scope, (), lambda: super(find(), read()))
    return lowering.unit.captures.tree(capture)


_RUNS_TO_END = (
    tuple,
    list,
    dict,
    set,
    frozenset,
    sum,
    min,
    max,
    any,
    all,
    sorted,
    functools.reduce,
)


def _use_up(lowering: Lowering, fn: Tree, node: ast.Call) -> None:
    if isinstance(fn, Ref) and any(fn.value is function for function in _RUNS_TO_END):
        lowering.unit.used_up.update(arg for arg in node.args if isinstance(arg, ast.GeneratorExp))


def keywords(lowering: Lowering, node: ast.Call) -> Keywords:
    kwargs: list[tuple[str | None, Tree]] = []
    for keyword in node.keywords:
        value = lowering.expression(keyword.value)
        if keyword.arg is None and (items := dict_items(value)) is not None:
            kwargs.extend(items.items())
        else:
            kwargs.append((keyword.arg, value))
    return tuple(kwargs)


def call_value(
    lowering: Lowering,
    fn: Tree,
    args: tuple[Tree, ...],
    kwargs: Keywords,
    node: ast.AST,
    name: str | None,
) -> Tree:
    """Return the value of `fn(*args, **kwargs)`."""
    if not isinstance(fn, Ref | Var | Closure):
        raise Unfollowed("a call of what is no function", node)
    lowering.refuse_stale(fn, node)
    partial = lowering.unit.partial(fn)
    if partial is not None:
        args = (*partial.args[1:], *args)
        kwargs = (*(pair for pair in partial.kwargs if pair[0] not in dict(kwargs)), *kwargs)
        return call_value(lowering, partial.args[0], args, kwargs, node, name)
    seen = see_through(lowering, fn, args, kwargs, node)
    if seen is None and isinstance(fn, Ref) and (lower := structured(fn)) is not None:
        seen = lower(lowering, args, kwargs, node)
    if seen is not None:
        return seen
    if isinstance(fn, Ref):
        refuse_change_of_arguments(lowering, fn.value, args, node)
    out = lowering.apply(fn, args, kwargs, node=node, name=name)
    if isinstance(fn, Ref) and isinstance(out, Var) and (fn.value is list or fn.value is sorted):
        lowering.unit.lists.setdefault(out, False)
    return out


def structured(fn: Ref) -> Callable[..., Tree | None] | None:
    """Return what lowers a call of `fn` to a loop or a branch."""
    return next((lower for other, lower in STRUCTURED.items() if other is fn.value), None)
