"""Which passes run, and in which order: each product is one composed expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from invcompiler.assumptions import assume
from invcompiler.debugging import IDENTITIES
from invcompiler.errors import (
    BranchError,
    DegreesOfFreedomError,
    EntangledError,
    InformationDroppedError,
    InvcompilerError,
    NoRuleError,
    SourceUnavailableError,
    UnsupportedSyntaxError,
)
from invcompiler.frontend import calling_stated, calling_unread, mapped, read, read_later
from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Capture, Closure, Function, Var
from invcompiler.passes.batch_axes import check_batch_axes
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.degrees import check_degrees
from invcompiler.passes.drop_assumptions import drop_assumptions
from invcompiler.passes.invert import Inverter, Product
from invcompiler.passes.normalise import normalise
from invcompiler.passes.normalise_differences import show_differences
from invcompiler.passes.normalise_joined import show_joined
from invcompiler.passes.normalise_products import show_products
from invcompiler.passes.normalise_structures import show_structures, waits_for_structure
from invcompiler.passes.recognise import recognise
from invcompiler.passes.simplify import simplify
from invcompiler.passes.tail_calls import tail_calls
from invcompiler.ruled import calling
from invcompiler.schedule.callees import named, unwrapped
from invcompiler.schedule.direct import direct
from invcompiler.schedule.domains import CallInterval, intervals
from invcompiler.schedule.facts import Facts, facts_again
from invcompiler.schedule.functions import FunctionPlan, Session
from invcompiler.schedule.look import read_again
from invcompiler.schedule.numeric import is_proven
from invcompiler.schedule.open_questions import is_open
from invcompiler.schedule.plan import Numeric
from invcompiler.wrapped import with_signature

Made = TypeVar("Made")
Show = Callable[[Function, Facts, tuple[Var, ...]], tuple[Function, Facts]]


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


def read_now_or_later(f: Any) -> Function:
    """Read a function; where its text alone says too little, for each call."""
    try:
        return with_signature(read_normal(f), f)
    except UnsupportedSyntaxError:
        f = unwrapped(f)
        if mapped(f) is not None:
            raise
        return read_later(f)


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

    def written(plan: FunctionPlan) -> tuple[FunctionPlan, Function]:
        plan = direct(plan)
        if product.ildj:
            check_degrees(plan)
            if product.batch_ndims:
                check_batch_axes(plan, product.batch_ndims)
        return plan, Inverter(product, finished).function(plan)

    session, (plan, inverse) = _planned(reader, function, unknown, facts, declare, numeric, written)
    rests_on = (function, plan.function, *reader.functions.values(), *session.traced)
    return Compilation(inverse, rests_on, tuple(session.relied))


def _planned(
    reader: Reader,
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declare: Callable[[Function], Mapping[Var, Interval]],
    numeric: bool,
    use: Callable[[FunctionPlan], Made],
) -> tuple[Session, Made]:
    """Return what `use` makes of the plan of an inverse: in closed form if there is one, else, with `numeric`, with iterative code."""
    session = session_of(reader)
    try:
        return session, _closed(session, function, unknown, facts, declare, use)
    except (EntangledError, NoRuleError, BranchError, InformationDroppedError) as error:
        if numeric:
            session = session_of(reader, numeric=True)
            return session, use(session.plan(function, unknown, facts, declare(function)))
        if _is_iterated(function, unknown, facts, declare(function), error):
            error.hint = f"pass `numeric=True` to solve it by iteration, or {error.hint}"
        raise


def _closed(
    session: Session,
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declare: Callable[[Function], Mapping[Var, Interval]],
    use: Callable[[FunctionPlan], Made],
) -> Made:
    """Use the plan of a function as it was read, or else as it reads for these arguments, in less and less of the user's form.

    Refusals speak of the function as it was read, unless it is what that shows which is in the way.
    """
    try:
        return use(session.plan(function, unknown, facts, declare(function)))
    except DegreesOfFreedomError:
        raise
    except InvcompilerError as error:
        refusal = last = error
    for unrolls in (False, True):
        try:
            read_once_more = read_again(function, facts, unknown, unrolls)
            if read_once_more is None:
                break
            again = recognise(normalise(read_once_more), unknown=unknown)
            return use(session.plan(again, unknown, facts_again(again, facts), declare(again)))
        except InvcompilerError as error:
            last = error
    raise last if is_open(function, unknown, refusal.span, waits_for_structure) else refusal


def _is_iterated(
    function: Function,
    unknown: tuple[Var, ...],
    facts: Facts,
    declared: Mapping[Var, Interval],
    error: InvcompilerError,
) -> bool:
    """Whether there is an inverse if iterative code is allowed; where values are dropped, one that is proven."""
    session = session_of(Reader({id(function.source): function}), numeric=True)
    found = session.planned(function, unknown, facts, declared, None)
    if not isinstance(found, FunctionPlan):
        return False
    steps = [step for step in found.plan.steps if isinstance(step, Numeric)]
    is_proven_throughout = bool(steps) and all(map(is_proven, steps))
    return is_proven_throughout or not isinstance(error, InformationDroppedError)


def shown(function: Function, facts: Facts, unknown: tuple[Var, ...]) -> tuple[Function, Facts]:
    """Return a function of the same value with what its shapes show written out, and the facts about it."""
    function, facts = show_structures(function, facts, unknown)
    function, facts = show_differences(function, facts, unknown)
    return show_joined(*show_products(function, facts, unknown), unknown)


def session_of(reader: Reader, show: Show = shown, **options: Any) -> Session:
    return Session(reader, _intervals, _recognised, show, waits_for_structure, **options)


def _recognised(function: Function, unknown: tuple[Var, ...]) -> Function:
    return recognise(function, unknown=unknown)


def finished(made: Function, facts: Facts) -> Function:
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
    return _planned(reader, function, unknown, facts, declare, numeric, lambda plan: plan)[1]


def _intervals(
    function: Function, facts: Facts, declared: Mapping[Var, Interval], result_of: CallInterval
) -> Mapping[Var, Interval]:
    return intervals(function, facts, declared, assume=assume, result_of=result_of)
