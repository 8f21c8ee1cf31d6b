"""Calls of other functions, however they are written, passed on or wrapped."""

import functools
import operator

import jax
import jax.numpy as jnp

from tests.programs.registry import program
from tests.programs.samples import positive, real

X = real(3)
W = real(3, seed=1)
S = positive(3)


def shift(x, by):
    return x + by


def scale(x, by=2.0):
    return x * by


def affine(x, *, weight, bias=0.0):
    return scale(x, weight) + bias


def halves(x):
    middle = x.shape[0] // 2
    return x[:middle], x[middle:]


def join(a, b):
    return jnp.concatenate([a, b])


def twice(function, x):
    return function(function(x))


def chain(*functions):
    def run(x):
        for function in functions:
            x = function(x)
        return x

    return run


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@program(X, W)
def helper(x, w):
    return shift(x, w)


@program(X, W)
def helper_of_helper(x, w):
    return affine(shift(x, w), weight=jnp.exp(w), bias=w)


@program(X)
def default_argument(x):
    return scale(x) + 1


@program(X, S)
def keyword_argument(x, s):
    return scale(by=s, x=x)


@program(X, W)
def same_helper_twice(x, w):
    return shift(jnp.exp(shift(x, w)), 2 * w)


@program(X, W)
def helper_with_unknown_second(x, w):
    return shift(w, by=x)


@program(X)
def helper_returning_pair(x):
    a, b = halves(x)
    return join(a, b * jnp.exp(a))


@program(X, (W,))
def starred_arguments(x, rest):
    return shift(x, *rest)


@program(X, {"weight": S, "bias": W})
def double_starred_arguments(x, params):
    return affine(x, **params)


@program(X)
def local_lambda(x):
    square_plus = lambda v: jnp.sinh(v) + 1  # noqa: E731
    return square_plus(2 * x)


@program(X, W)
def local_function(x, w):
    def inner(v):
        return v * jnp.exp(w)

    return inner(inner(x))


@program(X)
def higher_order(x):
    return twice(jnp.sinh, x)


@program(X)
def higher_order_with_helper(x):
    return twice(scale, x)


@program(X, jnp.arcsinh)
def function_argument(x, activation):
    return activation(x * 2)


@program(X, W)
def partial_inside(x, w):
    layer = functools.partial(affine, weight=2.0, bias=w)
    return layer(x)


@program(X)
def composed(x):
    return chain(jnp.exp, scale, jnp.log1p)(x)


@program(X)
def jitted_helper(x):
    return jax.jit(scale)(x) + 1


@program(X)
def checkpointed_helper(x):
    return jax.checkpoint(jnp.sinh)(scale(x))


@program(real(2, 3), W)
def vmapped_helper(x, w):
    return jax.vmap(affine_row, in_axes=(0, None))(x, w)


def affine_row(row, w):
    return row * jnp.exp(w) + jnp.cumsum(w)


@program(X, W)
@jax.jit
def jitted(x, w):
    return x * 2 + w


@program(X, 3)
@functools.partial(jax.jit, static_argnums=1)
def jitted_with_static(x, n):
    for _ in range(n):
        x = jnp.arcsinh(x) * n
    return x


@program(X)
@jax.checkpoint
def checkpointed(x):
    return jnp.sinh(x) * 3


@program(X)
@logged
def wrapped(x):
    return jnp.exp(x) - 2


program(W, X, argnums=1, name="calls.lambda_")(lambda w, x: x * jnp.exp(w) + w)

program(X, name="calls.partial")(functools.partial(shift, by=1.5))

program(X, name="calls.partial_of_array")(functools.partial(affine, weight=S, bias=W))

program(X, name="calls.jitted_lambda")(jax.jit(lambda x: 2 * jnp.sinh(x)))

program(real(2, 3), name="calls.vmapped")(jax.vmap(lambda row: jnp.cumsum(row) + 1))

program(X, name="calls.composition")(chain(jnp.tanh, scale, jnp.sinh))


class Affine:
    """A layer that is a plain object holding arrays."""

    def __init__(self, weight, bias):
        self.weight = weight
        self.bias = bias

    def forward(self, x):
        return x * self.weight + self.bias

    def __call__(self, x):
        return jnp.tanh(self.forward(x))

    @staticmethod
    def double(x):
        return x * 2

    @classmethod
    def tripled(cls, x):
        return cls.double(x) * 1.5


LAYER = Affine(S, W)

program(X, name="calls.method")(LAYER.forward)

program(X, name="calls.callable_object")(LAYER)

program(X, name="calls.static_method")(Affine.double)

program(X, name="calls.class_method")(Affine.tripled)


class Stack:
    """Layers inside a layer."""

    def __init__(self, *layers):
        self.layers = layers

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


program(X, name="calls.stack_of_objects")(Stack(LAYER, Affine(W, S)))


program(X, name="calls.library_function")(jnp.arcsinh)

program(X, W, argnums=1, name="calls.operator")(operator.sub)

program(X, name="calls.partial_of_library_function")(functools.partial(jnp.multiply, S))

program(X, name="calls.jitted_library_function")(jax.jit(jnp.sinh))


@program(X, W, argnums=(0,))
def tuple_of_one(x, w):
    return jnp.exp(x) * S + w


@program(X, W)
def functions_by_default(x, w, activation=lambda v: 2 * v - 1, gate=scale):
    return activation(x) * gate(jnp.exp(w))


@program(X)
def calls_a_method(x):
    return LAYER.forward(x) * 2


@program(X)
def calls_an_object(x):
    return LAYER(x) + 1


@program(X, W)
def keyword_only_known(x, w, /, factor=2.0, *, bias=0.5):
    return x * factor + w + bias


@program(X, W, S)
def variadic(x, *params):
    for param in params:
        x = x + param
    return x


@program(X, keywords={"by": W})
def keyword_known(x, *, by):
    return x - by


@program(X)
def walrus(x):
    return (y := jnp.exp(x)) * 2 + jnp.zeros_like(y)


@program(X)
def named_scope(x):
    with jax.named_scope("scale"):
        x = x * 2
    return jnp.exp(x)


@program(X)
def chained_assignment(x):
    y = z = jnp.exp(x)
    del y
    return z + 1


@program(X)
def annotated(x: jax.Array) -> jax.Array:
    y: jax.Array = 2 * x
    return y


@program(X)
def augmented(x):
    x += 1
    x *= 3
    x /= 2
    x -= 0.5
    x **= 3
    return x


@program(X)
def recursive(x, depth=2):
    if depth == 0:
        return x
    return recursive(jnp.sinh(x), depth - 1)


def averages(x):
    if x.shape[0] == 1:
        return x
    a, b = x[0::2], x[1::2]
    return jnp.concatenate([averages((a + b) / 2), (a - b) / 2])


@program(real(8))
def recursive_over_halves(x):
    return averages(x)
