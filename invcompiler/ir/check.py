"""What every pass must leave behind: each var bound once, before its use, and loops and branches that fit.

Tests run `check` after each pass. It returns the function, so that it can stand in a pipeline.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import assert_never

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Display,
    Equation,
    Function,
    Loop,
    LoopKind,
    Method,
    Opaque,
    Range,
    Ref,
    Slice,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import item_count, iter_leaves, leaves


class MalformedError(AssertionError):
    """A pass, or the frontend, made IR that breaks its own rules: a bug of the compiler."""


def check(function: Function, *, free: tuple[Var, ...] = ()) -> Function:
    """Return `function`; raise MalformedError if it is not well formed.

    `free` are vars bound outside: the environment of a closure that was read.
    """
    checker = _Checker(set(free))
    visible = set(free)
    checker.bind(visible, [var for var, _ in function.captures])
    for param in function.params:
        if param.default is not None:
            checker.use(visible, param.default)
    params = tuple(param.var for param in function.params)
    checker.bind(visible, params)
    _expect(function.body.params in ((), params), "the body has the function's parameters or none")
    checker.block(visible, replace(function.body, params=()), 0)
    return function


class _Checker:
    def __init__(self, bound: set[Var]):
        self.bound = bound  # anywhere in the function so far

    def bind(self, visible: set[Var], names: list[Var] | tuple[Var, ...]) -> None:
        for var in names:
            if var in self.bound:
                raise MalformedError(f"{var!r} is bound twice")
            self.bound.add(var)
            visible.add(var)

    def use(self, visible: set[Var], tree: Tree) -> None:
        for var in leaves(tree):
            if var not in visible:
                why = "outside of the block that binds it" if var in self.bound else "unbound"
                raise MalformedError(f"{var!r} is used {why}")
        _expect(not isinstance(tree, Star), "a starred value stands in a call or a display")

    def block(self, outside: set[Var], block: Block, params: int) -> None:
        _expect(len(block.params) == params, f"a block takes {len(block.params)}, not {params}")
        # The names of enclosing blocks are shared, and one's own are taken back at the end: a copy for
        # each block would make deep nests of loops quadratic.
        own = _Scope(outside)
        self.bind(own, block.params)
        for equation in block.equations:
            self.equation(own, equation)
            self.bind(own, equation.outs)
        self.use(own, block.result)
        own.leave()

    def equation(self, visible: set[Var], equation: Equation) -> None:
        match equation:
            case Apply():
                self.apply(visible, equation)
            case Loop():
                self.loop(visible, equation)
            case Branch():
                self.branch(visible, equation)
            case Opaque():
                _expect_opaque(equation)
                for _, tree in equation.ins:
                    self.use(visible, tree)
            case _:
                assert_never(equation)

    def apply(self, visible: set[Var], equation: Apply) -> None:
        fn = equation.fn
        if isinstance(fn, Method):
            _expect(bool(equation.args), "a method needs the value it is looked up on")
        else:
            _expect(not isinstance(fn, Display | Slice | Star), "a callee is an atom")
            self.use(visible, fn)
        for arg in equation.args:
            self.use(visible, arg.value if isinstance(arg, Star) else arg)
        for _, value in equation.kwargs:
            self.use(visible, value)
        if equation.arity is not None:
            takes_items = isinstance(fn, Ref) and len(equation.args) == 2
            _expect(takes_items, "only getitem has an arity")

    def loop(self, visible: set[Var], loop: Loop) -> None:
        for tree in (*loop.init, *(value for _, value in loop.options)):
            self.use(visible, tree)
        for tree in iter_leaves(loop.iterable) if loop.iterable is not None else ():
            self.use(visible, tree)
        self.block(visible, loop.body, len(loop.init) + item_count(loop.iterable))
        _expect_result(loop.body, len(loop.outs))
        _expect(len(loop.outs) >= len(loop.init), "a loop has an out for each carried value")
        _expect_kind(loop)

    def branch(self, visible: set[Var], branch: Branch) -> None:
        self.use(visible, branch.predicate)
        two = branch.kind is not BranchKind.SWITCH
        _expect(len(branch.blocks) == 2 if two else bool(branch.blocks), "blocks are missing")
        for block in branch.blocks:
            self.block(visible, block, 0)
            _expect_result(block, len(branch.outs))


class _Scope(set):
    """The set of visible vars of a block: writes go through to the set outside, and are taken back."""

    def __init__(self, outside: set[Var]):
        super().__init__()
        self.all: set[Var] = outside.all if isinstance(outside, _Scope) else outside

    def add(self, var: Var) -> None:
        super().add(var)
        self.all.add(var)

    def __contains__(self, var: object) -> bool:
        return var in self.all

    def leave(self) -> None:
        self.all.difference_update(self)


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise MalformedError(message)


def _expect_result(block: Block, count: int) -> None:
    result = block.result
    is_tuple = isinstance(result, Display) and result.kind is tuple
    _expect(is_tuple, "the result of a loop's or branch's block is a tuple display")
    assert isinstance(result, Display)
    _expect(len(result.items) == count, f"a block gives {len(result.items)}, not {count}")
    _expect(
        not any(isinstance(item, Star) for item in result.items), "a block gives a starred value"
    )


def _expect_kind(loop: Loop) -> None:
    if loop.iterable is None:
        _expect(loop.kind is LoopKind.SCAN, "only a scan goes without an iterable")
    if loop.kind is LoopKind.FORI:
        _expect(isinstance(loop.iterable, Range), "a fori_loop iterates a range")
        _expect(len(loop.outs) == len(loop.init), "a fori_loop collects nothing")
    if loop.kind is LoopKind.MAP:
        _expect(not loop.init, "a map carries nothing")


def _expect_opaque(equation: Opaque) -> None:
    if isinstance(equation.code, ast.expr):
        _expect(len(equation.outs) == 1, "an expression has one value")
    else:
        _expect(len(equation.outs) == len(equation.bound), "an out for each name that is bound")


__all__ = ["MalformedError", "check"]
