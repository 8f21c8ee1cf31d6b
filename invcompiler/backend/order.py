"""Put equations into the order in which they are needed, and drop those that nothing needs.

The order depends on the dataflow alone: depth first from the result, operands from left to right. Two
blocks with the same equations in different orders come out the same.

>>> import operator
>>> from invcompiler.ir.nodes import Ref
>>> x, doubled, unused, total = Var("x"), Var("doubled"), Var("unused"), Var("total")
>>> add = Ref(operator.add, "add")
>>> one = Apply(doubled, add, (x, x)), Apply(unused, add, (x, x)), Apply(total, add, (doubled, x))
>>> [equation.out.name for equation in ordered(Block((x,), one[::-1], total)).equations]
['doubled', 'total']
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import assert_never

from invcompiler.ir.nodes import Apply, Block, Branch, Equation, Loop, Opaque, Ref, Tree, Var
from invcompiler.ir.walk import leaves, operands

_COMPARISONS = [
    Ref(fn, fn.__name__) for fn in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq)
]
_MOST_COMPARED = (
    6  # results of one block that are compared with each other: the rest come from left to right
)


def ordered(block: Block) -> Block:
    """Return `block`, and every block in it, with each equation before its first use, as late as
    a depth-first walk from the result finds it."""
    producers: dict[Var, Equation] = {}
    for equation in block.equations:
        inside = _with_ordered_bodies(equation)
        producers.update((out, inside) for out in equation.outs)
    return replace(block, equations=tuple(_walk(producers, _roots(block.result, producers))))


def _walk(producers: dict[Var, Equation], roots: tuple[Var, ...]) -> list[Equation]:
    """Return the producers of `roots` and of all that they need. A stack of its own: chains are long."""
    order: list[Equation] = []
    entered: set[Equation] = set()
    stack = [iter(roots)]
    waiting: list[Equation] = []
    while stack:
        var = next(stack[-1], None)
        if var is None:
            stack.pop()
            if waiting:
                order.append(waiting.pop())
            continue
        equation = producers.get(var)
        if equation is not None and equation not in entered:
            entered.add(equation)
            waiting.append(equation)
            stack.append(iter(operands(equation)))
    return order


def _with_ordered_bodies(equation: Equation) -> Equation:
    match equation:
        case Loop():
            return replace(equation, body=ordered(equation.body))
        case Branch():
            return replace(equation, blocks=tuple(map(ordered, equation.blocks)))
        case Apply() | Opaque():
            return equation
        case _:
            assert_never(equation)


# ---- which result comes first -------------------------------------------------------------------


def _roots(result: Tree, producers: dict[Var, Equation]) -> tuple[Var, ...]:
    """Return the vars of `result` in the order in which they are computed: from left to right.

    But what reads a value that a result is made from step by step comes before that result, which can then
    have the name of the value.
    """
    roots = tuple(dict.fromkeys(leaves(result)))
    computed = [root for root in roots if root in producers]
    if not 1 < len(computed) <= _MOST_COMPARED:
        return roots
    lineages = {root: _lineage(root, producers) for root in computed}
    needs = {root: _needs(root, producers) for root in computed}

    def reads_before(other: Var, root: Var) -> bool:
        """Whether `other` reads a value that `root` is made from more directly."""
        if other is root or root in needs[other] or other in needs[root]:
            return False
        shared = (var for var in lineages[root] if var in needs[other])
        return any(lineages[root][var] < lineages[other].get(var, len(producers)) for var in shared)

    placed: dict[Var, None] = {}
    for root in computed:
        earlier = (o for o in computed if reads_before(o, root) and not reads_before(root, o))
        placed.update(dict.fromkeys(earlier))
        placed[root] = None
    return (*placed, *roots)


def _lineage(root: Var, producers: dict[Var, Equation]) -> dict[Var, int]:
    """Return the values of which `root` is an update, and how many steps away each is: the first operand of its
    function, the first operand of what made that, and so on."""
    found: dict[Var, int] = {}
    while isinstance(equation := producers.get(root), Apply):
        direct = [arg for arg in equation.args if isinstance(arg, Var)]
        if not direct or direct[0] in found or equation.arity is not None:
            break
        root = direct[0]
        if root in producers and not _is_comparison(producers[root]):
            found[root] = len(found) + 1
    return found


def _is_comparison(equation: Equation) -> bool:
    return isinstance(equation, Apply) and equation.fn in _COMPARISONS


def _needs(root: Var, producers: dict[Var, Equation]) -> set[Var]:
    """Return the vars that are read on the way to `root`."""
    found = {root}
    waiting = [root]
    while waiting:
        equation = producers.get(waiting.pop())
        new = [] if equation is None else [v for v in operands(equation) if v not in found]
        found.update(new)
        waiting += new
    return found - {root}
