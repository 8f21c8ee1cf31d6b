"""Keep every k-th state of a loop: on the way back it takes the place of what was undone, so that drift goes no further.

    xs = every_kth(xs, 4)                       for layer, kept in zip(reversed(params), reversed(xs)):
                                                    x, layer_bar, x_bar = coupling_bwd(x, layer, x_bar)
                                                    x = latest(x, kept)

A Python loop keeps them in a list, a loop of `jax.lax` in arrays of as many rows, which it carries together with a count of
its steps.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from invcompiler.errors import UnsupportedSyntaxError
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Const,
    Display,
    Loop,
    LoopKind,
    Tree,
    Var,
)
from invcompiler.passes import adjoint_loops
from invcompiler.passes.emission import Emission
from invcompiler.passes.loop_lengths import steps_of
from invcompiler.passes.ops import call, ref, tuple_of
from invcompiler.rules.reversible_helpers import every_kth, latest, restored, room, stored
from invcompiler.schedule.parts import Parts


@dataclass(frozen=True, eq=False)
class Store:
    """What is kept of the states of a loop: `whole`, of which a Python loop takes an `item` at each step.

    A loop of `jax.lax` counts its `steps` down in `count`.
    """

    every: int
    parts: Parts
    carried: tuple[int, ...]
    whole: Var
    item: Var | None
    count: Var | None
    steps: int

    @classmethod
    def of(cls, emit: Emission, parts: Parts, carried: tuple[int, ...], every: int) -> Store:
        names = [parts.carries[i].name for i in carried]
        whole = Var(f"kept_{names[0]}" if names[0] else "kept")
        if parts.loop.kind is LoopKind.FOR:
            return cls(every, parts, carried, whole, Var("kept"), None, 0)
        steps = steps_of(emit, parts.loop)
        if steps is None:
            raise UnsupportedSyntaxError(
                "the number of steps of this loop is known at run time only, so that there is no room for every k-th state",
                span=parts.loop.span,
                hint="leave `store_every` out, or give the loop a Python int",
            )
        return cls(every, parts, carried, whole, None, Var("count"), steps)

    # ---- forward --------------------------------------------------------------------------------

    def forward(self, loop: Loop, before: Emission, after: Emission) -> Loop:
        """Return `loop`, which keeps states; `before` and `after` take what goes around it."""
        if self.item is not None:
            return self._listed(loop, after)
        assert self.count is not None
        rows = -(-self.steps // self.every)
        starts = [loop.init[i] for i in self.carried]
        space = before.call(room, one_or_tuple(starts), Const(rows))
        inner = Emission(before.avals)
        kept, number = Var(self.whole.name), Var(self.count.name)
        row = inner.call(operator.floordiv, number, Const(self.every))
        new = inner.call(
            stored, kept, one_or_tuple([self.parts.carries[i] for i in self.carried]), row
        )
        after_this = inner.call(operator.add, number, Const(1))
        n = len(loop.init)
        items = loop.body.result.items  # type: ignore[union-attr]
        params = (*loop.body.params[:n], kept, number, *loop.body.params[n:])
        result = Display(tuple, (*items[:n], new, after_this, *items[n:]))
        body = Block(params, (*inner.equations, *loop.body.equations), result)
        outs = (*loop.outs[:n], self.whole, Var(), *loop.outs[n:])
        return replace(loop, init=(*loop.init, space, Const(0)), outs=outs, body=body)

    def _listed(self, loop: Loop, after: Emission) -> Loop:
        every = Var(adjoint_loops.plural(self.parts.carries[self.carried[0]].name))
        states = one_or_tuple([self.parts.carries[i] for i in self.carried])
        items = loop.body.result.items  # type: ignore[union-attr]
        result = Display(tuple, (*items, states))
        after.add(Apply(self.whole, ref(every_kth), (every, Const(self.every)), (), loop.span))
        return replace(loop, outs=(*loop.outs, every), body=replace(loop.body, result=result))

    # ---- back -----------------------------------------------------------------------------------

    def back(self, emit: Any, ends: Sequence[Tree]) -> tuple[list[Tree], Tree | None]:
        """Return the states with those that were kept in place, and the count of this step."""
        if self.item is not None:
            found = call(emit, latest, one_or_tuple(ends), self.item)
            return _parts_of(emit, found, len(ends)), None
        assert self.count is not None
        number = call(emit, operator.sub, self.count, Const(1))
        found = call(emit, restored, one_or_tuple(ends), self.whole, number, Const(self.every))
        return _parts_of(emit, found, len(ends)), number


def one_or_tuple(trees: Sequence[Tree]) -> Tree:
    return trees[0] if len(trees) == 1 else tuple_of(trees)


def _parts_of(emit: Any, found: Tree, number: int) -> list[Tree]:
    if number == 1:
        return [found]
    return [call(emit, operator.getitem, found, Const(i)) for i in range(number)]


__all__ = ["Store", "one_or_tuple"]
