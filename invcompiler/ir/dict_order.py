"""The order of dicts, which JAX sorts by their keys when it takes a pytree apart: loops over them see the user's order.

>>> value = {"b": 1, "a": 2}
>>> in_order({"a": 20, "b": 10}, order_of(value))
{'b': 10, 'a': 20}
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import jax


def order_of(value: Any) -> Hashable:
    """Return what tells the orders of the dicts in `value`; None if there are none."""
    if type(value) is dict:
        return (tuple(value), tuple(map(order_of, value.values())))
    if isinstance(value, list | tuple):
        inner = tuple(map(order_of, value))
        return None if all(order is None for order in inner) else (None, inner)
    return None


def in_order(value: Any, order: Any) -> Any:
    """Return `value` with its dicts in the orders that `order_of` has told."""
    if order is None:
        return value
    keys, inner = order
    if keys is not None:
        return {key: in_order(value[key], one) for key, one in zip(keys, inner, strict=True)}
    items = map(in_order, value, inner)
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def sorted_dicts(value: Any) -> Any:
    """Return `value` as JAX rebuilds it, with its dicts in the order of their keys."""
    return value if order_of(value) is None else jax.tree.map(lambda leaf: leaf, value)


__all__ = ["in_order", "order_of", "sorted_dicts"]
