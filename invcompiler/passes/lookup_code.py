"""Code for tables of bins: the bin is looked up among the values at the knots, and in it the rest of the function is inverted.

    k = jnp.searchsorted(knots, x) - 1            k = jnp.searchsorted(values, y) - 1
    s = slopes[k]                                 s = slopes[k]
    y = values[k] + s * (x - knots[k])            x = (y - values[k]) / s + knots[k]

A value that no bin has, and all of them where the knots are not such that the function increases, give NaN.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Display, Ref, Tree, Var
from invcompiler.passes.log_det import Term
from invcompiler.passes.ops import call, getitem
from invcompiler.passes.pieces_code import summed
from invcompiler.schedule.bins import Comparison
from invcompiler.schedule.plan import Lookup, Quadratic
from invcompiler.schedule.rising import Image

if TYPE_CHECKING:
    from invcompiler.passes.forward_log_det import ForwardEmitter
    from invcompiler.passes.invert import Emitter

_NAN = Ref(jnp.nan, "jnp.nan", jnp)


def recover(emitter: Emitter, step: Lookup) -> None:
    """Bind the unknown to what the bin of the value gives; add the log-determinant."""
    output = emitter.value(step.output)
    valid = _valid(emitter, step, output)
    within = _within(emitter, step, output, valid)
    inner = emitter.nested()
    inner.builder, inner.context = emitter.builder, step.context
    inner.values[step.source] = within
    _look_up(inner, step)
    del inner.values[step.source]
    inner.values[step.output] = within
    inner.run(step.plan)
    x = call(emitter.builder, jnp.where, valid, inner.value(step.source), _NAN)
    emitter.bind(step.source, x)
    emitter.assumptions += [] if emitter.on_a_way else _assumptions(emitter, step)
    if emitter.ildj:
        value = call(emitter.builder, jnp.where, valid, summed(inner), _NAN)
        emitter.log_det.add_term(Term(value, step.source, full=True))


def add_terms(emitter: ForwardEmitter, step: Lookup) -> None:
    """Add the log-determinant of the bin that the known unknown is in."""
    inner = emitter.nested()
    inner.builder, inner.context = emitter.builder, step.context
    assert isinstance(inner, type(emitter))
    for done in step.plan.steps:
        inner.add_term_of(done)
    emitter.log_det.add_term(Term(summed(inner), step.source, full=True))


def _look_up(inner: Emitter, step: Lookup) -> None:
    """Compute the entries of the table from the value: as from the unknown, with the values at the thresholds in their place."""
    images = dict(zip((c.equation for c in step.table.comparisons), step.seen.images, strict=True))
    places = {c.equation: c for c in step.table.comparisons}
    for equation in (*step.table.views, *step.table.steps):
        if equation in images and isinstance(equation, Apply):
            image = image_tree(inner, images[equation])
            equation = _compared_with(equation, places[equation], image)
        inner.forward(equation)


def image_tree(inner: Emitter, image: Image) -> Tree:
    found: Tree = inner.value(image.array)
    for index in image.indices:
        found = getitem(inner.builder, found, inner.value(index))
    return found


def _compared_with(equation: Apply, comparison: Comparison, image: Tree) -> Apply:
    args = tuple(image if n == comparison.place else a for n, a in enumerate(equation.args))
    return replace(equation, args=args)


# ---- checks ------------------------------------------------------------------------------------------


def _valid(emitter: Emitter, step: Lookup, output: Tree) -> Tree:
    """Return where the table increases and the value is one of it."""
    builder, seen = emitter.builder, step.seen
    values = emitter.value(seen.values)
    rank = _rank(emitter, step)
    checks = [_all_positive(emitter, call(builder, jnp.diff, values, **_last(rank)), rank)]
    if seen.slopes is not None and any(isinstance(s, Quadratic) for s in step.plan.steps):
        checks.append(_all_positive(emitter, emitter.value(seen.slopes), rank))
    if not seen.below:
        checks.append(call(builder, operator.ge, output, _end(emitter, values, 0, rank)))
    if not seen.above:
        checks.append(call(builder, operator.le, output, _end(emitter, values, -1, rank)))
    valid = checks[0]
    for check in checks[1:]:
        valid = call(builder, operator.and_, valid, check)
        emitter.wish(valid, "valid")
    return valid


def _within(emitter: Emitter, step: Lookup, output: Tree, valid: Tree) -> Tree:
    """Return the value, and one in the middle where it is none of the table: there, derivatives are to be finite."""
    if step.seen.below and step.seen.above:
        return output
    values, rank = emitter.value(step.seen.values), _rank(emitter, step)
    ends = [_end(emitter, values, place, rank) for place in (0, -1)]
    total = call(emitter.builder, operator.add, *ends)
    middle = call(emitter.builder, operator.truediv, total, Const(2))
    return call(emitter.builder, jnp.where, valid, output, middle)


def _rank(emitter: Emitter, step: Lookup) -> int:
    return len(emitter.facts.shape(step.seen.values) or (0,))


def _end(emitter: Emitter, values: Tree, place: int, rank: int) -> Tree:
    index: Tree = Const(place)
    if rank > 1:
        index = Display(tuple, (Const(Ellipsis), index))
    return getitem(emitter.builder, values, index)


def _last(rank: int) -> dict[str, Tree]:
    return {} if rank == 1 else {"axis": Const(-1)}


def _all_positive(emitter: Emitter, tree: Tree, rank: int) -> Tree:
    positive = call(emitter.builder, operator.gt, tree, Const(0))
    return call(emitter.builder, jnp.all, positive, **_last(rank))


def _assumptions(emitter: Emitter, step: Lookup) -> list[str]:
    unknown = emitter.context.name_of(step.source)
    found = []
    if step.seen.slopes is None and any(isinstance(s, Quadratic) for s in step.plan.steps):
        found.append("Holds where it increases in each bin.")
    if unknown and not (step.seen.below and step.seen.above):
        name = step.seen.knots.name if isinstance(step.seen.knots, Var) else None
        knots = f"of `{name}`" if name else "knot"
        found.append(f"Holds for `{unknown}` between the first and the last {knots}.")
    return found
