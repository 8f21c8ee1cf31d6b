"""What the laws compare, computed once a program: outputs, generated callables, dense Jacobians."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import invcompiler as inv
from tests.laws.vectors import from_vector, to_vector


@functools.cache
def generated(program, kind):
    """Return `inv.<kind>` of the program."""
    return getattr(inv, kind)(program.function, program.argnums, **program.options)


@functools.cache
def output(program):
    return program.forward(program.unknown)


@functools.cache
def backward(program, kind):
    """Return what the generated `kind` gives at the program's output."""
    return generated(program, kind)(output(program), *program.known, **program.keywords)


def vector_map(program):
    """Return the forward map from the vector of the unknowns to the vector of the output."""
    return lambda v: to_vector(program.forward(from_vector(v, program.unknown)))


@functools.cache
def jacobian(program):
    """Return d(output)/d(unknown), dense, by forward-mode differentiation."""
    x = to_vector(program.unknown)
    if not x.size:
        return np.zeros((to_vector(output(program)).size, 0))
    return np.asarray(jax.jit(jax.jacfwd(vector_map(program)))(x))


@functools.cache
def log_abs_det(program):
    """Return `log |det d(output)/d(unknown)|` from the dense Jacobian."""
    return np.linalg.slogdet(jacobian(program))[1]


def assert_same(actual, expected, tolerance, dtypes=True):
    """Assert equal structure, shapes, dtypes, and values to within `tolerance`, leaf by leaf."""
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for got, wanted in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        _assert_same_array(jnp.asarray(got), jnp.asarray(wanted), tolerance, dtypes)


def _assert_same_array(got, wanted, tolerance, dtypes):
    assert got.shape == wanted.shape
    if dtypes:
        assert got.dtype == wanted.dtype
    if not jnp.issubdtype(wanted.dtype, jnp.inexact):
        tolerance = 0.0
    wide = jnp.complex128 if jnp.iscomplexobj(wanted) else jnp.float64
    got, wanted = (np.asarray(a.astype(wide)) for a in (got, wanted))
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
