"""Shapes as layouts: tuples of sizes, or `Open` ones, of which only the ends are known."""

from __future__ import annotations

from dataclasses import replace

from invcompiler.schedule.abstract import Open, Shape
from invcompiler.schedule.dims import Size, axis_of


def open_dim(shape: Open, axis: int) -> Size | None:
    """Return the size along `axis` of an array of unknown rank, which is taken to have that axis."""
    if axis >= 0:
        if axis < len(shape.lead):
            return shape.lead[axis]
        if shape.trail or shape.dropped_trail:
            return None
        return axis_of(shape.root, axis - len(shape.lead) + shape.dropped_lead)
    if -axis <= len(shape.trail):
        return shape.trail[axis]
    if shape.lead or shape.dropped_lead:
        return None
    return axis_of(shape.root, axis + len(shape.trail) - shape.dropped_trail)


def front(shape: Open, count: int) -> tuple[tuple[Size, ...], Open] | None:
    """Return the first `count` sizes and the rest of the shape; None if they may reach into its end."""
    missing = count - len(shape.lead)
    if missing <= 0:
        return shape.lead[:count], replace(shape, lead=shape.lead[count:])
    if shape.trail or shape.dropped_trail:
        return None
    sizes = tuple(axis_of(shape.root, shape.dropped_lead + i) for i in range(missing))
    rest = replace(shape, dropped_lead=shape.dropped_lead + missing, lead=())
    return shape.lead + sizes, rest


def back(shape: Open, count: int, is_apart: bool = False) -> tuple[Open, tuple[Size, ...]] | None:
    """Return the rest and the last `count` sizes; None if they may reach into its beginning.

    `is_apart` promises that they do not.
    """
    kept = len(shape.trail) - count
    if kept >= 0:
        return replace(shape, trail=shape.trail[:kept]), shape.trail[kept:]
    if (shape.lead or shape.dropped_lead) and not is_apart:
        return None
    sizes = tuple(axis_of(shape.root, i - shape.dropped_trail) for i in range(kept, 0))
    rest = replace(shape, dropped_trail=shape.dropped_trail - kept, trail=())
    return rest, sizes + shape.trail


def with_dim(shape: Shape, axis: int, size: Size | None) -> Shape | None:
    """Return `shape` with another size along `axis`."""
    if size is None:
        return None
    if isinstance(shape, tuple):
        if not -len(shape) <= axis < len(shape):
            return None
        axis %= len(shape)
        return (*shape[:axis], size, *shape[axis + 1 :])
    if axis >= 0:
        found = front(shape, axis + 1)
        return None if found is None else joined((*found[0][:-1], size), found[1], ())
    taken = back(shape, -axis)
    return None if taken is None else joined((), taken[0], (size, *taken[1][1:]))


def get_dim(shape: Shape, axis: int) -> Size | None:
    if isinstance(shape, tuple):
        return shape[axis] if -len(shape) <= axis < len(shape) else None
    return open_dim(shape, axis)


def split_shape(shape: Shape, ahead: int, behind: int) -> tuple[tuple, Shape, tuple] | None:
    """Return the first sizes, what lies between, and the last sizes."""
    if isinstance(shape, tuple):
        if ahead + behind > len(shape):
            return None
        end = len(shape) - behind
        return shape[:ahead], shape[ahead:end], shape[end:]
    first = front(shape, ahead)
    if first is None:
        return None
    last = back(first[1], behind, is_apart=True) if behind else (first[1], ())
    if last is None or (behind and shape.lead and ahead < len(shape.lead)):
        return None
    return first[0], last[0], last[1]


def joined(lead: tuple[Size, ...], middle: Shape, trail: tuple[Size, ...]) -> Shape:
    if isinstance(middle, tuple):
        return (*lead, *middle, *trail)
    return replace(middle, lead=(*lead, *middle.lead), trail=(*middle.trail, *trail))


def replaced(shape: Shape, axis: int, sizes: tuple[Size, ...]) -> Shape | None:
    """Return `shape` with several sizes in the place of one."""
    split = split_shape(shape, axis + 1, 0) if axis >= 0 else split_shape(shape, 0, -axis)
    if split is None:
        return None
    first, middle, last = split
    if axis >= 0:
        return joined((*first[:-1], *sizes), middle, ())
    return joined((), middle, (*sizes, *last[1:]))


# ---- broadcasting -------------------------------------------------------------------------------


def broadcast(shapes: list[Shape], leading: list[Shape]) -> Shape | None:
    """Return the shape that arrays of these shapes have together, None if it can't be told.

    Where ranks are unknown the `leading` shape is taken, if there is just one.
    """
    distinct = list(dict.fromkeys(shapes))
    if len(distinct) <= 1:
        return distinct[0] if distinct else ()
    if all(isinstance(shape, tuple) for shape in distinct):
        return _broadcast_known(distinct)
    found = list(dict.fromkeys(leading))
    return found[0] if len(found) == 1 else None


def _broadcast_known(shapes: list) -> tuple[Size, ...] | None:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    found = [_broadcast_sizes(sizes) for sizes in zip(*padded, strict=True)]
    return None if None in found else tuple(found)  # type: ignore[arg-type]


def _broadcast_sizes(sizes: tuple[Size, ...]) -> Size | None:
    distinct = [size for size in dict.fromkeys(sizes) if size != 1]
    if len(distinct) <= 1:
        return distinct[0] if distinct else 1
    numbers = [size for size in distinct if isinstance(size, int)]
    return numbers[0] if len(numbers) == 1 else None  # the others are that or 1


__all__ = [
    "back",
    "broadcast",
    "front",
    "get_dim",
    "joined",
    "open_dim",
    "replaced",
    "split_shape",
    "with_dim",
]
