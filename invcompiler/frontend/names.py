"""Which names a piece of Python text reads and binds, by the rules of Python's scopes.

Nothing here recurses over the operands of an expression: a sum may be longer than the stack is deep.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Names = dict[str, None]  # an ordered set


def children(node: ast.AST) -> list[ast.AST]:
    """Return the nodes directly inside `node`, in the order of the text."""
    found: list[ast.AST] = []
    for field in node._fields:
        value = getattr(node, field, None)
        if value.__class__ is list:
            found += [item for item in value if isinstance(item, ast.AST)]  # type: ignore[union-attr]
        elif isinstance(value, ast.AST) and value._fields:
            found.append(value)
    return found


def every(*nodes: ast.AST) -> Iterator[ast.AST]:
    """Yield `nodes` and all that is inside them, in the order of the text."""
    pending = list(reversed(nodes))
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def read_names(nodes: Iterable[ast.AST]) -> Names:
    """Return the names of the enclosing scopes that `nodes` read, in order of first use."""
    names: Names = {}
    pending = list(reversed(list(nodes)))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                names.setdefault(node.id)
        elif isinstance(node, _FUNCTIONS):
            names.update(read_names(_outside(node)))
            names.update(free_names(node))
        elif isinstance(node, _COMPREHENSIONS):
            own = bound_names(generator.target for generator in node.generators)
            names.update((name, None) for name in read_names(children(node)) if name not in own)
        elif isinstance(node, ast.AnnAssign):
            pending.extend(part for part in (node.value, node.target) if part is not None)
        else:
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                names.setdefault(node.target.id)
            pending.extend(reversed(children(node)))
    return names


def _outside(function: ast.AST) -> Iterator[ast.AST]:
    """Yield what is evaluated where the function is defined: defaults and decorators."""
    arguments = function.args  # type: ignore[attr-defined]
    yield from arguments.defaults
    yield from (default for default in arguments.kw_defaults if default is not None)
    yield from getattr(function, "decorator_list", ())


def free_names(function: ast.FunctionDef | ast.Lambda) -> Names:
    """Return the names that the body of `function` finds outside it, in order of first use."""
    own = local_names(function)
    body = function.body if isinstance(function.body, list) else [function.body]
    return {name: None for name in read_names(body) if name not in own}


def local_names(function: ast.FunctionDef | ast.Lambda) -> Names:
    """Return the parameters and the other names of a function's own."""
    body = function.body if isinstance(function.body, list) else [function.body]
    names = bound_names(body)
    names.update((argument.arg, None) for argument in parameters(function.args))
    return names


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
    pending = list(reversed(list(nodes)))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                names.setdefault(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.setdefault(node.name)
        elif isinstance(node, _COMPREHENSIONS):  # a walrus in it binds outside it
            inner = (part for part in every(node) if isinstance(part, ast.NamedExpr))
            names.update((part.target.id, None) for part in inner)
        elif not isinstance(node, ast.Lambda):
            name = _bound(node)
            if name:
                names.setdefault(name)
            pending.extend(reversed(children(node)))
    return names


def _bound(node: ast.AST) -> str | None:
    """Return the name that `node` binds by itself, other than by a `Name`."""
    match node:
        case ast.alias():
            return (node.asname or node.name).partition(".")[0]
        case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
            return node.name
        case ast.MatchMapping():
            return node.rest
    return None
