"""What kind of container an abstract value is, and how its items are taken out and put together again."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.ir.nodes import Const, Display, Ref, Tree
from invcompiler.passes.avals import Held

GETITEM = Ref(operator.getitem, "operator.getitem", operator)
GETATTR = Ref(getattr, "getattr")


@dataclass(frozen=True)
class Container:
    """A tuple, list, dict, namedtuple or dataclass: `keys` are as in `Display`, `items` the abstract items."""

    kind: type
    keys: tuple[Any, ...] | None
    items: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.items)

    def position(self, attribute: bool, key: Any) -> int | None:
        """Return the number of the item that `[key]`, or `.key`, takes out."""
        if attribute or self.kind is dict:
            return self.keys.index(key) if self.keys and key in self.keys else None
        if isinstance(key, bool) or not isinstance(key, int):
            return None
        return key % len(self) if -len(self) <= key < len(self) else None

    def access(self, number: int) -> tuple[Ref, Const]:
        """Return the function and its second operand that take item `number` out."""
        if self.keys is None:
            return GETITEM, Const(number)
        return (GETITEM if self.kind is dict else GETATTR), Const(self.keys[number])

    def display(self, items: Sequence[Tree]) -> Display:
        spelling = None
        if self.kind not in (tuple, list, dict):
            spelling = Ref(self.kind, self.kind.__name__, self.kind)
        return Display(self.kind, tuple(items), self.keys, spelling)


def container(aval: Any) -> Container | None:
    """Return what kind of container `aval` is, or None for arrays, static values and other pytree nodes."""
    kind = type(aval)
    if kind in (tuple, list):
        return Container(kind, None, tuple(aval))
    if kind is dict:
        return Container(dict, tuple(aval), tuple(aval.values()))
    if isinstance(aval, tuple) and hasattr(aval, "_fields"):
        return Container(kind, tuple(aval._fields), tuple(aval))
    if dataclasses.is_dataclass(kind) and is_node(aval) and not _is_jax(kind):
        names = tuple(f.name for f in dataclasses.fields(aval))
        return Container(kind, names, tuple(getattr(aval, name) for name in names))
    return None


def _is_jax(kind: type) -> bool:
    """Whether `kind` is a class of JAX's own, such as the pullback that `jax.vjp` returns."""
    return kind.__module__.split(".")[0] == "jax"


def is_private(kind: type) -> bool:
    """Whether `kind` has no public name that a text could use."""
    return kind.__module__.startswith("jax._src")


def of_display(display: Display) -> Container:
    return Container(display.kind, display.keys, display.items)


def is_node(value: Any) -> bool:
    return not jax.tree_util.all_leaves([value])


def is_inexact(aval: Any) -> bool:
    """Whether `aval` is an array of real or complex floating-point numbers, or such a Python number."""
    if isinstance(aval, jax.ShapeDtypeStruct):
        return bool(jnp.issubdtype(aval.dtype, jnp.inexact))
    return isinstance(aval, float | complex)


def has_inexact(aval: Any) -> bool:
    return any(is_inexact(leaf) for leaf in jax.tree.leaves(aval))


def is_array(aval: Any) -> bool:
    return isinstance(aval, jax.ShapeDtypeStruct | float | complex | int) and not isinstance(
        aval, bool
    )


def holds_function(aval: Any) -> bool:
    """Whether `aval` is, or holds, a function or an object such as `x.at`: what has no cotangent of its own.

    The pullback that `jax.vjp` returns is a pytree, and has one.
    """
    return any(
        isinstance(leaf, Held) or (callable(leaf) and not isinstance(leaf, type))
        for leaf in jax.tree.leaves(aval)
        if not isinstance(leaf, jax.ShapeDtypeStruct)
    )


__all__ = [
    "GETATTR",
    "GETITEM",
    "Container",
    "container",
    "has_inexact",
    "holds_function",
    "is_array",
    "is_inexact",
    "is_node",
    "is_private",
    "of_display",
]
