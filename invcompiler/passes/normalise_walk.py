"""Rebuilding a function equation by equation, where most equations stay as they are."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import replace

import jax.numpy as jnp

from invcompiler.ir.build import Builder, fold
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
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
from invcompiler.ir.walk import leaves, map_iter, map_operands, map_tree, operands

_VIEWS = (
    operator.getitem,
    getattr,
    jnp.split,
    jnp.array_split,
    jnp.hsplit,
    jnp.vsplit,
    jnp.dsplit,
    jnp.transpose,
    jnp.swapaxes,
    jnp.moveaxis,
    jnp.expand_dims,
    jnp.squeeze,
)


class Rebuilder(Builder):
    """Appends equations with the vars that they bind. It numbers what takes a value apart, and nothing else."""

    def nested(self) -> Rebuilder:
        return Rebuilder(parent=self)

    def keep(self, equation: Apply) -> Tree:
        """Append `equation`, unless its value is there already; return the value."""
        folded = fold(equation.fn, equation.args, equation.kwargs) or _item(equation)
        if folded is not None:
            return folded
        number = self._key(equation) if is_view(equation) else None
        known = None if number is None else self._find(number)
        if known is not None:
            return known
        if number is not None:
            self._numbers[number] = equation.out
        self.equations.append(equation)
        return equation.out


def is_view(equation: Apply) -> bool:
    """Whether `equation` takes its operand apart, or shows it in another shape."""
    fn = equation.fn.value if isinstance(equation.fn, Ref) else None
    return any(fn is view for view in _VIEWS)


def _item(equation: Apply) -> Tree | None:
    """Return the field that an attribute of a record is, or the container that a copy of one is."""
    fn = equation.fn.value if isinstance(equation.fn, Ref) else None
    if fn not in (getattr, tuple, list) or not equation.args or equation.kwargs:
        return None
    value = equation.args[0]
    if not isinstance(value, Display) or not is_open(value):
        return None
    if fn is getattr:
        return _field(value, equation.args[1]) if len(equation.args) == 2 else None
    return Display(fn, value.items) if value.keys is None else None


def _field(value: Display, name: Tree) -> Tree | None:
    if value.keys is None or value.kind is dict or not isinstance(name, Const):
        return None
    return dict(zip(value.keys, value.items, strict=True)).get(name.value)


def is_open(tree: Tree) -> bool:
    """Whether `tree` is a container whose items the text shows."""
    return isinstance(tree, Display) and not any(isinstance(item, Star) for item in tree.items)


class Walk:
    """Goes through a function once. `values` are those of vars that are no longer bound."""

    def __init__(self) -> None:
        self.values: dict[Var, Tree] = {}
        self.changed = False

    def function(self, function: Function) -> Function:
        body = self.block(function.body, Rebuilder())
        return replace(function, body=body) if self.changed else function

    def block(self, block: Block, builder: Rebuilder) -> Block:
        """Return what `block` becomes. `builder` must be new."""
        self.equations(block.equations, builder)
        return builder.block(block.params, self.tree(block.result))

    def equations(self, equations: Iterable[Equation], builder: Rebuilder) -> None:
        for equation in equations:
            match equation:
                case Apply():
                    self.settle(equation.out, self.apply(self.mapped(equation), builder))
                case Loop():
                    self.loop(self._header(equation), builder)
                case Branch():
                    self.branch(replace(equation, predicate=self.tree(equation.predicate)), builder)
                case _:
                    builder.add(self.mapped(equation))

    # ---- what subclasses change -----------------------------------------------------------------

    def apply(self, equation: Apply, builder: Rebuilder) -> Tree:
        return builder.keep(equation)

    def loop(self, loop: Loop, builder: Rebuilder) -> None:
        builder.add(replace(loop, body=self.block(loop.body, builder.nested())))

    def branch(self, branch: Branch, builder: Rebuilder) -> None:
        taken = taken_block(branch)
        if taken is not None:
            self.take(taken, branch.outs, builder)
            return
        blocks = tuple(self.block(block, builder.nested()) for block in branch.blocks)
        builder.add(replace(branch, blocks=blocks))

    # ---- values ---------------------------------------------------------------------------------

    def settle(self, var: Var, value: Tree) -> None:
        """Note that `var` is `value` from now on."""
        if value is not var:
            self.values[var] = value
            self.changed = True

    def take(self, block: Block, outs: tuple[Var, ...], builder: Rebuilder) -> None:
        """Put the equations of a block in the place of the branch that it is taken by."""
        self.equations(block.equations, builder)
        result = self.tree(block.result)
        assert isinstance(result, Display)
        for out, item in zip(outs, result.items, strict=True):
            self.settle(out, item)

    def of(self, var: Var) -> Tree:
        """Return what `var` is now; parts of a container may have been taken apart since it was."""
        value = self.values.get(var, var)
        if value is not var and any(leaf in self.values for leaf in leaves(value)):
            value = self.values[var] = self.tree(value)
        return value

    def tree(self, tree: Tree) -> Tree:
        return spliced(map_tree(self.of, tree)) if self.values else tree

    def mapped(self, equation: Equation) -> Equation:
        values = self.values
        if not values or not any(var in values for var in operands(equation)):
            return equation
        mapped = map_operands(self.of, equation)
        if isinstance(mapped, Apply):
            return replace(mapped, args=_spliced(mapped.args))
        return mapped

    def _header(self, loop: Loop) -> Loop:
        """Map what a loop reads outside of its body; the body is walked by itself."""
        if not self.values:
            return loop
        iterable = loop.iterable
        return replace(
            loop,
            init=tuple(map(self.tree, loop.init)),
            iterable=None if iterable is None else map_iter(self.of, iterable),
            options=tuple((name, self.tree(value)) for name, value in loop.options),
        )


def taken_block(branch: Branch) -> Block | None:
    """Return the block that a branch takes, if its predicate is a constant that the text shows."""
    if branch.kind not in (BranchKind.IF, BranchKind.IFEXP):
        return None
    if not isinstance(branch.predicate, Const):
        return None
    return branch.blocks[0 if branch.predicate.value else 1]


def spliced(tree: Tree) -> Tree:
    """Return `tree` with the items of a container in the place of `*container`, where the text shows them."""
    if not isinstance(tree, Display):
        return tree
    items = tuple(map(spliced, tree.items))
    return replace(tree, items=items if tree.keys is not None else _spliced(items))


def _spliced(items: tuple[Tree, ...]) -> tuple[Tree, ...]:
    found: list[Tree] = []
    for item in items:
        inner = item.value if isinstance(item, Star) else None
        if isinstance(inner, Display) and inner.keys is None and is_open(inner):
            found += inner.items
        else:
            found.append(spliced(item))
    return tuple(found)


__all__ = ["Rebuilder", "Walk", "is_open", "is_view", "spliced", "taken_block"]
