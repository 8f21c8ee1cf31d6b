"""What `jax.vmap` does to what is known: a mapped function sees its arguments without the mapped axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from invcompiler.ir.nodes import Apply, Display, Function, ParameterKind, Ref, Star, Tree, Var
from invcompiler.schedule.abstract import Abstract, Array, Items
from invcompiler.schedule.callees import arguments
from invcompiler.schedule.facts import Facts


def facts_for(
    facts: Facts, function: Function, unknown: tuple[Var, ...], values: Mapping[Var, Abstract]
) -> Facts:
    """Return the facts of `function` for parameters of which `values` is known."""
    fresh = {var: Var(var.name) for var in values}
    caller = replace(facts, values={new: values[var] for var, new in fresh.items()})
    given = {p.var: _given(p.kind, fresh[p.var]) for p in function.params if p.var in fresh}
    args, kwargs = arguments(function.params, given)
    call = Apply(Var(), Ref(function, function.name), args, kwargs)
    return caller.of_call(call, function, unknown)


def _given(kind: ParameterKind, value: Var) -> Tree:
    if kind is ParameterKind.VAR_POSITIONAL:
        return Display(tuple, (Star(value),))
    return Display(dict, (value,), (None,)) if kind is ParameterKind.VAR_KEYWORD else value


def without_axis(value: Abstract, axis: Any) -> Abstract:
    """Return what is known of one of the values that a mapped axis holds; None as the axis is no axis."""
    if axis is None:
        return value
    if isinstance(value, Items):
        parts = [_of_item(axis, value, place) for place in range(len(value.items))]
        items = tuple(map(without_axis, value.items, parts))
        return replace(value, items=items)
    if not isinstance(value, Array) or not isinstance(value.shape, tuple):
        return None
    if not isinstance(axis, int) or not -len(value.shape) <= axis < len(value.shape):
        return None
    place = axis % len(value.shape)
    return replace(value, shape=value.shape[:place] + value.shape[place + 1 :])


def _of_item(axis: Any, value: Items, place: int) -> Any:
    if isinstance(axis, int):
        return axis
    return axis[place] if value.keys is None else axis[value.keys[place]]
