"""Which values depend on the unknowns."""

from __future__ import annotations

from collections.abc import Iterable

from invcompiler.ir.nodes import Block, Branch, Loop, Var
from invcompiler.ir.walk import leaves, operands
from invcompiler.schedule.parts import parts_of


def tainted(block: Block, unknown: Iterable[Var]) -> frozenset[Var]:
    """Return the vars of `block`, nested blocks included, that depend on `unknown`."""
    found = set(unknown)
    _block(block, found)
    return frozenset(found)


def _block(block: Block, found: set[Var]) -> None:
    for equation in block.equations:
        if isinstance(equation, Loop):
            _loop(equation, found)
        elif isinstance(equation, Branch):
            for inner in equation.blocks:
                _block(inner, found)
        if any(var in found for var in operands(equation)):
            found.update(equation.outs)


def _loop(loop: Loop, found: set[Var]) -> None:
    """Carried values that start or become dependent are so in every step."""
    parts = parts_of(loop)
    starts = [*zip(parts.carries, loop.init, strict=True), *parts.items]
    found.update(var for var, tree in starts if any(leaf in found for leaf in leaves(tree)))
    while True:
        _block(loop.body, found)
        ends = zip(parts.carries, parts.new_carries, strict=True)
        new = {var for var, tree in ends if any(leaf in found for leaf in leaves(tree))} - found
        if not new:
            return
        found.update(new)
