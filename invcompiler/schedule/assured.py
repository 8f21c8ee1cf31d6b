"""Known values whose signs decide on which branch of a function another one is: they are taken to be positive.

`1 - (1 - x**a)**b` on the unit interval, `(x / scale)**k` for positive x: shapes and scales of distributions are positive, and the text does
not say so. The inverse says it, and gives NaN where it does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from invcompiler.errors import InvcompilerError
from invcompiler.ir.interval import POSITIVE, Interval
from invcompiler.ir.nodes import Var
from invcompiler.schedule.context import Context
from invcompiler.schedule.plan import Plan

_MOST = 8  # known values that are tried


def with_positive(
    context: Context, attempt: Callable[[], Plan]
) -> tuple[Plan, tuple[Var, ...]] | None:
    """Return a plan, and the fewest known values that must be positive for it; None if there is none.

    `attempt` makes a plan with the intervals that the context has then, or raises.
    """
    if any(context.is_container(var) for var in context.unknown):
        return None
    plain = context.intervals
    chosen = tuple(_candidates(context))
    plan = _with(context, chosen, attempt) if 0 < len(chosen) <= _MOST else None
    if plan is None:
        context.intervals = plain
        return None
    for var in chosen:
        fewer = tuple(other for other in chosen if other is not var)
        found = _with(context, fewer, attempt) if fewer else None
        if found is not None:
            chosen, plan = fewer, found
    context.intervals = _narrowed(context, chosen)
    return plan, chosen


def _with(context: Context, positive: tuple[Var, ...], attempt: Callable[[], Plan]) -> Plan | None:
    context.intervals = _narrowed(context, positive)
    try:
        return attempt()
    except InvcompilerError:
        return None


def _narrowed(context: Context, positive: tuple[Var, ...]) -> Mapping[Var, Interval]:
    return context.narrow(dict.fromkeys(positive, POSITIVE))


def _candidates(context: Context) -> Iterator[Var]:
    """Yield the known arguments and captured values that may be positive numbers, of which that is not known."""
    function = context.function
    known = [p.var for p in function.params if p.var not in context.unknown]
    for var in (*known, *(var for var, _ in function.captures)):
        interval = context.interval(var)
        dtype, today = context.facts.dtype(var), context.facts.array_value(var)
        if interval.is_positive or interval.hi <= 0 or context.facts.static(var) is not None:
            continue
        if context.is_container(var) or (dtype is not None and np.dtype(dtype).kind not in "fV"):
            continue
        if today is None or (np.asarray(today) > 0).all():
            yield var
