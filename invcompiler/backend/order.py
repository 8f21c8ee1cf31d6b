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

from dataclasses import replace
from typing import assert_never

from invcompiler.ir.nodes import Apply, Block, Branch, Equation, Loop, Opaque, Var
from invcompiler.ir.walk import leaves, operands


def ordered(block: Block) -> Block:
    """Return `block`, and every block in it, with each equation before its first use, as late as
    a depth-first walk from the result finds it."""
    producers: dict[Var, Equation] = {}
    for equation in block.equations:
        inside = _with_ordered_bodies(equation)
        producers.update((out, inside) for out in equation.outs)
    return replace(block, equations=tuple(_walk(producers, tuple(leaves(block.result)))))


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
