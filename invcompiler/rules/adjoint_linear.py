"""Cotangents of products of matrices, and of what normalises a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.ir.nodes import Const, Tree, Var
from invcompiler.rules.adjoint_registry import built_in, emitter, static
from invcompiler.rules.adjoint_structural import LINEAR, summed_to

# ---- products: y = a @ b ----------------------------------------------------------------------------


def _matrices(a, b):
    return (
        jnp.result_type(a) == jnp.result_type(b)
        and 0 not in (jnp.ndim(a), jnp.ndim(b))
        and not (jnp.ndim(a) == 1 and jnp.ndim(b) > 2)
    )


def _small(a, b):
    return _matrices(a, b) and jnp.ndim(b) <= 2


def _vectors(a, b):
    return jnp.result_type(a) == jnp.result_type(b) and jnp.ndim(a) == jnp.ndim(b) == 1


@built_in(jnp.matmul, "a", condition=_matrices, **LINEAR)
@built_in(jnp.dot, "a", condition=_small, **LINEAR)
def _(y_bar, a, b):
    if a.ndim == 1:
        return y_bar * b if b.ndim == 1 else b @ y_bar
    if b.ndim == 1:
        return jnp.expand_dims(y_bar, -1) * b
    if b.ndim == 2:
        return y_bar @ b.T
    return summed_to(y_bar @ b.mT, a.shape)


@built_in(jnp.matmul, "b", condition=_matrices, **LINEAR)
@built_in(jnp.dot, "b", condition=_small, **LINEAR)
def _(y_bar, a, b):
    if b.ndim == 1:
        return weighted_rows(y_bar, a)
    if a.ndim == 1:
        return jnp.outer(a, y_bar)
    if b.ndim == 2 and a.ndim > 2:
        # The first operand is copied, transposed: it should be the smaller one.
        if b.shape[0] > b.shape[1]:
            return jnp.tensordot(y_bar, a, axes_before_last(a.ndim)).T
        return jnp.tensordot(a, y_bar, axes_before_last(a.ndim))
    if b.ndim == 2:
        return a.T @ y_bar
    return summed_to(a.mT @ y_bar, b.shape)


def weighted_rows(weights, rows):
    if rows.ndim == 1:
        return weights * rows
    if rows.ndim == 2:
        return weights @ rows
    return jnp.tensordot(weights, rows, weights.ndim)


@static
def axes_before_last(ndim):
    axes = tuple(range(ndim - 1))
    return axes, axes


@built_in(jnp.inner, "a", condition=_vectors, **LINEAR)
def _(y_bar, b):
    return y_bar * b


@built_in(jnp.inner, "b", condition=_vectors, **LINEAR)
def _(y_bar, a):
    return y_bar * a


# ---- einsum -----------------------------------------------------------------------------------------


def _letters(subscripts: str) -> tuple[str, str, str] | None:
    """Return the letters of both operands and of the output, if they are given one by one."""
    text = subscripts.replace(" ", "")
    if "." in text:
        return None
    inputs, arrow, output = text.partition("->")
    a, comma, b = inputs.partition(",")
    if not comma:
        return None
    if not arrow:
        output = "".join(sorted(c for c in set(a + b) if (a + b).count(c) == 1))
    return a, b, output


def _is_reversible(subscripts: Any, a: Any, b: Any) -> bool:
    """Whether an einsum of the output and one operand gives the cotangent of the other, for both."""
    if not isinstance(subscripts, str) or a is None or b is None:
        return False
    letters = _letters(subscripts)
    if letters is None or jnp.result_type(a) != jnp.result_type(b):
        return False
    ones = [set(word) for word in letters]
    if any(len(one) != len(word) for one, word in zip(ones, letters, strict=True)):
        return False
    sizes = [(c, n) for word, x in zip(letters, (a, b)) for c, n in zip(word, jnp.shape(x))]
    if len({c for c, _ in sizes}) != len(set(sizes)):
        return False  # one of them broadcasts
    return all(mine <= other | ones[2] for mine, other in (ones[:2], ones[1::-1]))


@emitter(jnp.einsum, "a", condition=_is_reversible, **LINEAR)
def _(emit: Any, arguments: Mapping[str, Tree], y: Var, y_bar: Tree) -> Tree:
    a, b, output = _letters(arguments["subscripts"].value)  # type: ignore[misc,union-attr]
    return emit.call(jnp.einsum, Const(f"{output},{b}->{a}"), y_bar, arguments["b"])


@emitter(jnp.einsum, "b", condition=_is_reversible, **LINEAR)
def _(emit: Any, arguments: Mapping[str, Tree], y: Var, y_bar: Tree) -> Tree:
    a, b, output = _letters(arguments["subscripts"].value)  # type: ignore[misc,union-attr]
    return emit.call(jnp.einsum, Const(f"{a},{output}->{b}"), arguments["a"], y_bar)


# ---- rows that are normalised ---------------------------------------------------------------------------


@built_in(jax.nn.softmax, "x", condition=lambda axis, where, **_: where is None)
def _(y_bar, y, axis):
    return y * (y_bar - jnp.sum(y_bar * y, axis=axis, keepdims=True))


@built_in(jax.nn.log_softmax, "x", condition=lambda axis, where, **_: where is None)
def _(y_bar, y, axis):
    return y_bar - jnp.exp(y) * jnp.sum(y_bar, axis=axis, keepdims=True)
