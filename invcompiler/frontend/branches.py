"""`if`, conditional expressions, `and` and `or`: decided here where the text decides, else a `Branch`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from invcompiler.frontend.expressions import truth_of
from invcompiler.frontend.lowering import Entry, Local, Lowering, Unbound, Unfollowed, expression
from invcompiler.frontend.structure import join, settled
from invcompiler.ir.nodes import Branch, BranchKind, Display, Tree, Var

Side = Callable[[Lowering], Tree | None]


def fork(
    lowering: Lowering,
    kind: BranchKind,
    predicate: Tree,
    sides: Sequence[Side],
    node: ast.AST,
    name: str | None = None,
) -> Tree | None:
    """Add a Branch of `sides`, bind the names that they bind, and return what they return."""
    inner = [lowering.nested() for _ in sides]
    results = [side(one) for side, one in zip(sides, inner, strict=True)]
    joined = Joined(lowering, len(sides))
    result = joined.results(results, node, name)
    if kind is not BranchKind.IF or result is None:
        joined.names(inner)
    blocks = tuple(
        one.builder.block((), Display(tuple, tuple(items)))
        for one, items in zip(inner, joined.items, strict=True)
    )
    if joined.outs:
        outs = tuple(joined.outs)
        lowering.builder.add(Branch(kind, outs, predicate, blocks, lowering.span(node)))
    return result


class Joined:
    """The values that differ between the sides of a branch: one out for each, and its items."""

    def __init__(self, lowering: Lowering, count: int):
        self.lowering = lowering
        self.outs: list[Var] = []
        self.items: list[list[Tree]] = [[] for _ in range(count)]

    def join(self, trees: Sequence[Tree], name: str | None) -> Tree:
        def leaf(parts: Sequence[Tree]) -> Tree:
            unit = self.lowering.unit
            out = unit.stands_for(Var(name), parts)
            unit.part(*parts)
            self.outs.append(out)
            for items, part in zip(self.items, parts, strict=True):
                items.append(settled(part))
            return out

        tree = join(trees, leaf)
        if tree is not trees[0]:
            self.lowering.unit.part(tree, *trees)
        return tree

    def results(self, results: Sequence[Tree | None], node: ast.AST, name: str | None):
        trees = [result for result in results if result is not None]
        if not trees:
            return None
        if len(trees) < len(results):
            raise Unfollowed("a `return` in one branch only", node)
        return self.join(trees, name)

    def names(self, inner: Sequence[Lowering]) -> None:
        """Bind each name that a side binds to what it is after the branch."""
        changed = dict.fromkeys(name for one in inner for name in one.changed())
        for name in changed:
            entries = [one.env.get(name) for one in inner]
            if all(entry is entries[0] for entry in entries):
                self._bind(name, entries[0])
            else:
                self._bind(name, self._joined(name, entries))

    def _bind(self, name: str, entry: Entry | None) -> None:
        if entry is None:
            self.lowering.unbind(name)
        else:
            self.lowering.bind(name, entry)

    def _joined(self, name: str, entries: Sequence[Entry | None]) -> Entry:
        perhaps = self.lowering.unit.perhaps
        if any(
            entry is None or isinstance(entry, Unbound) or entry in perhaps for entry in entries
        ):
            return Unbound(f"`{name}`, which only one of the branches binds")
        if any(isinstance(entry, Local) for entry in entries):
            return Unbound(f"`{name}`, a function that a branch chooses")
        return self.join(entries, name)  # type: ignore[arg-type]


# ---- expressions --------------------------------------------------------------------------------


@expression(ast.IfExp)
def conditional(lowering: Lowering, node: ast.IfExp, name: str | None) -> Tree:
    predicate = lowering.expression(node.test)
    truth = truth_of(predicate)
    if truth is not None:
        return lowering.expression(node.body if truth else node.orelse, name)
    sides = [_evaluated(node.body, name), _evaluated(node.orelse, name)]
    result = fork(lowering, BranchKind.IFEXP, predicate, sides, node, name)
    assert result is not None
    return result


def _evaluated(node: ast.expr, name: str | None) -> Side:
    return lambda lowering: lowering.expression(node, name)


@expression(ast.BoolOp)
def boolean(lowering: Lowering, node: ast.BoolOp, name: str | None) -> Tree:
    """Lower `a and b` as `b if a else a`: what decides it is not computed further."""
    return _boolean(lowering, node, node.values, name)


def _boolean(lowering: Lowering, node: ast.BoolOp, parts: list[ast.expr], name) -> Tree:
    value = lowering.expression(parts[0], name)
    if len(parts) == 1:
        return value
    truth = truth_of(value)
    goes_on = isinstance(node.op, ast.And)
    if truth is not None:
        return _boolean(lowering, node, parts[1:], name) if truth is goes_on else value

    def rest(inner: Lowering) -> Tree:
        return _boolean(inner, node, parts[1:], name)

    def decided(inner: Lowering) -> Tree:
        return value

    sides = [rest, decided] if goes_on else [decided, rest]
    result = fork(lowering, BranchKind.IFEXP, value, sides, node, name)
    assert result is not None
    return result
