"""Statements in order: assignment in all its forms, decisions, and what has no effect on values."""

from __future__ import annotations

import ast
import enum
from collections.abc import Callable, Iterable

from invcompiler.errors import UnsupportedSyntaxError
from invcompiler.frontend.branches import fork
from invcompiler.frontend.expressions import GETITEM, operation, truth_of
from invcompiler.frontend.iterables import (
    MOST_UNROLLED,
    Source,
    const_items,
    lists_of,
    rows_of,
    source,
)
from invcompiler.frontend.iterators import consumed
from invcompiler.frontend.lowering import STATEMENTS, Lowering, Unfollowed, statement
from invcompiler.frontend.mutation import (
    bare_call,
    extend_in_place,
    is_followed_change,
    makes_followed,
    may_be_shared_list,
    store,
    written_region,
)
from invcompiler.frontend.names import every
from invcompiler.frontend.opaque import copy_expression, copy_statements
from invcompiler.frontend.structure import is_mutable, settled
from invcompiler.frontend.transparent import is_transparent_context
from invcompiler.ir.nodes import BranchKind, Closure, Const, Display, Ref, Slice, Star, Tree

_LIST = Ref(list, "list", list)


class Jump(enum.Enum):
    """How a body ends other than by running to its end or returning a value."""

    BREAK = "break"
    CONTINUE = "continue"
    RAISE = "raise"


Ending = Tree | Jump | None
Rest = Callable[[Lowering], Ending]


def run(
    lowering: Lowering, statements: list[ast.stmt], start: int = 0, rest: Rest | None = None
) -> Ending:
    """Lower `statements` from `start`, then `rest`; return how they end.

    What follows an `if` with a jump in it belongs to the side that does not jump.
    """
    at = start
    while at < len(statements):
        node = statements[at]
        at += 1
        lowering.unit.count(node)
        match node:
            case ast.Return():
                return returned(lowering, node)
            case ast.Break():
                return Jump.BREAK
            case ast.Continue():
                return Jump.CONTINUE
            case ast.Raise():
                return Jump.RAISE
            case ast.If() if has_jump(lowering, node):
                return decide(lowering, node, _after(statements, at, rest))
            case ast.With() if is_transparent_context(lowering, node):
                return run(lowering, node.body, 0, _after(statements, at, rest))
            case ast.For() if returns(lowering, node):
                return loop_with_return(lowering, node, _after(statements, at, rest))
        at = follow_region(lowering, statements, at - 1)
    return None if rest is None else rest(lowering)


def function_result(lowering: Lowering, statements: list[ast.stmt]) -> Tree:
    """Lower the body of a function and return what it returns."""
    try:
        ending = run(lowering, statements, 0, lambda inner: Const(None))
    except Unfollowed as unfollowed:
        raise lowering.unsupported(unfollowed.what, unfollowed.node, unfollowed.hint) from None
    if ending is None or isinstance(ending, Jump):
        raise lowering.unsupported("a function that always raises", lowering.unit.node)
    return settled(ending)


def _after(statements: list[ast.stmt], at: int, rest: Rest | None) -> Rest:
    return lambda lowering: run(lowering, statements, at, rest)


def returned(lowering: Lowering, node: ast.Return) -> Tree:
    return Const(None) if node.value is None else value_of(lowering, node.value, None)


def follow_region(lowering: Lowering, statements: list[ast.stmt], at: int) -> int:
    """Lower the statement at `at`, or copy those up to the last change of what it binds; return what comes next."""
    end = written_region(lowering, statements, at)
    if end is None:
        follow(lowering, statements[at])
        return at + 1
    if makes_followed(lowering, statements[at]):
        return at + 1
    what = Unfollowed("a value that is changed in place", statements[at])
    copy_statements(lowering, statements[at:end], what)
    return end


def follow(lowering: Lowering, node: ast.stmt) -> None:
    """Lower one statement; copy it if what it does is not followed."""
    mark = lowering.mark()
    lower = STATEMENTS.get(type(node))
    try:
        if lower is None:
            raise Unfollowed(_what(node), node)
        lower(lowering, node)
    except Unfollowed as unfollowed:
        lowering.undo(mark)
        copy_statements(lowering, [node], unfollowed)
    except UnsupportedSyntaxError as unsupported:
        lowering.undo(mark)
        _copy_whole(lowering, node, unsupported)


def _copy_whole(lowering: Lowering, node: ast.stmt, unsupported: UnsupportedSyntaxError) -> None:
    """Copy a loop or branch in which something cannot be copied by itself."""
    if not isinstance(node, ast.For | ast.If | ast.With):
        raise unsupported
    try:
        copy_statements(lowering, [node], Unfollowed(unsupported.label, node))
    except UnsupportedSyntaxError:
        raise unsupported from None


_WORDS = {
    ast.While: "a `while` loop",
    ast.Try: "a `try` statement",
    ast.TryStar: "a `try` statement",
    ast.With: "a `with` statement",
    ast.Match: "a `match` statement",
    ast.ClassDef: "a class definition",
    ast.Raise: "a `raise` statement",
    ast.AsyncFor: "an `async for` loop",
    ast.AsyncWith: "an `async with` statement",
    ast.AsyncFunctionDef: "an `async` function",
}


def _what(node: ast.stmt) -> str:
    return _WORDS.get(type(node), f"`{type(node).__name__.lower()}`")


def value_of(lowering: Lowering, node: ast.expr, name: str | None) -> Tree:
    """Lower the expression of a statement; copy it if what it does is not followed."""
    mark = lowering.mark()
    lowering.whole = node
    try:
        return lowering.expression(node, name)
    except Unfollowed as unfollowed:
        lowering.undo(mark)
        return copy_expression(lowering, node, unfollowed, name)


# ---- decisions ----------------------------------------------------------------------------------


_JUMPING = (ast.Return, ast.Break, ast.Continue, ast.Raise)
_JUMPS = frozenset(_JUMPING)


def has_jump(lowering: Lowering, node: ast.stmt) -> bool:
    return not _JUMPS.isdisjoint(lowering.unit.survey(node).kinds) and jumps(node)


def returns(lowering: Lowering, node: ast.stmt) -> bool:
    """Whether `node` may leave the function: what is returned by functions that it defines does not."""
    return ast.Return in lowering.unit.survey(node).kinds and jumps(node, (ast.Return,))


def jumps(node: ast.stmt, ways: tuple = _JUMPING) -> bool:
    """Whether `node` may leave the statements around it, by one of these `ways`."""
    pending: list[ast.AST] = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, ways):
            return True
        if isinstance(part, ast.stmt) and not isinstance(part, ast.FunctionDef | ast.ClassDef):
            pending.extend(child for child in ast.iter_child_nodes(part))
        elif isinstance(part, ast.ExceptHandler | ast.match_case):
            pending.extend(part.body)
    return False


def loop_with_return(lowering: Lowering, node: ast.For, rest: Rest) -> Ending:
    """Lower a loop that is unrolled, and that the text leaves at a known item, or not at all."""
    over = source(lowering, node.iter, steps=True)
    ending = unroll(lowering, node, shown_rows(over, node), lists_of(over.iter))
    return rest(lowering) if ending is None else ending


def shown_rows(over: Source, node: ast.For) -> tuple[Tree, ...]:
    items = over.shown if over.shown is not None else const_items(over.iter, MOST_UNROLLED)
    if items is None:
        place = next(part for part in every(node) if isinstance(part, ast.Return))
        hint = "assign in the loop, and return after it"
        raise Unfollowed("a `return` inside a loop", place, hint)
    return items


def unroll(
    lowering: Lowering, node: ast.For, items: tuple[Tree, ...], lists: Iterable[Tree] = ()
) -> Ending:
    """Lower the body once for each item; return what it returns, if it does.

    `lists` are what the items come from: they must be the same after each time round.
    """
    lists = tuple(lists)
    for item in items:
        if any(id(tree) in lowering.unit.replaced for tree in lists):
            raise Unfollowed("a loop over a list that it changes", node)
        bind_target(lowering, node.target, item)
        ending = run(lowering, node.body)
        if ending is Jump.BREAK:
            return None
        if ending is not None and ending is not Jump.CONTINUE:
            return ending
    if any(id(tree) in lowering.unit.replaced for tree in lists):
        raise Unfollowed("a loop over a list that it changes", node)
    ending = run(lowering, node.orelse)
    if ending is Jump.BREAK or ending is Jump.CONTINUE:
        raise Unfollowed("a jump out of the `else` of a loop", node)
    return ending


@statement(ast.If)
def if_(lowering: Lowering, node: ast.If) -> None:
    ending = decide(lowering, node, None)
    if ending is not None:
        raise Unfollowed("a `raise` statement", node)


def decide(lowering: Lowering, node: ast.If, rest: Rest | None) -> Ending:
    """Lower the side that is taken, or both; a side that only raises is never taken."""
    sides = (node.body, node.orelse)
    if ast.NamedExpr in lowering.unit.survey(node).kinds:
        predicate = lowering.expression(node.test)
    else:
        predicate = value_of(lowering, node.test, None)
    truth = truth_of(predicate)
    if truth is not None:
        return run(lowering, sides[0 if truth else 1], 0, rest)
    endings: list[Ending] = []

    def side(statements: list[ast.stmt]):
        def lower(inner: Lowering) -> Tree | None:
            ending = run(inner, statements, 0, rest)
            if ending is Jump.RAISE:
                raise SideRaises(statements)
            endings.append(ending)
            return None if isinstance(ending, Jump) else ending

        return lower

    try:
        result = fork(lowering, BranchKind.IF, predicate, [side(s) for s in sides], node)
    except SideRaises as raises:
        return run(lowering, sides[1 if raises.statements is sides[0] else 0], 0, rest)
    return _ending(lowering, endings, result, node)


class SideRaises(Exception):
    """One side of an `if` ends in an exception: the `if` says what is true of the values, as an assertion does."""

    def __init__(self, statements: list[ast.stmt]):
        super().__init__()
        self.statements = statements


def _ending(lowering: Lowering, endings: list[Ending], result: Tree | None, node) -> Ending:
    if Jump.BREAK in endings:
        raise Unfollowed("a `break` that depends on values", node)
    if Jump.CONTINUE in endings:
        return Jump.CONTINUE
    return result


# ---- assignment ---------------------------------------------------------------------------------


@statement(ast.Assign)
def assign(lowering: Lowering, node: ast.Assign) -> None:
    pairs = _pairs(node)
    if pairs is not None:
        values = [value_of(lowering, part, target.id) for target, part in pairs]
        for (target, _), value in zip(pairs, values, strict=True):
            lowering.bind(target.id, value)
        return
    wish = next((target.id for target in node.targets if isinstance(target, ast.Name)), None)
    unpacked = all(isinstance(target, ast.Tuple | ast.List) for target in node.targets)
    used = consumed(lowering, node.value) if unpacked else node.value
    value = value_of(lowering, used, wish)
    if isinstance(node.value, ast.Lambda) and isinstance(value, Closure):
        for target in node.targets:
            bind_function(lowering, target, value)
        return
    if len(node.targets) > 1:
        lowering.unit.share(value)
    for target in node.targets:
        bind_target(lowering, target, value)


def _pairs(node: ast.Assign) -> list[tuple[ast.Name, ast.expr]] | None:
    """Return names and values of `a, b = x[:1], x[1:]`, so that each value gets its name; None for any other assignment."""
    target, value = node.targets[0], node.value
    if (
        len(node.targets) > 1
        or not isinstance(target, ast.Tuple)
        or not isinstance(value, ast.Tuple)
    ):
        return None
    plain = all(isinstance(part, ast.Name) for part in target.elts)
    starred = any(isinstance(part, ast.Starred | ast.Lambda) for part in value.elts)
    if not plain or starred or len(target.elts) != len(value.elts):
        return None
    return list(zip(target.elts, value.elts, strict=True))  # type: ignore[arg-type]


def bind_function(lowering: Lowering, target: ast.expr, value: Closure) -> None:
    """Bind a name to a lambda as to a `def`: it sees the values that its free names have when it is called."""
    if isinstance(target, ast.Name):
        lowering.bind(target.id, lowering.unit.closures[value])
    else:
        bind_target(lowering, target, value)


@statement(ast.AnnAssign)
def annotated(lowering: Lowering, node: ast.AnnAssign) -> None:
    if node.value is not None:
        wish = node.target.id if isinstance(node.target, ast.Name) else None
        bind_target(lowering, node.target, value_of(lowering, node.value, wish))


@statement(ast.AugAssign)
def augmented(lowering: Lowering, node: ast.AugAssign) -> None:
    """Lower `a += b` as `a = a + b`: arrays are immutable, and lists are followed by identity."""
    target = node.target
    if not isinstance(target, ast.Name):
        _augmented_item(lowering, node)
        return
    before = lowering.receiver(ast.copy_location(ast.Name(target.id, ast.Load()), target))
    value = value_of(lowering, node.value, None)
    if is_mutable(before):
        extend_in_place(lowering, before, type(node.op), value, node)
        return
    if may_be_shared_list(lowering, before, value):
        what = "a list that is extended in place and may have another name"
        raise lowering.unsupported(what, node, f"write `{target.id} = {target.id} + ...`")
    after = operation(lowering, type(node.op), before, value, node, target.id)
    lowering.bind(target.id, after)


def _augmented_item(lowering: Lowering, node: ast.AugAssign) -> None:
    target = node.target
    if not isinstance(target, ast.Subscript) or not is_followed_change(lowering, target):
        raise Unfollowed("assignment to an item or attribute", target)
    fields = {"value": target.value, "slice": target.slice, "ctx": ast.Load()}
    before = lowering.expression(ast.copy_location(ast.Subscript(**fields), target))
    value = value_of(lowering, node.value, None)
    store(lowering, target, operation(lowering, type(node.op), before, value, node))


def bind_target(lowering: Lowering, target: ast.expr, value: Tree) -> None:
    match target:
        case ast.Name():
            lowering.bind(target.id, value)
        case ast.Tuple() | ast.List():
            parts = unpack(lowering, target.elts, value, target)
            for part, item in zip(target.elts, parts, strict=True):
                bind_target(lowering, part.value if isinstance(part, ast.Starred) else part, item)
        case ast.Subscript():
            store(lowering, target, value)
        case _:
            raise Unfollowed("assignment to an attribute", target)


def unpack(
    lowering: Lowering, targets: list[ast.expr], value: Tree, node: ast.AST
) -> tuple[Tree, ...]:
    """Return one tree for each target of `targets = value`."""
    star = next((i for i, part in enumerate(targets) if isinstance(part, ast.Starred)), None)
    items = _shown_items(value)
    if items is None and star is not None:
        items = rows_of(lowering, value, node)
    if items is not None:
        return _distribute(items, len(targets), star, node)
    if isinstance(value, Display | Const):
        raise Unfollowed("unpacking of a display with a starred item", node)
    wishes = [part.id if isinstance(part, ast.Name) else None for part in targets]
    if star is None:
        return tuple(
            lowering.apply(GETITEM, (value, Const(i)), node=part, name=wish, arity=len(targets))
            for i, (part, wish) in enumerate(zip(targets, wishes, strict=True))
        )
    return _unpack_starred(lowering, targets, star, value, wishes)


def _shown_items(value: Tree) -> tuple[Tree, ...] | None:
    if isinstance(value, Display) and value.kind is dict:
        return tuple(map(Const, value.keys or ()))
    if isinstance(value, Display) and issubclass(value.kind, tuple | list):
        return None if any(isinstance(item, Star) for item in value.items) else value.items
    return None


def _distribute(items, count: int, star: int | None, node: ast.AST) -> tuple[Tree, ...]:
    if star is None and len(items) == count:
        return items
    if star is None or len(items) < count - 1:
        raise Unfollowed(f"unpacking of {len(items)} items into {count}", node)
    after = count - star - 1
    middle = items[star : len(items) - after]
    return (*items[:star], Display(list, middle), *items[len(items) - after :])


def _unpack_starred(lowering, targets, star: int, value: Tree, wishes) -> tuple[Tree, ...]:
    after = len(targets) - star - 1
    parts: list[Tree] = []
    for i, (part, wish) in enumerate(zip(targets, wishes, strict=True)):
        index: Tree = Const(i if i < star else i - len(targets))
        if i == star:
            index = Slice(Const(star), Const(-after if after else None), Const(None))
        item = lowering.apply(GETITEM, (value, index), node=part, name=None if i == star else wish)
        if i == star:
            item = lowering.apply(_LIST, (item,), node=part, name=wish)
        parts.append(item)
    return tuple(parts)


# ---- statements without values ------------------------------------------------------------------


@statement(ast.Pass)
def nothing(lowering: Lowering, node: ast.Pass) -> None:
    pass


@statement(ast.Assert)
def assertion(lowering: Lowering, node: ast.Assert) -> None:
    """An assertion computes nothing: it says what is true of the values that are computed."""
    if ast.NamedExpr in lowering.unit.survey(node).kinds:
        lowering.expression(node.test)


@statement(ast.Delete)
def delete(lowering: Lowering, node: ast.Delete) -> None:
    for target in node.targets:
        if not isinstance(target, ast.Name):
            raise Unfollowed("`del` of an item or attribute", target)
        lowering.unbind(target.id)


@statement(ast.Expr)
def bare_expression(lowering: Lowering, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Constant):
        return
    if isinstance(node.value, ast.Call):
        bare_call(lowering, node.value)
    else:
        lowering.expression(node.value)
