"""What a function captures: arrays, numbers, containers and objects, from cells and globals."""

import types

import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.programs.registry import program
from tests.programs.samples import matrix, mlp, positive, real

X = real(3)
SCALE = positive(3)
PARAMS = {"scale": positive(3, seed=1), "shift": real(3, seed=2)}
LAYERS = [(positive(3, seed=i), real(3, seed=i)) for i in range(2)]
NUMPY_SHIFT = np.array([0.5, -1.0, 2.0])
RATE = 0.7
CONFIG = types.SimpleNamespace(rate=2.5, depth=2, weights=real(3, seed=5))
NET = mlp(1, 2)
ORDER = [2, 0, 1]


def make_affine(weight, bias):
    def run(x):
        return x * weight + bias

    return run


def make_stack(parameters):
    layers = [make_affine(*pair) for pair in parameters]

    def run(x):
        for layer in layers:
            x = jnp.sinh(layer(x))
        return x

    return run


def uses_global(x):
    return x + SCALE


@program(X)
def global_array(x):
    return x * SCALE


@program(X)
def global_numpy_array(x):
    return x - NUMPY_SHIFT


@program(X)
def global_number(x):
    return x * RATE + 1


@program(X)
def global_dictionary(x):
    return x * PARAMS["scale"] + PARAMS["shift"]


@program(X)
def global_list(x):
    for scale, shift in LAYERS:
        x = x * scale + shift
    return x


@program(X)
def attribute_of_object(x):
    return x * CONFIG.rate + CONFIG.weights


@program(X)
def static_attribute(x):
    for _ in range(CONFIG.depth):
        x = jnp.arcsinh(x)
    return x


@program(X)
def captured_by_helper(x):
    return jnp.exp(uses_global(x)) * SCALE


@program(X)
def captured_network(x):
    a, b = x[:1], x[1:]
    hidden = jnp.tanh(a @ NET["w1"] + NET["b1"])
    return jnp.concatenate([a, b + hidden @ NET["w2"]])


@program(X)
def captured_index_list(x):
    return x[jnp.array(ORDER)]


@program(X)
def array_in_text(x):
    return x * jnp.array([1.0, -2.0, 0.5]) + np.arange(3.0)


program(X, name="closures.cell")(make_affine(positive(3), real(3)))

program(X, name="closures.cell_of_number")(make_affine(3.0, -1))

program(X, name="closures.cell_of_functions")(make_stack(LAYERS))

program(X, name="closures.matrix_cell")(
    (lambda w: lambda x: jnp.tanh(w @ x))(matrix(3)),
)


@program(X)
def default_array(x, scale=SCALE):
    return x * scale


@program(X)
def shadowed_name(x):
    PARAMS = 2.0  # noqa: N806
    return x * PARAMS


ORDER = jnp.array([2, 0, 1])


@program(X)
def order_of_indices_from_the_end(x):
    order = lax.convert_element_type(jnp.where(ORDER < 0, ORDER + 3, ORDER), jnp.int32)
    return x[order]


@program([0.1, -0.2], real(2), True, argnums=1)
def function_defined_at_each_step(rates, x, up):
    for rate in rates:

        def grown(x):
            factor = jnp.exp(rate)
            return jnp.sinh(x) * factor

        x = lax.cond(up, grown, lambda x: x - rate, x)
    return x
