"""Bands of matrices: what lies between two diagonals, and which matrices are zero outside of one by the way they are computed.

So `jnp.tril(l, -1) + jnp.diag(d)` falls apart into its terms, of which one is zero where the other is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.nodes import Apply, Const, Tree, Var
from invcompiler.rules.canonical import NONE, Call
from invcompiler.schedule.context import Context
from invcompiler.schedule.regions import Band, Diagonal, Elements, Piece, Region
from invcompiler.schedule.updates import at_parts

FULL = Band(None, None)
NOWHERE = Band(1, 0)
LOWER, UPPER, DIAGONAL = Band(None, 0), Band(0, None), Band(0, 0)


# ---- bands as intervals ------------------------------------------------------------------------------------


def _below(band: Band) -> float:
    return -np.inf if band.lo is None else band.lo


def _above(band: Band) -> float:
    return np.inf if band.hi is None else band.hi


def _band(lo: float, hi: float) -> Band:
    if lo > hi:
        return NOWHERE
    return Band(None if np.isinf(lo) else int(lo), None if np.isinf(hi) else int(hi))


def meet(one: Band, other: Band) -> Band:
    if NOWHERE in (one, other):
        return NOWHERE
    return _band(max(_below(one), _below(other)), min(_above(one), _above(other)))


def hull(one: Band, other: Band) -> Band:
    if NOWHERE in (one, other):
        return other if one == NOWHERE else one
    return _band(min(_below(one), _below(other)), max(_above(one), _above(other)))


def complement(band: Band) -> tuple[Band, ...]:
    """Return the bands that cover the rest of a matrix."""
    if band == NOWHERE:
        return (FULL,)
    below = () if band.lo is None else (Band(None, band.lo - 1),)
    return below + (() if band.hi is None else (Band(band.hi + 1, None),))


def within(one: Band, other: Band) -> bool:
    return meet(one, other) == one


def band_of(region: Region | None) -> Band | None:
    match region:
        case Band():
            return region
        case Diagonal(k=k):
            return Band(k, k)
        case _:
            return None


# ---- where matrices are zero --------------------------------------------------------------------------------


def support(tree: Tree, context: Context) -> Band:
    """Return a band outside of which a matrix, or each of a stack, is zero."""
    made = context.defining.get(tree) if isinstance(tree, Var) else None
    if not isinstance(made, Apply):
        return FULL
    parts = at_parts(made, context.defining)
    if parts is not None:
        return _of_update(*parts, context)
    call = context.call(made)
    reading = None if call is None else _READINGS.get(call.fn)
    return FULL if reading is None or call is None else reading(call, context)


Reading = Callable[[Call, Context], Band]
_READINGS: dict[Any, Reading] = {}


def _of(*fns: Any) -> Callable[[Reading], Reading]:
    def add(reading: Reading) -> Reading:
        _READINGS.update(dict.fromkeys(fns, reading))
        return reading

    return add


def _of_update(
    method: str, base: Tree, index: Tree, arguments: tuple[Tree, ...], context: Context
) -> Band:
    if method not in ("set", "add", "multiply", "divide"):
        return FULL
    before = support(base, context)
    if method in ("multiply", "divide") or before == FULL:
        return before
    return hull(before, picked(index, base, context))


def picked(index: Tree, whole: Tree, context: Context) -> Band:
    """Return the band in which all elements lie that an index picks."""
    shape = context.concrete_shape(whole)
    inside = None
    if shape is not None and len(shape) >= 2:
        inside = context.elements(Elements(index), shape)
    if inside is None:
        return FULL
    return _extent(inside)


def _extent(inside: np.ndarray) -> Band:
    """Return the smallest band that holds all true elements of a mask."""
    rows, columns = np.nonzero(inside.reshape(-1, *inside.shape[-2:]).any(0))
    offsets = columns - rows
    if offsets.size == 0:
        return NOWHERE
    least, most = int(offsets.min()), int(offsets.max())
    height, width = inside.shape[-2:]
    return Band(None if least == 1 - height else least, None if most == width - 1 else most)


def triangle_of(call: Call, context: Context) -> Band | None:
    """Return the band that `tril` or `triu` keeps."""
    k = context.static_int(call.arguments["k"])
    if k is None:
        return None
    return Band(None, k) if call.fn is jnp.tril else Band(k, None)


@_of(jnp.tril, jnp.triu)
def _triangle(call: Call, context: Context) -> Band:
    kept, inner = triangle_of(call, context), support(_first(call), context)
    return inner if kept is None else meet(kept, inner)


@_of(jnp.diag)
def _diag(call: Call, context: Context) -> Band:
    k = context.static_int(call.arguments["k"])
    of_vector = context.facts.rank(call.arguments["v"]) == 1
    return Band(k, k) if of_vector and k is not None else FULL


@_of(jnp.eye)
def _eye(call: Call, context: Context) -> Band:
    k = context.static_int(call.arguments["k"])
    return FULL if k is None else Band(k, k)


@_of(jnp.identity)
def _identity(call: Call, context: Context) -> Band:
    return Band(0, 0)


@_of(jnp.zeros, jnp.zeros_like)
def _zeros(call: Call, context: Context) -> Band:
    return NOWHERE


@_of(jnp.add, jnp.subtract)
def _sum(call: Call, context: Context) -> Band:
    one, other = (spread(tree, context) for tree in list(call.arguments.values())[:2])
    return hull(one, other)


def spread(tree: Tree, context: Context) -> Band:
    """Return the support of an operand, if it is a matrix that does not broadcast."""
    return support(tree, context) if _is_matrix(tree, context) else FULL


@_of(jnp.multiply)
def _product(call: Call, context: Context) -> Band:
    trees = list(call.arguments.values())[:2]
    found = [support(tree, context) for tree in trees if _is_matrix(tree, context)]
    return meet(*found) if len(found) == 2 else found[0] if found else FULL


@_of(jnp.where)
def _choice(call: Call, context: Context) -> Band:
    """What is chosen lies where the mask has it, within what is not zero there."""
    mask = context.array(call.arguments["condition"])
    if mask is None or mask.ndim < 2:
        return FULL
    found = NOWHERE
    for name, inside in (("x", mask.astype(bool)), ("y", ~mask.astype(bool))):
        tree = call.arguments[name]
        zero = isinstance(tree, Const) and tree.value in (0, 0.0)
        side = NOWHERE if zero else spread(tree, context)
        found = hull(found, meet(side, _extent(inside)))
    return found


@_of(jnp.divide)
def _quotient(call: Call, context: Context) -> Band:
    above = _first(call)
    return support(above, context) if _is_matrix(above, context) else FULL


@_of(
    jnp.negative, jnp.tanh, jnp.sinh, jnp.sin, jnp.arctan, jnp.arcsinh, jnp.arctanh, jnp.expm1,
    jnp.log1p, jnp.square, jnp.sqrt, jnp.abs, jnp.asarray, jnp.astype,
)  # fmt: skip
def _keeps_zero(call: Call, context: Context) -> Band:
    return support(_first(call), context)


@_of(jnp.transpose)
def _transpose(call: Call, context: Context) -> Band:
    if call.arguments["axes"] != NONE or context.facts.rank(_first(call)) != 2:
        return FULL
    return _transposed(call, context)


@_of(jnp.matrix_transpose)
def _transposed(call: Call, context: Context) -> Band:
    found = support(_first(call), context)
    if found == NOWHERE:
        return found
    return _band(-_above(found), -_below(found))


@_of(jnp.linalg.cholesky)
def _cholesky(call: Call, context: Context) -> Band:
    upper = call.arguments.get("upper", Const(False))
    if upper == Const(False):
        return Band(None, 0)
    return Band(0, None) if upper == Const(True) else FULL


def _first(call: Call) -> Tree:
    return next(iter(call.arguments.values()))


def _is_matrix(tree: Tree, context: Context) -> bool:
    rank = context.facts.rank(tree)
    return rank is not None and rank >= 2 and not _broadcasts(tree, context)


def _is_square(tree: Tree, context: Context) -> bool:
    shape = context.facts.shape(tree)
    return shape is not None and len(shape) >= 2 and shape[-1] == shape[-2]


def _broadcasts(tree: Tree, context: Context) -> bool:
    shape = context.facts.shape(tree)
    return shape is not None and 1 in shape[-2:]


# ---- wholes of bands ------------------------------------------------------------------------------------------


def cover(whole: Var, pieces: Iterable[Piece], context: Context) -> tuple[Piece, ...] | None:
    """Return pieces that are bands, cut so that none overlap, which hold all that is not zero in a matrix."""
    bands = [(band, p) for p in pieces if (band := band_of(p.region)) is not None]
    if not bands:
        return None
    wanted = support(whole, context)
    if wanted == NOWHERE:
        return None
    chosen: list[Piece] = []
    reached, end = _below(wanted), _above(wanted)
    while reached <= end:
        fitting = [(b, p) for b, p in bands if _below(b) <= reached <= _above(b)]
        if reached == -np.inf:
            fitting = [(b, p) for b, p in bands if b.lo is None]
        if not fitting:
            return None
        band, piece = max(fitting, key=lambda found: _above(found[0]))
        if isinstance(piece.region, Band):
            piece = Piece(_band(reached, min(_above(band), end)), piece.source, piece.compact)
        if isinstance(piece.region, Diagonal) and not _is_square(whole, context):
            return None
        chosen.append(piece)
        if _above(band) == np.inf:
            break
        reached = _above(band) + 1
    return tuple(chosen)


__all__ = ["FULL", "NOWHERE", "band_of", "complement", "cover", "support", "triangle_of", "within"]
