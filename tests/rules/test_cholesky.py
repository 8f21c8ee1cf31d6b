"""Cholesky factors of unknown matrices: symmetric ones, of which the lower triangle is free."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv
from tests.programs.samples import real

pytestmark = pytest.mark.usefixtures("double_precision")

with jax.enable_x64(True):
    M = real(3, 3)
    S = M @ M.T + jnp.eye(3)


def factor(s):
    return jnp.linalg.cholesky(s)


def scaled_factor(s):
    l = jnp.linalg.cholesky(s)
    i = jnp.arange(3)
    return 2 * l.at[i, i].set(jnp.log(l[i, i]))


def upper_factor(s):
    return jnp.linalg.cholesky(s, upper=True).T


def log_abs_det_of_free_elements(f, s):
    rows, columns = jnp.tril_indices(3)

    def of_vector(v):
        lower = jnp.zeros((3, 3)).at[rows, columns].set(v)
        return f(lower + jnp.tril(lower, -1).T)[rows, columns]

    return jnp.linalg.slogdet(jax.jacfwd(of_vector)(s[rows, columns]))[1]


@pytest.mark.parametrize("f", [factor, scaled_factor, upper_factor])
def test_log_det_is_that_of_the_lower_triangle(f):
    s, ildj = inv.inverse_and_ildj(f)(f(S))
    np.testing.assert_allclose(s, S, rtol=1e-12)
    np.testing.assert_allclose(ildj, -log_abs_det_of_free_elements(f, S), rtol=1e-10)
    np.testing.assert_allclose(inv.fldj(f)(S), -ildj, rtol=1e-12)


def test_a_stack_of_matrices_is_summed():
    stack = jnp.stack([S, 2 * S, M.T @ M + 2 * jnp.eye(3)])
    each = jnp.stack([inv.fldj(factor)(s) for s in stack])
    np.testing.assert_allclose(inv.fldj(factor)(stack), each.sum(), rtol=1e-12)
    np.testing.assert_allclose(inv.fldj(factor, batch_ndims=1)(stack), each, rtol=1e-12)


def test_the_inverses_of_a_stack_are_summed():
    def inverse(a):
        return jnp.linalg.inv(a)

    stack = jnp.stack([S, 2 * S])
    each = sum(inv.fldj(inverse)(s) for s in stack)
    np.testing.assert_allclose(inv.fldj(inverse)(stack), each, rtol=1e-12)
