"""Which passes run, and in which order: each product is one composed expression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invcompiler.frontend import read
from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Closure, Function, Var
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.invert import Inverter, Product
from invcompiler.passes.recognise import recognise
from invcompiler.passes.simplify import simplify
from invcompiler.schedule.domains import intervals
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.functions import Session


def prepare(target: Any) -> Function:
    """Read a Python function, in the forms that the scheduler knows."""
    function = target.lower() if isinstance(target, Closure) else read(target)
    return recognise(function)


def inverse_program(
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declared: Mapping[Var, Interval],
    product: Product,
) -> Function:
    """Return `g(y, *known)`; raise an InvcompilerError that says why there is none."""
    session = Session(prepare, intervals)
    plan = session.plan(function, unknown, facts, declared)
    return dead_code(simplify(Inverter(product).function(plan)))
