"""When an expression may break inside its own brackets rather than in parentheses added around it."""

from __future__ import annotations

import ast
from collections.abc import Callable

ATTRIBUTE, POWER, INVERSION, PRODUCT, SUM, SHIFT, AND, XOR, OR = range(1, 10)
COMPARISON, BOOLEAN, CONDITIONAL = range(10, 13)
LOOSENESS = {
    ast.Pow: POWER,
    ast.Mult: PRODUCT,
    ast.MatMult: PRODUCT,
    ast.Mod: PRODUCT,
    ast.Div: PRODUCT,
    ast.FloorDiv: PRODUCT,
    ast.Add: SUM,
    ast.Sub: SUM,
    ast.LShift: SHIFT,
    ast.RShift: SHIFT,
    ast.BitAnd: AND,
    ast.BitXor: XOR,
    ast.BitOr: OR,
}
BRACKETED = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Omission:
    """Whether a chain may stand without parentheses if the brackets at its start or end can break instead.

    The rule is Black's: at most one operator of the loosest kind, and brackets that are not empty first or last.
    """

    def __init__(self, is_parenthesized: Callable[[ast.expr, int], bool]):
        self.is_parenthesized = is_parenthesized
        self.loosest = 0
        self.count = 0
        self.brackets = False
        self.first: ast.expr | None = None
        self.begun = False
        self.last: ast.expr | None = None

    def allows(self, node: ast.expr) -> bool:
        self._inside(node)
        if not self.brackets or self.count > 1:
            return False
        if self.loosest in (0, ATTRIBUTE):
            return True
        return any(
            expr is not None and not isinstance(expr, ast.Subscript) and self._has_content(expr)
            for expr in (self.last, self.first)
        )

    def _has_content(self, node: ast.expr) -> bool:
        """Whether `node` ends in brackets that hold something."""
        match node:
            case ast.Call(args=args, keywords=keywords):
                own = bool(args or keywords)
            case ast.List(elts=items) | ast.Set(elts=items) | ast.Tuple(elts=items):
                own = bool(items)
            case ast.Dict(values=values):
                own = bool(values)
            case _:
                own = isinstance(node, (ast.Subscript, *COMPREHENSIONS))
        return own or self.is_parenthesized(node, -1)

    def _has_brackets(self, node: ast.expr) -> bool:
        kinds = (ast.Call, ast.Subscript, ast.Tuple, *BRACKETED)
        return isinstance(node, kinds) or self.is_parenthesized(node, -1)

    def _operator(self, looseness: int, count: int = 1) -> None:
        if looseness > self.loosest:
            self.loosest, self.count = looseness, count
        elif looseness == self.loosest:
            self.count += count

    def _visit(self, node: ast.expr) -> None:
        self.last = node
        if self.is_parenthesized(node, -1):
            self.brackets = True
        else:
            self._inside(node)
        if not self.begun:
            self.begun, self.first = True, node

    def _inside(self, node: ast.expr) -> None:
        match node:
            case ast.Call(func=inner) | ast.Subscript(value=inner):
                self.brackets = True
                self._visit(inner)
                self.last = node
            case ast.Attribute(value=inner):
                self._visit(inner)
                if self._has_brackets(inner):
                    self._operator(ATTRIBUTE)
                self.last = node
            case ast.Name() | ast.Constant() | ast.JoinedStr():
                return
            case ast.Tuple() | ast.GeneratorExp():
                self.brackets = True
            case _ if isinstance(node, BRACKETED):
                self.brackets = True
            case _:
                self._operators_of(node)

    def _operators_of(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp(values=values):
                self._operator(BOOLEAN, len(values) - 1)
            case ast.BinOp(op=op):
                self._operator(LOOSENESS[type(op)])
            case ast.IfExp():
                self._operator(CONDITIONAL, 2)
            case ast.Compare(ops=ops):
                self._operator(COMPARISON, len(ops))
            case ast.UnaryOp(op=op):
                if isinstance(op, ast.Invert):
                    self._operator(INVERSION)
                self.begun = True
            case ast.Lambda() | ast.Starred():
                self.begun = True
        for child in _in_order(node):
            self._visit(child)


def _in_order(node: ast.expr) -> list[ast.expr]:
    children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return sorted(children, key=lambda child: child.col_offset)
