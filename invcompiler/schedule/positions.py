"""Positions along an axis: sizes (`schedule/dims.py`) that may speak of the length of the axis itself, so that `x[:k]` and `x[k:]` meet."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from fractions import Fraction
from typing import Union

from invcompiler.schedule.dims import Dim

SIZE = "size"  # the symbol for the length of the axis

Position = Union[int, Dim]
END = Dim(((SIZE, Fraction(1)),))


def linear(terms: Mapping[Hashable, Fraction], constant: Fraction) -> Position:
    """Return `sum(coefficient * symbol) + constant`."""
    kept = tuple((name, c) for name, c in terms.items() if c)
    if not kept and constant.denominator == 1:
        return int(constant)
    return Dim(kept, constant)


def symbol(name: Hashable) -> Dim:
    return Dim(((name, Fraction(1)),))


def terms_of(position: Position) -> tuple[dict[Hashable, Fraction], Fraction]:
    if isinstance(position, Dim):
        return dict(position.terms), position.constant
    return {}, Fraction(position)


def plus(one: Position, other: Position, factor: int | Fraction = 1) -> Position:
    """Return `one + factor * other`."""
    terms, constant = terms_of(one)
    more, shift = terms_of(other)
    for name, coefficient in more.items():
        terms[name] = terms.get(name, Fraction(0)) + factor * coefficient
    return linear(terms, constant + factor * shift)
