"""Inverses of the identity plus a product of two narrow matrices, and of sums of matrices.

(1 + a b)^-1 = 1 - a (1 + b a)^-1 b, and det(1 + a b) = det(1 + b a): the Woodbury identity and the matrix determinant lemma, for
instance in Golub and Van Loan, Matrix Computations, 4th ed., section 2.1.4. The matrix 1 + b a is as small as b is narrow.
"""

# fmt: off

from __future__ import annotations

import jax.numpy as jnp


def plus_identity(m):        return m + jnp.eye(m.shape[-1], dtype=m.dtype)

def plus_multiple_of_identity(m, d):
    return m + d * jnp.eye(m.shape[-1], dtype=m.dtype)

# ---- y = x + a (b x): columns, with small = 1 + b a ------------------------------------------------------

def columns(y, a, b, small):
    t = jnp.linalg.solve(small, b @ y)
    return y - a @ t

# ---- y = x + (x b) a: rows, with small = 1 + a b --------------------------------------------------------

def rows(y, a, b, small):                              # of one matrix
    t = jnp.linalg.solve(small.T, (y @ b).T).T
    return y - t @ a

def rows_of_stack(y, a, b, small):                     # with any axes before the last; one factorisation
    t = y @ b
    t = jnp.linalg.solve(small.T, t.reshape(-1, t.shape[-1]).T).T.reshape(t.shape)
    return y - t @ a

def rows_with_own_matrix(y, a, b, small):              # a stack of small matrices, one for each row
    t = jnp.linalg.solve(small.mT, (y @ b)[..., None])
    return y - (t.mT @ a)[..., 0, :]

# ---- y = m x, y = x m --------------------------------------------------------------------------------------

def solved_columns(y, m):        return jnp.linalg.solve(m, y)
def solved_rows(y, m):           return jnp.linalg.solve(m.T, y.T).T
def solved_rows_of_stack(y, m):
    return jnp.linalg.solve(m.T, y.reshape(-1, m.shape[0]).T).T.reshape(y.shape)

def log_abs_det(m):          return jnp.linalg.slogdet(m)[1]
