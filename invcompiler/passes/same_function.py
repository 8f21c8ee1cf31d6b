"""When two functions made by the compiler are one: the same text up to the names of local values."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, assert_never

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Capture,
    Closure,
    Const,
    Display,
    Each,
    Enumerate,
    Equation,
    Function,
    Iter,
    Loop,
    Opaque,
    Range,
    Ref,
    Reversed,
    Slice,
    Star,
    Tree,
    Var,
    Zip,
)


def signature_of(function: Function) -> Hashable:
    """Return what identifies a function: equal for two functions, equal texts. It holds ids of objects that the function keeps."""
    return _Key().function(function)


class _Key:
    def __init__(self) -> None:
        self.numbers: dict[Var, int] = {}

    def function(self, function: Function) -> Hashable:
        captures = tuple((_place(c), self.tree(var)) for var, c in function.captures)
        params = tuple(
            (
                p.var.name,
                p.kind,
                None if p.default is None else self.tree(p.default),
                self.tree(p.var),
            )
            for p in function.params
        )
        return (function.name, function.doc, captures, params, self.block(function.body))

    def block(self, block: Block) -> Hashable:
        params = self.trees(block.params)
        equations = tuple(map(self.equation, block.equations))
        return (params, equations, self.tree(block.result))

    def trees(self, trees: Any) -> tuple:
        return tuple(map(self.tree, trees))

    def pairs(self, pairs: Any) -> tuple:
        return tuple((name, self.tree(tree)) for name, tree in pairs)

    def tree(self, tree: Tree) -> Hashable:
        match tree:
            case Var():
                return self.numbers.setdefault(tree, len(self.numbers))
            case Const():
                return ("const", tree)
            case Ref(value=value):
                return ("ref", id(value))
            case Display():
                return (tree.kind, tree.keys, self.trees(tree.items))
            case Slice():
                return ("slice", *self.trees((tree.lower, tree.upper, tree.step)))
            case Star():
                return ("star", self.tree(tree.value))
            case Closure():
                return ("closure", id(tree.node), self.pairs(tree.env))
            case _:
                assert_never(tree)

    def equation(self, equation: Equation) -> Hashable:
        match equation:
            case Apply(fn=fn):
                callee = self.tree(fn) if isinstance(fn, Ref | Var | Closure) else fn
                given = (self.trees(equation.args), self.pairs(equation.kwargs))
                return ("apply", callee, given, equation.arity, self.trees(equation.outs))
            case Loop():
                over = None if equation.iterable is None else self.iter(equation.iterable)
                given = (self.trees(equation.init), over, self.pairs(equation.options))
                return (equation.kind, given, self.block(equation.body), self.trees(equation.outs))
            case Branch():
                blocks = tuple(map(self.block, equation.blocks))
                predicate = self.tree(equation.predicate)
                return (equation.kind, predicate, blocks, self.trees(equation.outs))
            case Opaque():
                return (
                    "opaque",
                    id(equation.code),
                    self.pairs(equation.ins),
                    self.trees(equation.outs),
                )
            case _:
                assert_never(equation)

    def iter(self, iterable: Iter) -> Hashable:
        match iterable:
            case Range():
                return ("range", *self.trees((iterable.start, iterable.stop, iterable.step)))
            case Each():
                return ("each", self.tree(iterable.value), iterable.view)
            case Zip():
                return ("zip", iterable.strict, tuple(map(self.iter, iterable.parts)))
            case Enumerate():
                return ("enumerate", self.iter(iterable.part), self.tree(iterable.start))
            case Reversed():
                return ("reversed", self.iter(iterable.part))
            case _:
                assert_never(iterable)


def _place(capture: Capture) -> Hashable:
    return (capture.name, id(capture.scope), repr(capture.steps))


__all__ = ["signature_of"]
