"""Functions that copy what they take into something larger: `pad`, `tile`, `repeat`, `broadcast_to`. The operand is a part of the value.

Of several copies the first is read; the others are redundant outputs, which are not checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Display, Slice, Tree, Var
from invcompiler.rules.canonical import Call
from invcompiler.schedule.context import Context
from invcompiler.schedule.positions import END, plus
from invcompiler.schedule.regions import Elements, Region, Span1, View

_WHOLE = Slice(Const(None), Const(None), Const(None))
COPIES = (jnp.pad, jnp.tile, jnp.repeat, jnp.broadcast_to)


def of_copy(equation: Apply, call: Call, context: Context) -> Iterable[View]:
    operand = next(iter(call.arguments.values()))
    if not isinstance(operand, Var):
        return
    region = _READINGS[call.fn](call, operand, context)
    if region is not None:
        yield View(operand, equation.out, region)


def _padded(call: Call, operand: Var, context: Context) -> Region | None:
    """All modes keep the operand in the middle."""
    widths, rank = context.paddings(call), context.facts.rank(operand)
    if widths is None or (rank is None and len(widths) == 1):
        return None
    if len(widths) == 1 and rank is not None:
        widths = widths * rank
    padded = [axis for axis, width in enumerate(widths) if width != (0, 0)]
    if not padded:
        return Span1(0, 0, END)
    if len(padded) == 1:
        before, after = widths[padded[0]]
        return Span1(padded[0], before, plus(END, -after) if after else END)
    slices = (_WHOLE if width == (0, 0) else _middle(*width) for width in widths)
    return _elements(list(slices))


def _middle(before: int, after: int) -> Slice:
    upper = Const(-after) if after else Const(None)
    return Slice(Const(before), upper, Const(None))


def _repeated(call: Call, operand: Var, context: Context) -> Region | None:
    times = context.static_int(call.arguments["repeats"])
    axis = call.arguments["axis"]
    if axis == Const(None) and context.facts.rank(operand) == 1:
        axis = Const(0)
    if times is None or times < 1 or not isinstance(axis, Const) or type(axis.value) is not int:
        return None
    return Span1(axis.value, 0, END, times)


def _tiled(call: Call, operand: Var, context: Context) -> Region | None:
    shape, reps = context.concrete_shape(operand), _integers(call.arguments["reps"], context)
    if shape is None or reps is None or min(reps, default=1) < 1:
        return None
    extra = max(len(reps) - len(shape), 0)
    times = (1,) * max(len(shape) - len(reps), 0) + tuple(reps)[extra:]
    parts = [
        _WHOLE if n == 1 else Slice(Const(None), Const(size), Const(None))
        for n, size in zip(times, shape, strict=True)
    ]
    return _elements([*(Const(0) for _ in range(extra)), *parts])


def _broadcast(call: Call, operand: Var, context: Context) -> Region | None:
    own, shape = context.concrete_shape(operand), context.facts.shape(operand)
    wanted = _integers(call.arguments["shape"], context)
    if own is None or shape is None or wanted is None or len(wanted) < len(own) or 0 in wanted:
        return None
    extra = len(wanted) - len(own)
    first = Slice(Const(None), Const(1), Const(None))
    parts = [_WHOLE if n == size else first for n, size in zip(own, wanted[extra:], strict=True)]
    return _elements([*(Const(0) for _ in range(extra)), *parts])


def _elements(parts: list[Tree]) -> Region:
    while len(parts) > 1 and parts[-1] == _WHOLE:
        parts.pop()
    if parts == [_WHOLE] or not parts:
        return Span1(0, 0, END)
    if parts == [Const(0)]:
        return Span1(0, 0, 1, squeezed=True)
    return Elements(parts[0] if len(parts) == 1 else Display(tuple, tuple(parts)))


def _integers(tree: Tree, context: Context) -> Sequence[int] | None:
    if isinstance(tree, Display) and tree.kind in (list, tuple):
        found = [context.static_int(item) for item in tree.items]
        return None if None in found else found  # type: ignore[return-value]
    number = context.static_int(tree)
    if number is not None:
        return [number]
    known = context.facts.static(tree)
    if known is None or not isinstance(known.value, tuple | list):
        return None
    return known.value if all(type(n) is int for n in known.value) else None


_READINGS = {
    jnp.pad: _padded,
    jnp.repeat: _repeated,
    jnp.tile: _tiled,
    jnp.broadcast_to: _broadcast,
}
