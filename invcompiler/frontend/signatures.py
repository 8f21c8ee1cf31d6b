"""Parameters: the vars that stand for them, their defaults, and arguments given ahead of a call."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace

from invcompiler.frontend.lowering import Lowering, Unfollowed
from invcompiler.ir.nodes import Display, Param, ParameterKind, Star, Tree, Var

_POSITIONAL = (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)


def statements_of(node: ast.FunctionDef | ast.Lambda) -> list[ast.stmt]:
    """Return the statements of a function; a lambda is one `return`."""
    if isinstance(node, ast.Lambda):
        return [ast.copy_location(ast.Return(node.body), node.body)]
    return node.body


def docstring(node: ast.FunctionDef | ast.Lambda) -> str | None:
    return None if isinstance(node, ast.Lambda) else ast.get_docstring(node, clean=True)


def kinds(arguments: ast.arguments) -> list[tuple[ast.arg, ParameterKind]]:
    found = [(a, ParameterKind.POSITIONAL_ONLY) for a in arguments.posonlyargs]
    found += [(a, ParameterKind.POSITIONAL_OR_KEYWORD) for a in arguments.args]
    if arguments.vararg is not None:
        found.append((arguments.vararg, ParameterKind.VAR_POSITIONAL))
    found += [(a, ParameterKind.KEYWORD_ONLY) for a in arguments.kwonlyargs]
    if arguments.kwarg is not None:
        found.append((arguments.kwarg, ParameterKind.VAR_KEYWORD))
    return found


def bind_parameters(
    lowering: Lowering, arguments: ast.arguments, defaults: Mapping[str, Tree]
) -> tuple[Param, ...]:
    """Bind every parameter to a new var."""
    params = []
    for argument, kind in kinds(arguments):
        param = Param(Var(argument.arg, lowering.span(argument)), kind, defaults.get(argument.arg))
        lowering.bind(argument.arg, param.var)
        params.append(param)
    return tuple(params)


def give(
    lowering: Lowering,
    params: tuple[Param, ...],
    args: Sequence[Tree],
    kwargs: Mapping[str, Tree],
) -> tuple[Param, ...]:
    """Bind leading parameters to `args`, as a method or partial does; return those that are left.

    Keywords become new defaults, and what follows them keyword-only, as in `inspect.signature`.
    """
    left = []
    given = list(args)
    keyword_only = False
    for param in params:
        name = param.var.name or ""
        if given and param.kind in _POSITIONAL:
            lowering.bind(name, given.pop(0))
            continue
        if given and param.kind is ParameterKind.VAR_POSITIONAL:
            lowering.bind(name, Display(tuple, (*given, Star(param.var))))
            given = []
        if name in kwargs:
            param = replace(param, default=kwargs[name])
            keyword_only = True
        if keyword_only and param.kind is ParameterKind.POSITIONAL_OR_KEYWORD:
            param = replace(param, kind=ParameterKind.KEYWORD_ONLY)
        left.append(param)
    if given:
        raise Unfollowed("more arguments than parameters", lowering.unit.node)
    return tuple(left)


def bind_arguments(
    lowering: Lowering,
    arguments: ast.arguments,
    args: Sequence[Tree],
    kwargs: Mapping[str, Tree],
    defaults: Mapping[str, Tree],
) -> None:
    """Bind every parameter to its argument or default, as a call does."""
    values = {**defaults, **kwargs}
    given = list(args)
    for argument, kind in kinds(arguments):
        name = argument.arg
        if kind is ParameterKind.VAR_POSITIONAL:
            lowering.bind(name, Display(tuple, tuple(given)))
            given = []
        elif kind is ParameterKind.VAR_KEYWORD:
            lowering.bind(name, Display(dict, (), ()))
        elif kind in _POSITIONAL and given:
            lowering.bind(name, given.pop(0))
        elif name in values:
            lowering.bind(name, values[name])
        else:
            raise Unfollowed(f"a call without `{name}`", lowering.unit.node)
    if given or any(isinstance(arg, Star) for arg in args):
        raise Unfollowed("a call with other arguments than parameters", lowering.unit.node)
