"""What users get: a callable that knows its source, compiles once per function and signature, and binds what was captured.

A `Generated` is made with a *generic* program, which holds for arguments of any shape and is what `.source` shows. At the first call with
a new signature (shapes, dtypes and static values of the arguments and of what is captured), the program is compiled again with
all of that known, loaded as a module, and jitted.

Every call asks what may have changed since the last one: whether the functions that were read are what they were, and what is captured.
Which signature its arrays have is asked of JAX alone: for each structure of arguments, with its static values, there is one jitted
*entry*. JAX runs its body where it meets a signature for the first time, and it is then that a program is looked for or made.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from invcompiler.backend.load import annotate, load
from invcompiler.backend.render import render
from invcompiler.backend.text import Header, Text
from invcompiler.errors import InvcompilerError, InversionError, NonInvertibleError
from invcompiler.ir.dict_order import in_order, order_of
from invcompiler.ir.nodes import Capture, Function
from invcompiler.sources import SOURCES

_flatten = jax.tree_util.tree_flatten  # `jax.tree.flatten` is a function around it

_TRACED = (float, complex, np.ndarray, np.generic, jax.Array)


class Reliance:
    """A captured array whose elements a program relies on, and what they were when it was made."""

    def __init__(self, capture: Capture, then: np.ndarray):
        self.capture = capture
        self.then = then
        self._seen: Callable[[], Any] = lambda: None

    def holds(self) -> bool:
        """Whether the elements are what they were. Those of one and the same `jax.Array` cannot have changed."""
        now = self.capture.read()
        if now is not None and now is self._seen():
            return True
        if np.shape(now) != self.then.shape or not np.array_equal(np.asarray(now), self.then):
            return False
        if isinstance(now, jax.Array):
            self._seen = weakref.ref(now)
        return True


@dataclass(frozen=True, eq=False)
class Program:
    """An IR function, its text, the functions of the user's that it was made from, and captured arrays whose elements it
    relies on."""

    function: Function
    text: Text
    rests_on: tuple[Function, ...]
    relied: tuple[Reliance, ...] = ()

    @functools.cached_property
    def module(self) -> Any:
        return load(self.text)

    @property
    def main(self) -> Callable[..., Any]:
        return getattr(self.module, self.text.main)

    def bindings(self) -> dict[str, Any]:
        """Return the keyword arguments that the main function needs: what is captured, as it is today."""
        found = {name: capture.read() for name, capture in self.text.captures}
        found.update(self.text.objects)
        return found


def program_of(
    function: Function,
    rests_on: tuple[Function, ...],
    relied: tuple[tuple[Capture, np.ndarray], ...] = (),
) -> Program:
    reliances = {place_of(capture): Reliance(capture, then) for capture, then in relied}
    text = render(function, Header(function.doc), SOURCES)
    return Program(function, text, rests_on, tuple(reliances.values()))


class _Unwritten(Exception):
    """Raised where JAX traces an entry for a signature of which it is not said yet which program it has."""


class _Entry:
    """The jitted code of all signatures of one structure. It takes the traced leaves of the arguments and of what is captured."""

    def __init__(self, name: str, leaves: list, treedef: Any, order: Hashable):
        self.programs: list[Program] = []  # what was traced so far
        self._frozen = [None if is_traced(leaf) else leaf for leaf in leaves]
        self._places = [i for i, leaf in enumerate(leaves) if is_traced(leaf)]
        self._treedef = treedef
        self._order = order
        self._next = threading.local()
        body = functools.partial(self._traced)
        body.__name__ = body.__qualname__ = name  # type: ignore[attr-defined]
        self.call = jax.jit(body)

    def call_with(self, program: Program, traced: list) -> Any:
        """Call, and have it that `program` is that of this signature if JAX does not know it."""
        self._next.program = program
        try:
            return self.call(traced)
        finally:
            self._next.program = None

    def _traced(self, traced: list) -> Any:
        program, self._next.program = getattr(self._next, "program", None), None
        if program is None:
            raise _Unwritten
        filled = list(self._frozen)
        for place, value in zip(self._places, traced, strict=True):
            filled[place] = value
        values = jax.tree.unflatten(self._treedef, filled)
        args, kwargs, captured = in_order(values, self._order)
        bound = {name: captured[place_of(capture)] for name, capture in program.text.captures}
        self.programs.append(program)
        return program.main(*args, **kwargs, **bound, **dict(program.text.objects))


@dataclass(eq=False)
class _Cache:
    lock: threading.RLock = field(default_factory=threading.RLock)
    programs: dict[Hashable, Program] = field(default_factory=dict)
    entries: dict[Hashable, _Entry] = field(default_factory=dict)


class Generated:
    """A generated function. Call it as its signature says; `.source` is its text, `.unjitted` the same without `jax.jit`."""

    def __init__(self, maker: Any):
        self._maker = maker
        self._cache = _Cache()
        self._generic: Program | InvcompilerError | None = maker.generic()
        functools.update_wrapper(self, maker.describes, updated=())
        self.__name__ = self.__qualname__ = maker.name
        self.__doc__ = maker.doc
        self.__signature__ = maker.signature
        del self.__wrapped__

    # ---- reading ----------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The emitted module, as text."""
        return self.program.text.source

    @property
    def program(self) -> Program:
        """The generic program; where shapes are needed to write one, that of the last signature called.

        Raises ShapeError if there is neither.
        """
        with self._cache.lock:
            self._refresh()
            if isinstance(self._generic, Program):
                return self._generic
            if self._cache.programs:
                return list(self._cache.programs.values())[-1]
            assert self._generic is not None
            raise self._generic

    def _refresh(self) -> None:
        """Make everything anew if a function that was read has been redefined."""
        if not self._maker.is_current():
            self._maker = self._maker.renewed()
            self._generic = self._maker.generic()
            self._cache = _Cache(self._cache.lock)

    # ---- calling ----------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        kwargs = self._completed(args, kwargs)
        self._refresh_quickly()
        leaves, treedef, order = self._taken_apart(args, kwargs)
        traced, static = _parted(leaves)
        entry = self._cache.entries.get((treedef, static, order))
        try:
            if entry is not None and all(map(self._maker.holds, entry.programs)):
                return entry.call(traced)
        except _Unwritten:
            pass
        except NonInvertibleError as error:
            raise self._given_up() from error
        except Exception as error:
            self._annotate(error)
            raise
        return self._first_call(args, kwargs)

    def _first_call(self, args: tuple, kwargs: dict) -> Any:
        """Call with arguments of a signature that JAX has not seen, or no longer may use what it has of it."""
        program = self._specialised(args, kwargs)
        if not self._maker.can_jit(program):
            return program.main(*args, **kwargs, **program.bindings())
        leaves, treedef, order = self._taken_apart(args, kwargs)
        traced, static = _parted(leaves)
        try:
            return self._entry(treedef, static, order, leaves).call_with(program, traced)
        except NonInvertibleError as error:
            raise self._given_up() from error
        except Exception as error:
            self._annotate(error)
            raise

    def _given_up(self) -> InversionError:
        name = self._maker.describes
        return InversionError(
            f"a rule stated for what `{getattr(name, '__name__', name)}` calls gives up",
            hint="make another argument known, or state more in `def_inverse_and_ildj`",
        )

    def _taken_apart(self, args: tuple, kwargs: dict) -> tuple[list, Any, Hashable]:
        """Return the leaves of the arguments and of what is captured, their structure, and the order of the dicts in it."""
        whole = (args, kwargs, self._maker.captured())
        leaves, treedef = _flatten(whole)
        return leaves, treedef, None if self._maker.sorts_dicts else order_of(whole)

    def _entry(self, treedef: Any, static: Hashable, order: Hashable, leaves: list) -> _Entry:
        with self._cache.lock:
            entry = self._cache.entries.get((treedef, static, order))
            if entry is None or not all(map(self._maker.holds, entry.programs)):
                entry = _Entry(self._maker.name, leaves, treedef, order)
                self._cache.entries[treedef, static, order] = entry
            return entry

    def _annotate(self, error: Exception) -> None:
        for program in list(self._cache.programs.values()):
            annotate(error, program.text)

    def unjitted(self, *args: Any, **kwargs: Any) -> Any:
        """Run the emitted code as it stands, one operation after the other: for a debugger."""
        kwargs = self._completed(args, kwargs)
        program = self._specialised(args, kwargs)
        args, kwargs = self._as_seen(args), self._as_seen(kwargs)
        return program.main(*args, **kwargs, **program.bindings())

    def _completed(self, args: tuple, kwargs: dict) -> dict:
        """Return the keyword arguments with the defaults that are captured."""
        defaults = self._maker.defaults()
        if not defaults:
            return kwargs
        given = self.__signature__.bind_partial(*args, **kwargs).arguments
        return {**{name: v for name, v in defaults.items() if name not in given}, **kwargs}

    def _specialised(self, args: tuple, kwargs: dict) -> Program:
        """Return the program for the signature of these arguments."""
        self._refresh_quickly()
        key = self._key(args, kwargs)
        found = self._cache.programs.get(key)
        if found is None or not self._maker.holds(found):
            with self._cache.lock:
                found = self._maker.specialise(self._bound(args, kwargs))
                # compiling may find more captured values, which belong to the signature too
                self._cache.programs[self._key(args, kwargs)] = found
        return found

    def _key(self, args: tuple, kwargs: dict) -> Hashable:
        leaves, treedef, order = self._taken_apart(args, kwargs)
        return (treedef, order, *map(_signature, leaves), jax.config.jax_enable_x64)

    def _refresh_quickly(self) -> None:
        if not self._maker.is_current():
            with self._cache.lock:
                self._refresh()

    def _bound(self, args: tuple, kwargs: dict) -> dict[str, Any]:
        bound = self.__signature__.bind(*args, **kwargs)
        bound.apply_defaults()
        return {name: self._as_seen(value) for name, value in bound.arguments.items()}

    def _as_seen(self, value: Any) -> Any:
        """Return an argument with its dicts in the order in which the function sees them."""
        return jax.tree.map(lambda leaf: leaf, value) if self._maker.sorts_dicts else value

    def __invcompiler_function__(self) -> Function:
        """Return the IR of this function, for transforms of what transforms return."""
        return self.program.function

    # ---- Python's protocols -----------------------------------------------------------------

    def __reduce__(self) -> Any:
        return self._maker.reduce()

    def __repr__(self) -> str:
        return f"<{self.__name__}{self.__signature__}, generated>"


def place_of(capture: Capture) -> str:
    """Return what identifies a capture: where its value is found."""
    return repr((id(capture.scope), capture.name, capture.steps))


def is_traced(leaf: Any) -> bool:
    """Whether a leaf is an argument of the jitted code: arrays and Python floats are, ints and bools are static."""
    return _is_array_type(type(leaf)) or (
        isinstance(leaf, _TRACED) and not isinstance(leaf, np.bool_ | np.integer)
    )


@functools.lru_cache(256)
def _is_array_type(kind: type) -> bool:
    """Whether all values of a type are traced. Of a tracer only the value can say whether it is an array's."""
    return issubclass(kind, _TRACED) and not issubclass(kind, np.bool_ | np.integer)


def _parted(leaves: list) -> tuple[list, Hashable]:
    """Return the leaves that are traced, and what the others are and where: they are part of the code."""
    traced = [leaf for leaf in leaves if is_traced(leaf)]
    if len(traced) == len(leaves):
        return traced, ()
    return traced, tuple(None if is_traced(leaf) else _signature(leaf) for leaf in leaves)


def _signature(leaf: Any) -> Hashable:
    if isinstance(leaf, jax.Array):
        return (leaf.shape, leaf.dtype, getattr(leaf, "weak_type", False))  # keys have none
    if isinstance(leaf, np.ndarray | np.generic) and is_traced(leaf):
        return (leaf.shape, leaf.dtype)
    if isinstance(leaf, float | complex):
        return type(leaf)
    return (type(leaf), leaf) if _is_hashable(leaf) else id(leaf)


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
