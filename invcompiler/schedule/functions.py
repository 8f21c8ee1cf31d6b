"""Planning whole functions: which parameters are unknown, what of the value is known, and the functions that it calls.

One `Session` plans one product: each function is planned once for each pattern of unknowns, however often it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from invcompiler.errors import BranchError, EntangledError, InvcompilerError
from invcompiler.ir.build import Builder
from invcompiler.ir.interval import REAL, Interval, hull_of
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Capture,
    Closure,
    Const,
    Display,
    Equation,
    Function,
    Ref,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves, map_tree
from invcompiler.rules.registry import InverseRule
from invcompiler.schedule import mapping
from invcompiler.schedule.abstract import Abstract, Items, container, join
from invcompiler.schedule.assured import with_positive
from invcompiler.schedule.callees import Callee, arguments, callee_of, function_of, library_call
from invcompiler.schedule.context import Context
from invcompiler.schedule.facts import Facts, concrete_facts
from invcompiler.schedule.loop_items import show_items
from invcompiler.schedule.numeric import Part, Seen
from invcompiler.schedule.plan import Plan
from invcompiler.schedule.projected import with_projections
from invcompiler.schedule.solve import solve
from invcompiler.schedule.specialise import Bound, Specialiser, holds_functions
from invcompiler.schedule.spread import applications, spread_arguments
from invcompiler.schedule.stated import stated_function
from invcompiler.schedule.tracing import Tracing
from invcompiler.schedule.unroll import unroll_functions

Selection = tuple[Any, ...] | None

_FAR = 3  # calls within calls that are looked into for the range of a value
_FURTHEST_PART = 10  # calls within calls that are written out to see what a part does
_DEEPEST = 30  # calls within calls of one function that take a structure of their own each


@dataclass(frozen=True, eq=False)
class FunctionPlan:
    """How to recover `unknown` parameters of `function` from its value, or from the items `selection` of it."""

    function: Function
    unknown: tuple[Var, ...]
    selection: Selection
    outputs: tuple[Tree, ...]
    plan: Plan
    context: Context
    positive: tuple[Var, ...] = ()  # known values that must be: else the result is NaN


@dataclass(eq=False)
class Session:
    """`prepare` reads a Python function; `intervals_of` says where the values of one live.

    `recognise` replaces naive spellings on the way of the unknowns, `show` opaque containers of known structure;
    `waits` tells the calls that are shown once there is a structure. `solve` plans a block; `within` plans the functions that are
    called, if another session does; `accepts` tells the rules that may be used.
    """

    prepare: Callable[[Any], Function]
    intervals_of: Callable[..., Mapping[Var, Interval]]
    recognise: Callable[[Function, tuple[Var, ...]], Function] = lambda function, _: function
    show: Callable[[Function, Facts, tuple[Var, ...]], tuple[Function, Facts]] = spread_arguments
    waits: Callable[[Equation], bool] = lambda equation: False
    numeric: bool = False
    relied: list[tuple[Capture, np.ndarray]] = field(default_factory=list)
    solve: Callable[..., Plan] = solve
    within: Session | None = None
    accepts: Callable[[InverseRule], bool] = lambda rule: True
    _specialise: Specialiser = field(default_factory=Specialiser)
    _tracing: Tracing = field(default_factory=Tracing)
    _plans: dict[Hashable, FunctionPlan | InvcompilerError | None] = field(default_factory=dict)
    _recognised: dict[Hashable, Function] = field(default_factory=dict)
    _open: list[_Open] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.within is not None:
            self._tracing = self.within._tracing
            return
        self._tracing.inverts = self._inverts
        self._tracing.has_text = lambda callee: self._written(callee) is not None

    @property
    def traced(self) -> list[Function]:
        """The functions that were read by tracing them."""
        return self._tracing.functions

    def _inverts(
        self, function: Function, values: Mapping[Var, Any], unknown: tuple[Var, ...]
    ) -> bool:
        """Whether a function can be inverted for arguments like `values`."""
        facts = concrete_facts(function, values)
        found = self.planned(function, unknown, facts, {}, None)
        return isinstance(found, FunctionPlan)

    def plan(
        self,
        function: Function,
        unknown: tuple[Var, ...],
        facts: Facts,
        declared: Mapping[Var, Interval],
        selection: Selection = None,
    ) -> FunctionPlan:
        """Return the plan, or raise an InvcompilerError that says what is in the way."""
        found = self.planned(function, unknown, facts, declared, selection)
        if isinstance(found, InvcompilerError):
            raise found
        assert found is not None
        return found

    def planned(
        self,
        function: Function,
        unknown: tuple[Var, ...],
        facts: Facts,
        declared: Mapping[Var, Interval],
        selection: Selection,
    ) -> FunctionPlan | InvcompilerError | None:
        """Return the plan, the error that says why there is none, or None while it is being made."""
        purpose = (function, unknown, selection)
        key = (*purpose, facts.signature, tuple(declared.items()))
        if key in self._plans:
            return self._plans[key]
        outer = next((one for one in self._open if one.purpose == purpose), None)
        if outer is not None:
            return self._recursive(key, outer, facts, declared)
        return self._made(_Open(purpose, facts, key), declared)

    def _made(
        self, opened: _Open, declared: Mapping[Var, Interval]
    ) -> FunctionPlan | InvcompilerError:
        """Make a plan. Meanwhile calls of the function by itself take it that there is one."""
        key = opened.key
        before = set(self._plans)
        self._plans[key] = None
        self._open.append(opened)
        try:
            if len(self._open) > _DEEPEST:
                raise _too_deep(opened)
            found = self._solved(*opened.purpose, opened.facts, declared)
        except InvcompilerError as error:
            for later in set(self._plans) - before:  # they may rest on this one
                if not isinstance(self._plans[later], InvcompilerError):
                    del self._plans[later]
            self._plans[key] = error
            return error
        finally:
            self._open.pop()
        if opened.general is not None:  # one function does for the first call and for those inside
            general = self._plans[opened.general]
            found = general if isinstance(general, FunctionPlan) else found
        self._plans[key] = found
        return found

    def recognised(self, function: Function, unknown: tuple[Var, ...]) -> Function:
        key = (function, unknown)
        if key not in self._recognised:
            self._recognised[key] = self.recognise(function, unknown)
        return self._recognised[key]

    def _recursive(
        self, key: Hashable, outer: _Open, facts: Facts, declared: Mapping[Var, Interval]
    ) -> FunctionPlan | InvcompilerError | None:
        """Plan a function for whatever it calls itself with: what differs between the calls is not known."""
        function, unknown, selection = outer.purpose
        wide = _joined(function, unknown, outer.facts, facts)
        wider = (function, unknown, selection, wide.signature, ())
        if wider not in self._plans:
            opened = _Open(outer.purpose, wide, wider)
            self._open.insert(0, opened)  # what it calls is compared with it
            outer.general = wider
            self._made(opened, {})
            self._open.remove(opened)
        found = self._plans[wider]
        if found is not None:
            self._plans[key] = found
        return found

    def _solved(
        self,
        function: Function,
        unknown: tuple[Var, ...],
        selection: Selection,
        facts: Facts,
        declared: Mapping[Var, Interval],
    ) -> FunctionPlan:
        function, facts = unroll_functions(function, facts, unknown)
        function, facts = self.show(function, facts, unknown)
        function, facts = spread_arguments(function, facts, unknown)
        function, facts = show_items(function, facts, unknown)
        function, facts = with_projections(function, facts, unknown)
        outputs = selected(function.body.result, selection)
        context = Context(
            function,
            facts,
            {},
            frozenset(unknown),
            function.body.result,
            self._enter if self.within is None else self.within._enter,
            self.relied,
            numeric=self.numeric,
            look_into=self._look_into_part,
            waits=self.waits,
            accepts=self.accepts,
            enter_keeping=None if self.within is None else self._enter,
            tracing=self._tracing,
        )
        if not facts.is_concrete:
            found = self._containers(context)
            facts = context.facts = replace(facts, values={**facts.values, **found})
        ranges = self._ranges(context)
        context.intervals = self.intervals_of(function, facts, declared, ranges)
        context.narrow = lambda more: self.intervals_of(
            function, facts, _both(declared, more), ranges
        )
        given = [p.var for p in function.params if p.var not in unknown]
        given += [var for var, _ in function.captures]
        given += [leaf for tree in outputs for leaf in leaves(tree)]
        attempt = lambda: self.solve(function.body, dict.fromkeys(given), unknown, context)
        positive: tuple[Var, ...] = ()
        try:
            plan = attempt()
        except BranchError:
            assured = with_positive(context, attempt) if self.within is None else None
            if assured is None:
                raise
            plan, positive = assured
        return FunctionPlan(function, unknown, selection, outputs, plan, context, positive)

    def _containers(self, context: Context) -> dict[Var, Items]:
        """Return what calls of the user's functions return, where their text shows a container."""
        found: dict[Var, Items] = {}
        for equation in applications(context.function.body):
            is_open = equation.out in context.tainted and context.facts.of(equation.out) is None
            entered = self._looked_into(context, equation) if is_open else None
            result = None if entered is None else entered.function.body.result
            if entered is not None and isinstance(result, Display) and entered.mapping is None:
                if not any(isinstance(item, Star) for item in result.items):
                    parts: list[Abstract] = [None] * len(result.items)
                    found[equation.out] = container(result.kind, result.keys, parts)
        return found

    def _looked_into(self, context: Context, equation: Apply) -> Entered | None:
        """Return what a call enters, whatever of it will be known."""
        try:
            return next(self._enter(context, equation, _Everything()), None)
        except InvcompilerError:
            return None  # the plan says so, if it matters

    def _ranges(self, context: Context, depth: int = 0) -> Callable[..., Interval | None]:
        """Return what says where the value of a call that unknowns flow through lives: `helper(x)` is positive."""

        def range_of(equation: Apply, interval_of: Callable[[Tree], Interval]) -> Interval | None:
            if depth == _FAR or equation.out not in context.tainted:
                return None
            entered = self._looked_into(context, equation)
            if entered is None or entered.mapping is not None:
                return None
            return self._range(entered, interval_of, depth)

        return range_of

    def _range(
        self, entered: Entered, interval_of: Callable[[Tree], Interval], depth: int
    ) -> Interval | None:
        bound, tainted = entered.bound.arguments, entered.caller.tainted
        unknown = tuple(p for p, tree in bound.items() if not tainted.isdisjoint(leaves(tree)))
        function = self.recognised(entered.function, unknown)
        result = function.body.result
        if not isinstance(result, Var):
            return None
        declared = {p: found for p, tree in bound.items() if (found := interval_of(tree)) != REAL}
        facts = entered.facts(function, unknown)
        inner = Context(function, facts, {}, frozenset(unknown), result, self._enter, self.relied)
        inner.tracing = self._tracing
        ranges = self._ranges(inner, depth + 1)
        return self.intervals_of(function, facts, declared, ranges).get(result)

    def _look_into_part(self, context: Context, part: Part) -> Seen:
        """Return a part of a program with the functions that it calls written out, and what is known of its values."""
        function = part.function
        operands = (part.unknown, *part.known)
        call = Apply(part.value, Ref(function, function.name), operands)
        inner = self._inner(context, function, operands)
        written = self._written_out(inner, function, _FURTHEST_PART)
        written_call = replace(call, fn=Ref(written, written.name))
        facts = context.facts.of_call(written_call, written, (written.params[0].var,))
        declared = {
            p.var: found
            for p, var in zip(written.params, operands, strict=True)
            if (found := context.interval(var)) != REAL
        }
        literals = {
            p.var: value
            for p, var in zip(written.params[1:], part.known, strict=True)
            if (value := context.literal_array(var)) is not None
        }
        declared |= {var: hull for var, value in literals.items() if (hull := hull_of(value))}
        intervals = self.intervals_of(written, facts, declared, None)
        return Seen(written, facts, intervals, literals)

    def _inner(self, context: Context, function: Function, operands: Iterable[Tree]) -> Context:
        """Return what is to be asked about a part of the function of `context`, or about a function that it calls."""
        call = Apply(Var(), Ref(function, function.name), tuple(operands))
        unknown = tuple(
            p.var
            for p, tree in zip(function.params, operands, strict=True)
            if any(var in context.tainted for var in leaves(tree))
        )
        facts = context.facts.of_call(call, function, unknown)
        result = function.body.result
        inner = Context(
            function,
            facts,
            {},
            frozenset(unknown),
            result,
            self._enter,
            self.relied,
            waits=self.waits,
            tracing=self._tracing,
        )
        inner.defining.update({out: e for e in function.body.equations for out in e.outs})
        return inner

    def _written_out(self, context: Context, function: Function, depth: int) -> Function:
        """Return `function` with the functions that it calls written out, which bring what they capture."""
        builder = Builder()
        captures = dict(function.captures)
        result = self._write(builder, context, function, {}, depth, captures)
        body = builder.block((), result)
        return replace(function, body=body, captures=tuple(captures.items()))

    def _write(
        self,
        builder: Builder,
        context: Context,
        function: Function,
        given: Mapping[Var, Tree],
        depth: int,
        captures: dict[Var, Capture],
    ) -> Tree:
        """Write the equations of a function, and those of the functions that it calls in the place of the calls."""
        values = dict(given)
        for equation in function.body.equations:
            entered = None
            if depth and isinstance(equation, Apply) and equation.out in context.tainted:
                entered = self._looked_into(context, equation)
            if entered is not None and entered.mapping is None:
                bound = entered.bound.arguments
                callee = entered.function
                inner = self._inner(
                    context, callee, [bound.get(p.var, Const(None)) for p in callee.params]
                )
                arguments = {p: map_tree(lambda v: values.get(v, v), t) for p, t in bound.items()}
                assert isinstance(equation, Apply)
                values[equation.out] = self._write(
                    builder, inner, callee, arguments, depth - 1, captures
                )
                captures.update(callee.captures)
                continue
            block = Block((), (equation,), Display(tuple, equation.outs))
            found = builder.inline_block(block, values)
            assert isinstance(found, Display)
            values.update(zip(equation.outs, found.items, strict=True))
        return map_tree(lambda v: values.get(v, v), function.body.result)

    def _enter(self, context: Context, equation: Apply, known: Container[Var]) -> Iterator[Entered]:
        """Yield the ways in which a call can be entered: with the functions among its arguments as they are, and in place."""
        callee = callee_of(equation, context)
        function = None if callee is None else self._written(callee)
        if callee is not None and function is None:
            function = library_call(callee) or self._tracing.function(callee, equation, context)
        if callee is None or function is None:
            return
        trees = (*callee.args, *(tree for _, tree in callee.kwargs))
        for in_place in (False, True) if holds_functions(trees) else (False,):
            bound = self._specialise(
                function,
                callee,
                lambda tree: all(var in known for var in leaves(tree)),
                context,
                in_place,
            )
            if bound is not None:
                yield Entered(self, bound, callee, context, equation)

    def _written(self, callee: Callee) -> Function | None:
        """Return the function that a call runs, as its text has it; None if it has none, or is a library's."""
        function = function_of(self._text(callee), self.prepare)
        if callee.mapping is None and _only_calls(function, callee.fn):
            return None
        return function

    def _text(self, callee: Callee) -> Ref | Closure:
        """Return the function that a call enters: of one whose inverse is stated the text, unless `jax.vmap` runs it."""
        fn = callee.fn
        if not isinstance(fn, Ref) or callee.mapping is not None:
            return fn
        function = stated_function(fn.value)
        if function is None:
            return fn
        self.prepare(function)  # so that what is made rests on the rule
        return Ref(function.__wrapped__, fn.spelling)


def _only_calls(function: Function | None, fn: Ref | Closure) -> bool:
    """Whether a function does nothing but call `fn`."""
    equations = () if function is None else function.body.equations
    if len(equations) != 1 or not isinstance(equations[0], Apply) or not isinstance(fn, Ref):
        return False
    return equations[0].fn == fn


def _both(one: Mapping[Var, Interval], other: Mapping[Var, Interval]) -> dict[Var, Interval]:
    """Return intervals of which both of two statements are true."""
    return {
        var: one.get(var, REAL).intersection(other.get(var, REAL)) or other[var]
        for var in (*one, *other)
    }


class _Everything:
    """The container that holds every var."""

    def __contains__(self, var: object) -> bool:
        return True


@dataclass(eq=False)
class _Open:
    """A plan that is being made. `general`: that of the same function for all of the calls of it by itself."""

    purpose: tuple[Function, tuple[Var, ...], Selection]
    facts: Facts
    key: Hashable
    general: Hashable | None = None


def _joined(function: Function, unknown: tuple[Var, ...], one: Facts, other: Facts) -> Facts:
    """Return facts that hold wherever either of the two does."""
    params = [param.var for param in function.params]
    found = {var: join(one.values.get(var), other.values.get(var), var) for var in params}
    return mapping.facts_for(one, function, unknown, found)


def _too_deep(opened: _Open) -> EntangledError:
    function = opened.purpose[0]
    return EntangledError(
        f"`{function.name}` calls itself with ever other arguments: there is no end to its inverse",
        span=function.span,
        function=function.name,
        label="called from within itself, with arguments of a new structure each time",
        hint="write it as a loop",
    )


@dataclass(eq=False)
class Entered:
    """A function that the program calls, seen from one call."""

    session: Session
    bound: Bound
    callee: Callee
    caller: Context
    equation: Apply

    @property
    def function(self) -> Function:
        return self.bound.function

    @property
    def mapping(self) -> Any:
        return self.callee.mapping

    def solve(
        self, unknown: tuple[Var, ...], selection: Selection
    ) -> FunctionPlan | InvcompilerError | None:
        """Return the plan for these unknowns, or the error that says why there is none, or None while it is being made."""
        declared = {
            param: interval
            for param, tree in self.bound.arguments.items()
            if (interval := self.caller.interval(tree)) != REAL
        }
        function = self.session.recognised(self.function, unknown)
        facts = self.facts(function, unknown)
        return self.session.planned(function, unknown, facts, declared, selection)

    def facts(self, function: Function, unknown: tuple[Var, ...]) -> Facts:
        """Return the facts of the function, which may be another form of `self.function`."""
        facts = self.caller.facts
        if self.mapping is None:
            args, kwargs = self.arguments(self.bound.arguments)
            call = Apply(self.equation.out, Ref(function, function.name), args, kwargs)
            return facts.of_call(call, function, unknown)
        values = {
            var: mapping.without_axis(facts.of(tree), self.bound.axes.get(var))
            for var, tree in self.bound.arguments.items()
        }
        return mapping.facts_for(facts, function, unknown, values)

    def arguments(self, bound: Mapping[Var, Tree]) -> tuple[tuple[Tree, ...], tuple]:
        """Return the arguments of a call of `function`, by position as far as that goes."""
        return arguments(self.function.params, bound)


def selected(result: Tree, selection: Selection) -> tuple[Tree, ...]:
    """Return the parts of a result tree that are known."""
    if selection is None:
        return (result,)
    if not isinstance(result, Display):
        return ()
    keys = [Const(key) for key in result.keys or range(len(result.items))]
    return tuple(result.items[keys.index(Const(key))] for key in selection)
