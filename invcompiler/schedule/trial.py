"""Trying a stated rule on abstract values: whether it gives up, and which arguments it recovers."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from invcompiler.errors import NonInvertibleError, ShapeError
from invcompiler.ir.nodes import Apply, Closure, Const, Display, Ref, Slice, Star, Tree, Var
from invcompiler.rules.stated import UnaryRule
from invcompiler.schedule.abstract import Abstract, Array, Items, Known, Unclear, is_fixed, stand_in
from invcompiler.schedule.context import Context
from invcompiler.schedule.facts import Facts

if TYPE_CHECKING:
    from invcompiler.schedule.stated import Stated

# What code of the user's may raise when it is tried on shapes that are not its own.
REFUTATIONS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError)
_SHAPES: tuple[tuple[int, ...], ...] = ((), (2,), (2, 2), (2, 2, 2))
_GAVE_UP = object()


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a rule returned for abstract values: `invals` and `ildjs`, arrays being ShapeDtypeStructs where `is_exact`."""

    invals: Any
    ildjs: Any
    is_exact: bool

    def came(self, tree: Tree, known: Container[Var], found: Any = _GAVE_UP) -> Any:
        """Return for each item of `tree` whether all of it was returned."""
        found = self.invals if found is _GAVE_UP else found
        if found is None:
            return False
        if isinstance(tree, Display):
            return tuple(
                self.came(item, known, part)
                for item, part in zip(tree.items, parts_of(tree, found), strict=True)
            )
        return not any(leaf is None for leaf in jax.tree.leaves(found, is_leaf=_is_none))


def _is_none(value: Any) -> bool:
    return value is None


def parts_of(tree: Display, value: Any) -> list[Any]:
    """Return the parts of a value that has the structure of `tree`. Raises TypeError if it has another one."""
    if tree.keys is None:
        if not isinstance(value, tuple | list) or len(value) != len(tree.items):
            raise TypeError(f"a rule returned {value!r} where {len(tree.items)} values belong")
        return list(value)
    if tree.kind is dict:
        return [value[key] for key in tree.keys]
    return [getattr(value, key) for key in tree.keys]


def trial(
    found: Stated, given: Display, output: Tree, equation: Apply, context: Context
) -> Outcome | None:
    """Return what the rule returns for what is given; None if only running it will tell. Where it gives up, nothing came.

    Raises ShapeError where the shapes that it depends on are not known yet.
    """
    fn, trees = _call(found, given, output)
    facts = context.facts
    exact = _values(trees, facts, None)
    if exact is not None:
        try:
            return _outcome(abstractly(fn, exact), True)
        except NonInvertibleError:
            return Outcome(None, None, True)
    opaque = _values(trees, facts, _Opaque)
    if opaque is None:
        return None
    try:
        return _outcome(fn(*opaque), False)
    except NonInvertibleError:
        return Outcome(None, None, False)  # by what is known, whatever its shapes are
    except REFUTATIONS:
        pass
    for shape in _SHAPES:
        values = _values(trees, facts, partial(tuple, shape))
        try:
            return _outcome(abstractly(fn, values or ()), False)
        except (NonInvertibleError, *REFUTATIONS):
            continue
    if facts.is_concrete:
        return None
    raise ShapeError(
        f"what the rule stated for `{found.name}` recovers depends on its arguments",
        span=equation.span,
        function=context.function.name,
        label="known when it is called",
        hint="call the generated function: it is compiled for its arguments then",
    )


def _call(found: Stated, given: Display, out: Tree) -> tuple[Callable[..., Any], tuple[Tree, ...]]:
    """Return a function of trees' values that runs the rule: `(invals, ildjs)`."""
    if isinstance(found.rule, UnaryRule):
        inverse = found.rule.inverse
        assert inverse is not None
        return (lambda y: ((inverse(y),), None)), (out,)
    rule = found.rule.rule
    return (lambda given, y: rule(given, y, jax.tree.map(_zeros, y))), (given, out)


def _zeros(value: Any) -> Any:
    return value if isinstance(value, _Opaque) else jax.numpy.zeros_like(value)


def _outcome(returned: Any, is_exact: bool) -> Outcome:
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise TypeError(f"a rule returns `(invals, ildjs)`, not {returned!r}")
    invals, ildjs = returned
    return Outcome(invals, ildjs, is_exact)


def abstractly(fn: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    """Return what `fn` returns, arrays being ShapeDtypeStructs, without computing anything."""
    leaves, treedef = jax.tree.flatten(values)
    traced = [i for i, leaf in enumerate(leaves) if isinstance(leaf, jax.ShapeDtypeStruct)]
    returned: list[Any] = []

    def run(given: list) -> None:
        filled = list(leaves)
        for i, value in zip(traced, given, strict=True):
            filled[i] = value
        result = fn(*jax.tree.unflatten(treedef, filled))
        returned.append(jax.tree.map(_struct, result))

    jax.eval_shape(run, [leaves[i] for i in traced])
    return returned[0]


def _struct(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array | np.ndarray | np.generic | bool | int | float | complex):
        return jax.ShapeDtypeStruct(np.shape(leaf), jax.numpy.result_type(leaf))
    return leaf


# ---- values that stand for trees --------------------------------------------------------------------


class _Opaque:
    """A value that is there, and of which nothing is known."""


def _values(
    trees: tuple[Tree, ...], facts: Facts, fill: Callable[[], Any] | None
) -> tuple[Any, ...] | None:
    """Return values for trees; `fill` gives a shape, or an opaque value, for what is not known. None if there are none."""
    try:
        return tuple(_value(tree, facts, fill) for tree in trees)
    except Unclear:
        return None


def _value(tree: Tree, facts: Facts, fill: Callable[[], Any] | None) -> Any:
    match tree:
        case Const() | Ref():
            return tree.value
        case Display(kind=kind, keys=keys):
            items = [_value(item, facts, fill) for item in tree.items]
            if keys is None:
                return kind(items)
            named = dict(zip(keys, items, strict=True))
            return named if kind is dict else kind(**named)
        case Slice():
            parts = (tree.lower, tree.upper, tree.step)
            return slice(*(_value(part, facts, fill) for part in parts))
        case Star() | Closure():
            raise Unclear(tree)
        case Var():
            return _filled(facts.of(tree), fill)


def _filled(value: Abstract, fill: Callable[[], Any] | None) -> Any:
    if is_fixed(value) or fill is None:
        return stand_in(value)
    match value:
        case Known(value=known):
            return known
        case Items():
            return value.rebuild([_filled(item, fill) for item in value.items])
        case Array(dtype=dtype):
            return _placed(fill(), dtype)
        case None:
            return _placed(fill(), None)
        case _:
            raise Unclear(value)


def _placed(filled: Any, dtype: Any) -> Any:
    if isinstance(filled, _Opaque):
        return filled
    return jax.ShapeDtypeStruct(filled, dtype or jax.numpy.result_type(float))


__all__ = ["REFUTATIONS", "Outcome", "abstractly", "parts_of", "trial"]
