"""Code for the root of a quadratic equation `a x^2 + b x + c = 0`, elementwise, on the branch that the schedule names.

`-2 c / (b + sqrt(b^2 - 4 a c))` has no cancellation where `b` has the sign of the root, and needs no `a`;
`(-b - sqrt(...)) / (2 a)` is for the others (Press et al., Numerical Recipes, section 5.6).
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.ir.nodes import Const, Ref, Tree
from invcompiler.passes import pieces_code
from invcompiler.passes.affine_code import emit
from invcompiler.passes.log_det import Term
from invcompiler.passes.ops import call
from invcompiler.schedule.affine import Coefficient, Op, add, divide, multiply, number, subtract
from invcompiler.schedule.plan import Quadratic
from invcompiler.schedule.polynomials import bounds

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def solve(emitter: Emitter, step: Quadratic) -> None:
    """Bind the unknown to its root; add the log-determinant."""
    b = _b(step)
    rises = _rises(emitter, step)
    if number(b) == 0:
        square = emit(emitter, divide(_minus_c(step), _a(step)))
        size = call(emitter.builder, jnp.sqrt, _safe(emitter, square))
        is_below = step.interval.is_nonpositive
        x = call(emitter.builder, operator.neg, size) if is_below else size
    else:
        root = _root(emitter, step, rises)
        x = _stable(emitter, step, root)
    if rises is not None:
        valid = call(emitter.builder, operator.or_, *rises)
        emitter.conditions.append(valid)
        x = call(emitter.builder, jnp.where, valid, x, Ref(jnp.nan, "jnp.nan", jnp))
    emitter.bind(step.solved, x)
    if emitter.ildj:
        add_term(emitter, step)


# ---- coefficients of P(x) - v Q(x) -----------------------------------------------------------------


def _a(step: Quadratic) -> Coefficient:
    return subtract(step.above[2], multiply(step.value, step.below[2]))


def _b(step: Quadratic) -> Coefficient:
    return subtract(step.above[1], multiply(step.value, step.below[1]))


def _minus_c(step: Quadratic) -> Coefficient:
    return subtract(multiply(step.value, step.below[0]), step.above[0])


def _root(emitter: Emitter, step: Quadratic, rises: tuple[Tree, Tree] | None) -> Tree:
    """Return the derivative of `P - v Q` at its zero: the square root of the discriminant, with its sign."""
    square = _square(_b(step))
    discriminant = add(square, multiply(4, multiply(_a(step), _minus_c(step))))
    root = call(emitter.builder, jnp.sqrt, _safe(emitter, emit(emitter, discriminant)))
    if rises is not None:
        negative = call(emitter.builder, operator.neg, root)
        return call(emitter.builder, jnp.where, rises[0], root, negative)
    return call(emitter.builder, operator.neg, root) if step.sign == -1 else root


def _safe(emitter: Emitter, square: Tree) -> Tree:
    """Return what a root is taken of, 1 where the root is not used: it is to have finite derivatives there."""
    if emitter.guard is None:
        return square
    return pieces_code.where(emitter, emitter.guard, square, Const(1.0))


def _square(coefficient: Coefficient) -> Coefficient:
    found = number(coefficient)
    return Op(jnp.square, (coefficient,)) if found is None else found * found


def _stable(emitter: Emitter, step: Quadratic, root: Tree) -> Tree:
    """Return the zero in a form without cancellation."""
    builder, twice = emitter.builder, emit(emitter, multiply(2, _minus_c(step)))
    b = emit(emitter, _b(step))
    plus = call(builder, operator.add, b, root)
    same = _has_sign_of_root(emitter, step)
    if same is True:
        return call(builder, operator.truediv, twice, plus)
    minus = call(builder, operator.sub, root, b)
    above = emit(emitter, multiply(2, _a(step)))
    if same is False:
        return call(builder, operator.truediv, minus, above)
    is_same = call(builder, operator.gt if step.sign == 1 else operator.lt, b, Const(0))
    numerator = call(builder, jnp.where, is_same, twice, minus)
    denominator = call(builder, jnp.where, is_same, plus, above)
    return call(builder, operator.truediv, numerator, denominator)


def _has_sign_of_root(emitter: Emitter, step: Quadratic) -> bool | None:
    """Whether `b` has the sign of the root; None if that depends on the value."""
    interval = step.interval
    if interval.lo <= 0 <= interval.hi and (interval.lo == 0 or interval.hi == 0):
        return True  # b is the derivative at 0 then, up to what the denominator changes
    if step.sign is not None:
        found = bounds(emitter.context, _b(step))
        if found.is_positive or found.is_negative:
            return found.is_positive == (step.sign == 1)
    return None


def _rises(emitter: Emitter, step: Quadratic) -> tuple[Tree, Tree] | None:
    """Return where the quotient increases and where it decreases, if only the run time tells."""
    if step.sign is not None:
        return None
    found = []
    for compare in (operator.ge, operator.le):
        total: Tree | None = None
        for end in step.ends:
            if number(end) == 0:
                continue
            holds = call(emitter.builder, compare, emit(emitter, end), Const(0))
            total = holds if total is None else call(emitter.builder, operator.and_, total, holds)
        assert total is not None
        found.append(total)
    return found[0], found[1]


# ---- the log-determinant ---------------------------------------------------------------------------


def add_term(emitter: Emitter, step: Quadratic) -> None:
    """Add log |dv/dx| = log |(P' - v Q') / Q| for each element."""
    x = step.solved
    slope = add(multiply(multiply(2, _a(step)), x), _b(step))
    value = _log_abs(emitter, emit(emitter, slope))
    c, b, a = step.below
    below = add(multiply(add(multiply(a, x), b), x), c)
    if number(below) != 1:
        log = _log_abs(emitter, emit(emitter, below))
        value = call(emitter.builder, operator.sub, value, log)
    emitter.log_det.add_term(Term(value, step.solved, full=True))


def _log_abs(emitter: Emitter, tree: Tree) -> Tree:
    return call(emitter.builder, jnp.log, call(emitter.builder, jnp.abs, tree))
