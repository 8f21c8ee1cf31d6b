"""Closure conversion for users: a function whose value depends on its arguments only, and what it captured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import BuiltinFunctionType, FunctionType
from typing import Any

import jax
import numpy as np

from invcompiler.errors import InvcompilerError
from invcompiler.frontend import read
from invcompiler.generated import program_of
from invcompiler.ir.nodes import Apply, Block, Branch, Equation, Function, Loop, Ref
from invcompiler.passes.adjoint_pairs import is_library
from invcompiler.passes.dead_code import dead_code


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


def exposed(function: Function) -> Function:
    """Write calls of methods, partials and callable objects as calls of what runs, so that what they hold is hoisted."""
    return replace(function, body=_exposed(function.body))


def _exposed(block: Block) -> Block:
    return replace(block, equations=tuple(map(_exposed_equation, block.equations)))


def _exposed_equation(equation: Equation) -> Equation:
    match equation:
        case Apply(fn=Ref(value=callee)):
            function = _behind(callee)
            return replace(equation, fn=Ref(function, function.name)) if function else equation
        case Loop():
            return replace(equation, body=_exposed(equation.body))
        case Branch():
            return replace(equation, blocks=tuple(map(_exposed, equation.blocks)))
        case _:
            return equation


def _behind(callee: Any) -> Function | None:
    """Return what runs when an object of the user's is called, or None if the text can name it or it is a library's."""
    kinds = (FunctionType, BuiltinFunctionType, type, Function)
    if isinstance(callee, kinds) or not callable(callee) or is_library(callee):
        return None
    try:
        return exposed(read(callee))
    except InvcompilerError:
        return None


class Converted:
    """A closure-converted function: call it with the arguments, then with what was hoisted. `.source` is its text."""

    def __init__(self, f: Callable[..., Any], count: int):
        self._program = program_of(dead_code(exposed(read(f))), ())
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
