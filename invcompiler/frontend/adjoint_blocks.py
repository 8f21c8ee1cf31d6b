"""`with inv.adjoint_of(x) as x_bar:` becomes a call that returns `x`, and has the block as a function of `x_bar`."""

from __future__ import annotations

import ast
from typing import Any

from invcompiler.errors import AdjointBlockError
from invcompiler.frontend.calls import call_value
from invcompiler.frontend.closures import local
from invcompiler.frontend.lowering import Lowering, Unfollowed, statement
from invcompiler.frontend.names import bound_names
from invcompiler.ir.nodes import Ref

_JUMPS = (ast.Return, ast.Yield, ast.YieldFrom, ast.Break, ast.Continue)


@statement(ast.With)
def adjoint_block(lowering: Lowering, node: ast.With) -> None:
    item, *others = node.items
    blocks = [_block(lowering, item.context_expr) for item in node.items]
    if not any(blocks):
        raise Unfollowed("a `with` statement", node)
    if others:
        raise _misused(lowering, node, "it stands in a `with` statement of its own")
    block, call = blocks[0], item.context_expr
    assert block is not None
    assert isinstance(call, ast.Call)
    if not isinstance(item.optional_vars, ast.Name) or not _is_name(call):
        raise _misused(lowering, call, "it sees the cotangent of a name, under another name")
    if not lowering.unit.survey(node).kinds.isdisjoint(_JUMPS):
        raise _misused(lowering, node, "it is run on the way back, so that no jump can leave it")
    bar = item.optional_vars.id
    for name in bound_names(node.body):
        if name != bar and name in lowering.env:
            reason = f"it is run on the way back, so that it may assign `{bar}`, and not `{name}`"
            raise _misused(lowering, node, reason)
    x = call.args[0].id  # type: ignore[attr-defined]
    function = _function(node, f"adjoint_of_{x}", bar)
    closure = local(lowering, function, function.name).closure(lowering)
    value = lowering.expression(call.args[0])
    lowering.bind(x, call_value(lowering, block, (value, closure), (), node, x))


def _block(lowering: Lowering, call: ast.expr) -> Ref | None:
    """Return what the block becomes a call of, or None if it is not an `adjoint_of` block."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name | ast.Attribute):
        return None
    fn = lowering.expression(call.func)
    block: Any = getattr(fn.value, "__adjoint_block__", None) if isinstance(fn, Ref) else None
    return None if block is None else Ref(block, "adjoint_block", block)


def _misused(lowering: Lowering, node: ast.AST, label: str) -> AdjointBlockError:
    return AdjointBlockError(
        f"a block of `adjoint_of` in `{lowering.unit.name}` means nothing as it is written",
        span=lowering.span(node),
        function=lowering.unit.name,
        label=label,
        hint="write `with inv.adjoint_of(x) as x_bar:`, and in the block print `x_bar` or assign it anew",
    )


def _is_name(call: ast.Call) -> bool:
    return len(call.args) == 1 and not call.keywords and isinstance(call.args[0], ast.Name)


def _function(node: ast.With, name: str, bar: str) -> ast.FunctionDef:
    """Return the block as a function of the cotangent that returns it."""
    arguments = ast.arguments([], [ast.arg(bar)], None, [], [], None, [])
    returned = ast.Name(bar, ast.Load())
    result = ast.Return(returned)
    function = ast.parse("def block(): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.name, function.args, function.body = name, arguments, [*node.body, result]
    ast.copy_location(function, node)
    new: ast.AST
    for new in (arguments.args[0], result, returned):
        ast.copy_location(new, node.body[-1])
    return function
