"""Write an index that only adds or keeps axes as what it does, and slices by functions of `lax` as indices.

>>> from jax import lax
>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> from invcompiler.passes.normalise import normalise
>>> def f(x):
...     return x[:, None] + x[0, None, :] + lax.slice_in_dim(x, 1, 3, axis=1)
>>> print(show(normalise(read(f))))
def f(x):
    v1 = jnp.expand_dims(x, 1)
    v2 = x[0, :]
    v3 = jnp.expand_dims(v2, 0)
    v4 = v1 + v3
    v5 = x[:, 1:3]
    v6 = v4 + v5
    return v6
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Set
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Apply, Const, Display, Function, Ref, Slice, Tree, Var
from invcompiler.passes.normalise_walk import Rebuilder

_NONE = Const(None)
_DOTS = Const(...)
_FULL = Slice(_NONE, _NONE, _NONE)
_GETITEM = Ref(operator.getitem, "operator.getitem", operator)
_EXPAND = Ref(jnp.expand_dims, "jnp.expand_dims", jnp)


def host_vars(function: Function) -> set[Var]:
    """Return captured arrays of NumPy: what is made of them is not to become an array of JAX."""
    return {var for var, capture in function.captures if isinstance(capture.read(), np.ndarray)}


def plain_index(equation: Apply, builder: Rebuilder, host: set[Var]) -> Tree | None:
    """Return the value of `equation` where it is an index that has a plainer form, or None."""
    if not isinstance(equation.fn, Ref):
        return None
    fn = equation.fn.value
    if fn is operator.getitem:
        return _of_getitem(equation, builder, host)
    _note_host(equation, fn, host)
    reader = _SLICERS.get(fn) if isinstance(fn, Callable) else None  # type: ignore[arg-type]
    index = None if reader is None else reader(equation)
    if index is None:
        return None
    picked = replace(equation, fn=_GETITEM, args=(equation.args[0], index), kwargs=())
    return builder.keep(picked)


def _note_host(equation: Apply, fn: Any, host: set[Var]) -> None:
    """Add what NumPy computes, and `.at`, whose index says where and not what."""
    module = getattr(fn, "__module__", None) or ""
    if isinstance(fn, np.ufunc) or module.partition(".")[0] == "numpy":
        host.add(equation.out)
    elif fn is getattr and equation.args[1] == Const("at"):
        host.add(equation.out)
    elif module == "_operator" and any(
        arg in host for arg in equation.args if isinstance(arg, Var)
    ):
        host.add(equation.out)


# ---- x[...] -----------------------------------------------------------------------------------------


def _of_getitem(equation: Apply, builder: Rebuilder, host: Set[Var]) -> Tree | None:
    value, index = equation.args
    if not isinstance(value, Var) or value in host:
        return None
    parts = index.items if isinstance(index, Display) and index.kind is tuple else (index,)
    if not parts or not all(_is_basic(part) for part in parts) or parts.count(_DOTS) > 1:
        return None
    rest = tuple(part for part in parts if part != _NONE)
    if len(rest) == len(parts):
        return value if all(part in (_FULL, _DOTS) for part in parts) else None
    return _expanded(equation, _picked(equation, rest, builder), parts, builder)


def _is_basic(part: Tree) -> bool:
    if isinstance(part, Const):
        return part.value is None or part.value is ... or type(part.value) is int
    return isinstance(part, Slice)


def _picked(equation: Apply, rest: tuple[Tree, ...], builder: Rebuilder) -> Tree:
    value = equation.args[0]
    if all(part in (_FULL, _DOTS) for part in rest):
        return value
    index = rest[0] if len(rest) == 1 else Display(tuple, rest)
    return builder.keep(
        Apply(Var(None, equation.span), _GETITEM, (value, index), span=equation.span)
    )


def _expanded(equation: Apply, value: Tree, parts: tuple[Tree, ...], builder: Rebuilder) -> Tree:
    """Add the axes that None stands for: counted from the end behind `...`."""
    kept = [part for part in parts if not (isinstance(part, Const) and type(part.value) is int)]
    dots = kept.index(_DOTS) if _DOTS in kept else len(kept)
    places = [n for n, part in enumerate(kept) if part == _NONE]
    axes = [n if n < dots else n - len(kept) for n in places]
    axis = Const(axes[0]) if len(axes) == 1 else Display(tuple, tuple(map(Const, axes)))
    return builder.keep(replace(equation, fn=_EXPAND, args=(value, axis), kwargs=()))


# ---- slices by functions of lax ---------------------------------------------------------------------


def _arguments(equation: Apply, **defaults: Tree | None) -> dict[str, Tree] | None:
    """Return the arguments behind the operand, or None where one is missing or there are others."""
    if len(equation.args) - 1 > len(defaults) or not equation.args:
        return None
    given = dict(zip(defaults, equation.args[1:], strict=False))
    for name, tree in equation.kwargs:
        if name not in defaults or name in given:
            return None
        given[name] = tree
    found = {**defaults, **given}
    if any(tree is None for tree in found.values()):
        return None
    return {name: tree for name, tree in found.items() if tree is not None}


def _number(tree: Tree) -> int | None:
    return tree.value if isinstance(tree, Const) and type(tree.value) is int else None


def _slice_of(start: Tree, stop: Tree, step: Tree = _NONE) -> Slice:
    return Slice(_NONE if start == Const(0) else start, stop, _NONE if step == Const(1) else step)


def _along(axis: Tree, part: Tree) -> Tree | None:
    number = _number(axis)
    if number is None:
        return None
    if number < 0:
        ahead: tuple[Tree, ...] = (_DOTS,)
        return Display(tuple, (*ahead, part, *[_FULL] * (-1 - number)))
    return Display(tuple, (*[_FULL] * number, part)) if number else part


def _slice_in_dim(equation: Apply) -> Tree | None:
    given = _arguments(equation, start_index=None, limit_index=None, stride=Const(1), axis=Const(0))
    if given is None:
        return None
    part = _slice_of(given["start_index"], given["limit_index"], given["stride"])
    return _along(given["axis"], part)


def _index_in_dim(equation: Apply) -> Tree | None:
    given = _arguments(equation, index=None, axis=Const(0), keepdims=Const(True))
    index = None if given is None else _number(given["index"])
    if given is None or index is None or not isinstance(given["keepdims"], Const):
        return None
    if not given["keepdims"].value:
        return _along(given["axis"], Const(index))
    stop = _NONE if index == -1 else Const(index + 1)
    return _along(given["axis"], _slice_of(Const(index), stop))


def _slice(equation: Apply) -> Tree | None:
    given = _arguments(equation, start_indices=None, limit_indices=None, strides=_NONE)
    if given is None:
        return None
    starts, stops = given["start_indices"], given["limit_indices"]
    if not isinstance(starts, Display) or not isinstance(stops, Display):
        return None
    steps: Tree = given["strides"]
    if steps == _NONE:
        steps = Display(tuple, (_NONE,) * len(starts.items))
    if not isinstance(steps, Display) or len(starts.items) != len(stops.items) or not starts.items:
        return None
    parts = [
        _slice_of(*bounds) for bounds in zip(starts.items, stops.items, steps.items, strict=True)
    ]
    return parts[0] if len(parts) == 1 else Display(tuple, tuple(parts))


def _dynamic_slice_in_dim(equation: Apply) -> Tree | None:
    """A slice at the start never meets the end: elsewhere `lax` moves the slice back, an index cuts it short."""
    given = _arguments(equation, start_index=None, slice_size=None, axis=Const(0))
    if given is None or given["start_index"] != Const(0):
        return None
    return _along(given["axis"], _slice_of(Const(0), given["slice_size"]))


_SLICERS: dict[Any, Callable[[Apply], Tree | None]] = {
    lax.slice_in_dim: _slice_in_dim,
    lax.index_in_dim: _index_in_dim,
    lax.slice: _slice,
    lax.dynamic_slice_in_dim: _dynamic_slice_in_dim,
}


__all__ = ["host_vars", "plain_index"]
