"""When known parts cover a whole, and when one region lies within another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from invcompiler.ir.nodes import Var
from invcompiler.schedule import bands
from invcompiler.schedule.context import Context
from invcompiler.schedule.positions import END, Position
from invcompiler.schedule.regions import (
    Except,
    Form,
    Item,
    Masked,
    Permuted,
    Piece,
    Region,
    Span1,
)


def covers(
    whole: Var, pieces: Sequence[Piece], context: Context
) -> tuple[Form, tuple[Piece, ...]] | None:
    """Return pieces that cover `whole` together, in the order in which they lie, and how they do; or None."""
    for form, attempt in _ATTEMPTS:
        found = attempt(whole, pieces, context)
        if found is not None:
            return form, found
    return None


def _items(whole: Var, pieces: Sequence[Piece], context: Context) -> tuple[Piece, ...] | None:
    regions = [p.region for p in pieces if isinstance(p.region, Item)]
    if not regions:
        return None
    by_key = {context.key_of(whole, p.region): p for p in pieces if isinstance(p.region, Item)}
    wanted = context.item_keys(whole, regions)
    if wanted is None or any(key not in by_key for key in wanted):
        return None
    return tuple(by_key[key] for key in wanted)


def _chain(whole: Var, pieces: Sequence[Piece], context: Context) -> tuple[Piece, ...] | None:
    """Parts that follow each other along one axis, from its start to its end."""
    for axis in {p.region.axis for p in pieces if isinstance(p.region, Span1)}:
        spans = [p for p in pieces if isinstance(p.region, Span1) and p.region.axis == axis]
        forward = [p for p in spans if p.compact and p.region.step == 1]
        found = _follow(forward, whole, axis, context) or _reversal(spans, context)
        if found is not None:
            return found
    return None


def _follow(
    pieces: list[Piece], whole: Var, axis: int, context: Context
) -> tuple[Piece, ...] | None:
    def settle(position: Position) -> Position:
        return context.settle(position, whole, axis)

    by_start = {settle(p.region.start): p for p in pieces}
    position, chain = 0, []
    end = settle(END)
    while position != end:
        piece = by_start.pop(position, None)
        if piece is None:
            ends_here = len(chain) > 1 and context.may_end(whole, axis, position)
            return tuple(chain) if ends_here and not by_start else None
        chain.append(piece)
        position = settle(piece.region.stop)
    return tuple(chain) or None


def _reversal(spans: list[Piece], context: Context) -> tuple[Piece, ...] | None:
    for piece in spans:
        if piece.region == Span1(piece.region.axis, END, 0, -1):
            return (piece,)
    return None


def _strides(whole: Var, pieces: Sequence[Piece], context: Context) -> tuple[Piece, ...] | None:
    """`x[0::n], x[1::n], ...`"""
    groups: dict[tuple[int, int], dict[Any, Piece]] = {}
    for piece in pieces:
        region = piece.region
        if isinstance(region, Span1) and region.step > 1 and region.stop == END:
            groups.setdefault((region.axis, region.step), {})[region.start] = piece
    for (_, step), found in groups.items():
        if all(start in found for start in range(step)):
            return tuple(found[start] for start in range(step))
    return None


def _complement(whole: Var, pieces: Sequence[Piece], context: Context) -> tuple[Piece, ...] | None:
    """A region and all but that region; a mask and its complement."""
    for outer in pieces:
        for inner in pieces:
            if isinstance(outer.region, Except) and outer.region.region == inner.region:
                return (outer, inner)
            if _masks(outer.region, inner.region):
                return (outer, inner)
    return None


def _masks(one: Region, other: Region) -> bool:
    return (
        isinstance(one, Masked)
        and isinstance(other, Masked)
        and one.mask == other.mask
        and one.inside
        and not other.inside
    )


def _permutation(whole: Var, pieces: Sequence[Piece], context: Context) -> tuple[Piece, ...] | None:
    for piece in pieces:
        region = piece.region
        if isinstance(region, Permuted) and context.is_permutation(region, whole):
            return (piece,)
    return None


def _counted(whole: Var, pieces: Sequence[Piece], context: Context) -> tuple[Piece, ...] | None:
    """Any parts of a whole of known shape: count its elements."""
    shape = context.concrete_shape(whole)
    if shape is None:
        return None
    open_ = np.ones(shape, bool)
    chosen = []
    zero_outside = bands.support(whole, context)
    if zero_outside != bands.FULL and len(shape) >= 2:
        open_ = np.array(context.elements(zero_outside, shape))
        pieces = [piece for piece in pieces if piece.compact]
    for piece in pieces:
        inside = context.elements(piece.region, shape)
        if inside is None:
            continue
        if (open_ & inside).any():
            chosen.append(piece)
            open_ &= ~inside
    return tuple(chosen) if chosen and not open_.any() else None


_ATTEMPTS = (
    (Form.ITEMS, _items),
    (Form.CHAIN, _chain),
    (Form.COMPLEMENT, _complement),
    (Form.STRIDES, _strides),
    (Form.PERMUTATION, _permutation),
    (Form.BANDS, bands.cover),
    (Form.SCATTER, _counted),
)


def region_within(region: Region, piece: Piece, whole: Var, context: Context) -> bool:
    """Whether all elements of `region` are among those of the piece."""
    if region == piece.region:
        return True
    one, other = bands.band_of(region), bands.band_of(piece.region)
    if one is not None and other is not None:
        return bands.within(one, other)
    if isinstance(piece.region, Except) and isinstance(region, Span1):
        hole = piece.region.region
        if isinstance(hole, Span1) and hole.axis == region.axis:
            if hole.step == region.step == 1:
                return _apart(region, hole, whole, context)
            if hole.step == region.step and _interleaved(region, hole):
                return True
    if isinstance(piece.region, Except) and not isinstance(region, Item):
        mine, holes = context.picks(region), context.picks(piece.region.region)
        if mine and holes and mine[0] == holes[0] and mine[1].isdisjoint(holes[1]):
            return True
    shape = context.concrete_shape(whole)
    if shape is None or isinstance(region, Item) or isinstance(piece.region, Item):
        return False
    inner, outer = (context.elements(r, shape) for r in (region, piece.region))
    return inner is not None and outer is not None and bool((outer | ~inner).all())


def _interleaved(region: Span1, hole: Span1) -> bool:
    starts = region.start, hole.start
    if region.stop != END or hole.stop != END:
        return False
    return all(isinstance(s, int) and 0 <= s < hole.step for s in starts) and starts[0] != starts[1]


def _apart(region: Span1, hole: Span1, whole: Var, context: Context) -> bool:
    def settle(position: Position) -> Position:
        return context.settle(position, whole, region.axis)

    before = settle(region.stop), settle(hole.start)
    after = settle(hole.stop), settle(region.start)
    return any(one == other or _less(one, other) for one, other in (before, after))


def _less(one: Position, other: Position) -> bool:
    return isinstance(one, int) and isinstance(other, int) and one < other
