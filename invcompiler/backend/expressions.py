"""Write trees and short equations as Python expressions: operators, displays, calls, constants."""

from __future__ import annotations

import ast
import cmath
import dataclasses
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, assert_never

from invcompiler.backend.annotations import without_annotations
from invcompiler.backend.names import Names
from invcompiler.backend.nest import Nest
from invcompiler.backend.passing import pass_along
from invcompiler.backend.pieces import (
    BINARY,
    COMPARISONS,
    UNARY,
    attribute,
    call,
    has_syntax,
    literal,
    name_of,
    negation,
)
from invcompiler.backend.substitute import substitute
from invcompiler.ir.nodes import (
    Apply,
    Branch,
    BranchKind,
    Closure,
    Const,
    Display,
    Equation,
    Loop,
    LoopKind,
    Method,
    Opaque,
    Ref,
    Slice,
    Star,
    Tree,
    Var,
)


@dataclass(frozen=True)
class Spelling:
    """How the module names the objects that a function refers to.

    `ref` spells a `Ref` as an expression, `needs` says which keywords calls of a function of the module (by its name) pass
    along; `passed` whether a tree names an object that is handed in as an argument; the others spell functions of `jax.lax`,
    `jax.numpy`, `jax`, and `functools.partial`.
    """

    ref: Callable[[Ref], ast.expr]
    needs: Callable[[str], tuple[str, ...]]
    lax: Callable[[str], ast.expr]
    jnp: Callable[[str], ast.expr]
    jax: Callable[[str], ast.expr]
    partial: Callable[[], ast.expr]
    passed: Callable[[Tree], bool]


class Expressions(ABC):
    """Writes expressions; loops and branches that are expressions are its subclasses' business."""

    def __init__(self, nest: Nest, names: Names, spelling: Spelling):
        self.nest = nest
        self.names = names
        self.spelling = spelling

    @abstractmethod
    def comprehension(self, loop: Loop) -> ast.expr:
        """Return the list comprehension that `loop` is."""

    @abstractmethod
    def ternary(self, branch: Branch) -> ast.expr:
        """Return the conditional expression that `branch` is."""

    @abstractmethod
    def lax_loop(self, loop: Loop) -> ast.expr:
        """Return the call that a loop of `lax` is."""

    @abstractmethod
    def lax_branch(self, branch: Branch) -> ast.expr:
        """Return the call that a branch of `lax` is."""

    def expr(self, tree: Tree) -> ast.expr:
        match tree:
            case Var():
                inlined = self.nest.inlined.get(tree)
                return name_of(self.names.of[tree]) if inlined is None else self.value(inlined)
            case Const():
                return self.constant(tree.value)
            case Ref():
                return self._reference(tree)
            case Display():
                return self._display(tree)
            case Slice():
                parts = [tree.lower, tree.upper, tree.step]
                return call(name_of("slice"), [self.expr(part) for part in parts])
            case Star():
                return ast.Starred(self.expr(tree.value), ast.Load())
            case Closure(node=ast.FunctionDef()):
                return name_of(self.names.closures[tree])
            case Closure():
                return self.copied(tree.node, self.meanings(tree.env))
            case _:
                assert_never(tree)

    def constant(self, value: Any) -> ast.expr:
        if isinstance(value, float | complex) and not cmath.isfinite(value):
            return self._non_finite(value)
        return literal(value)

    def _non_finite(self, value: float | complex) -> ast.expr:
        if isinstance(value, complex):
            return call(name_of("complex"), [self.constant(value.real), self.constant(value.imag)])
        if math.isnan(value):
            return self.spelling.jnp("nan")
        infinity = self.spelling.jnp("inf")
        return infinity if value > 0 else ast.UnaryOp(ast.USub(), infinity)

    def _reference(self, ref: Ref) -> ast.expr:
        """Return `ref` as a value: a function that is passed captured values along takes them with it."""
        return pass_along(self.spelling.ref(ref), self.spelling)

    def _display(self, display: Display) -> ast.expr:
        items = [self.expr(item) for item in display.items]
        if display.kind is tuple:
            return ast.Tuple(items, ast.Load())
        if display.kind is list:
            return ast.List(items, ast.Load())
        if display.kind is dict:
            return ast.Dict([self._key(key) for key in display.keys or ()], items)
        assert display.spelling is not None
        constructor = self.expr(display.spelling)
        if not dataclasses.is_dataclass(display.kind) or display.keys is None:
            return call(constructor, items)
        return call(constructor, [], dict(zip(display.keys, items, strict=True)))

    def _key(self, key: Any) -> ast.expr:
        if isinstance(key, Var | Const | Ref | Display):
            return self.expr(key)
        if isinstance(key, tuple):
            return ast.Tuple([self._key(part) for part in key], ast.Load())
        return self.constant(key)

    def value(self, equation: Equation) -> ast.expr:
        """Return what `equation` computes, as an expression."""
        match equation:
            case Apply():
                return self._apply(equation)
            case Loop(kind=LoopKind.COMPREHENSION):
                return self.comprehension(equation)
            case Loop():
                return self.lax_loop(equation)
            case Branch(kind=BranchKind.IF | BranchKind.IFEXP):
                return self.ternary(equation)
            case Branch():
                return self.lax_branch(equation)
            case Opaque():
                return self.opaque_expression(equation)
            case _:
                assert_never(equation)

    def _apply(self, apply: Apply) -> ast.expr:
        fn, args = apply.fn, apply.args
        if has_syntax(apply):
            return self._syntax(fn.value, args)  # type: ignore[union-attr]
        keywords = [ast.keyword(name, self.expr(value)) for name, value in apply.kwargs]
        match fn:
            case Method():
                receiver, *rest = args
                callee = attribute(self.expr(receiver), fn.name)
                return ast.Call(callee, [self.expr(arg) for arg in rest], keywords)
            case Ref():
                callee = self.spelling.ref(fn)
                extra = self.spelling.needs(callee.id) if isinstance(callee, ast.Name) else ()
                keywords += [ast.keyword(name, name_of(name)) for name in extra]
                return ast.Call(callee, [self.expr(arg) for arg in args], keywords)
            case Var() | Closure():
                return ast.Call(self.expr(fn), [self.expr(arg) for arg in args], keywords)
            case _:
                assert_never(fn)

    def _syntax(self, fn: Any, args: tuple[Tree, ...]) -> ast.expr:
        """Return the operator, index or attribute that Python has for `fn`."""
        if fn is operator.getitem:
            return ast.Subscript(self.expr(args[0]), self._index(args[1]), ast.Load())
        if fn is getattr:
            assert isinstance(args[1], Const)
            return attribute(self.expr(args[0]), args[1].value)
        operands = [self.expr(arg) for arg in args]
        if fn is operator.not_:
            return negation(operands[0])
        if fn in UNARY:
            return ast.UnaryOp(UNARY[fn](), operands[0])
        if fn in BINARY:
            return ast.BinOp(operands[0], BINARY[fn](), operands[1])
        if fn is operator.contains:
            return ast.Compare(operands[1], [ast.In()], [operands[0]])
        return ast.Compare(operands[0], [COMPARISONS[fn]()], [operands[1]])

    def _index(self, index: Tree) -> ast.expr:
        match index:
            case Slice():
                parts = (index.lower, index.upper, index.step)
                lower, upper, step = (
                    None if part == Const(None) else self.expr(part) for part in parts
                )
                return ast.Slice(lower, upper, step)
            case Display(kind=kind, items=items) if kind is tuple and items:
                return ast.Tuple([self._index(item) for item in items], ast.Load())
            case _:
                return self.expr(index)

    def opaque_expression(self, opaque: Opaque) -> ast.expr:
        return self.copied(opaque.code, self.meanings(opaque.ins))

    def meanings(self, names: Iterable[tuple[str, Tree]]) -> dict[str, ast.expr]:
        return {
            name: self.spelling.ref(tree) if isinstance(tree, Ref) else self.expr(tree)
            for name, tree in names
        }

    def copied(self, code: Any, meanings: dict[str, ast.expr]) -> Any:
        return pass_along(without_annotations(substitute(code, meanings)), self.spelling)
