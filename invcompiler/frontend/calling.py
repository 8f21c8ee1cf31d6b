"""Functions that do nothing but call another one, which the scheduler then sees whole.

So are read: what `jax.vmap` makes, and functions whose inverse is stated with `inv.custom_inverse`.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any

from invcompiler.errors import SourceUnavailableError
from invcompiler.frontend.callables import Target, is_end, stated_rule, target_of
from invcompiler.frontend.functions import given_trees, rest_on_rules
from invcompiler.frontend.resolve import Captures, Found, is_hoisted, step
from invcompiler.ir.build import Builder, as_tree
from invcompiler.ir.nodes import Capture, Function, Param, Span, Star, Tree, Var
from invcompiler.ir.nodes import ParameterKind as Kind

Keywords = tuple[tuple[str | None, Tree], ...]


def passed_on(params: Iterable[Param]) -> tuple[tuple[Tree, ...], Keywords]:
    """Return the arguments of a call that passes all parameters on."""
    args: list[Tree] = []
    kwargs: list[tuple[str | None, Tree]] = []
    for param in params:
        match param.kind:
            case Kind.VAR_POSITIONAL:
                args.append(Star(param.var))
            case Kind.VAR_KEYWORD:
                kwargs.append((None, param.var))
            case Kind.KEYWORD_ONLY:
                kwargs.append((param.var.name, param.var))
            case _:
                args.append(param.var)
    return tuple(args), tuple(kwargs)


def calling(
    function: Any,
    name: str,
    params: tuple[Param, ...],
    captures: Captures,
    *,
    source: Any,
    given: tuple[tuple[Tree, ...], Keywords] = ((), ()),
    span: Span | None = None,
    doc: str | None = None,
) -> Function:
    """Return the Function with `params` that calls `function`, with what it was `given` ahead of them."""
    capture = Capture(name, function, (), lambda: function)
    captures.rest_on(capture, function)
    builder = Builder()
    args, kwargs = passed_on(params)
    ref = Found(function, name, function, capture)
    args, kwargs = (*given[0], *args), (*given[1], *kwargs)
    result = builder.apply(ref, args, kwargs, span=span)
    return Function(
        name,
        params,
        builder.block(tuple(param.var for param in params), result),
        captures=tuple(captures.hoisted.values()),
        depends=tuple(captures.depends.values()),
        span=span,
        doc=doc,
        source=source,
    )


def calling_stated(function: Any, read: Callable[[Any], Function]) -> Function | None:
    """Return the Function that calls a function whose inverse is stated, for `function` if that is or wraps one."""
    target = _reached(function, lambda fn: stated_rule(fn) is not None)
    if target is None:
        return None
    try:
        within = read(function)
    except SourceUnavailableError:
        within = None  # it is called, not read
    return _calling_target(function, target, within)


def calling_unread(function: Any) -> Function | None:
    """Return the Function that calls `function`, which has no source; None if tracers are nothing that it takes.

    Raises SourceUnavailableError if it does not tell its parameters.
    """
    target = _reached(function, _is_last) or Target(function)
    last = target.function
    home = str(getattr(last, "__module__", None) or type(last).__module__)
    is_written = isinstance(last, types.FunctionType)
    if isinstance(last, type) or (
        not is_written and home.partition(".")[0] in ("builtins", "numpy")
    ):
        return None
    return _calling_target(function, target, None)


def _is_last(function: Any) -> bool:
    return is_end(function) or isinstance(function, types.FunctionType)


def _reached(function: Any, until: Callable[[Any], bool]) -> Target | None:
    """Return the first function on the way inwards of which `until` holds, and what it is given."""
    try:
        target = target_of(function, until)
    except SourceUnavailableError:
        return None
    return target if until(target.function) else None


def _calling_target(function: Any, target: Target, within: Function | None) -> Function:
    stated = target.function
    captures = Captures()
    rest_on_rules(target, captures)
    captures.rest_on(Capture("rule", stated, (), lambda: stated_rule(stated)), stated_rule(stated))
    if within is None:
        params = shown_params(function, captures)
        name = getattr(stated, "__name__", "function")
    else:
        params, name = within.params, within.name
        captures.include(within)
    args, named = given_trees(_names(stated, len(target.args)), target, captures)
    for tree in (*args, *named.values()):
        _rest_on_attributes(tree, captures)
    left = {param.var.name for param in params}
    kwargs = tuple((key, tree) for key, tree in named.items() if key not in left)
    span, doc = (None, None) if within is None else (within.span, within.doc)
    return calling(
        stated,
        name,
        params,
        captures,
        source=function,
        given=(tuple(args), kwargs),
        span=span,
        doc=doc,
    )


def _rest_on_attributes(tree: Tree, captures: Captures) -> None:
    """Note what an object that is handed to a rule holds today: the rule reads it there, past the compiler."""
    if not isinstance(tree, Found) or tree.capture is None:
        return
    for name, value in getattr(tree.value, "__dict__", {}).items():
        if is_hoisted(value):
            captures.rest_on(step(tree.capture, "attr", name), value)


def _names(function: Callable[..., Any], count: int) -> list[str]:
    """Return what the first parameters are called, as far as that shows."""
    try:
        shown = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        shown = []
    names = [one.name for one in shown if one.kind is not Kind.VAR_POSITIONAL]
    return [*names, *(f"given_{number}" for number in range(count))][:count]


def shown_params(f: Callable[..., Any], captures: Captures) -> tuple[Param, ...]:
    """Return the parameters that `inspect.signature` shows. Raises SourceUnavailableError where it shows none."""
    try:
        shown = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        name = str(getattr(f, "__name__", type(f).__name__))
        raise SourceUnavailableError(
            reason=f"`{name}` shows neither source nor parameters",
            function=name,
            hint="wrap it in a Python function",
        ) from None
    return tuple(shown_param(one, f, captures) for one in shown)


def shown_param(shown: inspect.Parameter, f: Callable[..., Any], captures: Captures) -> Param:
    """Return a parameter; a default that text cannot state is captured."""
    if shown.default is inspect.Parameter.empty:
        return Param(Var(shown.name), shown.kind)
    default = as_tree(shown.default)
    if default is None:
        default = captures.tree(Capture(shown.name, f, (), _reader(f, shown.name)))
    return Param(Var(shown.name), shown.kind, default)


def _reader(f: Callable[..., Any], name: str) -> Callable[[], Any]:
    return lambda: inspect.signature(f).parameters[name].default


__all__ = ["calling", "calling_stated", "calling_unread", "shown_param"]
