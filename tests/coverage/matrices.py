"""Linear transforms, and those of matrices."""

import jax
import jax.numpy as jnp

from tests.coverage.registry import ships
from tests.programs.samples import lower, matrix, positive, real

X, W, V = real(4), real(4, seed=1), positive(4)
M, L = matrix(4), lower(4)


@ships(X, V, distrax="DiagLinear", TFP="ScaleMatvecDiag")
def diagonal(x, d):
    return jnp.diag(d) @ x


@ships(
    X,
    M,
    W,
    distrax="UnconstrainedAffine",
    TFP="AffineLinearOperator / ScaleMatvecLinearOperator",
    FrEIA="FixedLinearTransform",
)
def full_affine(x, a, b):
    return a @ x + b


@ships(
    X, M, W, distrax="TriangularLinear / TriangularAffine", TFP="ScaleMatvecTriL",
    FlowJAX="TriangularAffine", NumPyro="LowerCholeskyAffine",
)  # fmt: skip
def triangular(x, a, b):
    return jnp.tril(a) @ x + b


@ships(X, M, W, distrax="LowerUpperTriangularAffine", TFP="ScaleMatvecLU / MatvecLU")
def lower_upper(x, a, b):
    l = jnp.tril(a, -1) + jnp.eye(4)
    u = jnp.triu(a)
    return l @ (u @ x) + b


@ships(
    X,
    V,
    0.3 * real(4, 2),
    0.3 * real(4, 2, seed=1),
    distrax="DiagPlusLowRankLinear / DiagPlusLowRankAffine",
)
def diagonal_plus_low_rank(x, d, u, v):
    return d * x + u @ (v.T @ x)


@ships(X, W, TFP="Householder", FlowJAX="Householder", FrEIA="HouseholderPerm")
def householder(x, v):
    return x - 2 * v * (v @ x) / (v @ v)


@ships(X, real(3, 4, seed=1), FrEIA="OrthogonalTransform")
def householders(x, vs):
    for v in vs:
        x = x - 2 * v * (v @ x) / (v @ v)
    return x


@ships(real(2, 3, 3, 4), M, FrEIA="Fixed1x1Conv")
def one_by_one(x, w):
    return jnp.einsum("bhwc,cd->bhwd", x, w)


@ships(real(2, 4, 3, 3), M, FrEIA="Fixed1x1Conv (as a convolution)")
def one_by_one_convolution(x, w):
    return jax.lax.conv(x, w[:, :, None, None], (1, 1), "SAME")


@ships(X, TFP="DiscreteCosineTransform", FlowJAX="DiscreteCosine")
def cosine_transform(x):
    return jax.scipy.fft.dct(x, norm="ortho")


@ships(real(5), NumPyro="RealFastFourierTransform", density=False, example=real(5))
def real_fft(x):
    return jnp.fft.rfft(x)


@ships((X, W), NumPyro="ComplexTransform", density=False, example=(X, W))
def complex_number(parts):
    return jax.lax.complex(*parts)


@ships(X, 0.2 * W, 0.3 * V, FlowJAX="AdditiveCondition")
def additive_condition(x, w, condition):
    return x + jnp.tanh(w * condition)


@ships(X, FlowJAX="Planar (leaky relu)")
def planar(x):
    w, u = jnp.array([0.5, -0.3, 0.2, 0.4]), jnp.array([0.3, 0.1, -0.2, 0.2])
    return x + u * jax.nn.leaky_relu(w @ x + 0.1, 0.2)


# ---- matrices -------------------------------------------------------------------------------------


@ships(real(6), TFP="CholeskyOuterProduct", density=False, example=real(6))
def outer_product(x):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3)].set(x)
    l = jnp.tril(l, -1) + jnp.diag(jnp.exp(jnp.diag(l)))
    return l @ l.T


@ships(matrix(3) @ matrix(3).T, NumPyro="CholeskyTransform", density=False)
def cholesky(s):
    return jnp.linalg.cholesky(s)


@ships(real(6), TFP="MatrixInverseTriL", density=False, example=real(6))
def inverse_triangular(x):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3)].set(x)
    return jax.scipy.linalg.solve_triangular(l, jnp.eye(3), lower=True)


@ships(real(6), distrax="FillTriangular", TFP="FillTriangular", density=False, example=real(6))
def fill_triangular(x):
    return jnp.zeros((3, 3)).at[jnp.tril_indices(3)].set(x)


@ships(
    real(6),
    TFP="FillScaleTriL / ScaleTriL",
    NumPyro="SoftplusLowerCholeskyTransform",
    density=False,
    example=real(6),
)
def fill_scale_tril(x):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3)].set(x)
    return jnp.tril(l, -1) + jnp.diag(jax.nn.softplus(jnp.diag(l)))


@ships(real(6), NumPyro="LowerCholeskyTransform", density=False, example=real(6))
def lower_cholesky(x):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3, -1)].set(x[:3])
    return l + jnp.diag(jnp.exp(x[3:]))


@ships(real(6), NumPyro="ScaledUnitLowerCholeskyTransform", density=False, example=real(6))
def scaled_unit_lower_cholesky(x):
    l = jnp.zeros((3, 3)).at[jnp.tril_indices(3, -1)].set(x[:3]) + jnp.eye(3)
    return l * jax.nn.softplus(x[3:])[:, None]


@ships(real(3, 3), TFP="TransformDiagonal / FillDiagonal")
def transform_diagonal(l):
    i = jnp.arange(3)
    return l.at[i, i].set(jnp.exp(l[i, i]))


@ships(
    real(3),
    TFP="CorrelationCholesky",
    NumPyro="CorrCholeskyTransform",
    density=False,
    example=real(3),
)
def correlation_cholesky(x):
    z = jnp.zeros((3, 3)).at[jnp.tril_indices(3, -1)].set(jnp.tanh(x))
    rest = jnp.sqrt(jnp.cumprod(1 - z**2, axis=-1))
    rest = jnp.concatenate([jnp.ones((3, 1)), rest[:, :-1]], axis=-1)
    return (z + jnp.eye(3)) * rest


@ships(real(3), NumPyro="CorrMatrixCholeskyTransform^-1", density=False, example=real(3))
def correlation_matrix(x):
    l = correlation_cholesky(x)
    return l @ l.T
