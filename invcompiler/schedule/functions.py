"""Planning whole functions: which parameters are unknown, what of the value is known, and the functions that it calls.

One `Session` plans one product: each function is planned once for each pattern of unknowns, however often it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from invcompiler.errors import InvcompilerError
from invcompiler.ir.interval import REAL, Interval
from invcompiler.ir.nodes import Apply, Capture, Const, Display, Function, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.schedule.callees import bind, callee_of
from invcompiler.schedule.context import Context
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.plan import Plan
from invcompiler.schedule.solve import solve

Selection = tuple[Any, ...] | None


@dataclass(frozen=True, eq=False)
class FunctionPlan:
    """How to recover `unknown` parameters of `function` from its value, or from the items `selection` of it."""

    function: Function
    unknown: tuple[Var, ...]
    selection: Selection
    outputs: tuple[Tree, ...]
    plan: Plan
    context: Context


@dataclass(eq=False)
class Session:
    """`prepare` reads a Python function; `intervals_of` says where the values of one live."""

    prepare: Callable[[Any], Function]
    intervals_of: Callable[[Function, Facts, Mapping[Var, Interval]], Mapping[Var, Interval]]
    relied: list[tuple[Capture, np.ndarray]] = field(default_factory=list)
    _plans: dict[Hashable, FunctionPlan | InvcompilerError | None] = field(default_factory=dict)

    def plan(
        self,
        function: Function,
        unknown: tuple[Var, ...],
        facts: Facts,
        declared: Mapping[Var, Interval],
        selection: Selection = None,
    ) -> FunctionPlan:
        """Return the plan, or raise an InvcompilerError that says what is in the way."""
        intervals = self.intervals_of(function, facts, declared)
        outputs = selected(function.body.result, selection)
        context = Context(
            function,
            facts,
            intervals,
            frozenset(unknown),
            function.body.result,
            self._enter,
            self.relied,
        )
        given = [p.var for p in function.params if p.var not in unknown]
        given += [var for var, _ in function.captures]
        given += [leaf for tree in outputs for leaf in leaves(tree)]
        plan = solve(function.body, dict.fromkeys(given), unknown, context)
        return FunctionPlan(function, unknown, selection, outputs, plan, context)

    def _enter(self, context: Context, equation: Apply, known: set[Var]) -> Entered | None:
        function = callee_of(equation, context, self.prepare)
        if function is None:
            return None
        binding = bind(function, equation)
        if binding is None:
            return None
        return Entered(self, function, binding, context, equation)


@dataclass(eq=False)
class Entered:
    """A function that the program calls, seen from one call."""

    session: Session
    function: Function
    binding: dict[Var, Tree]
    caller: Context
    equation: Apply

    def solve(
        self, unknown: tuple[Var, ...], selection: Selection
    ) -> FunctionPlan | InvcompilerError | None:
        """Return the plan for these unknowns, or the error that says why there is none, or None while it is being made."""
        facts = self.caller.facts.of_call(self.equation, self.function, unknown)
        declared = {
            param: interval
            for param, tree in self.binding.items()
            if (interval := self.caller.interval(tree)) != REAL
        }
        plans = self.session._plans
        key = (self.function, unknown, selection, facts.signature, tuple(declared.items()))
        if key not in plans:
            plans[key] = None  # recursion meets a plan that is being made
            try:
                plans[key] = self.session.plan(
                    self.function, unknown, facts, declared, selection
                )
            except InvcompilerError as error:
                plans[key] = error
        return plans[key]

    def forward_arguments(self, call: Apply) -> tuple[tuple[Tree, ...], tuple]:
        """Return the arguments with which `function` takes the place of the callee of `call`."""
        return call.args, call.kwargs


def selected(result: Tree, selection: Selection) -> tuple[Tree, ...]:
    """Return the parts of a result tree that are known."""
    if selection is None:
        return (result,)
    if not isinstance(result, Display):
        return ()
    keys = [Const(key) for key in result.keys or range(len(result.items))]
    return tuple(result.items[keys.index(Const(key))] for key in selection)
