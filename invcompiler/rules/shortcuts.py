"""Simplifications that no pair of texts can state, because they count parts or compare shapes.

A shortcut is a function of a canonical call and of what is known about values; it returns the value
of the call, if the program has it already, or None.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import jax.numpy as jnp

from invcompiler.ir.build import literal
from invcompiler.ir.nodes import Const, Display, Slice, Star, Tree, Var
from invcompiler.rules.canonical import Call
from invcompiler.rules.equation import Context
from invcompiler.rules.triangles import triangle


class Calls(Context, Protocol):
    """A context that also knows how values are computed."""

    def call(self, tree: Tree) -> Call | None: ...


Shortcut = Callable[[Call, Any], Tree | None]


class Shortcuts:
    """Shortcuts by the callee of the call that they are for. As a decorator it adds one."""

    def __init__(self) -> None:
        self.entries: dict[Any, tuple[Shortcut, ...]] = {}

    def __call__(self, *callees: Any) -> Callable[[Shortcut], Shortcut]:
        def add(shortcut: Shortcut) -> Shortcut:
            for fn in callees:
                self.entries[fn] = (*self.entries.get(fn, ()), shortcut)
            return shortcut

        return add


shortcut = Shortcuts()


# ---- parts put together again ----------------------------------------------------------------------


@shortcut(jnp.concatenate)
def parts_of_split(call: Call, context: Calls) -> Tree | None:
    """`concatenate(split(x, n, axis), axis)` is `x`, the parts one by one or as they come."""
    arrays, axis = call.arguments["arrays"], call.arguments["axis"]
    if call.arguments["dtype"] != Const(None):
        return None
    parts = _all_items(arrays, context)
    split = None if parts is None else context.call(parts[0])
    if parts is None or split is None or split.fn is not jnp.split:
        return None
    count = _count(split.arguments["indices_or_sections"])
    if split.arguments["axis"] != axis or parts[1] not in (None, count):
        return None
    return split.arguments["ary"] if count is not None else None


@shortcut(jnp.stack)
def items_of_array(call: Call, context: Calls) -> Tree | None:
    """`stack([x[0], x[1]])` is `x`, if that has two items."""
    parts = _all_items(call.arguments["arrays"], context)
    options = (call.arguments["axis"], call.arguments["out"], call.arguments["dtype"])
    if parts is None or options != (Const(0), Const(None), Const(None)):
        return None
    shape = context.shape(parts[0])
    return parts[0] if shape and parts[1] is not None and shape[0] == parts[1] else None


@shortcut(jnp.concatenate)
def slices_of_array(call: Call, context: Calls) -> Tree | None:
    """`concatenate([x[:k], x[k:]])` is `x`."""
    arrays = call.arguments["arrays"]
    if not _is_row(arrays) or call.arguments["dtype"] != Const(None):
        return None
    found = [_sliced(item, context) for item in arrays.items]
    first = found[0] if found else None
    if first is None or any(part is None for part in found) or len(found) != 2:
        return None
    slices = [part[1] for part in found if part is not None]
    same = all(part[0] is first[0] and part[2] == first[2] for part in found if part is not None)
    if not same or Const(first[2]) != call.arguments["axis"]:
        return None
    return first[0] if _cover(slices) else None


def _cover(slices: list[Slice]) -> bool:
    none = Const(None)
    ends = slices[0].lower == none and slices[-1].upper == none
    unit = all(part.step == none for part in slices)
    return ends and unit and slices[0].upper != none and slices[0].upper == slices[1].lower


def _sliced(tree: Tree, context: Calls) -> tuple[Tree, Slice, int] | None:
    """Return what `x[:k]` or `x[..., :k]` slices, how, and along which axis."""
    call = context.call(tree)
    if call is None or call.fn is not operator.getitem:
        return None
    index = call.arguments["index"]
    if isinstance(index, Slice):
        return call.arguments["a"], index, 0
    if not isinstance(index, Display) or len(index.items) != 2:
        return None
    ellipsis, last = index.items
    if ellipsis != Const(...) or not isinstance(last, Slice):
        return None
    return call.arguments["a"], last, -1


def _all_items(tree: Tree, context: Calls) -> tuple[Tree, int | None] | None:
    """Return the value whose items `tree` lists from the first on, and how many; None is for all of them."""
    if isinstance(tree, Var):
        return tree, None
    if not _is_row(tree):
        return None
    calls = [context.call(item) for item in tree.items]
    first = calls[0] if calls else None
    if first is None or first.fn is not operator.getitem:
        return None
    whole = first.arguments["a"]
    for number, call in enumerate(calls):
        if call is None or call.fn is not operator.getitem or call.arguments["a"] is not whole:
            return None
        if call.arguments["index"] != Const(number):
            return None
    return whole, len(calls)


def _is_row(tree: Tree) -> bool:
    return (
        isinstance(tree, Display)
        and tree.kind in (list, tuple)
        and not any(isinstance(item, Star) for item in tree.items)
    )


def _count(sections: Tree) -> int | None:
    """Return into how many parts `split` splits."""
    value = literal(sections)
    match value:
        case (int(),):
            return value[0]
        case ((list() | tuple()) as ends,):
            return len(ends) + 1
        case _:
            return None


# ---- parts taken from what was put together ----------------------------------------------------------


@shortcut(operator.getitem)
def item_of_stack(call: Call, context: Calls) -> Tree | None:
    """`stack([a, b])[1]` is `b`."""
    stack, index = context.call(call.arguments["a"]), literal(call.arguments["index"])
    if stack is None or stack.fn is not jnp.stack or index is None or type(index[0]) is not int:
        return None
    arrays = stack.arguments["arrays"]
    options = (stack.arguments["axis"], stack.arguments["out"], stack.arguments["dtype"])
    if options != (Const(0), Const(None), Const(None)) or not _is_row(arrays):
        return None
    if not -len(arrays.items) <= index[0] < len(arrays.items):
        return None
    return arrays.items[index[0]] if _have_one_dtype(arrays.items, context) else None


@shortcut(operator.getitem)
def part_of_concatenation(call: Call, context: Calls) -> Tree | None:
    """`split(concatenate([a, b]), 2)[1]` is `b`, if both have one size."""
    split, index = context.call(call.arguments["a"]), literal(call.arguments["index"])
    if split is None or split.fn is not jnp.split or index is None or type(index[0]) is not int:
        return None
    joined = context.call(split.arguments["ary"])
    if joined is None or joined.fn is not jnp.concatenate:
        return None
    arrays, axis = joined.arguments["arrays"], joined.arguments["axis"]
    if axis != split.arguments["axis"] or joined.arguments["dtype"] != Const(None):
        return None
    if not _is_row(arrays) or not _splits_into(split, arrays.items, axis, context):
        return None
    if not 0 <= index[0] < len(arrays.items):
        return None
    return arrays.items[index[0]] if _have_one_dtype(arrays.items, context) else None


def _splits_into(split: Call, parts: tuple[Tree, ...], axis: Tree, context: Calls) -> bool:
    """Whether `split` cuts where the parts meet."""
    number, sections = literal(axis), literal(split.arguments["indices_or_sections"])
    shapes = [context.shape(part) for part in parts]
    if number is None or sections is None or any(shape is None for shape in shapes):
        return False
    sizes = [shape[number[0]] for shape in shapes if shape is not None]
    if not all(isinstance(size, int) for size in sizes):
        return False
    if isinstance(sections[0], int):
        return len(sizes) == sections[0] and len(set(sizes)) == 1
    return list(sections[0]) == [sum(sizes[:n]) for n in range(1, len(sizes))]


def _have_one_dtype(trees: Iterable[Tree], context: Calls) -> bool:
    """Joining promotes: a part has the dtype of the whole only if all parts have it."""
    return len({str(context.dtype(tree)) for tree in trees}) == 1


# ---- shapes that are so already ------------------------------------------------------------------------


@shortcut(jnp.reshape, jnp.broadcast_to)
def shape_as_it_is(call: Call, context: Calls) -> Tree | None:
    """`reshape(x, (2, 3))` of an x of that shape is `x`."""
    operand = next(iter(call.arguments.values()))
    shape, wanted = context.shape(operand), literal(call.arguments["shape"])
    if shape is None or wanted is None or not all(isinstance(size, int) for size in shape):
        return None
    return operand if wanted[0] == tuple(shape) else None


# ---- diagonals -----------------------------------------------------------------------------------------


@shortcut(jnp.diagonal)
def diagonal_that_was_put_there(call: Call, context: Calls) -> Tree | None:
    """`diagonal(triu(u, 1) + diag(d))` is `d`."""
    matrix, *options = call.arguments.values()
    found = triangle(matrix, context)
    if found is None or options != [Const(0), Const(0), Const(1)]:
        return None
    return found.diagonal if isinstance(found.diagonal, Var) else None


__all__ = ["Shortcuts", "shortcut"]
