"""Which primals the walk back keeps, and which it computes again from those.

What is at hand anyway (parameters, the items of a loop) is not kept twice, and neither is a view: `x[:k]`, a
transpose or a reshape of something that is at hand is taken again, which costs nothing.
"""

from __future__ import annotations

import keyword
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Const,
    Display,
    Equation,
    Method,
    Ref,
    Slice,
    Tree,
    Var,
)
from invcompiler.ir.walk import free_vars, leaves, operands
from invcompiler.passes.avals import Held
from invcompiler.passes.emission import Emission
from invcompiler.rules.adjoint_helpers import same
from invcompiler.rules.canonical import canonical

_VIEWS = frozenset(
    map(
        id,
        (jnp.reshape, jnp.ravel, jnp.transpose, jnp.matrix_transpose, jnp.swapaxes, jnp.moveaxis)
        + (jnp.expand_dims, jnp.squeeze, jnp.split, jnp.broadcast_to, jnp.asarray),
    )
)


@dataclass(frozen=True)
class Kept:
    """`residuals` are handed over, `views` computed again from them and from `free`.

    `carried` are values that a loop carries, each with what it is after the step: those are carried back and undone. `works` says how
    many operations values that are made again take, `undone` which of those are made of what was made of them.
    """

    residuals: tuple[Var, ...]
    views: tuple[Equation, ...]
    free: tuple[Var, ...]
    carried: tuple[tuple[Var, Var], ...] = ()
    works: Mapping[Var, int] = field(default_factory=dict)
    undone: frozenset[Var] = frozenset()


def choose(forward: Emission, back: Block, free: Iterable[Var], bound: Iterable[Var] = ()) -> Kept:
    """Decide how `back` gets the primals that it reads.

    `forward` is the walk forward, `bound` its other vars (parameters of the block), and `free` those that cost
    nothing to have. So do vars of the blocks around this one.
    """
    made = {out: equation for equation in forward.equations for out in equation.outs}
    at_hand = dict.fromkeys(free)
    local = {*made, *bound, *at_hand}
    read = dict.fromkeys(var for var in free_vars(_pruned(back)) if var in local)
    again = _Again(forward, made, at_hand)
    for var in read:
        if not again.can_keep(var):
            again.compute(var)
    needed = {var: None for var in (*read, *again.needs) if var not in again.done}
    is_at_hand = lambda var: var in at_hand or var not in local
    roots = {var: _root(var, made, is_at_hand, needed) for var in needed}
    views: dict[Equation, None] = {}
    for var in needed:
        if roots[var] is not var:
            _chain(var, roots[var], made, views)
    views.update(again.equations)
    residuals = tuple(var for var in needed if roots[var] is var and var not in at_hand)
    for var in residuals:
        forward.wish(var, described(made.get(var)))
    used = {operand for equation in views for operand in operands(equation)} | set(needed)
    return Kept(residuals, tuple(views), tuple(var for var in at_hand if var in used))


def _pruned(block: Block) -> Block:
    """Return `block` without equations that its result does not depend on."""
    live = set(leaves(block.result))
    kept: list[Equation] = []
    for equation in reversed(block.equations):
        if any(out in live for out in equation.outs):
            kept.append(equation)
            live.update(operands(equation))
    return replace(block, equations=tuple(reversed(kept)))


@dataclass(eq=False)
class _Again:
    """What is computed again because it is a constant, or nothing that can be handed over, such as `x.at`."""

    forward: Emission
    made: dict[Var, Equation]
    at_hand: dict[Var, None]
    equations: dict[Equation, None] = field(default_factory=dict)
    needs: dict[Var, None] = field(default_factory=dict)
    done: set[Var] = field(default_factory=set)

    def can_keep(self, var: Var) -> bool:
        if var in self.at_hand or not isinstance(self.made.get(var), Apply):
            return True
        known = self.forward.ask(_is_handed_over, var)
        return (known is None or known.value) and not self.is_constant(var)

    def is_constant(self, var: Var) -> bool:
        """Whether `var` is made by functions of jax's own from nothing but constants."""
        equation = self.made.get(var)
        if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
            return False
        module = str(getattr(equation.fn.value, "__module__", ""))
        is_cheap = module in _CHEAP
        return is_cheap and all(map(self.is_constant, operands(equation)))

    def compute(self, var: Var) -> None:
        if var in self.done:
            return
        self.done.add(var)
        equation = self.made[var]
        for operand in operands(equation):
            if operand in self.at_hand or operand not in self.made:
                continue
            if self.can_keep(operand):
                self.needs[operand] = None
            else:
                self.compute(operand)
        self.equations[equation] = None


_CHEAP = ("jax.numpy", "jax.lax", "numpy", "_operator", "builtins")


def _is_handed_over(aval: object) -> bool:
    return not any(isinstance(leaf, Held) or callable(leaf) for leaf in jax.tree.leaves(aval))


def _root(var: Var, made: dict, is_at_hand: Callable[[Var], bool], needed: dict) -> Var:
    """Return the var at hand, or needed itself, that `var` is a view of; `var` if there is none."""
    root = here = var
    while (source := _source(made.get(here))) is not None:
        here = source
        if is_at_hand(here):
            return here
        if here in needed:
            root = here
    return root


def _chain(var: Var, root: Var, made: dict, views: dict[Equation, None]) -> None:
    if var is root:
        return
    equation = made[var]
    source = _source(equation)
    assert source is not None
    _chain(source, root, made, views)
    views[equation] = None


def _source(equation: Equation | None) -> Var | None:
    """Return the var that `equation` takes a view of, or None if it is not a view."""
    if not isinstance(equation, Apply):
        return None
    first = equation.args[0] if equation.args else None
    rest = (*equation.args[1:], *(tree for _, tree in equation.kwargs))
    if not isinstance(first, Var) or not all(map(_is_static, rest)):
        return None
    return first if _is_view(equation) else None


def _is_view(equation: Apply) -> bool:
    fn = equation.fn
    if isinstance(fn, Ref) and fn.value in (operator.getitem, getattr, same):
        return True
    if not isinstance(fn, Ref | Method):
        return False
    call = canonical(equation)
    return call is not None and id(call.fn) in _VIEWS


def _is_static(tree: Tree) -> bool:
    match tree:
        case Const():
            return True
        case Display():
            return all(map(_is_static, tree.items))
        case Slice():
            return all(map(_is_static, (tree.lower, tree.upper, tree.step)))
        case _:
            return False


def described(equation: Equation | None) -> str | None:
    """Return a name for the value of a call: that of the function, or of the item."""
    if not isinstance(equation, Apply):
        return None
    name: object = None
    if isinstance(equation.fn, Method):
        name = equation.fn.name
    elif isinstance(equation.fn, Ref) and equation.fn.value in (operator.getitem, getattr):
        key = equation.args[1]
        name = key.value if isinstance(key, Const) else None
        name = "transposed" if name in ("T", "mT") else name
    elif isinstance(equation.fn, Ref):
        *module, last = equation.fn.spelling.split(".")
        name = _WORDS.get(equation.fn.value, last if module else f"{last}_out")
    usable = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
    return name if usable else None  # type: ignore[return-value]


_WORDS = {
    operator.add: "total",
    operator.sub: "difference",
    operator.mul: "product",
    operator.truediv: "quotient",
    operator.matmul: "product",
    operator.pow: "power",
    operator.neg: "negated",
}


def invariant(equations: Iterable[Equation], bound: Iterable[Var]) -> dict[Var, Equation]:
    """Return the calls among the equations of a loop's body that do not depend on the step, by what they bind."""
    varying = set(bound)
    found: dict[Var, Equation] = {}
    for equation in equations:
        if isinstance(equation, Apply) and varying.isdisjoint(operands(equation)):
            found[equation.out] = equation
        else:
            varying.update(equation.outs)
    return found


__all__ = ["Kept", "choose", "described", "invariant"]
