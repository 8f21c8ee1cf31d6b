"""What was decided about the values of one block of an adjoint: how each is had on the way back, and at what cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from invcompiler.ir.interval import Interval, point
from invcompiler.ir.nodes import Apply, Const, Equation, Loop, Span, Tree, Var
from invcompiler.ir.walk import operands
from invcompiler.passes.cheapest import bytes_of
from invcompiler.passes.emission import Emission
from invcompiler.passes.residuals import Kept, described
from invcompiler.passes.work import work
from invcompiler.rules import canonical as forms
from invcompiler.rules.registry import Kind
from invcompiler.schedule.context import Context
from invcompiler.schedule.plan import (
    CallInverse,
    Forward,
    InvertLoop,
    Isolate,
    Plan,
    ShapeQuery,
    Step,
)

KEPT, AGAIN, UNDONE, AT_HAND = "kept", "computed again", "undone", "at hand"


@dataclass(frozen=True)
class Decision:
    """How the way back has one value: its size in bytes and the operations to have it, where known; `risk` says what may go wrong."""

    name: str
    way: str
    bytes: int | None = None
    work: int | None = None
    span: Span | None = None
    risk: str | None = None


@dataclass(frozen=True)
class Decisions:
    """What was decided in a function, or for each of the `steps` of a loop of it."""

    place: str | Loop
    every: tuple[Decision, ...]
    steps: int | None = None


# ---- an adjoint that saves, or chooses by cost --------------------------------------------------------


def of_kept(forward: Emission, kept: Kept) -> tuple[Decision, ...]:
    """Return what `kept` says of the values that the way back reads."""
    return tuple(_of_kept(forward, kept))


def _of_kept(forward: Emission, kept: Kept) -> Iterator[Decision]:
    made: dict[Var, Equation] = {out: e for e in forward.equations for out in e.outs}

    def about(var: Var, way: str, count: int | None = None) -> Decision:
        name = var.name or forward.names.get(var) or described(made.get(var)) or "a value"
        span = var.span or (made[var].span if var in made else None)
        return Decision(name, way, _size(forward, var), count, span)

    for var in kept.residuals:
        if not isinstance(made.get(var), Loop):  # what its steps keep is said there
            yield about(var, KEPT)
    for var in kept.free:
        yield about(var, AT_HAND)
    for equation in kept.views:
        for var in equation.outs:
            if var in made or var in kept.works:
                way = UNDONE if var in kept.undone else AGAIN
                yield about(var, way, kept.works.get(var, 0))


def _size(emit: Emission, var: Var) -> int | None:
    known = emit.ask(bytes_of, var)
    return None if known is None else known.value


# ---- an adjoint that reconstructs -----------------------------------------------------------------------


def of_plan(
    emit: Emission, plan: Plan, again: Sequence[Equation], context: Context, in_loop: bool
) -> tuple[Decision, ...]:
    """Return what `plan` says of the values that it makes known, and of those that are computed `again` for their cotangents."""
    found = [_known(emit, context, var, KEPT) for var in plan.kept]
    planned: set[Equation] = set()
    for step in plan.steps:
        if isinstance(step, Forward):
            planned.add(step.equation)
        if isinstance(step, ShapeQuery) or (
            isinstance(step, Forward) and not _tainted(context, step)
        ):
            continue
        count = _work(emit, getattr(step, "equation", None))
        way = AGAIN if isinstance(step, Forward) else UNDONE
        for number, var in enumerate(step.solves):
            risk = None if way is AGAIN else _risk(emit, context, step, var, in_loop)
            found.append(_known(emit, context, var, way, 0 if number else count, risk, step))
    for equation in again:
        if equation not in planned and not context.tainted.isdisjoint(equation.outs):
            count = _work(emit, equation)
            found += [_known(emit, context, var, AGAIN, count) for var in equation.outs]
    return tuple(dict.fromkeys(found))


def _tainted(context: Context, step: Forward) -> bool:
    return any(out in context.tainted for out in step.equation.outs)


def _known(
    emit: Emission,
    context: Context,
    var: Var,
    way: str,
    count: int | None = None,
    risk: str | None = None,
    step: Step | None = None,
) -> Decision:
    made = context.defining.get(var)
    name = var.name or described(made) or context.name_of(var) or "a value"
    span = var.span or (made.span if made is not None else None)
    if isinstance(step, CallInverse | InvertLoop):
        count, span = None, step.equation.span or span  # a section of its own says
    return Decision(name, way, _size(emit, var), count, span, risk)


def _work(emit: Emission, equation: object) -> int | None:
    if not isinstance(equation, Apply):
        return None
    values = {var: emit.aval(var) for var in operands(equation)}
    return None if any(value is None for value in values.values()) else work(equation, values)


# ---- what may go wrong ----------------------------------------------------------------------------------


def _risk(emit: Emission, context: Context, step: Step, var: Var, in_loop: bool) -> str | None:
    """Return how undoing `var` loses digits, as far as can be seen."""
    if isinstance(step, CallInverse | InvertLoop):
        return None
    if not isinstance(step, Isolate) or step.rule.kind is Kind.STRUCTURAL:
        return None
    narrow = _narrow(emit, var)
    if narrow is not None:
        return f"undone in {narrow}: 16 bits leave few digits, and each step loses more; let the stream of states be float32"
    call = step.call
    if call.fn in _PRODUCTS:
        other = next((t for n, t in call.arguments.items() if n != step.rule.argument), None)
        is_divided = call.fn is _DIVIDE
        return None if other is None else _by_factor(context, other, is_divided, in_loop)
    if step.rule.kind is Kind.LINEAR:
        return "undone by a linear solve: the condition number of the matrix is lost in digits"
    return None


_MULTIPLY, _DIVIDE = (forms.key_of(fn) for fn in (jax.numpy.multiply, jax.numpy.divide))
_PRODUCTS = (_MULTIPLY, _DIVIDE)


def _narrow(emit: Emission, var: Var) -> str | None:
    known = emit.ask(lambda x: getattr(x, "dtype", None), var)
    dtype = None if known is None else known.value
    if dtype is None or not jax.numpy.issubdtype(dtype, jax.numpy.inexact) or dtype.itemsize > 2:
        return None
    return np.dtype(dtype).name


def _by_factor(context: Context, factor: Tree, is_divided: bool, in_loop: bool) -> str | None:
    value = factor.value if isinstance(factor, Const) else None
    interval = context.interval(factor) if value is None else None
    if isinstance(value, int | float):
        interval = point(float(value))
    assert interval is not None
    if is_divided and 0.0 not in interval:
        interval = interval.reciprocal()
    often = " at each step" if in_loop else ""
    shown = f"{value:g}" if isinstance(value, int | float) else _name(context, factor)
    shown = f"1 / {shown}" if is_divided else shown
    if _contracts(interval):
        return f"the factor {shown} is below one: undoing it magnifies rounding errors{often}"
    if value is None and not _expands(interval):
        return f"the factor {shown} may be below one, and then undoing it magnifies rounding errors{often}"
    return None


def _contracts(interval: Interval) -> bool:
    return -1 <= interval.lo and interval.hi <= 1 and not _expands(interval)


def _expands(interval: Interval) -> bool:
    return interval.lo >= 1 or interval.hi <= -1


def _name(context: Context, tree: Tree) -> str:
    if not isinstance(tree, Var):
        return "that it is multiplied by"
    made = context.defining.get(tree)
    name = tree.name
    if name is None and isinstance(made, Apply):
        inner = next((n for v in operands(made) if (n := v.name or context.name_of(v))), None)
        called = described(made)
        name = f"{called}({inner})" if called and inner else called
    name = name or context.name_of(tree)
    return f"`{name}`" if name else "that it is multiplied by"


__all__ = ["AGAIN", "AT_HAND", "KEPT", "UNDONE", "Decision", "Decisions", "of_kept", "of_plan"]
