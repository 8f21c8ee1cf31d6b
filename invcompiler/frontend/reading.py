"""`read`: from a callable to its IR."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from invcompiler.frontend import adjoint_blocks, imports, loops, structured
from invcompiler.frontend.callables import Mapped, Target, mapped, target_of
from invcompiler.frontend.calling import calling
from invcompiler.frontend.closures import refuse_outer_writes
from invcompiler.frontend.functions import (
    default_trees,
    given_trees,
    rest_on_rules,
    unit_of,
)
from invcompiler.frontend.lowering import Local, Look, Lowering, Unbound
from invcompiler.frontend.resolve import Captures
from invcompiler.frontend.signatures import bind_parameters, docstring, give, statements_of
from invcompiler.frontend.statements import function_result
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Function, Param, Tree, Var
from invcompiler.ir.nodes import ParameterKind as Kind
from invcompiler.ir.walk import map_tree

SYNTAX = (
    adjoint_blocks,
    imports,
    loops,
    structured,
)  # they fill the tables of statements, expressions and calls


def read(function: Any) -> Function:
    """Return the IR of a callable: a function, lambda, method, partial, callable object or a wrapped one.

    Raises SourceUnavailableError if no Python source is behind it, or not the one that runs, and
    UnsupportedSyntaxError for what cannot even be copied. What is not understood is kept as `Opaque`.
    """
    if (found := mapped(function)) is not None:
        return _mapped(function, found)
    target = target_of(function)
    captures = Captures()
    rest_on_rules(target, captures)
    lowering = Lowering(unit_of(target.function, captures), Builder(), {})
    params = _parameters(lowering, target, captures)
    return _body(function, lowering, params)


def read_later(function: Any) -> Function:
    """Return a Function that calls `function`, and that can be read again: for a text that says too little without arguments."""
    target = target_of(function)
    captures = Captures()
    rest_on_rules(target, captures)
    lowering = Lowering(unit_of(target.function, captures), Builder(), {})
    node = lowering.unit.node
    params = _parameters(lowering, target, captures)
    called = calling(
        function,
        lowering.unit.name,
        params,
        captures,
        source=None,  # what it calls is another function than itself
        span=lowering.span(node),
        doc=docstring(node),
    )
    return replace(called, again=functools.partial(_again, function, params))


def _parameters(lowering: Lowering, target: Target, captures: Captures) -> tuple[Param, ...]:
    """Bind the parameters, and return those that are left to the caller."""
    node = lowering.unit.node
    _refuse(lowering, node)
    defaults = default_trees(target.function, node.args, captures)
    params = bind_parameters(lowering, node.args, defaults)
    given = given_trees([param.var.name or "" for param in params], target, captures)
    return give(lowering, params, *given)


def _again(
    function: Any, params: tuple[Param, ...], look: Look, given: Mapping[Var, Tree]
) -> Function:
    """Read a function for one call."""
    target = target_of(function)
    captures = Captures()
    rest_on_rules(target, captures)
    lowering = Lowering(unit_of(target.function, captures), Builder(), {})
    lowering.unit.look = look
    look.captured = captures.hoisted
    fresh = _parameters(lowering, target, captures)
    stand = {new.var: given.get(old.var, old.var) for new, old in zip(fresh, params, strict=True)}
    for name, entry in list(lowering.env.items()):
        if not isinstance(entry, Local | Unbound):
            tree = map_tree(lambda var: stand.get(var, var), entry)
            shown = lowering.seen(tree, lowering.unit.node)
            lowering.unit.freeze(shown)  # it is the caller's
            lowering.bind(name, shown)
    return _body(function, lowering, params)


def _body(function: Any, lowering: Lowering, params: tuple[Param, ...]) -> Function:
    node, captures = lowering.unit.node, lowering.unit.captures
    try:
        result = function_result(lowering, statements_of(node))
    except RecursionError:
        what = "code that is nested this deeply"
        raise lowering.unsupported(what, node, "split the function") from None
    block = lowering.builder.block(tuple(param.var for param in params), result)
    return Function(
        lowering.unit.name,
        params,
        block,
        captures=tuple(captures.hoisted.values()),
        depends=tuple(captures.depends.values()),
        span=lowering.span(node),
        doc=docstring(node),
        source=function,
        again=functools.partial(_again, function, params),
    )


def _mapped(function: Any, found: Mapped) -> Function:
    """Return a Function that calls a `jax.vmap`ped one, with the parameters of what it maps.

    Parameters with a default that no axis is meant for keep it: `jax.vmap` takes no defaults.
    """
    within = read(found.fun)
    params = _with_axes(within.params, found.in_axes)
    return calling(
        function,
        within.name,
        params,
        Captures(),
        source=function,
        span=within.span,
        doc=within.doc,
    )


def _with_axes(params: tuple[Param, ...], in_axes: Any) -> tuple[Param, ...]:
    """Return the parameters that take arguments under `jax.vmap`: as many as there are axes, or those without a default."""
    if not isinstance(in_axes, tuple | list):
        return tuple(param for param in params if param.default is None)
    positional = (Kind.POSITIONAL_ONLY, Kind.POSITIONAL_OR_KEYWORD)
    ordered = [param for param in params if param.kind in positional]
    taken = [replace(param, default=None) for param in ordered[: len(in_axes)]]
    others = [param for param in params if param.kind not in positional and param.default is None]
    return (*taken, *others)


def _refuse(lowering: Lowering, node: ast.AST) -> None:
    if isinstance(node, ast.AsyncFunctionDef):
        raise lowering.unsupported("an `async` function", node)
    refuse_outer_writes(lowering, node)
