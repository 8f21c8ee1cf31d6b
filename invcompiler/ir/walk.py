"""Going through the IR: the leaves of trees, the operands of equations, the free vars of blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import assert_never

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Closure,
    Const,
    Display,
    Each,
    Enumerate,
    Equation,
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


def has_name(block: Block, name: str) -> bool:
    """Whether a parameter of `block`, or a value of its own equations, is called `name`."""
    outs = (out for equation in block.equations for out in equation.outs)
    return any(var.name == name for var in (*block.params, *outs))


def map_tree(fn: Callable[[Var], Tree], tree: Tree) -> Tree:
    """Return `tree` with every var replaced by `fn(var)`."""
    match tree:
        case Var():
            return fn(tree)
        case Const() | Ref():
            return tree
        case Display():
            return replace(tree, items=tuple(map_tree(fn, item) for item in tree.items))
        case Slice():
            parts = (map_tree(fn, part) for part in (tree.lower, tree.upper, tree.step))
            return Slice(*parts)
        case Star():
            return Star(map_tree(fn, tree.value))
        case Closure():
            env = tuple((name, map_tree(fn, value)) for name, value in tree.env)
            return _with_environment(tree, env, fn)
        case _:
            assert_never(tree)


def _with_environment(closure: Closure, env: tuple, fn: Callable[[Var], Tree]) -> Closure:
    lower = closure.lower

    def lowered():
        function = lower()
        return replace(function, body=map_block(fn, function.body))

    return replace(closure, env=env, lower=lowered)


def map_iter(fn: Callable[[Var], Tree], iterable: Iter) -> Iter:
    match iterable:
        case Range():
            parts = (map_tree(fn, t) for t in (iterable.start, iterable.stop, iterable.step))
            return Range(*parts)
        case Each():
            return replace(iterable, value=map_tree(fn, iterable.value))
        case Zip():
            return replace(iterable, parts=tuple(map_iter(fn, part) for part in iterable.parts))
        case Enumerate():
            return Enumerate(map_iter(fn, iterable.part), map_tree(fn, iterable.start))
        case Reversed():
            return Reversed(map_iter(fn, iterable.part))
        case _:
            assert_never(iterable)


def map_block(fn: Callable[[Var], Tree], block: Block) -> Block:
    """Return `block` with every *use* of a var replaced; what it binds stays."""
    return replace(
        block,
        equations=tuple(map_operands(fn, equation) for equation in block.equations),
        result=map_tree(fn, block.result),
    )


def map_operands(fn: Callable[[Var], Tree], equation: Equation) -> Equation:
    """Return `equation` with every use of a var, in nested blocks too, replaced by `fn(var)`."""
    match equation:
        case Apply():
            callee = equation.fn
            if isinstance(callee, Var | Closure):
                callee = map_tree(fn, callee)
            return replace(
                equation,
                fn=callee,
                args=tuple(map_tree(fn, arg) for arg in equation.args),
                kwargs=tuple((name, map_tree(fn, value)) for name, value in equation.kwargs),
            )
        case Loop():
            iterable = equation.iterable
            return replace(
                equation,
                init=tuple(map_tree(fn, tree) for tree in equation.init),
                iterable=None if iterable is None else map_iter(fn, iterable),
                body=map_block(fn, equation.body),
                options=tuple((name, map_tree(fn, value)) for name, value in equation.options),
            )
        case Branch():
            return replace(
                equation,
                predicate=map_tree(fn, equation.predicate),
                blocks=tuple(map_block(fn, block) for block in equation.blocks),
            )
        case Opaque():
            ins = tuple((name, map_tree(fn, value)) for name, value in equation.ins)
            return replace(equation, ins=ins)
        case _:
            assert_never(equation)


def leaves(tree: Tree) -> Iterator[Var]:
    """Yield the vars of `tree`, from left to right, once for each use."""
    match tree:
        case Var():
            yield tree
        case Const() | Ref():
            return
        case Display():
            for item in tree.items:
                yield from leaves(item)
        case Slice():
            yield from leaves(tree.lower)
            yield from leaves(tree.upper)
            yield from leaves(tree.step)
        case Star():
            yield from leaves(tree.value)
        case Closure():
            for _, value in tree.env:
                yield from leaves(value)
        case _:
            assert_never(tree)


def iter_leaves(iterable: Iter) -> Iterator[Tree]:
    """Yield the trees that an iterable reads."""
    match iterable:
        case Range():
            yield from (iterable.start, iterable.stop, iterable.step)
        case Each():
            yield iterable.value
        case Zip():
            for part in iterable.parts:
                yield from iter_leaves(part)
        case Enumerate():
            yield from iter_leaves(iterable.part)
            yield iterable.start
        case Reversed():
            yield from iter_leaves(iterable.part)
        case _:
            assert_never(iterable)


def item_count(iterable: Iter | None) -> int:
    """Return how many vars of a loop's body stand for one item of `iterable`."""
    match iterable:
        case None:
            return 0
        case Range() | Each():
            return 1
        case Zip():
            return sum(map(item_count, iterable.parts))
        case Enumerate():
            return 1 + item_count(iterable.part)
        case Reversed():
            return item_count(iterable.part)
        case _:
            assert_never(iterable)


def operands(equation: Equation) -> tuple[Var, ...]:
    """Return the vars that `equation` reads, nested blocks included, in order of first use, once each."""
    return tuple(dict.fromkeys(_operands(equation)))


def _operands(equation: Equation) -> Iterator[Var]:
    match equation:
        case Apply():
            if isinstance(equation.fn, Var | Closure):
                yield from leaves(equation.fn)
            for arg in equation.args:
                yield from leaves(arg)
            for _, value in equation.kwargs:
                yield from leaves(value)
        case Loop():
            for tree in equation.init:
                yield from leaves(tree)
            if equation.iterable is not None:
                for tree in iter_leaves(equation.iterable):
                    yield from leaves(tree)
            for _, value in equation.options:
                yield from leaves(value)
            yield from free_vars(equation.body)
        case Branch():
            yield from leaves(equation.predicate)
            for block in equation.blocks:
                yield from free_vars(block)
        case Opaque():
            for _, value in equation.ins:
                yield from leaves(value)
        case _:
            assert_never(equation)


def free_vars(block: Block) -> tuple[Var, ...]:
    """Return the vars that `block` reads from outside, in order of first use."""
    bound = set(block.params)
    free: dict[Var, None] = {}
    for equation in block.equations:
        free.update((var, None) for var in operands(equation) if var not in bound)
        bound.update(equation.outs)
    free.update((var, None) for var in leaves(block.result) if var not in bound)
    return tuple(free)


def read_in(block: Block) -> frozenset[Var]:
    """Return the vars that some equation of `block` reads, or that it returns."""
    read = set(leaves(block.result))
    for equation in block.equations:
        read.update(operands(equation))
    return frozenset(read)


__all__ = [
    "free_vars",
    "item_count",
    "iter_leaves",
    "leaves",
    "map_block",
    "map_iter",
    "map_operands",
    "map_tree",
    "operands",
    "read_in",
]
