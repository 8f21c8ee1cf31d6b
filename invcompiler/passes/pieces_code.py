"""Code for functions of several pieces: a candidate for each way, and the choice between them.

Where it is proven that at most one way leads to a value, `jnp.where(x_1 > 0, x_1, x_2)` does: a candidate that takes the way that it
was found on is the unknown. Else each candidate is asked, and where none or several take their ways, the result is NaN.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.ir.interval import REAL
from invcompiler.ir.nodes import Apply, Const, Ref, Tree, Var
from invcompiler.ir.walk import leaves, operands
from invcompiler.passes.log_det import Term
from invcompiler.passes.ops import call
from invcompiler.rules.registry import InverseRule, parameters
from invcompiler.schedule.choices import OPPOSITE, Compared, Condition
from invcompiler.schedule.plan import Isolate, Pieces, Quadratic, Way

if TYPE_CHECKING:
    from invcompiler.passes.forward_log_det import ForwardEmitter
    from invcompiler.passes.invert import Emitter

Mask = tuple[Tree, bool]  # a truth value, and whether it is true or false on the way

_NAN = Ref(jnp.nan, "jnp.nan", jnp)
_OPERATORS = {
    jnp.greater_equal: operator.ge,
    jnp.less_equal: operator.le,
    jnp.greater: operator.gt,
    jnp.less: operator.lt,
}


def recover(emitter: Emitter, step: Pieces) -> None:
    """Bind the unknown to the candidate that takes the way that it was found on."""
    if step.apart:
        _recover_by_image(emitter, step)
    else:
        _recover_by_candidates(emitter, step)


def _recover_by_image(emitter: Emitter, step: Pieces) -> None:
    """Tell the way from the value: each way has values of its own."""
    output = emitter.value(step.output)
    ways = _by_image(step.ways)
    masks = [_within_image(emitter, output, one, other) for one, other in itertools.pairwise(ways)]
    guards = [*masks, _otherwise(emitter, masks)]
    inners = [
        _candidate(emitter, step, way, output, mask) for way, mask in zip(ways, guards, strict=True)
    ]
    valid = _outside_gaps(emitter, output, ways)
    _bind_chosen(emitter, step, masks, inners, valid)


def _recover_by_candidates(emitter: Emitter, step: Pieces) -> None:
    ways = _restricted_last(step.ways) if step.proven else list(step.ways)
    asked = ways[:-1] if step.proven else ways
    output = emitter.value(step.output)
    plain = [_candidate(emitter, step, way, output, None) for way in asked]
    masks = [_found_on(emitter, step, way, inner) for way, inner in zip(asked, plain, strict=True)]
    inners = [
        _candidate(emitter, step, way, output, mask) if is_restricted(way) else inner
        for way, inner, mask in zip(asked, plain, masks, strict=True)
    ]
    valid = None
    if step.proven:
        inners.append(_candidate(emitter, step, ways[-1], output, _otherwise(emitter, masks)))
    else:
        valid = _valid(emitter, masks, [inner.value(step.source) for inner in plain])
    for condition in dict.fromkeys(c for inner in inners for c in inner.conditions):
        valid = (
            condition if valid is None else call(emitter.builder, operator.and_, valid, condition)
        )
    _bind_chosen(emitter, step, masks[: len(ways) - 1], inners, valid)


def _bind_chosen(
    emitter: Emitter, step: Pieces, masks: list[Mask], inners: list[Emitter], valid: Tree | None
) -> None:
    x = _chosen(emitter, masks, [inner.value(step.source) for inner in inners])
    if valid is not None:
        x = call(emitter.builder, jnp.where, valid, x, _NAN)
    emitter.bind(step.source, x)
    if emitter.ildj:
        _add_terms(emitter, step, masks, inners, valid)


def add_terms(emitter: ForwardEmitter, step: Pieces) -> None:
    """Add the log-determinant of the way that the known unknown takes."""
    source = emitter.value(step.source)
    masks = [_taken(emitter, step, way, source) for way in step.ways]
    inners: list[Emitter] = []
    for way, mask in zip(step.ways, masks, strict=True):
        inner = _within(emitter, way)
        assert isinstance(inner, type(emitter))
        inner.values[step.source] = _guarded(emitter, way, step.source, source, mask)
        for equation in way.block.equations:
            inner.forward(equation)
        for done in way.plan.steps:
            inner.add_term_of(done)
        inners.append(inner)
    _add_terms(emitter, step, masks[:-1], inners, None)


# ---- candidates --------------------------------------------------------------------------------------------


def _within(emitter: Emitter, way: Way) -> Emitter:
    """Return an emitter for a way, which writes into the same block; its log-det is its own."""
    inner = emitter.nested()
    inner.builder = emitter.builder
    inner.context = way.context
    inner.on_a_way = True
    return inner


def _candidate(
    emitter: Emitter, step: Pieces, way: Way, output: Tree, guard: Mask | None
) -> Emitter:
    inner = _within(emitter, way)
    inner.guard = guard
    inner.values[way.result] = output
    inner.run(way.plan)
    return inner


def is_restricted(way: Way) -> bool:
    """Whether what inverts the way holds for some values only: elsewhere it is not finite, or has no finite gradient."""
    return any(
        isinstance(step, Quadratic) or (isinstance(step, Isolate) and step.rule.range != REAL)
        for step in way.plan.steps
    )


def _restricted_last(ways: Sequence[Way]) -> list[Way]:
    """Return the ways, one that is restricted last: it is not asked, and so written once."""
    ordered = list(ways)
    restricted = [way for way in ordered if is_restricted(way)]
    if restricted:
        ordered.remove(restricted[-1])
        ordered.append(restricted[-1])
    return ordered


# ---- images ------------------------------------------------------------------------------------------------


def _by_image(ways: Sequence[Way]) -> list[Way]:
    """Return the ways in the order of their images, upwards or, as the first of two is in the text, downwards."""
    ordered = sorted(ways, key=lambda way: way.image.lo)
    return ordered[::-1] if len(ordered) == 2 and ordered[1] is ways[0] else ordered


def _within_image(emitter: Emitter, output: Tree, one: Way, other: Way) -> Mask:
    """Return where a value is one of the first way's, not of the next one's."""
    upwards = one.image.hi <= other.image.lo
    end = one.image.hi if upwards else one.image.lo
    is_open = one.image.hi_open if upwards else one.image.lo_open
    touch = other.image.lo if upwards else other.image.hi
    is_open = is_open and end == touch  # else the end may be met by rounding
    fn = (
        (operator.lt if is_open else operator.le)
        if upwards
        else (operator.gt if is_open else operator.ge)
    )
    return call(emitter.builder, fn, output, _number(end)), True


def _outside_gaps(emitter: Emitter, output: Tree, ways: list[Way]) -> Tree | None:
    """Return where a value is not between the images; None if these touch."""
    ordered = sorted(ways, key=lambda way: way.image.lo)
    found: Tree | None = None
    for one, other in itertools.pairwise(ordered):
        if one.image.hi == other.image.lo:
            continue
        below = call(emitter.builder, operator.le, output, _number(one.image.hi))
        above = call(emitter.builder, operator.ge, output, _number(other.image.lo))
        either = call(emitter.builder, operator.or_, below, above)
        found = either if found is None else call(emitter.builder, operator.and_, found, either)
    return found


def _number(value: float) -> Const:
    return Const(int(value) if value == int(value) else value)


# ---- conditions --------------------------------------------------------------------------------------------


def _found_on(emitter: Emitter, step: Pieces, way: Way, inner: Emitter) -> Mask:
    """Return where the candidate of a way takes it, and is one at all."""
    taken = _taken(emitter, step, way, inner.value(step.source))
    checks = [
        check
        for done in way.plan.steps
        if isinstance(done, Isolate) and returns_outside(done.rule)
        for check in _in_range(inner, done)
    ]
    if not checks:
        return taken
    found = checks[0]
    for check in [*checks[1:], _positive(emitter, taken)]:
        found = call(emitter.builder, operator.and_, found, check)
    return found, True


def _in_range(inner: Emitter, step: Isolate) -> Iterator[Tree]:
    """Yield comparisons that hold where a value is one that the function takes."""
    output, interval = inner.value(step.output), step.rule.range
    if math.isfinite(interval.lo):
        yield call(inner.builder, operator.ge, output, _number(interval.lo))
    if math.isfinite(interval.hi):
        yield call(inner.builder, operator.le, output, _number(interval.hi))


@functools.cache
def returns_outside(rule: InverseRule) -> bool:
    """Whether the inverse may give a number for what is no value of the function: `y**2` for a negative root."""
    if rule.range == REAL:
        return False
    if len(parameters(rule.inverse)) > 1:
        return True
    outside = [y for y in _TRIED if y not in rule.range]
    with jax.ensure_compile_time_eval():
        found = np.asarray(rule.inverse(jnp.asarray(outside)))
    return bool(np.isfinite(found).any())


_TRIED = (-1e3, -2.5, -1.5, -0.7, -1e-3, 1e-3, 0.3, 1.7, 2.5, 1e3)


def _taken(emitter: Emitter, step: Pieces, way: Way, candidate: Tree) -> Mask:
    """Return where a candidate takes `way`."""
    inner = _within(emitter, way)
    inner.values = {**emitter.values, step.source: candidate}
    masks = [_mask(inner, condition, wanted) for condition, wanted in way.choices]
    if len(masks) == 1 and (step.proven or masks[0][1]):
        return masks[0]
    found: Tree | None = None
    for mask in masks:
        positive = _positive(emitter, mask)
        found = positive if found is None else call(emitter.builder, operator.and_, found, positive)
    assert found is not None
    if not all(wanted for _, wanted in masks):  # no NaN takes a way because it fails a test
        number = call(emitter.builder, operator.eq, candidate, candidate)
        found = call(emitter.builder, operator.and_, found, number)
    return found, True


def _mask(inner: Emitter, condition: Condition, wanted: bool) -> Mask:
    """Return a condition at the candidate; one that is to be false as its opposite, which is false for NaN as well."""
    compared = condition if isinstance(condition, Compared) else _comparison(inner, condition.tree)
    if compared is None:
        (tree,) = condition.trees
        return _evaluated(inner, tree), wanted
    fn = _OPERATORS[compared.fn if wanted else OPPOSITE[compared.fn]]
    values = [_evaluated(inner, tree) for tree in compared.trees]
    return call(inner.builder, fn, *values), True


def _comparison(inner: Emitter, tree: Tree) -> Compared | None:
    """Return the comparison that a truth value is, if it is one."""
    made = inner.context.defining.get(tree) if isinstance(tree, Var) else None
    found = inner.context.call(made) if isinstance(made, Apply) else None
    if found is None or found.fn not in OPPOSITE:
        return None
    return Compared(found.fn, *tuple(found.arguments.values())[:2])


def _evaluated(inner: Emitter, tree: Tree) -> Tree:
    """Return the value of a forward tree where the unknown is the candidate."""
    waiting = list(leaves(tree))
    while waiting:
        var = waiting[-1]
        made = inner.context.defining.get(var)
        if var in inner.values or var not in inner.context.tainted or made is None:
            waiting.pop()
            continue
        missing = [
            v for v in operands(made) if v in inner.context.tainted and v not in inner.values
        ]
        if missing:
            waiting += missing
            continue
        inner.forward(made)
        waiting.pop()
    return inner.value(tree)


def _positive(emitter: Emitter, mask: Mask) -> Tree:
    tree, wanted = mask
    return tree if wanted else call(emitter.builder, jnp.logical_not, tree)


def _otherwise(emitter: Emitter, masks: list[Mask]) -> Mask:
    """Return where no mask holds."""
    if len(masks) == 1:
        tree, wanted = masks[0]
        return tree, not wanted
    found = _positive(emitter, masks[0])
    for mask in masks[1:]:
        found = call(emitter.builder, operator.or_, found, _positive(emitter, mask))
    return found, False


def where(emitter: Emitter, mask: Mask, inside: Tree, outside: Tree) -> Tree:
    tree, wanted = mask
    sides = (inside, outside) if wanted else (outside, inside)
    return call(emitter.builder, jnp.where, tree, *sides)


def _chosen(emitter: Emitter, masks: list[Mask], values: list[Tree]) -> Tree:
    """Return the value of the first mask that holds, the last value where none does."""
    found = values[-1]
    for mask, value in reversed(list(zip(masks, values[:-1], strict=True))):
        found = where(emitter, mask, value, found)
    return found


def _valid(emitter: Emitter, masks: list[Mask], candidates: list[Tree]) -> Tree:
    """Return where one candidate takes its way, or several that are the same up to rounding: at the ends of pieces."""
    builder = emitter.builder
    if len(masks) == 2:
        one, other = (_positive(emitter, mask) for mask in masks)
        alone = call(builder, operator.ne, one, other)
        return call(builder, operator.or_, alone, call(builder, jnp.isclose, *candidates))
    found, _ = _otherwise(emitter, masks)
    x = _chosen(emitter, masks[:-1], candidates)
    for mask, candidate in zip(masks, candidates, strict=True):
        tree, wanted = mask
        passed = call(builder, jnp.logical_not, tree) if wanted else tree
        agrees = call(builder, operator.or_, passed, call(builder, jnp.isclose, candidate, x))
        found = call(builder, operator.and_, found, agrees)
    return found


# ---- log-determinants ----------------------------------------------------------------------------------------


def _guarded(emitter: Emitter, way: Way, source: Var, value: Tree, mask: Mask) -> Tree:
    """Return the unknown on its way, and an ordinary value of that way elsewhere, if that matters."""
    from invcompiler.passes.invert import inner_point

    steps = [step for step in way.plan.steps if isinstance(step, Isolate)]
    if not is_restricted(way) and all(step.rule.domain == REAL for step in steps):
        return value
    return where(emitter, mask, value, Const(inner_point(way.context.interval(source))))


def _add_terms(
    emitter: Emitter, step: Pieces, masks: list[Mask], inners: list[Emitter], valid: Tree | None
) -> None:
    if step.whole:
        values = [inner.log_det.total(inner) for inner in inners]
    else:
        values = [summed(inner) for inner in inners]
    same = all(value == values[0] for value in values)
    value = values[0] if same else _chosen(emitter, masks, values)
    if valid is not None:
        value = call(emitter.builder, jnp.where, valid, value, _NAN)
    if step.whole and value != Const(0.0):
        emitter.log_det.add_ildj(value)
    elif not step.whole:
        spread = same and valid is None
        rank = 0 if isinstance(value, Const) else None
        emitter.log_det.add_term(Term(value, step.source, full=not spread, rank=rank))


def summed(inner: Emitter) -> Tree:
    """Return the sum of the terms of an elementwise way, for each element."""
    total: Tree | None = None
    for term in inner.log_det.terms:
        total = (
            term.value if total is None else call(inner.builder, operator.add, total, term.value)
        )
    return Const(0.0) if total is None else total
