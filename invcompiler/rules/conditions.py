"""Questions about the operands of a call, for the conditions of rules. `None` is for: not known yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.build import literal
from invcompiler.ir.nodes import Tree
from invcompiler.rules.canonical import Call
from invcompiler.rules.registry import Condition, Facts, Numbers, Refusal, numbers_of


def static_value(tree: Tree, facts: Facts) -> tuple[Any] | None:
    """Return the Python value of `tree` in a tuple of one, if it is known at compile time."""
    known = literal(tree)
    if known is not None:
        return known
    found = facts.static(tree)
    return None if found is None else (found.value,)


def number_value(tree: Tree, facts: Facts) -> np.ndarray | None:
    """Return the numbers that `tree` holds, if they are known at compile time."""
    known = static_value(tree, facts)
    value = facts.array_value(tree) if known is None else known[0]
    if isinstance(value, bool) or value is None:
        return None
    array = np.asarray(value)
    return array if array.dtype.kind in "iufcV" else None


def is_integer(tree: Tree, facts: Facts) -> bool | None:
    """Whether `tree` holds integers."""
    known = static_value(tree, facts)
    if known is not None:
        return type(known[0]) is int
    kind = numbers_of(facts.dtype(tree))
    return None if kind is None else kind is Numbers.INTEGER


def every(*conditions: Condition) -> Condition:
    """Return the condition that all of `conditions` hold; the first that does not says why."""

    def holds(call: Call, facts: Facts) -> Refusal | None:
        refusals = (condition(call, facts) for condition in conditions)
        return next((refusal for refusal in refusals if refusal is not None), None)

    return holds


def number(name: str, holds: Callable[[np.ndarray], Any], refusal: Refusal) -> Condition:
    """Return the condition that the argument `name` holds, where known, numbers of which all satisfy `holds`."""

    def condition(call: Call, facts: Facts) -> Refusal | None:
        value = number_value(call.arguments[name], facts)
        return None if value is None or np.all(holds(value)) else refusal

    return condition


def known_number(name: str, holds: Callable[[float], bool], refusal: Refusal) -> Condition:
    """Return the condition that the argument `name` is one real number that satisfies `holds`, whenever the code runs.

    Today's value of a captured array is not enough.
    """

    def condition(call: Call, facts: Facts) -> Refusal | None:
        known = static_value(call.arguments[name], facts)
        if known is None or type(known[0]) not in (int, float):
            return refusal
        return None if holds(float(known[0])) else refusal

    return condition


def nonzero(name: str, what: str) -> Condition:
    reason = f"{what} is zero, so the output does not depend on the operand there"
    return number(name, lambda value: value != 0, Refusal(reason, "leave out the constant element"))


def absent(*names: str) -> Condition:
    """Return the condition that optional arguments are left at None."""

    def condition(call: Call, facts: Facts) -> Refusal | None:
        for name in names:
            if static_value(call.arguments[name], facts) != (None,):
                return Refusal(f"its inverse is not known with `{name}=`")
        return None

    return condition


def rank_is(name: str, rank: int) -> Condition:
    """Return the condition that an argument is known to have `rank` axes, or is not known to have others."""

    def condition(call: Call, facts: Facts) -> Refusal | None:
        found = facts.rank(call.arguments[name])
        return None if found in (None, rank) else Refusal(f"`{name}` has {found} axes, not {rank}")

    return condition


def is_lossless(source: Any, target: Any) -> bool:
    """Whether every value of dtype `source` has one of its own in dtype `target`."""
    source, target = jnp.dtype(source), jnp.dtype(target)
    if source == target or source == jnp.bool_:
        return True
    if jnp.promote_types(source, target) != target:
        return False
    if numbers_of(source) is Numbers.INTEGER and numbers_of(target) is not Numbers.INTEGER:
        info = jnp.iinfo(source)
        return max(-int(info.min), int(info.max)).bit_length() <= jnp.finfo(target).nmant + 2 and (
            int(info.max).bit_length() <= jnp.finfo(target).nmant + 1
        )
    return True


__all__ = [
    "absent",
    "every",
    "is_integer",
    "is_lossless",
    "known_number",
    "nonzero",
    "number",
    "number_value",
    "rank_is",
    "static_value",
]
