"""The state of one lowering: which names stand for which trees, and where equations go.

What each kind of syntax means stands in the modules that fill the two tables, `EXPRESSIONS` and
`STATEMENTS`: one function for one kind of node.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from invcompiler.errors import UnsupportedSyntaxError
from invcompiler.frontend.resolve import Captures, Scope
from invcompiler.frontend.source import Text
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Apply, Closure, Method, Ref, Span, Tree, Var

EXPRESSIONS: dict[type, Callable[[Lowering, Any, str | None], Tree]] = {}
STATEMENTS: dict[type, Callable[[Lowering, Any], None]] = {}


def expression(*kinds: type):
    """Enter a function into the table of expressions."""

    def enter(function):
        EXPRESSIONS.update((kind, function) for kind in kinds)
        return function

    return enter


def statement(*kinds: type):
    """Enter a function into the table of statements."""

    def enter(function):
        STATEMENTS.update((kind, function) for kind in kinds)
        return function

    return enter


class Unfollowed(Exception):
    """What a node does is not followed: the statement or expression around it is copied instead."""

    def __init__(self, what: str, node: ast.AST, hint: str = ""):
        super().__init__(what)
        self.what = what
        self.node = node
        self.hint = hint


@dataclass(frozen=True, eq=False)
class Unbound:
    """Stands in the environment for a name that may have no value here."""

    why: str


@dataclass(eq=False)
class Local:
    """A function defined in the text. It sees the values that its free names have when it is used."""

    node: ast.FunctionDef | ast.Lambda
    name: str | None
    defaults: dict[str, Tree]
    make: Callable[[Local, Lowering], Closure]
    made: Closure | None = None

    def closure(self, lowering: Lowering) -> Closure:
        self.made = self.make(self, lowering)
        return self.made


Entry = Tree | Unbound | Local


@dataclass(eq=False)
class Unit:
    """What all blocks of one function share."""

    text: Text
    captures: Captures
    locals: frozenset[str] | dict[str, None]
    name: str
    scope: Scope | None  # None for a function nested in the text
    free: dict[str, Tree] = field(default_factory=dict)
    owner: str | None = None  # the class that private names belong to
    loads: dict[str, int] = field(default_factory=dict)
    made: dict[Var, Apply] = field(default_factory=dict)
    spent: list[int] = field(default_factory=lambda: [0])


class Lowering:
    """Lowers into one block. `env` has an undo log, so that a statement can be taken back."""

    def __init__(self, unit: Unit, builder: Builder, env: dict[str, Entry]):
        self.unit = unit
        self.builder = builder
        self.env = env
        self._log: list[tuple[str, Entry | None]] = []

    def nested(self) -> Lowering:
        """Return the lowering of a block inside this one."""
        return Lowering(self.unit, self.builder.nested(), dict(self.env))

    # ---- names ----------------------------------------------------------------------------------

    def bind(self, name: str, value: Entry) -> None:
        self._log.append((name, self.env.get(name)))
        self.env[name] = value

    def unbind(self, name: str) -> None:
        self._log.append((name, self.env.pop(name, None)))

    def mark(self) -> int:
        return len(self._log)

    def undo(self, mark: int) -> None:
        """Take back every binding made since `mark`."""
        while len(self._log) > mark:
            name, before = self._log.pop()
            if before is None:
                self.env.pop(name, None)
            else:
                self.env[name] = before

    def entry(self, name: str, node: ast.AST) -> Tree | Local:
        """Return what `name` stands for here."""
        found = self.env.get(name)
        if found is None:
            return self._free(name, node)
        if isinstance(found, Unbound):
            raise Unfollowed(found.why, node)
        return found

    def _free(self, name: str, node: ast.AST) -> Tree:
        unit = self.unit
        if name in unit.free:
            return unit.free[name]
        if name in unit.locals:
            raise Unfollowed(f"`{name}` is not bound here", node)
        capture = None if unit.scope is None else unit.scope.find(name)
        if capture is None:
            raise Unfollowed(f"the name `{name}` is not defined", node)
        unit.free[name] = unit.captures.tree(capture)
        return unit.free[name]

    # ---- nodes ----------------------------------------------------------------------------------

    def span(self, node: ast.AST) -> Span:
        return self.unit.text.span(node)

    def expression(self, node: ast.expr, name: str | None = None) -> Tree:
        """Return the tree of an expression. `name` is what its value will be called."""
        lower = EXPRESSIONS.get(type(node))
        if lower is None:
            raise Unfollowed(f"`{type(node).__name__}`", node)
        return lower(self, node, name)

    def statement(self, node: ast.stmt) -> None:
        lower = STATEMENTS.get(type(node))
        if lower is None:
            raise Unfollowed(f"`{type(node).__name__}`", node)
        lower(self, node)

    def apply(
        self,
        fn: Ref | Var | Method | Closure,
        args: Iterable[Tree],
        kwargs: Iterable[tuple[str | None, Tree]] = (),
        *,
        node: ast.AST,
        name: str | None = None,
        arity: int | None = None,
    ) -> Tree:
        span = self.span(node)
        equations = self.builder.equations
        before = len(equations)
        out = self.builder.apply(fn, args, kwargs, name=name, span=span, arity=arity)
        if len(equations) > before:
            self.unit.made[out] = equations[-1]  # type: ignore[index, assignment]
        return out

    def unsupported(self, what: str, node: ast.AST, hint: str = "") -> UnsupportedSyntaxError:
        return UnsupportedSyntaxError(
            reason=f"cannot read {what} in `{self.unit.name}`",
            span=self.span(node),
            function=self.unit.name,
            label=what,
            hint=hint,
        )
