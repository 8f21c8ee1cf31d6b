"""Show differences of a higher order as differences of differences, and `jnp.ediff1d` as `jnp.diff`, on the way of an unknown.

The numbers that are put in front are worked off one by one: each difference has the last of what is left of them in front.

>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> from invcompiler.schedule.facts import symbolic_facts
>>> def f(x, start):
...     return jnp.diff(x, n=2, prepend=start)
>>> function = read(f)
>>> (x, start) = (param.var for param in function.params)
>>> facts = symbolic_facts(function, {start: jnp.zeros(2)}, unknown=(x,))
>>> print(show(show_differences(function, facts, (x,))[0]))
def f(x, start):
    v1 = start[-1:]
    v2 = jnp.diff(x, prepend=v1, axis=-1)
    v3 = jnp.diff(start, axis=-1)
    v4 = jnp.diff(v2, prepend=v3, axis=-1)
    return v4
"""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp

from invcompiler.ir.build import literal
from invcompiler.ir.nodes import Apply, Const, Display, Function, Ref, Slice, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.passes.normalise_walk import Rebuilder, Walk
from invcompiler.passes.ops import FULL, call, getitem, ref, tuple_of
from invcompiler.rules.canonical import NONE, Call, canonical
from invcompiler.schedule.facts import Facts, facts_again
from invcompiler.schedule.taint import tainted

_MOST = 8  # differences of differences


def show_differences(
    function: Function, facts: Facts, unknown: tuple[Var, ...]
) -> tuple[Function, Facts]:
    """Return a function of the same value, and the facts about it. Only what depends on the unknowns is touched."""
    shown = _Showing(facts, tainted(function.body, unknown)).function(function)
    return (function, facts) if shown is function else (shown, facts_again(shown, facts))


class _Showing(Walk):
    def __init__(self, facts: Facts, touched: frozenset[Var]):
        super().__init__()
        self.facts = facts
        self.touched = touched

    def apply(self, equation: Apply, builder: Rebuilder) -> Tree:
        shown = None
        if equation.out in self.touched:
            fn = equation.fn.value if isinstance(equation.fn, Ref) else None
            found = canonical(equation)
            if fn is jnp.ediff1d:
                shown = self._of_one_axis(equation, builder)
            elif found is not None and found.fn is jnp.diff:
                shown = self._repeated(equation, found, builder)
        return builder.keep(equation) if shown is None else shown

    def _of_one_axis(self, equation: Apply, builder: Rebuilder) -> Tree | None:
        """Return `jnp.ediff1d(x)`, which flattens its operand, as a difference along one axis."""
        if len(equation.args) != 1 or equation.kwargs:
            return None
        self.changed = True
        x = equation.args[0]
        if self.facts.rank(x) != 1:
            x = call(builder, jnp.ravel, x)
        return builder.keep(replace(equation, fn=ref(jnp.diff), args=(x,)))

    def _repeated(self, equation: Apply, found: Call, builder: Rebuilder) -> Tree | None:
        x, order, axis, before, after = (
            found.arguments[name] for name in ("a", "n", "axis", "prepend", "append")
        )
        count, along = literal(order), literal(axis)
        if count is None or along is None or type(count[0]) is not int or after != NONE:
            return None
        if not 2 <= count[0] <= _MOST or self._size(before, along[0]) != count[0]:
            return None
        if any(var in self.touched for var in leaves(before)):
            return None
        self.changed = True
        for number in range(count[0]):
            last = number == count[0] - 1
            start = before if last else self._last(before, along[0], builder)
            options = (("prepend", start), ("axis", axis))
            out = equation.out if last else Var()
            x = builder.keep(Apply(out, ref(jnp.diff), (x,), options, equation.span))
            before = before if last else call(builder, jnp.diff, before, axis=axis)
        return x

    def _size(self, tree: Tree, axis: int) -> int | None:
        size = None if tree == NONE else self.facts.dim(tree, axis)
        return size if isinstance(size, int) else None

    def _last(self, tree: Tree, axis: int, builder: Rebuilder) -> Tree:
        part = Slice(Const(-1), NONE, NONE)
        rank = self.facts.rank(tree)
        if rank == 1:
            return getitem(builder, tree, part)
        if axis < 0:
            return getitem(builder, tree, tuple_of((Const(...), part, *[FULL] * (-axis - 1))))
        return getitem(builder, tree, Display(tuple, (*[FULL] * axis, part)))


__all__ = ["show_differences"]
