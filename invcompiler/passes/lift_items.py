"""Take the items of containers in front of the loops that read them.

    for layer in params["layers"]:              scale = params["scale"]
        x = step(layer, x) * params["scale"]    for layer in params["layers"]:
                                                    x = step(layer, x) * scale

A loop back carries the cotangents of what the loop reads from outside: those of `params["scale"]`, and not zeros for all of `params`.
"""

from __future__ import annotations

import operator
from collections.abc import Collection
from dataclasses import replace

from invcompiler.ir.nodes import Apply, Block, Const, Equation, Function, Loop, Ref, Var
from invcompiler.ir.walk import map_block
from invcompiler.passes.normalise_walk import Rebuilder, Walk
from invcompiler.schedule.abstract import Abstract, Items
from invcompiler.schedule.facts import Facts


def lift_items(function: Function, facts: Facts) -> tuple[Function, Facts]:
    """Return a function of the same value, and the facts about it."""
    lifting = _Lifting(facts)
    lifted = lifting.function(function)
    if lifted is function:
        return function, facts
    return lifted, replace(facts, function=lifted, values={**facts.values, **lifting.found})


class _Lifting(Walk):
    def __init__(self, facts: Facts):
        super().__init__()
        self.facts = facts
        self.found: dict[Var, Abstract] = {}

    def loop(self, loop: Loop, builder: Rebuilder) -> None:
        body = self.block(loop.body, builder.nested())
        inside = set(body.params)
        rest: list[Equation] = []
        named: dict[Var, Var] = {}
        for equation in body.equations:
            if isinstance(equation, Apply) and self._is_item(equation, inside):
                builder.add(self._named(equation, named))
                self.changed = True
            else:
                rest.append(equation)
                inside.update(equation.outs)
        body = Block(body.params, tuple(rest), body.result)
        body = map_block(lambda var: named.get(var, var), body)
        builder.add(replace(loop, body=body))

    def _named(self, equation: Apply, named: dict[Var, Var]) -> Apply:
        """Return an equation that calls an item as its key is, if it has no name."""
        value, key = (named.get(arg, arg) if isinstance(arg, Var) else arg for arg in equation.args)
        out = equation.out
        word = key.value if isinstance(key, Const) else None
        if out.name is None and isinstance(word, str) and word.isidentifier():
            out = Var(word, out.span)
            named[equation.out] = out
            self.found[out] = self.facts.of(equation.out)
        return replace(equation, out=out, args=(value, key))

    def _is_item(self, equation: Apply, inside: Collection[Var]) -> bool:
        """Whether an equation takes an item of a container from outside that is known to have it."""
        if not isinstance(equation.fn, Ref) or equation.kwargs:
            return False
        if not any(equation.fn.value is fn for fn in (operator.getitem, getattr)):
            return False
        value, key = equation.args[:2]
        found = self._of(value) if isinstance(value, Var) and value not in inside else None
        if not isinstance(found, Items) or not isinstance(key, Const):
            return False
        return key.value in (found.keys or range(len(found.items)))

    def _of(self, var: Var) -> Abstract:
        return self.found[var] if var in self.found else self.facts.of(var)


__all__ = ["lift_items"]
