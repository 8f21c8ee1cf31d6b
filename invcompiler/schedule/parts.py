"""The values of a loop by their role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from invcompiler.ir.nodes import (
    Display,
    Each,
    Enumerate,
    Iter,
    Loop,
    Range,
    Reversed,
    Tree,
    Var,
    Zip,
)


@dataclass(frozen=True)
class Parts:
    """The values of a loop by their role; `items` are (var in the body, container) of each item."""

    loop: Loop
    carries: tuple[Var, ...]
    items: tuple[tuple[Var, Tree], ...]
    new_carries: tuple[Tree, ...]
    collected: tuple[Tree, ...]

    @property
    def final(self) -> tuple[Var, ...]:
        return self.loop.outs[: len(self.carries)]

    @property
    def collections(self) -> tuple[Var, ...]:
        return self.loop.outs[len(self.carries) :]


def parts_of(loop: Loop) -> Parts:
    n = len(loop.init)
    assert isinstance(loop.body.result, Display)
    results = loop.body.result.items
    containers = [] if loop.iterable is None else list(containers_of(loop.iterable))
    items = tuple(zip(loop.body.params[n:], containers, strict=True))
    return Parts(loop, loop.body.params[:n], items, results[:n], results[n:])


def containers_of(iterable: Iter) -> Iterator[Tree]:
    """Yield, for each item of the loop's body, what it is taken from; counters come from what bounds them."""
    match iterable:
        case Range():
            yield Display(tuple, (iterable.start, iterable.stop, iterable.step))
        case Each():
            yield iterable.value
        case Zip():
            for part in iterable.parts:
                yield from containers_of(part)
        case Enumerate():
            yield iterable.start
            yield from containers_of(iterable.part)
        case Reversed():
            yield from containers_of(iterable.part)


def views_of(iterable: Iter) -> Iterator[str]:
    """Yield, for each item of the loop's body, which view of a dict it is taken from: "" if it is taken from the value itself."""
    match iterable:
        case Range():
            yield ""
        case Each():
            yield iterable.view
        case Zip():
            for part in iterable.parts:
                yield from views_of(part)
        case Enumerate():
            yield ""
            yield from views_of(iterable.part)
        case Reversed():
            yield from views_of(iterable.part)


def turned_of(iterable: Iter) -> Iterator[bool]:
    """Yield, for each item of the loop's body, whether it is taken from the end of its container first."""
    match iterable:
        case Range() | Each():
            yield False
        case Zip():
            for part in iterable.parts:
                yield from turned_of(part)
        case Enumerate():
            yield False
            yield from turned_of(iterable.part)
        case Reversed():
            for turned in turned_of(iterable.part):
                yield not turned
