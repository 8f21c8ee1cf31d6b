"""Indices that keep elements in their order: contiguous parts along one axis, and axes turned round."""

from __future__ import annotations

from typing import Any

import jax

from invcompiler.ir.nodes import Const, Display, Slice, Tree


def is_flip(key: Tree) -> bool:
    """Whether an index keeps every element in its place along an axis, or turns the axis round: `[..., ::-1]`."""
    parts = key.items if isinstance(key, Display) and key.kind is tuple else (key,)
    return bool(parts) and all(map(_keeps_all, parts))


def _keeps_all(part: Tree) -> bool:
    if part == Const(Ellipsis):
        return True
    if not isinstance(part, Slice) or not part.lower == part.upper == Const(None):
        return False
    return part.step in (Const(None), Const(1), Const(-1))


def slab_of(aval: Any, index: Any) -> tuple | None:
    """Return (axis, start, stop, size, ndim, is one index) if `index` picks a contiguous part along one axis."""
    if not isinstance(aval, jax.ShapeDtypeStruct):
        return None
    parts = list(index) if isinstance(index, tuple) else [index]
    if not all(p is Ellipsis or isinstance(p, slice) or type(p) is int for p in parts):
        return None
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        fill = [slice(None)] * (len(aval.shape) - len(parts) + 1)
        parts[place : place + 1] = fill
    if len(parts) > len(aval.shape):
        return None
    picked = [
        (axis, part) for axis, part in enumerate(parts) if not _is_whole(part, aval.shape[axis])
    ]
    if len(picked) > 1:
        return None
    axis, part = picked[0] if picked else (0, slice(None))
    if not aval.shape:
        return None
    size = aval.shape[axis]
    if type(part) is int:
        if not -size <= part < size:
            return None  # clamped to the array
        start = part % size
        return axis, start, start + 1, size, len(aval.shape), True
    if not all(bound is None or type(bound) is int for bound in (part.start, part.stop, part.step)):
        return None
    start, stop, step = part.indices(size)
    if step != 1 or stop <= start:
        return None
    return axis, start, stop, size, len(aval.shape), False


def _is_whole(part: Any, size: int) -> bool:
    if not isinstance(part, slice):
        return False
    bounds = (part.start, part.stop, part.step)
    if not all(bound is None or type(bound) is int for bound in bounds):
        return False
    return part.indices(size) == (0, size, 1)


__all__ = ["is_flip", "slab_of"]
