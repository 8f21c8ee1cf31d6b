"""Guesses at the shapes of unknowns, from the output: each is verified before it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.generated import Program
from invcompiler.ir.dict_order import in_order, order_of
from invcompiler.ir.nodes import Var
from invcompiler.schedule.abstract import Array, Items, abstract, is_traced
from invcompiler.schedule.facts import symbolic_facts
from invcompiler.schedule.input_shapes import shape_of_input

_TRIES = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError)


def candidates(
    maker: Any, y: Any, known: Mapping[Var, Any], examples: Mapping[Var, Any]
) -> Iterator[dict[Var, Any]]:
    """Yield what the unknowns may be like.

    As the examples say; like the output; as the generic inverse makes them; by their sizes.
    """
    if examples:
        yield dict(examples)
        return
    if len(maker.unknown) == 1:
        yield {maker.unknown[0]: described(y)}
    elif isinstance(y, tuple | list) and len(y) == len(maker.unknown):
        yield {var: described(part) for var, part in zip(maker.unknown, y, strict=True)}
    program = maker.generic_inverse()
    if program is not None:
        found = _evaluated(program, y, known)
        if found is not None:
            parts = (found,) if len(maker.unknown) == 1 else found
            yield dict(zip(maker.unknown, parts, strict=True))
    solved = _solved(maker, y, known)
    if solved is not None:
        yield solved


def _solved(maker: Any, y: Any, known: Mapping[Var, Any]) -> dict[Var, Any] | None:
    """Return arrays of the shapes that make the output's sizes what they are; None if those do not tell.

    Unless the text tells how many axes they have, they have as many as the output.
    """
    dtypes = {jnp.result_type(leaf) for leaf in jax.tree.leaves(y) if is_traced(leaf)}
    if len(dtypes) != 1:
        return None
    dtype = dtypes.pop()
    output = abstract(y)
    for ranks in ({}, dict.fromkeys(maker.unknown, jnp.ndim(y)) if is_traced(y) else {}):
        facts = symbolic_facts(
            maker.function, known, unknown=maker.unknown, defaults=False, ranks=ranks
        )
        shapes = {var: shape_of_input(var, facts, output) for var in maker.unknown}
        if None not in shapes.values():
            break
    else:
        return None
    return {
        var: jax.ShapeDtypeStruct(shape, facts.dtype(var) or dtype)
        for var, shape in shapes.items()
        if shape is not None
    }


def described(value: Any) -> Any:
    """Return `value` with arrays replaced by their shapes and dtypes."""
    return in_order(jax.tree.map(_struct, value), order_of(value))


def _struct(leaf: Any) -> Any:
    if isinstance(leaf, float | complex) or not is_traced(leaf):
        return leaf
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=getattr(leaf, "weak_type", False))


def _evaluated(program: Program, y: Any, known: Mapping[Var, Any]) -> Any:
    """Return the shapes of what the generic inverse gives; None if it does not fit the output."""
    given = {var.name: value for var, value in known.items()}
    leaves, treedef = jax.tree.flatten((y, given, program.bindings()))
    traced = [i for i, leaf in enumerate(leaves) if is_traced(leaf)]

    def run(values: list) -> Any:
        filled = list(leaves)
        for i, value in zip(traced, values, strict=True):
            filled[i] = value
        out, rest, bound = jax.tree.unflatten(treedef, filled)
        return program.main(out, **rest, **bound)

    try:
        return jax.eval_shape(run, [_struct(leaves[i]) for i in traced])
    except _TRIES:
        return None


def matches(output: Any, y: Any) -> bool:
    """Whether an abstract output has the containers, shapes and dtypes of `y`."""
    return _same(output, abstract(y))


def _same_dict(one: Items, other: Items) -> bool:
    first = dict(zip(one.keys or (), one.items, strict=True))
    second = dict(zip(other.keys or (), other.items, strict=True))
    return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Items) and isinstance(other, Items):
        if one.kind is other.kind is dict:
            return _same_dict(one, other)
        return (
            one.kind == other.kind
            and one.keys == other.keys
            and len(one.items) == len(other.items)
            and all(map(_same, one.items, other.items))
        )
    if isinstance(one, Array) and isinstance(other, Array):
        if one.shape != other.shape:
            return False
        # `==` would take None for float64
        return one.dtype is None or other.dtype is None or one.dtype == other.dtype
    return one == other
