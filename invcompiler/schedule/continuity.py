"""Where a function jumps: comparisons, roundings, casts to integers, choices that depend on the unknown.

A residual or a system with jumps may have several solutions that all look right where they are found.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Const,
    Equation,
    Function,
    Loop,
    Opaque,
    Ref,
    Var,
)
from invcompiler.ir.walk import leaves, operands
from invcompiler.rules.canonical import Call, canonical, key_of

_NAMES = (
    "floor ceil round rint trunc fix sign remainder mod fmod floor_divide divmod heaviside signbit "
    "less less_equal greater greater_equal equal not_equal logical_and logical_or logical_not logical_xor "
    "argmax argmin argsort digitize searchsorted nonzero count_nonzero isnan isfinite isinf isclose bincount unique"
).split()
_FUNCTIONS = [getattr(jnp, name) for name in _NAMES if hasattr(jnp, name)]
_FUNCTIONS += [jax.nn.one_hot, lax.floor, lax.ceil, lax.round, lax.sign, lax.rem]


@cache
def _jumps_by_id() -> frozenset[int]:
    return frozenset(id(key_of(fn)) for fn in _FUNCTIONS)


def first_jump(function: Function) -> Equation | None:
    """Return the first equation at which the result may jump as the first parameter moves, or None."""
    return _in_block(function.body, {function.params[0].var})


def _in_block(block: Block, tainted: set[Var]) -> Equation | None:
    for equation in block.equations:
        if not any(var in tainted for var in operands(equation)):
            continue
        if _jumps(equation, tainted):
            return equation
        tainted.update(equation.outs)
        if isinstance(equation, Loop | Branch):
            for inner in _blocks(equation):
                found = _in_block(inner, tainted | set(inner.params))
                if found is not None:
                    return found
    return None


def _blocks(equation: Loop | Branch) -> Iterable[Block]:
    return (equation.body,) if isinstance(equation, Loop) else equation.blocks


def _jumps(equation: Equation, tainted: set[Var]) -> bool:
    match equation:
        case Branch(predicate=predicate):
            return any(var in tainted for var in leaves(predicate))
        case Opaque():
            return True
        case Apply():
            call = canonical(equation)
            if call is None:
                fn = equation.fn.value if isinstance(equation.fn, Ref) else None
                return callable(fn) and id(key_of(fn)) in _jumps_by_id()
            if call.fn in (jnp.asarray, jnp.astype):
                return not is_floating(call)
            return id(call.fn) in _jumps_by_id()
        case _:
            return False


def is_floating(call: Call) -> bool:
    """Whether a cast is one to a floating dtype, or to none in particular."""
    dtype = call.arguments.get("dtype", Const(None))
    if dtype == Const(None):
        return True
    value = getattr(dtype, "value", None)
    try:
        return value is not None and np.issubdtype(jnp.dtype(value), np.inexact)
    except TypeError:
        return False


__all__ = ["first_jump", "is_floating"]
