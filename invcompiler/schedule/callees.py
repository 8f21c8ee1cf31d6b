"""Which function a call enters, and which parameter takes which argument."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax

from invcompiler.errors import SourceUnavailableError
from invcompiler.frontend.callables import (
    is_same_value_wrapper,
    is_transparent,
    mapped,
    states_inverse,
)
from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Closure,
    Const,
    Display,
    Function,
    Method,
    Param,
    ParameterKind,
    Ref,
    Span,
    Star,
    Tree,
    Var,
)
from invcompiler.schedule.abstract import Items, Known, Thing
from invcompiler.schedule.context import Context

Keywords = tuple[tuple[str | None, Tree], ...]

_LIBRARIES = frozenset(
    {"jax", "jaxlib", "numpy", "scipy", "builtins", "_operator", "operator", "math"}
    | {"collections", "copy", "dataclasses", "functools", "itertools"}
)
_FURTHEST = 20  # wrappers around wrappers


@dataclass(frozen=True)
class Mapped:
    """`jax.vmap` around a function. `axes` has an entry for each argument of the call; `options` are its other keywords."""

    axes: tuple[Any, ...]
    out_axes: Any
    options: Keywords = ()


@dataclass(frozen=True)
class Callee:
    """What a call runs: a Ref or Closure, with all of its arguments; `mapping` if it is run by `jax.vmap`."""

    fn: Ref | Closure
    args: tuple[Tree, ...]
    kwargs: Keywords
    mapping: Mapped | None = None


# ---- from the callee as it is written -------------------------------------------------------------


def callee_of(equation: Apply, context: Context) -> Callee | None:
    """Return what a call runs, as far as the text and static values tell; None if they do not."""
    fn: Tree | Method = equation.fn
    args, kwargs = equation.args, equation.kwargs
    for _ in range(_FURTHEST):
        match fn:
            case Closure():
                return Callee(fn, args, kwargs)
            case Ref():
                return _of_object(Ref(unwrapped(fn.value), fn.spelling, fn.root), args, kwargs)
            case Method(name=name):
                found = _method(name, args, kwargs, context)
            case Var():
                found = _unmade(fn, args, kwargs, context) or _of_value(fn, args, kwargs, context)
            case _:
                return None
        if found is None or isinstance(found, Callee):
            return found
        fn, args, kwargs = found
    return None


def unwrapped(value: Any) -> Any:
    """Return the function behind an `@invertible` one; a `custom_inverse` stays."""
    while is_transparent(value) and not states_inverse(value):
        value = value.__wrapped__
    return value


def _of_object(fn: Ref, args: tuple, kwargs: Keywords) -> Callee | None:
    found = mapped(fn.value)
    if found is None:
        return Callee(fn, args, kwargs)
    options = tuple((name, as_tree(value)) for name, value in found.options)
    if any(tree is None for _, tree in options):
        return None
    name = getattr(found.fun, "__name__", "inner")
    return _mapped(Ref(found.fun, name), found.in_axes, found.out_axes, options, args, kwargs)


def _mapped(
    fn: Ref | Closure, in_axes: Any, out_axes: Any, options: Keywords, args: tuple, kwargs: Keywords
) -> Callee | None:
    """Return a call of `jax.vmap(fn, ...)`, or None if the arguments are not those of the axes."""
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
    if len(axes) != len(args):
        return None
    return Callee(fn, args, kwargs, Mapped((*axes, *(0 for _ in kwargs)), out_axes, options))


def _unmade(fn: Var, args: tuple, kwargs: Keywords, context: Context) -> Any:
    """Look through the call that made a function: `partial(f, w)(x)` is `f(w, x)`."""
    made = context.defining.get(fn)
    if not isinstance(made, Apply) or not isinstance(made.fn, Ref) or not made.args:
        return None
    inner, *given = made.args
    if is_same_value_wrapper(made.fn.value):
        return inner, args, kwargs
    if made.fn.value is functools.partial:
        names = {name for name, _ in kwargs}
        kept = tuple(pair for pair in made.kwargs if pair[0] not in names)
        return inner, (*given, *args), (*kept, *kwargs)
    if made.fn.value is jax.vmap:
        return _mapped_here(made, args, kwargs, context)
    return None


def _mapped_here(made: Apply, args: tuple, kwargs: Keywords, context: Context) -> Callee | None:
    names = ("fun", "in_axes", "out_axes", "axis_name", "axis_size", "spmd_axis_name")
    given = {**dict(zip(names, made.args, strict=False)), **dict(made.kwargs)}
    axes = [context.facts.static(given.pop(name, Const(0))) for name in ("in_axes", "out_axes")]
    fn = given.pop("fun", None)
    if fn is None or None in axes or None in given:
        return None
    options = tuple(given.items())
    in_axes, out_axes = (axis.value for axis in axes if axis is not None)
    inner, given_args, given_kwargs = _function_of(fn, context)
    if isinstance(inner, Var):
        inner = _outlined(inner, args, kwargs, context)
    if not isinstance(inner, Ref | Closure):
        return None
    callee = _mapped(inner, in_axes, out_axes, options, args, kwargs)
    if callee is None or callee.mapping is None:
        return None
    count, axes_of_all = len(args), callee.mapping.axes
    shared = (*(None for _ in given_args), *axes_of_all[:count])
    named_axes = (*(None for _ in given_kwargs), *axes_of_all[count:])
    return Callee(
        inner,
        (*given_args, *args),
        (*given_kwargs, *kwargs),
        replace(callee.mapping, axes=(*shared, *named_axes)),
    )


def _outlined(fn: Var, args: tuple, kwargs: Keywords, context: Context) -> Ref | None:
    """Return a function that calls what `jax.vmap` makes of another one, for a mapped function that is mapped again."""
    made = context.defining.get(fn)
    if not isinstance(made, Apply) or made.fn != Ref(jax.vmap, "jax.vmap"):
        return None
    inner = replace(made, out=Var())
    return Ref(_outline(inner.out, (inner,), args, kwargs, made.span), "inner")


def _outline(
    fn: Ref | Var, before: tuple[Apply, ...], args: tuple, kwargs: Keywords, span: Span | None
) -> Function:
    """Return the function that calls `fn` with as many arguments."""
    names = ["x"] if len(args) == 1 else [f"x_{i}" for i in range(len(args))]
    params = [Param(Var(name), ParameterKind.POSITIONAL_OR_KEYWORD) for name in names]
    named = [Param(Var(name), ParameterKind.KEYWORD_ONLY) for name, _ in kwargs]
    given = tuple(param.var for param in params)
    by_name = tuple((param.var.name, param.var) for param in named)
    called = Apply(Var(), fn, given, by_name, span)
    block = Block((), (*before, called), called.out)
    name = getattr(getattr(fn, "value", None), "__name__", None) or "inner"
    return Function(name, (*params, *named), block, span=span)


def _function_of(fn: Tree, context: Context) -> tuple[Tree, tuple[Tree, ...], Keywords]:
    """Return a function where its text or value is known, and the arguments that it has been given already."""
    args: tuple[Tree, ...] = ()
    kwargs: Keywords = ()
    for _ in range(_FURTHEST):
        made = context.defining.get(fn) if isinstance(fn, Var) else None
        if not isinstance(made, Apply) or not isinstance(made.fn, Ref) or not made.args:
            break
        if made.fn.value is functools.partial:
            args, kwargs = (*made.args[1:], *args), (*made.kwargs, *kwargs)
        elif not is_same_value_wrapper(made.fn.value):
            break
        fn = made.args[0]
    if isinstance(fn, Var) and (made is None or made.fn != Ref(jax.vmap, "")):
        known = context.facts.static(fn)
        fn = fn if known is None else library_ref(known.value, fn.name or "function")
    return fn, args, kwargs


def _of_value(fn: Var, args: tuple, kwargs: Keywords, context: Context) -> Any:
    """Return what a function that is a value of the program is today."""
    match context.facts.of(fn):
        case Known(value=value) if callable(value):
            return library_ref(value, fn.name or "function"), args, kwargs
        case Items(kind=kind) | Thing(kind=kind):
            call = inspect.getattr_static(kind, "__call__", None)
            if isinstance(call, types.FunctionType):
                return Ref(call, f"{kind.__name__}.__call__", kind), (fn, *args), kwargs
    return None


def library_ref(value: Any, name: str) -> Ref:
    """Return the Ref of a function met as a value: a public one of `jax.numpy` or `jax` by its usual name."""
    own = getattr(value, "__name__", None) or ""
    for module, prefix in ((jax.numpy, "jnp"), (jax.lax, "jax.lax"), (jax.nn, "jax.nn")):
        if own and getattr(module, own, None) is value:
            return Ref(value, f"{prefix}.{own}", jax.numpy if prefix == "jnp" else jax)
    return Ref(value, name)


def _method(name: str, args: tuple[Tree, ...], kwargs: Keywords, context: Context) -> Any:
    receiver = context.facts.of(args[0])
    if not isinstance(receiver, Items | Thing):
        return None
    method = inspect.getattr_static(receiver.kind, name, None)
    spelling = f"{receiver.kind.__name__}.{name}"
    if isinstance(method, staticmethod):
        return Ref(method.__func__, spelling, receiver.kind), args[1:], kwargs
    if isinstance(unwrapped(method), types.FunctionType) or states_inverse(method):
        return Ref(unwrapped(method), spelling, receiver.kind), args, kwargs
    return None


# ---- functions ------------------------------------------------------------------------------------


def library_call(callee: Callee) -> Function | None:
    """Return a function that calls a library's, for one that `jax.vmap` runs."""
    if callee.mapping is None or not isinstance(callee.fn, Ref) or not callable(callee.fn.value):
        return None
    return _outline(callee.fn, (), callee.args, callee.kwargs, None)


def function_of(fn: Ref | Closure, prepare: Callable[[Any], Function]) -> Function | None:
    """Return the function whose body runs, or None if it is not one whose source is the user's."""
    if isinstance(fn, Closure):
        return prepare(fn)
    if isinstance(fn.value, Function):
        return fn.value
    if not callable(fn.value) or is_library(fn.value):
        return None
    try:
        return prepare(fn.value)
    except SourceUnavailableError:
        return None


def named(function: Function) -> Function:
    """Return a callee under a name that its inverse can be called after: that of the class for a `__call__`."""
    if function.name == "<lambda>":
        return replace(function, name="inner")
    if function.name != "__call__":
        return function
    source = function.source
    owner = getattr(source, "__qualname__", "").rpartition(".")[0] or type(source).__name__
    return replace(function, name=owner.rpartition(".")[2])


def is_library(target: Any) -> bool:
    """Whether `target` is a function of JAX's, NumPy's or Python's: rules speak of those, their source is not read."""
    while hasattr(target, "__wrapped__") or isinstance(target, functools.partial):
        target = target.func if isinstance(target, functools.partial) else target.__wrapped__
    module = getattr(target, "__module__", None) or ""
    if module == "builtins" and isinstance(target, types.FunctionType):
        return False  # made by `exec` in a namespace without a name
    return isinstance(target, type) or module.split(".")[0] in _LIBRARIES


# ---- arguments ------------------------------------------------------------------------------------


def has_open_arguments(args: Iterable[Tree], kwargs: Keywords) -> bool:
    """Whether a call has arguments whose number the text does not show."""
    return any(isinstance(arg, Star) for arg in args) or any(name is None for name, _ in kwargs)


def bind(function: Function, args: tuple[Tree, ...], kwargs: Keywords) -> dict[Var, Tree] | None:
    """Return which tree each parameter takes, but those that keep their default; None if the call does not fit."""
    if has_open_arguments(args, kwargs):
        return None
    left, named = list(args), dict(kwargs)
    bound: dict[Var, Tree] = {}
    for param in function.params:
        name = param.var.name
        if param.kind is ParameterKind.VAR_POSITIONAL:
            bound[param.var] = Display(tuple, tuple(left))
            left = []
        elif param.kind is ParameterKind.VAR_KEYWORD:
            bound[param.var] = Display(dict, tuple(named.values()), tuple(named))
            named = {}
        elif left and param.kind is not ParameterKind.KEYWORD_ONLY:
            bound[param.var] = left.pop(0)
        elif name in named and param.kind is not ParameterKind.POSITIONAL_ONLY:
            bound[param.var] = named.pop(name)
        elif param.default is None:
            return None
    return None if left or named else bound


def arguments(
    params: Iterable[Param], bound: Mapping[Var, Tree]
) -> tuple[tuple[Tree, ...], Keywords]:
    """Return the arguments of a call that gives each of `params` what it is bound to: by position as far as that goes."""
    args: list[Tree] = []
    kwargs: list[tuple[str | None, Tree]] = []
    in_order = True
    for param in params:
        tree = bound.get(param.var)
        if tree is None:
            in_order = False
        elif param.kind is ParameterKind.VAR_POSITIONAL:
            assert isinstance(tree, Display)
            args += tree.items
        elif param.kind is ParameterKind.VAR_KEYWORD:
            assert isinstance(tree, Display)
            kwargs += zip(tree.keys or (), tree.items, strict=True)
        elif in_order and param.kind is not ParameterKind.KEYWORD_ONLY:
            args.append(tree)
        else:
            kwargs.append((param.var.name, tree))
    return tuple(args), tuple(kwargs)
