"""Pass captured values along to the functions of the module that need them, in code that is copied.

>>> needs = {"net": ("w",)}.get
>>> code = ast.parse("net(x), jax.vmap(net)(x)", mode="eval").body
>>> partial = ast.Name("partial")
>>> ast.unparse(_Passing(lambda name: needs(name, ()), lambda: partial).visit(code))
'(net(x, w=w), jax.vmap(partial(net, w=w))(x))'
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invcompiler.backend.expressions import Spelling


def pass_along(code: Any, spelling: Spelling) -> Any:
    """Return `code`, in which every function of the module that it names gets what it needs.

    What has been passed along already, in a part that was written before, is left alone.
    """
    passing = _Passing(spelling.needs, spelling.partial)
    return list(map(passing.visit, code)) if isinstance(code, list) else passing.visit(code)


class _Passing(ast.NodeTransformer):
    def __init__(self, needs: Callable[[str], tuple[str, ...]], partial: Callable[[], ast.expr]):
        self.needs = needs
        self.partial = partial

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if self._is_partial(node):
            return node
        if not isinstance(node.func, ast.Name) or not self.needs(node.func.id):
            return self.generic_visit(node)
        node.args = [self.visit(arg) for arg in node.args]
        node.keywords = [self.visit(keyword) for keyword in node.keywords]
        given = _given(node)
        node.keywords += [new for new in self._keywords(node.func.id) if new.arg not in given]
        return node

    def _is_partial(self, node: ast.Call) -> bool:
        """Whether `node` is `partial(name, need=need)`, as this class writes it."""
        if len(node.args) != 1 or not isinstance(node.args[0], ast.Name):
            return False
        needs = self.needs(node.args[0].id)
        return bool(needs) and _given(node) == set(needs)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not self.needs(node.id) or not isinstance(node.ctx, ast.Load):
            return node
        return ast.Call(self.partial(), [node], self._keywords(node.id))

    def _keywords(self, name: str) -> list[ast.keyword]:
        return [ast.keyword(need, ast.Name(need, ast.Load())) for need in self.needs(name)]


def _given(node: ast.Call) -> set[str | None]:
    return {keyword.arg for keyword in node.keywords}
