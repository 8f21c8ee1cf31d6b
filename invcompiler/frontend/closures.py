"""Functions inside the text: `lambda` and nested `def`, as values that know what they close over."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable

from invcompiler.errors import UnsupportedSyntaxError
from invcompiler.frontend.callables import is_same_value_wrapper
from invcompiler.frontend.calls import call_value
from invcompiler.frontend.lowering import (
    Local,
    Lowering,
    Unfollowed,
    Unit,
    expression,
    statement,
)
from invcompiler.frontend.names import every, free_names, local_names
from invcompiler.frontend.opaque import clean
from invcompiler.frontend.signatures import bind_parameters, docstring, statements_of
from invcompiler.frontend.statements import function_result
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Closure, Function, Ref, Tree


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


def refuse_outer_writes(lowering: Lowering, node: ast.AST) -> None:
    if lowering.unit.survey(node).kinds.isdisjoint({ast.Global, ast.Nonlocal}):
        return
    for part in every(node):
        if isinstance(part, ast.Global | ast.Nonlocal):
            word = type(part).__name__.lower()
            raise lowering.unsupported(f"a write to a {word} name", part)


def refuse_outer_changes(lowering: Lowering, node: ast.FunctionDef | ast.Lambda) -> None:
    """A function may change what is its own, and not the lists of the function around it."""
    changed = lowering.unit.survey(node).changed
    for name in free_names(node) if changed else ():
        if name in changed and name in lowering.env:
            raise lowering.unsupported(f"a change of `{name}` by another function", changed[name])


def local(lowering: Lowering, node: ast.FunctionDef | ast.Lambda, name: str | None) -> Local:
    """Return the function that `node` defines; its defaults are evaluated here."""
    refuse_outer_changes(lowering, node)
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    plain = positional[len(positional) - len(arguments.defaults) :]
    pairs = [*zip(plain, arguments.defaults, strict=True)]
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    pairs += [(argument, default) for argument, default in named if default is not None]
    defaults = {argument.arg: lowering.expression(default) for argument, default in pairs}
    return Local(_standing(lowering, node), name, defaults, close, lowering.unit)


def _standing(lowering: Lowering, node):
    """Return `node` as it can stand elsewhere: defaults are names, and what decorates it is gone."""
    node = clean(lowering, node)
    has_defaults = node.args.defaults or any(node.args.kw_defaults)
    if not has_defaults and not getattr(node, "decorator_list", None):
        return node
    node = copy.copy(node)
    node.args = copy.copy(node.args)
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    plain = positional[len(positional) - len(arguments.defaults) :]
    arguments.defaults = list(map(_default_name, plain, arguments.defaults))
    arguments.kw_defaults = list(map(_default_name, arguments.kwonlyargs, arguments.kw_defaults))
    if isinstance(node, ast.FunctionDef):
        node.decorator_list = []
    return node


def _default_name(argument: ast.arg, default: ast.expr | None) -> ast.expr | None:
    if default is None or isinstance(default, ast.Constant):
        return default
    return ast.copy_location(ast.Name(default_of(argument.arg), ast.Load()), default)


def default_of(name: str) -> str:
    return f"{name}_default"


def close(found: Local, lowering: Lowering) -> Closure:
    """Return `found` as a value, with what its free names stand for here."""
    env: list[tuple[str, Tree]] = []
    for name in free_names(found.node):
        value = lowering.entry(name, found.node)
        env.append((name, value.closure(lowering) if isinstance(value, Local) else value))
    env += _defaults(found)
    if found.made is not None and _same_trees(found.made.env, env):
        return found.made
    lower = _lowered(found, lowering, dict(env))
    closure = Closure(found.node, tuple(env), lowering.span(found.node), lower, found.name)
    lowering.unit.closures[closure] = found
    return closure


def _defaults(found: Local) -> list[tuple[str, Tree]]:
    """Return the defaults under the names that stand for them in the definition."""
    arguments = found.node.args
    names = {
        part.id
        for part in (*arguments.defaults, *arguments.kw_defaults)
        if isinstance(part, ast.Name)
    }
    pairs = ((default_of(name), tree) for name, tree in found.defaults.items())
    return [(name, tree) for name, tree in pairs if name in names]


def _same_trees(one: tuple, other: list) -> bool:
    return len(one) == len(other) and all(a[1] is b[1] for a, b in zip(one, other, strict=True))


def _lowered(found: Local, lowering: Lowering, env: dict[str, Tree]) -> Callable[[], Function]:
    """Read the function now, so that what it captures is known to the function around it."""
    try:
        function = nested_function(found, lowering, env)
    except UnsupportedSyntaxError as error:
        return _raiser(error)
    return lambda: function


def _raiser(error: UnsupportedSyntaxError) -> Callable[[], Function]:
    def lower() -> Function:
        raise error

    return lower


def nested_unit(lowering: Lowering, found: Local, env: dict[str, Tree]) -> Unit:
    outer = found.unit
    name = found.name or "<lambda>"
    names = local_names(found.node)
    return Unit(
        outer.text,
        outer.captures,
        names,
        name,
        None,
        found.node,
        env,
        outer.owner,
        within=lowering.unit.within,
        look=outer.look,
        closures=lowering.unit.closures if outer.look else {},
        made=lowering.unit.made if outer.look else {},
    )


def nested_function(found: Local, lowering: Lowering, env: dict[str, Tree]) -> Function:
    unit = nested_unit(lowering, found, env)
    inner = Lowering(unit, Builder(), {})
    params = bind_parameters(inner, found.node.args, found.defaults)
    result = function_result(inner, statements_of(found.node))
    block = inner.builder.block(tuple(param.var for param in params), result)
    span, doc = lowering.span(found.node), docstring(found.node)
    return Function(unit.name, params, block, span=span, doc=doc)
