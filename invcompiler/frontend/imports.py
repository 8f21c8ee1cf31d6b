"""`import` inside a function: done when the text is read, as the program would do it."""

from __future__ import annotations

import ast
import importlib
from typing import Any

from invcompiler.frontend.lowering import Lowering, Unfollowed, statement
from invcompiler.ir.nodes import Ref


@statement(ast.Import)
def import_(lowering: Lowering, node: ast.Import) -> None:
    for alias in node.names:
        module = _module(lowering, alias.name, node)
        if alias.asname is None:
            top = alias.name.partition(".")[0]
            lowering.bind(top, Ref(_module(lowering, top, node), top, _module(lowering, top, node)))
        else:
            lowering.bind(alias.asname, Ref(module, alias.asname, module))


@statement(ast.ImportFrom)
def import_from(lowering: Lowering, node: ast.ImportFrom) -> None:
    module = _module(lowering, "." * node.level + (node.module or ""), node)
    for alias in node.names:
        if not hasattr(module, alias.name):
            raise Unfollowed("an `import`", node)
        name = alias.asname or alias.name
        value = getattr(module, alias.name)
        lowering.bind(name, Ref(value, name, value))


def _module(lowering: Lowering, name: str, node: ast.AST) -> Any:
    scope = lowering.unit.scope
    package = None if scope is None else scope.function.__globals__.get("__package__")
    try:
        return importlib.import_module(name, package)
    except ImportError:
        raise Unfollowed("an `import` that fails", node) from None
