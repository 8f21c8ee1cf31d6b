"""Which names a piece of Python text reads and binds, by the rules of Python's scopes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Names = dict[str, None]  # an ordered set


def read_names(nodes: Iterable[ast.AST]) -> Names:
    """Return the names of the enclosing scopes that `nodes` read, in order of first use."""
    names: Names = {}
    for node in nodes:
        _read(node, names)
    return names


def _read(node: ast.AST, names: Names) -> None:
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
            names.setdefault(node.id)
    elif isinstance(node, _FUNCTIONS):
        for child in _outside(node):
            _read(child, names)
        for name in free_names(node):
            names.setdefault(name)
    elif isinstance(node, _COMPREHENSIONS):
        inner: Names = {}
        for child in ast.iter_child_nodes(node):
            _read(child, inner)
        own = bound_names(generator.target for generator in node.generators)
        for name in inner:
            if name not in own:
                names.setdefault(name)
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        names.setdefault(node.target.id)
        _read(node.value, names)
    else:
        for child in ast.iter_child_nodes(node):
            _read(child, names)


def _outside(function: ast.AST) -> Iterator[ast.AST]:
    """Yield what is evaluated where the function is defined: defaults and decorators."""
    arguments = function.args  # type: ignore[attr-defined]
    yield from arguments.defaults
    yield from (default for default in arguments.kw_defaults if default is not None)
    yield from getattr(function, "decorator_list", ())


def free_names(function: ast.FunctionDef | ast.Lambda) -> Names:
    """Return the names that the body of `function` finds outside it, in order of first use."""
    body = function.body if isinstance(function.body, list) else [function.body]
    own = bound_names(body)
    for argument in parameters(function.args):
        own.setdefault(argument.arg)
    return {name: None for name in read_names(body) if name not in own}


def parameters(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from arguments.posonlyargs
    yield from arguments.args
    if arguments.vararg is not None:
        yield arguments.vararg
    yield from arguments.kwonlyargs
    if arguments.kwarg is not None:
        yield arguments.kwarg


def bound_names(nodes: Iterable[ast.AST]) -> Names:
    """Return the names that `nodes` bind in their own scope, in order."""
    names: Names = {}
    for node in nodes:
        _bind(node, names)
    return names


def _bind(node: ast.AST, names: Names) -> None:
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            names.setdefault(node.id)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names.setdefault(node.name)
    elif isinstance(node, ast.Lambda):
        return
    elif isinstance(node, _COMPREHENSIONS):
        for child in ast.walk(node):  # a walrus in it binds outside it
            if isinstance(child, ast.NamedExpr):
                names.setdefault(child.target.id)
    else:
        if isinstance(node, ast.alias):
            names.setdefault((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.setdefault(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            names.setdefault(node.rest)
        for child in ast.iter_child_nodes(node):
            _bind(child, names)
