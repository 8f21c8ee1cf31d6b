"""Numbers that inner products are by the way in which their vectors are computed: `v @ (2 * v / (v @ v))` is 2.

A value is read as a number times powers of what it is made of; of an inner product, what is the same along the vectors is taken
out, and the sum of the rest is one more such part: `norm(v)` is the square root of the sum of `v**2`, and `v @ v` that sum.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import lax

from invcompiler.ir.build import literal, tree_key
from invcompiler.ir.nodes import Apply, Const, Tree, Var
from invcompiler.rules.canonical import Call
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient, Op
from invcompiler.schedule.linear_terms import Dot, Extent

if TYPE_CHECKING:
    from invcompiler.schedule.linear_forms import Reading

_DEEPEST = 12


@dataclass(frozen=True)
class Monomial:
    """`number` times powers of parts that are the same along the vectors, and of parts that are not."""

    number: float = 1
    same: Mapping[Hashable, Fraction] = field(default_factory=dict)
    along: Mapping[Hashable, Fraction] = field(default_factory=dict)

    def times(self, other: Monomial) -> Monomial:
        number = self.number * other.number
        return Monomial(number, _joined(self.same, other.same), _joined(self.along, other.along))

    def power(self, exponent: Fraction) -> Monomial | None:
        if exponent.denominator > 1 and not self._is_positive():
            return None
        number = self.number if exponent == 1 else self.number ** float(exponent)
        same, along = (
            {key: power * exponent for key, power in part.items()}
            for part in (self.same, self.along)
        )
        return Monomial(number, same, along)

    def _is_positive(self) -> bool:
        """Whether it is a product of sums of squares: only of these the root of a square is what is squared."""
        return self.number > 0 and not self.along and all(map(_is_sum_of_squares, self.same))

    def summed(self) -> Monomial:
        """Return the sum along the vectors."""
        key = ("sum", frozenset(self.along.items())) if self.along else ("extent",)
        return Monomial(self.number, _joined(self.same, {key: Fraction(1)}))


def _is_sum_of_squares(key: Hashable) -> bool:
    match key:
        case ("sum", frozenset() as along):
            return all(power % 2 == 0 for _, power in along)
        case _:
            return False


def _joined(one: Mapping, other: Mapping) -> dict:
    joined = {key: one.get(key, 0) + other.get(key, 0) for key in (*one, *other)}
    return {key: power for key, power in joined.items() if power}


def number_of(reading: Reading, coefficient: Coefficient) -> float | None:
    """Return the number that a coefficient is, whatever the values are that it is computed from."""
    found = affine.number(coefficient)
    if found is not None:
        return found
    monomial = _Walk(reading).of(coefficient)
    if monomial is None or monomial.along or monomial.same.keys() - {("extent",)}:
        return None
    number = monomial.number
    if monomial.same:
        size = reading.size_along()
        if size is None:
            return None
        number *= size ** monomial.same[("extent",)]
    return round(number) if abs(number - round(number)) < 1e-12 else number


class _Walk:
    def __init__(self, reading: Reading):
        self.reading = reading
        self.graph = reading.solver.graph

    def of(self, value: Coefficient, depth: int = 0) -> Monomial | None:
        number = affine.number(value)
        if number is not None:
            return Monomial(number) if number else None
        if isinstance(value, Dot):
            one, other = value.args
            return self._dot(one, other, depth)
        if isinstance(value, Extent):
            return Monomial(1, {("extent",): Fraction(1)})
        if isinstance(value, Op):
            return self._op(value.fn, value.args, depth)
        return self._tree(value, depth)

    def _op(self, fn: Any, args: tuple, depth: int) -> Monomial | None:
        parts = [self.of(arg, depth) for arg in args] if fn in _ARITHMETIC else []
        if None in parts or not parts:
            return None
        return _combined(_ARITHMETIC[fn], [part for part in parts if part is not None])

    def _dot(self, one: Coefficient, other: Coefficient, depth: int) -> Monomial | None:
        parts = self.of(one, depth), self.of(other, depth)
        if parts[0] is None or parts[1] is None:
            return None
        return parts[0].times(parts[1]).summed()

    def _tree(self, tree: Tree, depth: int) -> Monomial | None:
        call = self._call(tree)
        found = None if call is None or depth > _DEEPEST else self._made(call, tree, depth + 1)
        if found is not None:
            return found
        key = self._key(tree)
        is_same = self._is_same(tree)
        return Monomial(1, {key: Fraction(1)}) if is_same else Monomial(1, {}, {key: Fraction(1)})

    def _made(self, call: Call, tree: Tree, depth: int) -> Monomial | None:
        first, *rest = call.arguments.values()
        if call.fn in _ARITHMETIC:
            parts = [self.of(arg, depth) for arg in list(call.arguments.values())[:2]]
            if None in parts:
                return None
            return _combined(_ARITHMETIC[call.fn], [part for part in parts if part is not None])
        if call.fn in _POWERS or call.fn is jnp.power:
            exponent = _POWERS.get(call.fn) or _exponent(rest[0])
            inner = self.of(first, depth)
            return None if exponent is None or inner is None else inner.power(exponent)
        if call.fn in _PRODUCTS and self._are_vectors(first, rest[0]):
            one, other = self.of(first, depth), self.of(rest[0], depth)
            return None if one is None or other is None else _summed(one.times(other))
        if call.fn is jnp.sum and self._is_last(first, call.arguments["axis"]):
            inner = self.of(first, depth)
            return _summed(inner)
        if call.fn is jnp.linalg.norm and self._is_plain_norm(call):
            inner = self.of(first, depth)
            squared = _summed(None if inner is None else inner.power(Fraction(2)))
            return None if squared is None else squared.power(Fraction(1, 2))
        if call.fn in (operator.getitem, jnp.expand_dims) and _adds_last(call):
            inner = self.of(first, depth)
            return inner if inner is not None and not inner.along else None
        return None

    def _call(self, tree: Tree) -> Call | None:
        made = self.graph.defining.get(tree) if isinstance(tree, Var) else None
        return self.reading.solver.call(made) if isinstance(made, Apply) else None

    def _key(self, tree: Tree, depth: int = 0) -> Hashable:
        """Return what identifies a value that may be computed twice."""
        call = self._call(tree) if depth < _DEEPEST else None
        if call is None:
            return tree_key(tree)
        parts = (self._key(arg, depth + 1) for arg in call.arguments.values())
        return (id(call.fn), *parts)

    def _is_same(self, tree: Tree) -> bool:
        """Whether a value is the same along the vectors."""
        shape = self.reading.facts.shape(tree)
        if shape is None:
            return tree not in self._vectors and self._is_number_of_text(tree)
        return not shape or shape[-1] == 1

    @property
    def _vectors(self) -> Mapping[Tree, int]:
        return self.reading.assumed

    def _is_number_of_text(self, tree: Tree) -> bool:
        return isinstance(tree, Const)

    def _are_vectors(self, one: Tree, other: Tree) -> bool:
        """Whether the product of two values is an inner product; of unknown ranks it is, if one of them is taken for a vector."""
        ranks = {self.reading.facts.rank(tree) for tree in (one, other)}
        if ranks == {1}:
            return True
        assumed = [self._vectors.get(tree) == 1 for tree in (one, other)]
        return ranks <= {None, 1} and (any(assumed) or self._key(one) == self._key(other))

    def _is_last(self, tree: Tree, axis: Tree) -> bool:
        rank = self.reading.facts.rank(tree)
        if axis == Const(None):
            return rank in (None, 1)
        found = literal(axis)
        plain = found[0] if found is not None else None
        if isinstance(plain, tuple) and len(plain) == 1:
            plain = plain[0]
        return type(plain) is int and (plain == -1 or (rank is not None and plain == rank - 1))

    def _is_plain_norm(self, call: Call) -> bool:
        given = call.arguments
        usual = given.get("ord") in (Const(None), Const(2))
        return usual and self._is_last(given["x"], given["axis"])


def _summed(vector: Monomial | None) -> Monomial | None:
    """Return the sum of what is a vector: of what is the same along vectors, it is not known how often it is added."""
    return vector.summed() if vector is not None and vector.along else None


def _combined(how: str, parts: list[Monomial]) -> Monomial | None:
    if how == "negative":
        return Monomial(-1).times(parts[0])
    if how == "product":
        return parts[0].times(parts[1])
    inverse = parts[1].power(Fraction(-1))
    return None if inverse is None else parts[0].times(inverse)


def _exponent(tree: Tree) -> Fraction | None:
    found = literal(tree)
    value = found[0] if found is not None else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return Fraction(value)


def _adds_last(call: Call) -> bool:
    index = list(call.arguments.values())[1]
    items = getattr(index, "items", (index,))
    return items[-1] == Const(None) or index == Const(-1)


_ARITHMETIC = {
    operator.mul: "product", operator.truediv: "quotient", operator.neg: "negative",
    jnp.multiply: "product", jnp.divide: "quotient", jnp.negative: "negative",
}  # fmt: skip
_POWERS = {
    jnp.square: Fraction(2), jnp.sqrt: Fraction(1, 2), jnp.reciprocal: Fraction(-1),
    lax.rsqrt: Fraction(-1, 2),
}  # fmt: skip
_PRODUCTS = (jnp.matmul, jnp.dot, jnp.inner, jnp.vdot, jnp.vecdot)

__all__ = ["number_of"]
