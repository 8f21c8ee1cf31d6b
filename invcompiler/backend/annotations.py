"""Take annotations out of code that is copied: they say nothing that runs, and would need imports.

>>> tree = ast.parse("def f(x: int) -> int:\\n    y: int\\n    y: int = x\\n    return y").body[0]
>>> print(ast.unparse(without_annotations(tree)))
def f(x):
    y = x
    return y
"""

from __future__ import annotations

import ast
from typing import Any


def without_annotations(code: Any) -> Any:
    """Return `code` (a node or a list of statements) without annotations, changed in place."""
    if isinstance(code, list):
        stripped = (_Unannotated().visit(statement) for statement in code)
        return [statement for statement in stripped if statement is not None]
    return _Unannotated().visit(code)


class _Unannotated(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.copy_location(ast.arg(node.arg), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node  # a dataclass has its annotations for a reason

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        node = super().generic_visit(node)
        if getattr(node, "body", None) == [] and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node
