"""Products with known square matrices, solves, and running sums."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import linalg

from tests.programs.registry import program
from tests.programs.samples import lower, matrix, real

X = real(3)
BATCH = real(2, 3)
W = matrix(3)
L = lower(3)


@program(X, W)
def matvec(x, w):
    return w @ x


@program(X, W)
def vecmat(x, w):
    return x @ w


@program(BATCH, W)
def rows_times_matrix(x, w):
    return x @ w


@program(real(3, 2), W)
def matrix_times_columns(x, w):
    return jnp.matmul(w, x)


@program(X, W)
def dot(x, w):
    return jnp.dot(w, x)


@program(X, W)
def dot_method(x, w):
    return x.dot(w)


@program(BATCH, W, real(3, seed=4))
def dense_layer(x, w, b):
    return jnp.tanh(x @ w + b)


@program(BATCH, W)
def transposed_weights(x, w):
    return x @ w.T


@program(BATCH, W)
def einsum(x, w):
    return jnp.einsum("bi,ij->bj", x, w)


@program(BATCH, W)
def einsum_transposed(x, w):
    return jnp.einsum("ij,bj->ib", w, x)


@program(real(2, 2, 3), W)
def einsum_channels(x, w):
    return jnp.einsum("hwc,cd->hwd", x, w)


@program(X, W)
def solve(x, w):
    return jnp.linalg.solve(w, x)


@program(X, L)
def solve_triangular(x, l):
    return linalg.solve_triangular(l, x, lower=True)


@program(X, L)
def lower_triangular_product(x, l):
    return jnp.tril(l) @ x


@program(BATCH, L)
def rows_times_upper_triangle(x, l):
    return x @ jnp.triu(l.T)


@program(BATCH, W, real(3, seed=2))
def rows_times_unit_triangle(x, w, shift):
    unit_lower = jnp.tril(w, -1) + jnp.identity(3)
    return jnp.dot(x, unit_lower.T) + shift


@program(X, L)
def cholesky_product(x, l):
    return jnp.linalg.cholesky(l @ l.T) @ x


@program(BATCH, W, real(3, seed=1))
def triangle_less_a_diagonal(x, w, d):
    return x @ (jnp.triu(w, 1) - jnp.diag(jnp.exp(d)))


@program(real(2, 3, 1, seed=1), jnp.stack([L, 2 * L]))
def stack_of_triangles(x, l):
    return jnp.tril(l) @ x


@program(X, W)
def almost_triangular(x, w):
    return jnp.tril(w, 1) @ x


@program(X, L, real(3, seed=2))
def gaussian_from_cholesky(x, l, mean):
    return mean + l @ x


@program(X)
def captured_weights(x):
    return W @ x + 1


@program(X, W, matrix(3, seed=1))
def two_products(x, w, v):
    return v @ jnp.sinh(w @ x)


@program(X)
def cumsum(x):
    return jnp.cumsum(x)


@program(BATCH)
def cumsum_along_axis(x):
    return jnp.cumsum(x, axis=1)


@program(X)
def difference_with_leading_element(x):
    return jnp.concatenate([x[:1], jnp.diff(x)])


@program(X)
def difference_with_prepend(x):
    return jnp.diff(x, prepend=0.0)


@program(real(2, 3), matrix(2), W)
def two_sided(x, left, right):
    return left @ x @ right


@program(X, W)
def tensordot(x, w):
    return jnp.tensordot(w, x, axes=1)


@program(real(2, 3), jnp.stack([matrix(3), matrix(3, seed=1)]))
def batched_matmul(x, w):
    return (w @ x[..., None])[..., 0]


@program(X, W)
def multiplied_by_inverse(x, w):
    return jnp.linalg.inv(w) @ x


@program(X, L)
def cumulative_then_triangular(x, l):
    return linalg.solve_triangular(l, jnp.cumsum(jnp.exp(x)), lower=True)


@program(X, W)
def lax_dot(x, w):
    return lax.dot(w, x)


@program(real(2), jnp.asarray(0.7))
def rotation(x, angle):
    c, s = jnp.cos(angle), jnp.sin(angle)
    return jnp.array([[c, -s], [s, c]]) @ x


@program(X, real(3, seed=3))
def diagonal(x, d):
    return jnp.diag(d) @ x


@program(X, real(3, seed=2))
def unit_lower_triangular(x, entries):
    mixing = jnp.eye(3).at[jnp.tril_indices(3, -1)].set(entries)
    return mixing @ x


@program(X, W)
def orthogonal(x, w):
    q, _ = jnp.linalg.qr(w)
    return q @ x


@program(BATCH, jax.nn.softplus(X))
def scaled_running_sum(x, scale):
    return jnp.cumsum(x * scale, axis=-1)


# ---- the identity, or a diagonal, plus a matrix of low rank ------------------------------------------

NARROW = 0.4 * real(3, 2, seed=5)
OTHER = 0.4 * real(3, 2, seed=6)
U = real(3, seed=2)
V = real(3, seed=3)


@program(X, V)
def reflection(x, v):
    unit = v / jnp.linalg.norm(v)
    return x - 2 * unit * jnp.dot(unit, x)


@program(BATCH, V)
def reflected_rows(x, v):
    return x - 2 * (x @ v)[..., None] * v / (v @ v)


@program(BATCH, real(2, 3, seed=4))
def each_by_its_own_reflection(x, v):
    return x - 2 * v * jnp.sum(v * x, axis=-1, keepdims=True) / jnp.sum(v**2, -1, keepdims=True)


@program(X, V)
def reflection_matrix(x, v):
    return (jnp.eye(3) - 2 * jnp.outer(v, v) / (v @ v)) @ x


@program(X, U, V)
def linear_planar(x, u, w):
    return 2 * (x + u * (jnp.vdot(w, x) + 1))


@program(X, U, V, W)
def two_directions(x, u, w, a):
    return x + u * (w @ x) + a[0] * jnp.sum(a[1] * x)


@program(X, jnp.exp(U), NARROW, OTHER)
def diagonal_plus_low_rank(x, d, u, v):
    return d * x + u @ (v.T @ x) + d


@program(BATCH, jnp.exp(real(2, 3, seed=2)), NARROW, OTHER)
def rows_plus_low_rank(x, scale, u, v):
    return x * scale + (x @ u) @ v.T


@program(real(3, 2), NARROW, OTHER)
def columns_plus_low_rank(x, u, v):
    return x + u @ (v.T @ x)


@program(X, jnp.exp(U), NARROW, OTHER)
def diagonal_plus_low_rank_matrix(x, d, u, v):
    return (jnp.diag(d) + u @ v.T) @ x


@program(X, W)
def linear_residual(x, w):
    return x + 0.1 * (w @ x)


@program(BATCH, W, matrix(3, seed=1))
def two_matrices(x, w, v):
    return x @ w + jnp.einsum("bi,ij->bj", x, v)


@program(BATCH)
def plus_its_mean(x):
    return x + 0.5 * x.mean(-1, keepdims=True)


@program(X, U, V)
def low_rank_inside(x, u, w):
    h = jnp.sinh(x)
    return jnp.arctan(h + u * (w @ h))


# ---- circular convolutions -----------------------------------------------------------------------------

KERNEL = jnp.array([1.0, 0.4, -0.3, 0.2])
EVEN = real(2, 4)


@program(real(4), KERNEL)
def circular_convolution(x, kernel):
    return jnp.fft.ifft(jnp.fft.fft(x) * jnp.fft.fft(kernel)).real


@program(EVEN, KERNEL)
def convolution_by_half_spectra(x, kernel):
    n = x.shape[-1]
    return jnp.tanh(jnp.fft.irfft(jnp.fft.rfft(kernel) * jnp.fft.rfft(x), n=n))


@program(real(2, 5), KERNEL[:3])
def deconvolution_of_odd_length(x, kernel):
    return jnp.fft.irfft(jnp.fft.rfft(x) / jnp.fft.rfft(kernel, n=5), n=5)


@program(real(3, 4), real(3, 4, seed=1))
def convolution_of_images(x, kernel):
    return jnp.real(jnp.fft.ifft2(jnp.fft.fft2(x) * jnp.fft.fft2(kernel))) + 1


# ---- products that sum over any axes ---------------------------------------------------------------------

STACK = jnp.stack([matrix(3), matrix(3, seed=1)])
TENSOR = matrix(6).reshape(2, 3, 2, 3)


@program(real(2, 2, 3), STACK)
def einsum_of_heads(x, w):
    return jnp.einsum("hij,bhj->bhi", w, x)


@program(real(2, 3, 2, 2), W)
def einsum_channels_first(x, w):
    return jnp.einsum("oc,bchw->bohw", w, x)


@program(real(2, 3), matrix(2), W)
def einsum_of_three(x, left, right):
    return jnp.einsum("ij,jk,kl->il", left, x, right)


@program(real(2, 3), W, jax.nn.softplus(X))
def einsum_with_a_scale(x, w, s):
    return jnp.einsum("ij,bj,j->bi", w, x, s)


@program(BATCH, TENSOR)
def einsum_of_a_tensor(x, w):
    return jnp.einsum("ijkl,kl->ij", w, x)


@program(BATCH, W)
def einsum_without_an_arrow(x, w):
    return jnp.einsum("bi,ji", x, w)


@program(real(2, 3, 2), W)
def tensordot_along_the_middle(x, w):
    return jnp.tensordot(x, w, axes=(1, 0))


@program(BATCH, TENSOR)
def tensordot_along_two_axes(x, w):
    return jnp.tensordot(w, x)


@program(BATCH, STACK)
def dot_general(x, w):
    return lax.dot_general(w, x, (((2,), (1,)), ((0,), (0,))))


@program(real(2, 3, 2), W)
def dot_of_a_stack(x, w):
    return jnp.dot(w, x)


@program(real(2, 3), matrix(2), W)
def multi_dot(x, left, right):
    return jnp.linalg.multi_dot([left, x, right])


@program(X, W)
def vecdot_with_rows(x, w):
    return jnp.vecdot(w, x)


@program(BATCH, STACK)
def sum_of_products(x, w):
    return jnp.sum(w * x[:, None, :], axis=-1)


@program(BATCH, STACK)
def row_of_a_product(x, w):
    return (x[:, None, :] @ w)[:, 0]


# ---- solves by factors ------------------------------------------------------------------------------------


@program(X, W)
def cho_solve(x, w):
    return linalg.cho_solve(linalg.cho_factor(w @ w.T + jnp.eye(3), lower=True), x)


@program(real(3, 2), L)
def cho_solve_with_a_factor(x, l):
    return linalg.cho_solve((l, True), x)


@program(real(3, 2), W)
def lu_solve(x, w):
    lu, pivots = linalg.lu_factor(w)
    return linalg.lu_solve((lu, pivots), x)


@program(X, W)
def lu_solve_transposed(x, w):
    return linalg.lu_solve(linalg.lu_factor(w), x, trans=1)


# ---- an array plus sums of it along any axes ----------------------------------------------------------------


@program(BATCH, jnp.asarray(0.7))
def plus_its_mean_over_rows(x, c):
    return x + c * x.mean(0)


@program(BATCH, jax.nn.softplus(X))
def scaled_plus_its_sum_over_rows(x, c):
    return c * x + 0.5 * jnp.sum(x, axis=0, keepdims=True) + 1


@program(BATCH)
def plus_the_mean_of_all(x):
    return x + 0.5 * jnp.mean(x)


@program(BATCH, real(2, seed=3), real(2, seed=4))
def plus_an_outer_product(x, u, w):
    return x + jnp.outer(u, w @ x)


@program(real(2, 3, 2), jnp.exp(real(2, 1, 2, seed=2)))
def plus_its_mean_over_the_middle(x, scale):
    return jnp.sinh(x) + scale * jnp.sinh(x).mean(1)[:, None]


@program(real(2, 3, 2), jnp.exp(real(2, 1, 2, seed=2)))
def plus_a_vector_of_few_examples(x, scale):
    return x + scale * x.sum(-1, keepdims=True)


@program(real(4), real(4, seed=1), 0.3 * real(4, seed=2), 0.1)
def planar_of_lines(x, w, u, b):
    return x + u * jax.nn.leaky_relu(w @ x + b, 0.2)


@program(real(3, 4), real(4, seed=1), 0.3 * real(4, seed=2))
def planar_of_each_row(x, w, u):
    t = x @ w
    return x - 0.5 * jnp.where(t > 0, t, 0.1 * t)[..., None] * u


@program(real(4), 0.3 * real(4, seed=2))
def planar_from_a_constant_on(x, u):
    w = jnp.array([0.4, -0.2, 0.3, 0.1])
    return x + u * jnp.maximum(w @ x - 1, 0.3 * (w @ x - 1))


# ---- more transforms and solves -----------------------------------------------------------------------------


@program(real(3, 4))
def cosine_transform_of_all_axes(x):
    return jax.scipy.fft.dctn(x)


@program(real(2, 3, 4))
def cosine_transform_back(x):
    return jax.scipy.fft.idctn(x, axes=(1, 2))


@program(BATCH, W)
def triangular_solve_from_the_right(x, w):
    return lax.linalg.triangular_solve(w, x, lower=True, transpose_a=True)


@program(X, W)
def triangular_solve_of_a_column(x, w):
    return lax.linalg.triangular_solve(w, x[:, None], left_side=True, lower=True)[:, 0]


@program(BATCH, real(4, 3))
def principal_components(x, data):
    _, v = jnp.linalg.eigh(data.T @ data)
    return (x - data.mean(0)) @ v


@program(BATCH, W)
def rotation_by_an_exponential(x, w):
    return x @ linalg.expm(0.5 * (w - w.T))


@program(X, W)
def singular_vectors(x, w):
    u, _, vt = jnp.linalg.svd(w)
    return u @ (jnp.exp(0.1) * (vt @ x))


@program(X, W, real(2, 3, seed=3), matrix(2))
def filtered(x, p, h, r):
    s = h @ p @ p.T @ h.T + r @ r.T
    return x - p @ p.T @ h.T @ jnp.linalg.solve(s, h @ x)


@program(real(5))
def second_differences(x):
    return jnp.diff(x, n=2, prepend=jnp.zeros(2))


@program(X, real(3, seed=1), real(3, seed=2))
def triangle_set_in_two_steps(x, low, d):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3, -1)].set(low)
    return l.at[jnp.diag_indices(3)].set(jnp.exp(d)) @ x
