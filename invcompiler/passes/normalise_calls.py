"""Give every argument of a call by itself, where the callee says how many there are: `f(*pair)` as `f(pair[0], pair[1])`."""

from __future__ import annotations

import inspect
import operator
import types
from dataclasses import replace

from jax import lax

from invcompiler.errors import SourceUnavailableError, UnsupportedSyntaxError
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Closure,
    Const,
    Display,
    Function,
    ParameterKind,
    Ref,
    Star,
    Tree,
    Var,
)
from invcompiler.passes.normalise_walk import Rebuilder

_GETITEM = Ref(operator.getitem, "operator.getitem", operator)


def shown_arguments(equation: Apply, builder: Rebuilder) -> Apply:
    """Return a call without `*value`, if one value is starred and the number of its items is known."""
    starred = [n for n, arg in enumerate(equation.args) if isinstance(arg, Star)]
    if len(starred) != 1:
        return equation
    (place,) = starred
    names = _names_at(equation, place)
    value = equation.args[place].value  # type: ignore[union-attr]
    if names is None or not names or not isinstance(value, Var):
        return equation
    items = [
        builder.keep(
            Apply(Var(name), _GETITEM, (value, Const(i)), span=equation.span, arity=len(names))
        )
        for i, name in enumerate(names)
    ]
    args = (*equation.args[:place], *items, *equation.args[place + 1 :])
    return replace(equation, args=args)


def _names_at(equation: Apply, place: int) -> list[str] | None:
    """Return the names of the parameters that the items of the starred argument number `place` are for."""
    if equation.kwargs:
        return None
    behind = len(equation.args) - place - 1
    if isinstance(equation.fn, Ref) and equation.fn.value is lax.cond:
        names = _parameters(equation.args[1]) if place >= 3 else None
        before = place - 3
    else:
        names, before = _parameters(equation.fn), place
    return None if names is None else names[before : len(names) - behind]


def _parameters(fn: object) -> list[str] | None:
    """Return the parameters of a function that takes a fixed number of positional arguments."""
    if isinstance(fn, Closure):
        given = fn.node.args
        plain = not (given.vararg or given.kwarg or given.kwonlyargs or given.defaults)
        return [arg.arg for arg in (*given.posonlyargs, *given.args)] if plain else None
    if not isinstance(fn, Ref) or not isinstance(fn.value, types.FunctionType):
        return None
    found = inspect.signature(fn.value).parameters.values()
    plain = all(p.kind in _POSITIONAL and p.default is p.empty for p in found)
    return [p.name for p in found] if plain else None


_POSITIONAL = (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)


def shown_branch(equation: Apply, builder: Rebuilder) -> Branch | None:
    """Return the branch that a call of `lax.cond` with two readable functions is."""
    if not isinstance(equation.fn, Ref) or equation.fn.value is not lax.cond or equation.kwargs:
        return None
    if len(equation.args) < 3 or any(isinstance(arg, Star) for arg in equation.args):
        return None
    predicate, *functions = equation.args[:3]
    blocks = [_block(fn, equation.args[3:], builder) for fn in functions]
    if None in blocks:
        return None
    found = tuple(block for block in blocks if block is not None)
    return Branch(BranchKind.COND, (equation.out,), predicate, found, equation.span)


def _block(fn: Tree, args: tuple[Tree, ...], builder: Rebuilder) -> Block | None:
    if not isinstance(fn, Closure):
        return None
    function = _read(fn)
    if function is None or function.captures or len(function.params) != len(args):
        return None
    if any(param.kind not in _POSITIONAL for param in function.params):
        return None
    inner = builder.nested()
    values = zip((param.var for param in function.params), args, strict=True)
    result = inner.inline(function, dict(values))
    return inner.block((), Display(tuple, (result,)))


def _read(closure: Closure) -> Function | None:
    try:
        return closure.lower()
    except (SourceUnavailableError, UnsupportedSyntaxError):
        return None


__all__ = ["shown_arguments", "shown_branch"]
