"""The walk back over a loop that the plan runs in reverse: one loop, which carries primals and cotangents together.

    x, _ = lax.scan(layer, x, params)       def step(carry, w):
                                                x, x_bar = carry
                                                x, w_bar, x_bar = layer_bwd(x, w, x_bar)
                                                return (x, x_bar), w_bar
                                            (x, x_bar), params_bar = lax.scan(step, (x, x_bar), params, reverse=True)

Python loops are fenced step by step; a `scan` needs no fence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.errors import InvcompilerError
from invcompiler.ir.nodes import Const, Display, Loop, LoopKind, Tree, Var
from invcompiler.ir.walk import free_vars, leaves
from invcompiler.passes import adjoint_loops, invert_loops
from invcompiler.passes.activity import item_trees
from invcompiler.passes.adjoint import Pullback
from invcompiler.passes.cotangents import ZERO, Cotangents, bar_name
from invcompiler.passes.emission import Emission
from invcompiler.passes.ops import call
from invcompiler.passes.reconstruct import (
    Apart,
    Lost,
    Reconstructor,
    Retraced,
    Trace,
    anchor,
    fence_vars,
    retrace,
)
from invcompiler.passes.reconstruct_stores import Store, one_or_tuple
from invcompiler.passes.residuals import described
from invcompiler.rules.reversible_helpers import drift
from invcompiler.schedule.context import Context
from invcompiler.schedule.parts import Parts, parts_of
from invcompiler.schedule.plan import InvertLoop
from invcompiler.schedule.solve import solve

if TYPE_CHECKING:
    from invcompiler.passes.reconstruct_calls import Retracer


def fuse(retracer: Retracer, trace: Trace, step: InvertLoop) -> Pullback | None:
    """Return the pullback of a loop that is undone and gone back through at once, or None if it runs onwards."""
    if not step.backwards:
        return None
    return lambda cots: _pull(retracer, trace, step, cots)


@dataclass(frozen=True, eq=False)
class _Bars:
    """Which cotangents the loop back takes and gives: numbers of carried values, collections and items, and outer vars.

    `params` are those of the new loop for the carried and the outer ones, `inside` what the body knows them by; `rows` are
    those of the collections.
    """

    carried: tuple[int, ...]
    outer: tuple[Var, ...]
    collected: tuple[int, ...]
    items: tuple[int, ...]
    params: tuple[Var, ...]
    inside: tuple[Var, ...]
    rows: tuple[Var, ...]


def _pull(retracer: Retracer, trace: Trace, step: InvertLoop, cots: Cotangents) -> None:
    loop, emit = step.equation, cots.emit
    n = len(loop.init)
    bars = _bars(trace, loop)
    taken = [cots.take(loop.outs[i]) for i in (*bars.carried, *bars.collected)]
    if all(bar == ZERO for bar in taken):
        return
    numbers = (*bars.carried, *bars.collected)
    whole = [cots.whole(bar, loop.outs[i]) for bar, i in zip(taken, numbers, strict=True)]
    carried, collected = whole[: len(bars.carried)], whole[len(bars.carried) :]
    at_hand = trace.at_hand.__contains__
    outer = [cots.whole(cots.bars.pop(v, ZERO), v, at_hand) for v in bars.outer]
    written = _Writing(retracer, trace, step, bars, emit)
    finals, collections = written.loop([*carried, *outer], collected)
    undone, given_back = len(written.step.carried), len(written.step.items)
    recovered, outs = finals[:undone], finals[undone:]
    primals, gathered = collections[:given_back], collections[given_back:]
    written.bind(recovered, primals)
    cots.bars.update(zip(bars.outer, outs[len(bars.carried) :], strict=True))
    for number, out in zip(bars.carried, outs, strict=False):
        cots.give(loop.init[number], out)
    sources = item_trees(loop)
    for number, rows in zip(bars.items, gathered, strict=True):
        tree = sources[number - n]
        assert isinstance(rows, Var)
        if loop.kind is LoopKind.FOR:  # a list of them
            name = adjoint_loops.plural(bar_name(loop.body.params[number]))
            retracer.wishes.update({rows: name} if name else {})
        cots.give(tree, adjoint_loops.regrouped(emit, loop, tree, number - n, rows, True))


def _bars(trace: Trace, loop: Loop) -> _Bars:
    body, n = loop.body, len(loop.init)
    results = body.result.items  # type: ignore[union-attr]
    emit = trace.forward
    active = trace.active
    carried = tuple(i for i in range(n) if active(loop.outs[i]) or active(body.params[i]))
    collected = tuple(j for j in range(n, len(loop.outs)) if active(loop.outs[j]))
    items = tuple(i for i in range(n, len(body.params)) if active(body.params[i]))
    outer = tuple(v for v in free_vars(body) if active(v) and not emit.is_function(v))
    bar, carried_bar = adjoint_loops.bar_like, adjoint_loops.carried_bar
    params = [carried_bar(emit, body.params[i], results[i]) for i in carried]
    params += [bar(emit, var) for var in outer]
    inside = tuple(params)
    if loop.kind is LoopKind.FOR:
        inside = tuple(Var(var.name) for var in params)
        for new, var in zip(inside, params, strict=True):
            emit.avals.alike(new, var)
    rows = tuple(bar(emit, r if isinstance(r := results[j], Var) else None) for j in collected)
    return _Bars(carried, outer, collected, items, tuple(params), inside, rows)


@dataclass(eq=False)
class _Writing:
    """Writes the loop back into `emit`."""

    retracer: Retracer
    trace: Trace
    step: InvertLoop
    bars: _Bars
    emit: Emission

    def __post_init__(self) -> None:
        self.parts: Parts = parts_of(self.step.equation)
        self.outer = self._emitter(self.emit, None)
        self.carries: list[Var] = []
        self.sources: list = []
        self.kept: dict[Var, Var] = {}  # what the body keeps at each step: the collection of it
        self.store: Store | None = None

    def _emitter(self, builder: Emission, trace: Trace | None) -> Reconstructor:
        steady = {self.parts.carries[i] for i in self.step.precomputed}
        lost = set(self.step.equation.body.params) - steady
        return self.retracer.emitter(self.trace.plan, builder, trace, lost)

    def loop(self, bars: Sequence[Tree], rows: Sequence[Tree]) -> tuple[list[Tree], list[Tree]]:
        """Return what the loop leaves: its carried values, primals first, and what it collects, likewise."""
        inner = self._body()
        step, parts = self.step, self.parts
        self.retracer.went_through(step, inner, self.trace.plan.context, self.emit)
        n = len(self.bars.carried) + len(self.bars.outer)
        writer = inner.emitter
        writer.builder.equations[:] = inner.equations
        ends, number = invert_loops.close_carries(writer, parts, step), None
        self.store = self._store()
        if self.store is not None:
            undone = one_or_tuple(ends)
            ends, number = self.store.back(writer.builder, ends)
            inner.drifts.append(call(writer.builder, drift, undone, one_or_tuple(ends)))
        new = [*ends, *inner.results[:n]]
        worst = self._worst(inner)
        items = [*(writer.value(parts.items[i][0]) for i, _ in step.items), *inner.results[n:]]
        steady = invert_loops.steady_source(self.outer, writer, parts, step, [*new, *items])
        sources = [*self.sources, *([] if steady is None else [steady])]
        for tree, var in zip(rows, self.bars.rows, strict=True):
            sources.append(invert_loops.Source(invert_loops.in_order(parts, tree), (var,)))
        start = [self.outer.value(invert_loops.start_of(parts, step, i)) for i in step.carried]
        carries = [*self.carries, *self.bars.params]
        init = [*start, *bars]
        store = self.store
        if store is not None and store.item is not None:
            whole = invert_loops.in_order(parts, store.whole)
            sources.append(invert_loops.Source(whole, (store.item,)))
        if store is not None and store.count is not None and number is not None:
            carries, init = [*carries, store.count], [*init, Const(store.steps)]
            new = [*new, number]
        if worst is not None:
            carries, init, new = [*carries, worst[0]], [*init, Const(0.0)], [*new, worst[1]]
        written = invert_loops.Written(self.outer, parts, step, sources, carries, init)
        finals, collections = written.write(writer, new, items, None)
        if worst is not None:
            self.trace.drifts.append(finals.pop())
        if number is not None:
            finals.pop()
        self._hand_over(inner.trace)
        made = self.emit.equations[-1]
        self.trace.written.update(dict.fromkeys(made.outs, step.equation))
        return finals, collections

    def _store(self) -> Store | None:
        """Return which states are kept, if any: of a loop in a loop, for each step of the outer one."""
        every = self.retracer.store_every
        if every is None or not self.step.carried:
            return None
        return Store.of(self.emit, self.parts, self.step.carried, every)

    def _worst(self, inner: Retraced) -> tuple[Var, Tree] | None:
        """Return the carried value that is the worst drift so far, and what a step makes of it; None if nothing is checked."""
        if not inner.drifts or not self.retracer.checks:
            return None
        before = Var("worst")
        worst: Tree = before
        for found in inner.drifts:
            worst = call(inner.emitter.builder, jnp.maximum, worst, found)
        return before, worst

    def _body(self) -> Retraced:
        """Go back through the body, and undo more of what it carries where that is read."""
        loop = self.step.equation
        while True:
            try:
                return retrace(
                    loop.body,
                    self.step.plan,
                    lambda fused: self.trace.within(fused),
                    self._opened,
                    self._seed,
                    self._wanted,
                    self.retracer.apart,
                )
            except Lost as lost:
                name = f"`{lost.var.name}`" if lost.var.name else "a value"
                wider = _wider(self.step, self.parts, lost.var, self.trace.plan.context)
                if wider is None:
                    raise Apart(loop, f"{name} is not recovered step by step") from None
                self.step = wider

    def _opened(self, trace: Trace) -> Reconstructor:
        """Return the emitter of the body, in which what the step leaves behind is known."""
        writer = self._emitter(Emission(self.emit.avals), trace)
        self.carries = invert_loops.open_carries(writer, self.parts, self.step)
        self.sources = invert_loops.sources_of(self.outer, writer, self.parts, self.step)
        self.kept = {}
        for var in (*self.step.plan.kept, *trace.stacks):
            name = var.name or described(self.trace.plan.context.defining.get(var))
            stack, item = Var(adjoint_loops.plural(name)), Var(name)
            self.emit.avals.alike(item, var)
            writer.values[var] = item
            self.kept[var] = stack
            self.sources.append(
                invert_loops.Source(invert_loops.in_order(self.parts, stack), (item,))
            )
        if self.step.equation.kind is LoopKind.FOR and self.carries:
            inside = [Var(var.name, var.span) for var in self.carries]
            renamed = dict(zip(self.carries, inside, strict=True))
            for var, value in list(writer.values.items()):
                if value in renamed:
                    writer.values[var] = renamed[value]  # type: ignore[index]
            fence_vars(
                writer.builder,
                (*self.carries, *self.bars.params),
                (*inside, *self.bars.inside),
            )
        elif self.bars.inside != self.bars.params:
            writer.values.update(zip(self.bars.inside, self.bars.params, strict=True))
        new = [var for i in self.step.carried for var in leaves(self.parts.new_carries[i])]
        anchor(writer, self.step.equation.body, self.step.plan, new)
        return writer

    def _hand_over(self, trace: Trace) -> None:
        """Let the loop forward collect what its body keeps."""
        loop = self.step.equation
        if not self.kept and self.store is None and not trace.is_changed(loop.body):
            return
        before, after = Emission(self.emit.avals), Emission(self.emit.avals)
        whole = replace(loop, body=replace(loop.body, equations=trace.forwards(loop.body)))
        if self.store is not None:
            whole = self.store.forward(whole, before, after)
            self.trace.stacks.append(self.store.whole)
        result = whole.body.result
        assert isinstance(result, Display)
        items = replace(result, items=(*result.items, *self.kept))
        whole = replace(
            whole,
            outs=(*whole.outs, *self.kept.values()),
            body=replace(whole.body, result=items),
        )
        made = adjoint_loops.collecting(before, whole, list(self.kept))
        self.trace.replaced[loop] = (*before.equations, made, *after.equations)
        self.trace.stacks.extend(self.kept.values())

    def _seed(self, cots: Cotangents) -> None:
        bars, results = self.bars, self.step.equation.body.result.items  # type: ignore[union-attr]
        cots.bars.update(zip(bars.outer, bars.inside[len(bars.carried) :], strict=True))
        carried = bars.inside[: len(bars.carried)]
        numbers = (*bars.carried, *bars.collected)
        for number, bar in zip(numbers, (*carried, *bars.rows), strict=True):
            cots.give(results[number], bar)

    def _wanted(self, cots: Cotangents) -> list[Tree]:
        loop, n = self.step.equation, len(self.step.equation.init)
        params = loop.body.params
        whole = lambda var: cots.whole(cots.take(var), var, self.trace.at_hand.__contains__)
        return [
            *(whole(params[i]) for i in self.bars.carried),
            *(whole(var) for var in self.bars.outer),
            *(adjoint_loops.item_bar(loop, i - n, whole(params[i])) for i in self.bars.items),
        ]

    def bind(self, carried: Sequence[Tree], items: Sequence[Tree]) -> None:
        """Note the primals that the loop recovers, or what they should be."""
        loop = self.step.equation
        if loop in self.trace.sides:
            starts = (self.parts.loop.init[i] for i in self.step.carried)
            self.trace.checks.extend(zip(carried, starts, strict=True))
            return
        solved = set(self.step.solved)
        for i, value in zip(self.step.carried, carried, strict=True):
            var = loop.init[i]
            if isinstance(var, Var) and var in solved:
                self.trace.recovered.setdefault(var, value)
        for (i, container), value in zip(self.step.items, items, strict=True):
            self.trace.recovered[container] = invert_loops.as_container(
                self.outer, self.parts, self.step, i, container, value
            )


def _wider(step: InvertLoop, parts: Parts, carry: Var, context: Context) -> InvertLoop | None:
    """Return `step` with one more carried value undone, or None if that cannot be."""
    if carry not in parts.carries:
        return None
    number = parts.carries.index(carry)
    new = parts.new_carries[number]
    if number in step.carried or not isinstance(new, Var):
        return None
    given = dict.fromkeys((*step.plan.given, new))
    try:
        plan = solve(parts.loop.body, given, (*step.plan.targets, carry), context)
    except InvcompilerError:
        return None
    carried = tuple(sorted((*step.carried, number)))
    precomputed = tuple(i for i in step.precomputed if i != number)
    return replace(step, plan=plan, carried=carried, precomputed=precomputed)


__all__ = ["fuse"]
