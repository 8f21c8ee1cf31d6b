"""What an equation looks like on a page: what it reads where, how much of an expression it takes, and what it may be part of."""

from __future__ import annotations

import ast
import operator
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Closure,
    Const,
    Display,
    Equation,
    Loop,
    LoopKind,
    Opaque,
    Ref,
    Slice,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import iter_leaves, leaves

MOST_OPERATIONS = 5
"""How many operations one expression has at most: a larger one gets names for its parts."""
_METADATA = frozenset({"shape", "ndim", "size", "dtype", "at"})


def count_uses(block: Block) -> Counter[Var]:
    uses: Counter[Var] = Counter()
    for equation in block.equations:
        for tree in direct(equation):
            uses.update(leaves(tree))
        for inner in blocks(equation):
            uses.update(count_uses(inner))
        if isinstance(equation, Branch) and shortcut(equation) is not None:
            uses.subtract(leaves(equation.predicate))
    uses.update(leaves(block.result))
    return uses


def shortcut(equation: Equation) -> type[ast.boolop] | None:
    """Return the operator if `equation` is `p and b` (`b if p else p`) or `p or b`."""
    if not isinstance(equation, Branch) or not isinstance(equation.predicate, Var):
        return None
    if equation.kind not in (BranchKind.IF, BranchKind.IFEXP) or len(equation.outs) != 1:
        return None
    for block, operator_ in zip(equation.blocks, (ast.Or, ast.And), strict=True):
        assert isinstance(block.result, Display)
        if not block.equations and block.result.items == (equation.predicate,):
            return operator_
    return None


def direct(equation: Equation) -> Iterator[Tree]:
    """Yield the trees that `equation` reads in its own block, not in its bodies."""
    match equation:
        case Apply():
            if isinstance(equation.fn, Var | Closure):
                yield equation.fn
            yield from equation.args
            yield from (value for _, value in equation.kwargs)
        case Loop():
            yield from equation.init
            if equation.iterable is not None:
                yield from iter_leaves(equation.iterable)
            yield from (value for _, value in equation.options)
        case Branch():
            yield equation.predicate
        case Opaque():
            yield from (value for _, value in equation.ins)
        case _:
            assert_never(equation)


def blocks(equation: Equation) -> tuple[Block, ...]:
    match equation:
        case Loop():
            return (equation.body,)
        case Branch():
            return equation.blocks
        case Apply() | Opaque():
            return ()
        case _:
            assert_never(equation)


def open_leaves(tree: Tree) -> Iterator[Var]:
    """Yield the vars of `tree` in whose place an expression can stand: those outside closures."""
    match tree:
        case Var():
            yield tree
        case Const() | Ref() | Closure():
            return
        case Display():
            for item in tree.items:
                yield from open_leaves(item)
        case Slice():
            for part in (tree.lower, tree.upper, tree.step):
                yield from open_leaves(part)
        case Star():
            yield from open_leaves(tree.value)
        case _:
            assert_never(tree)


def closures(tree: Tree) -> Iterator[Closure]:
    match tree:
        case Closure():
            yield tree
            for _, value in tree.env:
                yield from closures(value)
        case Display():
            for item in tree.items:
                yield from closures(item)
        case Star():
            yield from closures(tree.value)
        case _:
            return


def displays(tree: Tree) -> int:
    match tree:
        case Display():
            return int(bool(tree.items)) + sum(map(displays, tree.items))
        case Star():
            return displays(tree.value)
        case _:
            return 0


def is_metadata(equation: Apply) -> bool:
    if not isinstance(equation.fn, Ref) or equation.fn.value is not getattr:
        return False
    name = equation.args[1]
    return isinstance(name, Const) and name.value in _METADATA


def is_at(equation: Equation | None) -> bool:
    """Whether `equation` is the `x.at` of an update, which is nothing without what follows it."""
    return isinstance(equation, Apply) and is_metadata(equation) and equation.args[1] == Const("at")


def weight(equation: Apply) -> int:
    """Return how much reading one application adds to an expression."""
    if is_metadata(equation):
        return 2 if is_at(equation) else 0  # with the index and the method that follow it
    if isinstance(equation.fn, Ref) and equation.fn.value is getattr:
        return 0
    return 1


@dataclass(frozen=True)
class Slot:
    """A place of a statement in which expressions can stand."""

    trees: list[Tree]
    shares_the_expression: bool = True
    cost: int = 0


def slots(equation: Equation, is_expression: bool) -> list[Slot]:
    """Return the places of `equation`; `is_expression` says that its bodies have no statements."""
    match equation:
        case Apply():
            return [Slot(list(direct(equation)))]
        case Branch(kind=BranchKind.COND | BranchKind.SWITCH):
            return [Slot(list(direct(equation)), False, 2)]
        case Branch():
            return [Slot(list(direct(equation)), is_expression)]
        case Loop(kind=LoopKind.FOR):
            starts = [Slot([tree], False, displays(tree)) for tree in equation.init]
            return [*starts, Slot(iterated(equation), False, 2)]
        case Loop(kind=LoopKind.COMPREHENSION):
            return [Slot(iterated(equation))]
        case Loop():
            return [Slot(list(direct(equation)), False, 2)]
        case Opaque():
            return []
        case _:
            assert_never(equation)


def iterated(loop: Loop) -> list[Tree]:
    return [] if loop.iterable is None else list(iter_leaves(loop.iterable))


def is_item(equation: Apply) -> bool:
    return isinstance(equation.fn, Ref) and equation.fn.value is operator.getitem


def displays_shown(equation: Apply) -> int:
    """Return how many displays `equation` shows; an index of several parts is none."""
    trees = equation.args[:1] if is_item(equation) else direct(equation)
    return sum(map(displays, trees))


def patterned(equation: Loop | Branch, block: Block) -> tuple[Var, ...]:
    """Return the params of a body that can be patterns: a Python loop binds what it carries to a name."""
    if isinstance(equation, Loop) and equation.kind in (LoopKind.FOR, LoopKind.COMPREHENSION):
        return block.params[len(equation.init) :]
    return block.params


def is_long(equation: Loop | Branch) -> bool:
    return any(len(block.equations) > 4 * MOST_OPERATIONS for block in blocks(equation))


def is_call(equation: Equation) -> bool:
    """Whether `equation` is one call of a function of `lax`, whatever its bodies are."""
    kinds = (LoopKind.MAP, LoopKind.FORI, BranchKind.COND, BranchKind.SWITCH)
    return isinstance(equation, Loop | Branch) and equation.kind in kinds


def may_be_expression(equation: Loop | Branch) -> bool:
    match equation:
        case Loop(kind=LoopKind.COMPREHENSION):
            return len(equation.outs) == 1 and not equation.init
        case Loop(kind=LoopKind.MAP):
            return len(equation.outs) == 1 and len(equation.body.params) == 1
        case Loop(kind=LoopKind.FORI):
            return len(equation.outs) == 1 and len(equation.init) == 1
        case Loop():
            return False
        case Branch(kind=BranchKind.IF | BranchKind.IFEXP):
            return len(equation.outs) == 1
        case Branch():
            return True
        case _:
            assert_never(equation)
