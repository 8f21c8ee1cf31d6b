"""Integers whose bits are moved and combined by exclusive or: rotations, `x ^ (x >> 16)`, swapped halves.

Each bit of such a value is the exclusive or of some bits of the unknown: a matrix over the field of two elements, whose inverse is again
such shifts. Parts that have no bit in common may as well be put together by `|` or `+`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Apply, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.canonical import Call
from invcompiler.rules.registry import Refusal
from invcompiler.schedule import affine
from invcompiler.schedule.not_iterated import NotIterated
from invcompiler.schedule.plan import Bits
from invcompiler.schedule.pointwise import between

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

Rows = tuple[
    int, ...
]  # for each bit of a value, which bits of the unknown it is the exclusive or of
_MOST_TERMS = 8
# What an unknown may be of which the dtype is not known: a rotation is one of so many bits only.
_DTYPES = tuple(map(np.dtype, (np.uint32, np.uint8, np.uint16, np.uint64)))
_COMBINED = (jnp.bitwise_xor, jnp.bitwise_or, jnp.add)


class _NotLinear(Exception):
    """A value is not made of the bits of the unknown in this way."""


def invert(solver: Solver) -> Bits | None:
    """Return the step that recovers the unknown of the first such value that is known."""
    from invcompiler.schedule.pieces import source_of

    for equation in solver.graph.equations:
        if not isinstance(equation, Apply) or not affine.is_stuck(solver, equation):
            continue
        source = source_of(solver, equation.out)
        if source is None or not affine.same_shapes(solver, (equation.out, source)):
            continue
        step = _attempt(solver, equation, source)
        if isinstance(step, Bits):
            return step
        if step is not None:
            solver.refusals[equation] = step
    return None


def _attempt(solver: Solver, equation: Apply, source: Var) -> Bits | Refusal | NotIterated | None:
    facts = solver.context.facts
    dtype = facts.dtype(source)
    call = solver.call(equation)
    if call is None or call.fn not in _COMBINED:
        return None
    if dtype is not None and np.dtype(dtype).kind not in "iu":
        return None
    waits = dtype is None and not facts.is_concrete
    for assumed in _DTYPES if dtype is None else (np.dtype(dtype),):
        rotated = _rotation(solver, equation, source, assumed)
        try:
            rows = None if rotated else _rows(solver, equation.out, source, assumed)
            break
        except _NotLinear:
            continue
    else:
        return None
    if rows is not None and not any(rows):
        return Refusal("the unknown appears more than once, and cancels")
    if waits:
        hint = "pass `example=`, an array or a `jax.ShapeDtypeStruct` like the unknown"
        return NotIterated("where its bits go depends on its dtype", hint, waits=True)
    if rotated is not None:
        return Bits(equation, equation.out, source, (), None, rotated)
    return None if rows is None or dtype is None else _step(equation, source, rows)


def _rotation(
    solver: Solver, equation: Apply, source: Var, dtype: np.dtype
) -> tuple[Tree, Tree] | None:
    """Return by how much a value is shifted to the left and to the right, if together that is all of its bits."""
    call = solver.call(equation)
    if call is None or call.fn not in _COMBINED:
        return None
    shifts: dict[str, Tree] = {}
    for tree in tuple(call.arguments.values())[:2]:
        made = solver.graph.defining.get(tree) if isinstance(tree, Var) else None
        inner = solver.call(made) if isinstance(made, Apply) else None
        is_logical = inner is not None and (
            inner.fn is lax.shift_right_logical
            or (inner.fn is jnp.right_shift and dtype.kind == "u")
        )
        if inner is None or not (is_logical or inner.fn is jnp.left_shift):
            return None
        of, by = tuple(inner.arguments.values())[:2]
        if of is not source or any(var not in solver.known for var in leaves(by)):
            return None
        shifts["right" if is_logical else "left"] = by
    if len(shifts) < 2:
        return None
    left, right = shifts["left"], shifts["right"]
    width = 8 * dtype.itemsize
    if _is_rest(solver, left, right, width) or _is_rest(solver, right, left, width):
        return left, right
    return None


def _is_rest(solver: Solver, one: Tree, other: Tree, width: int) -> bool:
    """Whether `one` is computed as `width - other`."""
    made = solver.context.defining.get(one) if isinstance(one, Var) else None
    call = solver.call(made) if isinstance(made, Apply) else None
    if call is None or call.fn is not jnp.subtract:
        return False
    whole, less = tuple(call.arguments.values())[:2]
    return less == other and affine.number(whole) == width


def _step(equation: Apply, source: Var, rows: Rows) -> Bits | Refusal:
    inverse = _inverse(rows)
    if inverse is None:
        return Refusal("some bits of the unknown do not reach the output, or only together")
    shift = _shift_with_itself(rows)
    terms = _terms(inverse)
    if len(terms) <= _MOST_TERMS:
        return Bits(equation, equation.out, source, terms, None)
    if shift is not None:
        return Bits(equation, equation.out, source, (), shift)
    return Refusal(f"its inverse is not known in less than {len(terms)} shifts")


# ---- reading ---------------------------------------------------------------------------------------


def _rows(solver: Solver, out: Var, source: Var, dtype: np.dtype) -> Rows:
    """Return of which bits of `source` the bits of `out` are made."""
    width, signed = 8 * dtype.itemsize, dtype.kind == "i"
    found: dict[Var, Rows] = {source: tuple(1 << bit for bit in range(width))}
    for equation in between(solver, out, source) or ():
        call = solver.call(equation) if isinstance(equation, Apply) else None
        if call is None or not isinstance(equation, Apply):
            raise _NotLinear
        if solver.context.facts.dtype(equation.out) not in (None, dtype):
            raise _NotLinear
        found[equation.out] = _of_call(solver, call, found, width, signed)
    if out not in found:
        raise _NotLinear
    return found[out]


def _of_call(solver: Solver, call: Call, found: dict[Var, Rows], width: int, signed: bool) -> Rows:
    one, other = (*call.arguments.values(), None, None)[:2]
    if call.fn in _COMBINED and all(isinstance(t, Var) and t in found for t in (one, other)):
        a, b = found[one], found[other]  # type: ignore[index]
        if call.fn is not jnp.bitwise_xor and any(x and y for x, y in zip(a, b, strict=True)):
            raise _NotLinear
        return tuple(x ^ y for x, y in zip(a, b, strict=True))
    if call.fn is jnp.bitwise_and:
        masked, mask = (one, other) if one in found else (other, one)
        value = _integer(solver, mask)
        return tuple(
            row if value >> bit & 1 else 0 for bit, row in enumerate(_known(found, masked))
        )
    rows, by = _known(found, one), _integer(solver, other)
    if not 0 <= by < width:
        raise _NotLinear
    if call.fn is jnp.left_shift:
        return (0,) * by + rows[: width - by]
    if call.fn in (jnp.right_shift, lax.shift_right_logical, lax.shift_right_arithmetic):
        copies = call.fn is lax.shift_right_arithmetic or (call.fn is jnp.right_shift and signed)
        return rows[by:] + ((rows[-1] if copies else 0),) * by
    raise _NotLinear


def _known(found: dict[Var, Rows], tree: Tree | None) -> Rows:
    if not isinstance(tree, Var) or tree not in found:
        raise _NotLinear
    return found[tree]


def _integer(solver: Solver, tree: Tree | None) -> int:
    if tree is None or any(var not in solver.known for var in leaves(tree)):
        raise _NotLinear
    value = affine.number(tree)
    if value is None:
        array = solver.context.literal_array(tree)
        value = array[()] if array is not None and array.ndim == 0 else None
    if value is None or int(value) != value:
        raise _NotLinear
    return int(value)


# ---- matrices of bits ------------------------------------------------------------------------------


def _inverse(rows: Rows) -> Rows | None:
    """Return the inverse of a matrix over the field of two elements."""
    left, right = list(rows), [1 << bit for bit in range(len(rows))]
    for column in range(len(rows)):
        pivot = next((i for i in range(column, len(rows)) if left[i] >> column & 1), None)
        if pivot is None:
            return None
        for side in (left, right):
            side[column], side[pivot] = side[pivot], side[column]
        for i in range(len(rows)):
            if i != column and left[i] >> column & 1:
                left[i] ^= left[column]
                right[i] ^= right[column]
    return tuple(right)


def _terms(rows: Rows) -> tuple[tuple[int, int], ...]:
    """Return (shift to the left, mask of the result) of the shifts that a matrix is the exclusive or of."""
    masks: dict[int, int] = {}
    for bit, row in enumerate(rows):
        for source in range(len(rows)):
            if row >> source & 1:
                masks[bit - source] = masks.get(bit - source, 0) | 1 << bit
    return tuple(sorted(masks.items(), key=lambda term: abs(term[0])))


def _shift_with_itself(rows: Rows) -> int | None:
    """Return the shift of `x ^ (x << shift)`, or of `x ^ (x >> -shift)`."""
    terms = dict(_terms(rows))
    full = (1 << len(rows)) - 1
    if len(terms) != 2 or terms.pop(0, 0) != full:
        return None
    ((shift, mask),) = terms.items()
    reaches = (full << shift if shift > 0 else full >> -shift) & full
    return shift if mask == reaches else None
