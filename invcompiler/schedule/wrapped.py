"""Shifts that wrap around: `(x + a) % m`, where the unknown is known to live in an interval that is no longer than `m`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Apply, Tree, Var
from invcompiler.rules.registry import Refusal
from invcompiler.schedule import affine
from invcompiler.schedule.affine import number
from invcompiler.schedule.plan import Wrapped

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


def invert(solver: Solver) -> Wrapped | None:
    """Return the step that recovers the unknown of the first such value that is known."""
    for equation in solver.graph.equations:
        if not isinstance(equation, Apply) or not affine.is_stuck(solver, equation):
            continue
        call = solver.call(equation)
        if call is None or call.fn is not jnp.remainder:
            continue
        of, modulus = tuple(call.arguments.values())[:2]
        size = _size(solver, modulus)
        form = (
            affine.form_of(solver, of) if isinstance(of, Var) and of not in solver.known else None
        )
        if form is None or size is None or size <= 0 or len(form.coefficients) != 1:
            continue
        ((root, coefficient),) = form.coefficients.items()
        if number(coefficient) not in (1, -1) or not affine.same_shapes(
            solver, (equation.out, root)
        ):
            continue
        interval = solver.context.interval(root)
        if not _fits(interval, size):
            solver.refusals[equation] = Refusal(
                f"`%` gives one value to all that differ by {size:.6g}",
                f"say that the unknown lives in an interval that is no longer, with `domain=inv.Interval(0, {size:.6g}, hi_open=True)`",
            )
            continue
        falls = number(coefficient) == -1
        return Wrapped(equation, equation.out, root, falls, form.offset, modulus, interval)
    return None


def _size(solver: Solver, modulus: Tree) -> float | None:
    """Return the modulus, if the text states it."""
    value = number(modulus)
    if value is not None:
        return float(value)
    array = solver.context.literal_array(modulus)
    return float(array[()]) if array is not None and array.ndim == 0 else None


def _fits(interval: Interval, size: float) -> bool:
    """Whether an interval holds no two numbers that differ by `size`."""
    length = interval.hi - interval.lo
    return math.isfinite(length) and (
        length < size or (length == size and (interval.lo_open or interval.hi_open))
    )
