"""`read`: from a callable to its IR."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable
from typing import Any

from invcompiler.frontend.callables import Given, Target, mapped, target_of
from invcompiler.frontend.closures import (
    bind_parameters,
    docstring,
    give,
    refuse_outer_writes,
    statements_of,
)
from invcompiler.frontend.lowering import Lowering, Unfollowed, Unit
from invcompiler.frontend.names import bound_names, parameters
from invcompiler.frontend.resolve import Captures, Scope
from invcompiler.frontend.same_code import owner_of
from invcompiler.frontend.source import text_of
from invcompiler.frontend.statements import run
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Capture, Const, Function, Param, Ref, Tree


def read(function: Any) -> Function:
    """Return the IR of a callable: a function, lambda, method, partial, callable object or a wrapped one.

    Raises SourceUnavailableError if no Python source is behind it, or not the one that runs, and
    UnsupportedSyntaxError for what cannot even be copied. What is not understood is kept as `Opaque`.
    """
    target = target_of(function)
    code_function = target.function
    text = text_of(code_function)
    node = text.node
    captures = Captures()
    names = bound_names(statements_of(node))
    names.update((argument.arg, None) for argument in parameters(node.args))
    name = code_function.__name__
    owner = owner_of(code_function.__code__)
    unit = Unit(text, captures, names, name, Scope(code_function), owner=owner)
    lowering = Lowering(unit, Builder(), {})
    _refuse(lowering, node)
    defaults = _defaults(code_function, node.args, captures)
    params = bind_parameters(lowering, node.args, defaults)
    params = _give(lowering, params, target, captures)
    result = run(lowering, statements_of(node))
    block = lowering.builder.block(tuple(p.var for p in params), result or Const(None))
    return Function(
        name,
        params,
        block,
        captures=tuple(captures.hoisted.values()),
        depends=tuple(captures.depends.values()),
        span=text.span(node),
        doc=docstring(node),
        source=function,
    )


def _refuse(lowering: Lowering, node: ast.AST) -> None:
    if isinstance(node, ast.AsyncFunctionDef):
        raise lowering.unsupported("an `async` function", node)
    if isinstance(node, ast.FunctionDef):
        refuse_outer_writes(lowering, node)


def _give(
    lowering: Lowering, params: tuple[Param, ...], target: Target, captures: Captures
) -> tuple[Param, ...]:
    names = [param.var.name or "" for param in params]

    def tree(name: str, given: Given) -> Tree:
        return captures.tree(Capture(name, given.scope, (), given.read))

    args = tuple(tree(name, given) for name, given in zip(names, target.args, strict=False))
    kwargs = {name: tree(name, given) for name, given in target.kwargs}
    return give(lowering, params, args, kwargs)


def _defaults(
    function: types.FunctionType, arguments: ast.arguments, captures: Captures
) -> dict[str, Tree]:
    """Return what the defaults are today: literals as they are, and arrays as captures."""
    positional = [*arguments.posonlyargs, *arguments.args]
    values = function.__defaults__ or ()
    plain = positional[len(positional) - len(values) :]
    found: dict[str, Tree] = {}

    def enter(name: str, read: Callable[[], Any]) -> None:
        value = read()
        found[name] = (
            Const(value)
            if type(value) in (int, float, complex)
            else captures.tree(Capture(name, function, (), read))
        )

    for place, argument in enumerate(plain):
        enter(argument.arg, lambda place=place: (function.__defaults__ or ())[place])
    for name in function.__kwdefaults__ or ():
        enter(name, lambda name=name: (function.__kwdefaults__ or {})[name])
    return found


__all__ = ["Ref", "Unfollowed", "mapped"]
