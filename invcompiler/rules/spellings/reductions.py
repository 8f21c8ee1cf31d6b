"""Spellings of reductions, which have no inverse but are affine, or have values that lie somewhere."""

# ruff: noqa: B008 -- the defaults of readings are constants

from __future__ import annotations

import jax
import jax.numpy as jnp

from invcompiler.ir.nodes import Const
from invcompiler.rules.canonical import (
    CALLEES,
    METHODS,
    NONE,
    Callee,
    Reading,
    axis_tree,
    declare_all,
    identity,
    is_given,
    name_arguments,
    named,
    same,
)


def _reduction(a, axis=NONE, dtype=NONE, out=NONE, keepdims=Const(False), initial=NONE, where=NONE):
    if any(map(is_given, (out, initial, where))):
        return None
    return {"a": a, "axis": axis_tree(axis), "dtype": dtype, "keepdims": keepdims}


def _mean(a, axis=NONE, dtype=NONE, out=NONE, keepdims=Const(False), *, where=NONE):
    return _reduction(a, axis, dtype, out, keepdims, where=where)


def _spread(a, axis=NONE, dtype=NONE, out=NONE, ddof=Const(0), keepdims=Const(False), **options):
    if options or is_given(out):
        return None
    return {"a": a, "axis": axis_tree(axis), "dtype": dtype, "ddof": ddof, "keepdims": keepdims}


def _extremum(a, axis=NONE, out=NONE, keepdims=Const(False), initial=NONE, where=NONE):
    return _reduction(a, axis, NONE, out, keepdims, initial, where)


def _enter_reductions() -> None:
    readings: dict[Reading, str] = {
        _reduction: "sum prod",
        _mean: "mean",
        _spread: "var std",
        _extremum: "max min any all",
    }
    for read, names in readings.items():
        for name in names.split():
            fn = getattr(jnp, name)
            same(read, fn, *named(jnp, {"max": "amax", "min": "amin"}.get(name, name)))
            name_arguments(fn, "a", "axis", "dtype", "keepdims")
            METHODS[name] = Callee(name, fn, read)


_enter_reductions()
declare_all(jnp, "sort argsort median quantile clip argmax argmin diagonal trace")
declare_all(jnp.linalg, "norm det slogdet qr svd eigh")
declare_all(jax.nn, "softmax log_softmax logsumexp standardize")


def _enter_plain_methods() -> None:
    """Enter the methods whose parameters are those of the function of the same name."""
    for name in ("sort", "argsort", "argmax", "argmin", "diagonal", "trace", "repeat"):
        fn = getattr(jnp, name)
        METHODS[name] = Callee(name, fn, CALLEES[identity(fn)].read)


_enter_plain_methods()
