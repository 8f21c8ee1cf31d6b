"""One form for each call, however it is spelled: a key, and arguments by name.

`x + y`, `operator.add(x, y)`, `jnp.add(x, y)` and `lax.add(x, y)` are one call of `jnp.add`; so are `x.reshape(2, 3)`,
`x.reshape((2, 3))` and `jnp.reshape(x, shape=(2, 3))` of `jnp.reshape`. Whether a rule is found cannot depend on the spelling.

A *reading* is a Python function whose parameters are those of a spelling and which returns the canonical arguments:
Python's own binding of positions, keywords and defaults does the work. Operands are trees throughout.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MethodType
from typing import Any

import jax

from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import Apply, Const, Display, Method, Ref, Star, Tree, Var

Arguments = Mapping[str, Tree]
Reading = Callable[..., "Arguments | Call | None"]


@dataclass(frozen=True)
class Call:
    """A call of `fn`, the one key of all its spellings. `arguments` has every parameter, defaults too."""

    fn: Any
    arguments: Arguments


@dataclass(frozen=True)
class Callee:
    spelled: Any  # kept, so that its id stays its own
    fn: Any
    read: Reading


NONE = Const(None)
CALLEES: dict[Any, Callee] = {}
METHODS: dict[str, Callee] = {}
ATTRIBUTES: dict[str, Callable[[Tree], Call]] = {}


def canonical(apply: Apply) -> Call | None:
    """Return the canonical form of a call, or None where there is none.

    There is none for a function without a table entry, and for a call whose operands do not show which parameters they
    are for (`f(*args)`), or whose options change what the function does (`out=`, `where=`).
    """
    fn = apply.fn
    if isinstance(fn, Method):
        callee = METHODS.get(fn.name)
    elif isinstance(fn, Ref):
        if fn.value is getattr:
            return _attribute(apply.args)
        callee = find(fn.value)
    else:
        return None
    if callee is None or any(isinstance(arg, Star) for arg in apply.args):
        return None
    return _read(callee, apply)


def _read(callee: Callee, apply: Apply) -> Call | None:
    try:
        found = callee.read(*apply.args, **dict(apply.kwargs))  # type: ignore[arg-type]
    except TypeError:
        return None  # not a call that the function takes, or one with `**options`
    if found is None or isinstance(found, Call):
        return found
    return Call(callee.fn, found)


def _attribute(args: tuple[Tree, ...]) -> Call | None:
    if len(args) != 2 or not isinstance(args[1], Const):
        return None
    reading = ATTRIBUTES.get(args[1].value)
    return None if reading is None else reading(args[0])


def call_of(fn: Any, *args: Tree, **kwargs: Tree) -> Call | None:
    """Return the canonical form of `fn(*args, **kwargs)`."""
    return canonical(Apply(Var(), Ref(fn, "fn"), args, tuple(kwargs.items())))


def key_of(fn: Any) -> Any:
    """Return the one key of the spellings of `fn`: `jnp.add` for `operator.add`. `fn` itself if it has no entry."""
    callee = find(fn)
    return fn if callee is None else callee.fn


def parameters_of(fn: Any) -> tuple[str, ...]:
    """Return the names of the canonical arguments of `fn`, in order, for the call with every optional one left out.

    Raises ValueError if `fn` has no signature.
    """
    declare(fn)
    callee = CALLEES[identity(key_of(fn))]
    place = identity(callee.fn)
    if place not in _PARAMETERS:
        _PARAMETERS[place] = _names_of(callee.read)
    return _PARAMETERS[place]


# ---- entries ------------------------------------------------------------------------------------

_JITTED = type(jax.jit(lambda: 0))


def identity(fn: Any) -> Any:
    """Return what makes `fn` the function that it is: a bound method is made anew each time that it is looked up."""
    if isinstance(fn, MethodType):
        return (id(fn.__self__), id(fn.__func__))
    return id(fn)


def find(fn: Any) -> Callee | None:
    """Return the entry of `fn`; of what it wraps, if it is a `jax.jit` of a function with an entry."""
    callee = CALLEES.get(identity(fn))
    if callee is None and isinstance(fn, _JITTED):
        return CALLEES.get(identity(getattr(fn, "__wrapped__", None)))
    return callee


def declare(fn: Any) -> None:
    """Give `fn` an entry, by its own signature, if it has none."""
    if find(fn) is None:
        enter(fn, fn, _BySignature(fn))


def enter(spelled: Any, fn: Any, read: Reading) -> None:
    place = identity(spelled)
    known = CALLEES.get(place)
    if known is None:
        CALLEES[place] = Callee(spelled, fn, read)
    elif known.fn is not fn:
        raise ValueError(f"{spelled} is a spelling of {known.fn} and of {fn}")


def _names_of(read: Reading) -> tuple[str, ...]:
    """Return the parameters of a reading without the options that it drops."""
    signature = read.signature if isinstance(read, _BySignature) else inspect.signature(read)
    parameters = signature.parameters.values()
    dropped = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is NONE]
    return tuple(p.name for p in parameters if p.name not in dropped)


_PARAMETERS: dict[Any, tuple[str, ...]] = {}


def name_arguments(fn: Any, *names: str) -> None:
    """State the names of the canonical arguments of `fn`, where its reading has more parameters or others."""
    _PARAMETERS[identity(fn)] = names


class _BySignature:
    """The reading of a function whose canonical arguments are its parameters; looked at when first needed."""

    def __init__(self, fn: Any) -> None:
        self.fn = fn

    @cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.fn)

    @cached_property
    def _defaults(self) -> dict[str, Tree]:
        parameters = self.signature.parameters.values()
        return {p.name: _default(p.default) for p in parameters if p.default is not p.empty}

    @cached_property
    def _variadic(self) -> frozenset[str]:
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return frozenset(p.name for p in self.signature.parameters.values() if p.kind in kinds)

    def __call__(self, *args: Tree, **kwargs: Tree) -> Arguments:
        given = self.signature.bind(*args, **kwargs).arguments
        if not self._variadic.isdisjoint(given):
            return _packed(self.signature, {**self._defaults, **given})
        filled = {**self._defaults, **given}
        return {name: filled.get(name, NONE) for name in self.signature.parameters}


def _packed(signature: inspect.Signature, given: dict[str, Any]) -> Arguments:
    """Return the arguments with those of `*args` in one display and those of `**kwargs` in a dict's."""
    packed: dict[str, Tree] = {}
    for name, parameter in signature.parameters.items():
        value = given.get(name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            packed[name] = Display(tuple, tuple(value or ()))
        elif parameter.kind is parameter.VAR_KEYWORD:
            options = value or {}
            packed[name] = Display(dict, tuple(options.values()), tuple(options))
        else:
            packed[name] = NONE if value is None else value
    return packed


def _default(value: Any) -> Tree:
    if isinstance(value, float | complex):
        return Const(value)
    tree = as_tree(value)
    return Ref(value, getattr(value, "__name__", repr(value))) if tree is None else tree


def same(read: Reading, fn: Any, *spellings: Any) -> None:
    """Enter `fn`, which is the key, and the other spellings of it that this version of JAX has."""
    for spelled in (fn, *spellings):
        if spelled is not None:
            enter(spelled, fn, read)


def spelled(fn: Any, *spellings: Any) -> Callable[[Reading], Reading]:
    """Enter spellings of `fn` with parameters of their own; the function decorated reads them."""

    def add(read: Reading) -> Reading:
        declare(fn)
        for spelled in spellings:
            if spelled is not None:
                enter(spelled, fn, read)
        return read

    return add


def method(fn: Any, *names: str) -> Callable[[Reading], Reading]:
    """Enter methods of arrays; the function decorated reads their operands, the array first."""

    def add(read: Reading) -> Reading:
        declare(fn)
        for name in names:
            METHODS[name] = Callee(name, fn, read)
        return read

    return add


def named(module: Any, *names: str) -> tuple[Any, ...]:
    """Return what a module has under some names; None for what this version of JAX does not have."""
    return tuple(getattr(module, name, None) for name in names)


def declare_all(module: Any, names: str) -> None:
    for name in names.split():
        if hasattr(module, name):
            declare(getattr(module, name))


# ---- operands -----------------------------------------------------------------------------------


def tuple_tree(tree: Tree) -> Tree:
    """Return a shape or axes as a tuple: a list shows the same, and so does one number."""
    if isinstance(tree, Display) and tree.kind is list:
        return replace(tree, kind=tuple)
    if isinstance(tree, Const) and type(tree.value) is int:
        return Display(tuple, (tree,))
    return tree


def axis_tree(tree: Tree) -> Tree:
    """Return `axis` as it is written, several of them as a tuple."""
    return replace(tree, kind=tuple) if isinstance(tree, Display) and tree.kind is list else tree


def starred(parts: tuple[Tree, ...]) -> Tree:
    """Return the shape or axes that `x.reshape(*parts)` is given: several numbers, or one tuple."""
    return tuple_tree(parts[0]) if len(parts) == 1 else Display(tuple, parts)


def is_given(tree: Tree) -> bool:
    return tree != NONE


__all__ = [
    "ATTRIBUTES",
    "CALLEES",
    "METHODS",
    "NONE",
    "Arguments",
    "Call",
    "Callee",
    "Reading",
    "axis_tree",
    "call_of",
    "canonical",
    "declare",
    "declare_all",
    "enter",
    "find",
    "identity",
    "is_given",
    "key_of",
    "method",
    "name_arguments",
    "named",
    "parameters_of",
    "same",
    "spelled",
    "starred",
    "tuple_tree",
]
