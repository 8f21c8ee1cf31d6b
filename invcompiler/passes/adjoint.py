"""Reverse mode: the walk forward and the walk back over a function, as code.

`reverse` goes through a function once. Each equation is emitted again, with what the walk back needs beside it, and leaves a
*pullback*: a function that, given the cotangents of what the equation binds, emits those of what it reads. Run in
reverse, the pullbacks are the walk back. Its free vars are the primals that it needs; which of them are kept, and which
computed again, is decided by `residuals`, after the fact.

    def f(x):                 forward           back
        h = jnp.tanh(x)       h = jnp.tanh(x)   h_bar = y_bar * 3
        return h * 3          y = h * 3         x_bar = h_bar * (1 - h**2)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Equation,
    Function,
    Loop,
    Opaque,
    Tree,
    Var,
)
from invcompiler.passes.activity import useful, varying
from invcompiler.passes.avals import Avals
from invcompiler.passes.cotangents import Cotangents
from invcompiler.passes.emission import Emission

Pullback = Callable[[Cotangents], None]


@dataclass(eq=False)
class Walk:
    """The walk forward over one block: what it emits, and the pullbacks that it leaves."""

    forward: Emission
    varied: frozenset[Var]
    useful: frozenset[Var]
    pairs: Any  # how calls of other functions are differentiated: a `calls.Pairs`
    at_hand: frozenset[Var]  # parameters, which the walk back has anyway
    # inside `lax.cond`, whose sides must return the same: keep nothing but arrays
    recompute: bool = False
    definitions: dict[Var, Equation] = field(default_factory=dict)
    pullbacks: list[Pullback] = field(default_factory=list)

    def active(self, var: Var) -> bool:
        """Whether a cotangent of `var` is wanted: it varies with the inputs, and the output with it."""
        return var in self.varied and var in self.useful

    def nested(self, recompute: bool = False) -> Walk:
        """Return a walk over a block inside this one."""
        return Walk(
            self.forward.nested(),
            self.varied,
            self.useful,
            self.pairs,
            self.at_hand,
            self.recompute or recompute,
            self.definitions,
        )

    def block(self, block: Block) -> None:
        for equation in block.equations:
            self.equation(equation)

    def equation(self, equation: Equation) -> None:
        self.definitions.update(dict.fromkeys(equation.outs, equation))
        if not any(map(self.active, equation.outs)):
            self.forward.keep(equation)
            return
        pullback = _step(self, equation)
        if pullback is not None:
            self.pullbacks.append(pullback)

    def back(self, cotangents: Cotangents) -> None:
        for pullback in reversed(self.pullbacks):
            pullback(cotangents)


def _step(walk: Walk, equation: Equation) -> Pullback | None:
    from invcompiler.passes import adjoint_branches, adjoint_calls, adjoint_loops

    match equation:
        case Apply():
            return adjoint_calls.step(walk, equation)
        case Loop():
            return adjoint_loops.step(walk, equation)
        case Branch():
            return adjoint_branches.step(walk, equation)
        case Opaque():
            return adjoint_calls.opaque(walk, equation)
        case _:
            assert_never(equation)


@dataclass(frozen=True, eq=False)
class Reversed:
    """A function gone through in both directions: the code forward, and the code back.

    `bars` are the cotangents of the parameters asked for; free vars of `back` are primals of `forward`.
    """

    forward: Emission
    back: Emission
    result: Tree
    bars: tuple[Tree, ...]


def reverse(
    function: Function,
    active: Iterable[Var],
    avals: Avals,
    pairs: Any,
    seed: Callable[[Emission], Tree],
) -> tuple[Walk, Cotangents, Emission]:
    """Walk `function` forward and back; `seed` makes the cotangent of its result.

    The cotangents that arrived at the parameters are left in the `Cotangents` that is returned.
    """
    varied = varying(function.body, active, avals)
    wanted = useful(function.body, (function.body.result,), varied)
    params = frozenset(param.var for param in function.params)
    walk = Walk(Emission(avals), varied, wanted, pairs, params)
    walk.block(function.body)
    back = walk.forward.nested()
    cotangents = Cotangents(back, walk.active)
    cotangents.give(function.body.result, seed(back))
    walk.back(cotangents)
    return walk, cotangents, back


__all__ = ["Pullback", "Reversed", "Walk", "reverse"]
