"""Spellings of running sums and products, and of differences."""

# ruff: noqa: B008 -- the defaults of readings are constants

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Const
from invcompiler.rules.canonical import (
    NONE,
    declare,
    is_given,
    method,
    name_arguments,
    named,
    same,
    spelled,
)


def _cumulative(a, axis=NONE, dtype=NONE, out=NONE, *, reverse=Const(False)):
    if is_given(out) or is_given(dtype):
        return None
    return {"a": a, "axis": axis, "reverse": reverse}


def _cumulative_lax(operand, axis=Const(0), reverse=Const(False)):
    return _cumulative(operand, axis, reverse=reverse)


def _cumulative_api(x, /, *, axis=NONE, dtype=NONE, include_initial=Const(False)):
    return _cumulative(x, axis, dtype) if include_initial == Const(False) else None


def _enter_cumulative() -> None:
    for name, api in (("cumsum", "cumulative_sum"), ("cumprod", "cumulative_prod")):
        fn = getattr(jnp, name)
        same(_cumulative, fn, getattr(np, name))
        name_arguments(fn, "a", "axis", "reverse")
        method(fn, name)(_cumulative)
        spelled(fn, getattr(lax, name))(_cumulative_lax)
        spelled(fn, *named(jnp, api))(_cumulative_api)


_enter_cumulative()


def _diff(a, n=Const(1), axis=Const(-1), prepend=NONE, append=NONE):
    return {"a": a, "n": n, "axis": axis, "prepend": prepend, "append": append}


same(_diff, jnp.diff)

declare(lax.associative_scan)
