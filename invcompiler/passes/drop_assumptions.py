"""Leave out what is said to the compiler only: afterwards no equation calls `assume`, or another function that returns its
first argument, and each of their values is that argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from invcompiler.ir.nodes import Apply, Block, Branch, Equation, Function, Loop, Ref, Tree, Var
from invcompiler.ir.walk import map_operands, map_tree

Identities = tuple[Callable[..., Any], ...]


def drop_assumptions(function: Function, *identities: Callable[..., Any]) -> Function:
    """Return `function` without calls of `identities`."""
    return replace(function, body=_block(function.body, identities, {}))


def _block(block: Block, identities: Identities, stated: dict[Var, Tree]) -> Block:
    def meant(var: Var) -> Tree:
        return stated.get(var, var)

    kept: list[Equation] = []
    for equation in block.equations:
        equation = map_operands(meant, _inside(equation, identities, stated))
        if _is_identity(equation, identities):
            assert isinstance(equation, Apply)
            stated[equation.out] = equation.args[0] if equation.args else equation.kwargs[0][1]
        else:
            kept.append(equation)
    return Block(block.params, tuple(kept), map_tree(meant, block.result))


def _inside(equation: Equation, identities: Identities, stated: dict[Var, Tree]) -> Equation:
    match equation:
        case Loop():
            return replace(equation, body=_block(equation.body, identities, stated))
        case Branch():
            blocks = tuple(_block(block, identities, stated) for block in equation.blocks)
            return replace(equation, blocks=blocks)
        case _:
            return equation


def _is_identity(equation: Equation, identities: Identities) -> bool:
    if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
        return False
    return any(equation.fn.value is identity for identity in identities)
