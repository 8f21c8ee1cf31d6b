"""What must be kept where a block cannot be undone from what it leaves behind: a plan that is given that as well.

    for layer, w in zip(params, weights):
        x = coupling(layer, x)              undone, given `u`
        u = x @ w                           kept: `relu` has no inverse
        x = jax.nn.relu(u)

What is in the way is looked for from the end of the block. If it is a loop or a call, what is kept is looked for in there first: its
plan says so. At last everything is given up again without which the plan still runs, and computes no loop or call twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from invcompiler.ir.nodes import Apply, Block, Equation, Loop, Var
from invcompiler.ir.walk import leaves, operands
from invcompiler.rules.registry import InverseRule
from invcompiler.schedule.callees import callee_of, is_library
from invcompiler.schedule.context import Context
from invcompiler.schedule.plan import Forward, Plan
from invcompiler.schedule.solve import Solver


def is_trusted(rule: InverseRule) -> bool:
    """Whether a rule recovers what it is given to a few digits less: not where the function saturates, as `tanh` does."""
    return math.isinf(rule.range.lo) or math.isinf(rule.range.hi)


def solve_keeping(
    block: Block, given: Iterable[Var], targets: Iterable[Var], context: Context
) -> Plan:
    """Return a plan that makes `targets` known from `given` and from what it says must be kept."""
    given, targets = tuple(given), tuple(targets)
    choice = _Choice(block, given, targets, context)
    choice.extend()
    choice.prune()
    choice.refine()
    solver = choice.solved(choice.kept)
    kept = tuple(choice.kept)
    return Plan((*given, *kept), tuple(solver.steps), targets, kept)


class KeepingSolver(Solver):
    """A solver that looks into the loops and calls `inside` for what must be kept in there."""

    inside: frozenset[Equation] = frozenset()
    _here: bool = False

    def invert(self, equation: Equation) -> None:
        self._here = equation in self.inside
        super().invert(equation)

    def solve_inner(self, block: Block, given: tuple[Var, ...], targets: tuple[Var, ...]) -> Plan:
        if self._here:
            return solve_keeping(block, given, targets, self.context)
        return super().solve_inner(block, given, targets)

    def entered(self, equation: Apply) -> Iterator:
        if self._here and self.context.enter_keeping is not None:
            return self.context.enter_keeping(self.context, equation, self.known)
        return super().entered(equation)


@dataclass(eq=False)
class _Choice:
    block: Block
    given: tuple[Var, ...]
    targets: tuple[Var, ...]
    context: Context
    kept: list[Var] = field(default_factory=list)
    inside: list[Equation] = field(default_factory=list)

    def solved(self, kept: Iterable[Var]) -> KeepingSolver:
        solver = KeepingSolver(self.block, (*self.given, *kept), self.context)
        solver.inside = frozenset(self.inside)
        solver.run(self.targets)
        return solver

    def extend(self) -> None:
        """Keep more until the plan reaches its targets."""
        while True:
            solver = self.solved(self.kept)
            missing = solver.misses(self.targets)
            if not missing:
                return
            blocking = self._blocking(solver)
            if blocking is None:
                self.kept.append(missing[0])
            elif self._may_keep_inside(solver, blocking) and blocking not in self.inside:
                self.inside.append(blocking)
            else:
                self.kept.append(self._operand(solver, blocking))

    def _blocking(self, solver: Solver) -> Equation | None:
        """Return the last equation whose value is known, if only in part, and not what it was made of."""
        for equation in reversed(solver.graph.equations):
            known = any(out in solver.known or solver.pieces.get(out) for out in equation.outs)
            if known and self._unknown(solver, equation):
                return equation
        return None

    def _unknown(self, solver: Solver, equation: Equation) -> list[Var]:
        return [v for v in dict.fromkeys(operands(equation)) if v not in solver.known]

    def _operand(self, solver: Solver, equation: Equation) -> Var:
        return self._unknown(solver, equation)[0]

    def _may_keep_inside(self, solver: Solver, equation: Equation) -> bool:
        """Whether less may be kept in an equation than what it is given.

        A loop that starts from knowns, if from anything, keeps at its steps as much as all of what it walks.
        """
        if isinstance(equation, Loop):
            starts = (var for tree in equation.init for var in leaves(tree))
            return any(var not in solver.known for var in starts)
        return self._is_composite(equation)

    def _is_composite(self, equation: Equation) -> bool:
        if isinstance(equation, Loop):
            return True
        if not isinstance(equation, Apply) or self.context.call(equation) is not None:
            return False
        callee = callee_of(equation, self.context)
        fn = None if callee is None else callee.fn
        return fn is not None and not (hasattr(fn, "value") and is_library(fn.value))

    def prune(self) -> None:
        """Give up what is kept in vain."""
        cost = self._cost(self.solved(self.kept))
        for var in list(self.kept):
            rest = [other for other in self.kept if other is not var]
            solver = self.solved(rest)
            if not solver.misses(self.targets) and self._cost(solver) <= cost:
                self.kept = rest

    def refine(self) -> None:
        """Keep what a value is made of in its place, where that is no larger: to compute is exact, to undo is not."""
        cost = self._cost(self.solved(self.kept))
        for number in range(len(self.kept)):
            while (source := self._source(self.kept[number])) is not None:
                kept = [*self.kept[:number], source, *self.kept[number + 1 :]]
                solver = self.solved(kept)
                if solver.misses(self.targets) or self._cost(solver) > cost:
                    break
                self.kept = kept

    def _source(self, var: Var) -> Var | None:
        """Return the one unknown that `var` is made of by an operation of its own, if it is no larger."""
        made = next((e for e in self.block.equations if var in e.outs), None)
        if not isinstance(made, Apply) or self._is_composite(made):
            return None
        unknown = [v for v in dict.fromkeys(operands(made)) if v in self.context.tainted]
        if len(unknown) != 1 or unknown[0] in self.kept:
            return None
        sizes = [self._size(unknown[0]), self._size(var)]
        return unknown[0] if None not in sizes and sizes[0] <= sizes[1] else None  # type: ignore[operator]

    def _size(self, var: Var) -> int | None:
        shape = self.context.concrete_shape(var)
        return None if shape is None else math.prod(shape)

    def _cost(self, solver: Solver) -> int:
        """Return how many loops and calls that depend on the unknowns the plan runs once more."""
        return sum(
            isinstance(step, Forward)
            and self._is_composite(step.equation)
            and not self.context.tainted.isdisjoint(step.equation.outs)
            for step in solver.steps
        )


__all__ = ["is_trusted", "solve_keeping"]
