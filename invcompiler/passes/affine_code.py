"""Code for a small linear system, elementwise: by Cramer's rule, with what is a number computed now.

Right-hand sides that are all multiples by one scalar, because a step before undid a division, are solved for without it:
`(low * c + high * c) / 2` is `(low + high) * (c / 2)`, and `(low + high) / c` for the square root of 2.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.build import tree_key
from invcompiler.ir.nodes import Apply, Const, Ref, Tree, Var
from invcompiler.passes.log_det import Term
from invcompiler.passes.numbers import number_in
from invcompiler.passes.ops import call
from invcompiler.schedule import affine, ratios
from invcompiler.schedule.affine import Coefficient, Op
from invcompiler.schedule.plan import Collect, Ratio, Wrapped

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def solve_system(emitter: Emitter, step: Collect) -> None:
    """Bind the solved vars; add the log-determinant of the system."""
    scale = _common_scale(emitter, step)
    values = step.values if scale is None else scale.of
    right = [affine.subtract(v, b) for v, b in zip(values, step.offsets, strict=True)]
    if len(right) > 2 and all(type(c) in (int, float) for row in step.rows for c in row):
        _solve_numbers(emitter, step, right)
        return
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
        if scale is None:
            emitter.bind(var, emit(emitter, affine.divide(numerator, determinant)))
        else:
            emitter.bind(var, _scaled(emitter, scale, numerator, determinant))
    if emitter.ildj:
        add_determinant(emitter, step)


def _solve_numbers(emitter: Emitter, step: Collect, right: list[Coefficient]) -> None:
    """Apply the inverse of a matrix of numbers, whose entries with one size are taken together."""
    inverse = np.linalg.inv(np.array(step.rows, float)).round(15)
    for var, row in zip(step.solved, inverse.tolist(), strict=True):
        by_size: dict[float, Coefficient] = {}
        for entry, value in zip(row, right, strict=True):
            combine = affine.add if entry > 0 else affine.subtract
            if entry:
                by_size[abs(entry)] = combine(by_size.get(abs(entry), 0), value)
        total: Coefficient = 0
        for size, value in by_size.items():
            total = affine.add(total, affine.multiply(_plain(size), value))
        emitter.bind(var, emit(emitter, total))
    if emitter.ildj:
        add_determinant(emitter, step)


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


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


def solve_ratio(emitter: Emitter, step: Ratio) -> None:
    """Bind the unknown of a quotient y = (a x + b) / (c x + d), x = (d y - b) / (a - c y)."""
    (_, b), (_, d) = step.rows
    above = affine.subtract(affine.multiply(d, step.value), b)
    x = emit(emitter, affine.divide(above, _below(step)))
    determinant = ratios.determinant(step.rows)
    if affine.number(determinant) is None:  # known to be other than 0 at run time only
        vanishes = call(emitter.builder, operator.eq, emit(emitter, determinant), Const(0))
        x = call(emitter.builder, jnp.where, vanishes, Ref(jnp.nan, "jnp.nan", jnp), x)
    emitter.bind(step.solved, x)
    if emitter.ildj:
        add_ratio(emitter, step)


def _below(step: Ratio) -> Coefficient:
    (a, _), (c, _) = step.rows
    return affine.subtract(a, affine.multiply(c, step.value))


def add_ratio(emitter: Emitter, step: Ratio) -> None:
    """Add log |dy/dx| = log |(a - c y)^2 / (a d - b c)| for each element; of a line, which has one slope, log |a / d|."""
    (a, _), (c, d) = step.rows
    is_line = affine.number(c) == 0
    above, below = (a, d) if is_line else (_below(step), ratios.determinant(step.rows))
    value = _log_abs(emitter, above)
    if not is_line:
        value = call(emitter.builder, operator.mul, Const(2), value)
    if affine.number(below) != 1:
        value = call(emitter.builder, operator.sub, value, _log_abs(emitter, below))
    rank = 0 if is_line and None not in map(affine.number, (a, d)) else None
    emitter.log_det.add_term(Term(value, step.solved, full=not is_line, rank=rank))


def _log_abs(emitter: Emitter, coefficient: Coefficient) -> Tree:
    size = call(emitter.builder, jnp.abs, emit(emitter, coefficient))
    return call(emitter.builder, jnp.log, size)


def solve_wrapped(emitter: Emitter, step: Wrapped) -> None:
    """Bind the unknown of y = (x + b) % m, x = lo + (y - b - lo) % m; from the upper end where the interval holds that one."""
    lo, hi = step.interval.lo, step.interval.hi
    from_below = not step.interval.lo_open or step.interval.hi_open
    end = _plain(lo if from_below else hi)
    rest = affine.subtract(step.offset if step.falls else step.value, end)
    rest = affine.subtract(rest, step.value if step.falls else step.offset)
    wrapped = affine.Op(operator.mod, (rest if from_below else affine.negative(rest), step.modulus))
    combine = affine.add if from_below else affine.subtract
    emitter.bind(step.solved, emit(emitter, combine(end, wrapped)))


def emit(emitter: Emitter, coefficient: Coefficient) -> Tree:
    """Return the code of a coefficient, whose trees are forward ones."""
    if isinstance(coefficient, Op):
        return call(emitter.builder, coefficient.fn, *(emit(emitter, a) for a in coefficient.args))
    if isinstance(coefficient, int | float):
        return Const(coefficient)
    return emitter.value(coefficient)


# ---- right-hand sides that are multiples by one scalar --------------------------------------------


@dataclass(frozen=True)
class _Scale:
    """Each value is that of `of`, times (or divided by) one scalar; `number` is what that is, if it is known."""

    fn: Callable[..., Any]
    by: Tree
    number: float | None
    of: tuple[Tree, ...]


def _common_scale(emitter: Emitter, step: Collect) -> _Scale | None:
    if len(step.values) < 2 or any(offset != 0 for offset in step.offsets):
        return None
    found = [_scaling(emitter, value) for value in step.values]
    scales = [scale for scale in found if scale is not None]
    if len(scales) < len(found):
        return None
    if len({(scale.fn, scale.number or tree_key(scale.by)) for scale in scales}) > 1:
        return None
    of = tuple(tree for scale in scales for tree in scale.of)
    return replace(scales[0], of=of)


def _scaling(emitter: Emitter, value: Tree) -> _Scale | None:
    """Return the scaling that a value is; one that could overflow where the value does not is left alone."""
    tree = emitter.value(value)
    equation = emitter.builder.definition(tree) if isinstance(tree, Var) else None
    if not isinstance(equation, Apply):
        return None
    match equation.fn:
        case Ref(value=operator.mul | operator.truediv as fn):
            of, by = equation.args
        case _:
            return None
    number = number_in(emitter.builder, by)
    if not isinstance(of, Var) or (number is None and emitter.facts.rank(by) != 0):
        return None
    if number is not None and not _grows(fn, number):
        return None
    return _Scale(fn, by, number, (of,))


def _grows(fn: Callable[..., Any], number: float) -> bool:
    return abs(number) >= 1 if fn is operator.mul else 0 < abs(number) <= 1


def _scaled(emitter: Emitter, scale: _Scale, numerator: Coefficient, determinant: Coefficient):
    """Return the code of a numerator, scaled and over the determinant, in as few operations as there are."""
    over = affine.number(determinant)
    if over is not None and over < 0:
        numerator, determinant, over = affine.negative(numerator), -over, -over
    if over is not None and scale.number is not None:
        ratio = scale.number / over if scale.fn is operator.mul else 1 / scale.number / over
        if math.isclose(ratio, 1, rel_tol=1e-15):
            return emit(emitter, numerator)
        if math.isclose(ratio * scale.number, 1, rel_tol=1e-15):
            return _code(emitter, operator.truediv, numerator, scale.by)
        if math.isclose(ratio, scale.number, rel_tol=1e-15):
            return _code(emitter, operator.mul, numerator, scale.by)
    inverse = {operator.mul: operator.truediv, operator.truediv: operator.mul}[scale.fn]
    by = call(emitter.builder, inverse, scale.by, emit(emitter, determinant))
    return _code(emitter, scale.fn, numerator, by)


def _code(emitter: Emitter, fn: Callable[..., Any], coefficient: Coefficient, by: Tree) -> Tree:
    return call(emitter.builder, fn, emit(emitter, coefficient), by)
