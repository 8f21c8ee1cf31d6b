"""A library's function, given as it is: `inverse(jnp.exp)` is that of a function which calls `jnp.exp`."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from invcompiler.frontend.callables import same_value
from invcompiler.frontend.resolve import Captures
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Capture, Const, Function, Param, ParameterKind, Tree, Var
from invcompiler.rules.canonical import parameters_of
from invcompiler.rules.registry import inverse_rules
from invcompiler.schedule.callees import library_ref

_POSITIONAL = (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)


def calling(target: Any) -> Function | None:
    """Return a function that calls `target`, if that is a library's or has rules, perhaps jitted or given arguments by
    `functools.partial`; None for any other, whose source is read.
    """
    fn, args, kwargs, captures = _taken_apart(target)
    if not _is_called(fn):
        return None
    name = getattr(fn, "__name__", "function")
    params = [
        Param(Var(word), kind) for word, kind in _parameters(fn)[len(args) :] if word not in kwargs
    ]
    builder = Builder()
    given = (*args, *(param.var for param in params))
    result = builder.apply(library_ref(fn, name), given, tuple(kwargs.items()))
    return Function(
        name,
        tuple(params),
        builder.block(tuple(param.var for param in params), result),
        captures=tuple(captures.hoisted.values()),
        depends=tuple(captures.depends.values()),
        source=target,
    )


def _is_called(fn: Any) -> bool:
    """Whether a call of `fn` is a step of its own: rules speak of it, or it is a public function of JAX's."""
    return bool(inverse_rules(fn) or library_ref(fn, "").spelling)


def _taken_apart(target: Any) -> tuple[Any, tuple[Tree, ...], dict[str, Tree], Captures]:
    """Return the function that runs in the end, and the arguments that it is given."""
    args: tuple[Tree, ...] = ()
    kwargs: dict[str, Tree] = {}
    captures = Captures()

    def tree(wish: str, scope: Any, read: Any) -> Tree:
        value = read()
        return Const(value) if type(value) is int else captures.tree(Capture(wish, scope, (), read))

    while not _is_called(target):
        inner = same_value(target)
        if inner is None and not isinstance(target, functools.partial):
            break
        if inner is None:
            partial = target
            args = (
                *(
                    tree(f"value_{i}", partial, lambda p=partial, i=i: p.args[i])
                    for i in range(len(partial.args))
                ),
                *args,
            )
            named = {
                name: tree(name, partial, lambda p=partial, name=name: p.keywords[name])
                for name in partial.keywords
            }
            kwargs = {**named, **kwargs}
            inner = partial.func
        target = inner
    return target, args, kwargs, captures


def _parameters(fn: Any) -> list[tuple[str, ParameterKind]]:
    """Return the parameters that a call must give: by its signature, or, if that shows none, those that the rules name."""
    shown = inspect.signature(fn).parameters.values()
    if any(one.kind is one.VAR_POSITIONAL for one in shown):
        return [(name, ParameterKind.POSITIONAL_ONLY) for name in parameters_of(fn)]
    return [
        (one.name, one.kind)
        for one in shown
        if one.kind in _POSITIONAL and one.default is one.empty
    ]


__all__ = ["calling"]
