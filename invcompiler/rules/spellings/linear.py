"""Spellings of products, solves and transforms."""

# ruff: noqa: B008 -- the defaults of readings are constants

from __future__ import annotations

import operator

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Const
from invcompiler.rules.canonical import (
    NONE,
    Call,
    axis_tree,
    call_of,
    declare_all,
    is_given,
    method,
    name_arguments,
    named,
    same,
    spelled,
)
from invcompiler.rules.subscripts import explicit


def _matmul(a, b, *, precision=NONE, preferred_element_type=NONE, out_sharding=NONE):
    return {"a": a, "b": b}


same(_matmul, jnp.matmul, operator.matmul, operator.imatmul, np.matmul)
same(_matmul, jnp.dot, np.dot)
same(_matmul, jnp.inner)
method(jnp.dot, "dot")(_matmul)


@spelled(jnp.matmul, *named(jnp.linalg, "matmul"))
def _matmul_linalg(x1, x2, /, *, precision=NONE, preferred_element_type=NONE):
    return {"a": x1, "b": x2}


@spelled(jnp.matmul, lax.batch_matmul)
def _batch_matmul(lhs, rhs, precision=NONE):
    return {"a": lhs, "b": rhs}


def _dot_general(lhs, rhs, dimension_numbers, precision=NONE, preferred_element_type=NONE, *, out_sharding=NONE):  # fmt: skip
    return {"a": lhs, "b": rhs, "dimension_numbers": dimension_numbers}


same(_dot_general, lax.dot_general)
name_arguments(lax.dot_general, "a", "b", "dimension_numbers")


@spelled(jnp.dot, lax.dot)
def _dot_lax(lhs, rhs, *, dimension_numbers=NONE, precision=NONE, preferred_element_type=NONE, out_sharding=NONE):  # fmt: skip
    if is_given(dimension_numbers):
        arguments = {"a": lhs, "b": rhs, "dimension_numbers": dimension_numbers}
        return Call(lax.dot_general, arguments)
    return {"a": lhs, "b": rhs}


def _enter_products() -> None:
    for fn in (jnp.matmul, jnp.dot, jnp.inner):
        name_arguments(fn, "a", "b")
    for fn in named(jnp, "matvec", "vecmat"):
        same(_matrix_vector, fn)


def _matrix_vector(x1, x2, /):
    return {"x1": x1, "x2": x2}


_enter_products()


def _tensordot(a, b, axes=Const(2), *, precision=NONE, preferred_element_type=NONE, out_sharding=NONE):  # fmt: skip
    return {"a": a, "b": b, "axes": axis_tree(axes)}


same(_tensordot, jnp.tensordot, *named(jnp.linalg, "tensordot"))
name_arguments(jnp.tensordot, "a", "b", "axes")


def _einsum(subscripts, *operands, optimize=NONE, precision=NONE, preferred_element_type=NONE, out_sharding=NONE):  # fmt: skip
    if not 1 <= len(operands) <= 2:
        return None
    first, second = (*operands, NONE)[:2]
    if is_given(second) and isinstance(subscripts, Const) and isinstance(subscripts.value, str):
        subscripts = Const(explicit(subscripts.value))
    return {"subscripts": subscripts, "a": first, "b": second}


same(_einsum, jnp.einsum)
name_arguments(jnp.einsum, "subscripts", "a", "b")
declare_all(jnp.linalg, "solve inv cholesky eigh svd")


@spelled(jnp.linalg.inv, jax.scipy.linalg.inv)
def _inv(a, overwrite_a=NONE, check_finite=NONE):
    return {"a": a}


@spelled(jnp.linalg.cholesky, jax.scipy.linalg.cholesky)
def _cholesky(a, lower=Const(False), overwrite_a=NONE, check_finite=NONE):
    if not isinstance(lower, Const) or type(lower.value) is not bool:
        return None
    return {"a": a, "upper": Const(not lower.value), "symmetrize_input": Const(True)}


declare_all(jax.scipy.linalg, "solve solve_triangular cho_solve lu_solve expm lu")


def _triangular_solve(a, b, *, left_side=Const(False), lower=Const(False), transpose_a=Const(False), conjugate_a=Const(False), unit_diagonal=Const(False)):  # fmt: skip
    flags = (left_side, lower, transpose_a, conjugate_a, unit_diagonal)
    if not all(flag in (Const(True), Const(False)) for flag in flags) or conjugate_a.value:
        return None
    if left_side.value:
        call = call_of(jax.scipy.linalg.solve_triangular, a, b)
        assert call is not None
        trans = Const(int(transpose_a.value))
        given = {"trans": trans, "lower": lower, "unit_diagonal": unit_diagonal}
        return Call(call.fn, {**call.arguments, **given})
    given = {"a": a, "b": b, "lower": lower, "transpose_a": transpose_a}
    return {**given, "unit_diagonal": unit_diagonal}


same(_triangular_solve, lax.linalg.triangular_solve)
name_arguments(lax.linalg.triangular_solve, "a", "b", "lower", "transpose_a", "unit_diagonal")
declare_all(jnp.fft, "fft ifft fft2 ifft2 fftn ifftn rfft irfft rfftn rfft2 fftshift ifftshift")
declare_all(jnp, "vdot vecdot kron outer convolve cross triu tril eye identity diag fill_diagonal")
