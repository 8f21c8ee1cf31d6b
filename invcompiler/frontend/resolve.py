"""What a free name denotes: an object that the text can name, a constant, or a value to hoist.

Functions, classes and modules become `Ref`s, and attributes of modules and of plain objects are
followed here and now. Arrays, numbers and pytrees that hold them become one var each and a
`Capture`, which is read anew at each call. What was followed is remembered in `depends`.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from invcompiler.frontend.callables import is_function_like
from invcompiler.ir.nodes import Capture, Const, Display, Function, Ref, Tree, Var

_ABSENT = object()
_LIBRARIES = frozenset({"jax", "jaxlib", "numpy", "scipy", "ml_dtypes"}) | sys.stdlib_module_names
_STATIC = (type(None), bool, str, bytes, type(Ellipsis))
_NUMBERS = (int, float, complex)
_PLAIN_CONTAINERS = (tuple, list, dict)


@dataclass(frozen=True, eq=False, slots=True)
class Found(Ref):
    """A Ref that knows where its object was found, so that its attributes can be hoisted."""

    capture: Capture | None = None


class Scope:
    """The names that a Python function finds outside its own text."""

    def __init__(self, function: types.FunctionType):
        self.function = function
        self._cells = dict(
            zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        )
        self._globals = function.__globals__

    def find(self, name: str) -> Capture | None:
        """Return how to read the free name `name`, or None if it is not bound today."""
        capture = Capture(name, self.function, (), self._reader(name))
        return None if capture.read() is _ABSENT else capture

    def _reader(self, name: str) -> Callable[[], Any]:
        cell = self._cells.get(name)
        if cell is not None:
            return lambda: _contents(cell)
        names = self._globals
        if name in names:
            return lambda: names.get(name, _ABSENT)
        return lambda: names.get(name, vars(builtins).get(name, _ABSENT))


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _ABSENT


def step(capture: Capture, kind: str, key: Any) -> Capture:
    """Return the capture of one attribute (`"attr"`) or item (`"item"`) of what `capture` reads."""
    before = capture.read

    def attribute() -> Any:
        return getattr(before(), key, _ABSENT)

    def item() -> Any:
        try:
            return before()[key]
        except (LookupError, TypeError):
            return _ABSENT

    read = attribute if kind == "attr" else item
    return Capture(capture.name, capture.scope, (*capture.steps, (kind, key)), read)


def spelling(capture: Capture) -> str:
    steps = (f".{key}" if kind == "attr" else f"[{key!r}]" for kind, key in capture.steps)
    return capture.name + "".join(steps)


class Captures:
    """What one reading hoists and rests on. Shared with the functions nested in its text."""

    def __init__(self) -> None:
        self.hoisted: dict[Any, tuple[Var, Capture]] = {}
        self.depends: dict[Any, tuple[Capture, Any]] = {}
        self._roots: dict[Any, Any] = {}
        self._attributes: dict[Any, Tree] = {}
        self._kept: list[Found] = []  # so that their ids stay theirs

    def tree(self, capture: Capture) -> Tree:
        """Return the tree of what `capture` reads today."""
        value = capture.read()
        if not capture.steps:
            self._roots[capture.name, id(capture.scope)] = value
        if type(value) in _STATIC:
            self.rest_on(capture, value)
            return Const(value)
        if type(value) in _NUMBERS and self._is_library(capture):
            return self._named(capture, value)
        if type(value) in _PLAIN_CONTAINERS and holds_functions(value):
            return self._display(capture, value)
        if is_hoisted(value):
            return self._hoist(capture, value)
        return self._named(capture, value)

    def attribute(self, found: Found, name: str) -> Tree | None:
        """Return the tree of an attribute of an object that was found, or None if it has none."""
        key = (id(found), name)
        if key not in self._attributes:
            if found.capture is None or not hasattr(found.value, name):
                return None
            self._attributes[key] = self.tree(step(found.capture, "attr", name))
            self._kept.append(found)
        return self._attributes[key]

    def include(self, function: Function) -> None:
        """Keep what the reading of another function hoists and rests on."""
        self.hoisted.update((("of", var), (var, capture)) for var, capture in function.captures)
        for capture, value in function.depends:
            self.rest_on(capture, value)

    def rest_on(self, capture: Capture, value: Any) -> None:
        key = (capture.name, id(capture.scope), capture.steps)
        self.depends.setdefault(key, (capture, value))

    def _is_library(self, capture: Capture) -> bool:
        """Whether the number is one of a library's, such as `jnp.pi`, which stays what it is."""
        if not capture.steps:
            return False
        module = self._root(capture)
        if not isinstance(module, types.ModuleType):
            return False
        return module.__name__.partition(".")[0] in _LIBRARIES

    def _root(self, capture: Capture) -> Any:
        return self._roots.get((capture.name, id(capture.scope)))

    def _named(self, capture: Capture, value: Any) -> Ref:
        if isinstance(value, types.MethodType):  # a new object at each access
            self.rest_on(step(capture, "attr", "__func__"), value.__func__)
        elif capture.read() is value:
            self.rest_on(capture, value)
        else:
            self.rest_on(_kind(capture), kind_of(value))
        root = self._root(capture) if capture.steps else value
        return Found(value, spelling(capture), root, capture)

    def _hoist(self, capture: Capture, value: Any) -> Var:
        place = (capture.name, id(capture.scope), capture.steps)
        key = place if type(value) in _NUMBERS else id(value)
        self.rest_on(_kind(capture), kind_of(value))
        if key not in self.hoisted:
            name = capture.steps[-1][1] if capture.steps else capture.name
            wish = name if isinstance(name, str) and name.isidentifier() else capture.name
            self.hoisted[key] = (Var(wish), capture)
        elif (
            self.hoisted[key][1].steps != capture.steps or self.hoisted[key][1].name != capture.name
        ):
            self.rest_on(capture, value)  # two names of one object, as long as they are
            self.rest_on(self.hoisted[key][1], value)
        return self.hoisted[key][0]

    def _display(self, capture: Capture, value: Any) -> Display:
        """See through a container of functions: which ones they are decides what is computed."""
        self.rest_on(capture, value)
        self.rest_on(_shape(capture), _shape(capture).read())
        keys = tuple(value) if isinstance(value, dict) else None
        places = range(len(value)) if keys is None else keys
        items = tuple(self.tree(step(capture, "item", place)) for place in places)
        return Display(type(value), items, keys)


def _shape(capture: Capture) -> Capture:
    before = capture.read

    def read() -> Any:
        value = before()
        keys = tuple(value) if isinstance(value, dict) else len(value)
        return _shapes.setdefault(keys, keys)

    return Capture(capture.name, capture.scope, (*capture.steps, ("len", None)), read)


def kind_of(value: Any) -> Any:
    """Return what decides how a captured value is read: that it is an array, or its type."""
    kind = type(value)
    if kind not in _kinds:
        _kinds[kind] = _ARRAY if issubclass(kind, jax.Array | np.ndarray | np.generic) else kind
    return _kinds[kind]


def _kind(capture: Capture) -> Capture:
    before = capture.read
    steps = (*capture.steps, ("kind", None))
    return Capture(capture.name, capture.scope, steps, lambda: kind_of(before()))


def is_current(function: Function) -> bool:
    """Whether reading `function` again would give the same: a few microseconds, for every call."""
    return all(capture.read() is value for capture, value in function.depends)


_ARRAY = object()
_kinds: dict[type, Any] = {}
_shapes: dict[Any, Any] = {}  # one object for equal lengths and keys, so that `is` compares them


def is_hoisted(value: Any) -> bool:
    """Whether `value` is an array, a number, or a pytree that is not a leaf."""
    if isinstance(value, jax.Array | np.ndarray | np.generic) or type(value) in _NUMBERS:
        return True
    if type(value) in _STATIC or is_function_like(value):
        return False
    return is_pytree(value)


def is_pytree(value: Any) -> bool:
    return not jax.tree_util.all_leaves([value])


def holds_functions(container: Any) -> bool:
    items = container.values() if isinstance(container, dict) else container
    for item in items:
        if type(item) in _PLAIN_CONTAINERS:
            if holds_functions(item):
                return True
        elif not is_hoisted(item) and type(item) not in _STATIC:
            return True
    return False
