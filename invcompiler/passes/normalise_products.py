"""Show products of several operands as products of two, on the way of an unknown: each known operand is applied to what is there so far.

>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> from invcompiler.schedule.facts import symbolic_facts
>>> def f(x, left, right):
...     return jnp.einsum("ij,jk,kl->il", left, x, right)
>>> function = read(f)
>>> (x, *_) = (param.var for param in function.params)
>>> facts = symbolic_facts(function, {}, unknown=(x,))
>>> print(show(show_products(function, facts, (x,))[0]))
def f(x, left, right):
    t = jnp.einsum('ij,jk->ik', left, x)
    v1 = jnp.einsum('kl,ik->il', right, t)
    return v1
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import replace

import jax.numpy as jnp

from invcompiler.ir.build import literal
from invcompiler.ir.nodes import Apply, Const, Display, Function, Ref, Star, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.passes.normalise_walk import Rebuilder, Walk
from invcompiler.passes.ops import ref
from invcompiler.rules.subscripts import explicit, roles
from invcompiler.schedule.facts import Facts, facts_again
from invcompiler.schedule.taint import tainted

_MOST = 6  # known operands


def show_products(
    function: Function, facts: Facts, unknown: tuple[Var, ...]
) -> tuple[Function, Facts]:
    """Return a function of the same value, up to rounding, and the facts about it. Only what depends on the unknowns is touched."""
    shown = _Showing(facts, tainted(function.body, unknown)).function(function)
    return (function, facts) if shown is function else (shown, facts_again(shown, facts))


class _Showing(Walk):
    def __init__(self, facts: Facts, touched: frozenset[Var]):
        super().__init__()
        self.facts = facts
        self.touched = touched

    def apply(self, equation: Apply, builder: Rebuilder) -> Tree:
        fn = equation.fn.value if isinstance(equation.fn, Ref) else None
        shown = None
        if equation.out in self.touched and fn is jnp.einsum:
            shown = self._einsum(equation, builder)
        elif equation.out in self.touched and fn is jnp.linalg.multi_dot:
            shown = self._multi_dot(equation, builder)
        return builder.keep(equation) if shown is None else shown

    def _is_unknown(self, tree: Tree) -> bool:
        return any(var in self.touched for var in leaves(tree))

    def _einsum(self, equation: Apply, builder: Rebuilder) -> Tree | None:
        subscripts, *operands = equation.args
        text = literal(subscripts)
        if text is None or not isinstance(text[0], str) or "." in text[0] or len(operands) < 3:
            return None
        if any(isinstance(tree, Star) for tree in operands) or len(operands) > _MOST + 1:
            return None
        before, _, value = explicit(text[0].replace(" ", "")).partition("->")
        pairs = list(zip(operands, before.split(","), strict=False))
        unknown = [pair for pair in pairs if self._is_unknown(pair[0])]
        if len(unknown) != 1 or len(pairs) != len(operands):
            return None
        known = tuple(pair for pair in pairs if pair is not unknown[0])
        steps = next(self._orders(unknown[0][1], known, value), None)
        if steps is None:
            steps = self._any_order(unknown[0][1], known, value)
        self.changed = True
        options = tuple((name, tree) for name, tree in equation.kwargs if name != "optimize")
        tree, labels = unknown[0]
        for number, (operand, of, after) in enumerate(steps):
            last = number == len(steps) - 1
            out = equation.out if last else Var("t")
            args = (Const(f"{of},{labels}->{after}"), operand, tree)
            made = Apply(out, equation.fn, args, options, equation.span)
            tree, labels = builder.keep(made), after
        return tree

    def _orders(
        self, labels: str, known: tuple[tuple[Tree, str], ...], value: str
    ) -> Iterator[tuple[tuple[Tree, str, str], ...]]:
        """Yield orders in which the known operands can be applied, each by itself: operand, its labels, those of what it makes."""
        if not known:
            if labels == value:
                yield ()
            return
        for number, (operand, of) in enumerate(known):
            rest = (*known[:number], *known[number + 1 :])
            after = self._made(labels, of, rest, value)
            if not self._applies(operand, of, labels, after):
                continue
            for order in self._orders(after, rest, value):
                yield ((operand, of, after), *order)

    def _any_order(
        self, labels: str, known: tuple[tuple[Tree, str], ...], value: str
    ) -> tuple[tuple[Tree, str, str], ...]:
        """Return an order in which sums come early: what is added to the unknown may go through a few numbers."""
        steps: list[tuple[Tree, str, str]] = []
        rest = list(known)
        while rest:
            one = next((pair for pair in rest if set(pair[1]) & set(labels)), rest[0])
            rest.remove(one)
            after = self._made(labels, one[1], tuple(rest), value)
            steps.append((*one, after))
            labels = after
        return tuple(steps)

    def _made(self, labels: str, of: str, rest: tuple[tuple[Tree, str], ...], value: str) -> str:
        """Return the labels of the product of two operands, in the order of the unknown one's: what is made stands for what is summed over."""
        if not rest:
            return value
        needed = {*value, *(c for _, other in rest for c in other)}
        new = [c for c in dict.fromkeys(of) if c not in labels and c in needed]
        after = []
        for label in labels:
            if label in needed:
                after.append(label)
            elif new:
                after.append(new.pop(0))
        return "".join((*after, *new))

    def _applies(self, operand: Tree, of: str, labels: str, after: str) -> bool:
        found = roles(f"{of},{labels}->{after}")
        if found is None:
            return set(of) <= set(labels) and sorted(labels) == sorted(after)
        sizes = [
            [self.facts.dim(operand, of.index(label)) for label in part]
            for part in (found.summed, found.made)
        ]
        if not all(isinstance(size, int) for part in sizes for size in part):
            return len(found.summed) == len(found.made)
        return math.prod(sizes[0]) == math.prod(sizes[1])  # type: ignore[arg-type]

    def _multi_dot(self, equation: Apply, builder: Rebuilder) -> Tree | None:
        arrays = equation.args[0] if equation.args else None
        if not isinstance(arrays, Display) or equation.kwargs or len(arrays.items) < 3:
            return None
        unknown = [i for i, tree in enumerate(arrays.items) if self._is_unknown(tree)]
        if len(unknown) != 1 or any(isinstance(tree, Star) for tree in arrays.items):
            return None
        self.changed = True
        place, tree = unknown[0], arrays.items[unknown[0]]
        pairs = [(before, True) for before in reversed(arrays.items[:place])]
        pairs += [(behind, False) for behind in arrays.items[place + 1 :]]
        for number, (matrix, is_left) in enumerate(pairs):
            args = (matrix, tree) if is_left else (tree, matrix)
            out = equation.out if number == len(pairs) - 1 else Var("t")
            tree = builder.keep(
                replace(equation, out=out, fn=ref(operator.matmul), args=args, kwargs=())
            )
        return tree


__all__ = ["show_products"]
