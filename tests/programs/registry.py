"""The list of programs, and what a law needs to know of each."""

import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Any

import jax

PROGRAMS: list["Program"] = []


def with_text():
    """Return the programs whose text can be read alone: a function of C has none, nor has one that `exec` made."""
    written = (p for p in PROGRAMS if not isinstance(p.function, types.BuiltinFunctionType))
    return [p for p in written if p.no_source is None and p.needs_arguments is None]


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """A function, arguments at which it is tried, and which of them are recovered.

    A law that does not hold for the program by its nature is named with the reason: `no_ildj`,
    `no_vmap`, `no_float32`, `no_gradient`, `no_source`, `needs_arguments` (to read the text).
    """

    name: str
    function: Callable
    arguments: tuple
    argnums: int | tuple[int, ...] = 0
    keywords: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    no_ildj: str | None = None
    no_vmap: str | None = None
    no_float32: str | None = None
    no_gradient: str | None = None
    no_source: str | None = None
    needs_arguments: str | None = None
    tolerance: float = 1e-8

    @property
    def seen(self):
        """The arguments as the text sees them: a jitted function sees dicts in JAX's order."""
        jitted = hasattr(self.function, "lower")
        return jax.tree.map(lambda leaf: leaf, self.arguments) if jitted else self.arguments

    @property
    def unknown_positions(self):
        return self.argnums if isinstance(self.argnums, tuple) else (self.argnums,)

    @property
    def unknown(self):
        """The recovered arguments as the inverse returns them: a tuple for a tuple of argnums."""
        chosen = tuple(self.arguments[i] for i in self.unknown_positions)
        return chosen if isinstance(self.argnums, tuple) else chosen[0]

    @property
    def known(self):
        taken = self.unknown_positions
        return tuple(a for i, a in enumerate(self.arguments) if i not in taken)

    def with_unknown(self, unknown):
        """Return all arguments, with other values for those that are recovered."""
        values = unknown if isinstance(self.argnums, tuple) else (unknown,)
        arguments = list(self.arguments)
        for position, value in zip(self.unknown_positions, values, strict=True):
            arguments[position] = value
        return tuple(arguments)

    def with_known(self, known):
        """Return all arguments, with other values for those that are known."""
        rest = iter(known)
        taken = self.unknown_positions
        return tuple(a if i in taken else next(rest) for i, a in enumerate(self.arguments))

    def forward(self, unknown):
        return self.function(*self.with_unknown(unknown), **self.keywords)


def program(
    *arguments,
    argnums=0,
    name=None,
    keywords=None,
    no_ildj=None,
    no_vmap=None,
    no_float32=None,
    no_gradient=None,
    no_source=None,
    needs_arguments=None,
    tolerance=1e-8,
    **options,
):
    """Register the decorated callable, which is returned as it is.

    `options` are those of `inv.inverse`: `domain=`, `example=`. What has no name and module of its
    own, such as a partial function, is given a whole one: `name="calls.shifted"`.
    """

    def register(function):
        PROGRAMS.append(
            Program(
                name=name or f"{function.__module__.rpartition('.')[2]}.{function.__name__}",
                function=function,
                arguments=arguments,
                argnums=argnums,
                keywords=keywords or {},
                options=options,
                no_ildj=no_ildj,
                no_vmap=no_vmap,
                no_float32=no_float32,
                no_gradient=no_gradient,
                no_source=no_source,
                needs_arguments=needs_arguments,
                tolerance=tolerance,
            )
        )
        return function

    return register
