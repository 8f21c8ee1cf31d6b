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


def may_read(statements: Iterable[ast.AST], name: str) -> bool:
    """Whether `statements` may read `name` before they bind it, on some way through them."""
    return _passes(statements, name)[0]


def binds(statements: Iterable[ast.AST], name: str) -> bool:
    """Whether `name` is bound after `statements`, on every way through them."""
    return _passes(statements, name)[1]


def _passes(statements: Iterable[ast.AST], name: str) -> tuple[bool, bool]:
    """Return whether `name` may be read first, and whether it is bound after on every way."""
    for node in statements:
        match node:
            case ast.If():
                if _reads_first([node.test], name):
                    return True, False
                sides = [_passes(node.body, name), _passes(node.orelse, name)]
                read, bound = any(side[0] for side in sides), all(side[1] for side in sides)
            case ast.For():
                bound_by_target = name in bound_names([node.target])
                body = not bound_by_target and _passes(node.body, name)[0]
                read = _reads_first([node.iter], name) or body or _passes(node.orelse, name)[0]
                bound = False
            case ast.While():
                parts = [node.body, node.orelse]
                read = _reads_first([node.test], name)
                read = read or any(_passes(part, name)[0] for part in parts)
                bound = False
            case ast.Try() | ast.TryStar() | ast.With() | ast.Match():
                read, bound = name in read_names([node]), False
            case _:
                read, bound = _reads_first([node], name), name in bound_names([node])
        if read or bound:
            return read, bound
    return False, False


def _reads_first(nodes: Iterable[ast.AST], name: str) -> bool:
    """Whether the first thing that `nodes` do with `name`, in the order of evaluation, is to read it."""
    pending = list(reversed(list(nodes)))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name) and node.id == name:
            return isinstance(node.ctx, ast.Load)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            if node.target.id == name:
                return True
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return name in read_names([node])
        if isinstance(node, _FUNCTIONS) and name in free_names(node):
            return True
        pending.extend(reversed(_in_order(node)))
    return False


def _in_order(node: ast.AST) -> list[ast.AST]:
    """Return the children of `node`, what is evaluated before what is bound."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
        inside = children(node)
        value = node.value
        return [
            part for part in (value, *(p for p in inside if p is not value)) if part is not None
        ]
    if isinstance(node, ast.For):
        return [node.iter, node.target, *node.body, *node.orelse]
    if isinstance(node, _COMPREHENSIONS):
        inside = children(node)
        return [p for p in inside if isinstance(p, ast.comprehension)] + [
            p for p in inside if not isinstance(p, ast.comprehension)
        ]
    if isinstance(node, ast.comprehension):
        return [node.iter, node.target, *node.ifs]
    return [] if isinstance(node, _FUNCTIONS) else children(node)


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
        elif isinstance(node, ast.ClassDef):
            names.setdefault(node.name)
        elif isinstance(node, _FUNCTIONS):
            names.update(bound_names(_outside(node)))
            if not isinstance(node, ast.Lambda):
                names.setdefault(node.name)
        elif isinstance(node, _COMPREHENSIONS):  # a walrus in it binds outside it
            inner = (part for part in every(node) if isinstance(part, ast.NamedExpr))
            names.update((part.target.id, None) for part in inner)
        else:
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
