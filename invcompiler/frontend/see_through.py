"""Calls that only build or take apart containers, done when the text is read."""

from __future__ import annotations

import ast
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax

from invcompiler.frontend.callables import is_same_value_wrapper
from invcompiler.frontend.expressions import attribute_of, dict_items
from invcompiler.frontend.lowering import Lowering, Unfollowed
from invcompiler.frontend.mutation import changed_by_method
from invcompiler.frontend.structure import is_open
from invcompiler.frontend.survey import CHANGES
from invcompiler.ir.nodes import Closure, Const, Display, Method, Ref, Star, Tree, Var

Keywords = tuple[tuple[str | None, Tree], ...]


def see_through(
    lowering: Lowering,
    fn: Ref | Var | Method | Closure,
    args: tuple[Tree, ...],
    kwargs: Keywords,
    node: ast.AST,
) -> Tree | None:
    """Return the container that a call builds, or None if it is computed when the program runs."""
    if isinstance(fn, Method):
        if isinstance(args[0], Display) and fn.name in CHANGES and node is not lowering.whole:
            raise Unfollowed("a change in place inside an expression", node)
        return _method(lowering, fn.name, args, dict(kwargs), node)
    if not isinstance(fn, Ref) or None in dict(kwargs):
        return None
    if is_same_value_wrapper(fn.value) and len(args) == 1 and isinstance(args[0], Ref | Closure):
        return args[0]
    if fn.value is getattr and len(args) == 2 and isinstance(args[1], Const):
        return attribute_of(lowering, args[0], args[1].value, node)
    if fn.value is isinstance and len(args) == 2 and isinstance(args[0], Display):
        return _is_instance(args[0].kind, args[1])
    if isinstance(fn.value, type) and any(isinstance(arg, Star) for arg in args):
        return None
    build = _BUILDERS.get(fn.value) if isinstance(fn.value, type | functools.partial) else None
    if build is not None:
        return build(args, kwargs)
    if isinstance(fn.value, type):
        return _record(fn, args, kwargs)
    if fn.value is dataclasses.replace and args:
        return _replaced(args[0], dict(kwargs))
    # the structure has no derivative, so it is asked for by itself
    if any(fn.value is flatten for flatten in _FLATTEN) and len(args) == 1 and not kwargs:
        parts = {
            "leaves": jax.tree.leaves,
            "structure": jax.tree.structure,
        }
        made = (Ref(part, f"jax.tree.{name}", jax) for name, part in parts.items())
        return Display(tuple, tuple(lowering.apply(part, args, node=node) for part in made))
    return None


_FLATTEN = (jax.tree.flatten, jax.tree_util.tree_flatten)


def _is_instance(kind: type, classes: Tree) -> Tree | None:
    options = classes.items if isinstance(classes, Display) else (classes,)
    if not all(isinstance(option, Ref) and isinstance(option.value, type) for option in options):
        return None
    return Const(any(issubclass(kind, option.value) for option in options))  # type: ignore[union-attr]


# ---- built-in containers ------------------------------------------------------------------------


def _items(args: tuple[Tree, ...]) -> tuple[Tree, ...] | None:
    """Return the items that iterating over the one argument gives."""
    if not args:
        return ()
    if len(args) == 1 and isinstance(args[0], Const) and isinstance(args[0].value, str):
        return tuple(map(Const, args[0].value))  # characters
    if len(args) > 1 or not isinstance(args[0], Display) or not is_open(args[0]):
        return None
    value = args[0]
    if value.kind is dict:
        return tuple(map(Const, value.keys or ()))
    return value.items if issubclass(value.kind, tuple | list) else None


def _sequence(kind: type) -> Callable[[tuple[Tree, ...], Keywords], Tree | None]:
    def build(args: tuple[Tree, ...], kwargs: Keywords) -> Tree | None:
        items = None if kwargs else _items(args)
        return None if items is None else Display(kind, items)

    return build


def _dict(args: tuple[Tree, ...], kwargs: Keywords) -> Tree | None:
    first: dict[Any, Tree] | None = {}
    if args:
        first = dict_items(args[0])
        pairs = None if first is not None else _items(args)
        if pairs is not None:
            first = _from_pairs(pairs)
    if first is None or len(args) > 1:
        return None
    items = {**first, **dict(kwargs)}
    return Display(dict, tuple(items.values()), tuple(items))


def _from_pairs(pairs: tuple[Tree, ...]) -> dict[Any, Tree] | None:
    found: dict[Any, Tree] = {}
    for pair in pairs:
        if not isinstance(pair, Display) or len(pair.items) != 2 or not is_open(pair):
            return None
        key, value = pair.items
        if not isinstance(key, Const):
            return None
        found[key.value] = value
    return found


def _zip(args: tuple[Tree, ...], kwargs: Keywords) -> Tree | None:
    columns = [_items((arg,)) for arg in args]
    if kwargs or any(column is None for column in columns):
        return None
    rows = zip(*(column or () for column in columns), strict=False)
    return Display(tuple, tuple(Display(tuple, row) for row in rows))


def _enumerate(args: tuple[Tree, ...], kwargs: Keywords) -> Tree | None:
    items = _items(args[:1])
    start = args[1] if len(args) == 2 else dict(kwargs).get("start", Const(0))
    if items is None or not isinstance(start, Const):
        return None
    return Display(
        tuple, tuple(Display(tuple, (Const(i), t)) for i, t in enumerate(items, start.value))
    )


def _reversed(args: tuple[Tree, ...], kwargs: Keywords) -> Tree | None:
    items = _items(args)
    return None if items is None or kwargs else Display(tuple, items[::-1])


_BUILDERS: dict[Any, Callable[[tuple[Tree, ...], Keywords], Tree | None]] = {
    tuple: _sequence(tuple),
    list: _sequence(list),
    dict: _dict,
    zip: _zip,
    enumerate: _enumerate,
    reversed: _reversed,
}


# ---- methods of containers ----------------------------------------------------------------------


def _method(
    lowering: Lowering,
    name: str,
    args: tuple[Tree, ...],
    kwargs: dict[str | None, Tree],
    node: ast.AST,
) -> Tree | None:
    value, *rest = args
    if not isinstance(value, Display):
        return None
    if value.spelling is not None:
        return _of_record(value, name, kwargs) if not rest else None
    if name in CHANGES and value.kind in (list, dict):
        changed = changed_by_method(value, name, tuple(rest), kwargs)
        if changed is None:
            raise Unfollowed(f"a call of `{name}` that changes a {value.kind.__name__}", node)
        if changed[0] is not value:
            lowering.replace(value, changed[0], None)
        return changed[1]
    if kwargs:
        return None
    if name == "copy" and not rest:
        return dataclasses.replace(value)
    return _of_dict(value, name, rest) if value.kind is dict else None


def _of_record(value: Display, name: str, kwargs: dict[str | None, Tree]) -> Tree | None:
    if name == "_replace":
        return _replaced(value, kwargs)
    if name == "_asdict" and not kwargs:
        return Display(dict, value.items, value.keys)
    return None


def _of_dict(value: Display, name: str, rest: list[Tree]) -> Tree | None:
    keys = tuple(map(Const, value.keys or ()))
    pairs = zip(keys, value.items, strict=True)
    match name, rest:
        case "keys", []:
            return Display(tuple, keys)
        case "values", []:
            return Display(tuple, value.items)
        case "items", []:
            return Display(tuple, tuple(Display(tuple, pair) for pair in pairs))
        case "get", [Const() as key, *default] if len(default) <= 1:
            found = dict(pairs).get(key)
            return found if found is not None else (default[0] if default else Const(None))
    return None


# ---- namedtuples and dataclasses ----------------------------------------------------------------


def _record(fn: Ref, args: tuple[Tree, ...], kwargs: Keywords) -> Tree | None:
    """Return the namedtuple or dataclass that a call of its class builds."""
    fields = record_fields(fn.value)
    if fields is None:
        return None
    values = dict(zip(fields, args, strict=False))
    named = dict(kwargs)
    if len(args) > len(fields) or not named.keys() <= fields.keys() - values.keys():
        return None
    values.update(named)  # type: ignore[arg-type]
    for name, default in fields.items():
        if name not in values:
            if default is None:
                return None
            values[name] = default
    return Display(fn.value, tuple(values[name] for name in fields), tuple(fields), fn)


def record_fields(kind: type) -> dict[str, Tree | None] | None:
    """Return the fields of a class that only keeps what it is given, and their defaults."""
    if is_plain_namedtuple(kind):
        defaults = kind._field_defaults  # type: ignore[attr-defined]
        return {name: _default(defaults, name) for name in kind._fields}  # type: ignore[attr-defined]
    if not is_plain_dataclass(kind):
        return None
    found: dict[str, Tree | None] = {}
    for part in dataclasses.fields(kind):
        if not part.init or part.kw_only or part.default_factory is not dataclasses.MISSING:
            return None
        known = {} if part.default is dataclasses.MISSING else {part.name: part.default}
        found[part.name] = _default(known, part.name)
    return found


def _default(defaults: dict[str, Any], name: str) -> Tree | None:
    value = defaults.get(name)
    if name not in defaults or not isinstance(value, bool | int | float | str | None):
        return None
    return Const(value)


def is_plain_namedtuple(kind: type) -> bool:
    if not (issubclass(kind, tuple) and hasattr(kind, "_fields")):
        return False
    module = getattr(kind.__new__, "__module__", None) or ""
    return module.startswith("namedtuple_") and "__init__" not in vars(kind)


def is_plain_dataclass(kind: type) -> bool:
    if type(kind) is not type or not dataclasses.is_dataclass(kind):
        return False
    init = vars(kind).get("__init__")
    return (
        getattr(kind, "__dataclass_params__").init  # noqa: B009
        and getattr(init, "__code__", None) is not None
        and init.__code__.co_filename == "<string>"
        and not any(hasattr(kind, name) for name in ("__post_init__",))
        and kind.__new__ is object.__new__
        and _plain_attributes(kind)
    )


def _plain_attributes(kind: type) -> bool:
    frozen = kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    plain_get = kind.__getattribute__ is object.__getattribute__
    return plain_get and (frozen or kind.__setattr__ is object.__setattr__)


def _replaced(value: Tree, kwargs: dict[str | None, Tree]) -> Tree | None:
    if not isinstance(value, Display) or value.spelling is None or value.keys is None:
        return None
    if not kwargs.keys() <= set(value.keys):
        return None
    items = tuple(kwargs.get(key, item) for key, item in zip(value.keys, value.items, strict=True))
    return dataclasses.replace(value, items=items)
