"""Make additive updates reversible bit for bit: what is added is rounded to a grid on which sums are exact.

    x2 = x2 + net(x1)       forward                         back
                            x2 = x2 + on_grid(net(x1))      x2 = x2 - on_grid(net(x1))

Cotangents pass through the rounding as if it were not there.
"""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Equation, Ref, Tree, Var
from invcompiler.passes.ops import ref
from invcompiler.rules.reversible_helpers import on_grid
from invcompiler.schedule.plan import Isolate, Plan

ON_GRID: Ref = ref(on_grid)


def updates(plan: Plan) -> dict[Equation, tuple[Equation, ...]]:
    """Return, for each additive update that `plan` undoes, the equations that add what is on the grid."""
    found: dict[Equation, tuple[Equation, ...]] = {}
    for step in plan.steps:
        if isinstance(step, Isolate) and (added := added_by(step)) is not None:
            rounded = Apply(Var(), ON_GRID, (added[1],), (), step.equation.span)
            args = tuple(rounded.out if arg == added[1] else arg for arg in step.equation.args)
            found[step.equation] = (rounded, replace(step.equation, args=args))
    return found


def added_by(step: Isolate) -> tuple[str, Tree] | None:
    """Return which argument of an additive update is added, and what it is; None if it is no such update."""
    call, equation = step.call, step.equation
    if call.fn not in (jnp.add, jnp.subtract) or step.region is not None or equation.kwargs:
        return None
    others = [name for name in call.arguments if name != step.rule.argument]
    if len(others) != 1 or call.arguments[others[0]] not in equation.args:
        return None
    return others[0], call.arguments[others[0]]


def rounded(step: Isolate, value: Var) -> Isolate:
    """Return `step` with `value` in the place of what is added."""
    added = added_by(step)
    assert added is not None
    arguments = {**step.call.arguments, added[0]: value}
    return replace(step, call=replace(step.call, arguments=arguments))


__all__ = ["ON_GRID", "added_by", "rounded", "updates"]
