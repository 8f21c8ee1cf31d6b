"""Take the branches that are decided by static values: what remains depends on values met at run time.

A predicate is decided if it has one static value in every meeting. The blocks of `lax.cond` and `lax.switch` are not touched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax

from invcompiler.ir.nodes import Block, Branch, BranchKind, Equation, Function, Loop, Tree, Var
from invcompiler.ir.walk import map_operands, map_tree
from invcompiler.passes.avals import Avals


def settle_branches(function: Function, avals: Avals) -> Function:
    return replace(function, body=_block(function.body, avals, {}))


def _block(block: Block, avals: Avals, known: dict[Var, Tree]) -> Block:
    equations: list[Equation] = []
    for equation in block.equations:
        equation = map_operands(lambda var: known.get(var, var), equation)
        match equation:
            case Branch():
                _branch(equation, avals, known, equations)
            case Loop():
                equations.append(replace(equation, body=_block(equation.body, avals, known)))
            case _:
                equations.append(equation)
    return replace(
        block,
        equations=tuple(equations),
        result=map_tree(lambda var: known.get(var, var), block.result),
    )


def _branch(
    branch: Branch, avals: Avals, known: dict[Var, Tree], equations: list[Equation]
) -> None:
    taken = _taken(branch, avals)
    if taken is None:
        blocks = tuple(_block(block, avals, known) for block in branch.blocks)
        equations.append(replace(branch, blocks=blocks))
        return
    block = _block(branch.blocks[taken], avals, known)
    equations.extend(block.equations)
    known.update(zip(branch.outs, block.result.items, strict=True))  # type: ignore[union-attr]


def _taken(branch: Branch, avals: Avals) -> int | None:
    if branch.kind not in (BranchKind.IF, BranchKind.IFEXP):
        return None
    decided = avals.ask(_truth, branch.predicate)
    if decided is None or decided.value is None:
        return None
    return 0 if decided.value else 1


def _truth(value: Any) -> bool | None:
    arrays = any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(value))
    if arrays and not isinstance(value, tuple | list | dict):
        return None
    return bool(value)


__all__ = ["settle_branches"]
