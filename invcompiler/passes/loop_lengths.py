"""How many steps a loop has."""

from __future__ import annotations

from typing import Any

import jax

from invcompiler.ir.nodes import Each, Iter, Loop, LoopKind, Range
from invcompiler.ir.nodes import Reversed as FromTheEnd
from invcompiler.passes.emission import Emission
from invcompiler.passes.even_loops import length_of


def steps_of(emit: Emission, loop: Loop) -> int | None:
    """Return how many steps a loop has, if that is known."""
    if loop.kind in (LoopKind.FOR, LoopKind.COMPREHENSION) and loop.iterable is not None:
        return length_of(emit, loop.iterable)
    length = next((tree for name, tree in loop.options if name == "length"), None)
    if loop.iterable is None:
        known = None if length is None else emit.ask(lambda n: n, length)
    else:
        known = _length(emit, loop.iterable)
    return known.value if known is not None and isinstance(known.value, int) else None


def _length(emit: Emission, iterable: Iter) -> Any:
    match iterable:
        case FromTheEnd():
            return _length(emit, iterable.part)
        case Range():
            bounds = (iterable.start, iterable.stop, iterable.step)
            return emit.ask(_count, *bounds)
        case Each():
            return emit.ask(_rows, iterable.value)
        case _:
            first = iterable.parts[0] if hasattr(iterable, "parts") else iterable.part
            return _length(emit, first)


def _rows(aval: Any) -> int:
    return jax.tree.leaves(aval)[0].shape[0]


def _count(*bounds: Any) -> int | None:
    return len(range(*bounds)) if all(isinstance(b, int) for b in bounds) else None


__all__ = ["steps_of"]
