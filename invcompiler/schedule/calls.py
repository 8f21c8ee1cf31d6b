"""Running a call of another Python function in reverse: by a call of that function's own inverse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invcompiler.errors import InvcompilerError
from invcompiler.ir.nodes import Apply, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.schedule.plan import CallInverse
from invcompiler.schedule.regions import Item

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


def invert(solver: Solver, equation: Apply) -> CallInverse | None:
    """Return the step that calls the inverse of the callee, if enough of the call's value is known."""
    outputs = known_outputs(solver, equation)
    if outputs is None:
        return None
    entered = solver.context.enter(solver.context, equation, solver.known)
    if entered is None:
        return None
    unknown, known = split_parameters(solver, entered.binding)
    if not unknown:
        return None
    selection = None if isinstance(outputs, Var) else tuple(outputs)
    params = tuple(param for param, _ in unknown)
    plan = entered.solve(params, selection)
    if isinstance(plan, InvcompilerError):
        solver.refusals[equation] = plan
        return None
    solver.refusals.pop(equation, None)
    sources = (outputs,) if isinstance(outputs, Var) else tuple(outputs.values())
    return CallInverse(
        equation, entered, params, tuple(var for _, var in unknown), known, selection, sources
    )


def known_outputs(solver: Solver, equation: Apply) -> Var | dict[Any, Var] | None:
    """Return the out var if the whole value is known, or the known items by key, or None."""
    if equation.out in solver.known:
        return equation.out
    items = {
        piece.region.key: piece.source
        for piece in solver.pieces.get(equation.out, ())
        if isinstance(piece.region, Item) and not piece.region.attribute
    }
    return items or None


def split_parameters(
    solver: Solver, binding: dict[Var, Tree]
) -> tuple[list[tuple[Var, Var]], tuple[tuple[Var, Tree], ...]]:
    """Sort the callee's parameters into those that take unknowns and those whose argument is known."""
    unknown, known = [], []
    for param, tree in binding.items():
        missing = [var for var in leaves(tree) if var not in solver.known]
        if not missing:
            known.append((param, tree))
        elif isinstance(tree, Var):
            unknown.append((param, tree))
        else:
            return [], ()  # an argument that is known in part only
    return unknown, tuple(known)
