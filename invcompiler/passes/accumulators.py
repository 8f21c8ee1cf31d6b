"""Sums that a Python loop starts from a number: `log_det = 0.0`, and then `log_det = log_det + s.sum(-1)`.

Such a value is a number in the first step, and an array in the others. A number that the text shows has no cotangent, and a sum asks nothing
but the shapes of its operands: what it looks like in the first step does not matter.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Block, Branch, Const, Loop, LoopKind, Ref, Tree, Var
from invcompiler.ir.walk import free_vars, leaves, operands

_SUMS = (operator.add, operator.iadd, operator.sub, operator.isub, jnp.add, jnp.subtract)

Meetings = Mapping[tuple[int, ...], Any]


def accumulators(block: Block, outer: frozenset[Var] = frozenset()) -> Iterator[Var]:
    """Yield what Python loops carry that starts from a number, or from one of `outer`, and is read by sums alone."""
    for equation in block.equations:
        if isinstance(equation, Branch):
            for inner in equation.blocks:
                yield from accumulators(inner, outer)
        if not isinstance(equation, Loop):
            continue
        pairs = zip(equation.init, equation.body.params, strict=False)
        found = [var for start, var in pairs if _is_number(start) or start in outer]
        is_for = equation.kind is LoopKind.FOR
        found = [var for var in found if is_for and _is_added_to(var, equation.body)]
        yield from found
        yield from accumulators(equation.body, outer | frozenset(found))


def _is_number(tree: Tree) -> bool:
    return isinstance(tree, Const) and type(tree.value) in (int, float)


def _is_added_to(var: Var, block: Block) -> bool:
    """Whether `var` is read by sums alone, in the loops of `block` too."""
    return all(_adds_to(var, e) for e in block.equations if var in operands(e))


def _adds_to(var: Var, equation: object) -> bool:
    if isinstance(equation, Apply):
        return isinstance(equation.fn, Ref) and any(equation.fn.value is fn for fn in _SUMS)
    if not isinstance(equation, Loop) or equation.kind is not LoopKind.FOR:
        return False
    starts = [
        p for p, tree in zip(equation.body.params, equation.init, strict=False) if tree is var
    ]
    within = [leaf for tree in equation.init if tree is not var for leaf in leaves(tree)]
    if not starts or var in within or var in free_vars(equation.body):
        return False
    return all(_is_added_to(param, equation.body) for param in starts)


def as_later(meetings: Meetings) -> dict[tuple[int, ...], Any]:
    """Return the meetings of an accumulator, with the second step of its loop in the place of the first."""
    made = dict(meetings)
    for path in meetings:
        second = (*path[:-1], 1)
        if path[-1] == 0 and second in meetings:
            made[path] = meetings[second]
    return made


__all__ = ["accumulators", "as_later"]
