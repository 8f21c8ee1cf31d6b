"""Making blocks, equation by equation: each value is computed once, and what is constant is folded.

A `Builder` numbers values: applying the same function to the same operands twice gives the same
var, so that it cannot matter whether a program says `x[:2]` once or twice. A nested builder (for the body of a
loop or branch) sees the values of its parent.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any, assert_never

import numpy as np

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Closure,
    Const,
    Display,
    Equation,
    Function,
    Loop,
    Method,
    Opaque,
    Ref,
    Slice,
    Span,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import map_operands, map_tree

_IMPURE_MODULES = frozenset({"random", "numpy.random", "time", "builtins"})
_PURE_BUILTINS = (len, min, max, sum, abs, round, int, float, bool, complex, str, tuple, list)
_PURE_BUILTINS += (sorted, isinstance, getattr, divmod, pow, range, slice)
_FOLDED_MODULES = frozenset(
    {
        *("_operator", "operator", "math", "numpy"),
        *("invcompiler.rules.statics", "invcompiler.rules.subscripts"),
    }
)
_LITERALS = (type(None), bool, int, str, bytes)


class Builder:
    """Collects equations in the order in which they are made.

    `key` maps an Apply to what identifies its value (by default its callee and operands as written).
    """

    def __init__(
        self,
        key: Callable[[Apply], Hashable] | None = None,
        parent: Builder | None = None,
    ):
        self.equations: list[Equation] = []
        self.parent = parent
        self._key = key or (parent._key if parent else apply_key)
        self._numbers: dict[Hashable, Var] = {}
        self._definitions: dict[Var, Equation] = {}
        self._looked_at = 0  # so many of the equations have their definitions noted

    def definition(self, var: Var) -> Equation | None:
        """Return the equation that binds `var`, here or in a block around this one."""
        for equation in self.equations[self._looked_at :]:
            self._definitions.update(dict.fromkeys(equation.outs, equation))
        self._looked_at = len(self.equations)
        found = self._definitions.get(var)
        return self.parent.definition(var) if found is None and self.parent else found

    def nested(self) -> Builder:
        """Return a builder for a block inside this one."""
        return Builder(parent=self)

    def chain(self) -> list[Builder]:
        """Return this builder and those of the blocks around it, the outermost first."""
        return [*([] if self.parent is None else self.parent.chain()), self]

    def apply(
        self,
        fn: Ref | Var | Method | Closure,
        args: Iterable[Tree],
        kwargs: Iterable[tuple[str | None, Tree]] = (),
        *,
        name: str | None = None,
        span: Span | None = None,
        arity: int | None = None,
    ) -> Tree:
        """Return the value of `fn(*args, **kwargs)`: a new var, the var that has it already, or a constant."""
        args, kwargs = tuple(args), tuple(kwargs)
        folded = fold(fn, args, kwargs)
        if folded is not None:
            return folded
        equation = Apply(Var(name, span), fn, args, kwargs, span, arity)
        number = self._key(equation) if is_pure(fn) else None
        known = None if number is None else self._find(number)
        if known is not None:
            return known
        self.equations.append(equation)
        if number is not None:
            self._numbers[number] = equation.out
        return equation.out

    def _find(self, number: Hashable) -> Var | None:
        builder: Builder | None = self
        while builder is not None:
            if number in builder._numbers:
                return builder._numbers[number]
            builder = builder.parent
        return None

    def add(self, equation: Equation) -> tuple[Var, ...]:
        """Append a loop, a branch, an opaque statement or a finished Apply; return what it binds."""
        self.equations.append(equation)
        return equation.outs

    def block(self, params: Iterable[Var], result: Tree) -> Block:
        return Block(tuple(params), tuple(self.equations), result)

    def inline(self, function: Function, arguments: Mapping[Var, Tree]) -> Tree:
        """Append the body of `function`, with its parameters replaced, and return its result.

        Branches on what has become constant are taken here and now.
        """
        return self.inline_block(function.body, arguments)

    def inline_block(self, block: Block, arguments: Mapping[Var, Tree]) -> Tree:
        values: dict[Var, Tree] = dict(arguments)

        def value(var: Var) -> Tree:
            return values.get(var, var)

        for equation in block.equations:
            values.update(
                zip(equation.outs, self._inline(map_operands(value, equation)), strict=True)
            )
        return map_tree(value, block.result)

    def _inline(self, equation: Equation) -> tuple[Tree, ...]:
        match equation:
            case Apply():
                value = self.apply(
                    equation.fn,
                    equation.args,
                    equation.kwargs,
                    name=equation.out.name,
                    span=equation.span,
                    arity=equation.arity,
                )
                return (value,)
            case Branch(kind=BranchKind.IF | BranchKind.IFEXP, predicate=Const(value=taken)):
                result = self.inline_block(equation.blocks[0 if taken else 1], {})
                assert isinstance(result, Display)
                return result.items
            case Loop() | Branch() | Opaque():
                outs = tuple(Var(out.name, out.span) for out in equation.outs)
                return self.add(replace(equation, outs=outs))
            case _:
                assert_never(equation)


# ---- identity of values -------------------------------------------------------------------------


def tree_key(tree: Tree) -> Hashable:
    """Return what identifies the value of `tree`: equal keys, equal values."""
    match tree:
        case Var() | Const() | Ref() | Closure():
            return tree
        case Display():
            return (Display, tree.kind, tree.keys, tuple(map(tree_key, tree.items)))
        case Slice():
            return (Slice, tree_key(tree.lower), tree_key(tree.upper), tree_key(tree.step))
        case Star():
            return (Star, tree_key(tree.value))
        case _:
            assert_never(tree)


def apply_key(equation: Apply) -> Hashable:
    """Return the callee and the operands as they are written."""
    fn = equation.fn
    kwargs = tuple((name, tree_key(value)) for name, value in equation.kwargs)
    return (fn, tuple(map(tree_key, equation.args)), kwargs)


def is_pure(fn: Ref | Var | Method | Closure) -> bool:
    """Whether calling `fn` twice on the same operands may be calling it once."""
    if not isinstance(fn, Ref):
        return True
    module = getattr(fn.value, "__module__", None)
    return module not in _IMPURE_MODULES or any(fn.value is f for f in _PURE_BUILTINS)


# ---- constants ----------------------------------------------------------------------------------


def fold(fn: Any, args: tuple[Tree, ...], kwargs: tuple) -> Tree | None:
    """Return the constant that `fn(*args, **kwargs)` is, or None if it must be computed at run time.

    Arithmetic on floats is left as the user wrote it, `1 / 3` reads better than its digits.
    """
    if not isinstance(fn, Ref):
        return None
    if fn.value is operator.getitem and isinstance(args[0], Display):
        return _item(args[0], args[1])
    if fn.value is len and isinstance(args[0], Display):
        return None if _has_star(args[0]) else Const(len(args[0].items))
    if fn.value in (operator.is_, operator.is_not) and _decides_identity(args):
        same = args[0] == args[1]
        return Const(same if fn.value is operator.is_ else not same)
    if not _is_foldable(fn.value):
        return None
    values = [literal(tree) for tree in (*args, *(value for _, value in kwargs))]
    if any(value is None for value in values):
        return None
    plain = [value[0] for value in values if value is not None]
    named = {name: value for (name, _), value in zip(kwargs, plain[len(args) :], strict=True)}
    try:
        result = fn.value(*plain[: len(args)], **named)
    except (ArithmeticError, TypeError, ValueError, LookupError):
        return None  # the program says so itself when it runs
    if fn.value is operator.neg and isinstance(result, float):
        return Const(result)
    return as_tree(result)


def _is_foldable(fn: Any) -> bool:
    if any(fn is f for f in _PURE_BUILTINS):
        return fn is not getattr
    return getattr(fn, "__module__", None) in _FOLDED_MODULES and callable(fn)


def _decides_identity(args: tuple[Tree, ...]) -> bool:
    """`v is None` is decided unless v is a var, whose value only shows at run time."""
    left, right = args
    return right == Const(None) and not isinstance(left, Var | Star)


def _has_star(display: Display) -> bool:
    return any(isinstance(item, Star) for item in display.items)


def _item(display: Display, index: Tree) -> Tree | None:
    if isinstance(index, Slice):
        bounds = [literal(part) for part in (index.lower, index.upper, index.step)]
        if display.keys is not None or _has_star(display) or None in bounds:
            return None
        picked = display.items[slice(*(bound[0] for bound in bounds if bound is not None))]
        return Display(display.kind, picked)
    if not isinstance(index, Const):
        return None
    if display.kind is dict:
        keys = [Const(key) for key in display.keys or ()]
        return display.items[keys.index(index)] if index in keys else None
    if _has_star(display) or not isinstance(index.value, int):
        return None
    if not -len(display.items) <= index.value < len(display.items):
        return None
    return display.items[index.value]


def literal(tree: Tree) -> tuple[Any] | None:
    """Return the Python value of a constant tree, in a tuple of one, or None if it has none."""
    match tree:
        case Const():
            return (tree.value,)
        case Ref():
            return (tree.value,)
        case Slice():
            parts = [literal(part) for part in (tree.lower, tree.upper, tree.step)]
            return None if None in parts else (slice(*(part[0] for part in parts if part)),)
        case Display(kind=kind) if kind in (tuple, list):
            items = [literal(item) for item in tree.items]
            return None if None in items else (kind(item[0] for item in items if item),)
        case _:
            return None


def as_tree(value: Any) -> Tree | None:
    """Return the tree of a plain value that a text can show, or None: the reverse of `literal`."""
    if isinstance(value, np.integer | np.bool_):
        value = value.item()
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iu":
        value = tuple(value.tolist())
    if isinstance(value, _LITERALS) or value is Ellipsis:
        return Const(value)
    if isinstance(value, float) and math.isinf(value):
        return Const(value)
    if isinstance(value, slice):
        parts = [as_tree(part) for part in (value.start, value.stop, value.step)]
        return None if None in parts else Slice(*parts)  # type: ignore[arg-type]
    if type(value) in (tuple, list):
        items = [as_tree(item) for item in value]
        if any(item is None for item in items):
            return None
        return Display(type(value), tuple(item for item in items if item is not None))
    return None
