"""`with inv.adjoint_of(x) as x_bar:` becomes a call that returns `x`, and has the block as a function of `x_bar`."""

from __future__ import annotations

import ast
from typing import Any

from invcompiler.frontend.calls import call_value
from invcompiler.frontend.closures import local
from invcompiler.frontend.lowering import Lowering, Unfollowed, statement
from invcompiler.ir.nodes import Ref

_JUMPS = (ast.Return, ast.Yield, ast.YieldFrom, ast.Break, ast.Continue)


@statement(ast.With)
def adjoint_block(lowering: Lowering, node: ast.With) -> None:
    item, *others = node.items
    block = None if others else _block(lowering, item.context_expr)
    if block is None:
        raise Unfollowed("a `with` statement", node)
    call = item.context_expr
    assert isinstance(call, ast.Call)
    if not isinstance(item.optional_vars, ast.Name) or not _is_name(call):
        raise lowering.unsupported(
            "the adjoint of what has no name", call, "`with inv.adjoint_of(x) as x_bar:`"
        )
    if not lowering.unit.survey(node).kinds.isdisjoint(_JUMPS):
        raise lowering.unsupported("a block of the adjoint that is left by a jump", node)
    x = call.args[0].id  # type: ignore[attr-defined]
    function = _function(node, f"adjoint_of_{x}", item.optional_vars.id)
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
