"""Which passes run, and in which order: each product is one composed expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from invcompiler.assumptions import assume
from invcompiler.debugging import IDENTITIES
from invcompiler.errors import (
    BranchError,
    EntangledError,
    InformationDroppedError,
    InvcompilerError,
    NoRuleError,
    SourceUnavailableError,
)
from invcompiler.frontend import calling_stated, calling_unread, read
from invcompiler.ir.evaluate import bind_arguments
from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Capture, Closure, Function, Var
from invcompiler.passes.avals import abstract_run
from invcompiler.passes.batch_axes import check_batch_axes
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.degrees import check_degrees
from invcompiler.passes.derivative_programs import subject
from invcompiler.passes.drop_assumptions import drop_assumptions
from invcompiler.passes.hoist_callees import hoist_callees, holds_arrays
from invcompiler.passes.invert import Inverter, Product
from invcompiler.passes.normalise import normalise
from invcompiler.passes.normalise_structures import show_structures, waits_for_structure
from invcompiler.passes.recognise import recognise
from invcompiler.passes.reconstruct_calls import Retracer
from invcompiler.passes.reversible_programs import reconstructing_program
from invcompiler.passes.simplify import simplify
from invcompiler.passes.tail_calls import tail_calls
from invcompiler.ruled import calling
from invcompiler.schedule.callees import named, unwrapped
from invcompiler.schedule.direct import direct
from invcompiler.schedule.domains import CallInterval, intervals
from invcompiler.schedule.facts import Facts, concrete_facts, facts_again
from invcompiler.schedule.functions import FunctionPlan, Session
from invcompiler.schedule.keeping import is_trusted, solve_keeping
from invcompiler.schedule.look import read_again
from invcompiler.schedule.open_questions import is_open


@dataclass(frozen=True, eq=False)
class Compilation:
    """A generated function; the user's functions that were read for it; captured arrays whose elements it relies on.

    `differentiated` are the captured values whose cotangents it gives.
    """

    function: Function
    rests_on: tuple[Function, ...]
    relied: tuple[tuple[Capture, np.ndarray], ...]
    differentiated: tuple[Capture, ...] = ()


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
    return normalise(calling_stated(target, read) or calling(target) or _read(target))


def _read(target: Any) -> Function:
    """Read the text of a function; one that has none is called, to be traced when shapes are known."""
    try:
        return read(target)
    except SourceUnavailableError as error:
        called = None if error.is_stale else calling_unread(target)
        if called is None:
            raise
        return called


def compile_inverse(
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declare: Callable[[Function], Mapping[Var, Interval]],
    product: Product,
    numeric: bool = False,
) -> Compilation:
    """Return `g(y, *known)`; raise an InvcompilerError that says why there is none.

    `numeric` allows iterative code where there is no closed form.
    """
    reader = Reader({id(function.source): function})
    session, plan = _planned(reader, function, unknown, facts, declare, numeric)
    plan = direct(plan)
    if product.ildj:
        check_degrees(plan)
        if product.batch_ndims:
            check_batch_axes(plan, product.batch_ndims)
    inverse = Inverter(product, _finished).function(plan)
    rests_on = (function, plan.function, *reader.functions.values(), *session.traced)
    return Compilation(inverse, rests_on, tuple(session.relied))


def _planned(
    reader: Reader,
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declare: Callable[[Function], Mapping[Var, Interval]],
    numeric: bool,
) -> tuple[Session, FunctionPlan]:
    """Return the plan of an inverse, in closed form if there is one, else, with `numeric`, with iterative code."""
    session = _session(reader)
    try:
        return session, _closed(session, function, unknown, facts, declare)
    except (EntangledError, NoRuleError, BranchError, InformationDroppedError) as error:
        if numeric:
            session = _session(reader, numeric=True)
            return session, session.plan(function, unknown, facts, declare(function))
        if _is_iterated(function, unknown, facts, declare(function)):
            error.hint = f"pass `numeric=True` to solve it by iteration, or {error.hint}"
        raise


def _closed(
    session: Session,
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declare: Callable[[Function], Mapping[Var, Interval]],
) -> FunctionPlan:
    """Return the plan of a function as it was read, or else as it reads for these arguments, in less and less of the user's form.

    Refusals speak of the function as it was read, unless it is what that shows which is in the way.
    """
    try:
        return session.plan(function, unknown, facts, declare(function))
    except InvcompilerError as error:
        refusal = last = error
    for unrolls in (False, True):
        read_once_more = read_again(function, facts, unknown, unrolls)
        if read_once_more is None:
            break
        again = recognise(normalise(read_once_more), unknown=unknown)
        try:
            return session.plan(again, unknown, facts_again(again, facts), declare(again))
        except InvcompilerError as error:
            last = error
    raise last if is_open(function, unknown, refusal.span, waits_for_structure) else refusal


def _is_iterated(
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declared: Mapping[Var, Interval],
) -> bool:
    """Whether there is an inverse if iterative code is allowed."""
    session = _session(Reader({id(function.source): function}), numeric=True)
    return isinstance(session.planned(function, unknown, facts, declared, None), FunctionPlan)


def _session(reader: Reader, **options: Any) -> Session:
    return Session(reader, _intervals, _recognised, show_structures, waits_for_structure, **options)


def _recognised(function: Function, unknown: tuple[Var, ...]) -> Function:
    return recognise(function, unknown=unknown)


def _finished(made: Function, facts: Facts) -> Function:
    return tail_calls(dead_code(simplify(drop_assumptions(made, assume, *IDENTITIES), facts)))


def plan_of(
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declare: Callable[[Function], Mapping[Var, Interval]],
    numeric: bool = False,
) -> FunctionPlan:
    """Return the plan of an inverse; raise an InvcompilerError that says why there is none."""
    reader = Reader({id(function.source): function})
    return _planned(reader, function, unknown, facts, declare, numeric)[1]


def _intervals(
    function: Function, facts: Facts, declared: Mapping[Var, Interval], result_of: CallInterval
) -> Mapping[Var, Interval]:
    return intervals(function, facts, declared, assume=assume, result_of=result_of)


def compile_reversible(
    function: Function,
    numbers: Sequence[int],
    args: tuple,
    kwargs: dict[str, Any],
    tolerance: float | None,
    keeping: bool = True,
) -> Compilation:
    """Return `f_vjp(*args, y_bar)`, whose walk back recovers the parameters `numbers` from the output.

    What cannot be recovered is kept, if `keeping`.
    `args` and `kwargs` are abstract values. Cotangents are those of all of them, in order, then of what is captured.
    Raises an InvcompilerError that says why they cannot be recovered.
    """
    reader = Reader({id(function.source): function})
    session = _session(reader, accepts=is_trusted) if keeping else _session(reader)
    of = subject(hoist_callees(function, reader), args, kwargs)
    unknown = tuple(of.params[number] for number in numbers)
    made = recognise(of.function, unknown=unknown)
    facts = concrete_facts(made, bind_arguments(made, args, kwargs))
    if keeping:
        inner = session
        session = _session(reader, accepts=is_trusted, solve=solve_keeping, within=inner)
    plan = session.plan(made, unknown, facts, {})
    avals = abstract_run(plan.function, [(args, kwargs)])
    retracer = Retracer(Inverter(Product(inverse=True), _finished), tolerance is not None)
    by_name = {param.var.name: param.var for param in plan.function.params}
    chosen = [param.var for param in plan.function.params[: len(args)]]
    chosen += [by_name[name] for name in kwargs]
    captured = [entry for entry in plan.function.captures if holds_arrays(entry[1])]
    chosen += [var for var, _ in captured]
    program = reconstructing_program(retracer, plan, avals, chosen, False, tolerance)
    rests_on = (function, *reader.functions.values())
    differentiated = tuple(capture for _, capture in captured)
    return Compilation(program, rests_on, tuple(session.relied), differentiated)
