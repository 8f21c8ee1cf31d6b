"""Vectors that are normalised: softmax, proportions, directions, deviations from the mean.

Such a function forgets one number along an axis. With one element known before (`jnp.append(x, 0.0)`) its operand is determined, and
its value without one element is, as the elements that are known leave the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np

from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Apply, Const, Display, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules import simplices
from invcompiler.rules.canonical import Call
from invcompiler.rules.simplices import Formula
from invcompiler.schedule.bands import LOWER, support, within
from invcompiler.schedule.plan import Deduce, Part
from invcompiler.schedule.positions import END, Position, plus
from invcompiler.schedule.regions import Piece, Region, Span1
from invcompiler.schedule.running import run_now
from invcompiler.schedule.slope_table import is_elementwise
from invcompiler.schedule.triangular import diagonal
from invcompiler.schedule.views import boundaries

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


@dataclass(frozen=True)
class Kind:
    """What is known of one way to normalise: how to undo it, from a known element or one that is 0, and what completes its value."""

    undone: type[Formula]
    at_zero: type[Formula] | None
    rest: type[Formula] | None


SOFTMAX = Kind(simplices.softmax_undone, simplices.softmax_undone_at_zero, simplices.rest_of_one)
LOG_SOFTMAX = Kind(
    simplices.log_softmax_undone,
    simplices.log_softmax_undone_at_zero,
    simplices.log_rest_of_one,
)
PROPORTIONS = Kind(simplices.proportions_undone, None, simplices.rest_of_one)
DIRECTION = Kind(simplices.direction_undone, None, None)


@dataclass(frozen=True)
class Normalised:
    kind: Kind
    operand: Var
    axis: int


def deduce(solver: Solver, equation: Apply) -> Deduce | None:
    """Return the step that a normalisation allows: its operand, or the element of its value that is missing."""
    found = normalised(solver, equation)
    if found is None:
        return _share(solver, equation)
    if equation.out not in solver.known:
        return _completed(solver, equation, found)
    if found.operand in solver.known:
        return None
    return _undone(solver, equation, found) or _share(solver, equation)


def normalised(solver: Solver, equation: Apply) -> Normalised | None:
    """Read a value as one that is normalised; the softmax of `v - max(v)` is that of v."""
    found = _normalised(solver, equation)
    if found is None:
        return None
    if found.kind is PROPORTIONS:
        exponent = _exponent_of(solver, found.operand)
        if exponent is not None:
            found = replace(found, kind=SOFTMAX, operand=exponent)
    if found.kind in (SOFTMAX, LOG_SOFTMAX):
        return replace(found, operand=_unshifted(solver, found.operand, found.axis))
    return found


def _unshifted(solver: Solver, operand: Var, axis: int) -> Var:
    """Return v for `v - r`, where r is the same all along an axis, as a reduction of v over that axis is."""
    call = call_of(solver, operand)
    if call is None or call.fn is not jnp.subtract:
        return operand
    whole, shift = tuple(call.arguments.values())[:2]
    made = call_of(solver, shift)
    if made is not None and made.fn is jnp.asarray:  # `lax.stop_gradient`
        shift = next(iter(made.arguments.values()))
    if not isinstance(whole, Var):
        return operand
    along = reduced(solver, shift, (jnp.max, jnp.min, jnp.mean, *_LOG_SUM), whole)
    if along is None or not same_axis(solver, whole, along, axis):
        return operand
    return whole


def _normalised(solver: Solver, equation: Apply) -> Normalised | None:
    call = solver.call(equation)
    if call is None:
        return None
    given = call.arguments
    if call.fn in (jax.nn.softmax, jax.nn.log_softmax):
        kind = SOFTMAX if call.fn is jax.nn.softmax else LOG_SOFTMAX
        operand, axis = given["x"], given["axis"]
        whole = given["where"] == Const(None) and isinstance(axis, Const)
        if whole and isinstance(operand, Var) and type(axis.value) is int:  # type: ignore[union-attr]
            return Normalised(kind, operand, axis.value)  # type: ignore[union-attr]
        return None
    if call.fn not in (jnp.divide, jnp.subtract):
        return None
    operand, by = tuple(given.values())[:2]
    if not isinstance(operand, Var):
        return None
    along = _root_of_squares(solver, by, operand) if call.fn is jnp.divide else None
    if along is not None:
        return Normalised(DIRECTION, operand, along)
    for fns, kind, over in _FORMS:
        along = reduced(solver, by, fns, operand) if over is call.fn else None
        if along is not None:
            return Normalised(kind, operand, along)
    return None


_LOG_SUM = (jax.nn.logsumexp, jax.scipy.special.logsumexp)
_FORMS: tuple[tuple[tuple, Kind, Any], ...] = (
    ((jnp.sum,), PROPORTIONS, jnp.divide),
    ((jnp.linalg.norm,), DIRECTION, jnp.divide),
    (_LOG_SUM, LOG_SOFTMAX, jnp.subtract),
)


def waits_for_shapes(solver: Solver, equation: Apply) -> bool:
    """Whether a normalisation may be undone once it is known which part of its operand is known before."""
    found = normalised(solver, equation)
    if found is None:
        return False
    return _is_joined(solver, found.operand)


def _is_joined(solver: Solver, tree: Tree) -> bool:
    """Whether a value is put together from parts, or made of one that is, element by element."""
    made = call_of(solver, tree)
    if made is None or made.fn in (jnp.concatenate, jnp.append, jnp.hstack, jnp.pad):
        return made is not None
    if not is_elementwise(made.fn):
        return False
    unknown = [t for t in made.arguments.values() if any(v not in solver.known for v in leaves(t))]
    return len(unknown) == 1 and _is_joined(solver, unknown[0])


def _root_of_squares(solver: Solver, tree: Tree, operand: Var) -> int | None:
    """Return the axis of `sqrt(sum(operand**2, axis, keepdims=True))`."""
    root = call_of(solver, tree)
    if root is None or root.fn is not jnp.sqrt:
        return None
    found = reduction(solver, next(iter(root.arguments.values())), (jnp.sum,))
    return None if found is None or not is_square(solver, found[0], operand) else found[1]


def is_square(solver: Solver, tree: Tree, of: Tree) -> bool:
    """Whether a value is the square of another one."""
    call = call_of(solver, tree)
    if call is None:
        return False
    given = tuple(call.arguments.values())
    if call.fn is jnp.square:
        return given[0] is of
    if call.fn is jnp.power:
        return given[0] is of and given[1] in (Const(2), Const(2.0))
    return call.fn is jnp.multiply and given[0] is of and given[1] is of


# ---- reductions that are spread over their operand again ----------------------------------------------------


def reduced(solver: Solver, tree: Tree, fns: tuple, operand: Tree) -> int | None:
    """Return the axis over which `tree` is a reduction of `operand`, if it broadcasts against that again."""
    found = reduction(solver, tree, fns)
    if found is None:
        return None
    if found[0] is operand:
        return found[1]
    exponents = _exponent_of(solver, found[0]), _exponent_of(solver, operand)
    return found[1] if exponents[0] is not None and exponents[0] is exponents[1] else None


def reduction(solver: Solver, tree: Tree, fns: tuple) -> tuple[Var, int] | None:
    """Return the operand and the axis of a reduction by one of `fns` that broadcasts against its operand again."""
    call, put_back = call_of(solver, tree), None
    if call is not None and call.fn is jnp.expand_dims:
        put_back = _static(solver, call.arguments["axis"])
        call = call_of(solver, call.arguments["a"])
    elif call is None or call.fn not in fns:
        inner = solver.context.as_column(tree)
        if inner is not None:
            call, put_back = call_of(solver, inner), -1
    if call is None or call.fn not in fns or not _is_plain(call):
        return None
    operand = next(iter(call.arguments.values()))
    if not isinstance(operand, Var):
        return None
    axis = _static(solver, call.arguments["axis"])
    rank = solver.context.facts.rank(operand)
    if axis is None and call.arguments["axis"] == Const(None) and rank == 1:
        axis = -1
    if axis is None:
        return None
    keeps = call.arguments["keepdims"] == Const(True)
    if keeps or rank == 1 or put_back == axis:
        return operand, axis
    if put_back is not None and rank is not None and put_back % rank == axis % rank:
        return operand, axis
    return None


def _is_plain(call: Call) -> bool:
    """Whether a reduction has no options but its axis; a norm is the Euclidean one."""
    options = {k: v for k, v in call.arguments.items() if k not in ("axis", "keepdims", "dtype")}
    rest = list(options.items())[1:]
    plain = (Const(None), Const(False), Const(2))
    return all(value in plain and (value != Const(2) or name == "ord") for name, value in rest)


def _static(solver: Solver, tree: Tree) -> int | None:
    if isinstance(tree, Display) and tree.kind is tuple and len(tree.items) == 1:
        tree = tree.items[0]
    value = solver.context.static_int(tree)
    return value if type(value) is int else None


def call_of(solver: Solver, tree: Tree) -> Call | None:
    made = solver.context.defining.get(tree) if isinstance(tree, Var) else None
    return solver.context.call(made) if isinstance(made, Apply) else None


# ---- from a known element ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """A part of a value that is known before: `tree` holds it, a number that repeats or an array."""

    start: Position
    stop: Position
    tree: Tree
    is_zero: bool = False


def _undone(solver: Solver, equation: Apply, found: Normalised) -> Deduce | None:
    anchor = _anchor(solver, found.operand, found.axis)
    y = equation.out
    if anchor is None:
        if not _has_unit_diagonal(solver, found):
            return None
        undone = _undoing_rows(solver, found)
        spare = y if undone.log_term is None else None
        return Deduce(
            equation, undone, found.operand, (("y", Part(y)),), axis=found.axis, spare=spare
        )
    at = Part(y, Span1(found.axis, anchor.start, anchor.stop))
    kind = found.kind
    if anchor.is_zero and kind.at_zero is None:
        return None
    given = [("y", Part(y)), ("y_at", at)]
    formula = kind.undone
    if anchor.is_zero and kind.at_zero is not None:
        formula = kind.at_zero
    else:
        given.append(("anchor", Part(anchor.tree)))
    return Deduce(equation, formula, found.operand, tuple(given), axis=found.axis, spare=y)


def _undoing_rows(solver: Solver, found: Normalised) -> type[Formula]:
    """Return the formula for rows that had ones on the diagonal; how many free numbers they have is known of a lower triangle."""
    is_triangle = within(support(found.operand, solver.context), LOWER)
    if found.kind is DIRECTION and is_triangle:
        return simplices.unit_rows_of_triangle_undone
    return simplices.unit_diagonal_undone


def _has_unit_diagonal(solver: Solver, found: Normalised) -> bool:
    """Whether rows are scaled of a square matrix that has ones on its diagonal."""
    shape = solver.context.facts.shape(found.operand)
    scaled = found.kind in (DIRECTION, PROPORTIONS) and shape is not None and len(shape) >= 2
    if not scaled or shape is None or found.axis % len(shape) != len(shape) - 1:
        return False
    is_square = shape[-1] == shape[-2]
    return is_square and diagonal(found.operand, solver.context) == Interval(1, 1)


def _anchor(solver: Solver, operand: Var, axis: int) -> Known | None:
    for known in known_parts(solver, operand, axis):
        start, stop = (solver.context.settle(p, operand, axis) for p in (known.start, known.stop))
        if plus(stop, start, -1) == 1:
            return known
    return None


def known_parts(solver: Solver, whole: Var, axis: int) -> Iterator[Known]:
    """Yield the parts of a value along an axis that are known, though the value is not."""
    call = call_of(solver, whole)
    if call is not None and call.fn is jnp.pad:
        yield from _of_padding(solver, call, whole, axis)
    if call is not None and call.fn in (jnp.concatenate, jnp.append, jnp.hstack):
        yield from _of_concatenation(solver, call, whole, axis)
    for piece in solver.pieces.get(whole, ()):
        region = piece.region
        if isinstance(region, Span1) and piece.compact and region.step == 1:
            if not region.squeezed and same_axis(solver, whole, region.axis, axis):
                yield Known(region.start, region.stop, piece.source, _zeros(solver, piece.source))


def _of_padding(solver: Solver, call: Call, whole: Var, axis: int) -> Iterator[Known]:
    widths = solver.context.paddings(call)
    filled = solver.context.pad_value(call)
    rank = solver.context.facts.rank(whole)
    if widths is None or filled is None or rank is None:
        return
    before, after = widths[axis % rank] if len(widths) > 1 else widths[0]
    is_zero = filled == Const(0) or filled == Const(0.0)
    if before:
        yield Known(0, before, filled, is_zero)
    if after:
        yield Known(plus(END, -after), END, filled, is_zero)


def _of_concatenation(solver: Solver, call: Call, whole: Var, axis: int) -> Iterator[Known]:
    items = solver.context.concatenated(call)
    if items is None or not same_axis(solver, whole, items[1], axis):
        return
    arrays, along = items
    sizes = [solver.context.item_dim(item, along) for item in arrays]
    for item, start, stop in zip(arrays, *boundaries(sizes), strict=True):
        unknown = any(var not in solver.known for var in leaves(item))
        is_array = isinstance(item, Var) and solver.context.facts.rank(item) != 0  # a piece of it
        if not unknown and not is_array and None not in (start, stop):
            yield Known(start, stop, item, _zeros(solver, item))


def same_axis(solver: Solver, whole: Var, one: int, other: int) -> bool:
    if one == other:
        return True
    rank = solver.context.facts.rank(whole)
    return rank is not None and one % rank == other % rank


def _zeros(solver: Solver, tree: Tree) -> bool:
    value = solver.context.literal_array(tree) if isinstance(tree, Var) else None
    if value is not None:
        return value.size > 0 and not value.any()
    if isinstance(tree, Display):
        return bool(tree.items) and all(item in (Const(0), Const(0.0)) for item in tree.items)
    return tree in (Const(0), Const(0.0)) or _made_of_zeros(solver, tree)


def _made_of_zeros(solver: Solver, tree: Tree) -> bool:
    call = call_of(solver, tree)
    return call is not None and call.fn in (jnp.zeros, jnp.zeros_like)


# ---- the element that is missing ------------------------------------------------------------------------------


def _completed(solver: Solver, equation: Apply, found: Normalised) -> Deduce | None:
    """Return the step that finds the one element of a value that no piece of it holds."""
    if found.kind.rest is None:
        return None
    return completed(solver, equation, found.kind.rest, found.axis)


def completed(solver: Solver, equation: Apply, rest: type[Formula], axis: int) -> Deduce | None:
    """Return the step that finds the one element along an axis that no piece of a value holds."""
    for piece in solver.pieces.get(equation.out, ()):
        gap = _gap(solver, piece, equation.out, axis)
        if gap is None:
            continue
        missing = Var(None, equation.span)
        region: Region = Span1(piece.region.axis, *gap)  # type: ignore[union-attr]
        others, of = (("others", Part(piece.source)),), Part(equation.out, region)
        return Deduce(equation, rest, missing, others, of, axis)
    return None


def _gap(solver: Solver, piece: Piece, whole: Var, axis: int) -> tuple[Position, Position] | None:
    region = piece.region
    if not isinstance(region, Span1) or not piece.compact or region.squeezed or region.step != 1:
        return None
    if not same_axis(solver, whole, region.axis, axis):
        return None
    start, stop = (solver.context.settle(p, whole, axis) for p in (region.start, region.stop))
    end = solver.context.settle(END, whole, axis)
    if start == 0 and plus(end, stop, -1) == 1:
        return region.stop, END
    return (0, 1) if (start, stop) == (1, end) else None


# ---- shares of a sum that has a known term beside -------------------------------------------------------------


def _share(solver: Solver, equation: Apply) -> Deduce | None:
    """Undo `x / (c + sum(x))` and the like: `e^x / (1 + sum(e^x))`, `x - logsumexp(append(x, 0))`."""
    call = solver.call(equation)
    if (
        call is None
        or call.fn not in (jnp.divide, jnp.subtract)
        or equation.out not in solver.known
    ):
        return None
    operand, by = tuple(call.arguments.values())[:2]
    if not isinstance(operand, Var) or operand in solver.known:
        return None
    if call.fn is jnp.divide:
        sum_ = _sum_with(solver, by, operand)
    else:
        sum_ = _log_sum_with(solver, by, operand)
    if sum_ is None or not sum_.constants:
        return None
    exponent = _exponent(solver, operand) if call.fn is jnp.divide else None
    if exponent is not None and _is_positive(solver, sum_):
        return _share_step(solver, equation, simplices.exp_share_undone, exponent, sum_)
    by_quotient = call.fn is jnp.divide
    formula = simplices.share_undone if by_quotient else simplices.log_share_undone
    return _share_step(solver, equation, formula, operand, sum_)


def _is_positive(solver: Solver, sum_: SumWith) -> bool:
    """Whether the known terms of a sum are positive: then shares of exponentials are, and have logarithms."""
    return all(
        c > 0 if isinstance(c, int | float) else solver.context.interval(c).is_positive
        for c in sum_.constants
    )


def _share_step(
    solver: Solver, equation: Apply, formula: type[Formula], target: Var, sum_: SumWith
) -> Deduce | None:
    numbers = [c for c in sum_.constants if isinstance(c, int | float)]
    trees = [c for c in sum_.constants if not isinstance(c, int | float)]
    if len(trees) > 1 or (trees and sum(numbers)):
        return None
    constant: Tree = trees[0] if trees else Const(float(sum(numbers)))
    if not trees and sum(numbers) == 0:
        return None
    operands = (("y", Part(equation.out)), ("c", Part(constant)))
    return Deduce(equation, formula, target, operands, axis=sum_.axis)


@dataclass(frozen=True)
class SumWith:
    """The sum of an operand over an axis and of known numbers or scalars."""

    axis: int
    constants: tuple[Any, ...]


def _sum_with(solver: Solver, tree: Tree, operand: Var) -> SumWith | None:
    """Read `tree` as the sum of `operand` over an axis plus known terms."""
    call = call_of(solver, tree)
    if call is not None and call.fn is jnp.add:
        for one, other in _either(call):
            inner = _sum_with(solver, one, operand)
            if inner is not None and _is_known_scalar(solver, other):
                return SumWith(inner.axis, (*inner.constants, _number(solver, other)))
        return None
    found = reduction(solver, tree, (jnp.sum,))
    if found is None:
        return None
    summed, axis = found
    if summed is operand:
        return SumWith(axis, ())
    exponent = _exponent(solver, operand)
    inner_call = call_of(solver, summed)
    if inner_call is not None and inner_call.fn is jnp.exp and exponent is not None:
        return _of_joined(
            solver, next(iter(inner_call.arguments.values())), exponent, axis, jnp.exp
        )
    return _of_joined(solver, summed, operand, axis, None)


def _log_sum_with(solver: Solver, tree: Tree, operand: Var) -> SumWith | None:
    """Read `tree` as the logarithm of the sum of `exp(operand)` over an axis plus known terms."""
    call = call_of(solver, tree)
    if call is None:
        return None
    if call.fn in (jnp.log, jnp.log1p):
        inner = next(iter(call.arguments.values()))
        found = _sum_of_exp(solver, inner, operand)
        if found is not None and call.fn is jnp.log1p:
            found = SumWith(found.axis, (*found.constants, 1.0))
        return found
    summed = reduction(solver, tree, _LOG_SUM)
    return None if summed is None else _of_joined(solver, summed[0], operand, summed[1], jnp.exp)


def _sum_of_exp(solver: Solver, tree: Tree, operand: Var) -> SumWith | None:
    for equation in solver.graph.users.get(operand, ()):
        call = solver.call(equation) if isinstance(equation, Apply) else None
        if call is not None and call.fn is jnp.exp:
            found = _sum_with(solver, tree, equation.outs[0])
            if found is not None:
                return found
    return None


def _of_joined(solver: Solver, tree: Tree, operand: Var, axis: int, applied: Any) -> SumWith | None:
    """Read the sum over a concatenation of `operand` and known parts, to each of which `applied` is applied first."""
    call = call_of(solver, tree)
    if call is None or not isinstance(tree, Var):
        return None
    constants: list[Any] = []
    if call.fn is jnp.pad:
        widths, filled = solver.context.paddings(call), solver.context.pad_value(call)
        rank = solver.context.facts.rank(tree)
        if next(iter(call.arguments.values())) is not operand or widths is None or rank is None:
            return None
        value = None if filled is None else _number(solver, filled)
        if not isinstance(value, int | float):
            return None
        along = widths if len(widths) == rank else widths * rank
        if any(w != (0, 0) for i, w in enumerate(along) if i != axis % rank):
            return None
        return SumWith(axis, (sum(along[axis % rank]) * _applied(applied, value),))
    items = (
        solver.context.concatenated(call)
        if call.fn in (jnp.concatenate, jnp.append, jnp.hstack)
        else None
    )
    if items is None or not same_axis(solver, tree, items[1], axis):
        return None
    if [item for item in items[0] if item is operand] != [operand]:
        return None
    for item in items[0]:
        if item is operand:
            continue
        values = numbers(solver, item)
        if values is None:
            return None
        length = values.shape[items[1]] if values.ndim else 1
        if values.size == 0 or (values != values.flat[0]).any():
            return None
        constants.append(length * _applied(applied, float(values.flat[0])))
    return SumWith(axis, tuple(constants))


def _applied(fn: Any, value: float) -> float:
    return value if fn is None else float(run_now(lambda: fn(value)))


def numbers(solver: Solver, tree: Tree) -> Any:
    """Return the numbers that a part of a concatenation is, if the text states them."""
    if isinstance(tree, Const) and type(tree.value) in (int, float):
        return np.asarray(float(tree.value))
    if isinstance(tree, Display):
        found = [item.value for item in tree.items if isinstance(item, Const)]
        if len(found) < len(tree.items) or any(type(v) not in (int, float) for v in found):
            return None
        return np.asarray(found, float)
    value = solver.context.literal_array(tree) if isinstance(tree, Var) else None
    return None if value is None else np.asarray(value, float)


def _exponent(solver: Solver, tree: Tree) -> Var | None:
    """Return v for `exp(v)`, if that is unknown."""
    inner = _exponent_of(solver, tree)
    return None if inner in solver.known else inner


def _exponent_of(solver: Solver, tree: Tree) -> Var | None:
    call = call_of(solver, tree)
    if call is None or call.fn is not jnp.exp:
        return None
    inner = next(iter(call.arguments.values()))
    return inner if isinstance(inner, Var) else None


def _either(call: Call) -> tuple[tuple[Tree, Tree], tuple[Tree, Tree]]:
    one, other = tuple(call.arguments.values())[:2]
    return (one, other), (other, one)


def _is_known_scalar(solver: Solver, tree: Tree) -> bool:
    known = all(var in solver.known for var in leaves(tree))
    return known and (isinstance(tree, Const) or solver.context.facts.rank(tree) == 0)


def _number(solver: Solver, tree: Tree) -> Any:
    if isinstance(tree, Const) and type(tree.value) in (int, float):
        return float(tree.value)
    return tree
