"""The state of one lowering: which names stand for which trees, and where equations go.

What each kind of syntax means stands in the modules that fill the two tables, `EXPRESSIONS` and
`STATEMENTS`: one function for one kind of node.
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from invcompiler.errors import UnsupportedSyntaxError
from invcompiler.frontend.callables import makes_function
from invcompiler.frontend.resolve import Captures, Scope
from invcompiler.frontend.source import Text
from invcompiler.frontend.structure import contains, exchange, is_mutable, leaves_of, settled
from invcompiler.frontend.survey import Survey, survey
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import (
    Apply,
    Capture,
    Closure,
    Const,
    Display,
    Method,
    Ref,
    Span,
    Tree,
    Var,
)

_MOST_LOWERED = 100_000
MOST_ITEMS = 10_000  # of a list or tuple that is seen through
EXPRESSIONS: dict[type, Callable[[Lowering, Any, str | None], Tree]] = {}
STATEMENTS: dict[type, Callable[[Lowering, Any], None]] = {}

# what copies an expression that is not followed, where the smallest such piece is worth copying
COPIES: dict[type, Callable[[Lowering, Any, Unfollowed, str | None], Tree]] = {}


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


def _unknown(lowering: Lowering, node: ast.expr, name: str | None) -> Tree:
    raise Unfollowed(_NAMES.get(type(node), f"`{type(node).__name__}`"), node)


_NAMES = {ast.Set: "a set", ast.SetComp: "a set comprehension", ast.Await: "an `await`"}
_NAMES |= {ast.Yield: "a `yield`", ast.YieldFrom: "a `yield`"}


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
    unit: Unit
    made: Closure | None = None

    def closure(self, lowering: Lowering) -> Closure:
        self.made = self.make(self, lowering)
        return self.made


Entry = Tree | Unbound | Local


class Look(Protocol):
    """What is known of the values of one call, for which a function is read again.

    With `unrolls`, loops over short ranges are read as their steps. `captured` are the values that the reading finds outside.
    """

    unrolls: bool
    deepest: int  # calls of a function by itself that are replaced by its body
    captured: Mapping[Any, tuple[Var, Capture]]

    def container(self, var: Var, builder: Builder, known: bool = False) -> Display | None:
        """Return the container that a value is, with `Const(None)` for each item that is no constant.

        Without `known`, only of a value that depends on the unknowns.
        """

    def constant(self, var: Var, builder: Builder) -> Const | None:
        """Return the bool, integer, string or None that `var` is."""

    def kind(self, tree: Tree, builder: Builder) -> type | None:
        """Return the class of an object that is neither an array nor a built-in container."""

    def rows(self, var: Var, builder: Builder, known: bool = False) -> int | None:
        """Return how many items iterating over an array gives. Without `known`, only of one that depends on the unknowns."""

    def is_unknown(self, tree: Tree, builder: Builder) -> bool:
        """Whether `tree` depends on the unknowns."""

    def enters(self, function: Any) -> bool:
        """Whether a call of `function` is to be replaced by its body."""


@dataclass(eq=False)
class Unit:
    """What all blocks of one function share."""

    text: Text
    captures: Captures
    locals: frozenset[str] | dict[str, None]
    name: str
    scope: Scope | None  # None for a function nested in the text
    node: ast.FunctionDef | ast.Lambda
    free: dict[str, Tree] = field(default_factory=dict)
    owner: str | None = None  # the class that private names belong to
    made: dict[Var, Apply] = field(default_factory=dict)
    shared: dict[int, Tree] = field(
        default_factory=dict
    )  # lists and dicts that were read as values
    frozen: dict[int, Tree] = field(default_factory=dict)  # and those that must not change any more
    surveys: dict[ast.AST, Survey] = field(default_factory=dict)

    closures: dict[Closure, Local] = field(default_factory=dict)
    lowered: int = 0
    replaced: dict[int, Tree] = field(
        default_factory=dict
    )  # what lists and dicts were before a change
    lists: dict[Var, bool] = field(default_factory=dict)  # vars of lists: have they other names?
    captured: dict[Var, dict[str, Any]] = field(default_factory=dict)  # what copied functions see
    copied: set[Var] = field(default_factory=set)  # vars that copied code binds, to what it wants
    perhaps: set[Var] = field(default_factory=set)  # those that it may not bind
    used_up: set[ast.AST] = field(default_factory=set)  # generators that a call runs to their end
    within: tuple[
        Any, ...
    ] = ()  # the code of the functions whose bodies are being lowered in place
    look: Look | None = None
    opened: dict[Var, tuple[Display, Builder]] = field(
        default_factory=dict
    )  # what vars are known to be, and where

    def survey(self, node: ast.AST | None = None) -> Survey:
        """Return what the text of `node`, or of the whole function, contains."""
        node = self.node if node is None else node
        if node not in self.surveys:
            self.surveys[node] = survey(node)
        return self.surveys[node]

    def makes_list(self, out: Tree, *operands: Tree) -> None:
        """Remember that `out` is a new list if it is made of one."""
        listed = any(is_mutable(part) or part in self.lists for part in operands)
        if isinstance(out, Var) and listed:
            self.lists.setdefault(out, False)

    def stands_for(self, var: Var, trees: Iterable[Tree]) -> Var:
        """Remember of `var` what is known of `trees`, one of which it is."""
        for tree in trees:
            if is_mutable(tree) or tree in self.lists:
                listed = self.lists.get(tree, False) or self.is_shared(tree)  # type: ignore[call-overload]
                self.lists[var] = self.lists.get(var, False) or listed
            if tree in self.copied:
                self.copied.add(var)
        return var

    def part(self, *trees: Tree) -> None:
        """Forget the other names of the lists and dicts in `trees`: they must not change any more."""
        if any(map(self.is_shared, trees)):
            for tree in trees:
                self.freeze(tree)

    def count(self, node: ast.AST) -> None:
        """Count a statement; what follows an `if` with a `return` in it may be lowered more than once."""
        self.lowered += 1
        if self.lowered > _MOST_LOWERED:
            raise Unfollowed("so many ways through the function", node, "return once, at the end")

    def is_shared(self, tree: Tree) -> bool:
        """Whether a list or dict in `tree` may be known by more than one name."""
        if not isinstance(tree, Display):
            return False
        known = id(tree) in self.shared or id(tree) in self.frozen
        return known or any(map(self.is_shared, tree.items))

    def private(self, name: str) -> str:
        """Return the name that Python gives to a private attribute of a class."""
        if self.owner is None or not name.startswith("__") or name.endswith("__"):
            return name
        return f"_{self.owner.lstrip('_')}{name}"

    def partial(self, fn: Tree) -> Apply | None:
        """Return the call of `functools.partial` that made `fn`, if one did."""
        made = self.made.get(fn) if isinstance(fn, Var) else None
        is_partial = made is not None and isinstance(made.fn, Ref)
        return made if is_partial and made.fn.value is functools.partial else None

    def share(self, tree: Tree) -> None:
        """Remember that the lists and dicts in `tree` may be known by more than one name."""
        if isinstance(tree, Var) and tree in self.lists:
            self.lists[tree] = True
        elif isinstance(tree, Display) and id(tree) not in self.shared:
            self.shared[id(tree)] = tree
            for item in tree.items:
                self.share(item)

    def freeze(self, tree: Tree) -> None:
        """Remember that other names of a list or dict, if it has any, are no longer known."""
        if isinstance(tree, Display) and id(tree) not in self.frozen:
            self.frozen[id(tree)] = tree
            for item in tree.items:
                self.freeze(item)


_KEEP_OUT = (
    "keep it in a function of its own that is called with known values, or state the inverse of "
    "this one with `inv.custom_inverse`"
)


class Lowering:
    """Lowers into one block. `env` has an undo log, so that a statement can be taken back."""

    def __init__(self, unit: Unit, builder: Builder, env: dict[str, Entry]):
        self.unit = unit
        self.builder = builder
        self.env = env
        self.collections: dict[str, dict[str, Tree]] = {}  # the lists that a loop's body appends to
        self.whole: ast.AST | None = None  # the expression that is all of a statement's value
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
        unit.freeze(unit.free[name])
        return unit.free[name]

    def changed(self) -> dict[str, None]:
        """Return the names bound or unbound in this block, in order."""
        return dict.fromkeys(name for name, _ in self._log)

    def replace(self, before: Tree, after: Tree, name: str | None) -> None:
        """Change a list or dict in place: everything that holds it sees what it is now."""
        unit = self.unit
        if id(before) in unit.frozen:
            raise Unfollowed("a change of a value that others may share", unit.node)
        if isinstance(after, Display) and len(after.items) > MOST_ITEMS:
            raise Unfollowed("a list of so many items", unit.node)
        unit.replaced[id(before)] = before
        if name is not None and id(before) not in unit.shared:
            self.bind(name, after)
            return
        unit.share(after)
        for other, entry in list(self.env.items()):
            if isinstance(entry, Display) and contains(entry, before):
                self.bind(other, exchange(entry, before, after))

    def refuse_stale(self, tree: Tree, node: ast.AST) -> None:
        """Refuse a function that closes over a name which has another value by now."""
        for leaf in leaves_of(tree):
            for name, value in self.unit.captured.get(leaf, {}).items():  # type: ignore[call-overload]
                if self.env.get(name) is not value:
                    raise Unfollowed(f"a function that sees a later value of `{name}`", node)
            for closure in self.closures_in(leaf):
                for name, value in closure.env:
                    now = self.env.get(name, value)
                    if isinstance(now, Local):
                        now = now.closure(self)
                    if now is not value:
                        raise Unfollowed(f"a function that sees a later value of `{name}`", node)

    def closures_in(self, leaf: Tree) -> Iterator[Closure]:
        if isinstance(leaf, Closure):
            yield leaf
        elif isinstance(leaf, Var) and leaf in self.unit.made:
            equation = self.unit.made[leaf]
            if makes_function(equation.fn):
                for arg in equation.args:
                    yield from (part for part in leaves_of(arg) if isinstance(part, Closure))

    def closes_over(self, leaf: Tree, names: Iterable[str]) -> bool:
        return any(name in names for closure in self.closures_in(leaf) for name, _ in closure.env)

    def receiver(self, node: ast.expr) -> Tree:
        """Return the value of `node`, whose method is called or whose item is set: it gets no other name."""
        if not isinstance(node, ast.Name):
            return self.expression(node)
        found = self.entry(node.id, node)
        return found.closure(self) if isinstance(found, Local) else self.seen(found, node)

    # ---- nodes ----------------------------------------------------------------------------------

    def span(self, node: ast.AST) -> Span:
        return self.unit.text.span(node)

    def expression(self, node: ast.expr, name: str | None = None) -> Tree:
        """Return the tree of an expression. `name` is what its value will be called."""
        return self.seen(self._expression(node, name), node)

    def seen(self, tree: Tree, node: ast.AST, known: bool = False) -> Tree:
        """Return the container or constant that a var is known to be for the call at hand, `tree` itself if it is none.

        With `known`, also a container that does not depend on the unknowns.
        """
        look = self.unit.look
        if look is None or not isinstance(tree, Var):
            return tree
        opened = self.unit.opened.get(tree)
        if opened is not None and opened[1] in self.builder.chain():
            return opened[0]
        constant = look.constant(tree, self.builder)
        if constant is not None:
            return constant
        template = look.container(tree, self.builder, known)
        return tree if template is None else self._opened(tree, template, node)

    def _opened(self, var: Var, template: Display, node: ast.AST) -> Display:
        keys = template.keys or range(len(template.items))
        is_record = template.keys is not None and template.kind is not dict
        fn = Ref(getattr, "getattr") if is_record else Ref(operator.getitem, "operator.getitem")
        arity = len(template.items) if template.keys is None else None
        items = []
        for key, item in zip(keys, template.items, strict=True):
            if item == Const(None):
                name = key if isinstance(key, str) and key.isidentifier() else None
                item = self.apply(fn, (var, Const(key)), node=node, name=name, arity=arity)
            items.append(self.seen(item, node))
        opened = replace(template, items=tuple(items))
        self.unit.opened[var] = (opened, self.builder)
        return opened

    def is_unknown(self, trees: Iterable[Tree]) -> bool:
        """Whether the function is read for one call, in which one of `trees` depends on the unknowns."""
        look = self.unit.look
        return look is not None and any(look.is_unknown(tree, self.builder) for tree in trees)

    def _expression(self, node: ast.expr, name: str | None) -> Tree:
        lower = EXPRESSIONS.get(type(node), _unknown)
        if type(node) not in COPIES:
            return lower(self, node, name)
        mark = self.mark()
        try:
            return lower(self, node, name)
        except Unfollowed as unfollowed:
            self.undo(mark)
            return COPIES[type(node)](self, node, unfollowed, name)

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
        args = tuple(map(settled, args))
        kwargs = tuple((keyword, settled(value)) for keyword, value in kwargs)
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
            hint=hint or _KEEP_OUT,
        )
