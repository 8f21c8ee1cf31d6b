"""Loops and calls that can be undone although nothing has to be: what they start with is known by other means.

The way back through them needs the values along their way all the same, and has them by undoing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from invcompiler.errors import InvcompilerError
from invcompiler.ir.nodes import Apply, Block, Equation, Loop, Var
from invcompiler.ir.walk import free_vars, leaves
from invcompiler.rules.registry import Kind
from invcompiler.schedule import calls, loops
from invcompiler.schedule.context import Context
from invcompiler.schedule.parts import parts_of
from invcompiler.schedule.plan import CallInverse, InvertLoop, Isolate, Plan, Step
from invcompiler.schedule.solve import Solver


def sides(block: Block, plan: Plan, context: Context) -> dict[Equation, CallInverse | InvertLoop]:
    """Return the steps that undo the loops and calls of `block` that `plan` does not undo."""
    done = {s.equation for s in plan.steps if isinstance(s, CallInverse | InvertLoop)}
    found: dict[Equation, CallInverse | InvertLoop] = {}
    for equation in block.equations:
        if equation in done or context.tainted.isdisjoint(equation.outs):
            continue
        step: CallInverse | InvertLoop | None = None
        if isinstance(equation, Loop):
            step = _loop(block, equation, context)
        elif isinstance(equation, Apply) and context.call(equation) is None:
            step = _call(block, equation, context)
        if step is not None and _is_worth_it(step):
            found[equation] = step
    return found


def _is_worth_it(step: CallInverse | InvertLoop) -> bool:
    """Whether something of which there are many along the way is undone, and by cheap operations: no matrix is solved with."""
    steps = list(_steps_of(step))
    solves = (isinstance(s, Isolate) and s.rule.kind is Kind.LINEAR for s in steps)
    return any(isinstance(s, InvertLoop) for s in steps) and not any(solves)


def _steps_of(step: Step) -> Iterator[Step]:
    yield step
    plan: Plan | None
    if isinstance(step, InvertLoop):
        plan = step.plan
    elif isinstance(step, CallInverse):
        inner = step.entered.solve(step.unknown, step.selection)
        plan = getattr(inner, "plan", None)
    else:
        return
    for part in () if plan is None else plan.steps:
        yield from _steps_of(part)


def _solver(block: Block, known: Iterable[Var], context: Context) -> Solver:
    solver = Solver(block, (), context)
    solver.known = set(known)
    return solver


def _everything(block: Block) -> set[Var]:
    bound = {out for equation in block.equations for out in equation.outs}
    return bound | {*block.params, *free_vars(block)}


def _loop(block: Block, loop: Loop, context: Context) -> InvertLoop | None:
    """Return the step that runs a loop from its end, its items and outer values known."""
    parts = parts_of(loop)
    carried = [i for i, var in enumerate(parts.carries) if var in context.tainted]
    if not carried:
        return None
    solver = _solver(block, _everything(block), context)
    steady = tuple(i for i in range(len(parts.carries)) if i not in carried)
    return loops.backwards(solver, parts, carried, steady, [])


def _call(block: Block, call: Apply, context: Context) -> CallInverse | None:
    """Return the step that calls the inverse of the callee: by all unknown arguments, or by one of them."""
    trees = (*call.args, *(tree for _, tree in call.kwargs))
    tainted = [
        v for v in dict.fromkeys(v for t in trees for v in leaves(t)) if v in context.tainted
    ]
    choices = [tainted] if len(tainted) < 2 else [tainted, *([var] for var in reversed(tainted))]
    everything = _everything(block)
    for unknown in choices:
        solver = _solver(block, everything.difference(unknown), context)
        try:
            step = calls.invert(solver, call)
        except InvcompilerError:
            step = None
        if isinstance(step, CallInverse):
            return step
    return None


__all__ = ["sides"]
