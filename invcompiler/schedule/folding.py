"""A builder that sees through containers as they become known: `f(*(a, b))` is `f(a, b)`, a loop over a display is its steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import (
    Closure,
    Display,
    Each,
    Equation,
    Loop,
    LoopKind,
    Method,
    Ref,
    Span,
    Star,
    Tree,
    Var,
)

_PYTHON = (LoopKind.FOR, LoopKind.COMPREHENSION)


class Folding(Builder):
    """Collects equations like any builder, and folds more of what is put in."""

    def apply(
        self,
        fn: Ref | Var | Method | Closure,
        args: Iterable[Tree],
        kwargs: Iterable[tuple[str | None, Tree]] = (),
        *,
        name: str | None = None,
        span: Span | None = None,
        arity: int | None = None,
    ) -> Tree:
        spliced = tuple(_spliced(args))
        named = tuple(_named(kwargs))
        return super().apply(fn, spliced, named, name=name, span=span, arity=arity)

    def _inline(self, equation: Equation) -> tuple[Tree, ...]:
        if isinstance(equation, Loop):
            items = self.items(equation)
            if items is not None:
                return self._unrolled(equation, items)
        return super()._inline(equation)

    def items(self, loop: Loop) -> tuple[Tree, ...] | None:
        """Return what a loop is unrolled over, or None if it stays a loop."""
        return _items(loop)

    def _unrolled(self, loop: Loop, items: tuple[Tree, ...]) -> tuple[Tree, ...]:
        carry = loop.init
        collected: list[tuple[Tree, ...]] = []
        for item in items:
            arguments = dict(zip(loop.body.params, (*carry, item), strict=True))
            result = self.inline_block(loop.body, arguments)
            assert isinstance(result, Display)
            carry = result.items[: len(loop.init)]
            collected.append(result.items[len(loop.init) :])
        lists = (
            Display(list, tuple(step[number] for step in collected))
            for number in range(len(loop.outs) - len(loop.init))
        )
        return (*carry, *lists)


def _items(loop: Loop) -> tuple[Tree, ...] | None:
    """Return the items of a Python loop over a container whose items the text shows."""
    if loop.kind not in _PYTHON or not isinstance(loop.iterable, Each) or loop.iterable.view:
        return None
    value = loop.iterable.value
    if not isinstance(value, Display) or value.kind not in (tuple, list):
        return None
    items = tuple(_spliced(value.items))
    return None if any(isinstance(item, Star) for item in items) else items


def _spliced(trees: Iterable[Tree]) -> Iterable[Tree]:
    for tree in trees:
        match tree:
            case Star(value=Display(keys=None) as inner):
                yield from _spliced(inner.items)
            case Display():
                yield replace(tree, items=tuple(_spliced(tree.items)))
            case _:
                yield tree


def _named(kwargs: Iterable[tuple[str | None, Tree]]) -> Iterable[tuple[str | None, Any]]:
    for name, tree in kwargs:
        if name is None and isinstance(tree, Display) and tree.kind is dict:
            yield from zip(tree.keys or (), tree.items, strict=True)
        else:
            yield name, tree
