"""How many steps a loop has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from invcompiler.ir.nodes import Each, Iter, Loop, LoopKind, Range
from invcompiler.ir.nodes import Reversed as FromTheEnd
from invcompiler.passes.emission import Emission


def steps_of(emit: Emission, loop: Loop) -> int | None:
    """Return how many steps a loop has, if that is known."""
    length = next((tree for name, tree in loop.options if name == "length"), None)
    if loop.iterable is None:
        known = None if length is None else emit.ask(lambda n: n, length)
    else:
        known = _length(emit, loop.iterable, items_of if loop.kind in _PYTHON else rows_of)
    return known.value if known is not None and isinstance(known.value, int) else None


def _length(emit: Emission, iterable: Iter, count: Callable[[Any], int]) -> Any:
    match iterable:
        case FromTheEnd():
            return _length(emit, iterable.part, count)
        case Range():
            bounds = (iterable.start, iterable.stop, iterable.step)
            return emit.ask(_count, *bounds)
        case Each():
            return emit.ask(count, iterable.value)
        case _:
            first = iterable.parts[0] if hasattr(iterable, "parts") else iterable.part
            return _length(emit, first, count)


def items_of(aval: Any) -> int:
    """Return how many steps a Python loop over a container or an array takes."""
    return aval.shape[0] if isinstance(aval, jax.ShapeDtypeStruct) else len(aval)


def rows_of(aval: Any) -> int:
    """Return how many steps a loop of `jax.lax` over arrays takes."""
    return jax.tree.leaves(aval)[0].shape[0]


_PYTHON = (LoopKind.FOR, LoopKind.COMPREHENSION)


def _count(*bounds: Any) -> int | None:
    return len(range(*bounds)) if all(isinstance(b, int) for b in bounds) else None


__all__ = ["steps_of"]
