"""Updates of indexed elements, `x.at[index].add(values)` and its kin, as functions of `x`, `index` and `values`.

They are keys only: the compiler makes such calls, users spell them with `.at`.
"""

from __future__ import annotations

import jax.numpy as jnp

from invcompiler.ir.nodes import Tree
from invcompiler.rules.canonical import Call
from invcompiler.rules.conditions import nonzero
from invcompiler.rules.registry import Numbers, elementwise


def at_add(x, index, values):
    return x.at[index].add(values)


def at_subtract(x, index, values):
    return x.at[index].subtract(values)


def at_multiply(x, index, values):
    return x.at[index].multiply(values)


def at_divide(x, index, values):
    return x.at[index].divide(values)


_METHODS = {
    "add": at_add,
    "subtract": at_subtract,
    "multiply": at_multiply,
    "mul": at_multiply,
    "divide": at_divide,
}


def at_call(method: str, base: Tree, index: Tree, arguments: tuple[Tree, ...]) -> Call | None:
    """Return the call that `base.at[index].method(*arguments)` is, or None if no rule speaks of it."""
    fn = _METHODS.get(method)
    if fn is None or len(arguments) != 1:
        return None
    return Call(fn, {"x": base, "index": index, "values": arguments[0]})


@elementwise(at_add, numbers=Numbers.NUMBER)
class add_at:
    def inverse(y, index, values):
        return y.at[index].add(-values)

    def log_slope(x):
        return 0.0


@elementwise(at_subtract, numbers=Numbers.NUMBER)
class subtract_at:
    def inverse(y, index, values):
        return y.at[index].add(values)

    def log_slope(x):
        return 0.0


@elementwise(at_multiply, numbers=Numbers.INEXACT)
class multiply_at:
    condition = nonzero("values", "a factor")

    def inverse(y, index, values):
        return y.at[index].divide(values)

    def log_slope(x, index, values):
        return jnp.zeros_like(x).at[index].add(jnp.log(jnp.abs(values)))


@elementwise(at_divide, numbers=Numbers.INEXACT)
class divide_at:
    condition = nonzero("values", "a divisor")

    def inverse(y, index, values):
        return y.at[index].multiply(values)

    def log_slope(x, index, values):
        return jnp.zeros_like(x).at[index].add(-jnp.log(jnp.abs(values)))
