"""What users get: a callable that knows its source, compiles once per function and signature, and binds what was captured.

A `Generated` is made with a *generic* program, which holds for arguments of any shape and is what `.source` shows. At the first call with
a new signature (shapes, dtypes and static values of the arguments and of what is captured), the program is compiled again with
all of that known, loaded as a module, and jitted.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from invcompiler.backend.load import annotate, load
from invcompiler.backend.render import render
from invcompiler.backend.text import Header, Text
from invcompiler.errors import InvcompilerError, InversionError, NonInvertibleError
from invcompiler.ir.nodes import Capture, Function
from invcompiler.sources import SOURCES

_TRACED = (float, complex, np.ndarray, np.generic, jax.Array)


@dataclass(frozen=True, eq=False)
class Program:
    """An IR function, its text, the functions of the user's that it was made from, and captured arrays whose elements it
    relies on."""

    function: Function
    text: Text
    rests_on: tuple[Function, ...]
    relied: tuple[tuple[Capture, np.ndarray], ...] = ()

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
    return Program(function, render(function, Header(function.doc), SOURCES), rests_on, relied)


@dataclass(frozen=True, eq=False)
class Specialised:
    """A program for one signature. `call` takes the traced leaves of the arguments and of what is captured."""

    program: Program
    call: Callable[..., Any]


@dataclass(eq=False)
class _Cache:
    lock: threading.RLock = field(default_factory=threading.RLock)
    programs: dict[Hashable, Specialised] = field(default_factory=dict)


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
                return list(self._cache.programs.values())[-1].program
            assert self._generic is not None
            raise self._generic

    def _refresh(self) -> None:
        """Make everything anew if a function that was read has been redefined."""
        if not self._maker.is_current():
            self._maker = self._maker.renewed()
            self._generic = self._maker.generic()
            self._cache.programs.clear()

    # ---- calling ----------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        kwargs = self._completed(args, kwargs)
        specialised, leaves = self._specialised(args, kwargs)
        try:
            return specialised.call(leaves)
        except NonInvertibleError as error:
            name = self._maker.describes
            raise InversionError(
                f"a rule stated for what `{getattr(name, '__name__', name)}` calls gives up",
                hint="make another argument known, or state more in `def_inverse_and_ildj`",
            ) from error
        except Exception as error:
            annotate(error, specialised.program.text)
            raise

    def unjitted(self, *args: Any, **kwargs: Any) -> Any:
        """Run the emitted code as it stands, one operation after the other: for a debugger."""
        kwargs = self._completed(args, kwargs)
        specialised, _ = self._specialised(args, kwargs)
        program = specialised.program
        return program.main(*args, **kwargs, **program.bindings())

    def _completed(self, args: tuple, kwargs: dict) -> dict:
        """Return the keyword arguments with the defaults that are captured."""
        defaults = self._maker.defaults()
        if not defaults:
            return kwargs
        given = self.__signature__.bind_partial(*args, **kwargs).arguments
        return {**{name: v for name, v in defaults.items() if name not in given}, **kwargs}

    def _specialised(self, args: tuple, kwargs: dict) -> tuple[Specialised, list]:
        self._refresh_quickly()
        leaves, treedef, key = self._keyed(args, kwargs)
        found = self._cache.programs.get(key)
        if found is None or not self._maker.holds(found.program):
            with self._cache.lock:
                program = self._maker.specialise(self._bound(args, kwargs))
                # compiling may find more captured values, which belong to the signature too
                leaves, treedef, key = self._keyed(args, kwargs)
                found = Specialised(program, jax.jit(_caller(program, leaves, treedef)))
                self._cache.programs[key] = found
        return found, [leaf for leaf in leaves if is_traced(leaf)]

    def _keyed(self, args: tuple, kwargs: dict) -> tuple[list, Any, Hashable]:
        leaves, treedef = jax.tree.flatten((args, kwargs, self._maker.captured()))
        return leaves, treedef, (treedef, *map(_signature, leaves), jax.config.jax_enable_x64)

    def _refresh_quickly(self) -> None:
        if not self._maker.is_current():
            with self._cache.lock:
                self._refresh()

    def _bound(self, args: tuple, kwargs: dict) -> dict[str, Any]:
        bound = self.__signature__.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    def __invcompiler_function__(self) -> Function:
        """Return the IR of this function, for transforms of what transforms return."""
        return self.program.function

    # ---- Python's protocols -----------------------------------------------------------------

    def __reduce__(self) -> Any:
        return self._maker.reduce()

    def __repr__(self) -> str:
        return f"<{self.__name__}{self.__signature__}, generated>"


def _caller(program: Program, leaves: list, treedef: Any) -> Callable[[list], Any]:
    """Return the function of the traced leaves that calls the program with all of its arguments."""
    frozen = [None if is_traced(leaf) else leaf for leaf in leaves]
    places = [i for i, leaf in enumerate(leaves) if is_traced(leaf)]

    def call(traced: list) -> Any:
        filled = list(frozen)
        for place, value in zip(places, traced, strict=True):
            filled[place] = value
        args, kwargs, captured = jax.tree.unflatten(treedef, filled)
        bound = {name: captured[place_of(capture)] for name, capture in program.text.captures}
        return program.main(*args, **kwargs, **bound, **dict(program.text.objects))

    call.__name__ = call.__qualname__ = program.text.main
    return call


def place_of(capture: Capture) -> str:
    """Return what identifies a capture: where its value is found."""
    return repr((id(capture.scope), capture.name, capture.steps))


def is_traced(leaf: Any) -> bool:
    """Whether a leaf is an argument of the jitted code: arrays and Python floats are, ints and bools are static."""
    return isinstance(leaf, _TRACED) and not isinstance(leaf, np.bool_ | np.integer)


def _signature(leaf: Any) -> Hashable:
    if isinstance(leaf, jax.Array):
        return (leaf.shape, leaf.dtype, leaf.weak_type)
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
