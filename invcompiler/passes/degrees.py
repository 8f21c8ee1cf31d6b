"""Whether every number of the output is needed to recover the unknowns: only then is there a log-determinant.

A value that the plan does not use is redundant: `(x, exp(x))` has more outputs than unknowns, whatever their shapes are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import jax.numpy as jnp

from invcompiler.errors import DegreesOfFreedomError
from invcompiler.ir.nodes import Apply, Equation, Function, Span, Var
from invcompiler.ir.walk import leaves
from invcompiler.schedule.functions import FunctionPlan
from invcompiler.schedule.live import live_steps, read_by


def check_degrees(plan: FunctionPlan) -> None:
    """Raise DegreesOfFreedomError if a part of the output is not needed, or is there twice."""
    outputs = [leaf for tree in plan.outputs for leaf in leaves(tree)]
    used = {var for step in live_steps(plan.plan) for var in read_by(step)} | set(plan.unknown)
    seen: set[Var] = set()
    _check_sizes(plan, outputs)
    for leaf in outputs:
        if leaf not in plan.context.tainted:
            raise _redundant(plan, leaf, "this value does not depend on the unknown")
        if leaf in seen:
            raise _redundant(plan, leaf, "this value is returned twice")
        if leaf not in used:
            raise _redundant(plan, leaf, "the unknown follows from the other outputs alone")
        seen.add(leaf)


def _check_sizes(plan: FunctionPlan, outputs: list[Var]) -> None:
    """Compare the number of elements where shapes tell it, in whatever terms."""
    for equation in plan.function.body.equations:
        parts = _stacked(plan, equation)
        twice = [v for i, v in enumerate(parts) if v in parts[:i] and v in plan.context.tainted]
        if twice:
            raise _redundant(plan, equation.outs[0], "the same value stands here twice")
    counts = [_elements(plan, vars_) for vars_ in (plan.unknown, outputs)]
    if None not in counts and counts[0] != counts[1]:
        why = f"{counts[1]} numbers come out, {counts[0]} go in"
        raise _redundant(plan, outputs[0], why)
    if len(outputs) != 1 or len(plan.unknown) != 1:
        return
    before, after = (plan.context.facts.dtype(v) for v in (plan.unknown[0], outputs[0]))
    if before is not None and after is not None and (before.kind == "c") != (after.kind == "c"):
        raise _redundant(plan, outputs[0], "a complex number holds two real ones")


def _elements(plan: FunctionPlan, vars_: Iterable[Var]) -> int | None:
    """Return how many elements arrays of known shape hold together."""
    total = 0
    for var in vars_:
        shape = plan.context.concrete_shape(var)
        if shape is None:
            return None
        dtype = plan.context.facts.dtype(var)
        total += math.prod(shape) * (2 if dtype is not None and dtype.kind == "c" else 1)
    return total


def _stacked(plan: FunctionPlan, equation: Equation) -> list[Var]:
    call = plan.context.call(equation) if isinstance(equation, Apply) else None
    if call is None or call.fn not in (jnp.concatenate, jnp.stack):
        return []
    return list(leaves(next(iter(call.arguments.values()))))


def _last_span(function: Function) -> Span | None:
    spans = [e.span for e in function.body.equations if e.span is not None]
    return max(spans, key=lambda s: (s.end_line, s.end_col)) if spans else function.span


def _redundant(plan: FunctionPlan, leaf: Var, why: str) -> DegreesOfFreedomError:
    made = plan.context.defining.get(leaf)
    function = plan.function
    return DegreesOfFreedomError(
        f"`{function.name}` returns more numbers than it takes: it has no log-det-Jacobian",
        span=(made.span if made is not None else None) or _last_span(function),
        function=function.name,
        label=why,
        known=("the output",),
        missing=(),
        hint="`inv.inverse` works; for a log-det, return each number once",
    )
