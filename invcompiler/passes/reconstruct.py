"""The walk back that keeps nothing: primals come from the output, by the plan of the inverse, and meet the cotangents on the way.

    def flow(params, x):                back, given params, x and x_bar
        for layer in params:                for layer in reversed(params):
            x = coupling(layer, x)              x, layer_bar, x_bar = coupling_bwd(x, layer, x_bar)
        return x                                layer_bars.append(layer_bar)

A block is gone through twice, and neither way knows of the other. The *plan* makes every primal known from what the block leaves
behind; the *pullbacks* of its equations, last one first, read forward vars. Both write equations, and the order of the
whole is that of the dataflow alone. A call or a loop that the plan runs in reverse and that has a cotangent is written once, as one
that returns both the primals and the cotangents of what it took. Where each of the two waits for the other, it is undone first and gone
back through afterwards.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax

from invcompiler.ir.nodes import Apply, Block, Const, Display, Equation, Loop, Tree, Var
from invcompiler.ir.walk import free_vars, leaves, map_block, operands
from invcompiler.passes.adjoint import Pullback, Walk
from invcompiler.passes.containers import GETITEM
from invcompiler.passes.cotangents import Cotangents, Sums
from invcompiler.passes.dead_code import live_block
from invcompiler.passes.emission import Emission, reference
from invcompiler.passes.invert import Emitter, Inverter
from invcompiler.passes.reconstruct_exact import ON_GRID, added_by, rounded, updates
from invcompiler.rules.reversible_helpers import drift
from invcompiler.schedule.functions import FunctionPlan
from invcompiler.schedule.loops import forward_closure
from invcompiler.schedule.plan import (
    CallInverse,
    InvertBranch,
    InvertLoop,
    Isolate,
    Plan,
    Step,
)
from invcompiler.schedule.sides import sides

Fused = CallInverse | InvertLoop | InvertBranch


class Apart(Exception):
    """An equation whose reconstruction and whose cotangents cannot be had in one go."""

    def __init__(self, equation: Equation, reason: str):
        super().__init__(reason)
        self.equation = equation
        self.reason = reason


class Lost(Exception):
    """A primal that the way back reads, and that the plan does not recover."""

    def __init__(self, var: Var):
        super().__init__(var.name or "a value")
        self.var = var


# ---- the two walks ----------------------------------------------------------------------------------


@dataclass(eq=False)
class Trace(Walk):
    """The walk forward over a block whose equations `fused` are undone and gone back through in one go.

    `sides` are those of them that need not be undone for the values that they recover: those are known by other means.
    `recovered` are the primals that the pullbacks of those return, `written` what each of them was written for. What they
    keep is handed over as `stacks`, by the equations that stand in the place of others in `replaced`. `checks` are values that were
    undone although they are known, and what they are known to be; `drifts` how far values within calls and loops are off.
    """

    plan: FunctionPlan = None  # type: ignore[assignment]
    fused: Mapping[Equation, Fused] = field(default_factory=dict)
    fuse: Callable[[Trace, Fused], Any] = lambda trace, step: None
    fences: bool = True
    sides: frozenset[Equation] = frozenset()
    exact: bool = False
    sums: Sums | None = None
    recovered: dict[Var, Tree] = field(default_factory=dict)
    written: dict[Var, Equation] = field(default_factory=dict)
    stacks: list[Var] = field(default_factory=list)
    replaced: dict[Equation, tuple[Equation, ...]] = field(default_factory=dict)
    checks: list[tuple[Tree, Tree]] = field(default_factory=list)
    drifts: list[Tree] = field(default_factory=list)
    _made: dict[Var, Equation] = field(default_factory=dict)
    _indexed: int = 0

    def equation(self, equation: Equation) -> None:
        step = self.fused.get(equation)
        pullback = None
        if step is not None and any(map(self.active, equation.outs)):
            pullback = self.fuse(self, step)
        if pullback is None:
            before = len(self.pullbacks)
            super().equation(equation)
            self.pullbacks[before:] = [self._summing(p, equation) for p in self.pullbacks[before:]]
            return
        self.definitions.update(dict.fromkeys(equation.outs, equation))
        self.forward.keep(equation)
        is_loop = isinstance(equation, Loop)  # in its body
        self.pullbacks.append(pullback if is_loop else self._summing(pullback, equation))

    def _summing(self, pullback: Pullback, equation: Equation) -> Pullback:
        """Return a pullback that sums what it gives to values that all examples share."""
        sums = self.sums
        if sums is None or sums.mapped.isdisjoint(equation.outs):
            return pullback

        def summing(cots: Cotangents) -> None:
            with cots.summing(sums):
                pullback(cots)

        return summing

    def making(self, var: Var) -> Equation | None:
        """Return the equation of the walk forward that binds `var`; None if it comes from outside."""
        for equation in self.forward.equations[self._indexed :]:
            self._made.update(dict.fromkeys(equation.outs, equation))
        self._indexed = len(self.forward.equations)
        return self._made.get(var)

    def forwards(self, block: Block) -> tuple[Equation, ...]:
        """Return the equations of `block`, which hand over what is kept."""
        parts = (self.replaced.get(equation, (equation,)) for equation in block.equations)
        return tuple(equation for part in parts for equation in part)

    def is_changed(self, block: Block) -> bool:
        return any(equation in self.replaced for equation in block.equations)

    def within(self, fused: Mapping[Equation, Fused]) -> Trace:
        """Return the walk over the body of a loop in this block, which needs no fences of its own."""
        return Trace(
            self.forward.nested(),
            self.varied,
            self.useful,
            self.pairs,
            self.at_hand,
            self.recompute,
            self.definitions,
            plan=self.plan,
            fused=fused,
            fuse=self.fuse,
            fences=False,
            exact=self.exact,
            sums=self.sums,
        )


class Reconstructor(Emitter):
    """Writes a plan. What runs forward is what the walk made of it, so that its residuals are at hand for the cotangents."""

    def __init__(
        self,
        inverter: Inverter,
        plan: FunctionPlan,
        builder: Emission,
        trace: Trace | None = None,
        lost: Iterable[Var] = (),
        parent: Reconstructor | None = None,
    ):
        super().__init__(inverter, plan, inverter.product, parent)
        self.builder: Emission = builder
        self.trace = trace
        self.lost = frozenset(lost)
        self.exact = False  # what is added is on the grid
        self.anchored: list[tuple[Tree, Tree]] = []  # what was undone, and what it is known to be
        self.again: list[Equation] = []  # what was run forward

    def nested(self) -> Reconstructor:
        """Return an emitter for a block inside this one, which the walk does not know."""
        return Reconstructor(self.inverter, self.plan, self.builder.nested(), parent=self)

    def step(self, step: Step) -> None:
        trace = self.trace
        if trace is not None and isinstance(step, Fused) and trace.fused.get(step.equation) is step:
            if all(var in trace.recovered for var in step.solves):
                for var in step.solves:
                    self.bind(var, trace.recovered[var])
                return
        super().step(step)

    def isolate(self, step: Isolate) -> None:
        added = added_by(step) if self.exact else None
        if added is not None:
            value = Var()
            self.values[value] = self.builder.apply(ON_GRID, (self.value(added[1]),))
            step = rounded(step, value)
        super().isolate(step)

    def forward(self, equation: Equation) -> None:
        if self.trace is None:
            super().forward(equation)
            return
        for out in equation.outs:
            self.supply(out)

    def supply(self, var: Var) -> None:
        """Make the forward var known: as the plan has it, or by running what makes it."""
        waiting = [var]
        while waiting:
            here = waiting[-1]
            made = None if here in self.values else self._making(here)
            if made is None:
                waiting.pop()
                continue
            missing = [v for v in operands(made) if v not in self.values and self._making(v)]
            if missing:
                waiting.extend(missing)
                continue
            super().forward(made)
            self.again.append(made)
            waiting.pop()

    def _making(self, var: Var) -> Equation | None:
        assert self.trace is not None
        made = self.trace.making(var)
        if made is None and var in self.lost and var not in self.values:
            raise Lost(var)
        return made


# ---- one block --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Retraced:
    """A block gone back through: the equations in order, and what was asked for in terms of them.

    `drifts` say how far values that were undone are from what they are known to be.
    """

    equations: list[Equation]
    results: list[Tree]
    drifts: list[Tree]
    emitter: Reconstructor
    trace: Trace


def retrace(
    block: Block,
    steps: Plan,
    walk: Callable[[Mapping[Equation, Fused]], Trace],
    emitter: Callable[[Trace], Reconstructor],
    seed: Callable[[Cotangents], None],
    wanted: Callable[[Cotangents], Sequence[Tree]],
    apart: dict[Equation, str],
) -> Retraced:
    """Go back through `block`.

    `walk` and `emitter` make the two walks, `seed` gives the cotangents of what the block leaves behind, and `wanted` takes those
    that are asked for. Equations that cannot be gone through in one go are added to `apart`, with the reason.
    """
    context = walk({}).plan.context
    every: dict[Equation, Fused] = {
        step.equation: step for step in steps.steps if isinstance(step, Fused)
    }
    beside = sides(block, steps, context)
    every.update(beside)
    while True:
        trace = walk({equation: step for equation, step in every.items() if equation not in apart})
        trace.sides = frozenset(beside)
        if trace.exact:
            trace.replaced.update(updates(steps))
        try:
            return _retraced(block, steps, trace, emitter, seed, wanted)
        except Apart as found:
            if found.equation not in every:
                raise
            apart[found.equation] = found.reason


def _retraced(
    block: Block,
    steps: Plan,
    trace: Trace,
    emitter: Callable[[Trace], Reconstructor],
    seed: Callable[[Cotangents], None],
    wanted: Callable[[Cotangents], Sequence[Tree]],
) -> Retraced:
    trace.block(block)
    cots = Cotangents(trace.forward.nested(), trace.active)
    seed(cots)
    trace.back(cots)
    results = tuple(wanted(cots))
    found = tuple(tree for tree, _ in trace.checks)
    read = (*results, *trace.drifts, *found, *trace.recovered.values())
    back = live_block(cots.emit.block((), Display(tuple, read)))
    writer = emitter(trace)
    writer.run(steps)
    for var in (*free_vars(back), *(v for _, tree in trace.checks for v in leaves(tree))):
        writer.supply(var)
    back = map_block(lambda var: writer.values.get(var, var), back)
    every = [*writer.builder.equations, *back.equations]
    equations = _in_order(every, trace.written)
    assert isinstance(back.result, Display)
    items = list(back.result.items)
    first = len(results) + len(trace.drifts)
    after = Emission(trace.forward.avals)
    drifts = items[len(results) : first]
    for tree, (_, known) in zip(items[first:], trace.checks, strict=False):
        drifts.append(after.call(drift, tree, writer.value(known)))
    drifts += [after.call(drift, found, known) for found, known in writer.anchored]
    equations += after.equations
    return Retraced(equations, items[: len(results)], drifts, writer, trace)


def _in_order(equations: Sequence[Equation], written: Mapping[Var, Equation]) -> list[Equation]:
    """Return `equations` with each behind what it reads, in their own order otherwise.

    Raises Apart if some wait for each other, for one that is undone and gone back through in one go.
    """
    makers = {out: number for number, e in enumerate(equations) for out in e.outs}
    waiting: list[int] = []
    readers: dict[int, list[int]] = {}
    for number, equation in enumerate(equations):
        needs = {makers[var] for var in operands(equation) if var in makers}
        waiting.append(len(needs))
        for need in needs:
            readers.setdefault(need, []).append(number)
    ready = [number for number, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order: list[Equation] = []
    while ready:
        number = heapq.heappop(ready)
        order.append(equations[number])
        for reader in readers.get(number, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    if len(order) == len(equations):
        return order
    stuck = [e for number, e in enumerate(equations) if waiting[number]]
    for equation in stuck:
        for out in equation.outs:
            if out in written:
                raise Apart(written[out], "its cotangent waits for values that it recovers")
    raise AssertionError("equations wait for each other")


def anchor(writer: Reconstructor, block: Block, plan: Plan, ends: Iterable[Var]) -> None:
    """Take what a block leaves behind from what is kept, where it follows from that, and note what was undone instead."""
    ends = tuple(dict.fromkeys(ends))
    if not plan.kept:
        return
    reached = forward_closure(block, {var for var in plan.given if var not in ends})
    for var in ends:
        if var in reached and var in writer.values:
            undone = writer.values.pop(var)
            writer.supply(var)
            writer.anchored.append((undone, writer.values[var]))


# ---- fences -----------------------------------------------------------------------------------------


def fenced(emit: Emission, trees: Sequence[Tree]) -> list[Tree]:
    """Return `trees` behind a fence: XLA computes nothing that is made of them before all of them are there.

    Without fences it recognises what the forward pass computed too, and keeps that.
    """
    barrier = reference(jax.lax.optimization_barrier)
    whole = emit.apply(barrier, (Display(tuple, tuple(trees)),))
    names = [tree.name if isinstance(tree, Var) else None for tree in trees]
    return list(emit.items(whole, len(trees), names))


def fence_vars(emit: Emission, params: Sequence[Var], inside: Sequence[Var]) -> None:
    """Bind `inside` to `params` behind a fence."""
    barrier = reference(jax.lax.optimization_barrier)
    whole = emit.apply(barrier, (Display(tuple, tuple(params)),))
    n = len(params)
    for number, var in enumerate(inside):
        emit.add(Apply(var, GETITEM, (whole, Const(number)), (), None, n))


__all__ = [
    "Apart",
    "Fused",
    "Lost",
    "Reconstructor",
    "Retraced",
    "Trace",
    "anchor",
    "fence_vars",
    "fenced",
    "retrace",
]
