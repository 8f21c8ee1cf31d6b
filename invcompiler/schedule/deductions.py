"""What several equations together, or a part of a value that is known before, determine: tried when no single equation can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invcompiler.ir.nodes import Apply
from invcompiler.schedule import halves, normalised, projected, recurrences, sticks, triangular
from invcompiler.schedule.plan import Deduce

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_FAMILIES = (normalised, sticks, triangular, halves, recurrences, projected)


def deduce(solver: Solver, equation: Apply) -> Deduce | None:
    for family in _FAMILIES:
        step = family.deduce(solver, equation)
        if step is not None and step.solved not in solver.known:
            return step
    return None


def waits_for_shapes(solver: Solver, equation: Apply) -> bool:
    """Whether more may be said of an equation once the shapes of its operands are known."""
    if solver.context.facts.is_concrete:
        return False
    attempts = (normalised, sticks, triangular, halves, projected)
    return any(attempt.waits_for_shapes(solver, equation) for attempt in attempts)
