"""Code of any kind that computes from knowns alone: it is called as it stands."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.programs.registry import program
from tests.programs.samples import positive, real, uniform

X = real(4)
W = real(2, seed=1)


def newton_root(c):
    guess = c
    while abs(guess * guess - c) > 1e-12:
        guess = 0.5 * (guess + c / guess)
    return guess


def parse(settings):
    table = {}
    for item in settings.split(","):
        try:
            key, value = item.split("=")
        except ValueError:
            continue
        table[key] = float(value)
    return table


@jax.custom_jvp
def host_sine(x):
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(np.sin, shape, x, vmap_method="expand_dims")


@host_sine.defjvp
def host_sine_jvp(primals, tangents):
    (x,), (x_dot,) = primals, tangents
    return host_sine(x), x_dot * jnp.cos(x)


class Network:
    """A network as an object with state and a method that counts its calls."""

    def __init__(self, weight):
        self.weight = weight
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return jnp.tanh(self.weight * x)


NETWORK = Network(real(2, seed=7))


@program(X)
def pure_callback(x):
    a, b = x[:2], x[2:]
    return jnp.concatenate([a, b + host_sine(a)])


@program(X, no_gradient="JAX has no reverse mode through a while loop")
def while_loop_over_known(x):
    a, b = x[:2], x[2:]
    steps = lax.while_loop(lambda s: jnp.sum(s) < 10, lambda s: s * 2 + 1, jnp.abs(a))
    return jnp.concatenate([a, b * steps])


@program(X, 2.0)
def python_while(x, c):
    root = newton_root(2.0)
    return x * root + c


@program(X, "scale=2.5,shift=1,junk")
def parsed_settings(x, settings):
    table = parse(settings)
    return x * table["scale"] + table["shift"]


@program(X, "scale=2.5,shift=1,junk")
def try_inside(x, settings):
    try:
        scale = float(settings)
    except ValueError:
        scale = 3.0
    return x * scale


@program(X)
def stateful_network(x):
    a, b = x[:2], x[2:]
    return jnp.concatenate([a, b * jnp.exp(NETWORK(a))])


@program(X, uniform(4, low=-1, high=1))
def noninvertible_conditioner(x, w):
    order = jnp.argsort(w)
    return x * (1 + jnp.abs(w[order])) + jnp.max(w) - jnp.round(w)


@program(X)
def reductions_of_known_half(x):
    a, b = x[:2], x[2:]
    weight = jax.nn.softmax(a) * a.size
    b = b * weight + jnp.linalg.norm(a) + jnp.median(a)
    return jnp.concatenate([b, a])


@program(X)
def attention_over_known_half(x):
    a, b = x[:2], x[2:]
    scores = jnp.outer(a, a)
    mixed = jax.nn.softmax(scores, axis=-1) @ a
    return jnp.concatenate([a, b - mixed])


@program(X)
def sorted_conditioner(x):
    a, b = x[:2], x[2:]
    return jnp.concatenate([a, b + jnp.sort(a)[::-1] * jnp.clip(a, -0.5, 0.5)])


@program(X, W)
def gradient_as_conditioner(x, w):
    def energy(q):
        return jnp.sum(jnp.cos(q) * w)

    q, p = x[:2], x[2:]
    return jnp.concatenate([q, p - 0.1 * jax.grad(energy)(q)])


@program(X)
def comprehension_of_knowns(x):
    weights = jnp.stack([jnp.cos(k * x[0]) for k in range(3)])
    return x.at[1:].add(weights)


@program(X, {"a": 1.0, "b": 2.0})
def generator_of_knowns(x, table):
    return x + sum(value for value in table.values())


@program(X, positive(4))
def numpy_of_constants(x, w):
    grid = np.linspace(0.0, 1.0, 4)
    grid[1] = 0.4
    return x * (1 + grid) + w
