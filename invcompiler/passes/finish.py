"""The last step of every derivative function: what is left says and computes no more than it must."""

from __future__ import annotations

from invcompiler.ir.nodes import Function
from invcompiler.passes.adjoint_blocks import without_blocks
from invcompiler.passes.drop_assumptions import drop_assumptions
from invcompiler.passes.simplify import simplify
from invcompiler.rules.adjoint_helpers import same


def finish(function: Function) -> Function:
    """Return `function` without stand-ins, code for the adjoint where it runs forward, and what is computed in vain."""
    return simplify(without_blocks(drop_assumptions(function, same)))


__all__ = ["finish"]
