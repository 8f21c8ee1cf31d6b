"""Which function a call enters, and which parameter takes which argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invcompiler.errors import SourceUnavailableError
from invcompiler.ir.nodes import Apply, Closure, Display, Function, ParameterKind, Ref, Star, Tree, Var
from invcompiler.schedule.context import Context

_LIBRARIES = frozenset({"jax", "jaxlib", "numpy", "scipy", "builtins", "_operator", "operator", "math"})


def callee_of(
    equation: Apply, context: Context, prepare: Callable[[Any], Function]
) -> Function | None:
    """Return the function whose body a call runs, or None if it is not one whose source is the user's."""
    fn = equation.fn
    if isinstance(fn, Closure):
        return prepare(fn)
    target: Any = fn.value if isinstance(fn, Ref) else None
    if isinstance(fn, Var):
        known = context.facts.static(fn)
        target = None if known is None else known.value
    if target is None or not callable(target) or is_library(target):
        return None
    try:
        return prepare(target)
    except SourceUnavailableError:
        return None


def is_library(target: Any) -> bool:
    """Whether `target` is a function of JAX's, NumPy's or Python's: rules speak of those, their source is not read."""
    while hasattr(target, "__wrapped__"):
        target = target.__wrapped__
    module = getattr(target, "__module__", None) or ""
    return isinstance(target, type) or module.split(".")[0] in _LIBRARIES


def bind(function: Function, equation: Apply) -> dict[Var, Tree] | None:
    """Return which tree each parameter takes; None if the call does not show it (`*args` of unknown length)."""
    args = list(equation.args)
    kwargs = dict(equation.kwargs)
    if None in kwargs or any(isinstance(arg, Star) for arg in args):
        return None
    bound: dict[Var, Tree] = {}
    for param in function.params:
        name = param.var.name
        if param.kind is ParameterKind.VAR_POSITIONAL:
            bound[param.var] = Display(tuple, tuple(args))
            args = []
        elif param.kind is ParameterKind.VAR_KEYWORD:
            bound[param.var] = Display(dict, tuple(kwargs.values()), tuple(kwargs))
            kwargs = {}
        elif args and param.kind is not ParameterKind.KEYWORD_ONLY:
            bound[param.var] = args.pop(0)
        elif name in kwargs and param.kind is not ParameterKind.POSITIONAL_ONLY:
            bound[param.var] = kwargs.pop(name)
        elif param.default is not None:
            bound[param.var] = param.default
        else:
            return None
    return None if args or kwargs else bound
