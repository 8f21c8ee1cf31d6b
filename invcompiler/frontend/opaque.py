"""Copy what is not followed: statements and expressions that run where all that they read is known."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from invcompiler.frontend.lowering import Local, Lowering, Unbound, Unfollowed
from invcompiler.frontend.names import bound_names, read_names
from invcompiler.ir.nodes import Opaque, Tree, Var


def copy_expression(
    lowering: Lowering, node: ast.expr, unfollowed: Unfollowed, name: str | None
) -> Tree:
    """Return the value of an expression that is copied as it stands."""
    if bound_names([node]):
        raise unfollowed
    out = Var(name, lowering.span(node))
    ins = inputs(lowering, [node])
    what, span = unfollowed.what, lowering.span(unfollowed.node)
    lowering.builder.add(Opaque((out,), (), ins, node, what, span))
    return out


def copy_statement(lowering: Lowering, node: ast.stmt, unfollowed: Unfollowed) -> None:
    """Add a statement as it stands, and bind the names that it binds."""
    bound = tuple(bound_names([node]))
    outs = tuple(Var(name, lowering.span(node)) for name in bound)
    ins = inputs(lowering, [node], bound)
    what, span = unfollowed.what, lowering.span(unfollowed.node)
    lowering.builder.add(Opaque(outs, bound, ins, [node], what, span))
    for name, out in zip(bound, outs, strict=True):
        lowering.bind(name, out)


def inputs(
    lowering: Lowering, nodes: list[ast.AST], bound: Iterable[str] = ()
) -> tuple[tuple[str, Tree], ...]:
    """Return the names that `nodes` read, and what they stand for here."""
    found: dict[str, Tree] = {}
    own = set(bound)
    for name in (*read_names(nodes), *own):
        entry = lowering.env.get(name)
        if isinstance(entry, Unbound) or (entry is None and name in own):
            continue
        value = lowering.entry(name, nodes[0])
        found[name] = value.closure(lowering) if isinstance(value, Local) else value
    return tuple(found.items())
