"""Whether leading batch axes stay leading batch axes on the way from the unknowns to the output.

A log-determinant for each example exists only if no step mixes examples or moves their axes. Functions that move elements are
tried on an array of element numbers: what comes out shows where everything went.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from invcompiler.errors import DegreesOfFreedomError
from invcompiler.ir.build import literal
from invcompiler.ir.nodes import Apply, Const, Display, Slice, Span, Tree
from invcompiler.passes.templates import reads_only_the_shape
from invcompiler.rules.registry import Kind, parameters
from invcompiler.schedule.context import Context
from invcompiler.schedule.functions import FunctionPlan
from invcompiler.schedule.linear_terms import Side
from invcompiler.schedule.plan import (
    Accumulate,
    Deduce,
    InvertBranch,
    InvertLoop,
    Isolate,
    Join,
    LowRank,
    Numeric,
    Pieces,
    Plan,
    Projected,
    Read,
    Spectral,
    Step,
)
from invcompiler.schedule.regions import Band, Diagonal, Elements, Except, Permuted, Region, Span1
from invcompiler.schedule.running import run_now

_LAST_TWO = Display(tuple, (Const(-2), Const(-1)))
_MOST = 1 << 22  # elements: a larger array is not numbered, and the step refused


def check_batch_axes(plan: FunctionPlan, batch_ndims: int) -> None:
    """Raise DegreesOfFreedomError if a step moves or mixes the first `batch_ndims` axes; a callee is checked as it is compiled."""
    _plan(plan.plan, plan, batch_ndims)


def _plan(plan: Plan, owner: FunctionPlan, batch: int) -> None:
    for step in plan.steps:
        if not keeps_batch(step, owner.context, batch):
            raise _mixed(step, owner, batch)
        match step:
            case InvertLoop(plan=inner):
                _plan(inner, owner, batch)
            case InvertBranch(plans=plans):
                for inner in plans:
                    _plan(inner, owner, batch)


def keeps_batch(step: Step, context: Context, batch: int) -> bool:
    """Whether a step keeps the batch axes, as far as shapes are known."""
    match step:
        case Isolate(rule=rule) if rule.kind is Kind.STRUCTURAL:
            return _moves_within(step, context, batch)
        case Isolate(rule=rule) if rule.kind is Kind.LINEAR:
            return _acts_behind(step, context, batch)
        case Read(view=view):
            return view.region is None or _is_behind(
                view.region, context.facts.rank(view.whole), batch
            )
        case Pieces(whole=whole):
            return not whole
        case Join(whole=whole, pieces=pieces):
            rank = context.facts.rank(whole)
            return all(_is_behind(piece.region, rank, batch) for piece in pieces)
        case Deduce(solved=whole, of=of, axis=int(axis)):
            rank = context.facts.rank(whole if of is None else of.whole)
            return _axis_behind(axis, rank, batch)
        case Accumulate(whole=whole, axis=axis):
            return _axis_behind(axis, context.facts.rank(whole), batch)
        case Spectral(forth=forth, axes=axes, solved=solved):
            rank = context.facts.rank(solved)
            return rank is None or _transformed(context, forth, axes, rank) >= batch
        case LowRank(side=side, is_batched=is_batched, solved=solved):
            rank = context.facts.rank(solved)
            core = 2 if is_batched and side is Side.COLUMNS else 1
            return rank is None or rank - core >= batch
        case Projected(axes=axes):
            return min(axes) >= batch
        case Numeric(axes=axes, unknown=unknown):
            rank = context.facts.rank(unknown)
            return axes is not None and (rank is None or rank - axes >= batch)
        case InvertLoop(items=items):
            return not any(context.facts.rank(container) is not None for _, container in items)
        case _:
            return True


def _transformed(context: Context, forth: Apply, axes: int, rank: int) -> int:
    """Return the first axis that a Fourier transform mixes; 0 where that is not seen."""
    call = context.call(forth)
    given = Const(None) if call is None else call.arguments.get("axis", Const(-axes))
    plain = call is not None and call.arguments.get("axes") in (None, _LAST_TWO)
    if not plain or not isinstance(given, Const) or type(given.value) is not int:
        return 0
    return given.value % rank


def _moves_within(step: Isolate, context: Context, batch: int) -> bool:
    shape = context.concrete_shape(step.solved)
    if shape is None:
        return True
    if len(shape) < batch or np.prod(shape) > _MOST:
        return False
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    moved = _applied(step, context, numbers)
    if moved is None:
        return False
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(moved)]
    return all(_keeps_examples(leaf, shape, batch) for leaf in leaves)


def _applied(step: Isolate, context: Context, numbers: np.ndarray) -> Any:
    arguments = {}
    for name, tree in step.call.arguments.items():
        if name == step.rule.argument:
            arguments[name] = numbers
            continue
        value = _value(context, tree)
        if value is None:
            return None
        arguments[name] = value[0]
    if "dtype" in arguments:  # a cast moves nothing
        return numbers
    return run_now(lambda: step.rule.fn(*arguments.values()))


def _value(context: Context, tree: Tree) -> tuple[Any] | None:
    known = literal(tree)
    if known is not None:
        return known
    static = context.facts.static(tree)
    if static is not None:
        return (static.value,)
    value = context.array(tree)
    return None if value is None else (value,)


def _keeps_examples(moved: np.ndarray, shape: tuple[int, ...], batch: int) -> bool:
    if moved.shape[:batch] != shape[:batch]:
        return False
    inner = max(int(np.prod(shape[batch:])), 1)
    examples = np.arange(int(np.prod(shape[:batch]))).reshape(shape[:batch])
    wanted = examples.reshape(shape[:batch] + (1,) * (moved.ndim - batch))
    return bool((moved // inner == wanted).all())


def _acts_behind(step: Isolate, context: Context, batch: int) -> bool:
    if step.rule.core is None:
        return _is_uniform(step) and _acts_alike(step, context, batch)
    shape, out = (context.concrete_shape(v) for v in (step.solved, step.equation.out))
    if shape is None or out is None:
        return True
    return len(shape) - step.rule.core >= batch and out[:batch] == shape[:batch]


def _is_uniform(step: Isolate) -> bool:
    """Whether the log-determinant does not depend on values of the unknown, so that it is that of each example alike."""
    template, rule = step.rule.log_det, step.rule
    return template is None or all(
        reads_only_the_shape(template, name) for name in (rule.output, rule.argument)
    )


def _acts_alike(step: Isolate, context: Context, batch: int) -> bool:
    """Whether the inverse of a linear map does the same to each example: it is tried on two along each batch axis.

    What is known of its other operands is their shape at least; values that are not known are drawn at random.
    """
    shape, out = (context.concrete_shape(v) for v in (step.solved, step.equation.out))
    if shape is None or out is None:
        return True
    if len(shape) < batch or out[:batch] != shape[:batch] or np.prod(shape[batch:]) > _MOST:
        return False
    examples = (2,) * batch
    random = np.random.default_rng(0)
    names = [n for n in parameters(step.rule.inverse) if n in step.rule.needs(step.rule.inverse)]
    operands = {n: _drawn(context, step.call.arguments[n], random) for n in names}
    if None in operands.values():
        return False
    given = {n: value[0] for n, value in operands.items() if value is not None}
    given[step.rule.argument] = np.zeros(examples + shape[batch:])

    def run(y: np.ndarray) -> np.ndarray:
        values = {**given, step.rule.output: y}
        arguments = [values[n] for n in parameters(step.rule.inverse)]
        return np.array(run_now(lambda: step.rule.inverse(*arguments)))

    y = random.normal(size=examples + out[batch:])
    changed = y.copy()
    changed[(0,) * batch] = random.normal(size=out[batch:])
    try:
        x, apart = run(y), run(changed)
        turned = [np.flip(run(np.flip(y, axis)), axis) for axis in range(batch)]
    except (TypeError, ValueError):  # an operand that has batch axes of its own
        return False
    apart[(0,) * batch] = x[(0,) * batch]
    return all(np.allclose(x, other, rtol=1e-3, atol=1e-3) for other in (*turned, apart))


def _drawn(context: Context, tree: Tree, random: np.random.Generator) -> tuple[Any] | None:
    """Return the value of an operand, or random numbers of its shape; None if that is not known."""
    value = _value(context, tree)
    if value is not None:
        return value
    shape = context.concrete_shape(tree)
    return None if shape is None else (random.normal(size=shape),)


def _is_behind(region: Region, rank: int | None, batch: int) -> bool:
    """Whether a region speaks of axes behind the batch axes only."""
    match region:
        case Span1(axis=axis) | Permuted(axis=axis):
            return _axis_behind(axis, rank, batch)
        case Band() | Diagonal():
            return rank is None or rank - 2 >= batch
        case Except(region=inner):
            return _is_behind(inner, rank, batch)
        case Elements(index=index):
            parts = index.items if isinstance(index, Display) else (index,)
            full = Slice(Const(None), Const(None), Const(None))
            return len(parts) > batch and all(part == full for part in parts[:batch])
        case _:
            return True


def _axis_behind(axis: int, rank: int | None, batch: int) -> bool:
    if axis >= 0:
        return axis >= batch
    return rank is None or axis + rank >= batch


def _mixed(step: Step, owner: FunctionPlan, batch: int) -> DegreesOfFreedomError:
    return DegreesOfFreedomError(
        f"`{owner.function.name}` does not keep the first {batch} axes apart: it has no log-det for each example",
        span=_span(step),
        function=owner.function.name,
        label="batch axes are moved or mixed here",
        hint="leave `batch_ndims=` out, or write the function for one example and use `jax.vmap`",
    )


def _span(step: Step) -> Span | None:
    equation = getattr(step, "equation", None)
    if equation is not None:
        return equation.span
    solved = step.solves[0] if step.solves else None
    return solved.span if solved is not None else None
