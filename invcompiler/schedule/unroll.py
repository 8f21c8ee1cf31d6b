"""Unroll loops over containers of functions that are known today: each step calls a function of its own."""

from __future__ import annotations

import operator
from dataclasses import replace

from invcompiler.ir.nodes import Block, Const, Each, Function, Loop, LoopKind, Ref, Tree, Var
from invcompiler.schedule import mapping
from invcompiler.schedule.abstract import Abstract, Items, Known
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.folding import Folding

_GETITEM = Ref(operator.getitem, "operator.getitem", operator)


def unroll_functions(
    function: Function, facts: Facts, unknown: tuple[Var, ...]
) -> tuple[Function, Facts]:
    """Return a function of the same value, and its facts."""
    if not _has_loops(function.body, facts):
        return function, facts
    builder = _Unrolling(facts)
    result = builder.inline(function, {})
    unrolled = replace(function, body=builder.block((), result))
    values = {param.var: facts.of(param.var) for param in function.params}
    return unrolled, mapping.facts_for(facts, unrolled, unknown, values)


class _Unrolling(Folding):
    def __init__(self, facts: Facts):
        super().__init__()
        self.facts = facts

    def items(self, loop: Loop) -> tuple[Tree, ...] | None:
        found = _functions(loop, self.facts)
        if found is None or not isinstance(loop.iterable, Each):
            return super().items(loop)
        value = loop.iterable.value
        return tuple(self.apply(_GETITEM, (value, Const(i))) for i in range(len(found.items)))


def _has_loops(block: Block, facts: Facts) -> bool:
    """Whether there is a loop to unroll. Those in other loops stay."""
    return any(isinstance(e, Loop) and _functions(e, facts) is not None for e in block.equations)


def _functions(loop: Loop, facts: Facts) -> Items | None:
    """Return what is known of the container of different functions that a loop goes through."""
    iterable = loop.iterable
    if loop.kind is not LoopKind.FOR or not isinstance(iterable, Each) or iterable.view:
        return None
    found = facts.of(iterable.value)
    if not isinstance(found, Items) or found.kind not in (tuple, list):
        return None
    differ = any(item != found.items[0] for item in found.items)
    return found if differ and any(map(_is_function, found.items)) else None


def _is_function(value: Abstract) -> bool:
    if isinstance(value, Items):
        return value.kind not in (tuple, list, dict) or any(map(_is_function, value.items))
    return isinstance(value, Known) and callable(value.value) and not isinstance(value.value, type)
