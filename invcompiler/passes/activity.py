"""Which vars vary differentiably with the inputs that a derivative is taken by.

A var varies if it is computed from one that varies, by a function with a derivative, and holds floating-point or complex
numbers. `x.shape`, `x > 0`, `jnp.argmax(x)` and `lax.stop_gradient(x)` do not vary.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import assert_never

import jax
import jax.numpy as jnp

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Each,
    Enumerate,
    Equation,
    Iter,
    Loop,
    Opaque,
    Range,
    Ref,
    Reversed,
    Tree,
    Var,
    Zip,
)
from invcompiler.ir.walk import item_count, leaves, operands
from invcompiler.passes.avals import Avals
from invcompiler.passes.containers import has_inexact, holds_function

_FLAT = (
    *(len, isinstance, type, bool, int, str, repr, range, print, hasattr, callable),
    *(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.not_),
    *(operator.is_, operator.is_not),
    *(jnp.shape, jnp.ndim, jnp.size, jnp.zeros_like, jnp.ones_like, jnp.empty_like),
    *(jnp.result_type, jnp.argmax, jnp.argmin, jnp.argsort, jnp.isnan, jnp.isfinite, jnp.isinf),
    *(
        jnp.sign,
        jnp.floor,
        jnp.ceil,
        jnp.round,
        jnp.rint,
        jnp.trunc,
        jnp.searchsorted,
        jnp.digitize,
    ),
    *(jnp.heaviside, jax.lax.stop_gradient, jax.eval_shape, jax.tree.structure),
)
_FLAT_IDS = frozenset(map(id, _FLAT))
_FLAT_ATTRIBUTES = frozenset({"shape", "ndim", "size", "dtype", "aval", "sharding", "weak_type"})


def varying(block: Block, seeds: Iterable[Var], avals: Avals) -> frozenset[Var]:
    """Return the vars of `block`, nested blocks included, that vary with `seeds`."""
    varied = {var for var in seeds if _may_vary(var, avals)}
    _block(block, varied, avals)
    return frozenset(varied)


def _block(block: Block, varied: set[Var], avals: Avals) -> None:
    for equation in block.equations:
        _equation(equation, varied, avals)


def _equation(equation: Equation, varied: set[Var], avals: Avals) -> None:
    match equation:
        case Apply():
            reads_varied = any(var in varied for var in operands(equation))
            known = equation.out in avals.met
            if reads_varied and not is_flat(equation, known) and _may_vary(equation.out, avals):
                varied.add(equation.out)
        case Opaque():
            if any(var in varied for var in operands(equation)):
                varied.update(out for out in equation.outs if _may_vary(out, avals))
        case Branch():
            for inner in equation.blocks:
                _block(inner, varied, avals)
                _mark(equation.outs, _items(inner.result), varied, avals)
        case Loop():
            _loop(equation, varied, avals)
        case _:
            assert_never(equation)


def _loop(loop: Loop, varied: set[Var], avals: Avals) -> None:
    carried = loop.body.params[: len(loop.init)]
    _mark(carried, loop.init, varied, avals)
    if loop.iterable is not None:
        for var, tree in zip(loop.body.params[len(loop.init) :], item_trees(loop), strict=True):
            _mark((var,), (tree,), varied, avals)
    while True:
        before = len(varied)
        _block(loop.body, varied, avals)
        _mark(carried, _items(loop.body.result), varied, avals)
        if len(varied) == before:
            break
    _mark(loop.outs, _items(loop.body.result), varied, avals)
    _mark(loop.outs[: len(carried)], carried, varied, avals)


def item_trees(loop: Loop) -> list[Tree]:
    """Return, for each item var of `loop`, the tree whose items it takes (a counter's: its start)."""

    def trees(iterable: Iter) -> list[Tree]:
        match iterable:
            case Range():
                return [iterable.start]
            case Each():
                return [iterable.value]
            case Zip():
                return [tree for part in iterable.parts for tree in trees(part)]
            case Enumerate():
                return [iterable.start, *trees(iterable.part)]
            case Reversed():
                return trees(iterable.part)
            case _:
                assert_never(iterable)

    found = [] if loop.iterable is None else trees(loop.iterable)
    assert len(found) == item_count(loop.iterable)
    return found


def _mark(vars: Iterable[Var], trees: Iterable[Tree], varied: set[Var], avals: Avals) -> None:
    for var, tree in zip(vars, trees, strict=False):
        if any(leaf in varied for leaf in leaves(tree)) and _may_vary(var, avals):
            varied.add(var)


def _items(result: Tree) -> tuple[Tree, ...]:
    return result.items  # type: ignore[union-attr]


def _may_vary(var: Var, avals: Avals) -> bool:
    if var not in avals.met:
        return True
    met = avals.met[var].values()
    return any(has_inexact(aval) or holds_function(aval) for aval in met)


def is_flat(equation: Apply, known: bool = False) -> bool:
    """Whether the value of `equation` has no derivative, whatever its operands are.

    Where its value is `known`, that says whether an attribute called `size` is a number or a user's array.
    """
    fn = equation.fn
    if not isinstance(fn, Ref):
        return False
    if fn.value is getattr:
        if known:
            return False
        name = getattr(equation.args[1], "value", None)
        return name in _FLAT_ATTRIBUTES
    return id(fn.value) in _FLAT_IDS


def useful(block: Block, results: Iterable[Tree], varied: frozenset[Var]) -> frozenset[Var]:
    """Return the varying vars, nested blocks included, that `results` (trees over vars of `block`) vary with."""
    needed = {var for tree in results for var in leaves(tree) if var in varied}
    _useful(block, needed, varied)
    return frozenset(needed)


def _useful(block: Block, needed: set[Var], varied: frozenset[Var]) -> None:
    for equation in reversed(block.equations):
        if not any(out in needed for out in equation.outs):
            continue
        match equation:
            case Apply() | Opaque():
                needed.update(var for var in _differentiable(equation) if var in varied)
            case Branch():
                for inner in equation.blocks:
                    _need(equation.outs, _items(inner.result), needed, varied)
                    _useful(inner, needed, varied)
            case Loop():
                _useful_loop(equation, needed, varied)
            case _:
                assert_never(equation)


def _differentiable(equation: Apply | Opaque) -> Iterable[Var]:
    """Return the operands that the value may vary with: not the key of `x[key]`, a number or a name where nothing is known of it."""
    if isinstance(equation, Apply) and isinstance(equation.fn, Ref):
        if equation.fn.value is operator.getitem:
            return leaves(equation.args[0])
    return operands(equation)


def _useful_loop(loop: Loop, needed: set[Var], varied: frozenset[Var]) -> None:
    carried = loop.body.params[: len(loop.init)]
    results = _items(loop.body.result)
    _need(loop.outs, results, needed, varied)
    while True:
        before = len(needed)
        _useful(loop.body, needed, varied)
        _need(carried, results, needed, varied)
        if len(needed) == before:
            break
    _need(loop.outs, loop.init, needed, varied)
    _need(carried, loop.init, needed, varied)
    _need(loop.body.params[len(carried) :], item_trees(loop), needed, varied)


def _need(
    outs: Iterable[Var], trees: Iterable[Tree], needed: set[Var], varied: frozenset[Var]
) -> None:
    """Need the vars of each tree whose out is needed."""
    for out, tree in zip(outs, trees, strict=False):
        if out in needed:
            needed.update(var for var in leaves(tree) if var in varied)


__all__ = ["is_flat", "item_trees", "useful", "varying"]
