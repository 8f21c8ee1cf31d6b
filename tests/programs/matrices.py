"""Matrices with a structure: triangles filled from vectors, sums of bands, Cholesky factors, correlations."""

import jax
import jax.numpy as jnp
import jax.scipy.linalg

from tests.programs.registry import program
from tests.programs.samples import real

V = real(6)
V3 = real(3)
M = real(3, 3)
S = M @ M.T + jnp.eye(3)
SQUARE = "returns a matrix of fewer free numbers"


@program(V, example=V, no_ildj=SQUARE)
def triangle_with_positive_diagonal(v):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3)].set(v)
    return jnp.tril(l, -1) + jnp.diag(jax.nn.softplus(jnp.diag(l)))


@program(V, example=V)
def triangle_as_a_vector(v):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3)].set(v)
    l = jnp.where(jnp.eye(3, dtype=bool), jnp.exp(l), 2 * l)
    return l[jnp.tril_indices(3)]


@program(M)
def sum_of_bands(a):
    return jnp.triu(jnp.tanh(a), 1) + jnp.diag(jnp.exp(jnp.diag(a))) + jnp.tril(a, -1)


@program(real(2, 3, 3), example=real(2, 3, 3))
def sum_of_bands_of_a_stack(a):
    d = jnp.diagonal(a, axis1=-2, axis2=-1)
    return jnp.tril(a, -1) + jnp.exp(d)[..., None] * jnp.eye(3) + jnp.triu(3 * a, 1)


@program(V3, V3 + 1, argnums=(0, 1), example=(V3, V3), no_ildj=SQUARE)
def triangle_of_two_vectors(low, d):
    return jnp.zeros((3, 3)).at[jnp.tril_indices(3, -1)].set(low) + jnp.diag(jnp.exp(d))


@program(V, example=V, no_ildj=SQUARE)
def scaled_unit_triangle(x):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3, -1)].set(x[:3]) + jnp.eye(3)
    return l * jax.nn.softplus(x[3:])[:, None]


@program(V3, example=V3, no_ildj=SQUARE)
def filled_diagonal(d):
    return jnp.fill_diagonal(jnp.ones((3, 3)), jnp.exp(d), inplace=False)


@program(V3, example=V3, no_ildj=SQUARE)
def antisymmetric(v):
    a = jnp.zeros((3, 3)).at[jnp.triu_indices(3, 1)].set(v)
    return a - a.T


@program(V, example=V, no_ildj=SQUARE)
def covariance(v):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3)].set(v)
    i = jnp.arange(3)
    l = l.at[i, i].set(jnp.exp(l[i, i]))
    return l @ l.T


@program(V, example=V, no_ildj=SQUARE)
def covariance_by_einsum(x):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3, -1)].set(x[:3]) + jnp.eye(3) * jnp.exp(x[3:])
    return jnp.einsum("ij,kj->ik", l, l)


@program(V, example=V, no_ildj=SQUARE)
def covariance_of_an_upper_triangle(v):
    u = jnp.zeros((3, 3)).at[jnp.triu_indices(3)].set(v)
    u = jnp.triu(u, 1) + jnp.diag(jnp.exp(jnp.diag(u)))
    return u.T @ u


@program(V3, example=V3, no_ildj=SQUARE)
def correlation_factor(x):
    r = jnp.zeros((3, 3)).at[jnp.tril_indices(3, -1)].set(jnp.tanh(x))
    left = jnp.sqrt(jnp.cumprod(1 - r**2, axis=-1))
    before = jnp.pad(left[..., :-1], ((0, 0), (1, 0)), constant_values=1.0)
    return (r + jnp.identity(3)) * before


@program(V3, example=V3, no_ildj=SQUARE)
def correlations(x):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3, -1)].set(x) + jnp.eye(3)
    l = l / jnp.linalg.norm(l, axis=-1, keepdims=True)
    return l @ l.T


@program(V, example=V, no_ildj=SQUARE)
def inverse_of_a_triangle(v):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3)].set(v)
    return jax.scipy.linalg.solve_triangular(l, jnp.eye(3), lower=True)


@program(V, S, example=V, no_ildj=SQUARE)
def solve_with_an_unknown_triangle(v, b):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3)].set(v)
    return jax.scipy.linalg.solve_triangular(l, b, lower=True)


# ---- a triangle of a matrix that determines the rest of it ------------------------------------------------------


@program(V)
def covariance_as_a_vector(v):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3)].set(v)
    l = jnp.tril(l, -1) + jnp.diag(jnp.exp(jnp.diag(l)))
    return (l @ l.T)[jnp.tril_indices(3)]


@program(V)
def upper_covariance_as_a_vector(v):
    u = jnp.zeros((3, 3)).at[jnp.triu_indices(3)].set(v)
    u = jnp.where(jnp.eye(3, dtype=bool), jax.nn.softplus(u), u)
    return (u.T @ u)[jnp.triu_indices(3)]


@program(V3)
def correlation_factor_as_a_vector(x):
    l = jnp.eye(3).at[jnp.tril_indices(3, -1)].set(x)
    l = l / jnp.linalg.norm(l, axis=-1, keepdims=True)
    return l[jnp.tril_indices(3, -1)]


@program(V3)
def correlations_as_a_vector(x):
    l = jnp.eye(3).at[jnp.tril_indices(3, -1)].set(x)
    l = l / jnp.linalg.norm(l, axis=-1, keepdims=True)
    return (l @ l.T)[jnp.tril_indices(3, -1)]


@program(real(6))
def correlations_by_partial_ones(x):
    r = jnp.zeros((4, 4)).at[jnp.tril_indices(4, -1)].set(jnp.tanh(x))
    left = jnp.sqrt(jnp.cumprod(1 - r**2, axis=-1))
    l = (r + jnp.identity(4)) * jnp.pad(left[:, :-1], ((0, 0), (1, 0)), constant_values=1.0)
    return (l @ l.T)[jnp.tril_indices(4, -1)]
