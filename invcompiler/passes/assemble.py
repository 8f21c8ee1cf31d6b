"""Parts and wholes as code: slices and splits of a known whole, and wholes put together from parts."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from invcompiler.errors import ShapeError
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Apply, Const, Display, Equation, Ref, Slice, Star, Tree, Var
from invcompiler.passes import ops
from invcompiler.passes.affine_code import solve_system
from invcompiler.passes.ops import call, getitem, method
from invcompiler.passes.shape_answers import (
    answer,
    dtype_ref,
    like_value,
    needs_example,
    size_tree,
)
from invcompiler.rules.registry import Kind
from invcompiler.schedule import bands
from invcompiler.schedule.plan import Accumulate, Collect, Isolate, Join, Read
from invcompiler.schedule.positions import END, Position, plus
from invcompiler.schedule.regions import (
    Band,
    Diagonal,
    Elements,
    Except,
    Form,
    Item,
    Masked,
    Permuted,
    Piece,
    Region,
    Span1,
)

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter

NONE = Const(None)


def attribute(builder: Builder, value: Tree, name: str) -> Tree:
    return ops.attribute(builder, value, name)


def is_at_link(equation: Equation) -> bool:
    """Whether the equation is the `x.at` or the `[i]` of `x.at[i]`."""
    if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
        return False
    if equation.fn.value is getattr:
        return equation.args[1] == Const("at")
    return equation.fn.value is operator.getitem


# ---- indices ------------------------------------------------------------------------------------


def index_of(emitter: Emitter, region: Region, whole: Var) -> Tree | None:
    """Return the index that picks `region` out of an array like `whole`; None if it cannot be written."""
    match region:
        case Span1(axis=axis, step=step) if step < 0:
            return _along(axis, Slice(NONE, NONE, Const(step)))
        case Span1(axis=axis, start=start, stop=stop, step=step, squeezed=squeezed):
            lower, upper = (_position(emitter, p, whole, axis) for p in (start, stop))
            if lower is None or (upper is None and not squeezed):
                return None
            if squeezed:
                return _along(axis, lower)
            lower = NONE if lower == Const(0) else lower
            upper = NONE if stop == END else upper
            assert upper is not None
            return _along(axis, Slice(lower, upper, NONE if step == 1 else Const(step)))
        case Permuted(axis=axis, index=index):
            return _along(axis, emitter.value(index))
        case Elements(index=index):
            return emitter.value(index)
        case _:
            return None


def _along(axis: int, part: Tree) -> Tree:
    """Return the index that applies `part` to one axis."""
    if axis == 0:
        return part
    if axis == -1:
        return Display(tuple, (Const(Ellipsis), part))
    full = (ops.FULL,)
    if axis > 0:
        return Display(tuple, (*full * axis, part))
    return Display(tuple, (Const(Ellipsis), part, *full * (-axis - 1)))


def _position(emitter: Emitter, position: Position, whole: Var, axis: int) -> Tree | None:
    if position == END:
        return NONE
    if not isinstance(position, int):
        from_end = plus(position, END, -1)
        if isinstance(from_end, int):
            return Const(from_end)
        settled = emitter.context.settle(position, whole, axis)
        written = size_tree(emitter, position)
        return size_tree(emitter, settled) if written is None else written
    return Const(position)


# ---- parts of a known whole -----------------------------------------------------------------------


def read(emitter: Emitter, step: Read) -> Tree:
    """Return the code that takes a part out of a whole."""
    region = step.view.region
    source = emitter.value(step.source)
    if region is None:
        return source
    if isinstance(region, Item):
        if region.attribute:
            return ops.attribute(emitter.builder, source, region.key)
        return getitem(emitter.builder, source, region.key, arity=region.arity)
    siblings = _concatenated(emitter, step)
    if siblings is not None:
        return siblings
    if region == Span1(0, 0, END):
        return source
    if isinstance(region, Permuted) and region.taken:
        index = emitter.value(region.index)
        return call(emitter.builder, jnp.take, source, index, axis=Const(region.axis))
    if isinstance(region, Masked):
        return emitter.masked(source, region)
    if isinstance(region, Band):
        return within_band(emitter, source, region)
    if isinstance(region, Diagonal):
        return _diagonal(emitter, source, region, step.view.whole)
    index = index_of(emitter, region, step.view.whole)
    if index is None:
        raise needs_example(emitter, step.view.whole)
    part = getitem(emitter.builder, source, index)
    if isinstance(region, Elements) and region.may_repeat:
        return _written_once(emitter, source, index, part)
    return part


def _written_once(emitter: Emitter, source: Tree, index: Tree, part: Tree) -> Tree:
    """Return what `source.at[index].set(part)` has set; where another value was set in the same place, or none, NaN."""
    builder = emitter.builder
    zeros = call(builder, jnp.zeros_like, source)
    times = method(
        builder, "add", getitem(builder, ops.attribute(builder, zeros, "at"), index), Const(1)
    )
    place = getitem(builder, ops.attribute(builder, times, "at"), index)
    times = method(builder, "get", place, mode=Const("fill"), fill_value=Const(0))
    once = call(builder, operator.eq, times, Const(1))
    return call(builder, jnp.where, once, part, Ref(jnp.nan, "jnp.nan", jnp))


def _concatenated(emitter: Emitter, step: Read) -> Tree | None:
    """Return the part by one `jnp.split` for all operands of a concatenation, if that is how to read it."""
    made = emitter.context.defining.get(step.view.whole)
    call_ = emitter.context.call(made) if isinstance(made, Apply) else None
    if call_ is None or call_.fn is not jnp.concatenate or step.source is not step.view.whole:
        return None
    arrays = next(iter(call_.arguments.values()))
    axis = call_.arguments["axis"]
    if not isinstance(arrays, Display) or len(set(map(id, arrays.items))) != len(arrays.items):
        return None
    if any(emitter.is_given(item) for item in arrays.items) or not isinstance(axis, Const):
        return None
    where = _sections(emitter, step.view.whole, arrays.items, axis.value)
    if where is None:
        return None
    source = emitter.value(step.source)
    kwargs = {} if axis == Const(0) else {"axis": axis}
    parts = call(emitter.builder, jnp.split, source, where, **kwargs)
    number = arrays.items.index(step.part)
    return getitem(emitter.builder, parts, number, arity=len(arrays.items))


def _sections(emitter: Emitter, whole: Var, items: Sequence[Tree], axis: int) -> Tree | None:
    """Return the second argument of `jnp.split`: a number of equal sections, or where to split."""
    sizes = [emitter.context.dim(item, axis) for item in items]
    if None not in sizes and all(size == sizes[0] for size in sizes):
        return Const(len(items))
    ends: list[Tree] = []
    position: Position = 0
    for size in sizes[:-1]:
        if size is None:
            return None
        position = plus(position, size)
        end = size_tree(emitter, position)
        if end is None:
            return None
        ends.append(end)
    return Display(list, tuple(ends))


# ---- wholes of known parts ------------------------------------------------------------------------


def join(emitter: Emitter, step: Join) -> Tree:
    """Return the code that puts a whole together from pieces that cover it."""
    pieces = step.pieces
    values = [emitter.value(piece.source) for piece in pieces]
    first = pieces[0].region
    if step.form is Form.ITEMS:
        return _container(emitter, step.whole, pieces, values)
    if step.form is Form.BANDS:
        return _banded(emitter, step, values)
    if len(pieces) == 1 and not pieces[0].compact:
        return values[0]
    if isinstance(first, Masked) and step.form is Form.COMPLEMENT:
        return _select(emitter, first.mask, values[0], values[1])
    if step.form is Form.CHAIN and len(pieces) > 1:
        return _chained(emitter, [p.region for p in pieces], values)  # type: ignore[misc]
    if step.form is Form.STRIDES and _is_even(emitter, step):
        return _interleaved(emitter, step, values)
    if len(pieces) == 1 and pieces[0].compact and step.form is not Form.SCATTER:
        return _single(emitter, step.whole, pieces[0], values[0])
    return _scattered(emitter, step.whole, pieces, values)


def within_band(emitter: Emitter, matrix: Tree, band: Band) -> Tree:
    """Return a matrix with zeros outside of a band."""
    for fn, k in ((jnp.tril, band.hi), (jnp.triu, band.lo)):
        if k is not None:
            matrix = call(emitter.builder, fn, matrix, *([Const(k)] if k else []))
    return matrix


def _diagonal(emitter: Emitter, matrix: Tree, region: Diagonal, like: Var) -> Tree:
    offset = [Const(region.k)] if region.k else []
    if not region.k:
        matrix = _with_that_diagonal(emitter, matrix)
    if emitter.facts.rank(like) == 2:
        return call(emitter.builder, jnp.diag, matrix, *offset)
    axes = {"axis1": Const(-2), "axis2": Const(-1)}
    return call(emitter.builder, jnp.diagonal, matrix, *offset, **axes)


def _with_that_diagonal(emitter: Emitter, matrix: Tree) -> Tree:
    """Return a matrix with the same diagonal, of which `matrix` may be a triangle."""
    made = emitter.builder.definition(matrix) if isinstance(matrix, Var) else None
    triangles = (Ref(jnp.tril, "jnp.tril"), Ref(jnp.triu, "jnp.triu"))
    if isinstance(made, Apply) and made.fn in triangles and len(made.args) == 1 and not made.kwargs:
        return _with_that_diagonal(emitter, made.args[0])
    return matrix


def _banded(emitter: Emitter, step: Join, values: list[Tree]) -> Tree:
    """Return the sum of bands: of each, what is its own."""
    total: Tree | None = None
    for piece, value in zip(step.pieces, values, strict=True):
        part = _band_alone(emitter, step.whole, piece, value)
        total = part if total is None else call(emitter.builder, operator.add, total, part)
    assert total is not None
    return total


def _band_alone(emitter: Emitter, whole: Var, piece: Piece, value: Tree) -> Tree:
    if isinstance(piece.region, Diagonal):
        if emitter.facts.rank(whole) == 2:
            offset = [Const(piece.region.k)] if piece.region.k else []
            return call(emitter.builder, jnp.diag, value, *offset)
        if piece.region.k:
            raise needs_example(emitter, whole)
        rows = getitem(emitter.builder, value, Display(tuple, (Const(Ellipsis), NONE)))
        size = getitem(emitter.builder, ops.attribute(emitter.builder, value, "shape"), Const(-1))
        return call(emitter.builder, operator.mul, rows, call(emitter.builder, jnp.eye, size))
    assert isinstance(piece.region, Band)
    if bands.within(bands.support(piece.source, emitter.context), piece.region):
        return value
    return within_band(emitter, value, piece.region)


def _is_even(emitter: Emitter, step: Join) -> bool:
    """Whether all interleaved parts have one length, on the first or last axis; taken for granted where no shape is known."""
    region = step.pieces[0].region
    assert isinstance(region, Span1)
    if region.axis not in (0, -1):
        return False
    size = emitter.context.dim(step.whole, region.axis)
    return not isinstance(size, int) or size % region.step == 0


def _interleaved(emitter: Emitter, step: Join, values: list[Tree]) -> Tree:
    """Return `jnp.stack(parts, axis).reshape(...)`, which reads the parts in turn."""
    builder = emitter.builder
    region = step.pieces[0].region
    assert isinstance(region, Span1)
    rank = emitter.facts.rank(step.whole)
    flat = rank == 1
    axis = 1 if region.axis == 0 else -1
    stacked = call(
        builder, jnp.stack, Display(list, tuple(values)), axis=Const(-1 if flat else axis)
    )
    if flat:
        return method(builder, "reshape", stacked, Const(-1))
    shape = ops.attribute(builder, values[0], "shape")
    if region.axis == 0:
        rest = getitem(builder, shape, Slice(Const(1), NONE, NONE))
        return method(builder, "reshape", stacked, Const(-1), Star(rest))
    lead = getitem(builder, shape, Slice(NONE, Const(-1), NONE))
    return method(builder, "reshape", stacked, Star(lead), Const(-1))


def accumulate(emitter: Emitter, step: Accumulate) -> Tree:
    """Return the running sum of the first element and the differences."""
    builder = emitter.builder
    region = step.first.region
    assert isinstance(region, Span1)
    first = emitter.value(step.first.source)
    if region.squeezed:
        first = call(builder, jnp.expand_dims, first, Const(region.axis))
    axis = {"axis": Const(region.axis)}
    differences = emitter.value(step.differences)
    if not step.rising:
        differences = call(builder, operator.neg, differences)
    joined = Display(list, (first, differences))
    whole = call(builder, jnp.concatenate, joined, **({} if region.axis == 0 else axis))
    return call(builder, jnp.cumsum, whole, **axis)


def _container(emitter: Emitter, whole: Var, pieces: Sequence[Piece], values: list[Tree]) -> Tree:
    items = [piece.region for piece in pieces if isinstance(piece.region, Item)]
    keys = [emitter.context.key_of(whole, item) for item in items]
    if set(keys) == {"real", "imag"}:
        return call(emitter.builder, jax.lax.complex, *values)
    structure = emitter.context.structure(whole)
    if structure is None and any(item.attribute for item in items):
        raise needs_example(emitter, whole)
    if structure is None and isinstance(keys[0], str):
        return Display(dict, tuple(values), tuple(keys))
    if structure is None or structure.kind in (tuple, list):
        if structure is None and emitter.facts.shape(whole) is not None:
            return call(emitter.builder, jnp.stack, Display(list, tuple(values)))
        return Display(list if structure and structure.kind is list else tuple, tuple(values))
    if structure.kind is dict:
        return Display(dict, tuple(values), tuple(keys))
    spelling = Ref(structure.kind, structure.kind.__name__, structure.kind)
    return Display(structure.kind, tuple(values), tuple(keys), spelling)


def _select(emitter: Emitter, mask: Tree, inside: Tree, outside: Tree) -> Tree:
    """Choose by `where` also for masks of numbers: what lies outside of its region may be NaN."""
    return emitter.where(mask, inside, outside)


def _single(emitter: Emitter, whole: Var, piece: Piece, value: Tree) -> Tree:
    """Return a whole that one part determines: a permutation undone, or the part itself."""
    region = piece.region
    if isinstance(region, Permuted):
        return _unpermuted(emitter, whole, region, value)
    if isinstance(region, Span1) and region.step < 0:
        index = index_of(emitter, region, whole)
        assert index is not None
        return getitem(emitter.builder, value, index)
    if isinstance(region, Span1) and region.squeezed:
        return call(emitter.builder, jnp.expand_dims, value, Const(region.axis))
    if isinstance(region, Span1):
        return value
    return _scattered(emitter, whole, [piece], [value])


def _unpermuted(emitter: Emitter, whole: Var, region: Permuted, value: Tree) -> Tree:
    builder = emitter.builder
    index = emitter.value(region.index)
    if emitter.context.array(region.index) is not None:
        order = call(builder, jnp.argsort, _as_array(emitter, index))
        if region.taken:
            return call(builder, jnp.take, value, order, axis=Const(region.axis))
        return getitem(builder, value, _along(region.axis, order))
    # What the index holds shows at run time only: places that it leaves out stay NaN.
    base = call(builder, jnp.full_like, value, Ref(jnp.nan, "jnp.nan", jnp))
    return _set(emitter, base, _along(region.axis, index), value)


def _as_array(emitter: Emitter, index: Tree) -> Tree:
    if isinstance(index, Display):
        return call(emitter.builder, jnp.array, index)
    return index


def _chained(emitter: Emitter, spans: list[Span1], values: list[Tree]) -> Tree:
    axis = Const(spans[0].axis)
    if all(span.squeezed for span in spans):
        fn = jnp.stack
    else:
        fn = jnp.concatenate
        values = [
            call(emitter.builder, jnp.expand_dims, value, axis) if span.squeezed else value
            for span, value in zip(spans, values, strict=True)
        ]
    kwargs = {} if axis == Const(0) else {"axis": axis}
    return call(emitter.builder, fn, Display(list, tuple(values)), **kwargs)


def _scattered(emitter: Emitter, whole: Var, pieces: Sequence[Piece], values: list[Tree]) -> Tree:
    """Return the whole by setting each part in its place."""
    parts = list(zip(pieces, values, strict=True))
    loose = [pair for pair in parts if not pair[0].compact]
    if loose:
        parts.remove(loose[0])
        total = loose[0][1]
    else:
        total = _blank(emitter, whole, values[0])
    for piece, value in parts:
        region = piece.region
        if isinstance(region, Band):
            inside = band_mask(emitter, total, region)
            total = call(emitter.builder, jnp.where, inside, value, total)
            continue
        if isinstance(region, Diagonal):
            index = _diagonal_index(emitter, region, whole)
            total = _set(emitter, total, index, value)
            continue
        if isinstance(region, Masked):
            sides = (value, total) if region.inside else (total, value)
            total = _select(emitter, region.mask, *sides)
            continue
        index = index_of(emitter, region, whole)
        if index is None:
            total = _overlaid(emitter, whole, region, total, value)
            continue
        if not piece.compact:
            value = getitem(emitter.builder, value, index)
        total = _set(emitter, total, index, value)
    return total


def band_mask(emitter: Emitter, like: Tree, band: Band) -> Tree:
    """Return which elements of a matrix are in a band."""
    ones = call(emitter.builder, jnp.ones_like, like, dtype=Ref(bool, "bool", bool))
    return within_band(emitter, ones, band)


def _diagonal_index(emitter: Emitter, region: Diagonal, whole: Var) -> Tree:
    shape = emitter.context.concrete_shape(whole)
    if shape is None:
        raise needs_example(emitter, whole)
    size = min(shape[-2] + min(region.k, 0), shape[-1] - max(region.k, 0))
    first = call(emitter.builder, jnp.arange, Const(size))
    moved = call(emitter.builder, operator.add, first, Const(abs(region.k))) if region.k else first
    rows, columns = (first, moved) if region.k >= 0 else (moved, first)
    return Display(tuple, (Const(Ellipsis), rows, columns))


def _overlaid(emitter: Emitter, whole: Var, region: Region, under: Tree, over: Tree) -> Tree:
    """Set all elements of `over` but those of a hole."""
    inner = region.region if isinstance(region, Except) else None
    index = None if inner is None else index_of(emitter, inner, whole)
    if index is None:
        raise _unwritable(emitter, whole)
    hole = getitem(emitter.builder, under, index)
    return _set(emitter, over, index, hole)


def set_region(emitter: Emitter, whole: Var, region: Region, base: Tree, value: Tree) -> Tree:
    """Return `base`, which is like `whole`, with `value` in a region."""
    index = index_of(emitter, region, whole)
    if index is None:
        raise _unwritable(emitter, whole)
    return _set(emitter, base, index, value)


def _unwritable(emitter: Emitter, whole: Var) -> ShapeError:
    return needs_example(emitter, whole)


def _blank(emitter: Emitter, whole: Var, value: Tree) -> Tree:
    like = like_value(emitter, whole)
    if like is not None:
        return call(emitter.builder, jnp.zeros_like, like[1])
    shape = answer(emitter, whole, "shape")
    dtype = emitter.facts.dtype(whole)
    if dtype is not None:
        return call(emitter.builder, jnp.zeros, shape, dtype=dtype_ref(dtype))
    return call(emitter.builder, jnp.zeros_like, value, shape=shape)


def _set(emitter: Emitter, base: Tree, index: Tree, value: Tree) -> Tree:
    builder = emitter.builder
    place = getitem(builder, ops.attribute(builder, base, "at"), index)
    return method(builder, "set", place, value)


# ---- what broadcasting repeated -------------------------------------------------------------------


def demoted(emitter: Emitter, step: Isolate, value: Tree) -> Tree:
    """Return `value` in the precision of the operand, if that of another operand won."""
    mine, its = emitter.facts.dtype(step.solved), emitter.facts.dtype(step.equation.out)
    if step.rule.kind is Kind.STRUCTURAL or mine is None or its is None or mine == its:
        return value
    if its.kind == "c" and mine.kind != "c":
        value = call(emitter.builder, jnp.real, value)
    return method(emitter.builder, "astype", value, dtype_ref(mine))


def unbroadcast(emitter: Emitter, step: Isolate, value: Tree) -> Tree:
    """Return one copy of what the call repeated, if its value has a bigger shape than the operand."""
    shapes = [emitter.context.concrete_shape(v) for v in (step.equation.out, step.solved)]
    if step.rule.kind is not Kind.ELEMENTWISE or None in shapes or shapes[0] == shapes[1]:
        return value
    out, own = shapes
    assert out is not None and own is not None
    extra = len(out) - len(own)
    parts: list[Tree] = [Const(0)] * extra
    for size, full in zip(own, out[extra:], strict=True):
        one = Slice(NONE, Const(1), NONE)
        parts.append(one if size == 1 and full != 1 else ops.FULL)
    while parts and parts[-1] == ops.FULL:
        parts.pop()
    if not parts:
        return value
    index = parts[0] if len(parts) == 1 else Display(tuple, tuple(parts))
    return getitem(emitter.builder, value, index)


def collect(emitter: Emitter, step: Collect) -> None:
    """Solve a small linear system by Cramer's rule."""
    solve_system(emitter, step)
