"""Transforms that act on each element."""

import math

import jax
import jax.numpy as jnp

import invcompiler as inv
from tests.coverage.registry import ships
from tests.programs.samples import positive, real, unit

X, V, U, W = real(4), positive(4), unit(4), real(4, seed=1)
ONE, TWO = jnp.asarray(1.3), jnp.asarray(0.7)


@ships(X, Oryx="exp", TFP="Exp", FlowJAX="Exp", NumPyro="ExpTransform")
def exp(x):
    return jnp.exp(x)


@ships(V, Oryx="log", TFP="Log")
def log(x):
    return jnp.log(x)


@ships(U, Oryx="sin", domain="unit")
def sin(x):
    return jnp.sin(x)


@ships(U, Oryx="cos", domain="unit")
def cos(x):
    return jnp.cos(x)


@ships(X, Oryx="expm1", TFP="Expm1")
def expm1(x):
    return jnp.expm1(x)


@ships(V, Oryx="log1p", TFP="Log1p")
def log1p(x):
    return jnp.log1p(x)


@ships(V, Oryx="sqrt")
def sqrt(x):
    return jnp.sqrt(x)


@ships(X, Oryx="neg")
def neg(x):
    return -x


@ships(X, Oryx="integer_pow")
def integer_pow(x):
    return x**3


@ships(V, W, Oryx="pow (base)", domain="positive")
def pow_of_base(x, w):
    return x**w


@ships(X, V + 1.1, Oryx="pow (exponent)")
def pow_of_exponent(x, base):
    return base**x


@ships(X, W, Oryx="add", distrax="Shift", TFP="Shift", FlowJAX="Loc")
def shift(x, w):
    return x + w


@ships(X, W, Oryx="sub")
def sub(x, w):
    return w - x


@ships(X, W, Oryx="mul", TFP="Scale", FlowJAX="Scale")
def scale(x, w):
    return x * w


@ships(X, W, Oryx="div")
def div(x, w):
    return x / w


@ships(X.astype(jnp.float32), Oryx="convert_element_type")
def convert(x):
    return x.astype(jnp.float64)


@ships(
    X,
    Oryx="sigmoid, expit",
    distrax="Sigmoid",
    TFP="Sigmoid",
    FlowJAX="Sigmoid",
    NumPyro="SigmoidTransform",
)
def sigmoid(x):
    return jax.nn.sigmoid(x)


@ships(U, Oryx="logit")
def logit(x):
    return jax.scipy.special.logit(x)


@ships(
    X, W, TWO, distrax="ScalarAffine", TFP="Affine / AffineScalar", FlowJAX="Affine",
    NumPyro="AffineTransform", FrEIA="ActNorm / ConditionalAffineTransform",
)  # fmt: skip
def affine(x, log_scale, shift):
    return x * jnp.exp(log_scale) + shift


@ships(X, W, FrEIA="LearnedElementwiseScaling")
def elementwise_scaling(x, s):
    return x * jnp.exp(s)


@ships(X, distrax="Tanh", TFP="Tanh", FlowJAX="Tanh", FrEIA="InvAutoActFixed")
def tanh(x):
    return jnp.tanh(x)


@ships(X, ONE, TWO, distrax="GumbelCDF", TFP="GumbelCDF")
def gumbel_cdf(x, loc, scale):
    return jnp.exp(-jnp.exp(-(x - loc) / scale))


@ships(V, ONE, TWO, TFP="FrechetCDF", domain="positive")
def frechet_cdf(x, log_scale, log_concentration):
    return jnp.exp(-((x / jnp.exp(log_scale)) ** -jnp.exp(log_concentration)))


@ships(V, ONE, TWO, TFP="WeibullCDF", domain="positive")
def weibull_cdf(x, log_scale, log_concentration):
    return -jnp.expm1(-((x / jnp.exp(log_scale)) ** jnp.exp(log_concentration)))


@ships(U, ONE, TWO, TFP="KumaraswamyCDF", domain="unit")
def kumaraswamy_cdf(x, log_a, log_b):
    return 1 - (1 - x ** jnp.exp(log_a)) ** jnp.exp(log_b)


@ships(V, ONE, TWO, TFP="GompertzCDF", domain="positive")
def gompertz_cdf(x, concentration, rate):
    return -jnp.expm1(-concentration * jnp.expm1(rate * x))


@ships(X, ONE, TWO, TFP="MoyalCDF")
def moyal_cdf(x, loc, scale):
    return jax.scipy.special.erfc(jnp.exp(-0.5 * (x - loc) / scale) / jnp.sqrt(2.0))


@ships(X, TFP="NormalCDF")
def normal_cdf(x):
    return jax.scipy.special.ndtr(x)


@ships(V, ONE, TWO, TFP="GeneralizedExtremeValueCDF", domain="positive")
def gev_cdf(x, log_scale, log_concentration):
    scale, concentration = jnp.exp(log_scale), jnp.exp(log_concentration)
    return jnp.exp(-((1 + concentration * x / scale) ** (-1 / concentration)))


@ships(X, TFP="Identity", FlowJAX="Identity", NumPyro="IdentityTransform")
def identity(x):
    return x


@ships(V, TFP="AbsoluteValue", NumPyro="AbsTransform", domain="positive")
def absolute_value(x):
    return jnp.abs(x)


@ships(V, TFP="PowerTransform", NumPyro="PowerTransform", FlowJAX="Power", domain="positive")
def power_transform(x):
    return (1 + 0.4 * x) ** (1 / 0.4)


@ships(X, TFP="Reciprocal")
def reciprocal(x):
    return 1 / x


@ships(X, TFP="Sinh")
def sinh(x):
    return jnp.sinh(x)


@ships(X, ONE, TWO, TFP="SinhArcsinh")
def sinh_arcsinh(x, skewness, tailweight):
    return jnp.sinh((jnp.arcsinh(x) + skewness) * tailweight)


@ships(X, TFP="SoftClip")
def soft_clip(x):
    low, high, hinge = -2.0, 3.0, 1.0
    width = jax.nn.softplus((high - low) / hinge) * hinge
    above = low + hinge * jax.nn.softplus((x - low) / hinge)
    return high - hinge * jax.nn.softplus((high - above) / hinge) * (high - low) / width


@ships(X, TFP="Softplus", FlowJAX="SoftPlus", NumPyro="SoftplusTransform")
def softplus(x):
    return jax.nn.softplus(x)


@ships(X, TFP="Softsign")
def softsign(x):
    return x / (1 + jnp.abs(x))


@ships(V, TFP="Square", domain="positive")
def square(x):
    return jnp.square(x)


@ships(X, W, jnp.asarray(0.3), TFP="BatchNormalization (inference)")
def batch_norm(x, mean, log_variance):
    return (x - mean) * jax.lax.rsqrt(jnp.exp(log_variance) + 1e-5) * 1.5 + 0.2


@ships(X, FlowJAX="AsymmetricAffine")
def asymmetric_affine(x):
    z = 1.3 * (x - 0.2)
    return jnp.where(z < 0, 0.4 * z, 1.7 * z)


@ships(3 * X, FlowJAX="LeakyTanh")
def leaky_tanh(x):
    edge = 2.0
    slope = 1 - math.tanh(edge) ** 2
    linear = slope * x + jnp.sign(x) * (math.tanh(edge) - slope * edge)
    return jnp.where(jnp.abs(x) >= edge, linear, jnp.tanh(x))


@ships(X, FlowJAX="ELU")
def shifted_elu(x):
    return jnp.where(x > 0, x, jnp.expm1(x)) + 1


@ships(X, jnp.asarray(0.2), FrEIA="InvAutoAct")
def learned_leaky(x, alpha):
    return jnp.where(x > 0, x * jnp.exp(alpha), x * jnp.exp(-alpha))


@ships(X, FrEIA="InvAutoActTwoSided")
def two_sided(x):
    return jnp.sign(x) * jnp.log1p(jnp.abs(x))


@ships(V * 0.3, TFP="Invert(Softplus)", domain=inv.Interval(0, math.inf))
def inverse_softplus(x):
    return x + jnp.log(-jnp.expm1(-x))
