"""The walk back over a branch is a branch on the same predicate.

Each side keeps what it needs. The sides of `lax.cond` must return arrays of the same shapes, so they share places for
what they keep; where shapes are not known they keep nothing, and compute it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.ir.nodes import Block, Branch, BranchKind, Display, Tree, Var
from invcompiler.ir.walk import free_vars
from invcompiler.passes.adjoint import Pullback, Walk
from invcompiler.passes.cotangents import ZERO, Cotangents, bar_name, dtype_ref, shape_tree
from invcompiler.passes.emission import Emission
from invcompiler.passes.fresh import fresh_block
from invcompiler.passes.residuals import Kept, choose

_PYTHON = (BranchKind.IF, BranchKind.IFEXP)


@dataclass(frozen=True, eq=False)
class Side:
    forward: Emission
    back: Block
    kept: Kept


def step(walk: Walk, branch: Branch) -> Pullback:
    active = tuple(i for i, out in enumerate(branch.outs) if walk.active(out))
    outer = outer_vars(walk, branch)
    bars = tuple(_bar(walk.forward, branch.outs[i]) for i in active)
    sides = [_side(walk, block, active, bars, outer, branch.kind) for block in branch.blocks]
    slots = _slots(walk.forward, sides)
    _forward(walk.forward, branch, sides, slots)
    return lambda cots: _pull(cots, branch, sides, slots, active, bars, outer)


def outer_vars(walk: Walk, branch: Branch) -> tuple[Var, ...]:
    """Return the vars outside the branch that get a cotangent from it."""
    read = dict.fromkeys(var for block in branch.blocks for var in free_vars(block))

    def is_value(var: Var) -> bool:
        return not walk.forward.is_function(var)

    return tuple(var for var in read if walk.active(var) and is_value(var))


def _bar(emit: Emission, var: Var) -> Var:
    bar = Var(bar_name(var))
    emit.avals.alike(bar, var)
    return bar


def _side(
    walk: Walk,
    block: Block,
    active: tuple[int, ...],
    bars: tuple[Var, ...],
    outer: tuple[Var, ...],
    kind: BranchKind,
) -> Side:
    inner = walk.nested(recompute=True)
    inner.block(block)
    emit = inner.forward.nested()
    cots = Cotangents(emit, walk.active)
    for number, bar in zip(active, bars, strict=True):
        cots.give(block.result.items[number], bar)  # type: ignore[union-attr]
    inner.back(cots)
    result = tuple(cots.whole(cots.take(var), var, walk.at_hand.__contains__) for var in outer)
    back = emit.block((), Display(tuple, result))
    return Side(inner.forward, back, choose(inner.forward, back, ()))


# ---- what the sides keep ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Slots:
    """Places for residuals, shared by the sides: `holds[side][place]` is a var or None; `avals` say what fits."""

    outs: tuple[Var, ...]
    avals: tuple[Any, ...]
    holds: tuple[tuple[Var | None, ...], ...]


def _slots(emit: Emission, sides: list[Side]) -> Slots | None:
    """Return shared places for what the sides keep, or None if something has no one shape."""
    avals: list[Any] = []
    names: list[str | None] = []
    holds: list[dict[int, Var]] = []
    for side in sides:
        taken: dict[int, Var] = {}
        for var in side.kept.residuals:
            aval = side.forward.aval(var)
            if not isinstance(aval, jax.ShapeDtypeStruct):
                return None
            place = next(
                (i for i, a in enumerate(avals) if _fits(a, aval) and i not in taken), None
            )
            if place is None:
                place = len(avals)
                avals.append(aval)
                names.append(var.name)
            taken[place] = var
        holds.append(taken)
    outs = tuple(Var(name) for name in names)
    filled = tuple(tuple(taken.get(i) for i in range(len(avals))) for taken in holds)
    return Slots(outs, tuple(avals), filled)


def _fits(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def _forward(emit: Emission, branch: Branch, sides: list[Side], slots: Slots | None) -> None:
    blocks = []
    for number, (block, side) in enumerate(zip(branch.blocks, sides, strict=True)):
        items = block.result.items  # type: ignore[union-attr]
        if slots is not None:
            pairs = zip(slots.holds[number], slots.avals, strict=True)
            items = (*items, *(_filled(side.forward, var, aval) for var, aval in pairs))
        blocks.append(side.forward.block((), Display(tuple, items)))
    outs = (*branch.outs, *(slots.outs if slots is not None else ()))
    emit.keep(replace(branch, outs=outs, blocks=tuple(blocks)))


def _filled(emit: Emission, var: Var | None, aval: Any) -> Tree:
    if var is not None:
        return var
    return emit.call(jnp.zeros, shape_tree(aval.shape), dtype_ref(aval.dtype))


# ---- back -----------------------------------------------------------------------------------------------


def _pull(
    cots: Cotangents,
    branch: Branch,
    sides: list[Side],
    slots: Slots | None,
    active: tuple[int, ...],
    bars: tuple[Var, ...],
    outer: tuple[Var, ...],
) -> None:
    taken = [cots.take(branch.outs[i]) for i in active]
    if all(bar == ZERO for bar in taken) or not outer:
        return
    known = {
        bar: cots.whole(value, branch.outs[i])
        for bar, value, i in zip(bars, taken, active, strict=True)
    }
    blocks = []
    for number, side in enumerate(sides):
        values: dict[Var, Tree] = dict(known)
        equations = (*side.kept.views, *side.back.equations)
        if slots is not None:
            pairs = zip(slots.holds[number], slots.outs, strict=True)
            values.update({var: out for var, out in pairs if var is not None})
        else:
            equations = (*side.forward.equations, *side.back.equations)
        block = Block((), equations, side.back.result)
        blocks.append(fresh_block(block, values, cots.emit.names))
    outs = tuple(Var(bar_name(var)) for var in outer)
    for out, var in zip(outs, outer, strict=True):
        cots.emit.avals.alike(out, var)
    cots.emit.add(Branch(branch.kind, outs, branch.predicate, tuple(blocks), branch.span))
    for out, var in zip(outs, outer, strict=True):
        cots.give(var, out)


__all__ = ["outer_vars", "step"]
