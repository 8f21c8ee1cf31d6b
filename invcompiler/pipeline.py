"""Which passes run, and in which order: each product is one composed expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from invcompiler.assumptions import assume
from invcompiler.debugging import IDENTITIES
from invcompiler.frontend import read
from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Capture, Closure, Function, Var
from invcompiler.passes.batch_axes import check_batch_axes
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.degrees import check_degrees
from invcompiler.passes.drop_assumptions import drop_assumptions
from invcompiler.passes.invert import Inverter, Product
from invcompiler.passes.normalise import normalise
from invcompiler.passes.normalise_structures import show_structures, waits_for_structure
from invcompiler.passes.recognise import recognise
from invcompiler.passes.simplify import simplify
from invcompiler.passes.tail_calls import tail_calls
from invcompiler.ruled import calling
from invcompiler.schedule.callees import named, unwrapped
from invcompiler.schedule.domains import CallInterval, intervals
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.functions import FunctionPlan, Session


@dataclass(frozen=True, eq=False)
class Compilation:
    """A generated function; the user's functions that were read for it; captured arrays whose elements it relies on."""

    function: Function
    rests_on: tuple[Function, ...]
    relied: tuple[tuple[Capture, np.ndarray], ...]


@dataclass(eq=False)
class Reader:
    """Reads functions for one compilation, each once."""

    functions: dict[Any, Function] = field(default_factory=dict)

    def __call__(self, target: Any) -> Function:
        key = target if isinstance(target, Closure) else id(target)
        if key not in self.functions:
            self.functions[key] = named(read_normal(target))
        return self.functions[key]


def prepare(target: Any) -> Function:
    """Read a Python function, in the forms that the scheduler knows."""
    return recognise(read_normal(target))


def read_normal(target: Any) -> Function:
    """Read a Python function; where values are computed stays as the text has it."""
    if isinstance(target, Closure):
        return normalise(target.lower())
    target = unwrapped(target)
    program = getattr(target, "__invcompiler_function__", None)
    if program is not None:
        return normalise(program())
    return normalise(calling(target) or read(target))


def compile_inverse(
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declared: Mapping[Var, Interval],
    product: Product,
) -> Compilation:
    """Return `g(y, *known)`; raise an InvcompilerError that says why there is none."""
    reader = Reader({id(function.source): function})
    session = session_of(reader)
    plan = session.plan(function, unknown, facts, declared)
    if product.ildj:
        check_degrees(plan)
        if product.batch_ndims:
            check_batch_axes(plan, product.batch_ndims)
    inverse = Inverter(product, finished).function(plan)
    rests_on = (function, *reader.functions.values())
    return Compilation(inverse, rests_on, tuple(session.relied))


def session_of(reader: Reader, **options: Any) -> Session:
    return Session(
        reader, _intervals, _recognised, show_structures, waits_for_structure, **options
    )


def _recognised(function: Function, unknown: tuple[Var, ...]) -> Function:
    return recognise(function, unknown=unknown)


def finished(made: Function, facts: Facts) -> Function:
    return tail_calls(dead_code(simplify(drop_assumptions(made, assume, *IDENTITIES), facts)))


def plan_of(
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declared: Mapping[Var, Interval],
) -> FunctionPlan:
    """Return the plan of an inverse; raise an InvcompilerError that says why there is none."""
    return session_of(Reader({id(function.source): function})).plan(
        function, unknown, facts, declared
    )


def _intervals(
    function: Function, facts: Facts, declared: Mapping[Var, Interval], result_of: CallInterval
) -> Mapping[Var, Interval]:
    return intervals(function, facts, declared, assume=assume, result_of=result_of)
