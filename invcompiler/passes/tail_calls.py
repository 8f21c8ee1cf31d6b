"""Return what a call returns as it is: `return f(y)`, not `x, ildj = f(y)` and then `return x, ildj`."""

from __future__ import annotations

import operator
from dataclasses import replace

from invcompiler.ir.nodes import Apply, Const, Display, Function, Ref, Tree, Var
from invcompiler.ir.walk import operands


def tail_calls(function: Function) -> Function:
    """Return `function` with a result that only lists all items of a callee's tuple replaced by that tuple."""
    body = function.body
    result = body.result
    if not isinstance(result, Display) or result.kind is not tuple:
        return function
    made = {out: e for e in body.equations for out in e.outs}
    whole = _whole(result, made)
    items = set(result.items)
    if whole is None or not _is_call(made.get(whole)):
        return function
    rest = tuple(e for e in body.equations if not items.issuperset(e.outs))
    if any(var in items for e in rest for var in operands(e)):
        return function
    return replace(function, body=replace(body, equations=rest, result=whole))


def _whole(result: Display, made: dict) -> Var | None:
    """Return the tuple whose items, all and in order, are those of `result`."""
    found: set[Tree] = set()
    for number, item in enumerate(result.items):
        taken = made.get(item) if isinstance(item, Var) else None
        if not isinstance(taken, Apply) or taken.arity != len(result.items):
            return None
        if taken.fn != Ref(operator.getitem, "") or taken.args[1] != Const(number):
            return None
        found.add(taken.args[0])
    whole = found.pop() if len(found) == 1 else None
    return whole if isinstance(whole, Var) else None


def _is_call(equation: object) -> bool:
    return (
        isinstance(equation, Apply)
        and isinstance(equation.fn, Ref)
        and (isinstance(equation.fn.value, Function))
    )


__all__ = ["tail_calls"]
