"""Copy what is not followed: statements and expressions that run where all that they read is known."""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence

from invcompiler.frontend.lowering import COPIES, Local, Lowering, Unbound, Unfollowed
from invcompiler.frontend.mutation import changed_outside
from invcompiler.frontend.names import (
    Names,
    binds,
    bound_names,
    children,
    every,
    free_names,
    may_read,
    read_names,
)
from invcompiler.frontend.structure import leaves_of, settled
from invcompiler.ir.nodes import Opaque, Tree, Var

_NOT_COPIED = {
    ast.Return: "a `return`",
    ast.Yield: "a `yield`",
    ast.YieldFrom: "a `yield`",
    ast.Await: "an `await`",
    ast.Global: "a `global` statement",
    ast.Nonlocal: "a `nonlocal` statement",
    ast.AsyncFor: "an `async for` loop",
    ast.AsyncWith: "an `async with` statement",
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def copy_expression(
    lowering: Lowering, node: ast.expr, unfollowed: Unfollowed, name: str | None
) -> Tree:
    """Return the value of an expression that is copied as it stands."""
    if bound_names([node]):
        raise unfollowed
    refuse_uncopied(lowering, [node], unfollowed)
    if changed_outside(lowering, [node]):
        raise unfollowed
    out = Var(name, lowering.span(node))
    lowering.unit.copied.add(out)
    ins = inputs(lowering, [node], unfollowed)
    if not isinstance(node, ast.JoinedStr | ast.Compare):
        for _, tree in ins:
            lowering.unit.freeze(tree)
    what, span = unfollowed.what, lowering.span(unfollowed.node)
    lowering.builder.add(Opaque((out,), (), _settled(ins), clean(lowering, node), what, span))
    return out


_SMALLEST = (ast.Set, ast.SetComp, ast.GeneratorExp, ast.JoinedStr, ast.ListComp, ast.DictComp)
_SMALLEST += (ast.Compare, ast.Dict)
COPIES.update(dict.fromkeys(_SMALLEST, copy_expression))


def copy_statements(lowering: Lowering, nodes: Sequence[ast.stmt], unfollowed: Unfollowed) -> None:
    """Add statements as they stand, and bind the names that they bind or change."""
    refuse_uncopied(lowering, nodes, unfollowed)
    changed = changed_outside(lowering, nodes)
    bound = tuple(dict.fromkeys((*bound_names(nodes), *changed)))
    outs = tuple(Var(name, lowering.span(nodes[0])) for name in bound)
    ins = inputs(lowering, nodes, unfollowed, bound)
    for name, tree in ins:
        lowering.unit.share(tree)  # the code may have given it another name
        lowering.unit.freeze(tree)
        read = name not in bound or may_read(nodes, name)
        if read and (seen := sees(lowering, tree, bound)):
            what = f"a function that sees a later value of `{seen}`"
            raise lowering.unsupported(what, unfollowed.node)
    what, span = unfollowed.what, lowering.span(unfollowed.node)
    code = [clean(lowering, node) for node in nodes]
    lowering.builder.add(Opaque(outs, bound, _settled(ins), code, what, span))
    lowering.unit.copied.update(outs)
    for name, out in zip(bound, outs, strict=True):
        before = lowering.env.get(name)
        unsure = before is None or isinstance(before, Unbound) or before in lowering.unit.perhaps
        if unsure and not binds(nodes, name):
            lowering.unit.perhaps.add(out)
        lowering.bind(name, out)
    seen = {name: lowering.env.get(name) for name in _seen_by_functions(nodes)}
    if seen:
        lowering.unit.captured.update((out, seen) for out in outs)


def _seen_by_functions(nodes: Sequence[ast.AST]) -> Names:
    """Return the names that functions defined in `nodes` find around them when they are called."""
    names: Names = {}
    for part in every(*nodes):
        if isinstance(part, ast.Lambda | ast.FunctionDef):
            names.update(free_names(part))
    return names


def sees(lowering: Lowering, tree: Tree, names: Sequence[str]) -> str | None:
    """Return which of `names` a function in `tree` finds around it when it is called."""
    for leaf in leaves_of(tree):
        captured = dict(lowering.unit.captured.get(leaf, {}))  # type: ignore[call-overload]
        for closure in lowering.closures_in(leaf):
            captured.update((name, None) for name, _ in closure.env)
        for name in names:
            if name in captured and name in lowering.unit.locals:
                return name
    return None


def refuse_uncopied(lowering: Lowering, nodes: Sequence[ast.AST], unfollowed: Unfollowed) -> None:
    """Refuse what would mean something else in another function."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if type(node) in _NOT_COPIED:
            if isinstance(node, ast.Return):
                what = f"{unfollowed.what} with a `return` in it"
                raise lowering.unsupported(what, unfollowed.node, "return once, at the end")
            raise lowering.unsupported(_NOT_COPIED[type(node)], node)
        if isinstance(node, _FUNCTIONS):
            pending.extend(
                part for part in every(node) if isinstance(part, ast.Nonlocal | ast.Global)
            )
        else:
            pending.extend(children(node))


def inputs(
    lowering: Lowering,
    nodes: Sequence[ast.AST],
    unfollowed: Unfollowed,
    bound: Sequence[str] = (),
) -> tuple[tuple[str, Tree], ...]:
    """Return the names that `nodes` read, and what they stand for here."""
    found: dict[str, Tree] = {}
    for name in dict.fromkeys((*read_names(nodes), *bound)):
        entry = lowering.env.get(name)
        if name in bound and entry is None:
            continue
        uncertain = isinstance(entry, Unbound) or entry in lowering.unit.perhaps
        if name in bound and uncertain and not may_read(nodes, name):
            continue
        try:
            value = lowering.entry(name, nodes[0])
            tree = value.closure(lowering) if isinstance(value, Local) else value
            lowering.refuse_stale(tree, nodes[0])
        except Unfollowed as missing:
            raise lowering.unsupported(missing.what, unfollowed.node) from None
        found[name] = tree
    return tuple(found.items())


def _settled(ins: tuple[tuple[str, Tree], ...]) -> tuple[tuple[str, Tree], ...]:
    return tuple((name, settled(tree)) for name, tree in ins)


# ---- code that stands on its own ----------------------------------------------------------------------


def clean(lowering: Lowering, node):
    """Return `node` without annotations and with private names spelled out, as it must be elsewhere."""
    owner = lowering.unit.owner
    if not any(_is_unclean(part, owner) for part in every(node)):
        return node
    return _Clean(lowering.unit.private).visit(copy.deepcopy(node))


def _is_unclean(node: ast.AST, owner: str | None) -> bool:
    if isinstance(node, ast.arg):
        return node.annotation is not None
    if isinstance(node, ast.FunctionDef):
        return node.returns is not None
    return owner is not None and isinstance(node, ast.Attribute) and node.attr.startswith("__")


class _Clean(ast.NodeTransformer):
    def __init__(self, private):
        self.private = private

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self.private(node.attr)
        return self.generic_visit(node)
