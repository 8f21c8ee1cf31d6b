"""Triangular matrices that stand twice, or of which a triangle is read: `l @ l.T`, `solve_triangular(l, b)`.

Many matrices have one product with their transpose: `l @ q` for any orthogonal q. One that is triangular by the way it is computed,
with a diagonal that is nowhere negative, is its Cholesky factor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import jax.scipy.linalg

from invcompiler.ir.interval import NONNEGATIVE, REAL, Interval
from invcompiler.ir.nodes import Apply, Const, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules import simplices
from invcompiler.rules.canonical import NONE, Call
from invcompiler.rules.registry import Refusal
from invcompiler.rules.simplices import Formula
from invcompiler.schedule.bands import DIAGONAL, LOWER, UPPER, picked, support, within
from invcompiler.schedule.context import Context
from invcompiler.schedule.plan import Deduce, Part
from invcompiler.schedule.regions import Elements
from invcompiler.schedule.updates import at_parts

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


def deduce(solver: Solver, equation: Apply) -> Deduce | None:
    call = solver.call(equation)
    if call is None or equation.out not in solver.known:
        return None
    factor = gram_factor(solver, equation)
    if factor is not None:
        return _factor(solver, equation, *factor)
    if call.fn is jax.scipy.linalg.solve_triangular:
        return _solve(solver, equation, call)
    return _scales(solver, equation, call) if call.fn is jnp.multiply else None


def waits_for_shapes(solver: Solver, equation: Apply) -> bool:
    """Whether a solve with an unknown triangle may be undone once it is known what is a matrix."""
    call = solver.call(equation)
    if call is None or call.fn is not jax.scipy.linalg.solve_triangular:
        return False
    ranks = (solver.context.facts.rank(call.arguments[name]) for name in ("a", "b"))
    return call.arguments["a"] not in solver.known and None in ranks


# ---- products with the transpose ------------------------------------------------------------------------------


def gram_factor(solver: Solver, equation: Apply) -> tuple[Tree, bool] | None:
    """Return what is multiplied by its own transpose, and whether that stands behind it: `l @ l.T`, not `u.T @ u`."""
    call = solver.call(equation)
    if call is None:
        return None
    if call.fn in (jnp.matmul, jnp.dot):
        one, other = tuple(call.arguments.values())[:2]
        if _is_transpose(other, one, solver.context):
            return one, True
        return (other, False) if _is_transpose(one, other, solver.context) else None
    if call.fn is jnp.einsum:
        return _of_einsum(solver, call)
    if call.fn is jnp.inner:
        one, other = tuple(call.arguments.values())[:2]
        return (one, True) if one is other else None
    return None


def _of_einsum(solver: Solver, call: Call) -> tuple[Tree, bool] | None:
    """Read `einsum("ij,kj->ik", l, l)`, with any letters and axes before."""
    one, other = call.arguments["a"], call.arguments["b"]
    subscripts = solver.context.facts.static(call.arguments["subscripts"])
    if one is not other or subscripts is None or not isinstance(subscripts.value, str):
        return None
    before, arrow, after = subscripts.value.replace(" ", "").partition("->")
    parts = before.split(",")
    if not arrow or len(parts) != 2 or min(map(len, (*parts, after))) < 2:
        return None
    (a, b), lead = parts, parts[0][:-2]
    if b[:-2] != lead or after[:-2] != lead or len(set(a + b)) != len(lead.replace("...", ".")) + 3:
        return None
    if a[-1] == b[-1] and after[-2:] == a[-2] + b[-2]:
        return one, True
    if a[-2] == b[-2] and after[-2:] == a[-1] + b[-1]:
        return one, False
    return None


def _is_transpose(tree: Tree, of: Tree, context: Context) -> bool:
    made = context.defining.get(tree) if isinstance(tree, Var) else None
    call = context.call(made) if isinstance(made, Apply) else None
    if call is None or next(iter(call.arguments.values())) is not of:
        return False
    if call.fn is jnp.matrix_transpose:
        return True
    rank = context.facts.rank(of)
    if call.fn is jnp.transpose:
        return call.arguments["axes"] == NONE and rank in (2, None)
    if call.fn is jnp.swapaxes:
        axes = {context.static_int(call.arguments[name]) for name in ("axis1", "axis2")}
        return axes == {-1, -2} or (rank == 2 and axes == {0, 1})
    return False


_HINT = (
    "make it lower triangular with a positive diagonal: `jnp.tril(l, -1) + jnp.diag(jnp.exp(d))`"
)


def _factor(solver: Solver, equation: Apply, factor: Tree, lower: bool) -> Deduce | None:
    """Return the step that recovers `l` from `l @ l.T` (`lower`), or u from `u.T @ u`."""
    from invcompiler.schedule import halves

    if not isinstance(factor, Var) or factor in solver.known:
        return None
    context = solver.context
    is_triangle = within(support(factor, context), LOWER if lower else UPPER)
    if not is_triangle or not NONNEGATIVE.includes(diagonal(factor, context)):
        reason = "many matrices have this product with their transpose"
        solver.refusals[equation] = Refusal(reason, _HINT)
        return None
    formula: type[Formula] = simplices.gram_undone if lower else simplices.upper_gram_undone
    if lower and halves.has_unit_rows(solver, factor):
        formula = simplices.gram_of_unit_rows_undone
    return Deduce(equation, formula, factor, (("y", Part(equation.out)),))


def diagonal(tree: Tree, context: Context) -> Interval:
    """Return an interval in which the diagonal of a matrix lies."""
    if not within(DIAGONAL, support(tree, context)):
        return Interval(0, 0)
    found = _diagonal(tree, context)
    inside = context.interval(tree)
    return found if inside.includes(found) else inside


def _diagonal(tree: Tree, context: Context) -> Interval:
    made = context.defining.get(tree) if isinstance(tree, Var) else None
    if not isinstance(made, Apply):
        return REAL
    parts = at_parts(made, context.defining)
    if parts is not None:
        return _of_update(*parts, context)
    call = context.call(made)
    if call is None:
        return REAL
    given = tuple(call.arguments.values())
    if call.fn in (jnp.eye, jnp.identity):
        return Interval(1, 1)
    if call.fn is jnp.diag and context.facts.rank(given[0]) == 1:
        return context.interval(given[0])
    if call.fn is jnp.add:
        return diagonal(given[0], context) + diagonal(given[1], context)
    if call.fn in (jnp.tril, jnp.triu, jnp.asarray):
        return diagonal(given[0], context)
    if call.fn is jnp.fill_diagonal:
        return context.interval(given[1])
    if call.fn is jnp.linalg.cholesky:
        return NONNEGATIVE
    if call.fn is jnp.where:
        return _of_where(call, context)
    if call.fn in (jnp.multiply, jnp.divide):
        return _of_product(call, context)
    return REAL


def _of_update(
    method: str, base: Tree, index: Tree, arguments: tuple[Tree, ...], context: Context
) -> Interval:
    band = picked(index, base, context)
    if not within(DIAGONAL, band):
        return diagonal(base, context)
    if method == "set" and band == DIAGONAL and arguments:
        inside, shape = context.interval(arguments[0]), context.concrete_shape(base)
        return inside if shape is not None and _picks_all(index, shape, context) else REAL
    return REAL


def _picks_all(index: Tree, shape: tuple[int, ...], context: Context) -> bool:
    wanted = context.elements(DIAGONAL, shape)
    picked_ = context.elements(Elements(index), shape)
    return wanted is not None and picked_ is not None and bool((picked_ | ~wanted).all())


def _of_where(call: Call, context: Context) -> Interval:
    """Read a choice by a mask that is the same on the whole diagonal."""
    mask = context.array(call.arguments["condition"])
    if mask is None or mask.ndim != 2:
        return REAL
    on = mask.astype(bool).diagonal()
    if not (on.all() or (~on).all()):
        return REAL
    return diagonal(call.arguments["x" if on.all() else "y"], context)


def _of_product(call: Call, context: Context) -> Interval:
    one, other = tuple(call.arguments.values())[:2]
    sides = ((one, other), (other, one)) if call.fn is jnp.multiply else ((one, other),)
    for matrix, factor in sides:
        if NONNEGATIVE.includes(context.interval(factor)):
            if NONNEGATIVE.includes(diagonal(matrix, context)):
                return NONNEGATIVE
    return REAL


# ---- triangular solves -----------------------------------------------------------------------------------------


def _solve(solver: Solver, equation: Apply, call: Call) -> Deduce | None:
    given, context = call.arguments, solver.context
    matrix, right, lower = given["a"], given["b"], given["lower"]
    if not isinstance(matrix, Var) or matrix in solver.known:
        return None
    if any(var not in solver.known for var in leaves(right)) or lower not in _TRUTH:
        return None
    if given["trans"] not in (Const(0), Const("N")) or given["unit_diagonal"] != Const(False):
        return None
    is_lower = lower == Const(True)
    shape = context.facts.shape(right)
    if shape is None or len(shape) != 2 or shape[0] != shape[1]:
        return None
    if not within(support(matrix, context), LOWER if is_lower else UPPER):
        reason = "a triangle of the matrix is not read"
        hint = "take the matrix apart before: `jnp.tril(l)`, of which the other triangle is zero"
        solver.refusals[equation] = Refusal(reason, hint)
        return None
    made = context.defining.get(right) if isinstance(right, Var) else None
    unit = context.call(made) if isinstance(made, Apply) else None
    is_unit = unit is not None and unit.fn in (jnp.eye, jnp.identity)
    if is_unit and support(right, context) == DIAGONAL:
        upper, lower_ = simplices.upper_inverse_undone, simplices.lower_inverse_undone
        formula: type[Formula] = lower_ if is_lower else upper
    else:
        formula = simplices.lower_solve_undone if is_lower else simplices.upper_solve_undone
    operands = (("y", Part(equation.out)), ("b", Part(right)))
    return Deduce(equation, formula, matrix, operands)


_TRUTH = (Const(True), Const(False))


# ---- rows that are scaled ----------------------------------------------------------------------------------------


def _scales(solver: Solver, equation: Apply, call: Call) -> Deduce | None:
    """Recover the scales of rows, or columns, of a matrix that has ones on its diagonal."""
    context = solver.context
    one, other = tuple(call.arguments.values())[:2]
    for matrix, column in ((one, other), (other, one)):
        scale = context.as_column(column)
        if not isinstance(scale, Var) or scale in solver.known or matrix is column:
            continue
        if diagonal(matrix, context) == Interval(1, 1) and _is_square(matrix, context):
            operands = (("y", Part(equation.out)),)
            return Deduce(equation, simplices.scales_of_unit_rows, scale, operands)
    return None


def _is_square(tree: Tree, context: Context) -> bool:
    shape = context.facts.shape(tree)
    return shape is not None and len(shape) >= 2 and shape[-1] == shape[-2]
