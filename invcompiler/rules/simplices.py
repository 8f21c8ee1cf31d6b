"""Formulas for what is not one call with one unknown operand: normalised vectors, sticks that are broken, products with a transpose.

A formula is a template like those of a rule (`rules/registry.py`), but its parameters are operands that the scheduler names, all of
which are known. `log_term` is log |dy/dx| for the elements of what is solved, between coordinates that are free: of a vector
that is normalised those are all elements but one, and which one is left out does not matter, as `log_term` of the element that is
completed makes up for the choice. It may name `x`, which is the value that was solved for.
"""

# fmt: off

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg
from jax import lax


class Formula:
    """How to compute a value from others that are known, and what that adds to the log-determinant. Its docstring names it.

    `log_term` has one number for each index of the axes before the last `core` ones.
    """

    solve: Any
    log_term: Any = None
    core: int = 0


# ---- normalised vectors, of which one element (`anchor`, where the output is `y_at`) is known before -------------------

class softmax_undone(Formula):                                  # y_i = e^x_i / sum_k e^x_k; the free coordinates' det is prod(y)
    "the softmax, up to a known element"
    def solve(y, y_at, anchor):     return jnp.log(y) - jnp.log(y_at) + anchor
    def log_term(y):                return jnp.log(y)

class softmax_undone_at_zero(Formula):
    "the softmax, up to an element that is 0"
    def solve(y, y_at):             return jnp.log(y) - jnp.log(y_at)
    def log_term(y):                return jnp.log(y)

class log_softmax_undone(Formula):                              # the det is that of the element that is left out: log_term of `log_rest`
    "the log-softmax, up to a known element"
    def solve(y, y_at, anchor):     return y - y_at + anchor
    def log_term():                 return 0.0

class log_softmax_undone_at_zero(Formula):
    "the log-softmax, up to an element that is 0"
    def solve(y, y_at):             return y - y_at
    def log_term():                 return 0.0

# y_i = x_i / s with s = sum(x): n free coordinates have the det s^-n x_a / s, and s = x_a / y_a
class proportions_undone(Formula):
    "the proportions, up to a known element"
    def solve(y, y_at, anchor):     return y * (anchor / y_at)
    def log_term(y, y_at, anchor, axis):
        n = y.shape[axis] - 1
        return (n + 1) * jnp.log(jnp.abs(y_at)) - n * jnp.log(jnp.abs(anchor))

class direction_undone(Formula):                                # y_i = x_i / |x|: of rows of unit length
    "the direction, up to a known element"
    def solve(y, y_at, anchor):     return y * (anchor / y_at)

class unit_diagonal_undone(Formula):                            # rows of a matrix that had ones on its diagonal
    "the rows' factors, which stand where ones were"
    def solve(y):                   return y / jnp.diagonal(y, axis1=-2, axis2=-1)[..., None]

# y_ij = x_ij / s_i with s_i = sqrt(1 + |x_i|^2) = 1 / y_ii, row i with i free numbers: the det is s^-i (1 - sum_j<i y_ij^2) = y_ii^(i + 2)
class unit_rows_of_triangle_undone(Formula):
    "the rows' lengths, which stand where ones were"
    core = 2
    def solve(y):                   return y / jnp.diagonal(y, axis1=-2, axis2=-1)[..., None]
    def log_term(y):
        free = jnp.arange(y.shape[-1]) + 2
        return jnp.sum(free * jnp.log(jnp.diagonal(y, axis1=-2, axis2=-1)), axis=-1)

# ---- the element that the others leave -----------------------------------------------------------------------------

class rest_of_one(Formula):
    "what is left of 1"
    def solve(others, axis):        return 1 - jnp.sum(others, axis=axis, keepdims=True)
    def log_term():                 return 0.0

class log_rest_of_one(Formula):
    "the logarithm of what is left of 1"
    def solve(others, axis):        return jnp.log1p(-jnp.sum(jnp.exp(others), axis=axis, keepdims=True))
    def log_term(x):                return x

# ---- a part of a normalised vector, the rest of which adds a known number to its sum ---------------------------------

# y = x / (c + sum(x)), so 1 - sum(y) = c / (c + sum(x)); the det is (c + sum(x))^-n (1 - sum(y))
class share_undone(Formula):
    "the shares of a sum with a known term"
    def solve(y, c, axis):          return c * y / (1 - jnp.sum(y, axis=axis, keepdims=True))
    def log_term(y, c, axis):
        n, rest = y.shape[axis], jnp.log1p(-jnp.sum(y, axis=axis, keepdims=True))
        return (n + 1) * rest - n * jnp.log(jnp.abs(c))

# y = x - log(c + sum(e^x)), so 1 - sum(e^y) = c / (c + sum(e^x)), which is the det
class log_share_undone(Formula):
    "the logarithms of shares of a sum with a known term"
    def solve(y, c, axis):
        return y - jnp.log1p(-jnp.sum(jnp.exp(y), axis=axis, keepdims=True)) + jnp.log(c)
    def log_term(y, axis):          return jnp.log1p(-jnp.sum(jnp.exp(y), axis=axis, keepdims=True))

# y = e^x / (c + sum(e^x)): x at once, since e^x may overflow
class exp_share_undone(Formula):
    "the shares of a sum of exponentials and a known term"
    def solve(y, c, axis):
        return jnp.log(y) - jnp.log1p(-jnp.sum(y, axis=axis, keepdims=True)) + jnp.log(c)
    def log_term(y, axis):
        rest = jnp.log1p(-jnp.sum(y, axis=axis, keepdims=True))
        return jnp.sum(jnp.log(y), axis=axis, keepdims=True) + rest

# ---- sticks that are broken: y_k = z_k R_k with R_k = prod_{j<k} (1 - z_j), so that R_{k+1} = R_k - y_k ------------------

# With the last piece, y_n = R_n, what is left is a sum from the end, which cancels nothing.
class stick_undone(Formula):
    "the rule for a stick that is broken"
    def solve(y, axis):             return y[..., :-1] / lax.cumsum(y, axis=axis, reverse=True)[..., :-1]
    def log_term(y, axis):          return jnp.log(lax.cumsum(y, axis=axis, reverse=True)[..., :-1])

class logistic_stick_undone(Formula):                  # z = sigmoid(x), and z / (1 - z) = y_k / R_{k+1}
    "the rule for a stick that is broken at sigmoids"
    def solve(y, axis):
        rest = lax.cumsum(y, axis=axis, reverse=True)
        return jnp.log(y[..., :-1]) - jnp.log(rest[..., 1:])
    def log_term(y, axis):
        log_rest = jnp.log(lax.cumsum(y, axis=axis, reverse=True))
        return jnp.log(y[..., :-1]) + log_rest[..., 1:] - log_rest[..., :-1]

class stick_undone_along(Formula):                     # an axis that is not the last
    "the rule for a stick that is broken"
    def solve(y, axis):
        rest = lax.cumsum(y, axis=axis, reverse=True)
        return lax.slice_in_dim(y, 0, -1, axis=axis) / lax.slice_in_dim(rest, 0, -1, axis=axis)
    def log_term(y, axis):
        rest = lax.cumsum(y, axis=axis, reverse=True)
        return jnp.log(lax.slice_in_dim(rest, 0, -1, axis=axis))

class open_stick_undone(Formula):                               # without the last piece
    "the rule for a stick that is broken, but for its last piece"
    def solve(y, axis):             return y / (1 - jnp.cumsum(y, axis=axis) + y)
    def log_term(y, axis):          return jnp.log(1 - jnp.cumsum(y, axis=axis) + y)

class open_logistic_stick_undone(Formula):
    "the rule for a stick that is broken at sigmoids, but for its last piece"
    def solve(y, axis):             return jnp.log(y) - jnp.log(1 - jnp.cumsum(y, axis=axis))
    def log_term(y, axis):
        rest = 1 - jnp.cumsum(y, axis=axis)
        return jnp.log(y) + jnp.log(rest) - jnp.log(rest + y)

# ---- the same of squares: y_k = z_k sqrt(R_k) with R_k = prod_{j<k} (1 - z_j^2), so that R_{k+1} = R_k - y_k^2 ------------

class signed_stick_undone(Formula):
    "the rule for squares that break a stick"
    def solve(y, axis):             return y / jnp.sqrt(1 - jnp.cumsum(y**2, axis=axis) + y**2)
    def log_term(y, axis):          return jnp.log(1 - jnp.cumsum(y**2, axis=axis) + y**2) / 2

# Rows of a Cholesky factor of correlations: on the diagonal z = 1 takes what is left, and beyond there is nothing to divide.
class unit_rows_undone(Formula):
    "the rule for rows of length 1"
    def solve(y, axis):
        rest = lax.cumsum(y**2, axis=axis, reverse=True)
        return y / jnp.sqrt(jnp.where(rest > 0, rest, 1))
    def log_term(y, axis):
        rest = lax.cumsum(y**2, axis=axis, reverse=True)
        return jnp.tril(jnp.log(jnp.where(rest > 0, rest, 1)) / 2, -1)

# ---- products of a triangular matrix ---------------------------------------------------------------------------------

# S = L L^T: the det of the triangles is 2^n prod L_jj^(n - j), j < n (rules/linear.py: cholesky)
class gram_undone(Formula):                                     # l @ l.T
    "the Cholesky factor, as the factor is lower triangular with a positive diagonal"
    core = 2
    def solve(y):                   return jnp.linalg.cholesky(y)
    def log_term(x):
        n, diagonal = x.shape[-1], jnp.diagonal(x, axis1=-2, axis2=-1)
        return n * math.log(2) + jnp.sum(jnp.arange(n, 0, -1) * jnp.log(diagonal), axis=-1)

class upper_gram_undone(Formula):                               # u.T @ u
    "the Cholesky factor, as the factor is upper triangular with a positive diagonal"
    core = 2
    def solve(y):                   return jnp.linalg.cholesky(y).mT
    def log_term(x):
        n, diagonal = x.shape[-1], jnp.diagonal(x, axis1=-2, axis2=-1)
        return n * math.log(2) + jnp.sum(jnp.arange(n, 0, -1) * jnp.log(diagonal), axis=-1)

# Of unit rows, what is below the diagonals is free: dS_ij = ... + L_jj dL_ij for i > j, which n - 1 - j rows have
class gram_of_unit_rows_undone(Formula):
    "the Cholesky factor, as the factor is lower triangular with a positive diagonal and rows of length 1"
    core = 2
    def solve(y):                   return jnp.linalg.cholesky(y)
    def log_term(x):
        n, diagonal = x.shape[-1], jnp.diagonal(x, axis1=-2, axis2=-1)
        return jnp.sum(jnp.arange(n - 1, -1, -1) * jnp.log(diagonal), axis=-1)

# ---- matrices of which a triangle is known: the rest adds nothing to the log-determinant -----------------------------

class placed(Formula):
    "its known elements, among zeros"
    def solve(part, index, shape):  return jnp.zeros(shape, part.dtype).at[index].set(part)
    def log_term():                 return 0.0

class mirrored_below(Formula):
    "the triangle below the diagonal, mirrored"
    def solve(part):                return part + jnp.tril(part, -1).mT
    def log_term():                 return 0.0

class mirrored_above(Formula):
    "the triangle above the diagonal, mirrored"
    def solve(part):                return part + jnp.triu(part, 1).mT
    def log_term():                 return 0.0

class mirrored_around_ones(Formula):
    "one triangle mirrored, and ones between, as the rows of the factor have length 1"
    def solve(part):
        return part + part.mT + jnp.eye(part.shape[-1], dtype=part.dtype)
    def log_term():                 return 0.0

class unit_rows_completed(Formula):
    "the diagonal that makes the rows' lengths 1"
    def solve(part):
        diagonal = jnp.sqrt(1 - jnp.sum(part**2, axis=-1, keepdims=True))
        return part + diagonal * jnp.eye(part.shape[-1], dtype=part.dtype)
    def log_term():                 return 0.0

class lower_solve_undone(Formula):                              # t^-1 b: only the triangle is read, and t is zero elsewhere
    "the rule for a lower triangular matrix"
    def solve(y, b):                return jnp.tril(jnp.linalg.solve(y.mT, b.mT).mT)

class upper_solve_undone(Formula):
    "the rule for an upper triangular matrix"
    def solve(y, b):                return jnp.triu(jnp.linalg.solve(y.mT, b.mT).mT)

class lower_inverse_undone(Formula):
    "the rule for the inverse of a lower triangular matrix"
    def solve(y, b):                return jax.scipy.linalg.solve_triangular(y, b, lower=True)

class upper_inverse_undone(Formula):
    "the rule for the inverse of an upper triangular matrix"
    def solve(y, b):                return jax.scipy.linalg.solve_triangular(y, b)

class scales_of_unit_rows(Formula):                             # (l + eye(n)) * s[:, None]
    "the diagonal, which is that of the rows' scales"
    def solve(y):                   return jnp.diagonal(y, axis1=-2, axis2=-1)
