"""What a loop runs over: items that the text shows, or an iterable whose length it does not show."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from invcompiler.frontend.calls import keywords
from invcompiler.frontend.expressions import GETITEM, items_of
from invcompiler.frontend.iterators import mapped
from invcompiler.frontend.lowering import Lowering, Unfollowed
from invcompiler.frontend.structure import is_mutable, is_open, settled
from invcompiler.ir.nodes import (
    Const,
    Display,
    Each,
    Enumerate,
    Iter,
    Range,
    Ref,
    Reversed,
    Star,
    Tree,
    Var,
    Zip,
)

MOST_UNROLLED = 64  # items of a range whose loop has no other form

_VIEWS = ("keys", "values", "items")


@dataclass(frozen=True)
class Source:
    """An iterable. `shown` are its items where the text shows them all."""

    iter: Iter
    shown: tuple[Tree, ...] | None


def source(lowering: Lowering, node: ast.expr, steps: bool = False) -> Source:
    """Return the iterable that an expression denotes. With `steps`, a loop over it must be read as its steps."""
    steps = steps or unrolls(lowering)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _VIEWS and not node.args:
            return _view(lowering, node.func)
        fn = lowering.expression(node.func) if isinstance(node.func, ast.Name) else None
        if isinstance(fn, Ref) and fn.value in (range, zip, enumerate, reversed):
            return _builtin(lowering, fn.value, node, steps)
    value = lowering.seen(lowering.expression(mapped(lowering, node)), node, known=steps)
    if isinstance(value, Const) and isinstance(value.value, str):
        value = Display(tuple, tuple(map(Const, value.value)))  # its characters
    if isinstance(value, Ref | Const):
        raise Unfollowed("iteration over an object", node)
    return Source(Each(settled(value)), shown_items(value) or rows_of(lowering, value, node, steps))


def steps_of(lowering: Lowering, over: Source) -> tuple[Tree, ...] | None:
    """Return the items of a loop that is read as its steps: what the text shows, or a short range where that is wanted."""
    if over.shown is not None or not unrolls(lowering):
        return over.shown
    return const_items(over.iter, MOST_UNROLLED)


def unrolls(lowering: Lowering) -> bool:
    """Whether a function is read for one call whose loops must be read as their steps."""
    return lowering.unit.look is not None and lowering.unit.look.unrolls


def rows_of(
    lowering: Lowering, value: Tree, node: ast.AST, known: bool = False
) -> tuple[Tree, ...] | None:
    """Return the items along the leading axis of an array, in a function that is read for one call."""
    look = lowering.unit.look
    count = look.rows(value, lowering.builder, known) if look and isinstance(value, Var) else None
    if count is None or count > MOST_UNROLLED:
        return None
    items = (
        lowering.apply(GETITEM, (value, Const(i)), node=node, arity=count) for i in range(count)
    )
    return tuple(items)


def shown_items(value: Tree) -> tuple[Tree, ...] | None:
    if not isinstance(value, Display) or not is_open(value):
        return None
    if value.kind is dict:
        return tuple(map(Const, value.keys or ()))
    return value.items if issubclass(value.kind, tuple | list) else None


def _view(lowering: Lowering, func: ast.Attribute) -> Source:
    value = lowering.expression(func.value)
    if isinstance(value, Ref):
        raise Unfollowed("iteration over an object", func)
    return Source(Each(value, func.attr), shown_view(value, func.attr))


def shown_view(value: Tree, view: str) -> tuple[Tree, ...] | None:
    if not isinstance(value, Display) or value.kind is not dict:
        return None
    keys = tuple(map(Const, value.keys or ()))
    pairs = tuple(Display(tuple, pair) for pair in zip(keys, value.items, strict=True))
    return {"keys": keys, "values": value.items, "items": pairs}[view]


def _builtin(lowering: Lowering, fn: type, node: ast.Call, steps: bool) -> Source:
    if fn is range:
        args = items_of(lowering, node.args)
        return Source(range_of(args, node), None)
    if any(isinstance(arg, ast.Starred) for arg in node.args):
        raise Unfollowed(f"`{fn.__name__}` of a starred argument", node)
    parts = [source(lowering, arg, steps) for arg in node.args[: 1 if fn is not zip else None]]
    if fn is zip:
        return _zip(lowering, parts, node)
    if fn is enumerate:
        return _enumerate(lowering, parts[0], node)
    (part,) = parts
    shown = part.shown
    return Source(Reversed(part.iter), None if shown is None else shown[::-1])


def range_of(args: Sequence[Tree], node: ast.AST) -> Range:
    if any(isinstance(arg, Star) for arg in args) or not 1 <= len(args) <= 3:
        raise Unfollowed("a `range` of a starred argument", node)
    if len(args) == 1:
        return Range(Const(0), args[0])
    return Range(*args)


def _zip(lowering: Lowering, parts: list[Source], node: ast.Call) -> Source:
    options = dict(keywords(lowering, node))
    strict = options.pop("strict", Const(False))
    if options or not isinstance(strict, Const):
        raise Unfollowed("a `zip` with computed options", node)
    shown = None
    if all(part.shown is not None for part in parts):
        columns = [part.shown or () for part in parts]
        if strict.value and len({len(column) for column in columns}) > 1:
            raise Unfollowed("a `zip` of different lengths", node)
        shown = tuple(Display(tuple, row) for row in zip(*columns, strict=False))
    return Source(Zip(tuple(part.iter for part in parts), bool(strict.value)), shown)


def _enumerate(lowering: Lowering, part: Source, node: ast.Call) -> Source:
    options = dict(keywords(lowering, node))
    start = options.get("start", Const(0))
    if len(node.args) > 1:
        start = lowering.expression(node.args[1])
    shown = None
    if part.shown is not None and isinstance(start, Const):
        rows = enumerate(part.shown, start.value)
        shown = tuple(Display(tuple, (Const(i), item)) for i, item in rows)
    return Source(Enumerate(part.iter, start), shown)


# ---- the vars that stand for one item ------------------------------------------------------------


def item_tree(iterable: Iter, target: ast.expr | None) -> tuple[Tree, tuple[Var, ...]]:
    """Return what one item looks like, and its vars, named as `target` names them."""
    params: list[Var] = []
    tree = _item(iterable, target, params)
    return tree, tuple(params)


def _item(iterable: Iter, target: ast.expr | None, params: list[Var]) -> Tree:
    match iterable:
        case Reversed(part=part):
            return _item(part, target, params)
        case Zip(parts=parts):
            places = _places(target, len(parts))
            rows = zip(parts, places, strict=True)
            return Display(tuple, tuple(_item(part, place, params) for part, place in rows))
        case Enumerate(part=part):
            places = _places(target, 2)
            counter = _new(places[0], params)
            return Display(tuple, (counter, _item(part, places[1], params)))
        case _:
            return _new(target, params)


def _new(target: ast.expr | None, params: list[Var]) -> Var:
    var = Var(target.id if isinstance(target, ast.Name) else None)
    params.append(var)
    return var


def _places(target: ast.expr | None, count: int) -> Sequence[ast.expr | None]:
    if isinstance(target, ast.Tuple | ast.List) and len(target.elts) == count:
        return target.elts
    return [None] * count


def lists_of(iterable: Iter) -> Iterator[Tree]:
    """Yield the lists and dicts of the text that a loop runs over."""
    match iterable:
        case Each(value=value):
            if is_mutable(value):
                yield value
        case Zip(parts=parts):
            for part in parts:
                yield from lists_of(part)
        case Enumerate(part=part) | Reversed(part=part):
            yield from lists_of(part)


# ---- lengths ------------------------------------------------------------------------------------


def const_items(iterable: Iter, most: int) -> tuple[Tree, ...] | None:
    """Return the items of a short range of constants, for loops that must be unrolled."""
    if isinstance(iterable, Reversed):
        items = const_items(iterable.part, most)
        return None if items is None else items[::-1]
    if isinstance(iterable, Each):
        return (
            shown_items(iterable.value)
            if not iterable.view
            else shown_view(iterable.value, iterable.view)
        )
    if isinstance(iterable, Range):
        bounds = [iterable.start, iterable.stop, iterable.step]
        if not all(
            isinstance(b, Const) and type(b.value) is int and b.value is not None for b in bounds
        ):
            return None
        start, stop, step = (bound.value for bound in bounds)  # type: ignore[union-attr]
        numbers = range(start, stop, step) if step else ()
        return tuple(map(Const, numbers)) if len(numbers) <= most else None
    return _const_rows(iterable, most)


def _const_rows(iterable: Zip | Enumerate, most: int) -> tuple[Tree, ...] | None:
    if isinstance(iterable, Zip):
        columns = [const_items(part, most) for part in iterable.parts]
        if any(column is None for column in columns):
            return None
        return tuple(Display(tuple, row) for row in zip(*columns, strict=False))  # type: ignore[arg-type]
    items = const_items(iterable.part, most)
    if items is None or not isinstance(iterable.start, Const):
        return None
    rows = enumerate(items, iterable.start.value)
    return tuple(Display(tuple, (Const(i), item)) for i, item in rows)


def runs(iterable: Iter) -> bool:
    """Whether a loop over `iterable` is known to run at least once."""
    match iterable:
        case Range():
            return _runs(iterable)
        case Each(value=value):
            return isinstance(value, Display) and any(not isinstance(i, Star) for i in value.items)
        case Zip(parts=parts):
            return bool(parts) and all(map(runs, parts))
        case Enumerate(part=part) | Reversed(part=part):
            return runs(part)
    return False


def _runs(iterable: Range) -> bool:
    bounds = (iterable.start, iterable.stop, iterable.step)
    if not all(isinstance(bound, Const) and type(bound.value) is int for bound in bounds):
        return False
    start, stop, step = (bound.value for bound in bounds)  # type: ignore[union-attr]
    return step != 0 and bool(range(start, stop, step))
