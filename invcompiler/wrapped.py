"""The parameters of a function behind a wrapper: `(*args, **kwargs)` as `functools.wraps` says what they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from invcompiler.frontend.calling import shown_param
from invcompiler.frontend.resolve import Captures
from invcompiler.ir.nodes import Function, ParameterKind
from invcompiler.schedule.callees import bind
from invcompiler.schedule.folding import Folding

_VARIADIC = (ParameterKind.VAR_POSITIONAL, ParameterKind.VAR_KEYWORD)


def with_signature(function: Function, f: Callable[..., Any]) -> Function:
    """Return `function`, which was read of `f`, with the parameters that `inspect.signature(f)` shows in place of `*args`."""
    if not any(param.kind in _VARIADIC for param in function.params):
        return function
    try:
        shown = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return function
    if any(one.kind in _VARIADIC for one in shown):
        return function
    captures = Captures()
    params = tuple(shown_param(one, f, captures) for one in shown)
    by_name = ParameterKind.KEYWORD_ONLY
    args = tuple(param.var for param in params if param.kind is not by_name)
    kwargs = tuple((param.var.name, param.var) for param in params if param.kind is by_name)
    bound = bind(function, args, kwargs)
    if bound is None:
        return function
    defaults = {p.var: p.default for p in function.params if p.default is not None}
    builder = Folding()
    result = builder.inline(function, {**defaults, **bound})
    body = builder.block((), result)
    return replace(
        function,
        params=params,
        body=body,
        captures=(*function.captures, *captures.hoisted.values()),
    )


__all__ = ["with_signature"]
