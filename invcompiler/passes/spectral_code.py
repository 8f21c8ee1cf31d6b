"""Code for the inverse of a circular convolution: the same transforms, with a division in between."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Slice, Tree, Var
from invcompiler.passes.affine_code import emit
from invcompiler.passes.log_det import Term
from invcompiler.passes.ops import call, getitem, ints, tuple_of
from invcompiler.passes.shape_answers import answer
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Op
from invcompiler.schedule.plan import Spectral

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def solve(emitter: Emitter, step: Spectral) -> None:
    """Bind the unknown; add the log-determinant."""
    spectrum = _applied(emitter, step.forth, emitter.value(step.value))
    back = _applied(emitter, step.back, _divided(emitter, spectrum, step))
    emitter.bind(step.solved, back if step.real is None else _applied(emitter, step.real, back))
    if emitter.ildj:
        add_log_det(emitter, step)


def _applied(emitter: Emitter, equation: Apply, operand: Tree) -> Tree:
    """Return the user's own call, of another operand."""
    first, *rest = equation.args
    assert isinstance(first, Var)
    others = (emitter.value(tree) for tree in rest)
    kwargs = [(name, emitter.value(tree)) for name, tree in equation.kwargs]
    return emitter.builder.apply(equation.fn, (operand, *others), kwargs, span=equation.span)


def _divided(emitter: Emitter, spectrum: Tree, step: Spectral) -> Tree:
    by = step.spectrum
    if isinstance(by, Op) and by.fn is operator.truediv:
        spectrum = call(emitter.builder, operator.mul, spectrum, emit(emitter, by.args[1]))
        by = by.args[0]
    if affine.number(by) == 1:
        return spectrum
    return call(emitter.builder, operator.truediv, spectrum, emit(emitter, by))


def add_log_det(emitter: Emitter, step: Spectral) -> None:
    """Add log |spectrum| at every frequency; of half of them, those between the ends count twice."""
    builder, facts = emitter.builder, emitter.facts
    size = call(builder, jnp.log, call(builder, jnp.abs, emit(emitter, step.spectrum)))
    trees = affine.trees_of(step.spectrum)
    ranks = [facts.rank(tree) for tree in trees]
    rank = None if None in ranks else max((r for r in ranks if r is not None), default=0)
    if not step.half or rank == 0:
        full = any(facts.same_shape(tree, step.solved) is True for tree in trees)
        emitter.log_det.add_term(Term(size, step.solved, full=full, rank=rank))
        return
    points = getitem(builder, answer(emitter, step.solved, "shape"), -1)
    more = call(builder, operator.add, points, Const(1))
    stop = call(builder, operator.floordiv, more, Const(2))
    index = tuple_of([Const(...), Slice(Const(1), stop, Const(None))])
    axis = Const(-1) if step.axes == 1 else ints(range(-step.axes, 0))
    once = call(builder, jnp.sum, size, axis=axis)
    again = call(builder, jnp.sum, getitem(builder, size, index), axis=axis)
    total = call(builder, operator.add, once, again)
    rest = None if rank is None else max(rank - step.axes, 0)
    emitter.log_det.add_term(Term(total, step.solved, step.axes, rank=rest))


__all__ = ["add_log_det", "solve"]
