"""Reading `x.at[i].set(v)`, three equations that are one update."""

from __future__ import annotations

import operator
from collections.abc import Mapping

from invcompiler.ir.nodes import Apply, Const, Equation, Method, Ref, Tree, Var

Parts = tuple[str, Tree, Tree, tuple[Tree, ...]]


def at_parts(equation: Equation | None, defining: Mapping[Var, Equation]) -> Parts | None:
    """Return method, base, index and arguments of `base.at[index].method(*arguments)`."""
    if not isinstance(equation, Apply) or not isinstance(equation.fn, Method):
        return None
    link = equation.args[0]
    picked = defining.get(link) if isinstance(link, Var) else None
    if not isinstance(picked, Apply) or picked.fn != Ref(operator.getitem, "[]"):
        return None
    base = picked.args[0]
    made = defining.get(base) if isinstance(base, Var) else None
    if not is_at(made):
        return None
    assert isinstance(made, Apply)
    return equation.fn.name, made.args[0], picked.args[1], equation.args[1:]


def is_at(equation: Equation | None) -> bool:
    """Whether an equation is the `x.at` of an update."""
    if not isinstance(equation, Apply) or equation.fn != Ref(getattr, "getattr"):
        return False
    return equation.args[1] == Const("at")
