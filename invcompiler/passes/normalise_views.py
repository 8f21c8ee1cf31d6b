"""Read parts of outer values outside of the bodies that use them: a body then depends on the part, not on the value.

>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> def f(x):
...     return jnp.stack([jnp.cos(k * x[0]) for k in range(3)])
>>> print(show(hoist_views(read(f))))
def f(x):
    v1 = x[0]
    v4 = comprehension k in range(0, 3, 1):
        v2 = k * v1
        v3 = jnp.cos(v2)
        yield v3
    v5 = jnp.stack(v4)
    return v5
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import replace

from invcompiler.ir.build import apply_key
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Const,
    Equation,
    Function,
    Iter,
    Loop,
    LoopKind,
    Range,
    Ref,
    Slice,
    Var,
)
from invcompiler.ir.walk import operands
from invcompiler.passes.normalise_walk import Rebuilder, Walk, is_view, taken_block

_TRACED = (LoopKind.SCAN, LoopKind.FORI, LoopKind.MAP)
_AT = Const("at")


def hoist_views(function: Function) -> Function:
    if not any(isinstance(equation, Loop | Branch) for equation in function.body.equations):
        return function
    return _Hoisting().function(function)


class _Hoisting(Walk):
    def loop(self, loop: Loop, builder: Rebuilder) -> None:
        body = self.block(loop.body, builder.nested())
        builder.add(replace(loop, body=self._emptied(body, builder, _runs(loop))))

    def branch(self, branch: Branch, builder: Rebuilder) -> None:
        taken = taken_block(branch)
        if taken is not None:
            self.take(taken, branch.outs, builder)
            return
        blocks = [self.block(block, builder.nested()) for block in branch.blocks]
        if branch.kind in (BranchKind.COND, BranchKind.SWITCH):
            blocks = [self._emptied(block, builder, True) for block in blocks]
        else:
            blocks = self._emptied_of_common(blocks, builder)
        builder.add(replace(branch, blocks=tuple(blocks)))

    def _emptied(self, block: Block, builder: Rebuilder, runs: bool) -> Block:
        """Move views of outer values from `block` to `builder`. A body that may not run gives away those that cannot fail."""
        inside = _bound(block)
        kept: list[Equation] = []
        for equation in block.equations:
            equation = self.mapped(equation)
            if _is_outer_view(equation, inside) and (runs or _cannot_fail(equation)):
                assert isinstance(equation, Apply)
                self._move(equation, builder)
                inside.discard(equation.out)
            else:
                kept.append(equation)
        if len(kept) == len(block.equations):
            return block
        return replace(block, equations=tuple(kept), result=self.tree(block.result))

    def _move(self, equation: Apply, builder: Rebuilder) -> None:
        self.settle(equation.out, builder.keep(equation))
        self.changed = True

    def _emptied_of_common(self, blocks: list[Block], builder: Rebuilder) -> list[Block]:
        """Move views that every block takes."""
        views = [{apply_key(view): view for view in _outer_views(block)} for block in blocks]
        common = [key for key in views[0] if all(key in others for others in views[1:])]
        moved = set()
        for key in common:
            for view in (found[key] for found in views):
                self._move(view, builder)
                moved.add(view)
        if not moved:
            return blocks
        return [self._without(block, moved) for block in blocks]

    def _without(self, block: Block, moved: set[Apply]) -> Block:
        equations = (self.mapped(e) for e in block.equations if e not in moved)
        return replace(block, equations=tuple(equations), result=self.tree(block.result))


def _bound(block: Block) -> set[Var]:
    return {*block.params, *(out for equation in block.equations for out in equation.outs)}


def _outer_views(block: Block) -> Iterable[Apply]:
    inside = _bound(block)
    for equation in block.equations:
        if isinstance(equation, Apply) and _is_outer_view(equation, inside):
            yield equation


def _is_outer_view(equation: Equation, inside: set[Var]) -> bool:
    if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
        return False
    fn = equation.fn.value
    if fn is getattr:
        if equation.args[1] == _AT:
            return False
    elif not is_view(equation):
        return False
    return not any(var in inside for var in operands(equation))


def _cannot_fail(equation: Equation) -> bool:
    """A slice of a sequence is never out of its bounds."""
    assert isinstance(equation, Apply)
    return equation.fn.value is operator.getitem and isinstance(equation.args[1], Slice)  # type: ignore[union-attr]


def _runs(loop: Loop) -> bool:
    """Whether the body is sure to be run, or traced, once."""
    return loop.kind in _TRACED or _is_not_empty(loop.iterable)


def _is_not_empty(iterable: Iter | None) -> bool:
    if not isinstance(iterable, Range):
        return False
    bounds = (iterable.start, iterable.stop, iterable.step)
    numbers = [bound.value for bound in bounds if isinstance(bound, Const)]
    return len(numbers) == 3 and all(map(_is_int, numbers)) and len(range(*numbers)) > 0


def _is_int(value: object) -> bool:
    return type(value) is int


__all__ = ["hoist_views"]
