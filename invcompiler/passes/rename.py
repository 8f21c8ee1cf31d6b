"""Fresh copies of what equations bind, and new wishes for the names of vars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from invcompiler.ir.nodes import Apply, Block, Branch, Display, Equation, Loop, Opaque, Var
from invcompiler.ir.walk import map_block, map_operands

_EMPTY = Block((), (), Display(tuple, ()))


def refreshed(equation: Equation) -> Equation:
    """Return a copy of `equation` that binds vars of its own, in nested blocks too."""
    return _binding(equation, {}, lambda var: Var(var.name, var.span))


def with_names(block: Block, wishes: Mapping[Var, str]) -> Block:
    """Return a copy of `block` in which the vars that `wishes` names go by those names."""
    if not wishes:
        return block

    def named(var: Var) -> Var:
        return Var(wishes[var], var.span) if var in wishes else var

    return _block(block, {}, named)


def _block(block: Block, renamed: dict[Var, Var], new) -> Block:
    inner = dict(renamed) if renamed else renamed
    params = tuple(_bound(var, inner, new) for var in block.params)
    equations = tuple(_binding(equation, inner, new) for equation in block.equations)
    mapped = map_block(lambda var: inner.get(var, var), Block(params, (), block.result))
    return Block(params, equations, mapped.result)


def _bound(var: Var, renamed: dict[Var, Var], new) -> Var:
    renamed[var] = new(var)
    return renamed[var]


def _binding(equation: Equation, renamed: dict[Var, Var], new) -> Equation:
    match equation:
        case Apply():
            mapped = map_operands(lambda var: renamed.get(var, var), equation)
            assert isinstance(mapped, Apply)
            return replace(mapped, out=_bound(equation.out, renamed, new))
        case Loop():
            body = _block(equation.body, renamed, new)
            mapped = map_operands(lambda var: renamed.get(var, var), replace(equation, body=_EMPTY))
            outs = tuple(_bound(out, renamed, new) for out in equation.outs)
            return replace(mapped, body=body, outs=outs)
        case Branch():
            blocks = tuple(_block(block, renamed, new) for block in equation.blocks)
            mapped = map_operands(lambda var: renamed.get(var, var), replace(equation, blocks=()))
            outs = tuple(_bound(out, renamed, new) for out in equation.outs)
            return replace(mapped, blocks=blocks, outs=outs)
        case Opaque():
            mapped = map_operands(lambda var: renamed.get(var, var), equation)
            return replace(mapped, outs=tuple(_bound(out, renamed, new) for out in equation.outs))
        case _:
            assert_never(equation)
