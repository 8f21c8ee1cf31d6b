"""The shape of an unknown by trial: the one rearrangement of the output's shape that the function makes the output's of.

    (3, 4, 4, 8)    is that of    (3, 8, 8, 2)    for a function that moves blocks of 2 x 2 pixels to the channels

What is tried are the axes in another order, axes that are a few times longer or shorter, neighbours that are one axis, a few
entries more or less along an axis, and the triangles of a matrix as a vector. Where two of them fit, neither is taken: the function does not tell which of them it was given.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

Shape = tuple[int, ...]

_FACTORS = (2, 4, 3, 8)
_MOST_AXES = 5
_MOST_MORE = 3


def probed(shapes: Sequence[Shape], fits: Callable[[Shape], bool]) -> Shape | None:
    """Return the one shape that `fits`, of those that are tried for outputs of `shapes`; None if none or several do."""
    tried = dict.fromkeys(shape for whole in _wholes(shapes) for shape in _shapes(whole))
    found = [shape for shape in tried if fits(shape)]
    return found[0] if len(found) == 1 else None


def _wholes(shapes: Sequence[Shape]) -> Iterator[Shape]:
    """Yield the shape of the output, or of all outputs together: one of them, longer along one axis."""
    if len(shapes) == 1:
        yield shapes[0]
        return
    total = sum(map(math.prod, shapes))
    for shape in shapes[:1]:
        size = math.prod(shape)
        if size and total % size == 0:
            for axis in reversed(range(len(shape))):
                yield (*shape[:axis], shape[axis] * (total // size), *shape[axis + 1 :])


def _shapes(shape: Shape) -> Iterator[Shape]:
    if not 0 < len(shape) <= _MOST_AXES:
        return
    yield from itertools.permutations(shape)
    yield from _merged(shape)
    yield from _longer(shape)
    yield from _triangles(shape)
    for factor in _FACTORS:
        yield from _exchanged(shape, factor)
        yield from _squeezed(shape, factor)


def _merged(shape: Shape) -> Iterator[Shape]:
    """Yield the shapes with some neighbouring axes as one."""
    for cuts in itertools.product((True, False), repeat=len(shape) - 1):
        groups = [[shape[0]]]
        for size, cut in zip(shape[1:], cuts, strict=True):
            if cut:
                groups.append([size])
            else:
                groups[-1].append(size)
        if len(groups) < len(shape):
            yield tuple(map(math.prod, groups))


def _longer(shape: Shape) -> Iterator[Shape]:
    """Yield the shapes with a few entries more, or less, along one axis."""
    for axis, size in enumerate(shape):
        for more in range(-_MOST_MORE, _MOST_MORE + 1):
            if more and size + more > 0:
                yield (*shape[:axis], size + more, *shape[axis + 1 :])


def _triangles(shape: Shape) -> Iterator[Shape]:
    """Yield the shapes with a triangle of square matrices as a vector: with its diagonal, and without."""
    if len(shape) >= 2 and shape[-1] == shape[-2]:
        n = shape[-1]
        yield (*shape[:-2], n * (n + 1) // 2)
        yield (*shape[:-2], n * (n - 1) // 2)


def _exchanged(shape: Shape, factor: int) -> Iterator[Shape]:
    """Yield the shapes with one axis so many times longer, and another shorter."""
    for longer, shorter in itertools.permutations(range(len(shape)), 2):
        yield from _scaled(shape, {longer: (factor, 1), shorter: (1, factor)})


def _squeezed(shape: Shape, factor: int) -> Iterator[Shape]:
    """Yield the shapes with two axes so many times longer, or shorter, and a third by the square of that shorter, or longer."""
    for depth in reversed(range(len(shape))):
        others = [axis for axis in range(len(shape)) if axis != depth]
        for one, two in itertools.combinations(others, 2):
            sides = {one: (factor, 1), two: (factor, 1)}
            yield from _scaled(shape, sides | {depth: (1, factor**2)})
            sides = {one: (1, factor), two: (1, factor)}
            yield from _scaled(shape, sides | {depth: (factor**2, 1)})


def _scaled(shape: Shape, factors: dict[int, tuple[int, int]]) -> Iterator[Shape]:
    """Yield the shape with the axes multiplied and divided by their factors, if that gives whole numbers."""
    sizes = list(shape)
    for axis, (times, by) in factors.items():
        if sizes[axis] % by:
            return
        sizes[axis] = sizes[axis] // by * times
    yield tuple(sizes)


__all__ = ["probed"]
