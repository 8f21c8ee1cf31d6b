"""Code for a small linear system, elementwise: by Cramer's rule, with what is a number computed now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.ir.nodes import Const, Tree
from invcompiler.passes.log_det import Term
from invcompiler.passes.ops import call
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient, Op
from invcompiler.schedule.plan import Collect

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def solve_system(emitter: Emitter, step: Collect) -> None:
    """Bind the solved vars; add the log-determinant of the system."""
    right = [affine.subtract(v, b) for v, b in zip(step.values, step.offsets, strict=True)]
    determinant = affine.determinant(step.rows)
    for column, var in enumerate(step.solved):
        numerator: Coefficient = 0
        for row, value in enumerate(right):
            cofactor = (
                affine.determinant(affine.minor(step.rows, row, column)) if len(right) > 1 else 1
            )
            term = affine.multiply(cofactor, value)
            even = (row + column) % 2 == 0
            numerator = affine.add(numerator, term) if even else affine.subtract(numerator, term)
        emitter.bind(var, emit(emitter, affine.divide(numerator, determinant)))
    if emitter.ildj:
        add_determinant(emitter, step)


def add_determinant(emitter: Emitter, step: Collect) -> None:
    """Add log |det| of the system for each element."""
    determinant = affine.determinant(step.rows)
    size = call(emitter.builder, jnp.abs, emit(emitter, determinant))
    value = call(emitter.builder, jnp.log, size)
    ranks = [emitter.facts.rank(tree) for tree in affine.trees_of(determinant)]
    rank = None if None in ranks else max((r for r in ranks if r is not None), default=0)
    same = any(
        emitter.facts.same_shape(tree, step.solved[0]) is True
        for tree in affine.trees_of(determinant)
    )
    emitter.log_det.add_term(Term(value, step.solved[0], full=same, rank=rank))


def emit(emitter: Emitter, coefficient: Coefficient) -> Tree:
    """Return the code of a coefficient, whose trees are forward ones."""
    if isinstance(coefficient, Op):
        return call(emitter.builder, coefficient.fn, *(emit(emitter, a) for a in coefficient.args))
    if isinstance(coefficient, int | float):
        return Const(coefficient)
    return emitter.value(coefficient)
