"""Code that the user put into the adjoint is seen in the functions that are called, too.

A function that calls `debug_cotangent`, or has a block of `adjoint_of`, is called by its IR: forward without that code, which
belongs to the walk back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax

from invcompiler.debugging import IDENTITIES, adjoint_block
from invcompiler.errors import AdjointBlockError
from invcompiler.ir.nodes import Apply, Block, Branch, Equation, Function, Loop, Ref
from invcompiler.passes.drop_assumptions import drop_assumptions

Reading = Callable[[Any], Function | None]


def shown_blocks(function: Function, read: Reading) -> Function:
    """Return `function`, in which calls of functions with code for the adjoint are calls of IR functions.

    `read` gives the IR of a function of the user's, or None if it has none.
    """
    return _Shown(read).function(function)


class _Shown:
    def __init__(self, read: Reading):
        self.read = read
        self.known: dict[int, Function | None] = {}
        self.kept: list[Any] = []  # so that their ids stay theirs

    def function(self, function: Function) -> Function:
        return replace(function, body=self.block(function.body))

    def block(self, block: Block) -> Block:
        return replace(block, equations=tuple(map(self.equation, block.equations)))

    def equation(self, equation: Equation) -> Equation:
        match equation:
            case Apply(fn=Ref(value=jax.vmap), args=(Ref(value=callee), *_)):
                self.refuse_block(equation, callee)
                return equation
            case Apply(fn=Ref(value=callee)):
                shown = self.callee(callee)
                return equation if shown is None else replace(equation, fn=Ref(shown, shown.name))
            case Loop():
                return replace(equation, body=self.block(equation.body))
            case Branch():
                return replace(equation, blocks=tuple(map(self.block, equation.blocks)))
            case _:
                return equation

    def refuse_block(self, equation: Apply, callee: Any) -> None:
        """Refuse an `adjoint_of` block in what `jax.vmap` runs: JAX differentiates that, and runs no block."""
        shown = self.callee(callee)
        if shown is not None and _has_code(shown.body, (adjoint_block,)):
            raise AdjointBlockError(
                f"a block of `adjoint_of` in `{shown.name}` has no effect, for `jax.vmap` runs it",
                span=equation.span,
                label="what is mapped is differentiated by JAX",
                hint="use `inv.debug_cotangent`, of which JAX knows too",
            )

    def callee(self, callee: Any) -> Function | None:
        """Return the IR of what is called if it has code for the adjoint."""
        if id(callee) not in self.known:
            self.known[id(callee)] = None  # of a recursive function, until it is known
            self.kept.append(callee)
            function = self.read(callee)
            shown = None if function is None else self.function(function)
            if shown is not None and _has_code(shown.body):
                self.known[id(callee)] = shown
        return self.known[id(callee)]


def _has_code(block: Block, marks: tuple = IDENTITIES) -> bool:
    return any(_is_code(equation, marks) for equation in block.equations)


def _is_code(equation: Equation, marks: tuple) -> bool:
    match equation:
        case Apply(fn=Ref(value=Function() as callee)):
            return _has_code(callee.body, marks)
        case Apply(fn=Ref(value=callee)):
            return any(callee is mark for mark in marks)
        case Loop():
            return _has_code(equation.body, marks)
        case Branch():
            return any(_has_code(block, marks) for block in equation.blocks)
        case _:
            return False


def without_blocks(function: Function) -> Function:
    """Return `function` as it runs forward: without code for the adjoint, in what it calls neither."""
    function = drop_assumptions(function, *IDENTITIES)
    return replace(function, body=_without(function.body))


def _without(block: Block) -> Block:
    return replace(block, equations=tuple(map(_forward, block.equations)))


def _forward(equation: Equation) -> Equation:
    match equation:
        case Apply(fn=Ref(value=Function() as callee)) if _has_code(callee.body):
            return replace(equation, fn=Ref(without_blocks(callee), callee.name))
        case Loop():
            return replace(equation, body=_without(equation.body))
        case Branch():
            return replace(equation, blocks=tuple(map(_without, equation.blocks)))
        case _:
            return equation


__all__ = ["shown_blocks", "without_blocks"]
