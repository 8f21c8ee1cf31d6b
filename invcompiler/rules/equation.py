"""Equations between programs: what a table of simplifications or idioms is made of.

An equation is two Python functions of the same parameters, `before` and `after`. Where the text of
`before` is met, with anything in the place of the parameters, `after` may be written instead. A guard says of a
parameter what must be known of the value in its place; a parameter without one stands for any
array of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.build import literal as literal_value
from invcompiler.ir.nodes import Const, Tree


class Context(Protocol):
    """What is known, where an equation may apply, of the values of the program.

    `all_real`: no value is complex, as far as anyone knows.
    """

    @property
    def all_real(self) -> bool: ...
    def dtype(self, tree: Tree) -> Any | None: ...
    def shape(self, tree: Tree) -> tuple | None: ...
    def is_nonnegative(self, tree: Tree) -> bool: ...
    def is_known(self, tree: Tree) -> bool: ...
    def number(self, tree: Tree) -> int | float | None: ...


@dataclass(frozen=True)
class Guard:
    """What must be known of a value: `holds` decides, an unknown dtype is taken to be a float's if nothing is complex."""

    name: str
    holds: Callable[[Tree, Context], bool]


@dataclass(frozen=True, eq=False)
class Equation:
    """`before(...) == after(...)`, where the guards hold.

    `sole`: only if nothing else needs the values on the way to `before`, because `after` computes
    others: with `exp(s)` at hand, `y / exp(s)` is not made cheaper by an `exp(-s)`.
    """

    name: str
    before: Callable
    after: Callable
    guards: tuple[tuple[str, Guard], ...] = ()
    sole: bool = False


class Table:
    """Equations in the order in which they are tried. As a decorator it adds one."""

    def __init__(self) -> None:
        self.equations: list[Equation] = []

    def __call__(self, record: type | None = None, *, sole: bool = False, **guards: Guard):
        def add(record: type) -> Equation:
            before, after = vars(record)["before"], vars(record)["after"]
            entry = Equation(record.__name__, before, after, tuple(guards.items()), sole)
            if any(known.name == entry.name for known in self.equations):
                raise ValueError(f"two equations are called {entry.name}")
            self.equations.append(entry)
            return entry

        return add if record is None else add(record)


# ---- guards -------------------------------------------------------------------------------------


def number(tree: Tree) -> int | float | None:
    """Return the real number that `tree` is a literal of, or None."""
    if not isinstance(tree, Const) or type(tree.value) not in (int, float):
        return None
    return tree.value


def _literal(condition: Callable[[Any], bool]) -> Callable[[Tree, Context], bool]:
    def holds(tree: Tree, context: Context) -> bool:
        value = number(tree)
        return value is not None and math.isfinite(value) and condition(value)

    return holds


def _kind(of: Any) -> Callable[[Tree, Context], bool]:
    def holds(tree: Tree, context: Context) -> bool:
        if isinstance(tree, Const):
            return type(tree.value) is float or (of is jnp.number and type(tree.value) is int)
        dtype = context.dtype(tree)
        if dtype is None:
            return context.all_real or of is not jnp.floating
        return jnp.issubdtype(dtype, of)

    return holds


real = Guard("a real floating value", _kind(jnp.floating))
inexact = Guard("a floating or complex value", _kind(jnp.inexact))
numeric = Guard("a value of numbers, not bools", _kind(jnp.number))
nonnegative = Guard(
    "a real floating value that is nowhere negative",
    lambda tree, context: real.holds(tree, context) and context.is_nonnegative(tree),
)
literal = Guard("a finite literal number", _literal(lambda value: True))
nonzero_literal = Guard("a finite literal number other than 0", _literal(lambda value: value != 0))
positive_literal = Guard("a positive literal number", _literal(lambda value: value > 0))
negative_literal = Guard("a negative literal number", _literal(lambda value: value < 0))
integer_literal = Guard(
    "a literal whole number other than 0",
    _literal(lambda value: value != 0 and float(value).is_integer()),
)
even_literal = Guard(
    "a literal even number other than 0", _literal(lambda value: value != 0 and value % 2 == 0)
)


def _is_known_number(tree: Tree, context: Context) -> bool:
    value = context.number(tree)
    return value is not None and math.isfinite(value)


# A number that Python works out, such as `2**0.5` and `math.log(2)`, or a literal.
known_number = Guard("a number known when the code is written", _is_known_number)
known = Guard("a value that need not be recovered", lambda tree, context: context.is_known(tree))
static = Guard("a literal", lambda tree, context: literal_value(tree) is not None)


# ---- what is worked out when an equation is applied ---------------------------------------------------


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple | np.ndarray) else value


@dataclass(frozen=True)
class CompileTime:
    """A function of literals whose value, not whose call, stands in the text that `after` makes."""

    fn: Callable

    def __call__(self, *args: Any) -> Any:
        return _plain(self.fn(*args))


__all__ = [
    "CompileTime",
    "Context",
    "Equation",
    "Guard",
    "Table",
    "even_literal",
    "inexact",
    "integer_literal",
    "known",
    "known_number",
    "literal",
    "negative_literal",
    "nonnegative",
    "nonzero_literal",
    "number",
    "numeric",
    "positive_literal",
    "real",
    "static",
]
