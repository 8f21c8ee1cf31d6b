"""A triangle of a matrix that determines the rest of it: `(l @ l.T)[jnp.tril_indices(n)]` is symmetric, and rows of length 1 lack a diagonal only.

The rest is filled in, and what follows is that of the whole matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import Apply, Tree, Var
from invcompiler.rules import simplices
from invcompiler.rules.simplices import Formula
from invcompiler.schedule import sticks, triangular
from invcompiler.schedule.bands import LOWER, support, within
from invcompiler.schedule.normalised import DIRECTION, normalised
from invcompiler.schedule.plan import Deduce, Part
from invcompiler.schedule.regions import Elements, Piece
from invcompiler.schedule.updates import at_parts

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_FURTHEST = 40  # values looked at for an update of a triangle


def deduce(solver: Solver, equation: Apply) -> Deduce | None:
    """Return the step that makes a whole matrix of a triangle that is known."""
    if equation.out in solver.known:
        return None
    shape = solver.context.concrete_shape(equation.out)
    if shape is None or len(shape) < 2 or shape[-1] != shape[-2]:
        return None
    for piece in solver.pieces.get(equation.out, ()):
        formula = _completing(solver, equation, piece, shape)
        if formula is not None:
            part = _placed(solver, equation, piece, shape)
            return Deduce(equation, formula, equation.out, (("part", Part(part)),))
    return None


def _completing(
    solver: Solver, equation: Apply, piece: Piece, shape: tuple[int, ...]
) -> type[Formula] | None:
    """Return the formula that fills in what a piece lacks."""
    if not piece.compact or not isinstance(piece.region, Elements):
        return None
    known = solver.context.elements(piece.region, shape)
    if known is None:
        return None
    below, whole = np.tri(shape[-1], k=-1, dtype=bool), np.tri(shape[-1], dtype=bool)
    factor = triangular.gram_factor(solver, equation)
    if factor is not None:
        for mask, formula in (
            (whole, simplices.mirrored_below),
            (whole.T, simplices.mirrored_above),
        ):
            if (known == mask).all():
                return formula
        unit = has_unit_rows(solver, factor[0]) and factor[1]
        for mask in (below, below.T) if unit else ():
            if (known == mask).all():
                return simplices.mirrored_around_ones
    elif has_unit_rows(solver, equation.out) and within(
        support(equation.out, solver.context), LOWER
    ):
        if (known == below).all():
            return simplices.unit_rows_completed
    return None


def _placed(solver: Solver, equation: Apply, piece: Piece, shape: tuple[int, ...]) -> Var:
    """Take the step that puts a piece where it belongs, among zeros; return the matrix."""
    placed = Var(None, equation.span)
    assert isinstance(piece.region, Elements)
    sizes = as_tree(shape)
    assert sizes is not None
    given = (
        ("part", Part(piece.source)),
        ("index", Part(piece.region.index)),
        ("shape", Part(sizes)),
    )
    solver.take(Deduce(equation, simplices.placed, placed, given))
    return placed


def has_unit_rows(solver: Solver, tree: Tree) -> bool:
    """Whether the rows of a matrix have length 1 by the way they are computed."""
    made = solver.graph.defining.get(tree) if isinstance(tree, Var) else None
    if not isinstance(made, Apply):
        return False
    found = normalised(solver, made)
    rank = solver.context.facts.rank(tree)
    if found is not None and found.kind is DIRECTION:
        return found.axis == -1 or (rank is not None and found.axis == rank - 1)
    return sticks.has_unit_rows(solver, made)


def waits_for_shapes(solver: Solver, equation: Apply) -> bool:
    """Whether a product with a transpose may be undone once it is known that a triangle is one, or which part of it is known."""
    factor = triangular.gram_factor(solver, equation)
    if factor is not None:
        return _is_updated(solver, factor[0])
    has_pieces = equation.out not in solver.known and bool(solver.pieces.get(equation.out))
    return has_pieces and has_unit_rows(solver, equation.out)


def _is_updated(solver: Solver, tree: Tree) -> bool:
    """Whether a part of a value on the way to `tree` is set."""
    waiting, seen = [tree], {tree}
    while waiting and len(seen) < _FURTHEST:
        made = solver.graph.defining.get(waiting.pop())  # type: ignore[arg-type]
        if not isinstance(made, Apply):
            continue
        parts = at_parts(made, solver.context.defining)
        if parts is not None:
            return True
        call = solver.call(made)
        if call is not None and call.fn in (jnp.tril, jnp.triu):
            return True
        new = [arg for arg in made.args if isinstance(arg, Var) and arg not in seen]
        seen.update(new)
        waiting += new
    return False


__all__ = ["deduce", "has_unit_rows", "waits_for_shapes"]
