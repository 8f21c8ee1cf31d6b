"""Small pieces of Python trees: names, calls, definitions, literals."""

from __future__ import annotations

import ast
import keyword
import math
import operator
import sys
from typing import Any

from invcompiler.ir.nodes import Apply, Capture, Const, Display, Iter, Ref, Reversed, Star, Tree

BINARY = {
    operator.add: ast.Add,
    operator.sub: ast.Sub,
    operator.mul: ast.Mult,
    operator.truediv: ast.Div,
    operator.floordiv: ast.FloorDiv,
    operator.mod: ast.Mod,
    operator.pow: ast.Pow,
    operator.matmul: ast.MatMult,
    operator.and_: ast.BitAnd,
    operator.or_: ast.BitOr,
    operator.xor: ast.BitXor,
    operator.lshift: ast.LShift,
    operator.rshift: ast.RShift,
}
UNARY = {
    operator.neg: ast.USub,
    operator.pos: ast.UAdd,
    operator.invert: ast.Invert,
    operator.not_: ast.Not,
}
COMPARISONS = {
    operator.lt: ast.Lt,
    operator.le: ast.LtE,
    operator.gt: ast.Gt,
    operator.ge: ast.GtE,
    operator.eq: ast.Eq,
    operator.ne: ast.NotEq,
    operator.is_: ast.Is,
    operator.is_not: ast.IsNot,
}


def name_of(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def empty_list() -> ast.expr:
    return ast.List([], ast.Load())


def tuple_target(items: list[ast.expr]) -> ast.expr:
    return ast.Tuple(items, ast.Store())


def attribute(value: ast.expr, name: str) -> ast.expr:
    return ast.Attribute(value, name, ast.Load())


def assign(target: ast.expr, value: ast.expr) -> ast.stmt:
    return ast.Assign([target], value)


def call(
    fn: ast.expr, args: list[ast.expr], keywords: dict[str, ast.expr] | None = None
) -> ast.expr:
    named = [ast.keyword(name, value) for name, value in (keywords or {}).items()]
    return ast.Call(fn, args, named)


def definition(name: str, arguments: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    node = ast.FunctionDef(name, arguments, body, [])  # type: ignore[call-overload]
    if sys.version_info >= (3, 12):
        node.type_params = []
    return node


def arguments_of(names: list[str]) -> ast.arguments:
    return ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])


def packed(items: list[ast.expr]) -> ast.expr:
    """Return what a lax loop carries: nothing, one value, or a tuple."""
    if not items:
        return ast.Constant(None)
    return items[0] if len(items) == 1 else ast.Tuple(items, ast.Load())


def only(result: Tree) -> Tree:
    assert isinstance(result, Display) and len(result.items) == 1
    return result.items[0]


def like(result: Tree, items: Tree) -> Tree:
    assert isinstance(items, Display)
    return items if isinstance(result, Display) else items.items[0]


def unreversed(iterable: Iter | None) -> tuple[bool, Iter | None]:
    """Return whether a lax loop runs backwards, and what it then goes along."""
    reverse = False
    while isinstance(iterable, Reversed):
        reverse, iterable = not reverse, iterable.part
    return reverse, iterable


def negation(test: ast.expr) -> ast.expr:
    match test:
        case ast.Compare(left=left, ops=[ast.In()], comparators=comparators):
            return ast.Compare(left, [ast.NotIn()], comparators)
        case ast.Compare(left=left, ops=[ast.Is()], comparators=comparators):
            return ast.Compare(left, [ast.IsNot()], comparators)
        case _:
            return ast.UnaryOp(ast.Not(), test)


def negated_test(test: ast.expr) -> ast.expr:
    """Return what is true where `test` is not, as a condition: its value may be another than `not test`."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    return negation(test)


def literal(value: Any) -> ast.expr:
    if isinstance(value, complex):
        imaginary = ast.Constant(complex(0.0, abs(value.imag)))
        sign = math.copysign(1.0, value.imag)
        if value.real == 0 and math.copysign(1.0, value.real) > 0:
            return imaginary if sign > 0 else ast.UnaryOp(ast.USub(), imaginary)
        op = ast.Add() if sign > 0 else ast.Sub()
        return ast.BinOp(literal(value.real), op, imaginary)
    if isinstance(value, int | float) and not isinstance(value, bool) and _is_negative(value):
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def _is_negative(value: int | float) -> bool:
    return value < 0 or (isinstance(value, float) and math.copysign(1.0, value) < 0)


def has_syntax(apply: Apply) -> bool:
    """Whether `apply` is written as an operator, an index or an attribute rather than as a call."""
    if not isinstance(apply.fn, Ref) or apply.kwargs:
        return False
    fn, args = apply.fn.value, apply.args
    if any(isinstance(arg, Star) for arg in args) or type(fn).__hash__ is None:
        return False
    if fn is getattr:
        return len(args) == 2 and isinstance(args[1], Const) and _is_name(args[1].value)
    if fn is operator.getitem or fn is operator.contains:
        return len(args) == 2
    return len(args) == (1 if fn in UNARY else 2 if fn in BINARY or fn in COMPARISONS else -1)


def is_number(capture: Capture) -> bool:
    """Whether `capture` reads a plain number: text can state what it is today."""
    return type(capture.read()) in (int, float, complex)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isidentifier() and not keyword.iskeyword(value)
