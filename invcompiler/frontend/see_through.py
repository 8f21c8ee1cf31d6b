"""Calls that only build or take apart containers, done when the text is read."""

from __future__ import annotations

import ast

from invcompiler.frontend.lowering import Lowering
from invcompiler.ir.nodes import Closure, Method, Ref, Tree, Var


def see_through(
    lowering: Lowering,
    fn: Ref | Var | Method | Closure,
    args: tuple[Tree, ...],
    kwargs: tuple[tuple[str | None, Tree], ...],
    node: ast.AST,
) -> Tree | None:
    """Return the container that a call builds, or None if it is computed when the program runs."""
    return None
