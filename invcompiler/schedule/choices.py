"""Calls and branches that choose: `where`, `cond`, `abs`, `sign`, `copysign`, `maximum`, `minimum`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

import jax
import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Branch, BranchKind, Const, Equation, Ref, Tree

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


OPPOSITE = {
    jnp.greater: jnp.less_equal,
    jnp.less_equal: jnp.greater,
    jnp.less: jnp.greater_equal,
    jnp.greater_equal: jnp.less,
}


@dataclass(frozen=True)
class Truth:
    """The condition is a value of the program; with `is_whole` it is one truth value, not an array of them."""

    tree: Tree
    is_whole: bool = False

    @property
    def trees(self) -> tuple[Tree, ...]:
        return (self.tree,)

    def holds(self, value: Any) -> Any:
        return value


@dataclass(frozen=True)
class Compared:
    """The condition is `fn(left, right)`."""

    fn: Callable[..., Any]
    left: Tree
    right: Tree
    is_whole = False

    @property
    def trees(self) -> tuple[Tree, ...]:
        return (self.left, self.right)

    def holds(self, left: Any, right: Any) -> Any:
        return self.fn(left, right)


Condition = Union[Truth, Compared]
Choices = Mapping[Condition, bool]


@dataclass(frozen=True)
class Chooser:
    """A call that is one of two things, by a condition: a comparison of its operands, or a truth value of the program's."""

    equation: Equation
    condition: Condition
    sides: tuple[Any, ...]  # for true and for false: what the value is then


def chooser_of(solver: Solver, equation: Equation) -> Chooser | None:
    if isinstance(equation, Branch):
        if equation.kind is not BranchKind.COND:
            return None
        return Chooser(equation, Truth(equation.predicate, True), equation.blocks)
    call = solver.call(equation) if isinstance(equation, Apply) else None
    if call is None:
        return None
    trees = tuple(call.arguments.values())
    if call.fn is jnp.where:
        condition, x, y = (call.arguments[name] for name in ("condition", "x", "y"))
        return Chooser(equation, Truth(condition), (x, y))
    if call.fn is jnp.maximum:
        return Chooser(equation, Compared(jnp.greater_equal, *trees[:2]), trees[:2])
    if call.fn is jnp.minimum:
        return Chooser(equation, Compared(jnp.less_equal, *trees[:2]), trees[:2])
    if call.fn is jax.nn.relu:
        return Chooser(equation, _is_nonnegative(trees[0]), (trees[0], Const(0.0)))
    if call.fn is jax.nn.leaky_relu and solver.takes_rules_apart:
        slope = call.arguments["negative_slope"]
        scaled = Apply(equation.outs[0], Ref(jnp.multiply, "jnp.multiply", jnp), (slope, trees[0]))
        return Chooser(equation, _is_nonnegative(trees[0]), (trees[0], scaled))
    if call.fn is jnp.abs:
        sides = trees[0], _negated(equation, trees[0])
        return Chooser(equation, _is_nonnegative(trees[0]), sides)
    if call.fn is jnp.copysign and solver.context.interval(trees[0]).is_nonnegative:
        return Chooser(
            equation, _is_nonnegative(trees[1]), (trees[0], _negated(equation, trees[0]))
        )
    if call.fn is jnp.sign:
        return Chooser(equation, _is_nonnegative(trees[0]), (Const(1.0), Const(-1.0)))
    return None


def _negated(equation: Equation, tree: Tree) -> Apply:
    negative = Ref(jnp.negative, "jnp.negative", jnp)
    return Apply(equation.outs[0], negative, (tree,), (), equation.span)


def _is_nonnegative(tree: Tree) -> Compared:
    return Compared(jnp.greater_equal, tree, Const(0))
