"""What each function does to the shapes of its operands: one table, by canonical keys.

A rule takes a `CallSight` and returns the abstract value of the result, None if nothing can be said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import jax.scipy.special
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Const, Display, Star
from invcompiler.schedule.abstract import (
    MISSING,
    Abstract,
    Array,
    Integer,
    Items,
    Known,
    Open,
    Shape,
    ShapeTuple,
    container,
)
from invcompiler.schedule.dims import Size, axis_of, product, quotient, total
from invcompiler.schedule.layout import get_dim, joined, replaced, split_shape, with_dim
from invcompiler.schedule.sight import CallSight

Rule = Callable[[CallSight], Abstract]
SHAPES: dict[int, Rule] = {}
_KEPT: list[Any] = []  # the functions whose ids are keys


def _enter(rule: Rule, *fns: Any) -> Rule:
    for fn in fns:
        if id(fn) in SHAPES:
            raise ValueError(f"{fn} has two rules of shapes")
        SHAPES[id(fn)] = rule
        _KEPT.append(fn)
    return rule


def shape_of(*fns: Any) -> Callable[[Rule], Rule]:
    """Enter the rule that follows for the functions."""
    return lambda rule: _enter(rule, *fns)


def _named(module: Any, names: str) -> list[Any]:
    return [getattr(module, name) for name in names.split() if hasattr(module, name)]


# ---- elementwise --------------------------------------------------------------------------------

_UNARY = _named(
    jnp,
    "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh"
    " arctanh sqrt cbrt square reciprocal negative positive abs sign floor ceil rint trunc round conj deg2rad"
    " rad2deg sinc real imag invert asarray astype",
)
_UNARY += _named(
    jax.nn,
    "sigmoid softplus log_sigmoid soft_sign relu relu6 mish hard_tanh silu elu celu selu leaky_relu gelu"
    " squareplus",
)
_UNARY += _named(
    jax.scipy.special, "erf erfc erfinv ndtr ndtri logit entr gammaln digamma log_ndtr"
)
_BINARY = _named(
    jnp,
    "add subtract multiply divide floor_divide remainder power arctan2 maximum minimum hypot ldexp logaddexp"
    " logaddexp2 fmax fmin heaviside copysign bitwise_xor bitwise_and bitwise_or left_shift right_shift",
)
_BINARY += _named(jax.scipy.special, "xlogy xlog1py")
_TESTS = _named(
    jnp,
    "less less_equal greater greater_equal equal not_equal logical_and logical_or logical_xor logical_not"
    " isnan isfinite signbit",
)
_REAL = {np.dtype("complex64"): np.dtype("float32"), np.dtype("complex128"): np.dtype("float64")}


def _trees(call: CallSight) -> list:
    return [tree for name, tree in call.given.items() if name not in ("dtype", "copy", "device")]


def _elementwise(call: CallSight) -> Abstract:
    return call.array(call.sight.elementwise(_trees(call)), _common_dtype(call))


def _common_dtype(call: CallSight) -> Any:
    """Return the dtype where all operands share a floating or complex one, Python numbers aside."""
    found = [call.sight.of(tree) for tree in _trees(call)]
    arrays = [value for value in found if not isinstance(value, Known | Integer)]
    dtypes = {value.dtype if isinstance(value, Array) else None for value in arrays}
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    return dtype if dtype is not None and jnp.issubdtype(dtype, jnp.inexact) else None


def _test(call: CallSight) -> Abstract:
    return call.array(call.sight.elementwise(_trees(call)), np.dtype(bool))


def _enter_elementwise() -> None:
    special = (jnp.abs, jnp.real, jnp.imag, jnp.invert, jnp.asarray, jnp.astype)
    first = [fn for fn in _UNARY if not any(fn is other for other in special)]
    _enter(_elementwise, *first, *_BINARY)
    _enter(_test, *_TESTS)


_enter_elementwise()


@shape_of(jnp.abs, jnp.real, jnp.imag)
def _real_part(call):
    dtype = _common_dtype(call)
    return call.array(call.sight.elementwise(_trees(call)), _REAL.get(dtype, dtype))


@shape_of(jnp.asarray, jnp.invert)
def _same(call):
    found = call.sight.of(next(iter(call.given.values())))
    return found if isinstance(found, Array) else _elementwise(call)


@shape_of(lax.associative_scan)
def _scanned(call):
    return call.sight.of(call.tree("elems"))


@shape_of(jnp.astype)
def _astype(call):
    dtype = call.value("dtype")
    known = None if dtype is MISSING else _as_dtype(dtype)
    return call.array(call.shape("x"), known)


def _as_dtype(value: Any) -> Any:
    try:
        return jax.dtypes.canonicalize_dtype(value)
    except TypeError:
        return None


@shape_of(jnp.where)
def _where(call):
    names = ("condition", "x", "y")
    shape = call.sight.elementwise([call.tree(name) for name in names])
    return call.array(shape, call.dtype("x") if call.dtype("x") == call.dtype("y") else None)


@shape_of(jnp.clip)
def _clip(call):
    names = [name for name in ("arr", "min", "max") if call.tree(name) != Const(None)]
    return call.array(call.sight.elementwise([call.tree(name) for name in names]))


# ---- the shape of the first operand -------------------------------------------------------------


@shape_of(
    jnp.flip,
    jnp.roll,
    jnp.triu,
    jnp.tril,
    jnp.fill_diagonal,
    jnp.linalg.inv,
    jax.scipy.linalg.inv,
    jax.scipy.linalg.expm,
    jnp.linalg.cholesky,
    jax.nn.softmax,
    jax.nn.log_softmax,
    jax.nn.standardize,
    lax.cumlogsumexp,
    *_named(jnp, "zeros_like ones_like full_like empty_like"),
    *_named(jnp.fft, "fft ifft fft2 ifft2 fftn ifftn fftshift ifftshift"),
)
def _like_first(call):
    name = next(iter(call.given))
    options = ("shape", "n", "s", "dtype", "k")
    if any(call.tree(option) not in (Const(None), Const(0)) for option in options[:3]):
        return None
    shape = call.shape(name)
    return None if shape == () else call.array(shape)


@shape_of(jnp.sort, jnp.cumsum, jnp.cumprod, jnp.argsort)
def _along_axis(call):
    name = next(iter(call.given))
    shape = call.shape(name)
    if call.tree("axis") != Const(None):
        return call.array(shape)
    return call.array((_size(shape, call),))


def _size(shape: Shape | None, call: CallSight) -> Size:
    return product(shape) if isinstance(shape, tuple) else call.own(0)


@shape_of(jnp.linalg.solve, jax.scipy.linalg.solve, jax.scipy.linalg.solve_triangular)
def _solve(call):
    return call.array(call.shape("b"))


# ---- reshapes -----------------------------------------------------------------------------------


@shape_of(jnp.reshape)
def _reshape(call):
    shape = call.shape("a")
    target = _target(call)
    return (
        None
        if shape is None or target is None
        else call.array(_reshaped(call, shape, target), call.dtype("a"))
    )


def _target(call: CallSight) -> Shape | None:
    """Return the shape asked for, -1 where it is to be found out."""
    tree = call.tree("shape")
    if not isinstance(tree, Display):
        found = call.sight.of(tree)
        return found.shape if isinstance(found, ShapeTuple) else _sizes_of(found)
    starred = [i for i, item in enumerate(tree.items) if isinstance(item, Star)]
    if not starred:
        sizes = [call.sight.size(item) for item in tree.items]
        return None if None in sizes else tuple(sizes)  # type: ignore[arg-type]
    if len(starred) > 1:
        return None
    place = starred[0]
    star = tree.items[place]
    assert isinstance(star, Star)
    middle = call.sight.of(star.value)
    inner = middle.shape if isinstance(middle, ShapeTuple) else _sizes_of(middle)
    ends = [
        [call.sight.size(i) for i in side] for side in (tree.items[:place], tree.items[place + 1 :])
    ]
    if inner is None or any(None in end for end in ends):
        return None
    return joined(tuple(ends[0]), inner, tuple(ends[1]))  # type: ignore[arg-type]


def _sizes_of(found: Abstract) -> tuple[Size, ...] | None:
    if not isinstance(found, Items):
        return None
    sizes = [_size_of(item) for item in found.items]
    return None if None in sizes else tuple(sizes)  # type: ignore[arg-type]


def _size_of(item: Abstract) -> Size | None:
    if isinstance(item, Known) and type(item.value) is int:
        return item.value
    return item.size if isinstance(item, Integer) else None


def _reshaped(call: CallSight, shape: Shape, target: Shape) -> Shape | None:
    if isinstance(target, tuple):
        above = list(shape) if isinstance(shape, tuple) else None
        return _filled(call, above, target)
    if not isinstance(shape, Open):
        return None
    ends = _ends(shape, target)
    if ends is None:
        return target if -1 not in (*target.lead, *target.trail) else None
    above, core, lead, trail = ends
    filled = _filled(call, above, (*lead, *trail))
    return None if filled is None else joined(filled[: len(lead)], core, filled[len(lead) :])


def _ends(shape: Open, target: Open) -> tuple[list[Size], Open, tuple, tuple] | None:
    """Return the sizes of `shape` and of `target` around the axes that they share."""
    if shape.root is not target.root:
        return None
    ahead = max(shape.dropped_lead, target.dropped_lead)
    behind = max(shape.dropped_trail, target.dropped_trail)

    def around(layout: Open) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
        more = tuple(axis_of(layout.root, i) for i in range(layout.dropped_lead, ahead))
        less = tuple(axis_of(layout.root, -i) for i in range(behind, layout.dropped_trail, -1))
        return layout.lead + more, less + layout.trail

    above, (lead, trail) = around(shape), around(target)
    return [*above[0], *above[1]], Open(shape.root, ahead, (), behind, ()), lead, trail


def _filled(call: CallSight, above: list[Size] | None, target: tuple[Size, ...]) -> tuple | None:
    if -1 not in target:
        return target
    place = target.index(-1)
    rest = [size for i, size in enumerate(target) if i != place]
    found = None if above is None else quotient(above, rest)
    return (*target[:place], call.own(place) if found is None else found, *target[place + 1 :])


@shape_of(jnp.ravel)
def _ravel(call):
    return call.array((_size(call.shape("a"), call),), call.dtype("a"))


@shape_of(jnp.expand_dims)
def _expand_dims(call):
    shape, axes = call.shape("a"), call.axes()
    if axes is None or shape is None:
        return None
    if isinstance(shape, Open):
        return call.array(_inserted(shape, axes[0]) if len(axes) == 1 else None, call.dtype("a"))
    rank = len(shape) + len(axes)
    places = {axis % rank for axis in axes}
    rest = iter(shape)
    return call.array(tuple(1 if i in places else next(rest) for i in range(rank)), call.dtype("a"))


def _inserted(shape: Open, axis: int) -> Shape | None:
    split = split_shape(shape, axis, 0) if axis >= 0 else split_shape(shape, 0, -axis - 1)
    if split is None:
        return None
    first, middle, last = split
    return joined((*first, 1), middle, ()) if axis >= 0 else joined((), middle, (1, *last))


@shape_of(jnp.squeeze)
def _squeeze(call):
    shape, axes = call.shape("a"), call.axes()
    if shape is None:
        return None
    if isinstance(shape, Open):
        one = axes is not None and len(axes) == 1
        return call.array(replaced(shape, axes[0], ()) if one else None, call.dtype("a"))
    if axes is None:
        known = call.tree("axis") == Const(None) and all(isinstance(size, int) for size in shape)
        return call.array(tuple(s for s in shape if s != 1) if known else None, call.dtype("a"))
    places = {axis % len(shape) for axis in axes if shape}
    return call.array(tuple(s for i, s in enumerate(shape) if i not in places), call.dtype("a"))


# ---- axes ---------------------------------------------------------------------------------------


def _permuted(call: CallSight, name: str, order: list[int] | None) -> Abstract:
    shape = call.shape(name)
    if order is None or not isinstance(shape, tuple) or sorted(order) != list(range(len(shape))):
        return None
    return call.array(tuple(shape[i] for i in order), call.dtype(name))


def _rank(call: CallSight, name: str) -> int | None:
    shape = call.shape(name)
    return len(shape) if isinstance(shape, tuple) else None


@shape_of(jnp.transpose)
def _transpose(call):
    rank = _rank(call, "a")
    if rank is None:
        return None
    if call.tree("axes") == Const(None):
        return _permuted(call, "a", list(range(rank))[::-1])
    axes = call.axes("axes")
    return _permuted(call, "a", None if axes is None or not rank else [a % rank for a in axes])


@shape_of(jnp.matrix_transpose)
def _matrix_transpose(call):
    return _exchanged(call, "x", -2, -1)


@shape_of(jnp.swapaxes)
def _swapaxes(call):
    one, other = call.axis("axis1"), call.axis("axis2")
    return None if one is None or other is None else _exchanged(call, "a", one, other)


def _exchanged(call: CallSight, name: str, one: int, other: int) -> Abstract:
    shape = call.shape(name)
    if shape is None:
        return None
    first, second = get_dim(shape, one), get_dim(shape, other)
    changed = with_dim(shape, one, second)
    changed = None if changed is None else with_dim(changed, other, first)
    return call.array(changed, call.dtype(name))


@shape_of(jnp.moveaxis)
def _moveaxis(call):
    rank, source, target = _rank(call, "a"), call.axes("source"), call.axes("destination")
    if not rank or source is None or target is None or len(source) != len(target):
        return None
    moved = dict(zip([t % rank for t in target], [s % rank for s in source], strict=True))
    rest = iter(i for i in range(rank) if i not in moved.values())
    return _permuted(call, "a", [moved[i] if i in moved else next(rest) for i in range(rank)])


# ---- together and apart -------------------------------------------------------------------------


@shape_of(jnp.concatenate)
def _concatenate(call):
    shapes, axis = call.parts("arrays"), call.axis()
    if not shapes or axis is None or None in shapes:
        return None
    sizes = [get_dim(shape, axis) for shape in shapes]
    known = [shape for shape in shapes if isinstance(shape, tuple)] or shapes
    if any(size is None for size in sizes) or known[0] is None:
        return None
    whole = total(size for size in sizes if size is not None)
    return call.array(with_dim(known[0], axis, whole), call.part_dtype("arrays"))


@shape_of(jnp.stack)
def _stack(call):
    shapes, axis = call.parts("arrays"), call.axis()
    if not shapes or axis is None or None in shapes:
        return None
    known = [shape for shape in shapes if isinstance(shape, tuple)] or shapes
    first, count = known[0], len(shapes)
    split = split_shape(first, axis, 0) if axis >= 0 else split_shape(first, 0, -axis - 1)
    if split is None:
        return None
    lead, middle, trail = split
    shape = joined((*lead, count), middle, ()) if axis >= 0 else joined((), middle, (count, *trail))
    return call.array(shape, call.part_dtype("arrays"))


@shape_of(jnp.split)
def _split(call):
    shape, axis = call.shape("ary"), call.axis()
    if shape is None or axis is None:
        return None
    size = get_dim(shape, axis)
    sizes = None if size is None else _part_sizes(call, size)
    if sizes is None:
        return None
    dtype = call.dtype("ary")
    return container(list, None, [call.array(with_dim(shape, axis, part), dtype) for part in sizes])


def _part_sizes(call: CallSight, size: Size) -> list[Size] | None:
    count = call.value("indices_or_sections")
    if type(count) is int and count > 0:
        if isinstance(size, int) and size % count:
            return [size // count + (i < size % count) for i in range(count)]
        part = quotient([size], [count])
        return None if part is None else [part] * count
    bounds = _bounds(call)
    if bounds is None:
        return None
    bounds = [total((size, bound)) if _is_negative(bound) else bound for bound in bounds]
    edges: list[Size] = [0, *bounds, size]
    if all(isinstance(edge, int) for edge in edges):
        edges = [min(edge, size) for edge in edges]  # type: ignore[type-var]
    return [stop - start for start, stop in pairwise(edges)]


def _is_negative(bound: Size) -> bool:
    return isinstance(bound, int) and bound < 0


def _bounds(call: CallSight) -> list[Size] | None:
    tree = call.tree("indices_or_sections")
    if isinstance(tree, Display) and not any(isinstance(item, Star) for item in tree.items):
        sizes = [call.sight.size(item) for item in tree.items]
        return None if None in sizes else sizes  # type: ignore[return-value]
    value = call.value("indices_or_sections")
    if isinstance(value, tuple | list) and all(type(v) is int for v in value):
        return list(value)
    return None


@shape_of(*_named(jnp, "unstack"))
def _unstack(call):
    shape, axis = call.shape("x"), call.axis()
    count = None if shape is None or axis is None else get_dim(shape, axis)
    if not isinstance(count, int) or shape is None or axis is None:
        return None
    part = replaced(shape, axis, ())
    return container(tuple, None, [call.array(part, call.dtype("x"))] * count)


@shape_of(jnp.take)
def _take(call):
    shape, axis = call.shape("a"), call.axis()
    index = call.of("indices")
    picked = (
        index.shape if isinstance(index, Array) else () if _size_of(index) is not None else None
    )
    if shape is None or axis is None or not isinstance(picked, tuple):
        return None
    return call.array(replaced(shape, axis, picked), call.dtype("a"))


@shape_of(jnp.take_along_axis)
def _take_along_axis(call):
    return call.array(call.shape("indices") if call.tree("axis") != Const(None) else None)


@shape_of(jnp.diff)
def _diff(call):
    shape, axis, order = call.shape("a"), call.axis(), call.axis("n")
    size = None if shape is None or axis is None else get_dim(shape, axis)
    if size is None or order is None or shape is None or axis is None:
        return None
    for end in ("prepend", "append"):
        if call.tree(end) == Const(None):
            continue
        added = call.shape(end)
        more = 1 if added == () else None if added is None else get_dim(added, axis)
        if more is None:
            return None
        size = size + more
    return call.array(with_dim(shape, axis, size - order), call.dtype("a"))


@shape_of(jnp.tile)
def _tile(call):
    shape, reps = call.shape("A"), call.axes("reps")
    if not isinstance(shape, tuple) or reps is None:
        return None
    rank = max(len(shape), len(reps))
    pairs = zip((1,) * (rank - len(shape)) + shape, (1,) * (rank - len(reps)) + reps, strict=True)
    return call.array(tuple(size * n for size, n in pairs), call.dtype("A"))


@shape_of(jnp.broadcast_to)
def _broadcast_to(call):
    target = _target(call)
    return call.array(target, call.dtype("array") or call.dtype("arr"))


@shape_of(*_named(jnp, "zeros ones full empty"))
def _filled_array(call):
    size = call.size("shape")
    return call.array(_target(call) if size is None else (size,))


@shape_of(jnp.eye, jnp.identity)
def _eye(call):
    rows = call.size("N") if "N" in call.given else call.size("n")
    columns = rows if call.tree("M") == Const(None) else call.size("M")
    return None if rows is None or columns is None else call.array((rows, columns))


@shape_of(jnp.diag)
def _diag(call):
    shape, k = call.shape("v"), call.axis("k")
    if not isinstance(shape, tuple) or k is None:
        return None
    if len(shape) == 1:
        return call.array((shape[0] + abs(k),) * 2, call.dtype("v"))
    if len(shape) == 2 and shape[0] == shape[1] and k == 0:
        return call.array(shape[:1], call.dtype("v"))
    return None


@shape_of(jnp.diagonal)
def _diagonal(call):
    shape, k = call.shape("a"), call.axis("offset")
    axes = call.axis("axis1"), call.axis("axis2")
    if not isinstance(shape, tuple) or k != 0 or None in axes or len(shape) < 2:
        return None
    one, other = (axis % len(shape) for axis in axes if axis is not None)
    if shape[one] != shape[other]:
        return None
    rest = tuple(size for i, size in enumerate(shape) if i not in (one, other))
    return call.array((*rest, shape[one]), call.dtype("a"))


@shape_of(jnp.append)
def _append(call):
    shapes = [call.shape(name) for name in ("arr", "values")]
    if not all(isinstance(shape, tuple) and len(shape) < 2 for shape in shapes):
        return None
    return call.array((total(shape[0] if shape else 1 for shape in shapes),))


@shape_of(jnp.pad)
def _pad(call):
    shape, widths = call.shape("array"), _widths(call)
    if not isinstance(shape, tuple) or widths is None:
        return None
    pairs = list(np.broadcast_to(widths, (len(shape), 2)).tolist())
    return call.array(
        tuple(n + sum(pair) for n, pair in zip(shape, pairs, strict=True)), call.dtype("array")
    )


def _widths(call: CallSight) -> np.ndarray | None:
    value = call.value("pad_width")
    try:
        widths = np.asarray(value)
    except ValueError:  # rows of different lengths
        return None
    shape = call.shape("array")
    fits = widths.dtype.kind in "iu" and isinstance(shape, tuple) and widths.ndim <= 2
    if not fits or widths.shape not in ((), (1,), (2,), (1, 2), (len(shape), 2), (len(shape), 1)):  # type: ignore[arg-type]
        return None
    return widths


# ---- reductions ---------------------------------------------------------------------------------


@shape_of(
    *_named(jnp, "sum prod mean var std max min any all median argmax argmin"), jax.nn.logsumexp
)
def _reduction(call):
    shape, keeps = call.shape(next(iter(call.given))), call.value("keepdims")
    if shape is None or not isinstance(keeps, bool):
        return None
    if call.tree("axis") == Const(None):
        if not keeps:
            return call.array(())
        return call.array((1,) * len(shape) if isinstance(shape, tuple) else None)
    axes = call.axes()
    if axes is None:
        return None
    if isinstance(shape, tuple):
        places = {axis % len(shape) for axis in axes if shape}
        kept = [
            (1 if i in places else size) for i, size in enumerate(shape) if keeps or i not in places
        ]
        return call.array(tuple(kept))
    if len(axes) != 1:
        return None
    return call.array(replaced(shape, axes[0], (1,) if keeps else ()))


# ---- products -----------------------------------------------------------------------------------


@shape_of(jnp.matmul)
def _matmul(call):
    a, b = call.shape("a"), call.shape("b")
    if a is None or b is None or a == () or b == ():
        return None
    one_unknown = call.sight.is_tainted(call.tree("a")) and not call.sight.is_tainted(
        call.tree("b")
    )
    if isinstance(b, Open) and isinstance(a, Open) and one_unknown:
        return call.array(
            with_dim(a, -1, get_dim(b, -1))
        )  # by a matrix, or x could not be recovered
    return call.array(_product_shape(a, b), _common_dtype(call))


@shape_of(jnp.dot)
def _dot(call):
    a, b = call.shape("a"), call.shape("b")
    if a is None or b is None:
        return None
    if a == () or b == ():
        return call.array(b if a == () else a)
    deep = isinstance(a, tuple) and isinstance(b, tuple) and len(a) > 2 and len(b) > 2
    return None if deep else call.array(_product_shape(a, b), _common_dtype(call))


def _product_shape(a: Shape, b: Shape) -> Shape | None:
    """Return the shape of `a @ b`, where a matrix of known rank stands on the one side or the other."""
    if isinstance(b, tuple) and len(b) == 1:
        return replaced(a, -1, ()) if not isinstance(a, tuple) or a else None
    if isinstance(a, tuple) and len(a) == 1:
        return replaced(b, -2, ()) if not isinstance(b, tuple) or len(b) > 1 else None
    if isinstance(b, tuple) and len(b) == 2:
        return with_dim(a, -1, b[1])
    if isinstance(a, tuple) and isinstance(b, tuple):
        lead = _batch(a[:-2], b[:-2])
        return None if lead is None else (*lead, a[-2], b[-1])
    return None


def _batch(one: tuple[Size, ...], other: tuple[Size, ...]) -> tuple[Size, ...] | None:
    if one == other or not other:
        return one
    return other if not one else None


@shape_of(jnp.einsum)
def _einsum(call):
    text = call.value("subscripts")
    operands = [name for name in ("a", "b") if call.tree(name) != Const(None)]
    if not isinstance(text, str) or "->" not in text or "." in text:
        return None
    inputs, _, output = text.replace(" ", "").partition("->")
    sizes: dict[str, Size | None] = {}
    for letters, name in zip(inputs.split(","), operands, strict=False):
        sizes.update(_letters(letters, call.shape(name), sizes))
    found = [sizes.get(letter) for letter in output]
    return None if None in found else call.array(tuple(found), _common_dtype_of(call, operands))


def _letters(letters: str, shape: Shape | None, before: dict) -> Iterator[tuple[str, Size | None]]:
    for place, letter in enumerate(letters):
        if before.get(letter) is not None or shape is None:
            continue
        if isinstance(shape, tuple):
            yield letter, shape[place] if place < len(shape) else None
        else:
            yield letter, get_dim(shape, place) or get_dim(shape, place - len(letters))


def _common_dtype_of(call: CallSight, names: list[str]) -> Any:
    dtypes = {call.dtype(name) for name in names}
    return dtypes.pop() if len(dtypes) == 1 else None


__all__ = ["SHAPES"]
