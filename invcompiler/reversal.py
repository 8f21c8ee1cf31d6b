"""How an adjoint that reconstructs is compiled: which passes, in which order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from invcompiler.errors import InvcompilerError, InversionError
from invcompiler.ir.evaluate import bind_arguments
from invcompiler.ir.nodes import Capture, Equation, Function, Loop, Var
from invcompiler.passes.adjoint_pairs import Pairs
from invcompiler.passes.avals import Avals, abstract_run
from invcompiler.passes.decisions import Decisions, of_plan
from invcompiler.passes.derivative_programs import Subject, generic_subject, subject
from invcompiler.passes.emission import Emission
from invcompiler.passes.hoist_callees import hoist_callees, holds_arrays
from invcompiler.passes.invert import Inverter, Product
from invcompiler.passes.lift_items import lift_items
from invcompiler.passes.normalise import normalise
from invcompiler.passes.recognise import recognise
from invcompiler.passes.reconstruct_calls import Gone, Retracer
from invcompiler.passes.residuals import described
from invcompiler.passes.reversible_programs import reconstructing_program
from invcompiler.pipeline import Reader, finished, session_of, shown
from invcompiler.schedule.facts import Facts, concrete_facts, symbolic_facts
from invcompiler.schedule.functions import FunctionPlan, Session
from invcompiler.schedule.keeping import is_trusted, solve_keeping
from invcompiler.schedule.look import read_again
from invcompiler.schedule.plan import CallInverse, InvertLoop, Plan


@dataclass(frozen=True)
class Reversal:
    """What is asked for: which parameters are recovered, and which have cotangents (None: all, and what is captured).

    What cannot be recovered is kept, if `keeping`; otherwise it is refused. Every `store_every`-th state of a loop is kept. What is added
    is rounded to a grid on which sums are `exact`. `sharded`: for arrays on a mesh with explicit axes. With a `tolerance` the recovered parameters are kept, and
    compared with what is recovered.
    """

    unknown: tuple[int, ...]
    chosen: tuple[int, ...] | None = None
    single: bool = False
    keeping: bool = True
    tolerance: float | None = None
    store_every: int | None = None
    exact: bool = False
    sharded: bool = False


@dataclass(frozen=True, eq=False)
class Compiled:
    """`f_vjp(*args, y_bar)`; the functions that were read for it; arrays whose elements it relies on; captured values with cotangents;
    what is kept because it cannot be undone; the blocks that are gone back through."""

    function: Function
    rests_on: tuple[Function, ...]
    relied: tuple[tuple[Capture, np.ndarray], ...]
    differentiated: tuple[Capture, ...]
    kept: tuple[str, ...] = ()
    gone: tuple[Gone, ...] = ()

    def decisions(self) -> list[Decisions]:
        """Return how the way back has each value of each block that it goes through: the function first."""
        return [
            Decisions(
                gone.place,
                of_plan(
                    Emission(gone.avals),
                    gone.plan,
                    gone.again,
                    gone.context,
                    isinstance(gone.place, Loop),
                ),
                gone.steps,
            )
            for gone in reversed(self.gone)
        ]


def compile_for(
    function: Function, asked: Reversal, args: tuple, kwargs: dict[str, Any]
) -> Compiled:
    """Return the program for arguments that look like `args` and `kwargs`, which are abstract values.

    Cotangents are those of all of them, in order, then those of what is captured. Raises an InvcompilerError that says why the
    parameters cannot be recovered, and whatever the function raises for such arguments.
    """
    function = _read_for(function, asked, args, kwargs)
    reader = Reader({id(function.source): function})
    of = subject(hoist_callees(function, reader), args, kwargs)
    made = recognise(of.function, unknown=_vars(of, asked))
    facts = concrete_facts(made, bind_arguments(made, args, kwargs))
    work = _Work(function, asked, reader)
    plan = work.plan(made, _vars(of, asked), facts)
    by_name = {param.var.name: param.var for param in plan.function.params}
    given = [*of.params[: len(args)], *(by_name[name] for name in kwargs)]
    return work.compiled(plan, abstract_run(plan.function, [(args, kwargs)]), given)


def _read_for(function: Function, asked: Reversal, args: tuple, kwargs: dict[str, Any]) -> Function:
    """Return a function whose text says too little by itself as it reads for these arguments, its loops unrolled if need be."""
    if function.source is not None or function.again is None:
        return function
    facts = concrete_facts(function, bind_arguments(function, args, kwargs))
    unknown = tuple(function.params[number].var for number in asked.unknown)
    for unrolls in (False, True):
        try:
            read = read_again(function, facts, unknown, unrolls)
        except InvcompilerError:
            if unrolls:
                raise
        else:
            return function if read is None else normalise(read)
    return function


def compile_generic(function: Function, asked: Reversal) -> Compiled:
    """Return the program that holds for arguments of any shape. Raises an InvcompilerError if there is none."""
    reader = Reader({id(function.source): function})
    of = generic_subject(hoist_callees(function, reader))
    made = recognise(of.function, unknown=_vars(of, asked))
    facts = symbolic_facts(made, unknown=_vars(of, asked), defaults=False)
    work = _Work(function, asked, reader)
    plan = work.plan(made, _vars(of, asked), facts)
    return work.compiled(plan, Avals(generic=True), list(of.params))


def _vars(of: Subject, asked: Reversal) -> tuple[Var, ...]:
    return tuple(of.params[number] for number in asked.unknown)


@dataclass(frozen=True, eq=False)
class _Work:
    function: Function
    asked: Reversal
    reader: Reader

    def plan(self, made: Function, unknown: tuple[Var, ...], facts: Facts) -> FunctionPlan:
        return self._session.plan(made, unknown, facts, {})

    @property
    def _session(self) -> Session:
        if not self.asked.keeping:
            return session_of(self.reader, _shown)
        exact = session_of(self.reader, _shown, accepts=is_trusted)
        return session_of(
            self.reader, _shown, accepts=is_trusted, solve=solve_keeping, within=exact
        )

    def compiled(self, plan: FunctionPlan, avals: Avals, given: Sequence[Var]) -> Compiled:
        asked = self.asked
        inverter = Inverter(Product(inverse=True), finished)
        checks = asked.tolerance is not None
        retracer = Retracer(
            inverter, checks, asked.store_every, asked.exact, pairs=Pairs(asked.sharded)
        )
        captured = [entry for entry in plan.function.captures if holds_arrays(entry[1])]
        if asked.chosen is None:
            chosen = [*given, *(var for var, _ in captured)]
        else:
            params = [param.var for param in plan.function.params]
            chosen, captured = [params[number] for number in asked.chosen], []
        made = reconstructing_program(retracer, plan, avals, chosen, asked.single, asked.tolerance)
        if not asked.keeping:
            _refuse_stacks(retracer, self.function)
        traced = plan.context.tracing.functions
        rests_on = (self.function, *self.reader.functions.values(), *traced)
        differentiated = tuple(capture for _, capture in captured)
        kept = tuple(dict.fromkeys(_kept_in(plan.plan, plan.context.defining)))
        return Compiled(
            made,
            rests_on,
            tuple(plan.context.relied),
            differentiated,
            kept,
            tuple(retracer.gone.values()),
        )


def _shown(function: Function, facts: Facts, unknown: tuple[Var, ...]) -> tuple[Function, Facts]:
    return lift_items(*shown(function, facts, unknown))


def _kept_in(plan: Plan, defining: Mapping[Var, Equation]) -> Iterator[str]:
    """Yield what is kept, as a user would name it, in the loops and calls of a plan too."""
    for var in plan.kept:
        made = defining.get(var)
        name = var.name or described(made) or "a value"
        span = var.span or (made.span if made is not None else None)
        yield f"`{name}`" + ("" if span is None else f" of line {span.line}")
    for step in plan.steps:
        if isinstance(step, InvertLoop):
            yield from _kept_in(step.plan, defining)
        elif isinstance(step, CallInverse):
            inner = step.entered.solve(step.unknown, step.selection)
            if isinstance(inner, FunctionPlan):
                yield from _kept_in(inner.plan, inner.context.defining)


def _refuse_stacks(retracer: Retracer, function: Function) -> None:
    """Refuse a loop whose states would be collected on the way back, because it is not undone step by step."""
    for equation, reason in retracer.apart.items():
        if isinstance(equation, Loop):
            raise InversionError(
                f"the states of a loop of `{function.name}` must be kept: {reason}",
                span=equation.span,
                function=function.name,
                label="this loop",
                hint='`residuals="auto"` keeps them',
            )


def choices(count: int, preferred: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the sets of parameters that may be recovered: of the preferred ones first, larger ones first, later ones first."""
    others = [number for number in range(count) if number not in preferred]
    for pool in (list(preferred), [*preferred, *others]):
        for size in range(len(pool), 0, -1):
            if len(pool) <= _MANY or size in (1, 2, len(pool)):
                yield from sorted(itertools.combinations(sorted(pool), size), reverse=True)


_MANY = 4  # parameters, of which not all subsets are tried


__all__ = ["Compiled", "Reversal", "choices", "compile_for", "compile_generic"]
