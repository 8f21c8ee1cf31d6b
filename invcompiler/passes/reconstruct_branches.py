"""The walk back over a branch that the plan undoes: one branch, whose sides recover primals and cotangents together.

x = lax.cond(flip, f, g, x)             def f_back():
                                            ...
                                            return x, w_bar, x_bar
                                        x, w_bar, x_bar = lax.cond(flip, f_back, g_back)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from invcompiler.ir.nodes import Block, Branch, Display, Equation, Tree, Var
from invcompiler.passes import adjoint_branches
from invcompiler.passes.adjoint import Pullback
from invcompiler.passes.cotangents import ZERO, Cotangents, bar_name
from invcompiler.passes.emission import Emission
from invcompiler.passes.reconstruct import (
    Apart,
    Fused,
    Lost,
    Reconstructor,
    Retraced,
    Trace,
    retrace,
)
from invcompiler.schedule.plan import InvertBranch, Plan

if TYPE_CHECKING:
    from invcompiler.passes.reconstruct_calls import Retracer


def fuse(retracer: Retracer, trace: Trace, step: InvertBranch) -> Pullback | None:
    """Return the pullback of a branch that is undone and gone back through at once, or None if a side keeps something."""
    if any(plan.kept for plan in step.plans):
        return None
    return lambda cots: _pull(retracer, trace, step, cots)


def _pull(retracer: Retracer, trace: Trace, step: InvertBranch, cots: Cotangents) -> None:
    branch, emit = step.equation, cots.emit
    active = [i for i, out in enumerate(branch.outs) if trace.active(out)]
    taken = [cots.take(branch.outs[i]) for i in active]
    if all(bar == ZERO for bar in taken):
        return
    bars = {i: cots.whole(bar, branch.outs[i]) for i, bar in zip(active, taken, strict=True)}
    outer = adjoint_branches.outer_vars(trace, branch)
    blocks = [
        _side(retracer, trace, branch, block, plan, bars, outer, step.solved)
        for block, plan in zip(branch.blocks, step.plans, strict=True)
    ]
    recovered = [Var(var.name) for var in step.solved]
    given = [Var(bar_name(var)) for var in outer]
    for new, var in zip((*recovered, *given), (*step.solved, *outer), strict=True):
        emit.avals.alike(new, var)
    outs = (*recovered, *given)
    emit.add(Branch(branch.kind, outs, branch.predicate, tuple(blocks), branch.span))
    trace.written.update(dict.fromkeys(outs, branch))
    trace.recovered.update(zip(step.solved, recovered, strict=True))
    for var, bar in zip(outer, given, strict=True):
        cots.give(var, bar)


def _side(
    retracer: Retracer,
    trace: Trace,
    branch: Branch,
    block: Block,
    plan: Plan,
    bars: Mapping[int, Tree],
    outer: tuple[Var, ...],
    solved: tuple[Var, ...],
) -> Block:
    """Return what one side recovers, and the cotangents of what it reads from outside."""
    assert isinstance(block.result, Display)
    items = block.result.items

    def walk(fused: Mapping[Equation, Fused]) -> Trace:
        inner = trace.within(fused)
        inner.sums = None  # which examples take this side differs: sums are taken outside
        return inner

    def opened(inner: Trace) -> Reconstructor:
        writer = retracer.emitter(trace.plan, Emission(trace.forward.avals), inner, ())
        pairs = zip(branch.outs, items, strict=True)
        writer.values.update((tree, out) for out, tree in pairs if isinstance(tree, Var))
        return writer

    def seed(cots: Cotangents) -> None:
        for number, bar in bars.items():
            cots.give(items[number], bar)

    def wanted(cots: Cotangents) -> list[Tree]:
        at_hand = trace.at_hand.__contains__
        return [cots.whole(cots.take(var), var, at_hand) for var in outer]

    try:
        found: Retraced = retrace(block, plan, walk, opened, seed, wanted, retracer.apart)
    except Lost as lost:
        raise Apart(branch, f"`{lost.var.name or 'a value'}` is not recovered") from None
    if found.trace.stacks or found.drifts or found.trace.is_changed(block):
        raise Apart(branch, "a side keeps values for the way back")
    values = [found.emitter.value(var) for var in solved]
    return Block((), tuple(found.equations), Display(tuple, (*values, *found.results)))


__all__ = ["fuse"]
