"""The one scheduler: given the values known so far, which equation can run next, and in which direction?

An equation runs forward when its operands are known; it runs in reverse when its value and enough operands are known and
a rule isolates the rest. Knowledge may be partial: known parts of a value join until they cover it. Values that stay
unknown although several equations speak of them are collected by an affine analysis.

The work is driven by events (a value became known, so its neighbours are looked at again): linear in the number of
equations. The plan does not depend on the order of statements.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from invcompiler.ir.nodes import Apply, Block, Branch, Equation, Loop, Var
from invcompiler.ir.walk import leaves, operands
from invcompiler.rules import indexed
from invcompiler.rules.canonical import Call
from invcompiler.rules.registry import Refusal
from invcompiler.schedule import (
    affine,
    bits,
    blocked,
    calls,
    deductions,
    isolate,
    loops,
    low_rank,
    numeric,
    pieces,
    projections,
    quadratics,
    ratios,
    spectra,
    stated,
    summed_products,
    views,
    wrapped,
)
from invcompiler.schedule.context import Context
from invcompiler.schedule.counting import counted_once
from invcompiler.schedule.cover import covers, region_within
from invcompiler.schedule.live import indices_of, without_detours
from invcompiler.schedule.plan import (
    Accumulate,
    Bits,
    ByStatedRule,
    Forward,
    Isolate,
    Join,
    LowRank,
    Plan,
    Projected,
    Quadratic,
    Ratio,
    Read,
    ShapeQuery,
    Spectral,
    Step,
    Wrapped,
)
from invcompiler.schedule.regions import Agreement, Band, Masked, Piece, View


def solve(block: Block, given: Iterable[Var], targets: Iterable[Var], context: Context) -> Plan:
    """Return a plan that makes `targets` known from `given`, or raise an InversionError that says what is in the way."""
    given, targets = tuple(given), tuple(targets)
    solver = _solved(block, given, targets, context)
    if solver.misses(targets) and context.complemented and not context.runtime_masks:
        context.runtime_masks = True
        again = _solved(block, given, targets, context)
        context.runtime_masks = not again.misses(targets)
        solver = again if context.runtime_masks else solver
    if solver.misses(targets) and context.numeric:
        solver = _solved(block, given, targets, context, numeric=True)
    if solver.misses(targets):
        raise blocked.explain(solver, solver.misses(targets))
    plan = without_detours(Plan(given, tuple(solver.steps), targets))
    return Plan(given, counted_once(plan.steps), targets)


def _solved(
    block: Block,
    given: tuple[Var, ...],
    targets: tuple[Var, ...],
    context: Context,
    numeric: bool = False,
) -> Solver:
    solver = Solver(block, given, context, numeric)
    solver.run(targets)
    return solver


@dataclass
class Solver:
    """The state of one fixed point over one block."""

    block: Block
    given: tuple[Var, ...]
    context: Context
    numeric: bool = False  # iterate where nothing else helps
    takes_rules_apart: bool = False  # see the pieces of functions that have a rule
    known: set[Var] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)
    pieces: dict[Var, list[Piece]] = field(default_factory=dict)
    refusals: dict[Equation, Any] = field(default_factory=dict)
    unplaced: dict[Var, list[tuple[Var, Piece]]] = field(default_factory=dict)  # by index

    def __post_init__(self) -> None:
        self.graph = views.Graph(self.block, self.context)
        self.defining = self.graph.defining
        self.waiting = {e: len(self.graph.reads(e)) for e in self.graph.equations}
        self.events: deque[Callable[[], None]] = deque()
        self.reverse: deque[Equation] = deque()
        self.used: set[Equation] = set()
        self._order = {var: number for number, var in enumerate(self.graph.in_order())}

    def misses(self, targets: tuple[Var, ...]) -> list[Var]:
        return [target for target in targets if target not in self.known]

    # ---- the fixed point --------------------------------------------------------------------

    def run(self, targets: tuple[Var, ...]) -> None:
        for equation in self.graph.equations:
            if not self.waiting[equation]:
                self.events.append(lambda equation=equation: self.forward(equation))
        for var in self.given:
            self.learn(var)
        while True:
            self.settle()
            if all(target in self.known for target in targets):
                return
            if not (
                self.collect()
                or self.deduce()
                or self.split()
                or self.poll()
                or self.ask()
                or self.iterate()
            ):
                return

    def settle(self) -> None:
        """Run every step that is possible, forward ones first."""
        while self.events or self.reverse:
            if self.events:
                self.events.popleft()()
            else:
                self.invert(self.reverse.popleft())

    def learn(self, var: Var) -> None:
        """Note that `var` is known, and look at its neighbours again."""
        if var in self.known:
            return
        self.known.add(var)
        self.events.append(lambda: self.propagate(var))

    def take(self, step: Step) -> None:
        """Add a step to the plan; what it solves is known."""
        self.steps.append(step)
        for var in step.solves:
            self.learn(var)

    def propagate(self, var: Var) -> None:
        for equation in self.graph.users.get(var, ()):
            self.waiting[equation] -= 1
            if not self.waiting[equation]:
                self.forward(equation)
            else:
                self.reverse.append(equation)
        if var in self.defining:
            self.reverse.append(self.defining[var])
        for view in self.graph.views_of_whole.get(var, ()):
            self.read(view, None)
        for view in self.graph.views_of_part.get(var, ()):
            self.add_piece(
                view.whole, Piece(view.region, var, not isinstance(view.region, Masked | Band))
            )
        for whole, piece in self.unplaced.pop(var, ()):
            self.add_piece(whole, piece)
        for relation in self.graph.awaiting.get(var, ()):
            self.retry(relation)
        for agreement in self.graph.agreements.get(var, ()):
            self.agree(agreement, var)
        for whole in self.graph.difference_of.get(var, ()):
            self.accumulate(whole)

    def forward(self, equation: Equation) -> None:
        if equation in self.used or all(out in self.known for out in equation.outs):
            return
        self.used.add(equation)
        self.take(Forward(equation, self.graph.reads(equation)))

    def retry(self, relation: View | Agreement) -> None:
        """Look at a relation again whose index or mask became known after the values that it speaks of."""
        ends = (relation.whole,) if isinstance(relation, View) else (relation.one, relation.other)
        for end in ends:
            if end in self.known and isinstance(relation, View):
                self.read(relation, None)
            elif end in self.known:
                self.agree(relation, end)

    # ---- partial knowledge ------------------------------------------------------------------

    def read(self, view: View, piece: Piece | None) -> None:
        """Learn a part from the whole, or from a piece of the whole that holds it."""
        if view.part in self.known or not self.graph.is_readable(view, self.known):
            return
        source = view.whole if piece is None else piece.source
        if piece is not None and piece.compact and piece.region != view.region:
            return
        region = None if piece is not None and piece.compact else view.region
        self.take(Read(view.part, source, View(view.part, view.whole, region)))

    def add_piece(self, whole: Var, piece: Piece) -> None:
        """Note that a part of `whole` is known; join when the parts cover it."""
        if whole in self.known:
            return
        indices = [var for var in indices_of(piece.region) if var not in self.known]
        if indices:  # what they are may be told by the text, and still be computed later
            self.unplaced.setdefault(indices[0], []).append((whole, piece))
            return
        pieces = self.pieces.setdefault(whole, [])
        if any(piece.region == other.region for other in pieces):
            return
        pieces.append(piece)
        self.events.append(lambda: self.retry_call(whole))
        self.accumulate(whole)
        if whole in self.known:
            return
        chosen = covers(whole, pieces, self.context)
        if chosen is not None:
            self.take(Join(whole, *chosen))
            return
        for view in self.graph.views_of_part.get(whole, ()):
            if view.region == piece.region and not piece.compact:
                self.add_piece(view.whole, piece)
                self.read(view, piece)  # zero everywhere else
                return
        for view in self.graph.views_of_whole.get(whole, ()):
            if region_within(view.region, piece, whole, self.context):
                self.read(view, piece)
        for agreement in self.graph.agreements.get(whole, ()):
            if agreement.region == piece.region and not piece.compact:
                self.add_piece(agreement.other_than(whole), piece)
        self.carry_piece(whole, piece)

    def accumulate(self, whole: Var) -> None:
        """Recover a whole from its first element and its differences."""
        if whole in self.known:
            return
        for differences, axis, rising in self.graph.differences.get(whole, ()):
            for piece in self.pieces.get(whole, ()):
                if differences in self.known and self.context.is_first(piece, axis, whole):
                    self.take(Accumulate(whole, piece, differences, axis, rising))
                    return

    def retry_call(self, whole: Var) -> None:
        """A call whose value is known in part may be enough to call its inverse."""
        if whole not in self.known and whole in self.defining:
            self.reverse.append(self.defining[whole])

    def carry_piece(self, whole: Var, piece: Piece) -> None:
        """An elementwise function may run in reverse on the known elements alone."""
        if piece.compact:
            return
        if whole in self.defining:
            self.events.append(lambda: self.isolate_piece(self.defining[whole], piece))

    def isolate_piece(self, equation: Equation, piece: Piece) -> None:
        found = isolate.partial(self, equation, piece)
        if found is None:
            return
        step, target = found
        if target in self.known or any(
            piece.region == other.region for other in self.pieces.get(target, ())
        ):
            return
        self.take(step)
        self.add_piece(target, Piece(piece.region, step.solved, compact=False))

    def agree(self, agreement: Agreement, var: Var) -> None:
        if not self.graph.is_readable(agreement, self.known):
            return
        other = agreement.other_than(var)
        self.add_piece(other, Piece(agreement.region, var, compact=False))

    def call(self, equation: Apply) -> Call | None:
        """Return the canonical form of a call; that of `x.at[i].add(v)` has an entry of its own."""
        parts = self.graph.at_parts(equation)
        return self.context.call(equation) if parts is None else indexed.at_call(*parts)

    def order(self, var: Var) -> int:
        return self._order[var]

    def entered(self, equation: Apply) -> Iterator[Any]:
        """Yield the ways in which a call can be entered."""
        return self.context.enter(self.context, equation, self.known)

    def solve_inner(self, block: Block, given: tuple[Var, ...], targets: tuple[Var, ...]) -> Plan:
        return solve(block, given, targets, self.context)

    def solve_within(
        self, block: Block, given: tuple[Var, ...], targets: tuple[Var, ...], context: Context
    ) -> Plan:
        """Solve a block of which more is known than of this one."""
        return solve(block, given, targets, context)

    # ---- steps in reverse -------------------------------------------------------------------

    def invert(self, equation: Equation) -> None:
        """Try to run one equation in reverse."""
        if equation in self.used:
            return
        match equation:
            case Apply():
                step = low_rank.structured(self, equation)
                if isinstance(step, Refusal):
                    self.refusals[equation] = step
                    return
                step = step or isolate.whole(self, equation) or calls.invert(self, equation)
                for piece in () if step else self.pieces.get(equation.out, ()):
                    if not piece.compact:
                        self.isolate_piece(equation, piece)
            case Loop():
                step = loops.invert(self, equation)
            case Branch():
                step = loops.invert_branch(self, equation)
            case _:
                step = None
        if step is not None:
            if not isinstance(step, ByStatedRule) or step.is_all:
                self.used.add(equation)
            self.take(step)

    def collect(self) -> bool:
        """Solve a small linear system of values that stay entangled; say whether one was found."""
        finders = (
            affine.collect,
            summed_products.collect,
            ratios.invert,
            low_rank.collect,
            projections.collect,
            quadratics.invert,
            spectra.collect,
            bits.invert,
            wrapped.invert,
        )
        step = next((found for find in finders if (found := find(self)) is not None), None)
        if step is None:
            return False
        if isinstance(
            step, Isolate | Ratio | LowRank | Projected | Quadratic | Spectral | Bits | Wrapped
        ):
            self.used.add(step.equation)
        self.take(step)
        return True

    def deduce(self) -> bool:
        """Compute a value by a formula of several equations, or from a part of it that is known; say whether there was one."""
        for equation in self.graph.equations:
            step = deductions.deduce(self, equation) if isinstance(equation, Apply) else None
            if step is not None:
                self.take(step)
                if step.of is not None and isinstance(step.of.whole, Var):
                    assert step.of.region is not None
                    self.add_piece(step.of.whole, Piece(step.of.region, step.solved))
                return True
        return False

    def iterate(self) -> bool:
        """Solve the part of the program that is in the way by iteration, if that was asked for; say whether there is one."""
        step = numeric.iterate(self) if self.numeric else None
        if step is None:
            return False
        self.take(step)
        return True

    def split(self) -> bool:
        """Recover an unknown from a value to which several ways lead; say whether there was one."""
        step = pieces.split(self)
        if step is None:
            return False
        self.used.add(step.equation)
        self.take(step)
        return True

    def poll(self) -> bool:
        """Answer questions about shapes of values that are not known yet; say whether there was one."""
        found = [e for e in self.graph.shape_queries if e.out not in self.known]
        steps = [step for equation in found if (step := self.shape_query(equation)) is not None]
        for step in steps:
            self.used.add(step.equation)
            self.take(step)
        return bool(steps)

    def ask(self) -> bool:
        """Ask stated rules what they recover from a part of the output; say whether one did."""
        for equation in self.graph.equations:
            if not isinstance(equation, Apply) or equation in self.used:
                continue
            items = calls.known_outputs(self, equation)
            step = stated.invert_partly(self, equation, items) if isinstance(items, dict) else None
            if step is not None:
                self.take(step)
                return True
        return False

    def shape_query(self, equation: Apply) -> ShapeQuery | None:
        unknown = [var for var in operands(equation) if var not in self.known]
        if len(unknown) != 1 or any(unknown[0] in leaves(tree) for tree in equation.args[1:]):
            return None
        return ShapeQuery(equation, unknown[0], self.context.like(unknown[0], self.known))
