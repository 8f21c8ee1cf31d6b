"""Plans of functions that only pass their arguments on to a traced one: the plan of that, under their name."""

from __future__ import annotations

from dataclasses import replace

from invcompiler.frontend.tracing import Traced
from invcompiler.ir.nodes import Param
from invcompiler.schedule.functions import FunctionPlan
from invcompiler.schedule.plan import CallInverse


def direct(plan: FunctionPlan) -> FunctionPlan:
    """Return the plan of the traced function that `plan` calls with its own parameters, else `plan` itself."""
    step = plan.plan.steps[0] if len(plan.plan.steps) == 1 else None
    if not isinstance(step, CallInverse) or step.selection is not None or step.ildj is not None:
        return plan
    entered = step.entered
    if entered.mapping is not None or not isinstance(entered.function.source, Traced):
        return plan
    inner = entered.solve(step.unknown, None)
    outer = plan.function
    if not isinstance(inner, FunctionPlan) or len(outer.body.equations) != 1:
        return plan
    own = {param.var.name: param.var for param in inner.function.params}
    if len(outer.params) != len(own) or {p.var.name for p in outer.params} != own.keys():
        return plan
    params = tuple(Param(own[p.var.name], p.kind, p.default) for p in outer.params)
    function = replace(
        inner.function,
        name=outer.name,
        params=params,
        captures=(*inner.function.captures, *outer.captures),
        depends=(*inner.function.depends, *outer.depends),
    )
    return replace(inner, function=function, unknown=tuple(own[v.name] for v in plan.unknown))


__all__ = ["direct"]
