"""A quotient of two affine functions of one unknown, `(a*x + b) / (c*x + d)`: a Moebius transformation, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.nodes import Apply, Tree, Var
from invcompiler.rules.registry import Refusal
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient, Form
from invcompiler.schedule.plan import Ratio

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


def invert(solver: Solver) -> Ratio | None:
    """Return the step that recovers the unknown of the first such quotient that is known."""
    for equation in solver.graph.equations:
        if isinstance(equation, Apply) and affine.is_stuck(solver, equation):
            step = _ratio(solver, equation)
            if step is not None:
                return step
    return None


def _ratio(solver: Solver, equation: Apply) -> Ratio | None:
    call = solver.call(equation)
    if call is None or call.fn is not jnp.divide:
        return None
    above, below = (_form(solver, tree) for tree in tuple(call.arguments.values())[:2])
    if above is None or below is None:
        return None
    roots = {*above.coefficients, *below.coefficients}
    if len(roots) != 1:
        return None
    root = roots.pop()
    if not is_real(solver, root) or not affine.same_shapes(solver, (equation.out, root)):
        return None
    rows = tuple((form.coefficients.get(root, 0), form.offset) for form in (above, below))
    refusal = constant(solver, rows)
    if refusal is not None:
        solver.refusals[equation] = refusal
        return None
    return Ratio(equation, equation.out, root, rows)


def _form(solver: Solver, tree: Tree) -> Form | None:
    if isinstance(tree, Var) and tree not in solver.known:
        return affine.form_of(solver, tree)
    return Form({}, tree)


def is_real(solver: Solver, root: Var) -> bool:
    dtype = solver.context.facts.dtype(root)
    return dtype is None or np.dtype(dtype).kind in "fV"


def determinant(rows: tuple[tuple[Coefficient, Coefficient], ...]) -> Coefficient:
    """Return a*d - b*c: without it the quotient does not depend on the unknown."""
    return affine.determinant(rows)


def constant(solver: Solver, rows: tuple) -> Refusal | None:
    value = affine.value_of(solver, determinant(rows))
    if value is None or (np.isfinite(value) & (value != 0)).all():
        return None
    return Refusal("the unknown cancels here: the output does not depend on it")
