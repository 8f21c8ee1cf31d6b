"""Products and solves with a known square matrix, inverses of matrices, Fourier transforms.

`log_det` is that of `core` trailing axes of the unknown: what it covers is one vector, or one matrix, of a stack. A solve and a
`slogdet` of the same matrix share one factorisation when they are compiled, so they are written apart.
"""

# fmt: off

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.scipy.fft
import jax.scipy.linalg
import numpy as np
from jax import lax

from invcompiler.ir.nodes import Const, Display
from invcompiler.rules.conditions import every, number_value, rank_is, static_value
from invcompiler.rules.registry import Numbers, Refusal, linear
from invcompiler.rules.statics import back, channels_of, cosine_log_det, points, sizes

# ---- conditions --------------------------------------------------------------------------------------

_square_hint = "multiply by a square matrix"

def is_square(name):
    """The condition that a known matrix, or stack of them, is square and not singular, as far as is known."""
    def condition(call, facts):
        shape = facts.shape(call.arguments[name])
        value = number_value(call.arguments[name], facts)
        if value is not None:
            shape = value.shape
        if shape is not None and len(shape) < 2:
            return Refusal(f"`{name}` has {len(shape)} axes: the product sums over all of them",
                           _square_hint)
        if shape is not None and _differ(shape[-2], shape[-1]):
            return Refusal(f"the matrix is {shape[-2]} by {shape[-1]}, and only a square one has an inverse",
                           _square_hint)
        return None if value is None else singular(value)
    return condition

def _differ(a, b):
    return isinstance(a, int) and isinstance(b, int) and a != b

def singular(matrix):
    """Refuse a matrix with a rank that can be seen to be too low."""
    matrix = np.asarray(matrix, complex if matrix.dtype.kind == "c" else float)
    if matrix.size == 0 or not np.isfinite(matrix).all():
        return None
    ranks = np.linalg.matrix_rank(matrix)
    if np.any(ranks < matrix.shape[-1]):
        return Refusal("the matrix is singular", "multiply by a matrix of full rank")
    return None

def rank_at_least(name, rank):
    def condition(call, facts):
        found = facts.rank(call.arguments[name])
        if found is not None and found >= rank:
            return None
        return Refusal(f"`{name}` is not known to have {rank} axes or more")
    return condition

def rank_known(name, *ranks):
    """The condition that an argument is known to have one of these ranks."""
    def condition(call, facts):
        found = facts.rank(call.arguments[name])
        return None if found in ranks else Refusal(f"`{name}` is not known to have {ranks} axes")
    return condition

# ---- products: y = x a, of row vectors -----------------------------------------------------------------

@linear(jnp.matmul, jnp.dot, argument="a", core=1)
class row_times_matrix:                                # of one row, or of the rows of one matrix
    condition = every(is_square("b"), rank_is("b", 2), rank_known("a", 1, 2))
    def inverse(y, b):          return jnp.linalg.solve(b.T, y.T).T
    def log_det(b):             return jnp.linalg.slogdet(b.T)[1]

@linear(jnp.matmul, jnp.dot, argument="a", core=1)
class rows_times_matrix:                               # with any axes before the last; one factorisation
    condition = every(is_square("b"), rank_is("b", 2))
    def inverse(y, b):
        rows = y.reshape(-1, b.shape[0])
        return jnp.linalg.solve(b.T, rows.T).T.reshape(y.shape)
    def log_det(b):             return jnp.linalg.slogdet(b.T)[1]

@linear(jnp.matmul, argument="a", core=2)
class rows_times_matrices:                             # a stack of matrices
    condition = every(is_square("b"), rank_at_least("b", 3), rank_at_least("a", 2))
    def inverse(y, b):          return jnp.linalg.solve(b.mT, y.mT).mT
    def log_det(a, b):          return a.shape[-2] * jnp.linalg.slogdet(b.mT)[1]

# ---- products: y = a x, of column vectors ---------------------------------------------------------------

@linear(jnp.matmul, jnp.dot, argument="b", core=1)
class matrix_times_vector:
    condition = every(is_square("a"), rank_is("a", 2), rank_known("b", 1))
    def inverse(y, a):          return jnp.linalg.solve(a, y)
    def log_det(a):             return jnp.linalg.slogdet(a)[1]

@linear(jnp.matmul, argument="b", core=2)
class matrix_times_columns:
    condition = every(is_square("a"), rank_at_least("b", 2))
    def inverse(y, a):          return jnp.linalg.solve(a, y)
    def log_det(a, b):          return b.shape[-1] * jnp.linalg.slogdet(a)[1]

@linear(jnp.dot, argument="b", core=2)
class matrix_dot_matrix:
    condition = every(is_square("a"), rank_is("a", 2), rank_known("b", 2))
    def inverse(y, a):          return jnp.linalg.solve(a, y)
    def log_det(a, b):          return b.shape[-1] * jnp.linalg.slogdet(a)[1]

@linear(jnp.matmul, argument="b", core=None)
class matrix_times:                                    # a vector or columns: the rank is not known yet
    condition = every(is_square("a"), rank_known("a", 2))
    def inverse(y, a):          return jnp.linalg.solve(a, y)
    def log_det(a, b):          return b.size // a.shape[0] * jnp.linalg.slogdet(a)[1]

@linear(jnp.matmul, argument="b", core=None)
class matrices_times:                                  # perhaps a stack of matrices
    condition = is_square("a")
    def inverse(y, a):          return jnp.linalg.solve(a, y)
    def log_det(a, b):
        return b.size * a.shape[-1] // a.size * jnp.sum(jnp.linalg.slogdet(a)[1])

@linear(jnp.dot, argument="b", core=None)
class matrix_dot:
    condition = every(is_square("a"), rank_is("a", 2), rank_is("b", 1))
    def inverse(y, a):          return jnp.linalg.solve(a, y)
    def log_det(a, b):          return b.size // a.shape[0] * jnp.linalg.slogdet(a)[1]

# ---- other products ------------------------------------------------------------------------------------

@linear(jnp.inner, argument="a", core=1)
class row_inner_matrix:                                # y = x b^T
    condition = every(is_square("b"), rank_is("b", 2))
    def inverse(y, b):
        return jnp.linalg.solve(b, y.reshape(-1, b.shape[0]).T).T.reshape(y.shape)
    def log_det(b):             return jnp.linalg.slogdet(b)[1]

@linear(jnp.inner, argument="b", core=1)
class matrix_inner_vector:                             # y = a x
    condition = every(is_square("a"), rank_is("a", 2), rank_is("b", 1))
    def inverse(y, a):          return jnp.linalg.solve(a, y)
    def log_det(a):             return jnp.linalg.slogdet(a)[1]

@linear(jnp.matvec, argument="x2", core=1)
class matvec:                                          # y = x1 x2
    condition = every(is_square("x1"))
    def inverse(y, x1):         return jnp.linalg.solve(x1, y[..., None])[..., 0]
    def log_det(x1):            return jnp.linalg.slogdet(x1)[1]

@linear(jnp.vecmat, argument="x1", core=1)
class vecmat:                                          # y = conj(x1) x2
    condition = every(is_square("x2"))
    def inverse(y, x2):         return jnp.conj(jnp.linalg.solve(x2.mT, y[..., None])[..., 0])
    def log_det(x2):            return jnp.linalg.slogdet(x2.mT)[1]

def _contracts_last_with_first(call, facts):
    axes = static_value(call.arguments["axes"], facts)
    if axes is not None and axes[0] in (1, (-1, 0), ((-1,), (0,)), ([-1], [0])):
        return None
    ranks = facts.rank(call.arguments["a"]), facts.rank(call.arguments["b"])
    if axes is not None and ranks[0] == 2 and axes[0] in ((1, 0), ((1,), (0,)), ([1], [0])):
        return None
    return Refusal("its inverse is known for a sum over the last axis and the first",
                   "write the product with `@` or `jnp.einsum`")

@linear(jnp.tensordot, argument="a", core=1)
class tensordot_matrix:                                # y = x b
    condition = every(_contracts_last_with_first, is_square("b"), rank_is("b", 2))
    def inverse(y, b):
        return jnp.linalg.solve(b.T, y.reshape(-1, b.shape[0]).T).T.reshape(y.shape)
    def log_det(b):             return jnp.linalg.slogdet(b.T)[1]

@linear(jnp.tensordot, argument="b", core=None)
class matrix_tensordot:                                # y = a x
    condition = every(_contracts_last_with_first, is_square("a"), rank_is("a", 2))
    def inverse(y, a):          return jnp.linalg.solve(a, y.reshape(a.shape[0], -1)).reshape(y.shape)
    def log_det(a, b):          return b.size // a.shape[0] * jnp.linalg.slogdet(a)[1]

# ---- solves: y = a^-1 b ------------------------------------------------------------------------------------

def _is_general(call, facts):
    assumed = call.arguments.get("assume_a", Const("gen"))
    if static_value(assumed, facts) == ("gen",):
        return None
    return Refusal("with `assume_a=` it reads a part of the matrix only")

_SOLVES = (jnp.linalg.solve, jax.scipy.linalg.solve)

@linear(*_SOLVES, argument="b", core=1)
class solve_for_vector:
    condition = every(_is_general, is_square("a"), rank_is("a", 2), rank_known("b", 1))
    def inverse(y, a):          return a @ y
    def log_det(a):             return -jnp.linalg.slogdet(a)[1]

@linear(*_SOLVES, argument="b", core=2)
class solve_for_columns:
    condition = every(_is_general, is_square("a"), rank_at_least("b", 2))
    def inverse(y, a):          return a @ y
    def log_det(a, b):          return -b.shape[-1] * jnp.linalg.slogdet(a)[1]

@linear(*_SOLVES, argument="b", core=None)
class solve:                                           # the rank of b is not known yet
    condition = every(_is_general, is_square("a"), rank_is("a", 2))
    def inverse(y, a):          return a @ y
    def log_det(a, b):          return -(b.size // a.shape[0]) * jnp.linalg.slogdet(a)[1]

# dY = -A^-1 dA Y, so log |det| = n (log |det Y| - log |det A|), and A = B Y^-1
@linear(*_SOLVES, argument="a", core=2)
class solve_with_unknown_matrix:
    condition = every(_is_general, is_square("b"))
    def inverse(y, b):          return jnp.linalg.solve(y.mT, b.mT).mT
    def log_det(y, a, b):
        return b.shape[-1] * (2 * jnp.linalg.slogdet(y.mT)[1] - jnp.linalg.slogdet(b)[1])

# dY = -A^-1 dA A^-1
@linear(jnp.linalg.inv, core=2)
class inv:
    def inverse(y):             return jnp.linalg.inv(y)
    def log_det(y):             return 2 * y.shape[-1] * jnp.linalg.slogdet(y)[1]

# ---- Cholesky factors: of symmetric positive definite matrices, which have n (n + 1) / 2 free elements --------------

# S = L L^T: dS_ij = ... + L_jj dL_ij for i > j, and dS_jj = 2 L_jj dL_jj + ..., so that the det of dS/dL is 2^n prod L_jj^(n - j), j < n
def _of_triangle(is_upper):
    def condition(call, facts):
        upper = static_value(call.arguments["upper"], facts)
        return None if upper == (is_upper,) else Refusal("`upper` is another one")
    return condition

@linear(jnp.linalg.cholesky, core=2, numbers=Numbers.REAL)
class cholesky:
    condition = _of_triangle(False)
    def inverse(y):             return y @ y.mT
    def log_det(y):
        n, diagonal = y.shape[-1], jnp.diagonal(y, axis1=-2, axis2=-1)
        return -n * math.log(2) - jnp.sum(jnp.arange(n, 0, -1) * jnp.log(diagonal), axis=-1)

@linear(jnp.linalg.cholesky, core=2, numbers=Numbers.REAL)
class cholesky_upper:
    condition = _of_triangle(True)
    def inverse(y):             return y.mT @ y
    def log_det(y):
        n, diagonal = y.shape[-1], jnp.diagonal(y, axis1=-2, axis2=-1)
        return -n * math.log(2) - jnp.sum(jnp.arange(n, 0, -1) * jnp.log(diagonal), axis=-1)

# ---- triangular solves: of the matrix, the other triangle is not read ----------------------------------------

def _transposes(*names):
    def condition(call, facts):
        trans = static_value(call.arguments["trans"], facts)
        return None if trans and trans[0] in names else Refusal("`trans` is another one")
    return condition

def _diagonal(is_unit):
    def condition(call, facts):
        unit = static_value(call.arguments["unit_diagonal"], facts)
        return None if unit == (is_unit,) else Refusal("`unit_diagonal` is another one")
    return condition

@linear(jax.scipy.linalg.solve_triangular, argument="b", core=None)
class solve_triangular:                                # b = T y, with the triangle T of a
    condition = every(_transposes(0, "N"), _diagonal(False), is_square("a"), rank_is("a", 2))
    def inverse(y, a, lower):   return jnp.tril(a) @ y if lower else jnp.triu(a) @ y
    def log_det(a, b):
        return -(b.size // a.shape[0]) * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(a))))

@linear(jax.scipy.linalg.solve_triangular, argument="b", core=None)
class solve_triangular_transposed:                     # b = T^T y
    condition = every(_transposes(1, "T"), _diagonal(False), is_square("a"), rank_is("a", 2))
    def inverse(y, a, lower):   return jnp.tril(a).T @ y if lower else jnp.triu(a).T @ y
    def log_det(a, b):
        return -(b.size // a.shape[0]) * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(a))))

@linear(jax.scipy.linalg.solve_triangular, argument="b", core=None)
class solve_unit_triangular:                           # ones on the diagonal, whatever stands there
    condition = every(_transposes(0, "N"), _diagonal(True), is_square("a"), rank_is("a", 2))
    def inverse(y, a, lower):   return y + (jnp.tril(a, -1) @ y if lower else jnp.triu(a, 1) @ y)
    def log_det():              return 0.0

@linear(jax.scipy.linalg.solve_triangular, argument="b", core=None)
class solve_unit_triangular_transposed:
    condition = every(_transposes(1, "T"), _diagonal(True), is_square("a"), rank_is("a", 2))
    def inverse(y, a, lower):
        return y + (jnp.tril(a, -1).T @ y if lower else jnp.triu(a, 1).T @ y)
    def log_det():              return 0.0

@linear(lax.linalg.triangular_solve, argument="b", core=2)
class triangular_solve_from_the_right:                 # y = b T^-1, with the triangle T of a
    condition = every(_diagonal(False), is_square("a"), rank_is("a", 2))
    def inverse(y, a, lower, transpose_a):
        t = jnp.tril(a) if lower else jnp.triu(a)
        return y @ (t.T if transpose_a else t)
    def log_det(a, b):          return -b.shape[-2] * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(a))))

@linear(lax.linalg.triangular_solve, argument="b", core=2)
class unit_triangular_solve_from_the_right:
    condition = every(_diagonal(True), is_square("a"), rank_is("a", 2))
    def inverse(y, a, lower, transpose_a):
        t = jnp.tril(a, -1) if lower else jnp.triu(a, 1)
        return y + y @ (t.T if transpose_a else t)
    def log_det():              return 0.0

# ---- solves by a factorisation that is known: y = a^-1 b --------------------------------------------------------

def _of_one_matrix(name):
    """The condition that the factors of a pair `(factors, ...)` are those of one matrix, as far as is known."""
    def condition(call, facts):
        pair = call.arguments[name]
        found = facts.rank(pair.items[0]) if isinstance(pair, Display) and pair.items else None
        return None if found in (None, 2) else Refusal(f"the factors have {found} axes, not 2")
    return condition

@linear(jax.scipy.linalg.cho_solve, argument="b", core=None, numbers=Numbers.REAL)
class cho_solve:                                       # a = l l^T; the other triangle is not read
    condition = _of_one_matrix("c_and_lower")
    def inverse(y, c_and_lower):
        c, lower = c_and_lower
        l = jnp.tril(c) if lower else jnp.triu(c).T
        return l @ (l.T @ y)
    def log_det(c_and_lower, b):
        c = c_and_lower[0]
        return -(2 * (b.size // c.shape[0])) * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(c))))

@linear(jax.scipy.linalg.lu_solve, argument="b", core=None)
class lu_solve:                                        # a[order] = l u
    condition = every(_transposes(0), _of_one_matrix("lu_and_piv"))
    def inverse(y, lu_and_piv):
        lu, pivots = lu_and_piv
        rows = jnp.triu(lu) @ y
        rows = rows + jnp.tril(lu, -1) @ rows
        order = lax.linalg.lu_pivots_to_permutation(pivots, lu.shape[0])
        return rows[jnp.argsort(order)]
    def log_det(lu_and_piv, b):
        lu = lu_and_piv[0]
        return -(b.size // lu.shape[0]) * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(lu))))

@linear(jax.scipy.linalg.lu_solve, argument="b", core=None)
class lu_solve_transposed:                             # a^T = u^T l^T p, and p y = y[order]
    condition = every(_transposes(1), _of_one_matrix("lu_and_piv"))
    def inverse(y, lu_and_piv):
        lu, pivots = lu_and_piv
        rows = y[lax.linalg.lu_pivots_to_permutation(pivots, lu.shape[0])]
        rows = rows + jnp.tril(lu, -1).T @ rows
        return jnp.triu(lu).T @ rows
    def log_det(lu_and_piv, b):
        lu = lu_and_piv[0]
        return -(b.size // lu.shape[0]) * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(lu))))

# ---- Fourier transforms: the matrix of n points, over sqrt(n), is unitary --------------------------------------

def _whole_axis(call, facts):
    if static_value(call.arguments["n"], facts) == (None,):
        return None
    return Refusal("with `n=` it crops or pads its operand")

def _normed(*norms):
    def condition(call, facts):
        norm = static_value(call.arguments["norm"], facts)
        return None if norm and norm[0] in norms else Refusal("`norm` is another one")
    return condition

_UNITARY = every(_whole_axis, _normed("ortho"))
_BACKWARD = every(_whole_axis, _normed(None, "backward"))
_FORWARD = every(_whole_axis, _normed("forward"))

@linear(jnp.fft.fft, core=None, numbers=Numbers.COMPLEX)
class fft:
    condition = _BACKWARD
    def inverse(y, axis):       return jnp.fft.ifft(y, axis=axis)
    def log_det(a, axis):       return a.size / 2 * math.log(a.shape[axis])

@linear(jnp.fft.fft, core=None, numbers=Numbers.COMPLEX)
class fft_unitary:
    condition = _UNITARY
    def inverse(y, axis):       return jnp.fft.ifft(y, axis=axis, norm="ortho")
    def log_det():              return 0.0

@linear(jnp.fft.fft, core=None, numbers=Numbers.COMPLEX)
class fft_forward:
    condition = _FORWARD
    def inverse(y, axis):       return jnp.fft.ifft(y, axis=axis, norm="forward")
    def log_det(a, axis):       return -a.size / 2 * math.log(a.shape[axis])

@linear(jnp.fft.ifft, core=None, numbers=Numbers.COMPLEX)
class ifft:
    condition = _BACKWARD
    def inverse(y, axis):       return jnp.fft.fft(y, axis=axis)
    def log_det(a, axis):       return -a.size / 2 * math.log(a.shape[axis])

@linear(jnp.fft.ifft, core=None, numbers=Numbers.COMPLEX)
class ifft_unitary:
    condition = _UNITARY
    def inverse(y, axis):       return jnp.fft.fft(y, axis=axis, norm="ortho")
    def log_det():              return 0.0

@linear(jnp.fft.ifft, core=None, numbers=Numbers.COMPLEX)
class ifft_forward:
    condition = _FORWARD
    def inverse(y, axis):       return jnp.fft.fft(y, axis=axis, norm="forward")
    def log_det(a, axis):       return a.size / 2 * math.log(a.shape[axis])

# Of a real operand: two real numbers come out for each one that goes in, so there is no log-det.
@linear(jnp.fft.fft, core=None, numbers=Numbers.REAL)
class fft_of_real:
    condition = _whole_axis
    def inverse(y, axis, norm): return jnp.real(jnp.fft.ifft(y, axis=axis, norm=norm))

@linear(jnp.fft.ifft, core=None, numbers=Numbers.REAL)
class ifft_of_real:
    condition = _whole_axis
    def inverse(y, axis, norm): return jnp.real(jnp.fft.fft(y, axis=axis, norm=norm))

@linear(jnp.fft.rfft, core=None, numbers=Numbers.REAL)
class rfft:
    condition = _whole_axis
    def inverse(y, a, axis, norm):
        return jnp.fft.irfft(y, n=a.shape[axis], axis=axis, norm=norm)

def _all_points(call, facts):
    if static_value(call.arguments["s"], facts) == (None,):
        return None
    return Refusal("with `s=` it crops or pads its operand")

@linear(jnp.fft.rfftn, jnp.fft.rfft2, core=None, numbers=Numbers.REAL)
class rfftn:
    condition = _all_points
    def inverse(y, a, axes, norm):
        return jnp.fft.irfftn(y, s=sizes(a.shape, axes), axes=axes, norm=norm)

@linear(jnp.fft.fftn, jnp.fft.fft2, core=None, numbers=Numbers.COMPLEX)
class fftn_unitary:
    condition = every(_all_points, _normed("ortho"))
    def inverse(y, axes):       return jnp.fft.ifftn(y, axes=axes, norm="ortho")
    def log_det():              return 0.0

@linear(jnp.fft.ifftn, jnp.fft.ifft2, core=None, numbers=Numbers.COMPLEX)
class ifftn_unitary:
    condition = every(_all_points, _normed("ortho"))
    def inverse(y, axes):       return jnp.fft.fftn(y, axes=axes, norm="ortho")
    def log_det():              return 0.0

@linear(jnp.fft.fftn, jnp.fft.fft2, core=None, numbers=Numbers.COMPLEX)
class fftn:
    condition = every(_all_points, _normed(None, "backward"))
    def inverse(y, axes):       return jnp.fft.ifftn(y, axes=axes)
    def log_det(a, axes):       return a.size / 2 * math.log(points(a.shape, axes))

@linear(jnp.fft.ifftn, jnp.fft.ifft2, core=None, numbers=Numbers.COMPLEX)
class ifftn:
    condition = every(_all_points, _normed(None, "backward"))
    def inverse(y, axes):       return jnp.fft.fftn(y, axes=axes)
    def log_det(a, axes):       return -a.size / 2 * math.log(points(a.shape, axes))

@linear(jnp.fft.fftn, jnp.fft.fft2, core=None, numbers=Numbers.COMPLEX)
class fftn_forward:
    condition = every(_all_points, _normed("forward"))
    def inverse(y, axes):       return jnp.fft.ifftn(y, axes=axes, norm="forward")
    def log_det(a, axes):       return -a.size / 2 * math.log(points(a.shape, axes))

@linear(jnp.fft.ifftn, jnp.fft.ifft2, core=None, numbers=Numbers.COMPLEX)
class ifftn_forward:
    condition = every(_all_points, _normed("forward"))
    def inverse(y, axes):       return jnp.fft.fftn(y, axes=axes, norm="forward")
    def log_det(a, axes):       return a.size / 2 * math.log(points(a.shape, axes))

# ---- cosine transforms: that of norm="ortho" is orthogonal, the plain one has rows of square 2 n, the first 4 n ---

def _of_all(call, facts):
    if static_value(call.arguments["n"], facts) == (None,):
        return _second_type(call, facts)
    return Refusal("with `n=` it crops or pads its operand")

def _second_type(call, facts):
    return None if static_value(call.arguments["type"], facts) == (2,) else Refusal("`type` is not 2")

@linear(jax.scipy.fft.dct, argument="x", core=None, numbers=Numbers.REAL)
class dct:
    condition = every(_of_all, _normed(None, "backward"))
    def inverse(y, axis):       return jax.scipy.fft.idct(y, axis=axis)
    def log_det(x, axis):
        rows = x.size // x.shape[axis]
        return (rows * (x.shape[axis] + 1) * math.log(2) + x.size * math.log(x.shape[axis])) / 2

@linear(jax.scipy.fft.dct, argument="x", core=None, numbers=Numbers.REAL)
class dct_orthogonal:
    condition = every(_of_all, _normed("ortho"))
    def inverse(y, axis):       return jax.scipy.fft.idct(y, axis=axis, norm="ortho")
    def log_det():              return 0.0

@linear(jax.scipy.fft.idct, argument="x", core=None, numbers=Numbers.REAL)
class idct:
    condition = every(_of_all, _normed(None, "backward"))
    def inverse(y, axis):       return jax.scipy.fft.dct(y, axis=axis)
    def log_det(x, axis):
        rows = x.size // x.shape[axis]
        return -(rows * (x.shape[axis] + 1) * math.log(2) + x.size * math.log(x.shape[axis])) / 2

@linear(jax.scipy.fft.idct, argument="x", core=None, numbers=Numbers.REAL)
class idct_orthogonal:
    condition = every(_of_all, _normed("ortho"))
    def inverse(y, axis):       return jax.scipy.fft.dct(y, axis=axis, norm="ortho")
    def log_det():              return 0.0

def _all_of_second_type(call, facts):
    return _all_points(call, facts) or _second_type(call, facts)

@linear(jax.scipy.fft.dctn, argument="x", core=None, numbers=Numbers.REAL)
class dctn_orthogonal:
    condition = every(_all_of_second_type, _normed("ortho"))
    def inverse(y, axes):       return jax.scipy.fft.idctn(y, axes=axes, norm="ortho")
    def log_det():              return 0.0

@linear(jax.scipy.fft.dctn, argument="x", core=None, numbers=Numbers.REAL)
class dctn:
    condition = every(_all_of_second_type, _normed(None, "backward"))
    def inverse(y, axes):       return jax.scipy.fft.idctn(y, axes=axes)
    def log_det(x, axes):       return cosine_log_det(x.shape, axes)

@linear(jax.scipy.fft.idctn, argument="x", core=None, numbers=Numbers.REAL)
class idctn:
    condition = every(_all_of_second_type, _normed(None, "backward"))
    def inverse(y, axes):       return jax.scipy.fft.dctn(y, axes=axes)
    def log_det(x, axes):       return -cosine_log_det(x.shape, axes)

@linear(jax.scipy.fft.idctn, argument="x", core=None, numbers=Numbers.REAL)
class idctn_orthogonal:
    condition = every(_all_of_second_type, _normed("ortho"))
    def inverse(y, axes):       return jax.scipy.fft.dctn(y, axes=axes, norm="ortho")
    def log_det():              return 0.0

# ---- convolutions with one tap: a matrix for the channels of each pixel --------------------------------------------

_one_tap_hint = "invert a convolution by its spectrum: `jnp.fft.ifft(jnp.fft.fft(x) * jnp.fft.fft(k))`"

def _one_tap(layout):
    def condition(call, facts):
        numbers = static_value(call.arguments["dimension_numbers"], facts) if "dimension_numbers" in call.arguments else (None,)
        if numbers is None or channels_of(numbers[0]) != layout:
            return Refusal("its kernel is laid out in another way")
        for name in ("window_strides", "lhs_dilation"):
            given = static_value(call.arguments[name], facts) if name in call.arguments else (None,)
            if given is None or any(n != 1 for n in given[0] or ()):
                return Refusal("it strides or dilates", _one_tap_hint)
        for name in ("feature_group_count", "batch_group_count"):
            if call.arguments.get(name, Const(1)) not in (Const(1), Const(None)):
                return Refusal("it treats channels in groups")
        padding = static_value(call.arguments["padding"], facts)
        if padding is None or not _pads_nothing(padding[0]):
            return Refusal("it pads", _one_tap_hint)
        return _is_one_tap(facts.shape(call.arguments["rhs"]), layout)
    return condition

def _pads_nothing(padding):
    return padding in ("SAME", "VALID", "SAME_LOWER") or all(tuple(pair) == (0, 0) for pair in padding)

def _is_one_tap(shape, layout):
    if shape is None:
        return None
    taps, channels = (shape[:-2], shape[-2:]) if layout == "last" else (shape[2:], shape[:2])
    if any(isinstance(n, int) and n != 1 for n in taps):
        return Refusal("its kernel has several taps", _one_tap_hint)
    if _differ(*channels):
        return Refusal(f"its kernel is {channels[0]} by {channels[1]} channels", _square_hint)
    return None

@linear(lax.conv, argument="lhs", core=None)
class conv_of_one_tap:                                 # of images N C H W, with a kernel O I 1 1
    condition = _one_tap("first")
    def inverse(y, rhs, window_strides):
        return lax.conv(y, jnp.linalg.inv(rhs.T).T, window_strides, "VALID")
    def log_det(lhs, rhs):
        return lhs.size // rhs.shape[0] * jnp.sum(jnp.linalg.slogdet(rhs.T)[1])

@linear(lax.conv_general_dilated, argument="lhs", core=None)
class conv_of_one_tap_by_last_axes:                    # a kernel 1 1 I O or 1 1 O I
    condition = _one_tap("last")
    def inverse(y, rhs, window_strides, dimension_numbers):
        kernel = jnp.linalg.inv(rhs)
        return lax.conv_general_dilated(y, kernel, window_strides, "VALID", dimension_numbers=back(dimension_numbers))
    def log_det(lhs, rhs):
        return lhs.size // rhs.shape[-1] * jnp.sum(jnp.linalg.slogdet(rhs)[1])

@linear(lax.conv_general_dilated, argument="lhs", core=None)
class conv_of_one_tap_by_first_axes:                   # a kernel O I 1 1 or I O 1 1
    condition = _one_tap("first")
    def inverse(y, rhs, window_strides, dimension_numbers):
        kernel = jnp.linalg.inv(rhs.T).T
        return lax.conv_general_dilated(y, kernel, window_strides, "VALID", dimension_numbers=back(dimension_numbers))
    def log_det(lhs, rhs):
        return lhs.size // rhs.shape[0] * jnp.sum(jnp.linalg.slogdet(rhs.T)[1])
