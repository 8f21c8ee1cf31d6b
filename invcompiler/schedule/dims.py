"""Sizes along axes: integers, or linear expressions over symbols for what is known only when a function is called.

The symbols are `(root, axis)`, the size of the var `root` along `axis` (negative where its rank is unknown); a var that holds
a Python integer; and `Floor`s and `Product`s of expressions. Two sizes are equal if their normal forms are.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Union

_MOST_TERMS = 12  # a longer expression is of no use to anyone, and its var can stand for it


@dataclass(frozen=True, eq=False)
class Dim:
    """`sum(coefficient * symbol) + constant`, at least one coefficient not zero, in order of first mention."""

    terms: tuple[tuple[Hashable, Fraction], ...]
    constant: Fraction = Fraction(0)
    depth: int = 0

    @cached_property
    def _key(self) -> Hashable:
        return (frozenset(self.terms), self.constant)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __add__(self, other: Size) -> Size:
        return _combine(self, other, 1)

    __radd__ = __add__

    def __sub__(self, other: Size) -> Size:
        return _combine(self, other, -1)

    def __rsub__(self, other: int) -> Size:
        return _combine(other, self, -1)

    def __neg__(self) -> Size:
        return _combine(0, self, -1)

    def __mul__(self, other: Size) -> Size:
        return times(self, other)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Size:
        return floor_div(self, divisor)

    @property
    def is_simple(self) -> bool:
        return len(self.terms) <= _MOST_TERMS and self.depth < 8


Size = Union[int, Dim]


@dataclass(frozen=True)
class Floor:
    """`numerator // denominator`, where that is not a linear expression."""

    numerator: Dim
    denominator: int


@dataclass(frozen=True)
class Product:
    """A product of sizes that are not integers."""

    factors: frozenset[tuple[Size, int]]


def symbol(name: Hashable) -> Dim:
    return Dim(((name, Fraction(1)),), depth=_depth(name))


def axis_of(root: Any, axis: int) -> Dim:
    """Return the size of `root` along `axis`."""
    return symbol((root, axis))


def _depth(name: Hashable) -> int:
    match name:
        case Floor():
            return name.numerator.depth + 1
        case Product():
            return 1 + max((f.depth for f, _ in name.factors if isinstance(f, Dim)), default=0)
        case _:
            return 0


def _normal(terms: dict[Hashable, Fraction], constant: Fraction) -> Size:
    kept = tuple((name, coefficient) for name, coefficient in terms.items() if coefficient)
    if not kept and constant.denominator == 1:
        return int(constant)
    return Dim(kept, constant, max((_depth(name) for name, _ in kept), default=0))


def _parts(size: Size) -> tuple[dict[Hashable, Fraction], Fraction]:
    if isinstance(size, Dim):
        return dict(size.terms), size.constant
    return {}, Fraction(size)


def _combine(one: Size, other: Size, factor: Fraction | int) -> Size:
    terms, constant = _parts(one)
    more, shift = _parts(other)
    for name, coefficient in more.items():
        terms[name] = terms.get(name, Fraction(0)) + factor * coefficient
    return _normal(terms, constant + factor * shift)


def scaled(size: Size, factor: Fraction | int) -> Size:
    return _combine(0, size, Fraction(factor))


def total(sizes: Iterable[Size]) -> Size:
    found: Size = 0
    for size in sizes:
        found = _combine(found, size, 1)
    return found


def times(one: Size, other: Size) -> Size:
    if not isinstance(one, Dim):
        return scaled(other, one)
    if not isinstance(other, Dim):
        return scaled(one, other)
    return symbol(Product(_powers([one, other])))


def _powers(factors: list[Dim]) -> frozenset[tuple[Size, int]]:
    powers: dict[Size, int] = {}
    for factor in factors:
        (name, coefficient), *more = factor.terms
        if isinstance(name, Product) and coefficient == 1 and not more and not factor.constant:
            for inner, power in name.factors:
                powers[inner] = powers.get(inner, 0) + power
        else:
            powers[factor] = powers.get(factor, 0) + 1
    return frozenset(powers.items())


def product(sizes: Iterable[Size]) -> Size:
    found: Size = 1
    for size in sizes:
        found = times(found, size)
    return found


def floor_div(size: Size, divisor: int) -> Size:
    """Return `size // divisor` for a positive `divisor`; a `Floor` is left of what does not divide."""
    if not isinstance(size, Dim):
        return size // divisor
    if any(part.denominator != 1 for part in (size.constant, *(c for _, c in size.terms))):
        return symbol(Floor(size, divisor))
    whole, rest = _divided(size, divisor)
    if not isinstance(rest, Dim):
        return _combine(whole, rest // divisor, 1)
    if divisor == 2 and rest.constant:  # (n + 1) // 2 == n - n // 2
        return _combine(whole, _combine(rest - 1, floor_div(rest - 1, 2), -1), 1)
    if len(rest.terms) == 1 and not rest.constant:
        name, coefficient = rest.terms[0]
        if isinstance(name, Floor) and coefficient == 1:  # (n // 2) // 2 == n // 4
            return _combine(whole, floor_div(name.numerator, name.denominator * divisor), 1)
    return _combine(whole, symbol(Floor(rest, divisor)), 1)


def _divided(size: Dim, divisor: int) -> tuple[Size, Size]:
    """Return `whole, rest` where `size == divisor * whole + rest`, and the rest has the smallest numbers."""
    whole: dict[Hashable, Fraction] = {}
    rest: dict[Hashable, Fraction] = {}
    for name, coefficient in size.terms:
        whole[name] = Fraction(coefficient // divisor)
        rest[name] = Fraction(coefficient % divisor)
    constant, shift = Fraction(size.constant // divisor), Fraction(size.constant % divisor)
    return _normal(whole, constant), _normal(rest, shift)


def quotient(above: list[Size], below: list[Size]) -> Size | None:
    """Return the size that makes `product(below) * size == product(above)`, or None if it isn't a linear expression."""
    above, below = list(above), list(below)
    for size in list(below):
        if size in above:
            above.remove(size)
            below.remove(size)
    if any(isinstance(size, Dim) for size in below):
        return None
    divisor = product(below)
    if isinstance(divisor, Dim) or divisor == 0:
        return None
    whole = product(above)
    found = scaled(whole, Fraction(1, divisor))
    return None if isinstance(found, Dim) and not found.terms else found


def sign(size: Size) -> int | None:
    """Return 1 if `size` is positive or zero, -1 if it is negative, None if that can't be said.

    A var that holds an integer is taken to be positive.
    """
    if not isinstance(size, Dim):
        return -1 if size < 0 else 1
    parts = [coefficient for _, coefficient in size.terms] + [size.constant]
    if all(part >= 0 for part in parts):
        return 1
    return -1 if all(part <= 0 for part in parts) else None


__all__ = [
    "Dim",
    "Floor",
    "Product",
    "Size",
    "axis_of",
    "floor_div",
    "product",
    "quotient",
    "scaled",
    "sign",
    "symbol",
    "times",
    "total",
]
