"""From any callable to the Python function that runs when it is called.

`jax.jit`, `jax.checkpoint` and custom derivatives change how a function runs, not what it computes:
they are looked through. Every other wrapper is a function of its own, and is read as one.
"""

from __future__ import annotations

import functools
import inspect
import os
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from invcompiler.errors import SourceUnavailableError


def _probe(x):
    return x


def _chain(function: Any) -> tuple[types.CodeType, ...]:
    """Return the code objects of a wrapper of `_probe`, from the outermost inwards."""
    codes = []
    while isinstance(function, types.FunctionType) and function is not _probe:
        codes.append(function.__code__)
        function = _cell(function, "fun") or _cell(function, "func")
    return tuple(codes)


def _cell(function: types.FunctionType, name: str) -> Any:
    names = function.__code__.co_freevars
    if name not in names or function.__closure__ is None:
        return None
    return function.__closure__[names.index(name)].cell_contents


_JITTED = type(jax.jit(_probe))
_CACHED = type(functools.lru_cache(_probe))
_CUSTOM = (jax.custom_jvp, jax.custom_vjp)
_CHECKPOINT = _chain(jax.checkpoint(_probe))
_NAMED = _chain(jax.named_call(_probe))
_VMAP = _chain(jax.vmap(_probe))


def is_jitted(function: Any) -> bool:
    return isinstance(function, _JITTED)


def is_function_like(value: Any) -> bool:
    """Whether `value` is named by the text rather than hoisted out of it: a function, class or module."""
    kinds = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, type)
    kinds += (types.ModuleType, functools.partial, _JITTED, _CACHED, *_CUSTOM)
    return isinstance(value, kinds)


def is_transparent(function: Any) -> bool:
    """Whether calling `function` is calling what it wraps: `@invertible`, `@custom_inverse`."""
    return getattr(type(function), "__invcompiler_transparent__", False)


def states_inverse(function: Any) -> bool:
    """Whether `function` is made by `custom_inverse`, and its inverse may be stated."""
    return getattr(type(function), "__invcompiler_states_inverse__", False)


def stated_rule(function: Any) -> Any:
    """Return the rule that was stated for the inverse of `function`, None if there is none."""
    return function.rule if states_inverse(function) else None


def same_value(function: Any) -> Any:
    """Return what `function` wraps if calling it computes the same, else None."""
    if is_transparent(function):
        return function.__wrapped__
    if isinstance(function, (_JITTED, _CACHED, *_CUSTOM)):
        return getattr(function, "__wrapped__", None)
    if not isinstance(function, types.FunctionType):
        return None
    for chain in (_CHECKPOINT, _NAMED):
        if _wraps(function, chain):
            return getattr(function, "__wrapped__", None)
    return None


def _wraps(function: Any, chain: tuple[types.CodeType, ...]) -> bool:
    for code in chain:
        if not isinstance(function, types.FunctionType) or function.__code__ is not code:
            return False
        function = _cell(function, "fun") or _cell(function, "func")
    return bool(chain)


@dataclass(frozen=True)
class Mapped:
    """`jax.vmap(fun, in_axes, out_axes)`, taken apart. `options` are its other arguments."""

    fun: Any
    in_axes: Any
    out_axes: Any
    options: tuple[tuple[str, Any], ...] = ()


def mapped(function: Any) -> Mapped | None:
    """Take a function made by `jax.vmap` apart, or return None if it is not one."""
    if isinstance(function, _JITTED):
        function = getattr(function, "__wrapped__", None)
    if not _wraps(function, _VMAP):
        return None
    inner = function
    for _ in _VMAP[1:]:
        inner = _cell(inner, "fun")
    names = ("axis_size", "axis_name", "spmd_axis_name", "sum_match")
    found = {name: _cell(inner, name) for name in names}
    options = tuple((name, value) for name, value in found.items() if _is_set(value))
    fun = _cell(inner, "fun") or function.__wrapped__
    return Mapped(fun, _cell(inner, "in_axes"), _cell(inner, "out_axes"), options)


def _is_set(value: Any) -> bool:
    return value is not None and value is not False and type(value) is not object


@dataclass(frozen=True)
class Given:
    """An argument that a callable has been given already: a method's object, a partial's argument."""

    scope: Any
    read: Callable[[], Any]


@dataclass(frozen=True)
class Target:
    """The function that a callable runs, and the arguments that it is given before the caller's.

    `through` are the functions with `custom_inverse` that were looked through, from the outermost inwards.
    """

    function: Any
    args: tuple[Given, ...] = ()
    kwargs: tuple[tuple[str, Given], ...] = ()
    through: tuple[Any, ...] = ()


def target_of(function: Any, until: Callable[[Any], bool] = lambda function: False) -> Target:
    """Return what runs when `function` is called; what `until` holds of is not looked into.

    Raises SourceUnavailableError if that is not a Python function.
    """
    args: tuple[Given, ...] = ()
    kwargs: dict[str, Given] = {}
    through: tuple[Any, ...] = ()
    whole = function
    while True:
        if until(function):
            return Target(function, args, tuple(kwargs.items()), through)
        if isinstance(function, types.FunctionType) and same_value(function) is None:
            break
        if (inner := same_value(function)) is not None:
            through = (*through, function) if states_inverse(function) else through
            function = inner
        elif isinstance(function, functools.partial):
            args = (*_given_args(function), *args)
            kwargs = {**_given_kwargs(function), **kwargs}
            function = function.func
        elif hasattr(function, "__func__") and hasattr(function, "__self__"):
            args = (_given(function, "__self__"), *args)
            function = function.__func__
        else:
            args = (Given(function, _always(function)), *args)
            function = _call_method(function, whole)
    if _is_transformation(function):
        name = function.__name__
        raise unreadable(whole, f"`{name}` is a function that jax has made from another one")
    return Target(function, args, tuple(kwargs.items()), through)


def is_end(function: Any) -> bool:
    """Whether a callable is neither a Python function nor a wrapper that is looked through: a builtin, a C function."""
    if isinstance(function, types.FunctionType | functools.partial):
        return False
    if same_value(function) is not None or hasattr(function, "__func__"):
        return False
    method = getattr(type(function), "__call__", None)  # noqa: B004
    return isinstance(function, type) or not isinstance(method, types.FunctionType)


def _call_method(function: Any, whole: Any) -> Any:
    method = getattr(type(function), "__call__", None)  # noqa: B004
    while (inner := same_value(method)) is not None:
        method = inner
    if isinstance(function, type) or not isinstance(method, types.FunctionType):
        raise unreadable(whole)
    return method


def _is_transformation(function: types.FunctionType) -> bool:
    """Whether jax made a function from another one, of the user's: the text of it says nothing of what it computes."""
    if function.__code__ in _BOUNDARIES:
        return True
    inner = inspect.unwrap(function)
    return inner is not function and _is_of_jax(function) and not _is_of_jax(inner)


def _is_of_jax(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename.startswith(_JAX)


_JAX = os.path.dirname(jax.__file__) + os.sep


_BOUNDARIES = frozenset({_VMAP[0], _CHECKPOINT[0]})


def _always(value: Any) -> Callable[[], Any]:
    return lambda: value


def _given(function: Any, name: str) -> Given:
    return Given(function, lambda: getattr(function, name))


def _given_args(function: functools.partial) -> tuple[Given, ...]:
    def reader(place: int) -> Given:
        return Given(function, lambda: function.args[place])

    return tuple(map(reader, range(len(function.args))))


def _given_kwargs(function: functools.partial) -> dict[str, Given]:
    def reader(name: str) -> Given:
        return Given(function, lambda: function.keywords[name])

    return {name: reader(name) for name in function.keywords}


def unreadable(function: Any, why: str = "") -> SourceUnavailableError:
    name = getattr(function, "__name__", None) or type(function).__name__
    reason = why or f"`{name}` is not written in Python, so that it has no source to read"
    return SourceUnavailableError(
        reason=reason, function=str(name), hint="wrap it in a Python function"
    )


def makes_function(fn: Any) -> bool:
    """Whether what a callee (of the IR) returns may keep the functions that it is given."""
    value = getattr(fn, "value", None)
    module = getattr(value, "__module__", None) or ""
    return not module.startswith(("jax.lax", "jax.numpy", "jax._src.lax", "jax._src.numpy"))


def is_same_value_wrapper(function: Any) -> bool:
    """Whether `function(g)` computes the same as `g`, as `jax.jit(g)` does."""
    return any(function is wrapper for wrapper in _SAME_VALUE_WRAPPERS)


_SAME_VALUE_WRAPPERS = (jax.jit, jax.checkpoint, jax.remat, jax.named_call, functools.cache)
