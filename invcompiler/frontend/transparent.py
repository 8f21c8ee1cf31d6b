"""What changes how values are computed, or what is shown of it, but never the values."""

from __future__ import annotations

import ast
import contextlib

import jax

from invcompiler.frontend.lowering import Lowering, Unfollowed
from invcompiler.ir.nodes import Ref

_CONTEXTS = (jax.named_scope, contextlib.nullcontext, jax.ensure_compile_time_eval)
_CONTEXTS += (jax.checking_leaks, jax.profiler.TraceAnnotation)


def is_transparent_context(lowering: Lowering, node: ast.With) -> bool:
    """Whether a `with` statement computes what its body does, as `with jax.named_scope("attention")`."""
    return all(_is_transparent(lowering, item) for item in node.items)


def _is_transparent(lowering: Lowering, item: ast.withitem) -> bool:
    call = item.context_expr
    if item.optional_vars is not None or not isinstance(call, ast.Call):
        return False
    if not isinstance(call.func, ast.Name | ast.Attribute):
        return False
    try:
        fn = lowering.expression(call.func)
    except Unfollowed:
        return False
    return isinstance(fn, Ref) and any(fn.value is context for context in _CONTEXTS)
