"""The log-determinant of an inverse: each step in reverse contributes its own term, steps taken forward none.

The total is exact, since the schedule solves one unknown at a time given the rest: the Jacobian is block-triangular in the order
of the steps. With a slope dy/dx for each element, a term is `-sum(log|dy/dx|)` over the elements of what was recovered.
"""

from __future__ import annotations

import inspect
import math
import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from invcompiler.errors import DegreesOfFreedomError
from invcompiler.ir.nodes import Const, Slice, Tree, Var
from invcompiler.passes.ops import attribute, call, getitem, ints, tuple_of
from invcompiler.passes.shape_answers import answer, dtype_ref
from invcompiler.passes.templates import instantiate
from invcompiler.rules.registry import Kind, parameters
from invcompiler.schedule import bands
from invcompiler.schedule.complex_values import is_complex
from invcompiler.schedule.plan import Counted, Isolate
from invcompiler.schedule.regions import Band, Except, Masked, Region

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


@dataclass(frozen=True, eq=False)
class Term:
    """`value` is log |dy/dx| for every index of the axes of `of` but the last `core` ones (None: for all of it at once).

    `full`: it has one entry for each of them; else it may broadcast, and has `rank` axes, of the sizes `shape`, if that is known. `region`: only elements of a region count, and
    only those in the `band`, outside of which a matrix is zero.
    """

    value: Tree
    of: Var
    core: int | None = 0
    full: bool = False
    rank: int | None = None
    shape: tuple[int, ...] | None = None
    region: Region | None = None
    band: Band | None = None


class LogDet:
    """The terms of one block so far. `batch_ndims` leading axes are kept. `forward`: the sum is that of log |dy/dx|."""

    def __init__(self, batch_ndims: int, forward: bool = False):
        self.batch_ndims = batch_ndims
        self.forward = forward
        self.terms: list[Term] = []
        self.ildjs: list[Tree] = []

    @property
    def is_empty(self) -> bool:
        return not self.terms and not self.ildjs

    def add_ildj(self, ildj: Tree) -> None:
        """Add what a callee or a loop contributes: an ILDJ already."""
        self.ildjs.append(ildj)

    def add_stated(self, emitter: Emitter, ildj: Tree, of: Var | None, is_scalar: bool) -> None:
        """Add an ILDJ that has one number for each element of `of` (None: of an array that has no var)."""
        if not is_scalar:
            ildj = _all_summed(emitter, ildj, of, self.batch_ndims)
        if self.forward:
            ildj = call(emitter.builder, operator.neg, ildj)
        self.ildjs.append(ildj)

    def add_term(self, term: Term) -> None:
        if _literal(term.value) != 0:
            self.terms.append(term)

    def add_rule(self, emitter: Emitter, step: Isolate) -> None:
        """Add the term of a rule, in the form in which it states its log-determinant."""
        rule = step.rule
        if rule.kind is Kind.STRUCTURAL or step.counted is Counted.ELSEWHERE:
            return
        if step.counted is Counted.OVERLAPPING:
            raise _counted_twice(emitter, step)
        if rule.log_det is not None:
            if rule.core is None and self.batch_ndims:
                value = self._for_one_example(emitter, step, rule.log_det)
            else:
                value = self._instance(emitter, step, rule.log_det)
            value = _doubled(emitter, step, value)
            rank = 0 if _matrices_only(emitter, step, rule.log_det) else None
            self.add_term(Term(value, step.solved, rule.core, rank=rank))
            return
        template = rule.log_slope_towards(self.forward)
        if template is None and rule.slope is None:
            raise _no_log_det(emitter, step)
        if template is not None:
            value = self._instance(emitter, step, template)
        else:
            template = rule.slope
            slope = self._instance(emitter, step, template)
            value = call(emitter.builder, jnp.log, call(emitter.builder, jnp.abs, slope))
        value = _doubled(emitter, step, value)
        full = _is_full(emitter, step, template)
        rank = None if full else _rank(emitter, step, template)
        shape = None if full else _shape(emitter, step, template)
        of = step.solved if step.region is None else step.call.arguments[step.rule.argument]
        assert isinstance(of, Var)
        band = _nonzero(emitter, step)
        self.add_term(Term(value, of, 0, full, rank, shape, step.region, band))

    def _instance(self, emitter: Emitter, step: Isolate, template: Any) -> Tree:
        x = emitter.value(step.solved)
        output = emitter.safe(emitter.value(step.output), step)
        return instantiate(emitter, step, template, output, x)

    def _for_one_example(self, emitter: Emitter, step: Isolate, template: Any) -> Tree:
        """Return the log-det of a linear map that does the same to each example, from the shape of one of them."""
        first = Slice(Const(None), Const(1), Const(None))
        index = first if self.batch_ndims == 1 else tuple_of([first] * self.batch_ndims)
        one = getitem(emitter.builder, emitter.value(step.solved), index)
        return instantiate(emitter, step, template, emitter.value(step.output), one)

    def reduced(self, emitter: Emitter, term: Term) -> Tree:
        """Return the sum of a term, one number for each example."""
        return _reduced(emitter, term, self.batch_ndims)

    def total(self, emitter: Emitter) -> Tree:
        """Return the ILDJ, minus the sum of all terms (for FLDJs the sum), one number for each example."""
        total: Tree | None = None
        for ildj in self.ildjs:
            total = ildj if total is None else call(emitter.builder, operator.add, total, ildj)
        for term in _joined(emitter, self.terms):
            reduced = _reduced(emitter, term, self.batch_ndims)
            if total is None:
                total = reduced if self.forward else call(emitter.builder, operator.neg, reduced)
            else:
                combine = operator.add if self.forward else operator.sub
                total = call(emitter.builder, combine, total, reduced)
        if total is None:
            total = Const(0.0)
        emitter.wish(total, self.name)
        return total

    def result(self, emitter: Emitter, unknown: Var) -> Tree:
        """Return the total as a result: of the shape of the batch axes and of the precision of the unknown."""
        total = self.total(emitter)
        builder = emitter.builder
        if isinstance(total, Const) and self.batch_ndims:
            shape = answer(emitter, unknown, "shape")
            lead = getitem(builder, shape, Slice(Const(None), Const(self.batch_ndims), Const(None)))
            dtype = answer(emitter, unknown, "dtype")
            zeros = call(builder, jnp.zeros, lead, dtype=dtype)
            emitter.wish(zeros, self.name)
            return zeros
        return typed(emitter, total, unknown)

    @property
    def name(self) -> str:
        return "fldj" if self.forward else "ildj"


def typed(emitter: Emitter, total: Tree, unknown: Var) -> Tree:
    """Return a log-det in the precision of the unknown, where that is not the one which constants have."""
    dtype = emitter.facts.dtype(unknown)
    usual = jnp.result_type(float)  # what constants such as `jnp.log(2)` have
    if dtype is None or isinstance(total, Const) or dtype == usual or dtype.kind != "f":
        if dtype is None or dtype.name != "bfloat16":
            return total
    return call(emitter.builder, jnp.asarray, total, dtype_ref(dtype))


def _nonzero(emitter: Emitter, step: Isolate) -> Band | None:
    """Return where a matrix is not zero by the way it is computed, if that is not everywhere: only there it was unknown."""
    band = bands.support(step.call.arguments[step.rule.argument], emitter.context)
    return None if band == bands.FULL else band


def _no_log_det(emitter: Emitter, step: Isolate) -> DegreesOfFreedomError:
    name = getattr(step.rule.fn, "__name__", step.rule.name)
    return DegreesOfFreedomError(
        f"no log-determinant is known for `{name}`, which `{emitter.context.function.name}` calls",
        span=step.equation.span,
        function=emitter.context.function.name,
        label="its rule states an inverse only",
        hint="state `log_det=` in its `inv.inverse_rule`, or ask for `inv.inverse` alone",
    )


def _counted_twice(emitter: Emitter, step: Isolate) -> DegreesOfFreedomError:
    return DegreesOfFreedomError(
        "parts of this value that overlap are recovered one by one: how often an element counts is not followed",
        span=step.equation.span,
        function=emitter.context.function.name,
        label="recovered in parts that overlap",
        hint="ask for `inv.inverse` alone, or apply the function after the updates that part it",
    )


def _doubled(emitter: Emitter, step: Isolate, value: Tree) -> Tree:
    """The real Jacobian of a complex function has twice the log-determinant of the complex one."""
    dtype = emitter.facts.dtype(step.solved)
    if dtype is None:
        dtype = emitter.facts.dtype(step.equation.out)
    known = dtype is not None and np.issubdtype(dtype, np.complexfloating)
    shown = dtype is None and is_complex(step.equation.out, emitter.context.defining)
    if not (known or shown) or _literal(value) == 0:
        return value
    return call(emitter.builder, operator.mul, Const(2), value)


def _literal(tree: Tree) -> Any:
    return tree.value if isinstance(tree, Const) else None


def _operands(step: Isolate, template: Any) -> list[Tree]:
    names = inspect.signature(template).parameters
    return [tree for name, tree in step.call.arguments.items() if name in names]


def _rank(emitter: Emitter, step: Isolate, template: Any) -> int | None:
    ranks = [emitter.facts.rank(tree) for tree in _operands(step, template)]
    return None if None in ranks else max((r for r in ranks if r is not None), default=0)


def _shape(emitter: Emitter, step: Isolate, template: Any) -> tuple[int, ...] | None:
    shapes = [emitter.context.concrete_shape(tree) for tree in _operands(step, template)]
    return None if None in shapes else np.broadcast_shapes(*(s for s in shapes if s is not None))


def _matrices_only(emitter: Emitter, step: Isolate, template: Any) -> bool:
    """Whether the operands of a log-determinant are matrices without batch axes, or less: then it is one number."""
    rank = _rank(emitter, step, template)
    of = emitter.facts.rank(step.equation.out)
    if step.rule.output in parameters(template) and not (of is not None and of <= 2):
        return False
    return rank is not None and rank <= 2


def _is_full(emitter: Emitter, step: Isolate, template: Any) -> bool:
    """Whether a slope has an entry for each element of what was recovered."""
    names = set(inspect.signature(template).parameters)
    if names & {step.rule.output, step.rule.argument}:
        return True
    others = [tree for name, tree in step.call.arguments.items() if name in names]
    facts = emitter.facts
    if any(facts.same_shape(tree, step.equation.out) is True for tree in others):
        return True
    concrete = emitter.context.concrete_shape(step.equation.out) is not None
    if concrete or all(facts.rank(tree) is not None for tree in others):
        return False
    # A value that is computed from recovered ones has one entry for each element, by all usage;
    # where shapes are known, this is decided by them.
    if not any(emitter.is_recovered(tree) for tree in others):
        return False
    if any(emitter.context.has_told_shape(tree) for tree in others):
        return False
    emitter.assume_shapes(others, step.solved)
    return True


# ---- sums ---------------------------------------------------------------------------------------


_LOOKED_BACK = 4  # terms: enough for the streams of a flow, and no more work for more statements


def _joined(emitter: Emitter, terms: list[Term]) -> list[Term]:
    """Return the terms with those added up that have one entry each for elements of one shape: they are summed once."""
    joined: list[Term] = []
    for term in terms:
        recent = range(max(0, len(joined) - _LOOKED_BACK), len(joined))
        place = next((i for i in recent if _sum_as_one(emitter, joined[i], term)), None)
        if place is None:
            joined.append(term)
        else:
            value = call(emitter.builder, operator.add, joined[place].value, term.value)
            joined[place] = replace(joined[place], value=value)
    return joined


def _sum_as_one(emitter: Emitter, one: Term, other: Term) -> bool:
    both = (one, other)
    plain = all(term.region is None and term.band is None for term in both)
    if not plain or not all(term.full and term.core == 0 for term in both):
        return False
    meet = emitter.context.ways.meet(one.of, other.of)  # else one sum would hold the terms of both
    return meet and emitter.facts.same_shape(one.of, other.of) is True


def _reduced(emitter: Emitter, term: Term, batch: int) -> Tree:
    """Return the sum of a term over all axes but the first `batch`."""
    term = _masked(emitter, term)
    value = term.value
    if term.core is None:
        return _same_for_each(emitter, term, value, batch)
    if term.full:
        return _summed(emitter, value, term.of, batch, term.core)
    repeated = _repeated(emitter, term, value, batch)
    if repeated is not None:
        return repeated
    rank = 0 if isinstance(value, Const) else term.rank
    if rank == 0 and batch == 0:
        return _times(emitter, _count(emitter, term, batch), value)
    shape = _leading_shape(emitter, term)
    if shape == tuple_of(()):
        return value
    spread = call(emitter.builder, jnp.broadcast_to, value, shape)
    return _summed(emitter, spread, term.of, batch, term.core)


def _same_for_each(emitter: Emitter, term: Term, value: Tree, batch: int) -> Tree:
    if not batch:
        return value
    shape = answer(emitter, term.of, "shape")
    lead = getitem(emitter.builder, shape, Slice(Const(None), Const(batch), Const(None)))
    return call(emitter.builder, jnp.broadcast_to, value, lead)


def _repeated(emitter: Emitter, term: Term, value: Tree, batch: int) -> Tree | None:
    """Return the sum of a term that is the same for many elements as a multiple, where shapes tell how often."""
    of = emitter.context.concrete_shape(term.of)
    shape = () if isinstance(value, Const) else term.shape
    if of is None or shape is None or term.core or 0 in shape or len(shape) > len(of) - batch:
        return None
    builder = emitter.builder
    total = call(builder, jnp.sum, value) if shape else value
    total = _times(emitter, Const(math.prod(of[batch:]) // math.prod(shape)), total)
    return call(builder, jnp.broadcast_to, total, ints(of[:batch])) if batch else total


def _masked(emitter: Emitter, term: Term) -> Term:
    """Return the term with zeros outside of its region, for all elements; a mask may be smaller than what it masks."""
    if term.band is not None:
        value = term.value
        if not term.full:
            value = call(emitter.builder, jnp.broadcast_to, value, _leading_shape(emitter, term))
        value = emitter.in_band(value, term.band)
        term = replace(term, value=value, full=True, band=None)
    match term.region:
        case None:
            return term
        case Masked(mask=mask):
            same = emitter.facts.same_shape(mask, term.of)
            fills = same is not False
            if not term.full and same is None:
                fills = emitter.assume_shapes([mask], term.of)
            ranks = (term.rank, emitter.facts.rank(mask))
            shapes = (term.shape, emitter.context.concrete_shape(mask))
            return replace(
                term,
                value=emitter.masked(term.value, term.region),
                full=term.full or fills,
                rank=None if None in ranks else max(ranks),
                shape=None if None in shapes else np.broadcast_shapes(*shapes),
                region=None,
            )
        case Except(region=hole):
            value = term.value
            if not term.full:
                shape = _leading_shape(emitter, term)
                value = call(emitter.builder, jnp.broadcast_to, value, shape)
            value = emitter.without(value, hole, term.of)
            return replace(term, value=value, full=True, region=None)
        case Band():
            value = term.value
            if not term.full:
                shape = _leading_shape(emitter, term)
                value = call(emitter.builder, jnp.broadcast_to, value, shape)
            return replace(term, value=emitter.in_band(value, term.region), full=True, region=None)
        case region:
            raise AssertionError(f"a step recovers {region} alone")


def _times(emitter: Emitter, count: Tree, value: Tree) -> Tree:
    if count == Const(1):
        return value
    return call(emitter.builder, operator.mul, count, value)


def _count(emitter: Emitter, term: Term, batch: int) -> Tree:
    """Return how many entries the term has."""
    shape = emitter.context.concrete_shape(term.of)
    if shape is not None:
        return Const(math.prod(shape[batch : len(shape) - (term.core or 0)]))
    if not term.core:
        return answer(emitter, term.of, "size")
    leading = _leading_shape(emitter, term)
    return call(emitter.builder, math.prod, leading)


def _leading_shape(emitter: Emitter, term: Term) -> Tree:
    shape = answer(emitter, term.of, "shape")
    if not term.core:
        return shape
    stop = Const(-term.core)
    return getitem(emitter.builder, shape, Slice(Const(None), stop, Const(None)))


def _all_summed(emitter: Emitter, value: Tree, of: Var | None, batch: int) -> Tree:
    if of is not None or not batch:
        return _summed(emitter, value, of, batch, 0)  # type: ignore[arg-type]
    ndim = attribute(emitter.builder, value, "ndim")
    axes = call(emitter.builder, tuple, call(emitter.builder, range, Const(batch), ndim))
    return call(emitter.builder, jnp.sum, value, axis=axes)


def _summed(emitter: Emitter, value: Tree, of: Var, batch: int, core: int | None) -> Tree:
    if not batch:
        return call(emitter.builder, jnp.sum, value)
    rank = emitter.facts.rank(of)
    if rank is None:
        ndim = attribute(emitter.builder, value, "ndim")
        axes = call(emitter.builder, tuple, call(emitter.builder, range, Const(batch), ndim))
        return call(emitter.builder, jnp.sum, value, axis=axes)
    last = rank - (core or 0)
    if last <= batch:
        return value
    axis = Const(batch) if last == batch + 1 else tuple_of(map(Const, range(batch, last)))
    if last == batch + 1:
        axis = Const(-1)
    return call(emitter.builder, jnp.sum, value, axis=axis)
