"""Functions with a table of bins: in which bin the unknown is, is found out from the value.

`k = jnp.searchsorted(knots, x) - 1` and what is looked up by it depend on `x` by comparisons alone (`schedule/bins.py`). Where the
function is seen to increase (`schedule/rising.py`), the value compares with the values at the knots as `x` does with the knots.
What is looked up is known then, and the rest is inverted as if it were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from invcompiler.errors import InvcompilerError
from invcompiler.ir.nodes import Apply, Block, Display, Equation, Var
from invcompiler.ir.walk import map_operands, operands
from invcompiler.rules.registry import Kind
from invcompiler.schedule.bins import table_of
from invcompiler.schedule.not_iterated import NotIterated
from invcompiler.schedule.plan import Collect, Forward, Isolate, Lookup, Quadratic, Ratio, Wrapped
from invcompiler.schedule.rising import NotSeen, rising

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


def look_up(solver: Solver, equation: Equation, source: Var) -> Lookup | None:
    """Return the step that recovers `source` from the value of `equation`, to which a table leads; note why there is none."""
    out = equation.outs[0]
    table = table_of(solver, out, source)
    if table is None:
        return None
    tainted = solver.context.tainted
    seen = rising(solver.context, table, lambda var: var not in tainted)
    if isinstance(seen, NotSeen):
        solver.refusals[equation] = NotIterated(
            seen.reason, _LATER if seen.waits else _HINT, waits=seen.waits
        )
        return None
    context = solver.context.on(seen.intervals)
    table = replace(table, smooth=_without(table.smooth, seen.same))
    block = Block((), table.smooth, Display(tuple, (out,)))
    reads = {var for e in table.smooth for var in operands(e)}
    given = [out, *table.entries, *(var for var in reads if var in solver.known)]
    try:
        plan = solver.solve_within(block, tuple(dict.fromkeys(given)), (source,), context)
    except InvcompilerError as error:
        solver.refusals[equation] = error
        return None
    if not all(acts_on_elements(step) for step in plan.steps):
        return None
    return Lookup(equation, out, source, table, seen, block, plan, context)


def _without(smooth: tuple[Apply, ...], same: Mapping[Var, Var]) -> tuple[Apply, ...]:
    """Return equations without those that change nothing."""
    kept = (map_operands(lambda v: same.get(v, v), e) for e in smooth if e.out not in same)
    return tuple(e for e in kept if isinstance(e, Apply))


_LATER = "call the inverse: shapes are known then"
_HINT = "state the inverse with `inv.custom_inverse`"


def acts_on_elements(step: Any) -> bool:
    match step:
        case Isolate(rule=rule):
            return rule.kind is Kind.ELEMENTWISE
        case Forward() | Collect() | Ratio() | Quadratic() | Lookup() | Wrapped():
            return True
        case _:
            return False
