"""On how much of an unknown each element of a value depends: element by element, or on its last axes at once.

What is computed from an unknown `u` is seen as `Spread(block, core)`: the axes before its last `block` ones are those of `u` before its
last `core` ones, and an element depends on `u` at the same index of these alone. An elementwise value is `Spread(0, 0)`; `x @ w`
is `Spread(1, 1)`; `x[..., None] * w` is `Spread(1, 0)`, and its sum over the last axis elementwise again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import jax.scipy.special
from jax import lax

from invcompiler.ir.nodes import (
    Apply,
    Const,
    Display,
    Equation,
    Function,
    Loop,
    Ref,
    Slice,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves, operands
from invcompiler.rules.canonical import Call, canonical, declare, key_of
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.parts import parts_of
from invcompiler.schedule.slope_table import is_elementwise


@dataclass(frozen=True)
class Spread:
    block: int
    core: int

    def widened(self, block: int) -> Spread:
        """Return the same with at least `block` axes in the block."""
        more = max(block - self.block, 0)
        return Spread(self.block + more, self.core + more)


_DEEPEST = 8  # axes, more than which no array of the unknown has


class Mixed(Exception):
    """An element may depend on all of the unknown."""


def core_axes(function: Function, facts: Facts) -> int | None:
    """Return in how many of its last axes the result of `function` mixes its first parameter; None if that may be all.

    For 0 the function acts element by element.
    """
    unknown = function.params[0].var
    walk = _Walk(facts, unknown)
    try:
        for equation in function.body.equations:
            walk.equation(equation)
        found = walk.of(function.body.result)
    except Mixed:
        return None
    return found.core if found is not None and found.block == found.core else None


class _Walk:
    def __init__(self, facts: Facts, unknown: Var):
        self.facts = facts
        self.unknown = unknown
        self.found: dict[Var, Spread] = {unknown: Spread(0, 0)}

    def of(self, tree: Tree) -> Spread | None:
        """Return the spread of a value, None for what does not depend on the unknown."""
        if isinstance(tree, Var):
            return self.found.get(tree)
        if any(var in self.found for var in leaves(tree)):
            raise Mixed
        return None

    def equation(self, equation: Equation) -> None:
        if not any(var in self.found for var in operands(equation)):
            return
        if isinstance(equation, Loop):
            self.loop(equation)
            return
        if not isinstance(equation, Apply):
            raise Mixed
        call = canonical(equation)
        if call is None:
            raise Mixed
        spread = self.call(call, equation.out)
        if spread is not None:
            rank = self.facts.rank(equation.out)
            if rank is not None and rank < spread.block:
                raise Mixed
            self.found[equation.out] = spread

    def call(self, call: Call, out: Var) -> Spread | None:
        if is_elementwise(call.fn):
            return self.elementwise(call, out)
        handler = _HANDLERS.get(id(call.fn))
        if handler is None:
            raise Mixed
        return handler(self, call)

    def loop(self, loop: Loop) -> None:
        """Follow what a loop carries, until nothing changes; items and collections must not depend on the unknown."""
        parts = parts_of(loop)
        if any(self.of(tree) is not None for _, tree in parts.items):
            raise Mixed
        carried = [self.of(tree) for tree in loop.init]
        while True:
            for var, spread in zip(parts.carries, carried, strict=True):
                if spread is not None:
                    self.found[var] = spread
            for equation in loop.body.equations:
                self.equation(equation)
            after = [self.of(tree) for tree in parts.new_carries]
            joined = [_either(one, other) for one, other in zip(carried, after, strict=True)]
            if joined == carried:
                break
            carried = joined
        if any(self.of(tree) is not None for tree in parts.collected):
            raise Mixed
        for out, spread in zip(parts.final, carried, strict=True):
            if spread is not None:
                self.found[out] = spread

    # ---- element by element -----------------------------------------------------------------

    def elementwise(self, call: Call, out: Var) -> Spread:
        operands = [tree for tree in call.arguments.values() if isinstance(tree, Var)]
        spreads = [spread for tree in operands if (spread := self.of(tree)) is not None]
        joined = spreads[0]
        for spread in spreads[1:]:
            joined = _joined(joined, spread)
        ranks = [self.facts.rank(tree) for tree in operands if self.of(tree) is not None]
        rank = self.facts.rank(out)
        if rank is None or None in ranks:
            return joined  # operands do not have more axes than the unknown, which is verified at the call
        added = rank - max(r for r in ranks if r is not None)
        if added <= 0:
            return joined
        if self.facts.rank(self.unknown) != joined.core:
            raise Mixed  # the new axes stand before those of the unknown
        return Spread(joined.block + added, joined.core)

    # ---- questions --------------------------------------------------------------------------

    def axis(self, tree: Tree, of: Tree, extra: int = 0) -> int:
        """Return an axis of `of`, counted from the end."""
        if not isinstance(tree, Const) or type(tree.value) is not int:
            raise Mixed
        if tree.value < 0:
            return tree.value
        rank = self.facts.rank(of)
        if rank is None:
            raise Mixed
        return tree.value - rank - extra

    def operand(self, call: Call) -> tuple[Tree, Spread]:
        """Return the first argument, which alone may depend on the unknown."""
        first, *others = call.arguments.values()
        spread = self.of(first)
        if spread is None or any(self.of(tree) is not None for tree in others):
            raise Mixed
        return first, spread


def _either(one: Spread | None, other: Spread | None) -> Spread | None:
    """Return the spread of what may be one or the other; blocks that grow from step to step have no end."""
    if one is None or other is None:
        return one or other
    joined = _joined(one, other)
    if joined.core > _DEEPEST:
        raise Mixed
    return joined


def _joined(one: Spread, other: Spread) -> Spread:
    if one.block - one.core != other.block - other.core:
        raise Mixed
    return max(one, other, key=lambda spread: spread.block)


# ---- functions that mix or move axes --------------------------------------------------------------

_HANDLERS: dict[int, Callable[[_Walk, Call], Spread]] = {}
_KEPT: list = []


def _handles(*fns):
    def enter(handler):
        for fn in fns:
            declare(fn)
            _HANDLERS[id(key_of(fn))] = handler
            _KEPT.append(fn)
        return handler

    return enter


@_handles(
    jnp.sum, jnp.mean, jnp.max, jnp.min, jnp.prod, jnp.std, jnp.var, jax.scipy.special.logsumexp
)
def _reduced(walk: _Walk, call: Call) -> Spread:
    """A reduction over axes takes them into the block, and out of the array unless they are kept."""
    tree, spread = walk.operand(call)
    axis, keep = call.arguments["axis"], call.arguments["keepdims"]
    if axis == Const(None):
        rank = walk.facts.rank(tree)
        if rank is None:
            raise Mixed
        axes = list(range(-rank, 0))
    else:
        given = axis.items if isinstance(axis, Display) else (axis,)
        axes = [walk.axis(item, tree) for item in given]
    if keep not in (Const(False), Const(True)) or not isinstance(keep, Const):
        raise Mixed
    spread = spread.widened(max((-axis for axis in axes), default=0))
    return spread if keep.value else Spread(spread.block - len(axes), spread.core)


@_handles(jax.nn.softmax, jax.nn.log_softmax, jnp.cumsum, jnp.cumprod, jnp.flip, jnp.roll)
def _along(walk: _Walk, call: Call) -> Spread:
    """What acts along one axis, and keeps it."""
    tree, spread = walk.operand(call)
    return spread.widened(-walk.axis(call.arguments["axis"], tree))


@_handles(jnp.expand_dims)
def _expanded(walk: _Walk, call: Call) -> Spread:
    tree, spread = walk.operand(call)
    axis = walk.axis(call.arguments["axis"], tree, extra=1)
    spread = spread.widened(-axis - 1)
    return Spread(spread.block + 1, spread.core)


@_handles(jnp.squeeze)
def _squeezed(walk: _Walk, call: Call) -> Spread:
    tree, spread = walk.operand(call)
    axis = -walk.axis(call.arguments["axis"], tree)
    spread = spread.widened(axis)
    return Spread(spread.block - 1, spread.core)


@_handles(jnp.asarray, jnp.astype, lax.stop_gradient)
def _same(walk: _Walk, call: Call) -> Spread:
    return walk.operand(call)[1]


@_handles(jnp.polyval)
def _polynomial(walk: _Walk, call: Call) -> Spread:
    """A polynomial whose coefficients are numbers."""
    spread = walk.of(call.arguments["x"])
    coefficients = call.arguments["p"]
    if spread is None or walk.of(coefficients) is not None:
        raise Mixed
    return spread  # coefficients with axes of their own are refused where slopes are looked at


@_handles(jnp.matmul, jnp.dot)
def _product(walk: _Walk, call: Call) -> Spread:
    a, b = call.arguments["a"], call.arguments["b"]
    left, right = walk.of(a), walk.of(b)
    rank_a, rank_b = walk.facts.rank(a), walk.facts.rank(b)
    if left is not None and right is None:
        if rank_b is None:  # a vector would leave an axis less; verified where shapes are known
            rank_b = 2
        if rank_b > 2:
            raise Mixed
        left = left.widened(1)
        return left if rank_b == 2 else Spread(left.block - 1, left.core)
    if right is None or left is not None:
        raise Mixed
    if rank_b is None or rank_a is None or rank_a > 2:
        raise Mixed
    if rank_b == 1:
        right = right.widened(1)
        return right if rank_a == 2 else Spread(right.block - 1, right.core)
    if call.fn is not jnp.matmul and rank_b > 2:
        raise Mixed
    right = right.widened(2)
    return right if rank_a == 2 else Spread(right.block - 1, right.core)


@_handles(jnp.concatenate, jnp.stack)
def _assembled(walk: _Walk, call: Call) -> Spread:
    """Parts side by side: the axis joins the block."""
    first, *_ = call.arguments.values()
    if not isinstance(first, Display):
        raise Mixed
    spreads = [spread for item in first.items if (spread := walk.of(item)) is not None]
    stacked = call.fn is jnp.stack
    axis = -walk.axis(call.arguments["axis"], first.items[0], extra=int(stacked))
    joined = spreads[0]
    for spread in spreads[1:]:
        joined = _joined(joined, spread)
    if stacked:
        joined = joined.widened(axis - 1)
        return Spread(joined.block + 1, joined.core)
    return joined.widened(axis)


@_handles(jnp.split)
def _split(walk: _Walk, call: Call) -> Spread:
    tree, spread = walk.operand(call)
    return spread.widened(-walk.axis(call.arguments["axis"], tree))


@_handles(operator.getitem)
def _item(walk: _Walk, call: Call) -> Spread:
    """An index behind an ellipsis, or for every axis, touches the axes that it names; an integer takes one away."""
    tree, spread = walk.operand(call)
    index = list(call.arguments.values())[1]
    if walk.facts.structure(tree) is not None or _is_list(walk, tree):
        return spread  # one of the arrays that `jnp.split` gives
    parts = list(index.items if isinstance(index, Display) else (index,))
    if Const(...) in parts:
        parts = parts[parts.index(Const(...)) + 1 :]
    else:
        rank = walk.facts.rank(tree)
        if rank is None or rank < len(parts):
            raise Mixed
        parts += [_FULL] * (rank - len(parts))
    gone = 0
    for part in parts:
        if isinstance(part, Slice):
            continue
        if not isinstance(part, Const) or type(part.value) is not int:
            raise Mixed
        gone += 1
    touched = max((len(parts) - i for i, part in enumerate(parts) if part != _FULL), default=0)
    spread = spread.widened(touched)
    return Spread(spread.block - gone, spread.core)


_FULL = Slice(Const(None), Const(None), Const(None))


def _is_list(walk: _Walk, tree: Tree) -> bool:
    for equation in walk.facts.function.body.equations:
        if isinstance(equation, Apply) and equation.out is tree and isinstance(equation.fn, Ref):
            call = canonical(equation)
            return call is not None and call.fn is jnp.split
    return False


__all__ = ["Spread", "core_axes"]
