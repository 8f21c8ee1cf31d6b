"""Whether every number of the output is needed to recover the unknowns: only then is there a log-determinant.

A value that the plan does not use is redundant: `(x, exp(x))` has more outputs than unknowns, whatever their shapes are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import jax.numpy as jnp

from invcompiler.errors import DegreesOfFreedomError
from invcompiler.ir.nodes import Apply, Equation, Function, Span, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.registry import Kind
from invcompiler.schedule.bands import FULL, support
from invcompiler.schedule.copies import COPIES
from invcompiler.schedule.functions import FunctionPlan
from invcompiler.schedule.live import live_steps, read_by
from invcompiler.schedule.plan import (
    CallInverse,
    Deduce,
    Forward,
    InvertBranch,
    InvertLoop,
    Isolate,
    Join,
    Pieces,
    Plan,
    Read,
    ShapeQuery,
    Step,
)


def check_degrees(plan: FunctionPlan) -> None:
    """Raise DegreesOfFreedomError if a part of the output is not needed, or is there twice."""
    outputs = [leaf for tree in plan.outputs for leaf in leaves(tree)]
    used = {var for step in live_steps(plan.plan) for var in read_by(step)} | set(plan.unknown)
    seen: set[Var] = set()
    _check_sizes(plan, outputs)
    _check_steps(plan)
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
    for leaf in outputs if None in counts else ():
        made = plan.context.defining.get(leaf)
        call = plan.context.call(made) if isinstance(made, Apply) else None
        if call is not None and call.fn in COPIES and leaf in plan.context.tainted:
            raise _redundant(plan, leaf, "this value holds more numbers than what it copies")
    if len(outputs) != 1 or len(plan.unknown) != 1:
        return
    before, after = (plan.context.facts.dtype(v) for v in (plan.unknown[0], outputs[0]))
    if before is not None and after is not None and (before.kind == "c") != (after.kind == "c"):
        raise _redundant(plan, outputs[0], "a complex number holds two real ones")


def _check_steps(plan: FunctionPlan) -> None:
    """Raise DegreesOfFreedomError where a value holds fewer free numbers than elements, and a step counts them all.

    Triangular matrices have zeros, which elementwise steps leave out; a symmetric matrix has each number twice, which is allowed for where
    it is what is recovered. A normalised value has one number too many if it is not completed from the others.
    """
    _check_plan(plan, plan.plan, plan.unknown)


def _check_plan(owner: FunctionPlan, plan: Plan, unknown: Sequence[Var]) -> None:
    live = live_steps(plan)
    completed = {step.of.whole for step in live if isinstance(step, Deduce) and step.of is not None}
    for step in live:
        if isinstance(step, Deduce) and step.spare is not None and step.spare not in completed:
            raise _with_hint(
                _redundant(owner, step.spare, "one of these numbers follows from the others"),
                "`inv.inverse` works; for a log-det, return all numbers but one: `y[..., :-1]`",
            )
        for inner in _inner_plans(step):
            _check_plan(owner, inner, ())
        if isinstance(step, _PLAIN) or _is_by_element(step):
            continue
        for var in step.solves:
            if support(var, owner.context) != FULL:
                raise _constrained(
                    owner, step, "this triangular matrix has zeros, which are not free"
                )
        if _takes_factor(step) and not set(step.solves) <= set(unknown):
            raise _constrained(owner, step, "a symmetric matrix has each number twice")


def _inner_plans(step: Step) -> Sequence[Plan]:
    match step:
        case InvertLoop(plan=plan):
            return (plan,)
        case InvertBranch(plans=plans):
            return plans
        case Pieces(ways=ways):
            return [way.plan for way in ways]
        case _:
            return ()


def _takes_factor(step: Step) -> bool:
    """Whether a step recovers a symmetric matrix from its Cholesky factor, itself or in a callee."""
    if isinstance(step, Isolate):
        return step.rule.fn is jnp.linalg.cholesky
    if not isinstance(step, CallInverse):
        return False
    inner = step.entered.solve(step.unknown, step.selection)
    return isinstance(inner, FunctionPlan) and any(map(_takes_factor, inner.plan.steps))


def _with_hint(error: DegreesOfFreedomError, hint: str) -> DegreesOfFreedomError:
    error.hint = hint
    return error


_PLAIN = (Forward, ShapeQuery, Read, Join, Deduce)


def _is_by_element(step: Step) -> bool:
    return isinstance(step, Isolate) and step.rule.kind in (Kind.ELEMENTWISE, Kind.STRUCTURAL)


def _constrained(plan: FunctionPlan, step: Step, why: str) -> DegreesOfFreedomError:
    equation = getattr(step, "equation", None)
    return DegreesOfFreedomError(
        f"the log-determinant of `{plan.function.name}` is not followed through values with fewer free numbers than elements",
        span=equation.span if equation is not None else _last_span(plan.function),
        function=plan.function.name,
        label=why,
        known=("the output",),
        missing=(),
        hint="`inv.inverse` works; for a log-det, map the free numbers to as many",
    )


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
