"""Leave out what is said to the compiler only: afterwards no equation calls `assume`, and each of its values is its argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from invcompiler.ir.nodes import Apply, Block, Branch, Equation, Function, Loop, Ref, Tree, Var
from invcompiler.ir.walk import map_operands, map_tree


def drop_assumptions(function: Function, assume: Callable[..., Any]) -> Function:
    """Return `function` without calls of `assume`."""
    return replace(function, body=_block(function.body, assume, {}))


def _block(block: Block, assume: Callable[..., Any], stated: dict[Var, Tree]) -> Block:
    def meant(var: Var) -> Tree:
        return stated.get(var, var)

    kept: list[Equation] = []
    for equation in block.equations:
        equation = map_operands(meant, _inside(equation, assume, stated))
        if _is_assumption(equation, assume):
            assert isinstance(equation, Apply)
            stated[equation.out] = (
                equation.args[0] if equation.args else dict(equation.kwargs)["value"]
            )
        else:
            kept.append(equation)
    return Block(block.params, tuple(kept), map_tree(meant, block.result))


def _inside(equation: Equation, assume: Callable[..., Any], stated: dict[Var, Tree]) -> Equation:
    match equation:
        case Loop():
            return replace(equation, body=_block(equation.body, assume, stated))
        case Branch():
            blocks = tuple(_block(block, assume, stated) for block in equation.blocks)
            return replace(equation, blocks=blocks)
        case _:
            return equation


def _is_assumption(equation: Equation, assume: Callable[..., Any]) -> bool:
    return (
        isinstance(equation, Apply) and isinstance(equation.fn, Ref) and equation.fn.value is assume
    )
