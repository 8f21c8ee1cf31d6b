"""Give the free names of a piece of the user's code other meanings, and leave its own names alone.

A name that the code binds itself (a parameter, a loop variable, a local of an inner function) is not free.
Where a replacement would be caught by such a name, the inner name gives way.

>>> code = ast.parse("[w * x for x in rows]", mode="eval").body
>>> names = {"w": ast.Name("x"), "rows": ast.Name("y")}
>>> ast.unparse(substitute(code, names))
'[x * x_1 for x_1 in y]'
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.ClassDef,
)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def substitute(code: Any, meanings: Mapping[str, ast.expr]) -> Any:
    """Return a copy of `code` (a node or a list of nodes) in which each free name has its meaning.

    A name that the code stores to in its outermost scope must mean a name.
    """
    substituter = _Substituter(meanings)
    if isinstance(code, list):
        return [substituter.visit(copy.deepcopy(node)) for node in code]
    return substituter.visit(copy.deepcopy(code))


def free_names(code: Any) -> tuple[str, ...]:
    """Return the names that `code` reads and does not bind, in the order in which it first does."""
    nodes = code if isinstance(code, list) else [code]
    return tuple(dict.fromkeys(name for node in nodes for name in _free(node, frozenset())))


def stored_names(code: Any) -> tuple[str, ...]:
    """Return the names that `code` binds in its outermost scope, inner functions left out."""
    nodes = code if isinstance(code, list) else [code]
    return tuple(dict.fromkeys(name for node in nodes for name in _stores(node)))


def stored_anywhere(code: list[ast.stmt]) -> set[str]:
    """Return the names that `code` binds, in inner functions too."""
    names = set(stored_names(code))
    for root in code:
        for node in ast.walk(root):
            if isinstance(node, _SCOPES):
                names |= _bound(node)
    return names


def escapes(code: Any) -> bool:
    """Whether `code` reaches out of its scope in a way that a copy of it elsewhere would not."""
    nodes = code if isinstance(code, list) else [code]
    return any(_escapes(node) for root in nodes for node in ast.walk(root))


def _escapes(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in ("super", "__class__", "locals", "globals", "eval", "exec", "vars")
    return isinstance(node, ast.Global | ast.Nonlocal | ast.ImportFrom) and _is_outer(node)


def _is_outer(node: ast.Global | ast.Nonlocal | ast.ImportFrom) -> bool:
    return not isinstance(node, ast.ImportFrom) or node.level > 0


# ---- scopes -------------------------------------------------------------------------------------


def _outside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a scope that are evaluated in the scope around it."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from node.decorator_list
            yield from _defaults(node.args)
            yield from (arg.annotation for arg in _arguments(node.args) if arg.annotation)
            if node.returns:
                yield node.returns
        case ast.Lambda():
            yield from _defaults(node.args)
        case ast.ClassDef():
            yield from (*node.decorator_list, *node.bases)
            yield from (keyword.value for keyword in node.keywords)
        case _ if isinstance(node, _COMPREHENSIONS):
            yield node.generators[0].iter


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a scope that see the names it binds."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield from node.body
        case ast.Lambda():
            yield node.body
        case ast.DictComp():
            yield from (node.key, node.value)
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
            yield node.elt
    if isinstance(node, _COMPREHENSIONS):
        for at, generator in enumerate(node.generators):
            yield generator.target
            yield from generator.ifs
            if at:
                yield generator.iter


def _defaults(arguments: ast.arguments) -> Iterator[ast.expr]:
    yield from arguments.defaults
    yield from (default for default in arguments.kw_defaults if default is not None)


def _arguments(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from (arg for arg in (arguments.vararg, arguments.kwarg) if arg is not None)


def _bound(scope: ast.AST) -> frozenset[str]:
    names: set[str] = set()
    if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        names.update(arg.arg for arg in _arguments(scope.args))
    for part in _inside(scope):
        names.update(_stores(part))
    return frozenset(names)


def _stores(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(ctx=ast.Store() | ast.Del()):
            yield node.id
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            yield name
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name
        case ast.alias():
            yield (node.asname or node.name).split(".")[0]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    if isinstance(node, _SCOPES):
        for part in _outside(node):
            yield from _stores(part)
        if isinstance(node, _COMPREHENSIONS):
            yield from _walrus_targets(node)
        return
    for child in ast.iter_child_nodes(node):
        yield from _stores(child)


def _walrus_targets(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.NamedExpr):
            yield inner.target.id


def _free(node: ast.AST, bound: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Name) and node.id not in bound:
        yield node.id
    if not isinstance(node, _SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _free(child, bound)
        return
    for part in _outside(node):
        yield from _free(part, bound)
    inner = bound | _bound(node)
    for part in _inside(node):
        yield from _free(part, inner)


class _Substituter(ast.NodeTransformer):
    def __init__(self, meanings: Mapping[str, ast.expr]):
        self.meanings = dict(meanings)

    def visit(self, node: ast.AST) -> Any:
        return self._scope(node) if isinstance(node, _SCOPES) else super().visit(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        meaning = self.meanings.get(node.id)
        if meaning is None:
            return node
        if isinstance(node.ctx, ast.Load):
            return copy.deepcopy(meaning)
        assert isinstance(meaning, ast.Name), f"`{node.id}` is assigned to, and stands for no name"
        return ast.copy_location(ast.Name(meaning.id, node.ctx), node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self._renamed(node.arg)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = node.name and self._renamed(node.name)
        return self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.AST:
        node.name = node.name and self._renamed(node.name)
        return self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.AST:
        node.name = node.name and self._renamed(node.name)
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.AST:
        node.rest = node.rest and self._renamed(node.rest)
        return self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> ast.alias:
        bound = (node.asname or node.name).split(".")[0]
        if (renamed := self._renamed(bound)) != bound:
            node.asname = renamed
        return node

    def _renamed(self, name: str) -> str:
        meaning = self.meanings.get(name)
        return meaning.id if isinstance(meaning, ast.Name) else name

    def _scope(self, node: Any) -> ast.AST:
        outside = [id(part) for part in _outside(node)]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.name = self._renamed(node.name)
        inner = _Substituter(self._inner_meanings(node))
        for name, value in ast.iter_fields(node):
            setattr(node, name, self._part(value, outside, inner))
        return node

    def _part(self, value: Any, outside: list[int], inner: _Substituter) -> Any:
        """Visit one field of a scope: what is evaluated outside with the outer meanings."""
        if isinstance(value, list):
            return [self._part(item, outside, inner) for item in value]
        if not isinstance(value, ast.AST):
            return value
        if id(value) in outside:
            return self.visit(value)
        if isinstance(value, ast.arguments | ast.arg | ast.comprehension | ast.keyword):
            if isinstance(value, ast.arg):
                value.arg = inner._renamed(value.arg)
            for name, part in ast.iter_fields(value):
                setattr(value, name, self._part(part, outside, inner))
            return value
        return inner.visit(value)

    def _inner_meanings(self, node: ast.AST) -> dict[str, ast.expr]:
        bound = _bound(node)
        if isinstance(node, _COMPREHENSIONS):
            bound -= set(_walrus_targets(node))
        free = set(_free(node, frozenset()))
        kept = {n: m for n, m in self.meanings.items() if n not in bound and n in free}
        caught = {name for meaning in kept.values() for name in names_in(meaning)} & bound
        taken = bound | free | {name for m in kept.values() for name in names_in(m)}
        for name in sorted(caught):
            kept[name] = ast.Name(fresh_name(name, taken), ast.Load())
        return kept


def names_in(node: ast.AST) -> Iterator[str]:
    return (inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))


def fresh_name(name: str, taken: Iterable[str]) -> str:
    """Return `name_1`, or `name_2`, ...: the first that is not taken."""
    taken = set(taken)
    number = 1
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"
