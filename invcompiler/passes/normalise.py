"""Bring a function into the form in which the structure of its values shows; its value stays the same.

Afterwards loops and branches carry the items of containers, not the containers; indices that only add or keep
axes are calls; and a body that uses a part of a value from outside reads that part, not the value.

>>> from jax import lax
>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> def f(pair):
...     def step(carry, _):
...         a, b = carry
...         return (b + a, a), None
...     carry, _ = lax.scan(step, pair, length=3)
...     return carry
>>> print(show(normalise(read(f))))
def f(pair):
    a = pair[0]  # of 2
    b = pair[1]  # of 2
    a_2, b_2 = scan from a_1, b_1 = a, b with length=3:
        v1 = b_1 + a_1
        yield v1, a_1
    return (a_2, b_2)
"""

from __future__ import annotations

from invcompiler.ir.nodes import Function
from invcompiler.passes.normalise_containers import flatten_containers
from invcompiler.passes.normalise_views import hoist_views


def normalise(function: Function) -> Function:
    """Return a function of the same value; what stays as it is keeps its vars.

    It is the same object if nothing changes. A Python loop that runs no step leaves its carried pair as a tuple.
    """
    return hoist_views(flatten_containers(function))


__all__ = ["normalise"]
