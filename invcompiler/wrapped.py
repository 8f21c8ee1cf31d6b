"""The parameters of a function behind a wrapper: `(*args, **kwargs)` as `functools.wraps` says what they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import Capture, Function, Param, ParameterKind, Tree, Var
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
    captures: list[tuple[Var, Capture]] = []
    params = tuple(_param(one, f, captures) for one in shown)
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
    return replace(function, params=params, body=body, captures=(*function.captures, *captures))


def _param(
    shown: inspect.Parameter, f: Callable[..., Any], captures: list[tuple[Var, Capture]]
) -> Param:
    var = Var(shown.name)
    if shown.default is inspect.Parameter.empty:
        return Param(var, shown.kind)
    default: Tree | None = as_tree(shown.default)
    if default is None:
        default = Var(shown.name)
        captures.append((default, Capture(shown.name, f, (), _reader(f, shown.name))))
    return Param(var, shown.kind, default)


def _reader(f: Callable[..., Any], name: str) -> Callable[[], Any]:
    return lambda: inspect.signature(f).parameters[name].default


__all__ = ["with_signature"]
