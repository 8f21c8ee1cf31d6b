"""What each primitive of a traced program is in terms of public functions: the table from `jax.make_jaxpr` to the IR.

An entry takes the trees of the operands, their abstract values and the primitive's parameters, and returns the tree of the
value (a list of them for a primitive with several). Where `jax.numpy` computes the same, its function is named: rules
speak of those.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.errors import SourceUnavailableError
from invcompiler.ir.build import Builder, as_tree
from invcompiler.ir.nodes import Const, Display, Method, Ref, Slice, Tree

_SIGNS = {operator.neg: "-", operator.add: "+", operator.sub: "-", operator.mul: "*"}
_SIGNS |= {operator.truediv: "/", operator.pow: "**", operator.matmul: "@"}
_SIGNS |= {operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">="}
_SIGNS |= {operator.eq: "==", operator.ne: "!=", operator.getitem: "[]"}
NONE = Const(None)
FULL = Slice(NONE, NONE, NONE)


def ref(fn: Any) -> Ref:
    """Return the Ref of an operator or of a public function of JAX's."""
    if fn in _SIGNS:
        return Ref(fn, _SIGNS[fn])
    name = fn.__name__
    for module, prefix in _MODULES:
        if getattr(module, name, None) is fn:
            return Ref(fn, f"{prefix}.{name}", jnp if prefix.startswith("jnp") else jax)
    raise SourceUnavailableError(reason=f"`{name}` is no public function", function=name)


_MODULES = (
    (jnp, "jnp"),
    (jax.nn, "jax.nn"),
    (jax.scipy.special, "jax.scipy.special"),
    (lax, "jax.lax"),
    (lax.linalg, "jax.lax.linalg"),
    (jnp.fft, "jnp.fft"),
    (jnp.linalg, "jnp.linalg"),
    (jax.scipy.linalg, "jax.scipy.linalg"),
)


class Operation:
    """One equation of a traced program: its parameters, its operands, and the builder that takes what it becomes."""

    def __init__(
        self,
        builder: Builder,
        name: str,
        params: dict[str, Any],
        args: list[Tree],
        avals: list[Any],
        outs: list[Any],
        indices_of: Callable[[int], list[tuple[Tree, bool]]],
        picked: Callable[[int], Any],
    ):
        self.builder = builder
        self.name = name
        self.params = params
        self.args = args
        self.avals = avals
        self.outs = outs
        self.indices_of = indices_of
        self.picked = picked

    def call(self, fn: Any, *args: Tree, **kwargs: Tree) -> Tree:
        return self.builder.apply(ref(fn), args, tuple(kwargs.items()))

    def typed(self, number: int) -> Tree:
        """Return an operand for a function that is strict about dtypes: a literal with its own."""
        tree = self.args[number]
        if not isinstance(tree, Const):
            return tree
        return self.call(jnp.asarray, tree, dtype_tree(self.avals[number].dtype))

    def getitem(self, value: Tree, index: Tree) -> Tree:
        return self.call(operator.getitem, value, index)

    def shape(self, number: int = 0) -> tuple[int, ...]:
        return tuple(self.avals[number].shape)

    @property
    def out_shape(self) -> tuple[int, ...]:
        return tuple(self.outs[0].shape)


Entry = Callable[[Operation], Any]
PRIMITIVES: dict[str, Entry] = {}


def primitive(*names: str) -> Callable[[Entry], Entry]:
    def enter(entry: Entry) -> Entry:
        PRIMITIVES.update(dict.fromkeys(names, entry))
        return entry

    return enter


def ints(values: Iterable[int]) -> Display:
    return Display(tuple, tuple(Const(int(value)) for value in values))


def dtype_tree(dtype: Any) -> Tree:
    name = np.dtype(dtype).name
    found = getattr(jnp, "bool_" if name == "bool" else name)
    return Ref(found, f"jnp.{'bool_' if name == 'bool' else name}", jnp)


# ---- elementwise ----------------------------------------------------------------------------------

_PLAIN: dict[str, Any] = {
    "exp": jnp.exp, "exp2": jnp.exp2, "expm1": jnp.expm1, "log": jnp.log, "log1p": jnp.log1p,
    "sin": jnp.sin, "cos": jnp.cos, "tan": jnp.tan, "asin": jnp.arcsin, "acos": jnp.arccos,
    "atan": jnp.arctan, "sinh": jnp.sinh, "cosh": jnp.cosh, "tanh": jnp.tanh, "asinh": jnp.arcsinh,
    "acosh": jnp.arccosh, "atanh": jnp.arctanh, "sqrt": jnp.sqrt, "rsqrt": lax.rsqrt,
    "cbrt": jnp.cbrt, "abs": jnp.abs, "sign": jnp.sign, "floor": jnp.floor, "ceil": jnp.ceil,
    "neg": operator.neg, "logistic": jax.nn.sigmoid, "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc, "erf_inv": jax.scipy.special.erfinv,
    "lgamma": jax.scipy.special.gammaln, "digamma": jax.scipy.special.digamma,
    "is_finite": jnp.isfinite, "not": jnp.invert, "real": jnp.real, "imag": jnp.imag,
    "conj": jnp.conj, "stop_gradient": lax.stop_gradient, "square": jnp.square,
    "population_count": lax.population_count, "clz": lax.clz,
    "add": operator.add, "add_any": operator.add, "sub": operator.sub, "mul": operator.mul,
    "pow": operator.pow, "max": jnp.maximum, "min": jnp.minimum, "atan2": jnp.arctan2,
    "nextafter": jnp.nextafter, "and": jnp.bitwise_and, "or": jnp.bitwise_or,
    "xor": jnp.bitwise_xor, "shift_left": jnp.left_shift, "eq": operator.eq, "ne": operator.ne,
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
_STRICT = {
    "rem": lax.rem, "shift_right_logical": lax.shift_right_logical, "complex": lax.complex,
    "shift_right_arithmetic": lax.shift_right_arithmetic, "igamma": lax.igamma,
    "igammac": lax.igammac, "zeta": lax.zeta,
}  # fmt: skip


def _plain(fn: Any) -> Entry:
    return lambda op: op.call(fn, *op.args)


def _strict(fn: Any) -> Entry:
    return lambda op: op.call(fn, *map(op.typed, range(len(op.args))))


PRIMITIVES.update({name: _strict(fn) for name, fn in _STRICT.items()})
PRIMITIVES.update({name: _plain(fn) for name, fn in _PLAIN.items()})


@primitive("copy", "copy_p", "optimization_barrier")
def _same(op: Operation) -> Any:
    return op.args if len(op.args) > 1 else op.args[0]


@primitive("div")
def _div(op: Operation) -> Tree:
    """Integers are divided towards zero by the primitive, and not at all by `/`."""
    if np.dtype(op.outs[0].dtype).kind in "iu":
        return _strict(lax.div)(op)
    return op.call(operator.truediv, *op.args)


@primitive("round")
def _round(op: Operation) -> Tree:
    if op.params["rounding_method"] != lax.RoundingMethod.TO_NEAREST_EVEN:
        raise untranslated(op.name, "its rounding away from zero")
    return op.call(jnp.round, op.args[0])


@primitive("integer_pow")
def _integer_pow(op: Operation) -> Tree:
    return op.call(operator.pow, op.args[0], Const(op.params["y"]))


@primitive("clamp")
def _clamp(op: Operation) -> Tree:
    low, value, high = op.args
    return op.call(jnp.clip, value, low, high)


@primitive("select_n")
def _select(op: Operation) -> Tree:
    which, *cases = op.args
    if len(cases) == 1:
        return cases[0]
    if isinstance(which, Const):
        return cases[int(which.value)]
    if np.dtype(op.avals[0].dtype).kind == "b":
        return op.call(jnp.where, which, cases[1], cases[0])
    return op.call(lax.select_n, which, *cases)


@primitive("convert_element_type")
def _convert(op: Operation) -> Tree:
    if op.avals[0].dtype == op.params["new_dtype"]:
        return op.args[0]
    if isinstance(op.args[0], Const):
        return op.call(jnp.asarray, op.args[0], dtype_tree(op.params["new_dtype"]))
    return op.call(lax.convert_element_type, op.args[0], dtype_tree(op.params["new_dtype"]))


@primitive("bitcast_convert_type")
def _bitcast(op: Operation) -> Tree:
    return op.call(lax.bitcast_convert_type, op.args[0], dtype_tree(op.params["new_dtype"]))


# ---- shapes ---------------------------------------------------------------------------------------


@primitive("reshape")
def _reshape(op: Operation) -> Tree:
    if op.params.get("dimensions") is not None:
        raise untranslated(op.name, "its order of dimensions")
    return op.call(jnp.reshape, op.args[0], ints(op.params["new_sizes"]))


@primitive("squeeze")
def _squeeze(op: Operation) -> Tree:
    """Return `x[i]` where one element along an axis was sliced out."""
    found = op.picked(0)
    if found is not None:
        value, made = found
        starts, shape = made.params["start_indices"], made.invars[0].aval.shape
        cut = [axis for axis, size in enumerate(op.shape()) if size != shape[axis]]
        if cut == list(op.params["dimensions"]) and not made.params["strides"]:
            places: dict[int, Tree] = {axis: Const(int(starts[axis])) for axis in cut}
            return op.getitem(value, index_along(places, len(shape)))
    return op.call(jnp.squeeze, op.args[0], axis=ints(op.params["dimensions"]))


@primitive("expand_dims")
def _expand_dims(op: Operation) -> Tree:
    return op.call(jnp.expand_dims, op.args[0], ints(op.params["dimensions"]))


@primitive("transpose")
def _transpose(op: Operation) -> Tree:
    return op.call(jnp.transpose, op.args[0], ints(op.params["permutation"]))


@primitive("rev")
def _rev(op: Operation) -> Tree:
    return op.call(jnp.flip, op.args[0], axis=ints(op.params["dimensions"]))


@primitive("broadcast_in_dim")
def _broadcast(op: Operation) -> Tree:
    """Return the value with axes of size one where it had none, then repeated along those that are larger."""
    value, shape = op.args[0], tuple(op.params["shape"])
    if isinstance(value, Const):
        return op.call(jnp.full, ints(shape), value, dtype=dtype_tree(op.avals[0].dtype))
    places, sizes = op.params["broadcast_dimensions"], op.shape()
    spread = [1] * len(shape)
    for place, size in zip(places, sizes, strict=True):
        spread[place] = size
    leading = len(shape) - len(sizes)
    if tuple(places) != tuple(range(leading, len(shape))) or tuple(spread) == shape:
        value = value if sizes == tuple(spread) else op.call(jnp.reshape, value, ints(spread))
    return value if tuple(spread) == shape else op.call(jnp.broadcast_to, value, ints(shape))


@primitive("iota")
def _iota(op: Operation) -> Tree:
    shape, dtype = op.params["shape"], dtype_tree(op.params["dtype"])
    if len(shape) == 1:
        return op.call(jnp.arange, Const(int(shape[0])), dtype=dtype)
    return op.call(lax.broadcasted_iota, dtype, ints(shape), Const(int(op.params["dimension"])))


# ---- parts ----------------------------------------------------------------------------------------


@primitive("concatenate")
def _concatenate(op: Operation) -> Tree:
    axis = Const(int(op.params["dimension"]))
    return op.call(jnp.concatenate, Display(list, tuple(op.args)), axis=axis)


@primitive("stack")
def _stack(op: Operation) -> Tree:
    return op.call(jnp.stack, Display(list, tuple(op.args)), axis=Const(int(op.params["axis"])))


@primitive("unstack")
def _unstack(op: Operation) -> list[Tree]:
    axis, rank = int(op.params["axis"]), len(op.shape())
    rows = range(op.shape()[axis])
    return [op.getitem(op.args[0], index_along({axis: Const(row)}, rank)) for row in rows]


@primitive("split")
def _split(op: Operation) -> list[Tree]:
    sizes = [int(size) for size in op.params["sizes"]]
    axis = Const(int(op.params["axis"]))
    ends = list(np.cumsum(sizes)[:-1])
    where = Const(len(sizes)) if len(set(sizes)) == 1 else Display(list, tuple(map(_int, ends)))
    parts = op.call(jnp.split, op.args[0], where, axis=axis)
    getitem = ref(operator.getitem)
    return [
        op.builder.apply(getitem, (parts, Const(i)), arity=len(sizes)) for i in range(len(sizes))
    ]


def _int(value: Any) -> Const:
    return Const(int(value))


def span(start: int, stop: int, step: int, size: int) -> Slice:
    """Return `start:stop:step`, what is usual left out."""
    return Slice(
        NONE if start == 0 else Const(start),
        NONE if stop == size else Const(stop),
        NONE if step == 1 else Const(step),
    )


def index_along(places: Mapping[int, Tree], rank: int) -> Tree:
    """Return the index that takes `places` along their axes, and everything along the others."""
    last = max(places, default=-1)
    items = [places.get(axis, FULL) for axis in range(min(last + 1, rank))]
    return items[0] if len(items) == 1 else Display(tuple, tuple(items))


@primitive("slice")
def _slice(op: Operation) -> Tree:
    shape = op.shape()
    strides = op.params["strides"] or (1,) * len(shape)
    bounds = zip(
        op.params["start_indices"], op.params["limit_indices"], strides, shape, strict=True
    )
    parts = {
        axis: span(int(start), int(stop), int(step), size)
        for axis, (start, stop, step, size) in enumerate(bounds)
        if (start, stop, step) != (0, size, 1)
    }
    return op.getitem(op.args[0], index_along(parts, len(shape))) if parts else op.args[0]


@primitive("pad")
def _pad(op: Operation) -> Tree:
    config = op.params["padding_config"]
    plain = op.args[1] in (Const(0), Const(0.0))
    if plain and all(low >= 0 and high >= 0 and inside == 0 for low, high, inside in config):
        return op.call(
            jnp.pad, op.args[0], Display(tuple, tuple(ints(pair[:2]) for pair in config))
        )
    return op.call(lax.pad, *op.args, Display(tuple, tuple(map(ints, config))))


@primitive("dynamic_slice")
def _dynamic_slice(op: Operation) -> Tree:
    starts = Display(tuple, tuple(map(op.typed, range(1, len(op.args)))))
    return op.call(lax.dynamic_slice, op.args[0], starts, ints(op.params["slice_sizes"]))


@primitive("dynamic_update_slice")
def _dynamic_update_slice(op: Operation) -> Tree:
    """Return `x.at[start:stop].set(v)` where the places are known, which rules speak of."""
    value, update, *starts = op.args
    if not all(isinstance(start, Const) for start in starts):
        typed = Display(tuple, tuple(map(op.typed, range(2, len(op.args)))))
        return op.call(lax.dynamic_update_slice, value, update, typed)
    shape, sizes = op.shape(0), op.shape(1)
    parts = {}
    for axis, start in enumerate(starts):
        assert isinstance(start, Const)
        first = min(max(start.value, 0), shape[axis] - sizes[axis])
        if sizes[axis] != shape[axis]:
            parts[axis] = span(first, first + sizes[axis], 1, shape[axis])
    return update if not parts else _at(op, value, index_along(parts, len(shape)), "set", update)


def _at(
    op: Operation, value: Tree, index: Tree, method: str, *updates: Tree, **options: Tree
) -> Tree:
    at = op.builder.apply(Ref(getattr, "getattr"), (value, Const("at")))
    place = op.getitem(at, index)
    return op.builder.apply(Method(method), (place, *updates), tuple(options.items()))


@primitive("gather")
def _gather(op: Operation) -> Tree:
    """Return `x[:, index]`, which takes elements along one axis, or `x[index, others]` along several."""
    numbers, shape = op.params["dimension_numbers"], op.shape()
    axes = tuple(numbers.start_index_map)
    sizes = tuple(1 if i in axes else size for i, size in enumerate(shape))
    window = _window(axes, len(op.shape(1)) - 1, len(op.out_shape))
    whole = tuple(op.params["slice_sizes"]) == sizes
    if axes != tuple(numbers.collapsed_slice_dims) or numbers.operand_batching_dims or not whole:
        raise untranslated(op.name, "an index of slices")
    if tuple(numbers.offset_dims) != window:
        raise untranslated(op.name, "an index of this form")
    index, options = _places(op, axes)
    parts = index_along(index, len(shape))
    filling = op.params["fill_value"]
    if filling is not None:
        options["fill_value"] = Const(filling)
    if options:
        options.setdefault("mode", Const("fill"))
        return _at(op, op.args[0], parts, "get", **options)
    known = all(isinstance(place, Const) for place in index.values())
    if op.params["mode"] != lax.GatherScatterMode.FILL_OR_DROP or known:
        return op.getitem(op.args[0], parts)
    if len(axes) == 1:
        return op.call(jnp.take, op.args[0], index[axes[0]], axis=Const(axes[0]))
    return _at(op, op.args[0], parts, "get", mode=Const("fill"))


@primitive("scatter", "scatter-add", "scatter-mul", "scatter_add", "scatter_mul")
def _scatter(op: Operation) -> Tree:
    """Return `x.at[:, index].set(v)`, along one axis or several."""
    numbers, shape, updates = op.params["dimension_numbers"], op.shape(), op.shape(2)
    method = {"add": "add", "mul": "multiply"}.get(op.name[len("scatter") + 1 :], "set")
    batch = len(op.shape(1)) - 1
    axes = tuple(numbers.scatter_dims_to_operand_dims)
    if not axes or numbers.operand_batching_dims:
        raise untranslated(op.name, "an index of slices")
    window = tuple(numbers.update_window_dims)
    index, options = _places(op, axes)
    if tuple(numbers.inserted_window_dims) == axes and window == _window(axes, batch, len(updates)):
        return _at(op, op.args[0], index_along(index, len(shape)), method, op.args[2], **options)
    starts = [place.value for place in index.values() if isinstance(place, Const)]
    if not numbers.inserted_window_dims and not batch and len(starts) == len(axes):
        others = all(updates[i] == shape[i] for i in range(len(shape)) if i not in axes)
        if others and window == tuple(range(len(shape))):
            parts = {
                axis: span(start, start + updates[axis], 1, shape[axis])
                for axis, start in zip(axes, starts, strict=True)
            }
            return _at(op, op.args[0], index_along(parts, len(shape)), method, op.args[2])
    raise untranslated(op.name, "an index of this form")


def _places(op: Operation, axes: tuple[int, ...]) -> tuple[dict[int, Tree], dict[str, Tree]]:
    """Return the index along each of `axes`, which are in order, and the options that give what is out of bounds."""
    found = op.indices_of(1)
    if len(found) != len(axes) or list(axes) != sorted(axes):
        raise untranslated(op.name, "an index of this form")
    options: dict[str, Tree] = {}
    if op.params["mode"] == lax.GatherScatterMode.CLIP:
        options["mode"] = Const("clip")
    promised = op.params["mode"] == lax.GatherScatterMode.PROMISE_IN_BOUNDS
    if not promised and not all(from_the_end for _, from_the_end in found):
        options["wrap_negative_indices"] = Const(False)
    return {axis: tree for axis, (tree, _) in zip(axes, found, strict=True)}, options


def _window(axes: tuple[int, ...], batch: int, rank: int) -> tuple[int, ...]:
    """Return the axes of `x[index]` that are those of `x`: the others stand where the indexed axes are, or first."""
    side_by_side = axes == tuple(range(axes[0], axes[0] + len(axes))) if axes else True
    start = axes[0] if axes and side_by_side else 0
    return tuple(i for i in range(rank) if not start <= i < start + batch)


@primitive("call_hi_primitive")
def _high(op: Operation) -> list[Tree]:
    """Return the function behind a primitive that jax 0.12 keeps whole: `jnp.nonzero` of a known number of places."""
    inner = op.params["_prim"]
    name, rank = type(inner).__name__, len(op.shape())
    if name != "Nonzero" or tuple(inner.axes) != tuple(range(rank)):
        raise untranslated(op.name, f"`{name}`")
    found = op.call(jnp.nonzero, op.args[0], size=Const(inner.size))
    return [
        op.builder.apply(ref(operator.getitem), (found, Const(i)), arity=rank) for i in range(rank)
    ]


# ---- sums and products ----------------------------------------------------------------------------

_REDUCTIONS = {
    "reduce_sum": jnp.sum, "reduce_prod": jnp.prod, "reduce_max": jnp.max, "reduce_min": jnp.min,
    "reduce_and": jnp.all, "reduce_or": jnp.any,
}  # fmt: skip


def _reduction(fn: Any) -> Entry:
    def reduced(op: Operation) -> Tree:
        axes = tuple(op.params["axes"])
        if not axes:
            return op.args[0]
        if len(axes) == len(op.shape()):
            return op.call(fn, op.args[0])
        return op.call(fn, op.args[0], axis=Const(axes[0]) if len(axes) == 1 else ints(axes))

    return reduced


PRIMITIVES.update({name: _reduction(fn) for name, fn in _REDUCTIONS.items()})


@primitive("argmax", "argmin")
def _arg(op: Operation) -> Tree:
    fn = jnp.argmax if op.name == "argmax" else jnp.argmin
    found = op.call(fn, op.args[0], axis=Const(op.params["axes"][0]))
    return op.call(lax.convert_element_type, found, dtype_tree(op.params["index_dtype"]))


_CUMULATIVE = {"cumsum": jnp.cumsum, "cumprod": jnp.cumprod}
_CUMULATIVE_LAX = {"cumsum": lax.cumsum, "cumprod": lax.cumprod, "cummax": lax.cummax}
_CUMULATIVE_LAX |= {"cummin": lax.cummin, "cumlogsumexp": lax.cumlogsumexp}


@primitive(*_CUMULATIVE_LAX)
def _cumulative(op: Operation) -> Tree:
    """Return the running sum; that from the end is the one of the flipped value, flipped."""
    axis = Const(int(op.params["axis"]))
    if op.name not in _CUMULATIVE:
        options = {"axis": axis}
        if op.params["reverse"]:
            options["reverse"] = Const(True)
        return op.call(_CUMULATIVE_LAX[op.name], op.args[0], **options)
    fn = _CUMULATIVE[op.name]
    if not op.params["reverse"]:
        return op.call(fn, op.args[0], axis=axis)
    flipped = op.call(jnp.flip, op.args[0], axis=axis)
    return op.call(jnp.flip, op.call(fn, flipped, axis=axis), axis=axis)


@primitive("sort")
def _sort(op: Operation) -> Tree:
    if len(op.args) > 1:
        raise untranslated(op.name, "several operands")
    return op.call(jnp.sort, op.args[0], axis=Const(int(op.params["dimension"])))


@primitive("dot_general")
def _dot(op: Operation) -> Tree:
    """Return `a @ b` where the axes are those of a matrix product, else an einsum."""
    (left, right), (left_batch, right_batch) = op.params["dimension_numbers"]
    a, b = op.args
    wanted = op.params.get("preferred_element_type")
    options: dict[str, Tree] = {}
    if wanted is not None and wanted != jnp.result_type(*(aval.dtype for aval in op.avals)):
        options["preferred_element_type"] = dtype_tree(wanted)
    options |= _precision(op.params.get("precision"))
    ranks = len(op.shape(0)), len(op.shape(1))
    plain = not left_batch and ranks[1] <= 2 and ranks[0] >= 1 and len(left) == 1 == len(right)
    if plain and left[0] == ranks[0] - 1 and right[0] == 0 and not options:
        return op.call(operator.matmul, a, b)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    first = [next(letters) for _ in range(ranks[0])]
    second = [""] * ranks[1]
    for i, j in (*zip(left_batch, right_batch, strict=True), *zip(left, right, strict=True)):
        second[j] = first[i]
    second = [letter or next(letters) for letter in second]
    out = [first[i] for i in left_batch]
    out += [first[i] for i in range(ranks[0]) if i not in (*left, *left_batch)]
    out += [second[j] for j in range(ranks[1]) if j not in (*right, *right_batch)]
    text = f"{''.join(first)},{''.join(second)}->{''.join(out)}"
    return op.call(jnp.einsum, Const(text), a, b, **options)


def _precision(precision: Any) -> dict[str, Tree]:
    pair = precision if isinstance(precision, tuple) else (precision, precision)
    names = {getattr(one, "name", None) for one in pair}
    if names <= {None, "DEFAULT"}:
        return {}
    name = names.pop() if len(names) == 1 else None
    if name is None:
        raise untranslated("dot_general", "two precisions")
    return {"precision": Const(name.lower())}


@primitive("conv_general_dilated")
def _convolution(op: Operation) -> Tree:
    numbers, rank = op.params["dimension_numbers"], len(op.shape(0))
    layouts = (
        _layout(numbers.lhs_spec, "NC", rank),
        _layout(numbers.rhs_spec, "OI", rank),
        _layout(numbers.out_spec, "NC", rank),
    )
    options: dict[str, Tree] = {"dimension_numbers": Display(tuple, tuple(map(Const, layouts)))}
    for name in ("lhs_dilation", "rhs_dilation"):
        if any(n != 1 for n in op.params[name]):
            options[name] = ints(op.params[name])
    for name in ("feature_group_count", "batch_group_count"):
        if op.params[name] != 1:
            options[name] = Const(op.params[name])
    wanted = op.params.get("preferred_element_type")
    if wanted is not None and wanted != jnp.result_type(*(aval.dtype for aval in op.avals)):
        options["preferred_element_type"] = dtype_tree(wanted)
    options |= _precision(op.params.get("precision"))
    strides, padding = ints(op.params["window_strides"]), as_tree(tuple(op.params["padding"]))
    assert padding is not None
    return op.call(lax.conv_general_dilated, *op.args, strides, padding, **options)


def _layout(spec: Sequence[int], first: str, rank: int) -> str:
    """Return `"NHWC"` for the places (0, 3, 1, 2) of N, C, H and W."""
    letters = [*first, *"HWDEFG"[: rank - 2]]
    return "".join(letter for _, letter in sorted(zip(spec, letters, strict=True)))


_FFTS = {"FFT": jnp.fft.fftn, "IFFT": jnp.fft.ifftn, "RFFT": jnp.fft.rfftn, "IRFFT": jnp.fft.irfftn}
_FFT = {"FFT": jnp.fft.fft, "IFFT": jnp.fft.ifft, "RFFT": jnp.fft.rfft, "IRFFT": jnp.fft.irfft}


@primitive("fft")
def _fft(op: Operation) -> Tree:
    kind, lengths = op.params["fft_type"].name, tuple(op.params["fft_lengths"])
    if len(lengths) == 1:
        options = {"n": Const(int(lengths[0]))} if kind == "IRFFT" else {}
        return op.call(_FFT[kind], op.args[0], **options)
    axes = ints(range(-len(lengths), 0))
    return op.call(_FFTS[kind], op.args[0], s=ints(lengths), axes=axes)


@primitive("triangular_solve")
def _triangular_solve(op: Operation) -> Tree:
    p = op.params
    if p["left_side"] and (p["transpose_a"] or not p["conjugate_a"]):
        trans = 2 if p["conjugate_a"] else int(p["transpose_a"])
        given = {"trans": trans, "lower": p["lower"], "unit_diagonal": p["unit_diagonal"]}
        named = {name: Const(value) for name, value in given.items() if value}
        return op.call(jax.scipy.linalg.solve_triangular, *op.args, **named)
    names = ("left_side", "lower", "transpose_a", "conjugate_a", "unit_diagonal")
    options = {name: Const(op.params[name]) for name in names}
    return op.call(lax.linalg.triangular_solve, *op.args, **options)


# ---- factorisations -----------------------------------------------------------------------------


def _items(op: Operation, value: Tree, order: Sequence[int]) -> list[Tree]:
    """Return the parts of what a function returns, in the order in which the primitive has them."""
    get, count = ref(operator.getitem), len(order)
    return [op.builder.apply(get, (value, Const(place)), arity=count) for place in order]


@primitive("qr")
def _qr(op: Operation) -> list[Tree]:
    if op.params.get("pivoting"):
        raise untranslated("qr", "pivots")
    named = {"mode": Const("complete")} if op.params["full_matrices"] else {}
    return _items(op, op.call(jnp.linalg.qr, op.args[0], **named), (0, 1))


@primitive("lu")
def _lu(op: Operation) -> list[Tree]:
    return _items(op, op.call(lax.linalg.lu, op.args[0]), (0, 1, 2))


@primitive("eigh")
def _eigh(op: Operation) -> list[Tree]:
    """Return vectors and values, of a matrix that is symmetric already."""
    if op.params.get("subset_by_index") is not None or not op.params.get("lower", True):
        raise untranslated("eigh", "options")
    if not op.params.get("sort_eigenvalues", True):
        raise untranslated("eigh", "values in no order")
    value = op.call(jnp.linalg.eigh, op.args[0], symmetrize_input=Const(False))
    return _items(op, value, (1, 0))


@primitive("svd")
def _svd(op: Operation) -> list[Tree]:
    if op.params.get("subset_by_index") is not None or not op.params["compute_uv"]:
        raise untranslated("svd", "options")
    named = {} if op.params["full_matrices"] else {"full_matrices": Const(False)}
    return _items(op, op.call(jnp.linalg.svd, op.args[0], **named), (1, 0, 2))


# ---- everything else ------------------------------------------------------------------------------


def translate(op: Operation) -> Any:
    """Return the tree of what an equation computes. Raises SourceUnavailableError for a primitive without an entry."""
    entry = PRIMITIVES.get(op.name)
    return _by_name(op) if entry is None else entry(op)


def _by_name(op: Operation) -> Tree:
    """Return a call of the function of `jax.lax` that is called like the primitive and takes parameters of its names."""
    fn = getattr(lax, op.name, None) or getattr(lax.linalg, op.name, None)
    if fn is None or len(op.outs) != 1:
        raise untranslated(op.name)
    try:
        names = list(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        raise untranslated(op.name) from None
    left = names[len(op.args) :]
    given = {name: as_tree(op.params[name]) for name in left if name in op.params}
    if any(tree is None for tree in given.values()) or not set(op.params) <= set(given):
        raise untranslated(op.name)
    return op.call(fn, *op.args, **{name: tree for name, tree in given.items() if tree is not None})


def untranslated(name: str, why: str = "") -> SourceUnavailableError:
    detail = f" with {why}" if why else ""
    return SourceUnavailableError(
        reason=f"the primitive `{name}`{detail} is not one of which a traced program can be made",
        function=name,
        hint="write this part in a Python function with source, or state its inverse with `inv.custom_inverse`",
    )


__all__ = ["PRIMITIVES", "Operation", "dtype_tree", "ref", "translate", "untranslated"]
