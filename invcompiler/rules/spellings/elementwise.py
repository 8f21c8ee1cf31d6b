"""Spellings of functions of each element: operators, the functions of `jnp`, `lax`, `numpy` and `math`; copies and casts."""

# ruff: noqa: B008 -- the defaults of readings are constants

from __future__ import annotations

import math
import operator
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from invcompiler.ir.nodes import Const, Display, Ref, Star, Tree
from invcompiler.rules.canonical import (
    ATTRIBUTES,
    NONE,
    Call,
    Reading,
    declare,
    enter,
    is_given,
    method,
    name_arguments,
    named,
    same,
    spelled,
)

# ---- elementwise --------------------------------------------------------------------------------


def _unary(x, *, accuracy=NONE):
    return {"x": x}


def _unary_a(a, /):
    return {"a": a}


def _unary_p(p):
    return {"p": p}


def _binary(x1, x2, /):
    return {"x1": x1, "x2": x2}


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
        spellings = [f for module in (jnp, lax, np) for f in named(module, *every)]
        spellings += [
            f for f in named(math, *every) if f not in (math.floor, math.ceil, math.trunc)
        ]
        same(_unary, *spellings)
    same(_unary, jnp.abs, abs, operator.abs)
    same(_unary, jnp.negative, operator.neg)
    same(_unary, jnp.positive, operator.pos)
    same(_unary, jnp.invert, operator.invert)
    same(_unary, jnp.deg2rad, math.radians)
    same(_unary, jnp.rad2deg, math.degrees)
    same(_unary, jnp.tanh, lax.tanh, np.tanh, math.tanh, *named(jax.nn, "tanh"))


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
        "arctan2": (*named(jnp, "atan2"), lax.atan2, math.atan2),
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
        same(_binary, getattr(jnp, name), *spellings, *named(np, name))
    same(_binary, lax.shift_right_logical)
    same(_binary, lax.shift_right_arithmetic)


def _enter_special() -> None:
    special, nn = jax.scipy.special, jax.nn
    for name in ("erf", "erfc", "erfinv", "erfcinv", "erfcx", "ndtr", "logit", "expit"):
        if hasattr(special, name) and name != "expit":
            same(_unary, getattr(special, name))
    same(_unary, special.erf, lax.erf)
    same(_unary, special.erfc, lax.erfc)
    same(_unary, special.erfinv, lax.erf_inv)
    same(_unary_p, special.ndtri)
    same(_unary, special.logit, *named(nn, "logit"))
    same(_unary, nn.sigmoid, special.expit, lax.logistic)
    for name in ("softplus", "log_sigmoid", "soft_sign", "relu", "relu6", "mish", "hard_tanh"):
        same(_unary, getattr(nn, name))
    same(_unary, lax.rsqrt)
    same(_unary, nn.silu, nn.swish)
    for fn in (*named(nn, "log1mexp"), special.entr, special.gammaln, special.digamma):
        same(_unary, fn)
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
@spelled(jnp.power)
def _power(x1, x2, /):
    return _of_two(x1, x2)


enter(jnp.float_power, jnp.float_power, _power)
name_arguments(jnp.float_power, "x1", "x2")


def _weighted_log(x, y):
    return _of_two(x, y)


def _enter_weighted_logs() -> None:
    for fn in (jax.scipy.special.xlogy, jax.scipy.special.xlog1py):
        enter(fn, fn, _weighted_log)
        name_arguments(fn, "x1", "x2")


_enter_weighted_logs()


def _complex(x, y, /):
    return {"real": x, "imag": y}


enter(lax.complex, lax.complex, _complex)
name_arguments(lax.complex, "real", "imag")


# ---- identities and casts -----------------------------------------------------------------------


def _astype(x, dtype, /, *, copy=NONE, device=NONE):
    return {"x": x, "dtype": dtype}


enter(jnp.astype, jnp.astype, _astype)
name_arguments(jnp.astype, "x", "dtype")


@spelled(jnp.astype, lax.convert_element_type)
def _convert(operand, new_dtype):
    return {"x": operand, "dtype": new_dtype}


@method(jnp.astype, "astype")
def _astype_method(x, dtype, copy=NONE, device=NONE):
    return {"x": x, "dtype": dtype}


def _enter_scalar_types() -> None:
    """Enter `jnp.float32(x)` and the like, which are casts."""
    kinds = "float16 bfloat16 float32 float64 complex64 complex128 bool_ int8 int16 int32 int64"
    kinds += " uint8 uint16 uint32 uint64"
    for name in kinds.split():
        cast = getattr(jnp, name)
        enter(cast, jnp.astype, _cast_to(Ref(cast, f"jnp.{name}", jnp)))


def _cast_to(dtype: Ref) -> Reading:
    def read(x, /):
        return {"x": x, "dtype": dtype}

    return read


_enter_scalar_types()


def _array(object, dtype=NONE, copy=NONE, order=NONE, ndmin=Const(0), *, device=NONE):
    if is_given(order) or ndmin != Const(0):
        return None
    if isinstance(object, Display) and object.kind in (list, tuple):
        return _stacked(object, dtype)
    if is_given(dtype):
        return Call(jnp.astype, {"x": object, "dtype": dtype})
    return {"x": object}


def _stacked(display: Display, dtype: Tree) -> Call | None:
    """Return `jnp.array([a, b])` as a stack; of lists in lists, nothing."""
    if any(isinstance(item, Display | Star) for item in display.items) or not display.items:
        return None
    return Call(jnp.stack, {"arrays": display, "axis": Const(0), "out": NONE, "dtype": dtype})


def _asarray(a, dtype=NONE, order=NONE, *, copy=NONE, device=NONE):
    return _array(a, dtype, order=order)


enter(jnp.array, jnp.asarray, _array)
enter(jnp.asarray, jnp.asarray, _asarray)
name_arguments(jnp.asarray, "x")


@spelled(jnp.asarray, jnp.copy, *named(jax.nn, "identity"))
def _same_value(a, order=NONE):
    return {"x": a}


@method(jnp.asarray, "copy", "block_until_ready", "__array__", "to_device")
def _same_value_method(x, *options, order=NONE):
    return {"x": x}


@spelled(jnp.asarray, jax.device_put, lax.with_sharding_constraint, jax.block_until_ready)
def _placed(x, *placement, donate=NONE, src=NONE, may_alias=NONE, shardings=NONE, device=NONE):
    return {"x": x}


@spelled(jnp.asarray, checkpoint_name)
def _named(x, name):
    return {"x": x}


@spelled(jnp.asarray, lax.stop_gradient)
def _stopped(x):
    return {"x": x}


@spelled(jnp.asarray, lax.optimization_barrier)
def _fenced(operand):
    return None if isinstance(operand, Display) else {"x": operand}


@method(jnp.conj, "conj", "conjugate")
def _conj_method(x):
    return {"x": x}


ATTRIBUTES["real"] = lambda x: Call(jnp.real, {"x": x})
ATTRIBUTES["imag"] = lambda x: Call(jnp.imag, {"x": x})
