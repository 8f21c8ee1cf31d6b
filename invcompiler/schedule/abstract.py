"""What can be known of a value before it is there: abstract values, and the shapes in them.

`None` stands for a value of which nothing is known.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
from collections.abc import Callable, Container, Hashable, Iterator, Mapping, MappingView
from dataclasses import dataclass
from typing import Any, Union, assert_never

import jax
import numpy as np

from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import (
    Closure,
    Const,
    Display,
    Function,
    Ref,
    Slice,
    Star,
    Tree,
    Var,
)
from invcompiler.schedule.dims import Dim, Size, axis_of, symbol


@dataclass(frozen=True)
class Open:
    """A shape of unknown rank: `(*lead, *root.shape[dropped_lead : rank - dropped_trail], *trail)`."""

    root: Var
    dropped_lead: int = 0
    lead: tuple[Size, ...] = ()
    dropped_trail: int = 0
    trail: tuple[Size, ...] = ()

    def __post_init__(self) -> None:
        """Take back what was replaced by itself, so that equal shapes are equal."""
        lead, dropped = self.lead, self.dropped_lead
        while lead and dropped and lead[-1] == axis_of(self.root, dropped - 1):
            lead, dropped = lead[:-1], dropped - 1
        object.__setattr__(self, "lead", lead)
        object.__setattr__(self, "dropped_lead", dropped)
        trail, dropped = self.trail, self.dropped_trail
        while trail and dropped and trail[0] == axis_of(self.root, -dropped):
            trail, dropped = trail[1:], dropped - 1
        object.__setattr__(self, "trail", trail)
        object.__setattr__(self, "dropped_trail", dropped)


Shape = Union[tuple[Size, ...], Open]


@dataclass(frozen=True)
class Array:
    """An array, or a Python float or complex number, which is traced like one. `dtype` is None where it is unknown."""

    shape: Shape
    dtype: Any = None
    weak: bool = False


@dataclass(frozen=True)
class Known:
    """A Python value that is not an array: what it is belongs to the signature that one compiles for."""

    value: Any

    def _key(self) -> Hashable:
        return (type(self.value), self.value if _is_hashable(self.value) else id(self.value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True)
class Integer:
    """A Python integer whose value is `size`."""

    size: Dim


@dataclass(frozen=True)
class Items:
    """A container: a registered pytree node, a dict, list or tuple, or a dataclass.

    `keys` are a dict's keys or the names of fields, None for lists and tuples; `rebuild` makes the container of its items.
    """

    kind: type
    keys: tuple[Any, ...] | None
    items: tuple[Abstract, ...]
    rebuild: Callable[[list], Any] = dataclasses.field(compare=False)


@dataclass(frozen=True)
class ShapeTuple:
    """The value of `x.shape` where the rank of x is unknown."""

    shape: Open


@dataclass(frozen=True)
class Updater:
    """The value of `x.at` or `x.at[i]`; `base` is what is known of x."""

    base: Abstract


@dataclass(frozen=True)
class Perhaps:
    """A value that is `size` if it is a Python integer, and of which nothing is known if it isn't."""

    size: Dim


@dataclass(frozen=True)
class Like:
    """The same as `root` in kind and shape, of which nothing is known."""

    root: Var


@dataclass(frozen=True)
class Thing:
    """A Python object of which only the type is told: what it holds may be traced."""

    kind: type


Abstract = Union[Array, Known, Integer, Perhaps, Like, Items, ShapeTuple, Updater, Thing, None]


# ---- from values --------------------------------------------------------------------------------

_LITERALS: tuple[type, ...] = (
    type(None),
    bool,
    int,
    str,
    bytes,
    type(Ellipsis),
    range,
    np.dtype,
    enum.Enum,
)
_LITERALS += (Interval,)
_NAMED = (type, types.ModuleType, types.BuiltinFunctionType, np.ufunc)


def is_traced(value: Any) -> bool:
    """Whether a generated function takes `value` as an array: arrays, floats and complex numbers."""
    if isinstance(value, np.integer | np.bool_):
        return False
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "OSUMm" and value.dtype.names is None
    return isinstance(value, float | complex | np.generic | jax.Array | jax.ShapeDtypeStruct)


def abstract(value: Any, own: Container[int] | None = None) -> Abstract:
    """Return what the compiler may know of `value`: of arrays and tracers, shape and dtype only.

    In a run on tracers, `own` holds the ids of the objects that the run was given: a function that is none of them and that
    holds arrays holds tracers, which are of no use after the run.
    """
    if is_traced(value):
        if isinstance(value, jax.ShapeDtypeStruct):
            return Array(tuple(value.shape), value.dtype, bool(value.weak_type))
        aval = jax.typeof(value)
        return Array(tuple(aval.shape), aval.dtype, bool(getattr(aval, "weak_type", False)))
    if isinstance(value, np.integer | np.bool_):
        return Known(value.item())
    if isinstance(value, _LITERALS) or isinstance(value, _NAMED):
        return Known(value)
    if isinstance(value, slice):
        parts = [abstract(part) for part in (value.start, value.stop, value.step)]
        return Known(value) if all(isinstance(part, Known) for part in parts) else Thing(slice)
    return _container(value, own) or _object(value, own)


def _object(value: Any, own: Container[int] | None) -> Known | Thing:
    if callable(value) and (own is None or id(value) in own or not _holds_arrays(value)):
        return Known(value)
    return Thing(type(value))


def _holds_arrays(fn: Any, depth: int = 5) -> bool:
    """Whether a function rests on arrays, or may do so: by its closure, its defaults, its object or what it wraps."""
    if not depth:
        return True
    held: list[Any] = []
    if isinstance(fn, functools.partial):
        held = [fn.func, fn.args, fn.keywords]
    elif isinstance(fn, types.MethodType):
        held = [fn.__func__, fn.__self__]
    elif isinstance(fn, types.FunctionType):
        held = [fn.__defaults__, fn.__kwdefaults__]
        held += [cell.cell_contents for cell in fn.__closure__ or () if _is_filled(cell)]
    elif hasattr(fn, "__wrapped__"):
        held = [fn.__wrapped__]
    elif not isinstance(fn, type | types.BuiltinFunctionType):
        held = [getattr(fn, "__dict__", None)]
    leaves = jax.tree.leaves(held)
    return any(
        isinstance(leaf, jax.Array) or (callable(leaf) and _holds_arrays(leaf, depth - 1))
        for leaf in leaves
    )


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _container(value: Any, own: Container[int] | None) -> Items | None:
    if isinstance(value, Iterator | MappingView):
        return None  # JAX takes it for a leaf, and warns
    if type(value) is dict:
        return _dict(value, own)
    children, treedef = jax.tree_util.tree_flatten_with_path(
        value, is_leaf=lambda x: x is not value
    )
    if jax.tree_util.treedef_is_leaf(treedef):
        return _fields(value, own)
    items = tuple(abstract(child, own) for _, child in children)
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        keys = None
    else:
        keys = tuple(_key(path[0]) for path, _ in children)
    return Items(type(value), keys, items, lambda parts: jax.tree.unflatten(treedef, parts))


def _dict(value: dict, own: Container[int] | None) -> Items:
    keys = tuple(value)  # in the user's order
    items = tuple(abstract(item, own) for item in value.values())
    return Items(dict, keys, items, lambda parts: dict(zip(keys, parts, strict=True)))


def _key(entry: Any) -> Any:
    for attribute in ("key", "name", "idx"):
        if hasattr(entry, attribute):
            return getattr(entry, attribute)
    return entry


def _fields(value: Any, own: Container[int] | None) -> Items | None:
    """Return the fields of a dataclass that JAX knows nothing of."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return None
    names = tuple(field.name for field in dataclasses.fields(value) if field.init)
    if not all(hasattr(value, name) for name in names):
        return None
    items = tuple(abstract(getattr(value, name), own) for name in names)
    kind = type(value)
    return Items(kind, names, items, lambda parts: kind(**dict(zip(names, parts, strict=True))))


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


# ---- to values ----------------------------------------------------------------------------------


class Unclear(Exception):
    """There is no value that stands for an abstract one."""


def stand_in(value: Abstract) -> Any:
    """Return a value that abstracts to `value`, arrays being ShapeDtypeStructs; raises Unclear if there is none."""
    match value:
        case Known():
            return value.value
        case Array(shape=shape, dtype=dtype) if is_fixed(value):
            return jax.ShapeDtypeStruct(shape, dtype, weak_type=value.weak)
        case Items():
            return value.rebuild([stand_in(item) for item in value.items])
        case _:
            raise Unclear(value)


def is_fixed(value: Abstract) -> bool:
    """Whether everything about `value` that does not depend on array elements is known."""
    match value:
        case Known() | Thing():
            return True
        case Array(shape=shape, dtype=dtype):
            sized = isinstance(shape, tuple) and not any(isinstance(size, Dim) for size in shape)
            return sized and dtype is not None
        case Items():
            return all(is_fixed(item) for item in value.items)
        case _:
            return False


# ---- trees --------------------------------------------------------------------------------------


def of_tree(tree: Tree, values: Mapping[Var, Abstract]) -> Abstract:
    """Return the abstract value of a tree."""
    match tree:
        case Var():
            return values.get(tree)
        case Const():
            return Known(tree.value)
        case Ref():
            return None if isinstance(tree.value, Function) else _of_ref(tree.value)
        case Display():
            return _of_display(tree, values)
        case Slice():
            parts = [of_tree(part, values) for part in (tree.lower, tree.upper, tree.step)]
            if not all(isinstance(part, Known) for part in parts):
                return None
            return Known(slice(*(part.value for part in parts if isinstance(part, Known))))
        case Star() | Closure():
            return None
        case _:
            assert_never(tree)


def _of_ref(value: Any) -> Abstract:
    if isinstance(value, float | complex):
        return Array((), None, True)
    return Known(value)


def _of_display(display: Display, values: Mapping[Var, Abstract]) -> Abstract:
    items: list[Abstract] = []
    for item in display.items:
        if not isinstance(item, Star):
            items.append(of_tree(item, values))
            continue
        starred = of_tree(item.value, values)
        if not isinstance(starred, Items) or display.keys is not None:
            return None
        items += starred.items
    return container(display.kind, display.keys, items)


def container(kind: type, keys: tuple | None, items: list[Abstract]) -> Items:
    if keys is None:
        return Items(kind, None, tuple(items), kind)
    return Items(
        kind, keys, tuple(items), lambda parts: kind(**dict(zip(keys, parts, strict=True)))
    )


MISSING = object()


def static(value: Abstract) -> Any:
    """Return the Python value that `value` is, or MISSING."""
    if isinstance(value, Known):
        return value.value
    if isinstance(value, Items) and value.kind in (tuple, list):
        parts = [static(item) for item in value.items]
        return MISSING if any(part is MISSING for part in parts) else value.kind(parts)
    return MISSING


# ---- joins --------------------------------------------------------------------------------------


def join(one: Abstract, other: Abstract, var: Var | None = None) -> Abstract:
    """Return what is true of both, where both are values of `var`: what differs is named after it."""
    if one == other:
        return one
    match one, other:
        case Array(), Array():
            return _join_arrays(one, other, var)
        case Items(), Items() if _alike(one, other):
            parts = zip(one.items, other.items, strict=True)
            items = tuple(join(a, b) for a, b in parts)
            return dataclasses.replace(one, items=items)
        case Like(root=root), Array(shape=shape) if shape == Open(root):
            return one
        case Array(shape=shape), Like(root=root) if shape == Open(root):
            return other
        case (Known() | Integer(), Known() | Integer()) if _is_int(one) and _is_int(other):
            return None if var is None else Integer(symbol(var))
        case Thing(), Thing() if one.kind is other.kind:
            return one
        case _:
            return None


def _alike(one: Items, other: Items) -> bool:
    same = one.kind is other.kind and one.keys == other.keys
    return same and len(one.items) == len(other.items)


def _is_int(value: Known | Integer) -> bool:
    return isinstance(value, Integer) or type(value.value) is int


def _join_arrays(one: Array, other: Array, var: Var | None) -> Array | None:
    dtype = one.dtype if one.dtype == other.dtype else None
    weak = one.weak and other.weak
    if one.shape == other.shape:
        return Array(one.shape, dtype, weak)
    if var is None:
        return None
    if isinstance(one.shape, Open) or isinstance(other.shape, Open):
        return Array(Open(var), dtype, weak)
    if len(one.shape) != len(other.shape):
        return Array(Open(var), dtype, weak)
    pairs = zip(one.shape, other.shape, strict=True)
    shape = tuple(a if a == b else axis_of(var, axis) for axis, (a, b) in enumerate(pairs))
    return Array(shape, dtype, weak)


__all__ = [
    "MISSING",
    "Abstract",
    "Array",
    "Integer",
    "Items",
    "Known",
    "Like",
    "Open",
    "Perhaps",
    "Shape",
    "ShapeTuple",
    "Thing",
    "Unclear",
    "Updater",
    "abstract",
    "container",
    "is_fixed",
    "is_traced",
    "join",
    "of_tree",
    "stand_in",
    "static",
]
