"""Indexing without values: the shape of `x[index]`, the item of a container, the size of an axis."""

from __future__ import annotations

import numpy as np

from invcompiler.ir.nodes import Const, Display, Slice, Tree
from invcompiler.schedule.abstract import (
    MISSING,
    Abstract,
    Array,
    Integer,
    Items,
    Known,
    Open,
    Shape,
    ShapeTuple,
    container,
    static,
)
from invcompiler.schedule.dims import Dim, Size, floor_div, product, sign, total
from invcompiler.schedule.layout import back, front, joined, open_dim, replaced, split_shape
from invcompiler.schedule.sight import Sight

_FULL = Slice(Const(None), Const(None), Const(None))


def is_array_index(index: Tree) -> bool:
    parts = index.items if isinstance(index, Display) else (index,)
    return isinstance(index, Display) or any(
        isinstance(part, Slice) or part == Const(...) for part in parts
    )


def index_shape(sight: Sight, shape: Shape, index: Tree) -> Shape | None:
    """Return the shape of `x[index]`."""
    parts = index.items if isinstance(index, Display) and index.kind is tuple else (index,)
    fancy = [p for p in parts if is_fancy(sight, p)]
    if fancy:
        return _take(sight, shape, parts, fancy)
    dots = [i for i, part in enumerate(parts) if part == Const(...)]
    if len(dots) > 1:
        return None
    ahead = parts[: dots[0]] if dots else parts
    behind = parts[dots[0] + 1 :] if dots else ()
    axes = [sum(part != Const(None) for part in side) for side in (ahead, behind)]
    split = split_shape(shape, *axes)
    if split is None:
        return None
    first, middle, last = split
    lead, trail = _picked(sight, ahead, first), _picked(sight, behind, last)
    return None if lead is None or trail is None else joined(lead, middle, trail)


def is_fancy(sight: Sight, part: Tree) -> bool:
    """Whether an index is an array, or may be one."""
    if isinstance(part, Slice) or part in (Const(None), Const(...)):
        return False
    found = sight.of(part)
    return not (isinstance(found, Integer | Known))


def _take(sight: Sight, shape: Shape, parts: tuple[Tree, ...], fancy: list[Tree]) -> Shape | None:
    """Return the shape for one index array among slices of the whole."""
    picked = sight.shape(fancy[0])
    if sight.of(fancy[0]) is None or not isinstance(picked, tuple) or len(fancy) > 1:
        return None
    found = sight.of(fancy[0])
    if not isinstance(found, Array) or found.dtype is None:
        return None
    if not np.issubdtype(found.dtype, np.integer):
        return None
    place = parts.index(fancy[0])
    dots = [i for i, part in enumerate(parts) if part == Const(...)]
    if any(p not in (_FULL, Const(...), fancy[0]) for p in parts) or len(dots) > 1:
        return None
    axis = place - len(parts) if dots and dots[0] < place else place
    return replaced(shape, axis, picked)


def _picked(
    sight: Sight, parts: tuple[Tree, ...], sizes: tuple[Size, ...]
) -> tuple[Size, ...] | None:
    found: list[Size] = []
    remaining = list(sizes)
    for part in parts:
        if part == Const(None):
            found.append(1)
            continue
        size = remaining.pop(0)
        if isinstance(part, Slice):
            length = slice_length(sight, part, size)
            if length is None:
                return None
            found.append(length)
    return tuple(found)


def slice_length(sight: Sight, part: Slice, size: Size) -> Size | None:
    """Return how many of `size` elements a slice picks; bounds that are not literals are taken to lie within."""
    step = 1 if part.step == Const(None) else static(sight.of(part.step))
    if type(step) is not int or step == 0:
        return None
    given = [part.lower, part.upper]
    bounds = [None if bound == Const(None) else sight.size(bound) for bound in given]
    if any(b is None and g != Const(None) for b, g in zip(bounds, given, strict=True)):
        return None
    numbers = [bound for bound in bounds if not isinstance(bound, Dim)]
    if isinstance(size, int) and len(numbers) == 2:
        return len(range(*slice(numbers[0], numbers[1], step).indices(size)))
    if step < 0:
        return size if step == -1 and bounds == [None, None] else None
    start, stop = (_from_start(bound, size) for bound in bounds)
    return _strided(0 if start is None else start, size if stop is None else stop, step)


def _from_start(bound: Size | None, size: Size) -> Size | None:
    if bound is None:
        return None
    return bound if sign(bound) != -1 else total((size, bound))


def _strided(start: Size, stop: Size, step: int) -> Size:
    length = stop - start
    return length if step == 1 else floor_div(length + (step - 1), step)


# ---- shapes as values, and containers ---------------------------------------------------------


def of_shape(name: str, shape: Shape | None, found: Abstract) -> Abstract:
    if name == "dtype":
        dtype = found.dtype if isinstance(found, Array) else None
        return None if dtype is None else Known(dtype)
    if shape is None:
        return None
    if isinstance(shape, Open):
        return ShapeTuple(shape) if name == "shape" else None
    match name:
        case "shape":
            return container(tuple, None, [as_integer(size) for size in shape])
        case "ndim":
            return Known(len(shape))
        case _:
            return as_integer(product(shape))


def as_integer(size: Size) -> Abstract:
    return Integer(size) if isinstance(size, Dim) else Known(size)


def item_of(found: Items, index: Abstract) -> Abstract:
    key = static(index)
    if key is MISSING:
        return None
    if found.kind is dict or isinstance(key, str):
        keys = found.keys or ()
        return found.items[keys.index(key)] if key in keys else None
    if isinstance(key, slice) and found.keys is None:
        return Items(found.kind, None, found.items[key], found.kind)
    if not isinstance(key, int) or not -len(found.items) <= key < len(found.items):
        return None
    return found.items[key]


def shape_item(found: ShapeTuple, index: Abstract) -> Abstract:
    key = static(index)
    if type(key) is int:
        size = open_dim(found.shape, key)
        return None if size is None else as_integer(size)
    if (
        isinstance(key, slice)
        and key.start is None
        and key.step is None
        and isinstance(key.stop, int)
    ):
        taken = back(found.shape, -key.stop) if key.stop < 0 else None
        return None if taken is None else ShapeTuple(taken[0])
    if (
        isinstance(key, slice)
        and key.stop is None
        and key.step is None
        and isinstance(key.start, int)
    ):
        split = front(found.shape, key.start) if key.start >= 0 else None
        return None if split is None else ShapeTuple(split[1])
    return None


__all__ = [
    "as_integer",
    "index_shape",
    "is_array_index",
    "item_of",
    "of_shape",
    "shape_item",
    "slice_length",
]
