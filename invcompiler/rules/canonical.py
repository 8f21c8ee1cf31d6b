"""One form for each call, however it is spelled: a key, and arguments by name.

`x + y`, `operator.add(x, y)`, `jnp.add(x, y)` and `lax.add(x, y)` are one call of `jnp.add`; so are `x.reshape(2, 3)`,
`x.reshape((2, 3))` and `jnp.reshape(x, shape=(2, 3))` of `jnp.reshape`. Whether a rule is found cannot depend on the spelling.

A *reading* is a Python function whose parameters are those of a spelling and which returns the canonical arguments:
Python's own binding of positions, keywords and defaults does the work. Operands are trees throughout.
"""

# ruff: noqa: B008 -- the defaults of readings are constants

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MethodType
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import jax.scipy.special
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import Apply, Const, Display, Method, Ref, Star, Tree, Var

Arguments = Mapping[str, Tree]
Reading = Callable[..., "Arguments | Call | None"]


@dataclass(frozen=True)
class Call:
    """A call of `fn`, the one key of all its spellings. `arguments` has every parameter, defaults too."""

    fn: Any
    arguments: Arguments


@dataclass(frozen=True)
class _Callee:
    spelled: Any  # kept, so that its id stays its own
    fn: Any
    read: Reading


NONE = Const(None)
_CALLEES: dict[Any, _Callee] = {}
_METHODS: dict[str, _Callee] = {}
_ATTRIBUTES: dict[str, Callable[[Tree], Call]] = {}


def canonical(apply: Apply) -> Call | None:
    """Return the canonical form of a call, or None where there is none.

    There is none for a function without a table entry, and for a call whose operands do not show which parameters they
    are for (`f(*args)`), or whose options change what the function does (`out=`, `where=`).
    """
    fn = apply.fn
    if isinstance(fn, Method):
        callee = _METHODS.get(fn.name)
    elif isinstance(fn, Ref):
        if fn.value is getattr:
            return _attribute(apply.args)
        callee = find(fn.value)
    else:
        return None
    if callee is None or any(isinstance(arg, Star) for arg in apply.args):
        return None
    return _read(callee, apply)


def _read(callee: _Callee, apply: Apply) -> Call | None:
    try:
        found = callee.read(*apply.args, **dict(apply.kwargs))  # type: ignore[arg-type]
    except TypeError:
        return None  # not a call that the function takes, or one with `**options`
    if found is None or isinstance(found, Call):
        return found
    return Call(callee.fn, found)


def _attribute(args: tuple[Tree, ...]) -> Call | None:
    if len(args) != 2 or not isinstance(args[1], Const):
        return None
    reading = _ATTRIBUTES.get(args[1].value)
    return None if reading is None else reading(args[0])


def call_of(fn: Any, *args: Tree, **kwargs: Tree) -> Call | None:
    """Return the canonical form of `fn(*args, **kwargs)`."""
    return canonical(Apply(Var(), Ref(fn, "fn"), args, tuple(kwargs.items())))


def key_of(fn: Any) -> Any:
    """Return the one key of the spellings of `fn`: `jnp.add` for `operator.add`. `fn` itself if it has no entry."""
    callee = find(fn)
    return fn if callee is None else callee.fn


def parameters_of(fn: Any) -> tuple[str, ...]:
    """Return the names of the canonical arguments of `fn`, in order, for the call with every optional one left out.

    Raises ValueError if `fn` has no signature.
    """
    declare(fn)
    callee = _CALLEES[identity(key_of(fn))]
    place = identity(callee.fn)
    if place not in _PARAMETERS:
        _PARAMETERS[place] = _names_of(callee.read)
    return _PARAMETERS[place]


# ---- entries ------------------------------------------------------------------------------------

_JITTED = type(jax.jit(lambda: 0))


def identity(fn: Any) -> Any:
    """Return what makes `fn` the function that it is: a bound method is made anew each time that it is looked up."""
    if isinstance(fn, MethodType):
        return (id(fn.__self__), id(fn.__func__))
    return id(fn)


def find(fn: Any) -> _Callee | None:
    """Return the entry of `fn`; of what it wraps, if it is a `jax.jit` of a function with an entry."""
    callee = _CALLEES.get(identity(fn))
    if callee is None and isinstance(fn, _JITTED):
        return _CALLEES.get(identity(fn.__wrapped__))
    return callee


def declare(fn: Any) -> None:
    """Give `fn` an entry, by its own signature, if it has none."""
    if find(fn) is None:
        _enter(fn, fn, _BySignature(fn))


def _enter(spelled: Any, fn: Any, read: Reading) -> None:
    place = identity(spelled)
    known = _CALLEES.get(place)
    if known is None:
        _CALLEES[place] = _Callee(spelled, fn, read)
    elif known.fn is not fn:
        raise ValueError(f"{spelled} is a spelling of {known.fn} and of {fn}")


def _names_of(read: Reading) -> tuple[str, ...]:
    """Return the parameters of a reading without the options that it drops."""
    signature = read.signature if isinstance(read, _BySignature) else inspect.signature(read)
    parameters = signature.parameters.values()
    dropped = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is NONE]
    return tuple(p.name for p in parameters if p.name not in dropped)


_PARAMETERS: dict[Any, tuple[str, ...]] = {}


def _names(fn: Any, *names: str) -> None:
    """State the names of the canonical arguments of `fn`, where its reading has more parameters or others."""
    _PARAMETERS[identity(fn)] = names


class _BySignature:
    """The reading of a function whose canonical arguments are its parameters; looked at when first needed."""

    def __init__(self, fn: Any) -> None:
        self.fn = fn

    @cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.fn)

    @cached_property
    def _defaults(self) -> dict[str, Tree]:
        parameters = self.signature.parameters.values()
        return {p.name: _default(p.default) for p in parameters if p.default is not p.empty}

    @cached_property
    def _variadic(self) -> frozenset[str]:
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return frozenset(p.name for p in self.signature.parameters.values() if p.kind in kinds)

    def __call__(self, *args: Tree, **kwargs: Tree) -> Arguments:
        given = self.signature.bind(*args, **kwargs).arguments
        if not self._variadic.isdisjoint(given):
            return _packed(self.signature, {**self._defaults, **given})
        filled = {**self._defaults, **given}
        return {name: filled.get(name, NONE) for name in self.signature.parameters}


def _packed(signature: inspect.Signature, given: dict[str, Any]) -> Arguments:
    """Return the arguments with those of `*args` in one display and those of `**kwargs` in a dict's."""
    packed: dict[str, Tree] = {}
    for name, parameter in signature.parameters.items():
        value = given.get(name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            packed[name] = Display(tuple, tuple(value or ()))
        elif parameter.kind is parameter.VAR_KEYWORD:
            options = value or {}
            packed[name] = Display(dict, tuple(options.values()), tuple(options))
        else:
            packed[name] = NONE if value is None else value
    return packed


def _default(value: Any) -> Tree:
    if isinstance(value, float | complex):
        return Const(value)
    tree = as_tree(value)
    return Ref(value, getattr(value, "__name__", repr(value))) if tree is None else tree


def _same(read: Reading, fn: Any, *spellings: Any) -> None:
    """Enter `fn`, which is the key, and the other spellings of it that this version of JAX has."""
    for spelled in (fn, *spellings):
        if spelled is not None:
            _enter(spelled, fn, read)


def _spelled(fn: Any, *spellings: Any) -> Callable[[Reading], Reading]:
    """Enter spellings of `fn` with parameters of their own; the function decorated reads them."""

    def enter(read: Reading) -> Reading:
        declare(fn)
        for spelled in spellings:
            if spelled is not None:
                _enter(spelled, fn, read)
        return read

    return enter


def _method(fn: Any, *names: str) -> Callable[[Reading], Reading]:
    """Enter methods of arrays; the function decorated reads their operands, the array first."""

    def enter(read: Reading) -> Reading:
        declare(fn)
        for name in names:
            _METHODS[name] = _Callee(name, fn, read)
        return read

    return enter


# ---- operands -----------------------------------------------------------------------------------


def _tuple(tree: Tree) -> Tree:
    """Return a shape or axes as a tuple: a list shows the same, and so does one number."""
    if isinstance(tree, Display) and tree.kind is list:
        return replace(tree, kind=tuple)
    if isinstance(tree, Const) and type(tree.value) is int:
        return Display(tuple, (tree,))
    return tree


def _axis(tree: Tree) -> Tree:
    """Return `axis` as it is written, several of them as a tuple."""
    return replace(tree, kind=tuple) if isinstance(tree, Display) and tree.kind is list else tree


def _starred(parts: tuple[Tree, ...]) -> Tree:
    """Return the shape or axes that `x.reshape(*parts)` is given: several numbers, or one tuple."""
    return _tuple(parts[0]) if len(parts) == 1 else Display(tuple, parts)


def _is_given(tree: Tree) -> bool:
    return tree != NONE


# ---- elementwise --------------------------------------------------------------------------------


def _unary(x, *, accuracy=NONE):
    return {"x": x}


def _unary_a(a, /):
    return {"a": a}


def _unary_p(p):
    return {"p": p}


def _binary(x1, x2, /):
    return {"x1": x1, "x2": x2}


def _of(module: Any, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(module, name, None) for name in names)


def _enter_unary() -> None:
    """Enter functions of one array that have one name everywhere, or a row of names here."""
    others = {
        "abs": ("absolute", "fabs"),
        "negative": ("neg",),
        "arcsin": ("asin",),
        "arccos": ("acos",),
        "arctan": ("atan",),
        "arcsinh": ("asinh",),
        "arccosh": ("acosh",),
        "arctanh": ("atanh",),
        "conj": ("conjugate",),
        "deg2rad": ("radians",),
        "rad2deg": ("degrees",),
        "invert": ("bitwise_not", "bitwise_invert"),
    }
    names = "exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh sqrt cbrt square reciprocal"
    names += (
        " positive sign floor ceil rint trunc logical_not signbit isnan isfinite sinc real imag"
    )
    for name in (*names.split(), *others):
        every = (name, *others.get(name, ()))
        spellings = [f for module in (jnp, lax, np) for f in _of(module, *every)]
        spellings += [f for f in _of(math, *every) if f not in (math.floor, math.ceil, math.trunc)]
        _same(_unary, *spellings)
    _same(_unary, jnp.abs, abs, operator.abs)
    _same(_unary, jnp.negative, operator.neg)
    _same(_unary, jnp.positive, operator.pos)
    _same(_unary, jnp.invert, operator.invert)
    _same(_unary, jnp.deg2rad, math.radians)
    _same(_unary, jnp.rad2deg, math.degrees)
    _same(_unary, jnp.tanh, lax.tanh, np.tanh, math.tanh, *_of(jax.nn, "tanh"))


def _enter_binary() -> None:
    """Enter the operators and the other functions of two arrays."""
    rows = {
        "add": (operator.add, operator.iadd, lax.add),
        "subtract": (operator.sub, operator.isub, lax.sub),
        "multiply": (operator.mul, operator.imul, lax.mul),
        "divide": (operator.truediv, operator.itruediv, jnp.true_divide, lax.div),
        "floor_divide": (operator.floordiv,),
        "remainder": (operator.mod, jnp.mod),
        "power": (operator.pow, operator.ipow, jnp.pow, lax.pow, lax.integer_pow, pow, math.pow),
        "bitwise_xor": (operator.xor, operator.ixor, lax.bitwise_xor),
        "bitwise_and": (operator.and_, lax.bitwise_and),
        "bitwise_or": (operator.or_, lax.bitwise_or),
        "left_shift": (operator.lshift, jnp.bitwise_left_shift, lax.shift_left),
        "right_shift": (operator.rshift, jnp.bitwise_right_shift),
        "less": (operator.lt, lax.lt),
        "less_equal": (operator.le, lax.le),
        "greater": (operator.gt, lax.gt),
        "greater_equal": (operator.ge, lax.ge),
        "equal": (operator.eq, lax.eq),
        "not_equal": (operator.ne, lax.ne),
        "arctan2": (*_of(jnp, "atan2"), lax.atan2, math.atan2),
        "maximum": (lax.max,),
        "minimum": (lax.min,),
        "hypot": (math.hypot,),
        "ldexp": (math.ldexp,),
        "logaddexp": (),
        "logaddexp2": (),
        "logical_and": (),
        "logical_or": (),
        "logical_xor": (),
        "fmax": (),
        "fmin": (),
        "heaviside": (),
        "copysign": (math.copysign,),
    }
    for name, spellings in rows.items():
        _same(_binary, getattr(jnp, name), *spellings, *_of(np, name))


def _enter_special() -> None:
    special, nn = jax.scipy.special, jax.nn
    for name in ("erf", "erfc", "erfinv", "erfcinv", "erfcx", "ndtr", "logit", "expit"):
        if hasattr(special, name) and name != "expit":
            _same(_unary, getattr(special, name))
    _same(_unary, special.erf, lax.erf)
    _same(_unary, special.erfc, lax.erfc)
    _same(_unary, special.erfinv, lax.erf_inv)
    _same(_unary_p, special.ndtri)
    _same(_unary, special.logit, *_of(nn, "logit"))
    _same(_unary, nn.sigmoid, special.expit, lax.logistic)
    for name in ("softplus", "log_sigmoid", "soft_sign", "relu", "relu6", "mish", "hard_tanh"):
        _same(_unary, getattr(nn, name))
    _same(_unary, lax.rsqrt)
    _same(_unary, nn.silu, nn.swish)
    for fn in (*_of(nn, "log1mexp"), special.entr, special.gammaln, special.digamma):
        _same(_unary, fn)
    for fn in (nn.elu, nn.celu, nn.selu, nn.leaky_relu, nn.gelu, nn.squareplus, special.log_ndtr):
        declare(fn)
    for fn in (special.boxcox, special.boxcox1p):
        declare(fn)


_enter_unary()
_enter_binary()
_enter_special()


def _of_two(first: Any, second: Any) -> dict[str, Any]:
    return {"x1": first, "x2": second}


# Their second parameter is called `y`, which is the output's name in a rule.
@_spelled(jnp.power)
def _power(x1, x2, /):
    return _of_two(x1, x2)


def _weighted_log(x, y):
    return _of_two(x, y)


def _enter_weighted_logs() -> None:
    for fn in (jax.scipy.special.xlogy, jax.scipy.special.xlog1py):
        _enter(fn, fn, _weighted_log)
        _names(fn, "x1", "x2")


_enter_weighted_logs()


def _complex(x, y, /):
    return {"real": x, "imag": y}


_enter(lax.complex, lax.complex, _complex)
_names(lax.complex, "real", "imag")

# ---- identities and casts -----------------------------------------------------------------------


def _astype(x, dtype, /, *, copy=NONE, device=NONE):
    return {"x": x, "dtype": dtype}


_enter(jnp.astype, jnp.astype, _astype)
_names(jnp.astype, "x", "dtype")


@_spelled(jnp.astype, lax.convert_element_type)
def _convert(operand, new_dtype):
    return {"x": operand, "dtype": new_dtype}


@_method(jnp.astype, "astype")
def _astype_method(x, dtype, copy=NONE, device=NONE):
    return {"x": x, "dtype": dtype}


def _enter_scalar_types() -> None:
    """Enter `jnp.float32(x)` and the like, which are casts."""
    kinds = "float16 bfloat16 float32 float64 complex64 complex128 bool_ int8 int16 int32 int64"
    kinds += " uint8 uint16 uint32 uint64"
    for name in kinds.split():
        cast = getattr(jnp, name)
        _enter(cast, jnp.astype, _cast_to(Ref(cast, f"jnp.{name}", jnp)))


def _cast_to(dtype: Ref) -> Reading:
    def read(x, /):
        return {"x": x, "dtype": dtype}

    return read


_enter_scalar_types()


def _array(object, dtype=NONE, copy=NONE, order=NONE, ndmin=Const(0), *, device=NONE):
    if _is_given(order) or ndmin != Const(0):
        return None
    if isinstance(object, Display) and object.kind in (list, tuple):
        return _stacked(object, dtype)
    if _is_given(dtype):
        return Call(jnp.astype, {"x": object, "dtype": dtype})
    return {"x": object}


def _stacked(display: Display, dtype: Tree) -> Call | None:
    """Return `jnp.array([a, b])` as a stack; of lists in lists, nothing."""
    if any(isinstance(item, Display | Star) for item in display.items) or not display.items:
        return None
    return Call(jnp.stack, {"arrays": display, "axis": Const(0), "out": NONE, "dtype": dtype})


def _asarray(a, dtype=NONE, order=NONE, *, copy=NONE, device=NONE):
    return _array(a, dtype, order=order)


_enter(jnp.array, jnp.asarray, _array)
_enter(jnp.asarray, jnp.asarray, _asarray)
_names(jnp.asarray, "x")


@_spelled(jnp.asarray, jnp.copy, *_of(jax.nn, "identity"))
def _same_value(a, order=NONE):
    return {"x": a}


@_method(jnp.asarray, "copy", "block_until_ready", "__array__", "to_device")
def _same_value_method(x, *options, order=NONE):
    return {"x": x}


@_spelled(jnp.asarray, jax.device_put, lax.with_sharding_constraint, jax.block_until_ready)
def _placed(x, *placement, donate=NONE, src=NONE, may_alias=NONE, shardings=NONE, device=NONE):
    return {"x": x}


@_spelled(jnp.asarray, checkpoint_name)
def _named(x, name):
    return {"x": x}


@_spelled(jnp.asarray, lax.stop_gradient)
def _stopped(x):
    return {"x": x}


@_spelled(jnp.asarray, lax.optimization_barrier)
def _fenced(operand):
    return None if isinstance(operand, Display) else {"x": operand}


@_method(jnp.conj, "conj", "conjugate")
def _conj_method(x):
    return {"x": x}


_ATTRIBUTES["real"] = lambda x: Call(jnp.real, {"x": x})
_ATTRIBUTES["imag"] = lambda x: Call(jnp.imag, {"x": x})

# ---- shapes -------------------------------------------------------------------------------------


def _reshape(a, shape, order=Const("C"), *, copy=NONE, out_sharding=NONE):
    return {"a": a, "shape": _tuple(shape), "order": order}


_same(_reshape, jnp.reshape)
_names(jnp.reshape, "a", "shape", "order")


@_spelled(jnp.reshape, lax.reshape)
def _reshape_lax(operand, new_sizes, dimensions=NONE, *, out_sharding=NONE):
    return None if _is_given(dimensions) else _reshape(operand, new_sizes)


@_spelled(jnp.reshape, np.reshape)
def _reshape_numpy(a, shape, order=Const("C")):
    return _reshape(a, shape, order)


@_method(jnp.reshape, "reshape")
def _reshape_method(a, *shape, order=Const("C"), copy=NONE, out_sharding=NONE):
    return _reshape(a, _starred(shape), order)


@_spelled(jnp.reshape, lax.collapse)
def _collapse(operand, start_dimension, stop_dimension=NONE):
    whole = start_dimension == Const(0) and not _is_given(stop_dimension)
    return _reshape(operand, Const(-1)) if whole else None


def _ravel(a, order=Const("C"), *, out_sharding=NONE):
    return {"a": a, "order": order}


_same(_ravel, jnp.ravel, np.ravel)
_names(jnp.ravel, "a", "order")
_method(jnp.ravel, "ravel", "flatten")(_ravel)


def _transpose(a, axes=NONE):
    return {"a": a, "axes": _axis(axes)}


_same(_transpose, jnp.transpose, np.transpose)


@_spelled(jnp.transpose, jnp.permute_dims)
def _permute_dims(a, /, axes):
    return _transpose(a, axes)


@_spelled(jnp.transpose, lax.transpose)
def _transpose_lax(operand, permutation):
    return _transpose(operand, permutation)


@_method(jnp.transpose, "transpose")
def _transpose_method(a, *axes):
    return _transpose(a, NONE if not axes else axes[0] if len(axes) == 1 else _starred(axes))


_ATTRIBUTES["T"] = lambda x: Call(jnp.transpose, {"a": x, "axes": NONE})
_ATTRIBUTES["mT"] = lambda x: Call(jnp.matrix_transpose, {"x": x})


def _matrix_transpose(x, /):
    return {"x": x}


_same(_matrix_transpose, jnp.matrix_transpose, getattr(jnp.linalg, "matrix_transpose", None))


def _swapaxes(a, axis1, axis2):
    return {"a": a, "axis1": axis1, "axis2": axis2}


_same(_swapaxes, jnp.swapaxes, np.swapaxes)
_method(jnp.swapaxes, "swapaxes")(_swapaxes)


def _moveaxis(a, source, destination):
    return {"a": a, "source": _axis(source), "destination": _axis(destination)}


_same(_moveaxis, jnp.moveaxis, np.moveaxis)


def _flip(m, axis=NONE):
    return {"m": m, "axis": _axis(axis)}


_same(_flip, jnp.flip, np.flip)


@_spelled(jnp.flip, lax.rev)
def _rev(operand, dimensions):
    return _flip(operand, dimensions)


@_spelled(jnp.flip, jnp.fliplr)
def _fliplr(m):
    return _flip(m, Const(1))


@_spelled(jnp.flip, jnp.flipud)
def _flipud(m):
    return _flip(m, Const(0))


def _roll(a, shift, axis=NONE):
    return {"a": a, "shift": _axis(shift), "axis": _axis(axis)}


_same(_roll, jnp.roll, np.roll)
declare(jnp.rot90)


def _expand_dims(a, axis):
    return {"a": a, "axis": _axis(axis)}


_same(_expand_dims, jnp.expand_dims, np.expand_dims)


@_spelled(jnp.expand_dims, lax.expand_dims)
def _expand_dims_lax(array, dimensions):
    return _expand_dims(array, dimensions)


def _squeeze(a, axis=NONE):
    return {"a": a, "axis": _axis(axis)}


_same(_squeeze, jnp.squeeze, np.squeeze)
_method(jnp.squeeze, "squeeze")(_squeeze)


@_spelled(jnp.squeeze, lax.squeeze)
def _squeeze_lax(array, dimensions):
    return _squeeze(array, dimensions)


def _at_least(*arys):
    return {"x": arys[0]} if len(arys) == 1 else None


def _enter_at_least() -> None:
    for fn in (jnp.atleast_1d, jnp.atleast_2d, jnp.atleast_3d):
        _enter(fn, fn, _at_least)
        _names(fn, "x")


_enter_at_least()


def _getitem(a, index, /):
    return {"a": a, "index": index}


_same(_getitem, operator.getitem)

# ---- taking apart and putting together ----------------------------------------------------------


def _concatenate(arrays, axis=Const(0), dtype=NONE):
    return {"arrays": arrays, "axis": axis, "dtype": dtype}


_same(_concatenate, jnp.concatenate, np.concatenate)


@_spelled(jnp.concatenate, *_of(jnp, "concat"))
def _concat(arrays, /, *, axis=Const(0)):
    return _concatenate(arrays, axis)


@_spelled(jnp.concatenate, lax.concatenate)
def _concatenate_lax(operands, dimension):
    return _concatenate(operands, dimension)


@_spelled(jnp.concatenate, jnp.append)
def _append(arr, values, axis=NONE):
    return _concatenate(Display(list, (arr, values)), axis) if _is_given(axis) else None


def _stack(arrays, axis=Const(0), out=NONE, dtype=NONE):
    return {"arrays": arrays, "axis": axis, "out": out, "dtype": dtype}


_same(_stack, jnp.stack, np.stack)


def _split(ary, indices_or_sections, axis=Const(0)):
    return {"ary": ary, "indices_or_sections": _axis(indices_or_sections), "axis": axis}


_same(_split, jnp.split, np.split)
_same(_split, jnp.array_split)


@_spelled(jnp.split, lax.split)
def _split_lax(operand, sizes, axis=Const(0)):
    sizes = _axis(sizes)
    if not isinstance(sizes, Display) or not all(isinstance(s, Const) for s in sizes.items):
        return None
    ends = np.cumsum([s.value for s in sizes.items])[:-1]  # type: ignore[union-attr]
    return _split(operand, Display(tuple, tuple(Const(int(end)) for end in ends)), axis)


def _declare_all(module: Any, names: str) -> None:
    for name in names.split():
        if hasattr(module, name):
            declare(getattr(module, name))


_declare_all(jnp, "hstack vstack dstack column_stack hsplit vsplit dsplit unstack block pad tile")
_declare_all(jnp, "insert delete broadcast_to repeat take_along_axis meshgrid")
_declare_all(lax, "slice slice_in_dim index_in_dim dynamic_slice dynamic_slice_in_dim")
_declare_all(lax, "dynamic_index_in_dim dynamic_update_slice dynamic_update_slice_in_dim")
_declare_all(lax, "bitcast_convert_type pad broadcast_in_dim select_n clamp cumlogsumexp")


def _where(condition, x, y, /, *, size=NONE, fill_value=NONE):
    return {"condition": condition, "x": x, "y": y}


_same(_where, jnp.where)
_names(jnp.where, "condition", "x", "y")


@_spelled(jnp.where, lax.select)
def _select(pred, on_true, on_false):
    return {"condition": pred, "x": on_true, "y": on_false}


def _take(a, indices, axis=NONE, out=NONE, mode=NONE, unique_indices=NONE, indices_are_sorted=NONE,
          fill_value=NONE):  # fmt: skip
    return {"a": a, "indices": indices, "axis": axis, "mode": mode}


_same(_take, jnp.take)
_names(jnp.take, "a", "indices", "axis", "mode")
_method(jnp.take, "take")(_take)

# ---- reductions, which have no inverse but are affine, or have a range ----------------------------


def _reduction(a, axis=NONE, dtype=NONE, out=NONE, keepdims=Const(False), initial=NONE, where=NONE):
    if any(map(_is_given, (out, initial, where))):
        return None
    return {"a": a, "axis": _axis(axis), "dtype": dtype, "keepdims": keepdims}


def _mean(a, axis=NONE, dtype=NONE, out=NONE, keepdims=Const(False), *, where=NONE):
    return _reduction(a, axis, dtype, out, keepdims, where=where)


def _spread(a, axis=NONE, dtype=NONE, out=NONE, ddof=Const(0), keepdims=Const(False), **options):
    if options or _is_given(out):
        return None
    return {"a": a, "axis": _axis(axis), "dtype": dtype, "ddof": ddof, "keepdims": keepdims}


def _extremum(a, axis=NONE, out=NONE, keepdims=Const(False), initial=NONE, where=NONE):
    return _reduction(a, axis, NONE, out, keepdims, initial, where)


def _enter_reductions() -> None:
    readings = {
        _reduction: "sum prod",
        _mean: "mean",
        _spread: "var std",
        _extremum: "max min any all",
    }
    for read, names in readings.items():
        for name in names.split():
            fn = getattr(jnp, name)
            _same(read, fn, *_of(jnp, {"max": "amax", "min": "amin"}.get(name, name)))
            _names(fn, "a", "axis", "dtype", "keepdims")
            _METHODS[name] = _Callee(name, fn, read)


_enter_reductions()
_declare_all(jnp, "sort argsort median quantile clip argmax argmin diagonal trace")
_declare_all(jnp.linalg, "norm det slogdet qr svd eigh")
_declare_all(jax.nn, "softmax log_softmax logsumexp standardize")


def _enter_plain_methods() -> None:
    """Enter the methods whose parameters are those of the function of the same name."""
    for name in ("sort", "argsort", "argmax", "argmin", "diagonal", "trace", "repeat"):
        fn = getattr(jnp, name)
        _METHODS[name] = _Callee(name, fn, _CALLEES[identity(fn)].read)


_enter_plain_methods()

# ---- sequences ----------------------------------------------------------------------------------


def _cumulative(a, axis=NONE, dtype=NONE, out=NONE, *, reverse=Const(False)):
    if _is_given(out) or _is_given(dtype):
        return None
    return {"a": a, "axis": axis, "reverse": reverse}


def _cumulative_lax(operand, axis=Const(0), reverse=Const(False)):
    return _cumulative(operand, axis, reverse=reverse)


def _cumulative_api(x, /, *, axis=NONE, dtype=NONE, include_initial=Const(False)):
    return _cumulative(x, axis, dtype) if include_initial == Const(False) else None


def _enter_cumulative() -> None:
    for name, api in (("cumsum", "cumulative_sum"), ("cumprod", "cumulative_prod")):
        fn = getattr(jnp, name)
        _same(_cumulative, fn, getattr(np, name))
        _names(fn, "a", "axis", "reverse")
        _method(fn, name)(_cumulative)
        _spelled(fn, getattr(lax, name))(_cumulative_lax)
        _spelled(fn, *_of(jnp, api))(_cumulative_api)


_enter_cumulative()


def _diff(a, n=Const(1), axis=Const(-1), prepend=NONE, append=NONE):
    return {"a": a, "n": n, "axis": axis, "prepend": prepend, "append": append}


_same(_diff, jnp.diff)

# ---- linear algebra -----------------------------------------------------------------------------


def _matmul(a, b, *, precision=NONE, preferred_element_type=NONE, out_sharding=NONE):
    return {"a": a, "b": b}


_same(_matmul, jnp.matmul, operator.matmul, operator.imatmul, np.matmul)
_same(_matmul, jnp.dot, np.dot)
_same(_matmul, jnp.inner)
_method(jnp.dot, "dot")(_matmul)


@_spelled(jnp.matmul, *_of(jnp.linalg, "matmul"))
def _matmul_linalg(x1, x2, /, *, precision=NONE, preferred_element_type=NONE):
    return {"a": x1, "b": x2}


@_spelled(jnp.matmul, lax.batch_matmul)
def _batch_matmul(lhs, rhs, precision=NONE):
    return {"a": lhs, "b": rhs}


@_spelled(jnp.dot, lax.dot)
def _dot_lax(lhs, rhs, *, dimension_numbers=NONE, precision=NONE, preferred_element_type=NONE, out_sharding=NONE):  # fmt: skip
    return None if _is_given(dimension_numbers) else {"a": lhs, "b": rhs}


def _enter_products() -> None:
    for fn in (jnp.matmul, jnp.dot, jnp.inner):
        _names(fn, "a", "b")
    for fn in _of(jnp, "matvec", "vecmat"):
        _same(_matrix_vector, fn)


def _matrix_vector(x1, x2, /):
    return {"x1": x1, "x2": x2}


_enter_products()


def _tensordot(a, b, axes=Const(2), *, precision=NONE, preferred_element_type=NONE, out_sharding=NONE):  # fmt: skip
    return {"a": a, "b": b, "axes": _axis(axes)}


_same(_tensordot, jnp.tensordot, *_of(jnp.linalg, "tensordot"))
_names(jnp.tensordot, "a", "b", "axes")


def _einsum(subscripts, *operands, optimize=NONE, precision=NONE, preferred_element_type=NONE, out_sharding=NONE):  # fmt: skip
    if not 1 <= len(operands) <= 2:
        return None
    first, second = (*operands, NONE)[:2]
    return {"subscripts": subscripts, "a": first, "b": second}


_same(_einsum, jnp.einsum)
_names(jnp.einsum, "subscripts", "a", "b")
_declare_all(jnp.linalg, "solve inv cholesky")


@_spelled(jnp.linalg.inv, jax.scipy.linalg.inv)
def _inv(a, overwrite_a=NONE, check_finite=NONE):
    return {"a": a}


_declare_all(jax.scipy.linalg, "solve solve_triangular cho_solve lu_solve expm")
_declare_all(jnp.fft, "fft ifft fft2 ifft2 fftn ifftn rfft irfft fftshift ifftshift")
_declare_all(jnp, "vdot vecdot kron outer convolve cross triu tril")

__all__ = ["Call", "call_of", "canonical", "declare", "find", "identity", "key_of", "parameters_of"]
