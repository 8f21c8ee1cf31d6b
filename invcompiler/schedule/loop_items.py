"""Loops that count through an array go through its items: `x[i]` for all `i` are the items of `x`.

What a loop writes into the `i`-th place of an array at each step, and nowhere else, is what it collects: the array is
the stack of it. Scheduled as items and collections, such loops are autoregressive loops like any other.

    for i in range(4):                      for x_i in x:
        y = y.at[i].set(x[i] + y.sum())         v = x_i + y.sum(); y = y.at[i].set(v)
    return y                                return jnp.stack([v of each step])

Where no shape is known an axis is taken to have as many items as the loop has steps; it is told when the function is called.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import jax.numpy as jnp

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Const,
    Display,
    Each,
    Equation,
    Function,
    Iter,
    Loop,
    LoopKind,
    Method,
    Range,
    Ref,
    Tree,
    Var,
    Zip,
)
from invcompiler.ir.walk import free_vars, leaves, map_block, operands
from invcompiler.schedule.abstract import Abstract
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.taint import tainted
from invcompiler.schedule.views import is_shape_query

_PYTHON = (LoopKind.FOR, LoopKind.COMPREHENSION)


def show_items(
    function: Function, facts: Facts, unknown: tuple[Var, ...]
) -> tuple[Function, Facts]:
    """Return a function of the same value, and its facts. Only loops that unknowns flow through are touched."""
    if not any(
        isinstance(e, Loop) and isinstance(e.iterable, Range) for e in _loops(function.body)
    ):
        return function, facts
    showing = _Showing(facts, tainted(function.body, unknown))
    body = showing.block(function.body)
    if not showing.found and body is function.body:
        return function, facts
    function = replace(function, body=body)
    return function, replace(facts, function=function, values={**facts.values, **showing.found})


def _loops(block: Block) -> Iterator[Loop]:
    for equation in block.equations:
        if isinstance(equation, Loop):
            yield equation
            yield from _loops(equation.body)


@dataclass(eq=False)
class _Showing:
    """Rebuilds blocks; `found` is what is known of the new values."""

    facts: Facts
    touched: frozenset[Var]
    found: dict[Var, Abstract] = field(default_factory=dict)
    defining: dict[Var, Equation] = field(default_factory=dict)

    def block(self, block: Block) -> Block:
        equations: list[Equation] = []
        changed: dict[Var, Tree] = {}
        for equation in block.equations:
            self.defining.update(dict.fromkeys(equation.outs, equation))
            equations += self.equation(equation, changed)
        same = len(equations) == len(block.equations) and all(
            one is other for one, other in zip(equations, block.equations, strict=True)
        )
        if same:
            return block
        made = replace(block, equations=tuple(equations))
        if not changed:
            return made
        bound = {out for e in equations for out in e.outs} & set(changed)
        assert bound == set(changed)
        return _with_uses_of(made, changed)

    def equation(self, equation: Equation, changed: dict[Var, Tree]) -> Iterator[Equation]:
        if not isinstance(equation, Loop):
            yield equation
            return
        body = self.block(equation.body)
        loop = equation if body is equation.body else replace(equation, body=body)
        if not isinstance(loop.iterable, Range) or not _counts_up(loop.iterable):
            yield loop
            return
        yield from _Counting(self, loop).equations(changed)

    def is_known(self, tree: Tree) -> bool:
        """Whether the value of `tree` does not depend on that of an unknown; `jnp.zeros_like(x)` does not."""
        return all(var not in self.touched or self._is_made_of_knowns(var) for var in leaves(tree))

    def _is_made_of_knowns(self, var: Var) -> bool:
        made = self.defining.get(var)
        if made is None:
            return False
        read = operands(made)
        return all(map(self.is_known, read[1:] if is_shape_query(made) else read))

    def is_whole(self, count: Tree, array: Tree) -> bool:
        """Whether `count` steps reach every item of an array, as far as is known."""
        steps, size = self.facts.value_dim(count), self.facts.dim(array, 0)
        if steps is None or size is None or steps == size:
            return True
        return not (isinstance(steps, int) and isinstance(size, int))


def _counts_up(iterable: Range) -> bool:
    return iterable.start == Const(0) and iterable.step == Const(1)


def _with_uses_of(block: Block, changed: dict[Var, Tree]) -> Block:
    """Replace every use of a var but in the equation that makes its new value."""
    makers = {var for tree in changed.values() for var in leaves(tree)}
    kept = {e for e in block.equations if not makers.isdisjoint(e.outs)}
    whole = map_block(lambda var: changed.get(var, var), block)
    equations = tuple(
        old if old in kept else new
        for old, new in zip(block.equations, whole.equations, strict=True)
    )
    return replace(whole, equations=equations)


class _Counting:
    """One loop over `range(n)`."""

    def __init__(self, showing: _Showing, loop: Loop):
        assert isinstance(loop.iterable, Range)
        self.showing = showing
        self.loop = loop
        self.count = loop.iterable.stop
        self.number = len(loop.init)
        self.counter = loop.body.params[self.number]
        self.defining = {out: e for e in loop.body.equations for out in e.outs}

    def equations(self, changed: dict[Var, Tree]) -> Iterator[Equation]:
        items = self._items()
        written = self._written()
        if not items and not written:
            yield self.loop
            return
        loop, before = self._over(items)
        yield from before
        yield from self._collecting(loop, written, changed)

    # ---- items ------------------------------------------------------------------------------

    def _items(self) -> dict[Var, list[Var]]:
        """Return the arrays that unknowns flow into, with the reads of their item of each step."""
        found: dict[Var, list[Var]] = {}
        free = set(free_vars(self.loop.body))
        for equation in self.loop.body.equations:
            if _is_getitem(equation) and equation.args[1] == self.counter:  # type: ignore[union-attr]
                array = equation.args[0]  # type: ignore[union-attr]
                if array in free and array in self.showing.touched and self._is_array(array):
                    found.setdefault(array, []).append(equation.outs[0])  # type: ignore[arg-type]
        return {a: reads for a, reads in found.items() if self.showing.is_whole(self.count, a)}

    def _is_array(self, tree: Tree) -> bool:
        return self.showing.facts.structure(tree) is None

    def _over(self, items: dict[Var, list[Var]]) -> tuple[Loop, list[Equation]]:
        """Return the loop over the items, and the equations that it needs before it."""
        if not items:
            return self.loop, []
        reads = {read: group[0] for group in items.values() for read in group}
        kept = tuple(e for e in self.loop.body.equations if e.outs[0] not in reads)
        body = map_block(lambda var: reads.get(var, var), replace(self.loop.body, equations=kept))
        params = self.loop.body.params[: self.number]
        parts: list[Iter] = [Each(array) for array in items]
        item_params = [group[0] for group in items.values()]
        before: list[Equation] = []
        kind, counts = self.loop.kind, self.counter in free_vars(replace(body, params=()))
        if kind is LoopKind.FORI:
            kind = LoopKind.SCAN
        if counts:
            counter: Iter = Range(Const(0), self.count)
            if kind is LoopKind.SCAN:
                numbers = Var("numbers")
                before = [Apply(numbers, Ref(jnp.arange, "jnp.arange", jnp), (self.count,))]
                counter = Each(numbers)
            parts.insert(0, counter)
            item_params.insert(0, self.counter)
        body = replace(body, params=(*params, *item_params))
        iterable = parts[0] if len(parts) == 1 else Zip(tuple(parts))
        return replace(self.loop, kind=kind, iterable=iterable, body=body), before

    # ---- collections ------------------------------------------------------------------------

    def _written(self) -> dict[int, Var]:
        """Return what is written in the place of each step, by the numbers of the carried arrays."""
        found: dict[int, Var] = {}
        results = self.loop.body.result
        assert isinstance(results, Display)
        for number in range(self.number):
            value = self._set(results.items[number], self.loop.body.params[number])
            init = self.loop.init[number]
            if (
                value is None
                or not self.showing.is_known(init)
                or not self.showing.is_whole(self.count, init)
            ):
                continue
            if self._fits(value, init):
                found[number] = value
        return found

    def _set(self, new: Tree, carry: Var) -> Var | None:
        """Return `v` if the new carried value is `carry.at[i].set(v)`."""
        made = self.defining.get(new) if isinstance(new, Var) else None
        if not isinstance(made, Apply) or made.fn != Method("set") or len(made.args) != 2:
            return None
        place = self.defining.get(made.args[0])  # type: ignore[arg-type]
        if place is None or not _is_getitem(place) or place.args[1] != self.counter:  # type: ignore[union-attr]
            return None
        at = self.defining.get(place.args[0])  # type: ignore[union-attr, arg-type]
        if not isinstance(at, Apply) or at.args != (carry, Const("at")) or made.kwargs:
            return None
        value = made.args[1]
        touched = isinstance(value, Var) and value in self.showing.touched
        return value if touched and isinstance(value, Var) else None

    def _fits(self, value: Var, init: Tree) -> bool:
        """Whether a row is like the value, as far as is known: nothing is broadcast or cast."""
        facts = self.showing.facts
        row, own = facts.shape(init), facts.shape(value)
        if row is not None and own is not None and row[1:] != own:
            return False
        one, other = facts.dtype(init), facts.dtype(value)
        return one is None or other is None or one == other

    def _collecting(
        self, loop: Loop, written: dict[int, Var], changed: dict[Var, Tree]
    ) -> Iterator[Equation]:
        if not written:
            yield loop
            return
        result = loop.body.result
        assert isinstance(result, Display)
        collected = [Var(loop.outs[number].name) for number in written]
        body = replace(loop.body, result=replace(result, items=(*result.items, *written.values())))
        kind, iterable, before = loop.kind, loop.iterable, []
        if kind is LoopKind.FORI:
            numbers = Var("numbers")
            before = [Apply(numbers, Ref(jnp.arange, "jnp.arange", jnp), (self.count,))]
            kind, iterable = LoopKind.SCAN, Each(numbers)
        yield from before
        yield replace(loop, kind=kind, iterable=iterable, outs=(*loop.outs, *collected), body=body)
        for number, collection in zip(written, collected, strict=True):
            final = loop.outs[number]
            self.showing.touched |= {collection}
            if kind in _PYTHON:
                stacked = Var(final.name, final.span)
                yield Apply(stacked, Ref(jnp.stack, "jnp.stack", jnp), (collection,), (), loop.span)
            else:
                stacked = collection
            self.showing.found[stacked] = self.showing.facts.of(final)
            self.showing.touched |= {stacked}
            changed[final] = stacked


def _is_getitem(equation: Equation) -> bool:
    return (
        isinstance(equation, Apply)
        and isinstance(equation.fn, Ref)
        and equation.fn.value is operator.getitem
    )
