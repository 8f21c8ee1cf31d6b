"""Shapes without running anything: what each function does to the shapes of its operands, in one pass over the equations.

Sizes are worked out relative to the vars at which knowledge ends: `jnp.split(x, 2, -1)` has parts with half of x's last axis.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import assert_never

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Const,
    Display,
    Each,
    Enumerate,
    Equation,
    Function,
    Iter,
    Loop,
    LoopKind,
    Method,
    Opaque,
    Range,
    Ref,
    Reversed,
    Tree,
    Var,
    Zip,
)
from invcompiler.ir.walk import iter_leaves, operands
from invcompiler.rules.canonical import Call, canonical
from invcompiler.schedule.abstract import (
    MISSING,
    Abstract,
    Array,
    Integer,
    Items,
    Known,
    Like,
    Open,
    Perhaps,
    ShapeTuple,
    Updater,
    is_fixed,
    join,
    static,
)
from invcompiler.schedule.dims import Dim, Size, axis_of, floor_div, symbol, times
from invcompiler.schedule.indexing import (
    as_integer,
    index_shape,
    is_array_index,
    item_of,
    of_shape,
    shape_item,
)
from invcompiler.schedule.layout import get_dim, split_shape
from invcompiler.schedule.shape_rules import SHAPES
from invcompiler.schedule.sight import CallSight, Sight


def infer(
    function: Function, known: Mapping[Var, Abstract], unknown: frozenset[Var]
) -> dict[Var, Abstract]:
    """Return what can be said of each var. What is fixed in `known` stays as it is."""
    inference = Inference(dict(known), set(unknown), unknown)
    inference.ranks(function.body)
    inference.block(function.body)
    return inference.values


class Inference(Sight):
    """The pass over the equations, in order."""

    # ---- equations ------------------------------------------------------------------------------

    def bind(self, var: Var, value: Abstract) -> None:
        known = self.values.get(var)
        if known is None or (not is_fixed(known) and value is not None):
            self.values[var] = value

    def taint(self, equation: Equation) -> None:
        if any(var in self.tainted for var in operands(equation)):
            self.tainted.update(equation.outs)

    def ranks(self, block: Block) -> None:
        """Give the vars whose shape is unpacked into `n` names the rank n."""
        shapes: dict[Var, Var] = {}
        for equation in block.equations:
            if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
                continue
            first = equation.args[0] if equation.args else None
            if not isinstance(first, Var):
                continue
            if equation.fn.value is getattr and equation.args[1] == Const("shape"):
                shapes[equation.out] = first
            elif equation.arity is not None and first in shapes:
                root = shapes[first]
                if self.values.get(root) is None:
                    axes = range(equation.arity)
                    self.values[root] = Array(tuple(axis_of(root, axis) for axis in axes))

    def block(self, block: Block) -> None:
        for equation in block.equations:
            self.taint(equation)
            match equation:
                case Apply():
                    known = self.values.get(equation.out)
                    if known is None or not is_fixed(known):
                        self.bind(equation.out, self.apply(equation))
                case Loop():
                    self.loop(equation)
                case Branch():
                    self.branch(equation)
                case Opaque():
                    pass
                case _:
                    assert_never(equation)

    def apply(self, equation: Apply) -> Abstract:
        fn = equation.fn
        if isinstance(fn, Ref):
            if fn.value is getattr and len(equation.args) >= 2:
                return self.attribute(equation)
            if fn.value is operator.getitem:
                return self.getitem(equation)
            builtin = _BUILTINS.get(id(fn.value))
            if builtin is not None and not equation.kwargs:
                return builtin(self, equation)
            if isinstance(fn.value, type) and fn.value in (tuple, list):
                return self.convert(equation, fn.value)
        elif isinstance(fn, Method):
            updated = self.updated(equation, fn.name)
            if updated is not None:
                return updated
        call = canonical(equation)
        return None if call is None else self.call(equation, call)

    def call(self, equation: Apply, call: Call) -> Abstract:
        integer = self.integer(equation.out, call)
        if integer is not None:
            return integer
        rule = SHAPES.get(id(call.fn))
        return None if rule is None else rule(CallSight(self, equation.out, call.arguments))

    # ---- integers -------------------------------------------------------------------------------

    def integer(self, out: Var, call: Call) -> Abstract:
        """Return the value of arithmetic on Python integers, if it is that or may be."""
        operation = _INTEGER_OPERATIONS.get(id(call.fn))
        trees = tuple(call.arguments.values())
        kinds = [self.of(tree) for tree in trees]
        if operation is None or not all(map(_may_be_integer, kinds)):
            return None
        dark = [tree for tree, kind in zip(trees, kinds, strict=True) if not _is_integer(kind)]
        if any(map(self.is_tainted, dark)):
            return None
        sizes = [self.size(tree) for tree in trees]
        found = None if None in sizes else operation(*sizes)
        if found is None or (isinstance(found, Dim) and not found.is_simple):
            found = symbol(out)
        if not isinstance(found, Dim):
            return Known(found)
        return Perhaps(found) if dark else Integer(found)

    # ---- attributes and items -------------------------------------------------------------------

    def attribute(self, equation: Apply) -> Abstract:
        source, name = equation.args[0], equation.args[1]
        found = self.of(source)
        if isinstance(found, Items) and isinstance(name, Const) and found.keys is not None:
            if found.kind is not dict and name.value in found.keys:
                return found.items[found.keys.index(name.value)]
        if not isinstance(name, Const):
            return None
        shape = self.shape(source)
        if isinstance(found, Known) and not isinstance(found.value, int | float | complex):
            return None
        if name.value == "at":
            dtype = found.dtype if isinstance(found, Array) else None
            return None if shape is None else Updater(Array(shape, dtype))
        if name.value in ("dtype", "ndim", "size", "shape"):
            return of_shape(name.value, shape, found)
        call = canonical(equation)
        return None if call is None else self.call(equation, call)

    def getitem(self, equation: Apply) -> Abstract:
        source, index = equation.args
        found = self.of(source)
        if isinstance(found, Updater):
            return found
        if isinstance(found, Items):
            return item_of(found, self.of(index))
        if isinstance(found, ShapeTuple):
            return shape_item(found, self.of(index))
        shape = self.shape(source)
        if shape is None or (equation.arity is not None and not isinstance(found, Array)):
            return None
        if (found is None or isinstance(found, Like)) and not is_array_index(index):
            return None  # it may be a container's item
        dtype = found.dtype if isinstance(found, Array) else None
        picked = index_shape(self, shape, index)
        return None if picked is None else Array(picked, dtype)

    def updated(self, equation: Apply, name: str) -> Abstract:
        """Return what `x.at[i].set(v)` is: like x."""
        updater = self.of(equation.args[0]) if equation.args else None
        return updater.base if isinstance(updater, Updater) and name != "get" else None

    def convert(self, equation: Apply, kind: type) -> Abstract:
        if len(equation.args) != 1:
            return None
        found = self.of(equation.args[0])
        if isinstance(found, Items) and found.kind is not dict:
            return Items(kind, None, found.items, kind)
        return found if isinstance(found, ShapeTuple) and kind is tuple else None

    # ---- branches -------------------------------------------------------------------------------

    def branch(self, branch: Branch) -> None:
        for block in branch.blocks:
            self.block(block)
        taken = branch.blocks
        predicate = static(self.of(branch.predicate))
        if branch.kind in (BranchKind.IF, BranchKind.IFEXP) and predicate is not MISSING:
            taken = (branch.blocks[0 if predicate else 1],)
        for i, out in enumerate(branch.outs):
            found = [self.kept(_items(block)[i]) for block in taken]
            first = found[0]
            for other in found[1:]:
                first = join(first, other)
            self.bind(out, first)

    # ---- loops ----------------------------------------------------------------------------------

    def loop(self, loop: Loop) -> None:
        params = loop.body.params
        carried, items = params[: len(loop.init)], params[len(loop.init) :]
        init = [self.kept(tree) for tree in loop.init]
        for var, tree in zip(carried, loop.init, strict=True):
            if self.is_tainted(tree):
                self.tainted.add(var)
        self.taint_items(loop, items)
        elements, length = self.iterate(loop.iterable, iter(items), loop.kind)
        for var, value in zip(items, elements, strict=True):
            self.bind(var, value)
        before = dict(self.values)
        for var, value in zip(carried, init, strict=True):
            self.bind(var, _named(value, loop.kind))
        self.ranks(loop.body)
        self.block(loop.body)
        results = _items(loop.body)
        kept = [self.stays(var, tree) for var, tree in zip(carried, results, strict=False)]
        if not all(kept):
            self.values = before
            for var, value, keeps in zip(carried, init, kept, strict=True):
                if keeps:
                    self.bind(var, _named(value, loop.kind))
            self.block(loop.body)
        self.leave(loop, carried, init, length)

    def taint_items(self, loop: Loop, items: tuple[Var, ...]) -> None:
        trees = iter_leaves(loop.iterable) if loop.iterable is not None else ()
        if any(self.is_tainted(tree) for tree in trees):
            self.tainted.update(items)

    def stays(self, var: Var, tree: Tree) -> bool:
        """Whether a carried value is after a step what it was taken to be before."""
        before, after = self.values.get(var), self.kept(tree)
        if before is None:
            return True
        if isinstance(before, Like) and isinstance(after, Array):
            return after.shape == Open(before.root)
        if isinstance(before, Array) and isinstance(after, Array):
            return before.shape == after.shape and before.dtype in (None, after.dtype)
        return before == after

    def leave(
        self, loop: Loop, carried: tuple[Var, ...], init: list[Abstract], length: Size | None
    ) -> None:
        for out, var, value in zip(loop.outs, carried, init, strict=False):
            after = self.values.get(var)
            self.bind(out, after if after == _named(value, loop.kind) else None)
        results = _items(loop.body)[len(carried) :]
        for out, tree in zip(loop.outs[len(carried) :], results, strict=True):
            self.bind(out, self.collected(loop, out, self.of(tree), length))

    def collected(self, loop: Loop, out: Var, value: Abstract, length: Size | None) -> Abstract:
        if _is_python(loop.kind) or not isinstance(value, Array):
            return None
        if not isinstance(value.shape, tuple) or _mentions(value.shape, _bound(loop.body)):
            return None
        leading = length
        for name, tree in loop.options:
            if name == "length" and tree != Const(None):
                leading = self.size(tree) if leading is None else leading
        size = axis_of(out, 0) if leading is None else leading
        return Array((size, *value.shape), value.dtype)

    def iterate(
        self, iterable: Iter | None, items: Iterator[Var], kind: LoopKind
    ) -> tuple[list[Abstract], Size | None]:
        """Return the abstract values of one step's items, and the number of steps."""
        match iterable:
            case None:
                return [], None
            case Range():
                return [Integer(symbol(next(items))) if _is_python(kind) else Array(())], None
            case Each():
                return self.each(iterable, next(items))
            case Zip():
                parts = [self.iterate(part, items, kind) for part in iterable.parts]
                lengths = [length for _, length in parts if length is not None]
                return [v for part, _ in parts for v in part], lengths[0] if lengths else None
            case Enumerate():
                counter = next(items)
                rest, length = self.iterate(iterable.part, items, kind)
                first = Integer(symbol(counter)) if _is_python(kind) else Array(())
                return [first, *rest], length
            case Reversed():
                return self.iterate(iterable.part, items, kind)
            case _:
                assert_never(iterable)

    def each(self, iterable: Each, item: Var) -> tuple[list[Abstract], Size | None]:
        found = self.of(iterable.value)
        if isinstance(found, Array):
            split = split_shape(found.shape, 1, 0)
            if split is None:
                return [None], None
            (length,), rest, _ = split
            return [Array(rest, found.dtype)], length
        if isinstance(found, Items) and found.items and iterable.view in ("", "values"):
            if found.kind is dict and iterable.view == "":
                return [None], len(found.items)
            value = found.items[0]
            for other in found.items[1:]:
                value = join(value, other, item)
            return [value], len(found.items)
        return [None], None


def _is_python(kind: LoopKind) -> bool:
    return kind in (LoopKind.FOR, LoopKind.COMPREHENSION)


def _named(value: Abstract, kind: LoopKind) -> Abstract:
    """Return what a carried value is taken to be, given what it is at first: never a number that changes."""
    if isinstance(value, Integer | Perhaps) or _is_int(value):
        return None if _is_python(kind) else Array(())
    return value


def _items(block: Block) -> tuple[Tree, ...]:
    assert isinstance(block.result, Display)
    return block.result.items


def _mentions(shape: tuple[Size, ...], names: set[Var]) -> bool:
    """Whether a size is said in terms of vars of a loop's body."""
    symbols = [name for size in shape if isinstance(size, Dim) for name, _ in size.terms]
    roots = [name[0] if isinstance(name, tuple) else name for name in symbols]
    return any(not isinstance(root, Var) or root in names for root in roots)


def _bound(block: Block) -> set[Var]:
    return {*block.params, *(out for equation in block.equations for out in equation.outs)}


def _may_be_integer(value: Abstract) -> bool:
    return value is None or isinstance(value, Perhaps) or _is_integer(value)


def _is_integer(value: Abstract) -> bool:
    return isinstance(value, Integer) or _is_int(value)


def _is_int(value: Abstract) -> bool:
    return isinstance(value, Known) and type(value.value) is int


# ---- builtins -----------------------------------------------------------------------------------


def _len(inference: Inference, equation: Apply) -> Abstract:
    found = inference.of(equation.args[0])
    if isinstance(found, Items):
        return Known(len(found.items))
    shape = inference.shape(equation.args[0]) if isinstance(found, Array) else None
    size = None if shape is None else get_dim(shape, 0)
    return None if size is None else as_integer(size)


def _shape_function(name: str) -> Callable[[Inference, Apply], Abstract]:
    def rule(inference: Inference, equation: Apply) -> Abstract:
        if len(equation.args) != 1:
            return None
        tree = equation.args[0]
        return of_shape(name, inference.shape(tree), inference.of(tree))

    return rule


_BUILTINS: dict[int, Callable[[Inference, Apply], Abstract]] = {
    id(len): _len,
    **{id(f): _shape_function("shape") for f in (jnp.shape, np.shape)},
    **{id(f): _shape_function("ndim") for f in (jnp.ndim, np.ndim)},
    **{id(f): _shape_function("size") for f in (jnp.size, np.size)},
}


def _quotient_of(one: Size, other: Size) -> Size | None:
    return floor_div(one, other) if isinstance(other, int) and other > 0 else None


def _remainder_of(one: Size, other: Size) -> Size | None:
    floor = _quotient_of(one, other)
    return None if floor is None else one - times(floor, other)


_INTEGER_OPERATIONS: dict[int, Callable[..., Size | None]] = {
    id(jnp.add): lambda a, b: a + b,
    id(jnp.subtract): lambda a, b: a - b,
    id(jnp.multiply): times,
    id(jnp.floor_divide): _quotient_of,
    id(jnp.remainder): _remainder_of,
    id(jnp.negative): lambda a: -a,
}

__all__ = ["Inference", "infer"]
