"""The shape of an unknown from that of the output: sizes of the output are expressions in those of the unknown.

Of `b, h, w, c = x.shape; y = x.reshape(b, h // 2, 2, w // 2, 2, c)` the shape tells `h` and `w`, if they are even. What does not
follow from one size after the other stays open. What is found is a guess: whoever asks verifies it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from fractions import Fraction
from typing import Any

from invcompiler.ir.nodes import Var
from invcompiler.schedule.abstract import Abstract, Array, Items
from invcompiler.schedule.dims import Dim, Floor, Product, Size
from invcompiler.schedule.facts import Facts


def shape_of_input(var: Var, facts: Facts, output: Abstract) -> tuple[int, ...] | None:
    """Return the shape of the array `var` for an output of known shapes, or None if it does not follow."""
    shape = facts.shape(var)
    if shape is None:
        return None
    equations = list(_sizes(facts.output, output))
    known: dict[Hashable, int] = {}
    while True:
        found = {
            symbol: size
            for wanted, value in equations
            for symbol, size in _solved(wanted, Fraction(value), known)
            if symbol not in known
        }
        if not found:
            break
        known |= found
    sizes = [_value(size, known) for size in shape]
    if any(size is None or size.denominator != 1 or size < 0 for size in sizes):
        return None
    return tuple(int(size) for size in sizes if size is not None)


def _sizes(symbolic: Abstract, concrete: Abstract) -> Iterator[tuple[Size, int]]:
    if isinstance(symbolic, Items) and isinstance(concrete, Items):
        parts = dict(zip(concrete.keys or range(len(concrete.items)), concrete.items, strict=True))
        for key, part in zip(
            symbolic.keys or range(len(symbolic.items)), symbolic.items, strict=True
        ):
            yield from _sizes(part, parts.get(key))
    elif isinstance(symbolic, Array) and isinstance(concrete, Array):
        shape, numbers = symbolic.shape, concrete.shape
        if isinstance(shape, tuple) and isinstance(numbers, tuple) and len(shape) == len(numbers):
            pairs = zip(shape, numbers, strict=True)
            yield from ((size, value) for size, value in pairs if isinstance(value, int))


def _solved(
    size: Size, value: Fraction, known: dict[Hashable, int]
) -> Iterator[tuple[Hashable, int]]:
    """Yield the one symbol that `size == value` determines."""
    if not isinstance(size, Dim):
        return
    values = [(name, factor, _symbol(name, known)) for name, factor in size.terms]
    open_ = [(name, factor) for name, factor, found in values if found is None]
    if len(open_) != 1:
        return
    name, factor = open_[0]
    rest = sum((f * found for _, f, found in values if found is not None), size.constant)
    value = (value - rest) / factor
    match name:
        case Floor():
            yield from _solved(name.numerator, value * name.denominator, known)
        case Product():
            yield from _solved_product(name, value, known)
        case _ if value.denominator == 1:
            yield name, int(value)


def _solved_product(
    product: Product, value: Fraction, known: dict[Hashable, int]
) -> Iterator[tuple[Hashable, int]]:
    open_ = []
    for factor, power in product.factors:
        found = _value(factor, known)
        if found is None:
            open_.append((factor, power))
        elif found:
            value /= found**power
    if len(open_) == 1 and open_[0][1] == 1:
        yield from _solved(open_[0][0], value, known)


def _value(size: Size, known: dict[Hashable, int]) -> Fraction | None:
    if not isinstance(size, Dim):
        return Fraction(size)
    parts = [(factor, _symbol(name, known)) for name, factor in size.terms]
    if any(found is None for _, found in parts):
        return None
    return sum((f * found for f, found in parts if found is not None), size.constant)


def _symbol(name: Any, known: dict[Hashable, int]) -> Fraction | None:
    match name:
        case Floor():
            above = _value(name.numerator, known)
            return None if above is None else Fraction(above // name.denominator)
        case Product():
            found = Fraction(1)
            for factor, power in name.factors:
                value = _value(factor, known)
                if value is None:
                    return None
                found *= value**power
            return found
        case _:
            return Fraction(known[name]) if name in known else None
