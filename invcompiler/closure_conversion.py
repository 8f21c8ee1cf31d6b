"""Closure conversion for users: a function whose value depends on its arguments only, and what it captured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from invcompiler.frontend import read
from invcompiler.generated import program_of
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.expose_callees import expose_callees


@dataclass(frozen=True, eq=False)
class _Hoisted:
    """A captured value: a pytree of which the array leaves are passed, at `places` of what is hoisted."""

    name: str
    treedef: Any
    leaves: tuple[Any, ...]
    places: tuple[int | None, ...]

    def filled(self, arrays: tuple) -> Any:
        pairs = zip(self.leaves, self.places, strict=True)
        values = [leaf if place is None else arrays[place] for leaf, place in pairs]
        return jax.tree.unflatten(self.treedef, values)


class Converted:
    """A closure-converted function: call it with the arguments, then with what was hoisted. `.source` is its text."""

    def __init__(self, f: Callable[..., Any], count: int):
        self._program = program_of(dead_code(expose_callees(read(f))), ())
        self._count = count
        self.hoisted: list[Any] = []
        self._captured = [
            self._hoist(n, capture.read()) for n, capture in self._program.text.captures
        ]
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self.__doc__ = f"`{self.__name__}` with what it captured as its last arguments."

    def _hoist(self, name: str, value: Any) -> _Hoisted:
        leaves, treedef = jax.tree.flatten(value)
        places = tuple(self._place(leaf) for leaf in leaves)
        kept = (leaf if place is None else None for leaf, place in zip(leaves, places, strict=True))
        return _Hoisted(name, treedef, tuple(kept), places)

    def _place(self, leaf: Any) -> int | None:
        """Return the place of an array in what is hoisted, the same for the same object; None for others."""
        if not isinstance(leaf, jax.Array | np.ndarray):
            return None
        for place, known in enumerate(self.hoisted):
            if known is leaf:
                return place
        self.hoisted.append(leaf)
        return len(self.hoisted) - 1

    @property
    def source(self) -> str:
        """The emitted module, as text: captured arrays are keyword-only parameters."""
        return self._program.text.source

    def __call__(self, *args: Any) -> Any:
        arguments, arrays = args[: self._count], args[self._count :]
        if len(arrays) != len(self.hoisted):
            expected = f"{self._count} arguments and {len(self.hoisted)} hoisted arrays"
            raise TypeError(f"{self.__name__} takes {expected}, got {len(args)} values")
        captured = {hoisted.name: hoisted.filled(arrays) for hoisted in self._captured}
        return self._program.main(*arguments, **captured, **dict(self._program.text.objects))


def closure_convert(f: Callable[..., Any], *example_args: Any) -> tuple[Converted, list[Any]]:
    """Return `(converted, hoisted)` with `converted(*args, *hoisted) == f(*args)`, like `jax.closure_convert`.

    `hoisted` has every array that `f` captures, each object once: directly, through the functions that it calls, containers,
    objects, partials and globals; concrete arrays, integer ones too, and tracers. `example_args` say how many arguments
    `f` takes. Raises TypeError if `f` is not callable, SourceUnavailableError if it has no source.
    """
    if not callable(f):
        raise TypeError(f"expected a function, got {type(f).__name__}")
    converted = Converted(f, len(example_args))
    return converted, list(converted.hoisted)


__all__ = ["Converted", "closure_convert"]
