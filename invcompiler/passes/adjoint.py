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

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

import jax

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Const,
    Equation,
    Function,
    Loop,
    Opaque,
    Ref,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves, operands, read_in
from invcompiler.passes.activity import useful, varying
from invcompiler.passes.avals import Avals
from invcompiler.passes.cotangents import Cotangents
from invcompiler.passes.emission import Emission
from invcompiler.passes.even_loops import even_loops

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
    read: frozenset[Var] = frozenset()  # what the block reads somewhere, or returns

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
        self.forward.functions.update(local_pullbacks(block))
        if self.forward.generic:
            self.forward.functions.update(called(block))
        self.read = read_in(block)
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


def local_pullbacks(block: Block) -> set[Var]:
    """Return the vars for `jax.vjp(...)` and its pullback where the pullback is only called, in `block` itself.

    What calls it is differentiated as a function of the operands: a pullback that goes elsewhere has a cotangent.
    """
    made = {equation.outs[0]: equation for equation in block.equations}
    uses: dict[Var, list[Equation]] = {}
    for equation in block.equations:
        for var in operands(equation):
            uses.setdefault(var, []).append(equation)
    escaping = set(leaves(block.result))
    found: set[Var] = set()
    for var, equation in made.items():
        if not _calls(equation, jax.vjp) or var in escaping:
            continue
        items = uses.get(var, [])
        pulls = [item.outs[0] for item in items if _takes(item, 1)]
        called = all(_is_called(pull, uses.get(pull, [])) for pull in pulls)
        if (
            called
            and all(_takes(i, 0) or _takes(i, 1) or _takes(i, 2) for i in items)
            and escaping.isdisjoint(pulls)
        ):
            found.update((var, *pulls))
    return found


def called(block: Block) -> set[Var]:
    """Return the vars of `block` that hold functions, for they are called, or what `x.at` is, as far as the text shows it."""
    found: set[Var] = set()
    for equation in block.equations:
        if isinstance(equation, Apply) and isinstance(equation.fn, Var):
            found.add(equation.fn)
        if _calls(equation, getattr) and equation.args[1] == Const("at"):  # type: ignore[union-attr]
            found.add(equation.outs[0])
        if _calls(equation, operator.getitem) and equation.args[0] in found:  # type: ignore[union-attr]
            found.add(equation.outs[0])
    return found


def _calls(equation: Equation, fn: Any) -> bool:
    return isinstance(equation, Apply) and isinstance(equation.fn, Ref) and equation.fn.value is fn


def _takes(equation: Equation, number: int) -> bool:
    return _calls(equation, operator.getitem) and equation.args[1] == Const(number)  # type: ignore[union-attr]


def _is_called(pull: Var, uses: list[Equation]) -> bool:
    return all(
        isinstance(use, Apply) and use.fn == pull and all(pull not in leaves(a) for a in use.args)
        for use in uses
    )


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
    function = even_loops(function, avals)
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
