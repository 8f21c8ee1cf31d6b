"""Calls: of functions by name, of methods of values, and of what only builds a container."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from typing import Any

from invcompiler.errors import SourceUnavailableError, UnsupportedSyntaxError
from invcompiler.frontend.expressions import (
    COMPUTED,
    GETITEM,
    attribute_of,
    dict_items,
    items_of,
    operation,
)
from invcompiler.frontend.iterators import mapped
from invcompiler.frontend.lowering import MOST_ITEMS, Lowering, Unfollowed, expression
from invcompiler.frontend.mutation import refuse_change_of_arguments
from invcompiler.frontend.resolve import Found
from invcompiler.frontend.see_through import see_through
from invcompiler.frontend.survey import VALUE_AND_CHANGE
from invcompiler.ir.nodes import Capture, Closure, Const, Display, Method, Ref, Star, Tree, Var

STRUCTURED: dict[Any, Callable[..., Tree | None]] = {}  # filled by structured.py
IN_PLACE: list[Callable[..., Tree]] = []  # the one entry is that of structured.py

Keywords = tuple[tuple[str | None, Tree], ...]


@expression(ast.Call)
def call(lowering: Lowering, node: ast.Call, name: str | None) -> Tree:
    if isinstance(node.func, ast.Attribute):
        receiver = lowering.receiver(node.func.value)
        return _method(lowering, receiver, node, name)
    fn = lowering.expression(node.func)
    node = _use_up(lowering, fn, node)
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
        node = _use_up(lowering, fn, node)
        args = items_of(lowering, node.args)
        return call_value(lowering, fn, args, keywords(lowering, node), node, name)
    if attr in VALUE_AND_CHANGE and not isinstance(receiver, Display):
        raise Unfollowed("a change in place inside an expression", node)
    args = (receiver, *items_of(lowering, node.args))
    kwargs = keywords(lowering, node)
    seen = see_through(lowering, Method(attr), args, kwargs, node)
    if seen is not None:
        return seen
    found = method_of(lowering, receiver, attr, args[1:])
    if found is not None:
        entered = in_place(lowering, *found, kwargs, node)
        if entered is not None:
            return entered
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


def _use_up(lowering: Lowering, fn: Tree, node: ast.Call) -> ast.Call:
    """Return the call with what it reads to its end as lists."""
    if not isinstance(fn, Ref) or not any(fn.value is function for function in _RUNS_TO_END):
        return node
    lowering.unit.used_up.update(arg for arg in node.args if isinstance(arg, ast.GeneratorExp))
    args = [mapped(lowering, arg) for arg in node.args]
    return ast.copy_location(ast.Call(node.func, args, node.keywords), node)


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
    entered = _rows(lowering, fn, args, node) or _total(lowering, fn, args, node)
    entered = entered or in_place(lowering, fn, args, kwargs, node)
    if entered is not None:
        return entered
    out = lowering.apply(fn, args, kwargs, node=node, name=name)
    if isinstance(fn, Ref) and isinstance(out, Var) and (fn.value is list or fn.value is sorted):
        lowering.unit.lists.setdefault(out, False)
    return out


def _rows(lowering: Lowering, fn: Tree, args: tuple[Tree, ...], node: ast.AST) -> Tree | None:
    """Return `list(x)` of an unknown array as the list of its rows."""
    look = lowering.unit.look
    if look is None or not isinstance(fn, Ref) or fn.value not in (list, tuple) or len(args) != 1:
        return None
    count = look.rows(args[0], lowering.builder) if isinstance(args[0], Var) else None
    if count is None or count > MOST_ITEMS:
        return None
    keys = map(Const, range(count))
    rows = (lowering.apply(GETITEM, (args[0], key), node=node, arity=count) for key in keys)
    return Display(fn.value, tuple(rows))


def _total(lowering: Lowering, fn: Tree, args: tuple[Tree, ...], node: ast.AST) -> Tree | None:
    """Return `sum(items)` as the additions that it is, where an unknown is among the items."""
    is_sum = isinstance(fn, Ref) and fn.value is sum and lowering.is_unknown(args)
    if not is_sum or not isinstance(args[0], Display) or args[0].kind not in (tuple, list):
        return None
    total = args[1] if len(args) > 1 else Const(0)
    for item in args[0].items:
        if isinstance(item, Star):
            return None
        total = operation(lowering, ast.Add, total, item, node)
    return total


def in_place(
    lowering: Lowering, fn: Tree, args: tuple[Tree, ...], kwargs: Keywords, node: ast.AST
) -> Tree | None:
    """Return the value of a call that an unknown flows into, its body in place: for a function that is read for one call."""
    trees = (*args, *(value for _, value in kwargs))
    look = lowering.unit.look
    if look is None or not isinstance(fn, Ref | Closure) or not lowering.is_unknown(trees):
        return None
    if isinstance(fn, Ref) and not look.enters(fn.value):
        return None
    for tree in trees:
        lowering.unit.share(tree)
    try:
        value = IN_PLACE[0](lowering, fn, args, node, kwargs)
    except (SourceUnavailableError, UnsupportedSyntaxError, Unfollowed):
        return None
    lowering.unit.share(value)
    return value


def method_of(
    lowering: Lowering, receiver: Tree, attr: str, args: tuple[Tree, ...]
) -> tuple[Ref, tuple[Tree, ...]] | None:
    """Return the function that a method of a known class is, and its arguments."""
    look = lowering.unit.look
    kind = None if look is None else look.kind(receiver, lowering.builder)
    if kind is None:
        return None
    found = inspect.getattr_static(kind, attr, None)
    spelling = f"{kind.__name__}.{attr}"
    owner = Ref(kind, kind.__name__, kind)
    if isinstance(found, staticmethod):
        return Ref(found.__func__, spelling, kind), args
    if isinstance(found, classmethod):
        return Ref(found.__func__, spelling, kind), (owner, *args)
    if isinstance(found, property):
        return Ref(found.fget, spelling, kind), (receiver, *args)
    return (Ref(found, spelling, kind), (receiver, *args)) if callable(found) else None


def computed(lowering: Lowering, value: Tree, attr: str, node: ast.AST) -> Tree | None:
    """Return the value of a property of an object of a known class."""
    look = lowering.unit.look
    kind = None if look is None else look.kind(value, lowering.builder)
    if kind is None or not isinstance(inspect.getattr_static(kind, attr, None), property):
        return None
    found = method_of(lowering, value, attr, ())
    return None if found is None else in_place(lowering, *found, (), node)


COMPUTED.append(computed)


def structured(fn: Ref) -> Callable[..., Tree | None] | None:
    """Return what lowers a call of `fn` to a loop or a branch."""
    return next((lower for other, lower in STRUCTURED.items() if other is fn.value), None)
