"""What a Python loop walks together is cut to one length, where lengths are known: the walk back starts at its end.

    for a, b in zip(x, x[1:]):      x_1 = x[:3]
        ...                         for a, b in zip(x_1, x[1:]):
                                        ...

A zip stops with the shortest of its parts; what is left of the others has no cotangent, and a slice says so.
"""

from __future__ import annotations

import operator
from collections.abc import Sized
from dataclasses import replace
from typing import Any

import jax

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Const,
    Each,
    Enumerate,
    Equation,
    Function,
    Iter,
    Loop,
    LoopKind,
    Range,
    Ref,
    Reversed,
    Slice,
    Tree,
    Var,
    Zip,
)
from invcompiler.passes.avals import Avals

_PYTHON = (LoopKind.FOR, LoopKind.COMPREHENSION)


def even_loops(function: Function, avals: Avals) -> Function:
    """Return `function`, whose Python loops walk parts of one length wherever `avals` tell the lengths."""
    return replace(function, body=_Cut(avals).block(function.body))


def length_of(avals: Any, part: Iter) -> int | None:
    """Return how many items `part` has, or None if that is not known. `avals` answers questions: `ask`."""
    match part:
        case Reversed() | Enumerate():
            return length_of(avals, part.part)
        case Range():
            known = avals.ask(lambda *bounds: len(range(*bounds)), part.start, part.stop, part.step)
        case Each():
            known = avals.ask(_length, part.value)
        case Zip():
            lengths = [length_of(avals, one) for one in part.parts]
            return None if None in lengths else min(lengths)  # type: ignore[type-var]
    return None if known is None else known.value


def _length(aval: Any) -> int | None:
    """Return how many items a value has; a generator does not say."""
    if isinstance(aval, jax.ShapeDtypeStruct):
        return aval.shape[0]
    return len(aval) if isinstance(aval, Sized) else None


class _Cut:
    def __init__(self, avals: Avals):
        self.avals = avals

    def block(self, block: Block) -> Block:
        equations: list[Equation] = []
        for equation in block.equations:
            equations.append(self.equation(equation, equations))
        return replace(block, equations=tuple(equations))

    def equation(self, equation: Equation, before: list[Equation]) -> Equation:
        match equation:
            case Loop():
                iterable = equation.iterable
                if equation.kind in _PYTHON and iterable is not None:
                    iterable = self.even(iterable, before)
                return replace(equation, iterable=iterable, body=self.block(equation.body))
            case Branch():
                return replace(equation, blocks=tuple(map(self.block, equation.blocks)))
            case _:
                return equation

    def even(self, iterable: Iter, before: list[Equation]) -> Iter:
        match iterable:
            case Reversed() | Enumerate():
                return replace(iterable, part=self.even(iterable.part, before))
            case Zip(strict=False):
                length = length_of(self.avals, iterable)
                if length is None:
                    return iterable
                cut = [self.cut(part, length, False, before) for part in iterable.parts]
                return replace(iterable, parts=tuple(cut))
            case _:
                return iterable

    def cut(self, part: Iter, length: int, at_end: bool, before: list[Equation]) -> Iter:
        """Return the first `length` items of `part`, or the last ones (`at_end`)."""
        found = length_of(self.avals, part)
        assert found is not None
        if found == length:
            return self.even(part, before)
        match part:
            case Each(value=value):
                return replace(part, value=self.sliced(value, found, length, at_end, before))
            case Reversed():
                return Reversed(self.cut(part.part, length, not at_end, before))
            case Zip():
                even = self.even(part, before)
                assert isinstance(even, Zip)
                parts = (self.cut(one, length, at_end, before) for one in even.parts)
                return replace(even, parts=tuple(parts))
            case Enumerate(start=start):
                skipped = Const(found - length if at_end else 0)
                start = self.new(operator.add, (start, skipped), before) if at_end else start
                return Enumerate(self.cut(part.part, length, at_end, before), start)
            case Range():
                bounds = self.avals.ask(
                    lambda *b: range(*b)[-length:] if at_end else range(*b)[:length],
                    part.start,
                    part.stop,
                    part.step,
                )
                kept = bounds.value  # type: ignore[union-attr]
                return Range(Const(kept.start), Const(kept.stop), Const(kept.step))

    def sliced(
        self, value: Tree, found: int, length: int, at_end: bool, before: list[Equation]
    ) -> Tree:
        none = Const(None)
        index = (
            Slice(Const(found - length), none, none) if at_end else Slice(none, Const(length), none)
        )
        return self.new(operator.getitem, (value, index), before)

    def new(self, fn: Any, args: tuple[Tree, ...], before: list[Equation]) -> Var:
        out = Var(args[0].name if isinstance(args[0], Var) else None)
        before.append(Apply(out, Ref(fn, f"operator.{fn.__name__}", operator), args))
        return out


__all__ = ["even_loops", "length_of"]
