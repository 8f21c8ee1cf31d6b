"""Code for bits that were moved: each term is a shift of the value, masked where the shift brings other bits along.

The inverse of `x ^ (x >> s)` is `y ^ (y >> s)`, and that with 2 s, 4 s, ... in turn: over two elements `1 + N` times
`(1 + N) (1 + N^2) (1 + N^4) ...` is one, as soon as a power of the shift N is zero.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np
from jax import lax

from invcompiler.ir.nodes import Const, Tree
from invcompiler.passes.ops import call
from invcompiler.schedule.plan import Bits

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def solve(emitter: Emitter, step: Bits) -> None:
    """Bind the unknown to the bits of the value, put back."""
    dtype = np.dtype(emitter.facts.dtype(step.solved))
    width, signed = 8 * dtype.itemsize, dtype.kind == "i"
    y = emitter.value(step.value)
    if step.rotated is not None:
        left, right = (emitter.value(tree) for tree in step.rotated)
        right_part = _logical(emitter, y, left, signed)
        left_part = call(emitter.builder, operator.lshift, y, right)
        x = call(emitter.builder, operator.or_, right_part, left_part)
    elif step.doubled is not None:
        x, shift = y, step.doubled
        while abs(shift) < width:
            x = call(
                emitter.builder, operator.xor, x, _term(emitter, x, shift, None, width, signed)
            )
            shift *= 2
    else:
        masks = [mask for _, mask in step.terms]
        apart = sum(masks) == _or(masks)
        terms = [_term(emitter, y, s, mask, width, signed) for s, mask in step.terms]
        x = terms[0]
        for term in terms[1:]:
            x = call(emitter.builder, operator.or_ if apart else operator.xor, x, term)
    emitter.bind(step.solved, x)


def _logical(emitter: Emitter, y: Tree, by: Tree, signed: bool) -> Tree:
    """Return the value shifted to the right, with zeros for what comes in."""
    if not signed:
        return call(emitter.builder, operator.rshift, y, by)
    return call(emitter.builder, lax.shift_right_logical, y, by)


def _or(masks: list[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found


def _term(
    emitter: Emitter, y: Tree, shift: int, mask: int | None, width: int, signed: bool
) -> Tree:
    """Return the value shifted to the left, or to the right for a negative shift, and masked where that matters."""
    full = (1 << width) - 1
    if shift >= 0:
        reaches = full << shift & full
        found = call(emitter.builder, operator.lshift, y, Const(shift)) if shift else y
    else:
        reaches = full >> -shift
        found = call(emitter.builder, operator.rshift, y, Const(-shift))
    mask = reaches if mask is None else mask
    if mask == reaches and not (signed and shift < 0):
        return found
    if signed and mask >> (width - 1):
        mask -= 1 << width
    return call(emitter.builder, operator.and_, found, Const(mask))
