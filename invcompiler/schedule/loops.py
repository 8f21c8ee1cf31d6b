"""Running loops and branches in reverse: by a plan for their bodies.

A loop runs backwards if each step's unknowns can be recovered from what the step leaves behind, and forwards if they can be
recovered from what it starts with (an autoregressive loop, whose items are unknown and whose start is known).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from invcompiler.errors import InvcompilerError
from invcompiler.ir.nodes import (
    Block,
    Branch,
    Display,
    Loop,
    Tree,
    Var,
)
from invcompiler.ir.walk import free_vars, leaves, operands
from invcompiler.schedule.parts import Parts, parts_of, views_of
from invcompiler.schedule.plan import InvertBranch, InvertLoop, Plan

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


def is_known(tree: Tree, known: set[Var]) -> bool:
    return all(var in known for var in leaves(tree))


def invert(solver: Solver, loop: Loop) -> InvertLoop | None:
    parts = parts_of(loop)
    known = solver.known
    unknown_items = [i for i, (_, tree) in enumerate(parts.items) if not is_known(tree, known)]
    if not all(_is_sequence(solver, parts, i) for i in unknown_items):
        return None
    unknown_carries = [i for i, tree in enumerate(loop.init) if not is_known(tree, known)]
    if not unknown_items and not unknown_carries:
        return None
    if not unknown_carries:
        step = _forwards(solver, parts, unknown_items)
        if step is not None:
            return step
    steady = steady_carries(solver, parts)
    extra = [
        i
        for i, out in enumerate(parts.final)
        if i not in steady and i not in unknown_carries and out in known
    ]
    for carried in (unknown_carries, sorted({*unknown_carries, *extra})):
        step = backwards(solver, parts, carried, steady, unknown_items)
        if step is not None:
            return step
    return None


def _is_sequence(solver: Solver, parts: Parts, i: int) -> bool:
    """Whether an item is one of a tuple, a list or an array: of others, their items do not tell what they are."""
    container = parts.items[i][1]
    if not isinstance(container, Var) or parts.loop.iterable is None:
        return False
    structure = solver.context.structure(container)
    if structure is not None and structure.kind not in (tuple, list):
        return False
    return not list(views_of(parts.loop.iterable))[i]


def steady_carries(solver: Solver, parts: Parts) -> tuple[int, ...]:
    """Return the carried values that knowns determine at every step: counters, keys."""
    steady = {i for i, tree in enumerate(parts.loop.init) if is_known(tree, solver.known)}
    while True:
        reachable = forward_closure(parts.loop.body, _known_in_body(solver, parts, steady))
        lost = {i for i in steady if not is_known(parts.new_carries[i], reachable)}
        if not lost:
            return tuple(sorted(steady))
        steady -= lost


def _known_in_body(solver: Solver, parts: Parts, steady: Iterable[int]) -> set[Var]:
    outer = {var for var in free_vars(parts.loop.body) if var in solver.known}
    items = {var for var, tree in parts.items if is_known(tree, solver.known)}
    return outer | items | {parts.carries[i] for i in steady}


def forward_closure(block: Block, known: set[Var]) -> set[Var]:
    """Return what can be computed by running the equations of `block` forward from `known`."""
    reached = set(known)
    for equation in block.equations:
        if all(var in reached for var in operands(equation)):
            reached.update(equation.outs)
    return reached


def _known_collections(solver: Solver, parts: Parts) -> list[int]:
    return [
        i
        for i, out in enumerate(parts.collections)
        if out in solver.known and isinstance(parts.collected[i], Var)
    ]


def backwards(
    solver: Solver,
    parts: Parts,
    carried: list[int],
    steady: tuple[int, ...],
    unknown_items: list[int],
) -> InvertLoop | None:
    if any(
        parts.final[i] not in solver.known or not isinstance(parts.new_carries[i], Var)
        for i in carried
    ):
        return None
    collected = _known_collections(solver, parts)
    given = _known_in_body(solver, parts, steady)
    given |= {parts.new_carries[i] for i in carried}
    given |= {parts.collected[i] for i in collected}
    targets = [parts.carries[i] for i in carried] + [parts.items[i][0] for i in unknown_items]
    plan = _solve_block(solver, parts.loop, parts.loop.body, given, targets)
    if plan is None:
        return None
    items = tuple((i, parts.items[i][1]) for i in unknown_items)
    solved = [tree for i in carried if isinstance(tree := parts.loop.init[i], Var)]
    solved = [var for var in solved if var not in solver.known] + [var for _, var in items]
    return InvertLoop(
        parts.loop, plan, True, tuple(carried), steady, items, tuple(collected), tuple(solved)
    )


def _forwards(solver: Solver, parts: Parts, unknown_items: list[int]) -> InvertLoop | None:
    collected = _known_collections(solver, parts)
    if not collected:
        return None
    carried = range(len(parts.carries))
    given = _known_in_body(solver, parts, carried)
    given |= {parts.collected[i] for i in collected}
    new = [var for tree in parts.new_carries for var in leaves(tree)]
    targets = [parts.items[i][0] for i in unknown_items] + new
    plan = _solve_block(solver, parts.loop, parts.loop.body, given, targets)
    if plan is None:
        return None
    items = tuple((i, parts.items[i][1]) for i in unknown_items)
    solved = tuple(var for _, var in items) + parts.final
    return InvertLoop(parts.loop, plan, False, tuple(carried), (), items, tuple(collected), solved)


def _solve_block(
    solver: Solver, equation: Loop | Branch, block: Block, given: set[Var], targets: list
) -> Plan | None:
    ordered = tuple(dict.fromkeys(v for v in _in_order(block) if v in given))
    try:
        return solver.solve_inner(block, ordered, tuple(dict.fromkeys(targets)))
    except InvcompilerError as error:
        solver.refusals[equation] = error
        return None


def _in_order(block: Block) -> Iterator[Var]:
    yield from block.params
    yield from free_vars(block)
    for equation in block.equations:
        yield from equation.outs


def invert_branch(solver: Solver, branch: Branch) -> InvertBranch | None:
    """Recover what every block uses of the unknowns, from the values of the branch that are known."""
    if not is_known(branch.predicate, solver.known):
        return None
    outs = [i for i, out in enumerate(branch.outs) if out in solver.known]
    missing = [
        [var for var in free_vars(block) if var not in solver.known] for block in branch.blocks
    ]
    targets = [var for var in missing[0] if all(var in others for others in missing)]
    if not outs or not targets:
        return None
    plans = []
    for block in branch.blocks:
        assert isinstance(block.result, Display)
        given = {var for var in free_vars(block) if var in solver.known}
        given |= {leaf for i in outs if isinstance(leaf := block.result.items[i], Var)}
        plan = _solve_block(solver, branch, block, given, targets)
        if plan is None:
            return None
        plans.append(plan)
    return InvertBranch(branch, tuple(plans), tuple(targets))
