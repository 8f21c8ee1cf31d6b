"""Functions inside the text: `lambda` and nested `def`, as values that know what they close over."""

from __future__ import annotations

import ast
from dataclasses import replace

from invcompiler.errors import UnsupportedSyntaxError
from invcompiler.frontend.callables import is_same_value_wrapper
from invcompiler.frontend.calls import call_value
from invcompiler.frontend.lowering import (
    Entry,
    Local,
    Lowering,
    Unfollowed,
    Unit,
    expression,
    statement,
)
from invcompiler.frontend.names import bound_names, free_names, parameters
from invcompiler.frontend.statements import run
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import (
    Closure,
    Const,
    Function,
    Param,
    ParameterKind,
    Ref,
    Span,
    Tree,
    Var,
)


@expression(ast.Lambda)
def lambda_(lowering: Lowering, node: ast.Lambda, name: str | None) -> Tree:
    return local(lowering, node, name).closure(lowering)


@statement(ast.FunctionDef)
def definition(lowering: Lowering, node: ast.FunctionDef) -> None:
    refuse_outer_writes(lowering, node)
    if node.name in free_names(node):
        raise Unfollowed("a recursive function", node)
    found = local(lowering, node, node.name)
    decorators = [lowering.expression(decorator) for decorator in node.decorator_list]
    if all(is_transparent(decorator) for decorator in decorators):
        lowering.bind(node.name, found)
        return
    value: Tree = found.closure(lowering)
    for decorator, place in zip(reversed(decorators), reversed(node.decorator_list), strict=True):
        value = call_value(lowering, decorator, (value,), (), place, node.name)
    lowering.bind(node.name, value)


def is_transparent(decorator: Tree) -> bool:
    """Whether what `decorator` returns computes the same as what it is given."""
    return isinstance(decorator, Ref) and is_same_value_wrapper(decorator.value)


def refuse_outer_writes(lowering: Lowering, node: ast.FunctionDef) -> None:
    for part in ast.walk(node):
        if isinstance(part, ast.Global | ast.Nonlocal):
            word = type(part).__name__.lower()
            raise lowering.unsupported(f"a write to a {word} name", part)


def local(lowering: Lowering, node: ast.FunctionDef | ast.Lambda, name: str | None) -> Local:
    """Return the function that `node` defines; its defaults are evaluated here."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    plain = positional[len(positional) - len(arguments.defaults) :]
    pairs = [*zip(plain, arguments.defaults, strict=True)]
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    pairs += [(argument, default) for argument, default in named if default is not None]
    defaults = {argument.arg: lowering.expression(default) for argument, default in pairs}
    return Local(node, name, defaults, close)


def close(found: Local, lowering: Lowering) -> Closure:
    """Return `found` as a value, with what its free names stand for here."""
    env: list[tuple[str, Tree]] = []
    for name in free_names(found.node):
        value = lowering.entry(name, found.node)
        env.append((name, value.closure(lowering) if isinstance(value, Local) else value))
    if found.made is not None and _same_trees(found.made.env, env):
        return found.made
    span = lowering.span(found.node)
    lower = _lowered(found, lowering, env, span)
    return Closure(found.node, tuple(env), span, lower, found.name)


def _same_trees(one: tuple, other: list) -> bool:
    return len(one) == len(other) and all(a[1] is b[1] for a, b in zip(one, other, strict=True))


def _lowered(found: Local, lowering: Lowering, env: list[tuple[str, Tree]], span: Span):
    """Read the function now, so that what it captures is known to the function around it."""
    try:
        function = nested_function(found, lowering, env, span)
    except UnsupportedSyntaxError as error:
        return _raiser(error)
    return lambda: function


def _raiser(error: UnsupportedSyntaxError):
    def lower() -> Function:
        raise error

    return lower


def nested_function(found: Local, lowering: Lowering, env, span: Span) -> Function:
    outer = lowering.unit
    body = statements_of(found.node)
    names = bound_names(body)
    names.update((argument.arg, None) for argument in parameters(found.node.args))
    name = found.name or "<lambda>"
    unit = Unit(outer.text, outer.captures, names, name, None, dict(env), outer.owner)
    inner = Lowering(unit, Builder(), {})
    params = bind_parameters(inner, found.node.args, found.defaults)
    result = run(inner, body)
    block = inner.builder.block(tuple(p.var for p in params), result or Const(None))
    return Function(name, params, block, span=span, doc=docstring(found.node))


def statements_of(node: ast.FunctionDef | ast.Lambda) -> list[ast.stmt]:
    """Return the statements of a function; a lambda is one `return`."""
    if isinstance(node, ast.Lambda):
        return [ast.copy_location(ast.Return(node.body), node.body)]
    return node.body


def docstring(node: ast.FunctionDef | ast.Lambda) -> str | None:
    return None if isinstance(node, ast.Lambda) else ast.get_docstring(node, clean=True)


def bind_parameters(
    lowering: Lowering, arguments: ast.arguments, defaults: dict[str, Tree]
) -> tuple[Param, ...]:
    """Bind every parameter to a new var."""
    kinds = [(a, ParameterKind.POSITIONAL_ONLY) for a in arguments.posonlyargs]
    kinds += [(a, ParameterKind.POSITIONAL_OR_KEYWORD) for a in arguments.args]
    if arguments.vararg is not None:
        kinds.append((arguments.vararg, ParameterKind.VAR_POSITIONAL))
    kinds += [(a, ParameterKind.KEYWORD_ONLY) for a in arguments.kwonlyargs]
    if arguments.kwarg is not None:
        kinds.append((arguments.kwarg, ParameterKind.VAR_KEYWORD))
    params = []
    for argument, kind in kinds:
        param = Param(Var(argument.arg, lowering.span(argument)), kind, defaults.get(argument.arg))
        lowering.bind(argument.arg, param.var)
        params.append(param)
    return tuple(params)


def give(
    lowering: Lowering,
    params: tuple[Param, ...],
    args: tuple[Tree, ...],
    kwargs: dict[str, Tree],
) -> tuple[Param, ...]:
    """Bind leading parameters to `args`, as a method or partial does; return those that are left.

    Keywords become new defaults, and what follows them keyword-only, as in `inspect.signature`.
    """
    left = []
    keyword_only = False
    for param in params:
        name = param.var.name or ""
        if args and param.kind in (
            ParameterKind.POSITIONAL_ONLY,
            ParameterKind.POSITIONAL_OR_KEYWORD,
        ):
            lowering.bind(name, args[0])
            args = args[1:]
            continue
        if args and param.kind is ParameterKind.VAR_POSITIONAL:
            raise Unfollowed("arguments given to `*args` by a partial", lowering.unit.text.node)
        if name in kwargs:
            param = replace(param, default=kwargs.pop(name))
            keyword_only = True
        if keyword_only and param.kind is ParameterKind.POSITIONAL_OR_KEYWORD:
            param = replace(param, kind=ParameterKind.KEYWORD_ONLY)
        left.append(param)
    return tuple(left)


__all__ = ["Entry"]
