"""Functions whose inverse their author states, alone and as parts of others."""

import functools

import jax
import jax.numpy as jnp

import invcompiler as inv
from tests.programs.registry import program
from tests.programs.samples import positive, real

X = real(3)
W = real(3, seed=1)
S = positive(3)


@inv.custom_inverse
def cubic(x):
    return x**3 + x


@cubic.def_inverse_unary
def cubic_root(y):
    """Return the real root of x^3 + x = y, by the hyperbolic form of Cardano's formula."""
    scale = 2.0 / jnp.sqrt(3.0)
    return scale * jnp.sinh(jnp.arcsinh(1.5 * jnp.sqrt(3.0) * y) / 3.0)


@inv.custom_inverse
def kepler(x):
    return x - 0.5 * jnp.sin(x)


def kepler_root(y):
    def newton(_, x):
        return x - (x - 0.5 * jnp.sin(x) - y) / (1 - 0.5 * jnp.cos(x))

    return jax.lax.fori_loop(0, 40, newton, y)


def kepler_ildj(y):
    return -jnp.log(1 - 0.5 * jnp.cos(kepler_root(y)))


kepler.def_inverse_unary(kepler_root, kepler_ildj)


@inv.custom_inverse
def shifted_log(x):
    return jnp.log(x + 1.0)


shifted_log.def_inverse_unary(f_ildj=lambda y: y)


@inv.custom_inverse
def scaled_sum(x, y, *, scale=2.0):
    return scale * (x + y)


@scaled_sum.def_inverse_and_ildj
def scaled_sum_rule(invals, z, z_ildj):
    x, y, scale = invals
    if x is None and y is None:
        return (None, None, scale), (None, None, None)
    ildj = z_ildj - jnp.log(scale)
    if x is None:
        return (z / scale - y, y, scale), (ildj, None, None)
    return (x, z / scale - x, scale), (None, ildj, None)


@inv.custom_inverse
def rotated(pair):
    return {"sum": pair[0] + pair[1], "difference": pair[0] - pair[1]}


@rotated.def_inverse_and_ildj
def rotated_rule(invals, out, out_ildjs):
    a = (out["sum"] + out["difference"]) / 2
    half = jnp.full_like(a, -jnp.log(2.0))
    return ((a, out["sum"] - a),), ((out_ildjs["sum"] + half, out_ildjs["difference"]),)


class Affine:
    def __init__(self, weight):
        self.weight = weight

    @inv.custom_inverse
    def forward(self, x):
        return self.weight * x

    @forward.def_inverse_and_ildj
    def rule(invals, y, y_ildj):  # noqa: N805  (the rule is no method)
        layer, _ = invals
        return (layer, y / layer.weight), (None, y_ildj - jnp.log(jnp.abs(layer.weight)))


LAYER = Affine(jnp.array([2.0, -0.5, 3.0]))

program(X, name="custom.cubic")(cubic)
program(X, name="custom.kepler", tolerance=1e-7)(kepler)
program(S, name="custom.shifted_log")(shifted_log)
program(X, W, name="custom.scaled_sum")(scaled_sum)
program(X, W, argnums=1, name="custom.scaled_sum_second")(scaled_sum)
program(W, name="custom.partly_applied")(functools.partial(scaled_sum, X, scale=3.0))
program(X, name="custom.method")(LAYER.forward)
program((X, W), name="custom.rotated", example=(X, W))(rotated)


@program(X, W)
def inside_another(x, w):
    return jnp.exp(scaled_sum(jnp.exp(w), cubic(x))) + 1.0


@program(X, W)
def mapped(x, w):
    return jax.vmap(scaled_sum)(x, w)


@program(X, W, argnums=(0, 1))
def parts_of_a_container(x, w):
    out = rotated((x, jnp.exp(w)))
    return out["sum"], out["difference"]


@program(X, W)
def in_a_scan(x, w):
    def step(carry, item):
        return scaled_sum(carry, item), None

    return jax.lax.scan(step, x, w)[0]


@program(X)
def in_a_loop(x):
    for _ in range(2):
        x = kepler(x)
    return x


@program(X)
def method_of_an_object(x):
    return LAYER.forward(jnp.sinh(x))
