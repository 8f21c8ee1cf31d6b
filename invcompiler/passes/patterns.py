"""Patterns: what the `before` of an equation looks like, and where a program looks like it.

A pattern is matched on canonical calls, so that `a + b`, `jnp.add(a, b)` and `a.__add__(b)` are one.
Operands of sums and products match in either order, and a literal matches the same number as an int
and as a float.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Union

import jax.numpy as jnp

from invcompiler.ir.build import tree_key
from invcompiler.ir.nodes import Apply, Const, Display, Function, Ref, Slice, Tree, Var
from invcompiler.rules.canonical import Call, canonical

COMMUTATIVE = (jnp.add, jnp.multiply, jnp.maximum, jnp.minimum, jnp.logaddexp, jnp.equal)


@dataclass(frozen=True)
class Hole:
    """Anything; the same thing wherever the name is the same."""

    name: str


@dataclass(frozen=True)
class Exactly:
    """A constant, or an object such as a dtype."""

    tree: Const | Ref


@dataclass(frozen=True)
class Parts:
    kind: type
    items: tuple[Pattern, ...]


@dataclass(frozen=True)
class Applied:
    fn: Any
    arguments: tuple[tuple[str, Pattern], ...]


Pattern = Union[Hole, Exactly, Parts, Applied]
Bindings = dict[str, Tree]
# the ways to read a tree as a call: the one that computes it, and equivalent ones
Readings = Callable[[Tree], Iterable[Call]]


# ---- from a function -------------------------------------------------------------------------------


def pattern(function: Function) -> Applied:
    """Return the pattern that the result of `function` is, with holes for its parameters."""
    made: dict[Var, Pattern] = {param.var: Hole(_name(param.var)) for param in function.params}
    for equation in function.body.equations:
        assert isinstance(equation, Apply), f"{function.name}: a pattern is made of calls only"
        made[equation.out] = _applied(equation, made)
    root = _pattern_of(function.body.result, made)
    assert isinstance(root, Applied), f"{function.name}: a pattern is a call"
    return root


def _name(var: Var) -> str:
    assert var.name is not None
    return var.name


def call_of(equation: Apply) -> Call | None:
    """Return the canonical form of a call; an attribute that has none is a call of `getattr`."""
    call = canonical(equation)
    if call is not None or not isinstance(equation.fn, Ref) or equation.fn.value is not getattr:
        return call
    return Call(getattr, dict(zip(("object", "name"), equation.args, strict=False)))


def _applied(equation: Apply, made: dict[Var, Pattern]) -> Applied:
    call = call_of(equation)
    assert call is not None, f"no canonical form: {equation.fn}"
    return Applied(
        call.fn, tuple((name, _pattern_of(tree, made)) for name, tree in call.arguments.items())
    )


def _pattern_of(tree: Tree, made: dict[Var, Pattern]) -> Pattern:
    match tree:
        case Var():
            return made[tree]
        case Const() | Ref():
            return Exactly(tree)
        case Display():
            return Parts(tree.kind, tuple(_pattern_of(item, made) for item in tree.items))
        case Slice():
            parts = (tree.lower, tree.upper, tree.step)
            return Parts(slice, tuple(_pattern_of(part, made) for part in parts))
        case _:
            raise AssertionError(f"not in a pattern: {tree}")


def inner_paths(pattern: Applied) -> Iterator[Applied]:
    """Yield the calls of `pattern` below its root."""
    for _, part in pattern.arguments:
        if isinstance(part, Applied):
            yield part
            yield from inner_paths(part)


# ---- matching --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Match:
    """What the holes of a pattern stand for, and the values that its inner calls stand for."""

    bindings: Bindings
    inner: tuple[Var, ...] = ()


def matches(pattern: Applied, call: Call, readings: Readings) -> Iterator[Match]:
    """Yield the ways in which `call` looks like `pattern`."""
    if pattern.fn is call.fn:
        yield from _arguments(pattern, call, Match({}), readings)


def _arguments(pattern: Applied, call: Call, so_far: Match, readings: Readings) -> Iterator[Match]:
    wanted, given = pattern.arguments, call.arguments
    if len(wanted) != len(given) or any(name not in given for name, _ in wanted):
        return
    pairs = [(part, given[name]) for name, part in wanted]
    yield from _all(pairs, so_far, readings)
    if _commutes(pattern.fn) and len(pairs) >= 2:
        (left, a), (right, b), *rest = pairs
        yield from _all([(left, b), (right, a), *rest], so_far, readings)


def _commutes(fn: Any) -> bool:
    return any(fn is commutative for commutative in COMMUTATIVE)


def _all(pairs: list[tuple[Pattern, Tree]], so_far: Match, readings: Readings) -> Iterator[Match]:
    if not pairs:
        yield so_far
        return
    (part, tree), *rest = pairs
    for match in _part(part, tree, so_far, readings):
        yield from _all(rest, match, readings)


def _part(part: Pattern, tree: Tree, so_far: Match, readings: Readings) -> Iterator[Match]:
    match part:
        case Hole(name):
            bound = so_far.bindings.get(name)
            if bound is None:
                yield Match({**so_far.bindings, name: tree}, so_far.inner)
            elif same(bound, tree):
                yield so_far
        case Exactly(constant):
            if same(constant, tree):
                yield so_far
        case Parts(kind, items):
            trees = _items(tree, kind)
            if trees is not None and len(trees) == len(items):
                yield from _all(list(zip(items, trees, strict=True)), so_far, readings)
        case Applied():
            if isinstance(tree, Var):
                inside = Match(so_far.bindings, (*so_far.inner, tree))
                for call in readings(tree):
                    if call.fn is part.fn:
                        yield from _arguments(part, call, inside, readings)


def _items(tree: Tree, kind: type) -> tuple[Tree, ...] | None:
    if isinstance(tree, Slice):
        return (tree.lower, tree.upper, tree.step) if kind is slice else None
    if isinstance(tree, Display) and tree.kind is kind:
        return tree.items
    return None


def same(a: Tree, b: Tree) -> bool:
    """Whether two trees stand for one value; `1` and `1.0` do, `1` and `True` do not."""
    if isinstance(a, Var) or isinstance(b, Var):
        return a is b
    if isinstance(a, Const) and isinstance(b, Const):
        numbers = (int, float)
        if type(a.value) in numbers and type(b.value) in numbers:
            return a.value == b.value
    return tree_key(a) == tree_key(b)


__all__ = ["Applied", "Match", "Pattern", "Readings", "call_of", "matches", "pattern", "same"]
