"""Give every argument of a call by itself where it is known how many there are: `f(*pair)` as `f(pair[0], pair[1])`."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import replace

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Const,
    Display,
    Equation,
    Function,
    Loop,
    Ref,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import operands
from invcompiler.schedule.abstract import Abstract, Items
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.taint import tainted

_GETITEM = Ref(operator.getitem, "operator.getitem", operator)


def spread_arguments(
    function: Function, facts: Facts, unknown: tuple[Var, ...]
) -> tuple[Function, Facts]:
    """Return a function that computes the same, and its facts. Only calls that unknowns flow through are touched."""
    if not any(map(_is_open, applications(function.body))):
        return function, facts
    spreading = _Spreading(facts, tainted(function.body, unknown))
    body = spreading.block(function.body)
    if body is function.body:
        return function, facts
    function = replace(function, body=body)
    return function, replace(facts, function=function, values={**facts.values, **spreading.found})


def applications(block: Block) -> Iterator[Apply]:
    """Yield the calls in `block` and in the blocks inside it."""
    for equation in block.equations:
        match equation:
            case Apply():
                yield equation
            case Loop(body=body):
                yield from applications(body)
            case Branch(blocks=blocks):
                for inner in blocks:
                    yield from applications(inner)


def _is_open(equation: Apply) -> bool:
    starred = any(map(_has_star, equation.args))
    return starred or any(name is None for name, _ in equation.kwargs)


def _has_star(tree: Tree) -> bool:
    if isinstance(tree, Display):
        return any(map(_has_star, tree.items))
    return isinstance(tree, Star)


class _Spreading:
    """Rebuilds blocks; `found` is what is known of the new values."""

    def __init__(self, facts: Facts, touched: frozenset[Var]):
        self.facts = facts
        self.touched = touched
        self.found: dict[Var, Abstract] = {}

    def block(self, block: Block) -> Block:
        equations: list[Equation] = []
        for equation in block.equations:
            equations += self.equation(equation)
        same = len(equations) == len(block.equations) and all(
            one is other for one, other in zip(equations, block.equations, strict=True)
        )
        return block if same else replace(block, equations=tuple(equations))

    def equation(self, equation: Equation) -> Iterator[Equation]:
        match equation:
            case Apply():
                if _is_open(equation) and not self.touched.isdisjoint(operands(equation)):
                    yield from self.apply(equation)
                else:
                    yield equation
            case Loop():
                body = self.block(equation.body)
                yield equation if body is equation.body else replace(equation, body=body)
            case Branch():
                blocks = tuple(map(self.block, equation.blocks))
                same = all(a is b for a, b in zip(blocks, equation.blocks, strict=True))
                yield equation if same else replace(equation, blocks=blocks)
            case _:
                yield equation

    def apply(self, equation: Apply) -> Iterator[Equation]:
        reads: list[Apply] = []
        args = self.items(equation.args, reads)
        kwargs: list[tuple[str | None, Tree]] = []
        for name, tree in equation.kwargs:
            if name is None and (parts := self.parts(tree, reads, dict)) is not None:
                kwargs += parts.items()
            else:
                kwargs.append((name, tree))
        yield from reads
        yield replace(equation, args=args, kwargs=tuple(kwargs))

    def items(self, trees: tuple[Tree, ...], reads: list[Apply]) -> tuple[Tree, ...]:
        found: list[Tree] = []
        for tree in trees:
            parts = self.parts(tree.value, reads) if isinstance(tree, Star) else None
            if parts is not None:
                found += parts.values()
            elif isinstance(tree, Display):
                found.append(replace(tree, items=self.items(tree.items, reads)))
            else:
                found.append(tree)
        return tuple(found)

    def parts(self, tree: Tree, reads: list[Apply], kind: type = tuple) -> dict | None:
        """Return the items of a container by their keys, and note the equations that read them."""
        known = self.facts.of(tree)
        wanted = (dict,) if kind is dict else (tuple, list)
        if not isinstance(known, Items) or known.kind not in wanted:
            return None
        found: dict = {}
        for key, value in zip(known.keys or range(len(known.items)), known.items, strict=True):
            out = Var(key if isinstance(key, str) else None)
            reads.append(Apply(out, _GETITEM, (tree, Const(key))))
            self.found[out] = value
            found[key] = out
        return found
