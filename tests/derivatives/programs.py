"""Programs that are differentiated: control flow, overwriting, nesting, slicing, broadcasting, closures, pytrees."""

import dataclasses
import functools
from collections import namedtuple
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

PROGRAMS = []


def program(*arguments, argnums=None):
    """Register a program with its arguments; it is differentiated with respect to `argnums`, by default all of them."""

    def register(function):
        numbers = tuple(range(len(arguments))) if argnums is None else argnums
        PROGRAMS.append((function.__name__, function, arguments, numbers))
        return function

    return register


def real(*shape, seed=0):
    return np.random.default_rng(seed + 100 * len(shape)).normal(size=shape)


X = real(4)
Y = real(4, seed=1)
M = real(3, 4, seed=2)
SQUARE = real(4, 4, seed=3)
BATCH = real(5, 4, seed=4)
CUBE = real(2, 3, 4, seed=5)
LAYER = {"w": real(4, 4, seed=6) / 2, "b": real(4, seed=7)}
LAYERS = [{"w": real(4, 4, seed=i) / 2, "b": real(4, seed=i)} for i in range(3)]
WIDTHS = [
    (real(4, 6, seed=1), real(6, seed=2)),
    (real(6, 3, seed=3), real(3, seed=4)),
    (real(3, 2, seed=5), real(2, seed=6)),
]
STACKED = {"w": real(3, 4, 4, seed=8) / 2, "b": real(3, 4, seed=9)}

# ---- straight lines -----------------------------------------------------------------------------


@program(X)
def identity(x):
    return x


@program(X)
def constant_offset(x):
    return x + 3


@program(X)
def twice(x):
    return x + x


@program(X)
def squared_by_itself(x):
    return x * x


@program(X)
def reused(x):
    y = jnp.sin(x)
    return y * x + y


@program(X, Y)
def two_arguments(x, y):
    return x * y + x / (1 + y**2)


@program(X)
def overwritten(x):
    x = x * 2
    x = jnp.tanh(x)
    x = x - 1
    return x


@program(X)
def augmented(x):
    x += 1
    x *= x
    x -= 0.5
    return x


@program(X)
def chained(x):
    a = b = jnp.cos(x)
    return a * b


@program(X)
def walrus(x):
    return (y := jnp.exp(x)) * y


@program(X)
def unused_value(x):
    _ = jnp.exp(x)
    return x**3


@program(X, Y)
def unused_argument(x, y):
    return jnp.sin(x)


@program(X)
def result_that_does_not_vary(x):
    return jnp.ones(3)


@program(X)
def stopped(x):
    return x * lax.stop_gradient(jnp.sin(x))


@program(X)
def through_integers(x):
    return x * jnp.round(x).astype(int)


@program(X)
def integer_output(x):
    return x * 2, jnp.argmax(x)


@program(np.arange(4), X)
def integer_argument(n, x):
    return n * x


@program(2.5, X)
def python_float(c, x):
    return c * x


@program(3, X, argnums=(1,))
def python_int(n, x):
    return x**n


@program("tanh", X, argnums=(1,))
def by_name(name, x):
    return getattr(jnp, name)(x)


# ---- broadcasting -------------------------------------------------------------------------------


@program(M, X)
def row(m, x):
    return m * x


@program(M, real(3, 1))
def column(m, c):
    return m + c


@program(M, 1.5)
def scalar(m, s):
    return m / s


@program(real(3, 1), real(1, 4))
def outer_sum(a, b):
    return jnp.exp(a - b)


@program(CUBE, real(1, 4))
def into_middle(x, y):
    return x * y


@program(real(1), X)
def single_element(a, x):
    return jnp.maximum(a, x)


@program(X, CUBE)
def smaller_first(x, c):
    return jnp.where(c > 0, x, c)


@program(1.0, 2.0)
def numbers(a, b):
    return a * b + a


@program(X)
def explicit_broadcast(x):
    return jnp.broadcast_to(x, (3, 4)) * jnp.arange(3.0)[:, None]


@program(X.astype(np.float32), Y)
def mixed_precision(x, y):
    return x * y + x


@program(X)
def cast_and_back(x):
    return (x.astype(jnp.float32) * 2).astype(jnp.float64)


@program(X, 1j * X)
def real_times_complex(x, z):
    return x * z


@program(X + 1j * Y)
def complex_chain(z):
    return jnp.exp(z) * z + 2j


@program(X + 1j * Y)
def modulus(z):
    return jnp.abs(z) ** 2 + jnp.real(z)


# ---- indexing -------------------------------------------------------------------------------------


@program(X)
def halves(x):
    return x[:2] * x[2:]


@program(X)
def swapped(x):
    return jnp.concatenate([x[2:], x[:2] ** 2])


@program(X)
def strided(x):
    return x[::2] * x[1::2]


@program(X)
def backwards(x):
    return x[::-1] * jnp.arange(4.0)


@program(X)
def one_element(x):
    return x[1] * x[-1]


@program(M)
def rows_and_columns(m):
    return m[0] * m[:, 1].sum() + m[1:, 2:].sum()


@program(M)
def ellipsis(m):
    return m[..., :2] * m[..., 2:]


@program(X)
def new_axis(x):
    return x[:, None] * x[None, :]


@program(X)
def gathered(x):
    return x[jnp.array([0, 0, 3])] ** 2


@program(X, 2, argnums=(0,))
def static_index(x, i):
    return x[i] * x


@program(X)
def dynamic_index(x):
    return x[jnp.argmax(x)] * x


@program(X)
def out_of_bounds(x):
    return x[jnp.argmax(x) + 10] * x


@program(M)
def advanced_pairs(m):
    return m[jnp.array([0, 1]), jnp.array([2, 2])]


@program(X)
def unpacked(x):
    a, b, c, d = x
    return a * b + c / d


@program(X)
def starred(x):
    first, *rest = x
    return first * sum(rest)


@program(X)
def taken(x):
    return jnp.take(x, jnp.array([3, 1, 1]))


@program(X)
def masked(x):
    return jnp.where(x > 0, x, 0.1 * x)


@program(X, Y)
def set_slice(x, y):
    return x.at[:2].set(y[2:] ** 2)


@program(X, Y)
def added_at(x, y):
    return x.at[jnp.array([0, 0, 1])].add(y[:3])


@program(X)
def multiplied_at(x):
    return x.at[1].multiply(x[0])


@program(X)
def dynamic_slice(x):
    return lax.dynamic_slice_in_dim(x, 1, 2) ** 2


# ---- shapes ---------------------------------------------------------------------------------------


@program(M)
def reshaped(m):
    return m.reshape(4, 3) * jnp.arange(3.0)


@program(M)
def flattened(m):
    return jnp.ravel(m)[2:] ** 2


@program(CUBE)
def transposed(c):
    return jnp.transpose(c, (2, 0, 1)) * jnp.arange(3.0)


@program(M)
def t_attribute(m):
    return m.T @ m


@program(CUBE)
def moved(c):
    return jnp.moveaxis(c, 0, -1).sum(axis=0) * jnp.swapaxes(c, 0, 2)[0].T.sum()


@program(X)
def expanded(x):
    return jnp.expand_dims(x, 0) * jnp.squeeze(x[None, :, None])


@program(X, Y)
def stacked_rows(x, y):
    return jnp.stack([x, y * x], axis=1) ** 2


@program(X, Y)
def joined(x, y):
    return jnp.concatenate([x, y, x]) ** 2


@program(M)
def split_in_two(m):
    a, b = jnp.split(m, 2, axis=1)
    return a * jnp.exp(b)


@program(M)
def split_partly_used(m):
    a, b, c = jnp.split(m, [1, 3], axis=1)
    return b**2


@program(X)
def rolled(x):
    return jnp.roll(x, 1) * x - jnp.flip(x)


@program(X)
def padded(x):
    return jnp.pad(x, (1, 2)) ** 2


@program(X)
def tiled(x):
    return jnp.tile(x, 3) * jnp.arange(12.0)


@program(X)
def repeated(x):
    return jnp.repeat(x, 2) ** 2


# ---- reductions -----------------------------------------------------------------------------------


@program(M)
def total(m):
    return jnp.sum(m * m)


@program(M)
def sum_of_axis(m):
    return jnp.sum(jnp.exp(m), axis=1)


@program(CUBE)
def sum_of_axes(c):
    return jnp.sum(c**2, axis=(0, -1))


@program(CUBE)
def sum_keeping(c):
    return c / jnp.sum(c**2, axis=1, keepdims=True)


@program(M)
def method_sum(m):
    return m.sum(0) * m.mean()


@program(M)
def means(m):
    return m - jnp.mean(m, axis=-1, keepdims=True) + m.mean(0)


@program(BATCH)
def layer_norm(x):
    mean = jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.var(x, axis=-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5)


@program(BATCH)
def standard_deviation(x):
    return x / x.std(axis=0)


@program(M)
def extremes(m):
    return jnp.max(m, axis=0) - jnp.min(m)


@program(np.array([1.0, 2.0, 2.0]))
def tied_maximum(x):
    return jnp.max(x) * x


@program(M)
def products(m):
    return jnp.prod(m, axis=0)


@program(M)
def normed(m):
    return m / jnp.linalg.norm(m)


@program(M)
def log_sum_exp(m):
    return jax.nn.logsumexp(m, axis=-1)


@program(M)
def softmax(m):
    return jax.nn.softmax(m, axis=-1) * m


@program(M)
def log_softmax(m):
    return jax.nn.log_softmax(m)[:, 0]


@program(M)
def cumulative(m):
    return jnp.cumsum(m, axis=1) * jnp.cumprod(m, axis=0)


@program(X)
def sorted_values(x):
    return jnp.sort(x) * jnp.arange(4.0)


# ---- linear algebra ---------------------------------------------------------------------------------


@program(BATCH, SQUARE)
def matrix_product(x, w):
    return x @ w


@program(X, SQUARE)
def vector_matrix(x, w):
    return x @ w


@program(SQUARE, X)
def matrix_vector(w, x):
    return w @ x


@program(X, Y)
def inner(x, y):
    return x @ y


@program(CUBE, SQUARE)
def batched_by_matrix(c, w):
    return c @ w


@program(CUBE, real(2, 4, 5))
def batched_by_batched(a, b):
    return a @ b


@program(real(3, 4), real(2, 4, 5))
def matrix_by_batched(a, b):
    return a @ b


@program(CUBE, X)
def batched_by_vector(c, x):
    return c @ x


@program(M, SQUARE)
def dots(m, w):
    return jnp.dot(m, w) + m.dot(w)


@program(CUBE, real(2, 5, 4))
def einsum(q, k):
    return jnp.einsum("bqd,bkd->bqk", q, k)


@program(CUBE)
def einsum_of_one(c):
    return jnp.einsum("abc->b", c)


@program(SQUARE)
def trace_of_product(w):
    return jnp.trace(w @ w.T)


@program(SQUARE, X)
def solved(w, x):
    return jnp.linalg.solve(w, x)


@program(SQUARE)
def log_determinant(w):
    return jnp.linalg.slogdet(w)[1]


@program(SQUARE)
def cholesky(w):
    return jnp.linalg.cholesky(w @ w.T + jnp.eye(4))


@program(X, Y)
def outer_product(x, y):
    return jnp.outer(x, y) * jnp.tensordot(x, y, 1)


@program(X, Y)
def convolved(x, y):
    return jnp.convolve(x, y)


# ---- containers -------------------------------------------------------------------------------------


@program((X, Y))
def tuple_argument(pair):
    a, b = pair
    return a * b, a


@program(LAYER, X)
def dense(layer, x):
    return jnp.tanh(x @ layer["w"] + layer["b"])


@program({"a": X, "unused": Y, "count": 3})
def partly_used(values):
    return values["a"] ** 2


@program([X, Y])
def list_argument(values):
    return values[0] * values[1] + values[0]


@program({"a": {"b": [X, Y]}, "c": X})
def nested(tree):
    return {"out": tree["a"]["b"][1] * tree["c"]}


State = namedtuple("State", ["position", "momentum"])


@program(State(X, Y))
def named_tuple(state):
    momentum = state.momentum - jnp.sin(state.position)
    return State(state.position + momentum, momentum)


class Typed(NamedTuple):
    a: jax.Array
    b: jax.Array


@program(X)
def makes_named_tuple(x):
    pair = Typed(x, x**2)
    return pair.a * pair.b


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Affine:
    scale: jax.Array
    shift: jax.Array


@program(Affine(X, Y), real(4, seed=9))
def data_class(affine, x):
    return affine.scale * x + affine.shift


@jax.tree_util.register_pytree_node_class
class Boxed:
    def __init__(self, value):
        self.value = value

    def tree_flatten(self):
        return (self.value,), None

    @classmethod
    def tree_unflatten(cls, aux, children):
        return cls(*children)


@program(Boxed(X), Y)
def custom_node(box, y):
    return box.value * y


@program({"a": X, "b": Y})
def mapped_tree(tree):
    doubled = jax.tree.map(lambda leaf: 2 * leaf, tree)
    return jax.tree.reduce(lambda a, b: a + b, doubled)


@program(X)
def returns_tree(x):
    return {"a": [x, x * 2], "b": (jnp.sum(x),)}


@program(X)
def built_list(x):
    parts = []
    for i in range(3):
        parts.append(x * i)
    return jnp.stack(parts)


# ---- calls and closures -----------------------------------------------------------------------------

SCALE = real(4, seed=11)


def helper(x, scale=2.0):
    return jnp.sin(x) * scale


def nested_helper(x):
    y = helper(x)
    return helper(y, scale=x)


@program(X)
def calls(x):
    return helper(x) + helper(x, 3.0) + nested_helper(x)


@program(X)
def captured_array(x):
    return x * SCALE


def scaled(x):
    return jnp.cos(x) * SCALE


@program(X)
def captured_by_callee(x):
    return scaled(scaled(x))


@program(X, Y)
def local_function(x, y):
    def inner(z):
        return z * y

    return inner(x) + inner(y)


@program(X, Y)
def local_lambda(x, y):
    square = lambda z: z * z * y
    return square(square(x))


@program(X)
def partial_call(x):
    return functools.partial(helper, scale=x)(x)


@program(X)
def jitted_callee(x):
    return jax.jit(helper)(x)


@jax.jit
def jitted(x):
    return jnp.exp(x) * x


@program(X)
def calls_jitted(x):
    return jitted(jitted(x))


@program(X)
def checkpointed(x):
    return jax.checkpoint(nested_helper)(x)


@program(BATCH, X)
def vmapped(b, x):
    return jax.vmap(lambda row: jnp.sin(row) @ x)(b)


@program(BATCH)
def vmapped_helper(b):
    return jax.vmap(helper)(b)


def power(x, n):
    return x if n == 0 else x * power(x, n - 1)


@program(X)
def recursion(x):
    return power(x, 3)


def swap(a, b):
    return b, a * b


@program(X, Y)
def several_values(x, y):
    a, b = swap(x, y)
    a, b = swap(b, a)
    return a + b


def only_first_used(x):
    return jnp.sin(x), jnp.exp(x)


@program(X)
def ignores_a_value(x):
    y, _ = only_first_used(x)
    return y


@program(X)
def higher_order(x):
    apply = lambda f, v: f(f(v))
    return apply(jnp.sin, x)


def applied_twice(f, x, n=2):
    for _ in range(n):
        x = f(x)
    return x


def integrated(field, y, times):
    return lax.scan(lambda y, t: (y + 0.1 * field(y, t), y), y, times)


@program(X, Y)
def passes_a_closure_on(x, y):
    return applied_twice(lambda z: jnp.sin(z) * y, x) + applied_twice(jnp.cos, x, n=1)


@program(X, Y)
def vector_field_of_a_closure(x, y):
    def field(z, t):
        return jnp.tanh(z * y) * t

    return integrated(field, x, jnp.arange(3.0))


def halved(f, x, n):
    return x if n == 0 else halved(f, f(x) / 2, n - 1)


@program(X)
def recursion_over_a_closure(x):
    return halved(lambda z: z * x, x, 2)


class Activated:
    def __init__(self, activation, scale):
        self.activation = activation
        self.scale = scale

    def __call__(self, x):
        return self.activation(x * self.scale)


SQUARED = Activated(lambda z: z**2, real(4, seed=12))


@program(X)
def objects_that_hold_functions(x):
    layers = [Activated(jnp.sin, x), SQUARED]
    return functools.reduce(lambda value, layer: layer(value), layers, x)


@program(X)
def function_by_default(x, norm=lambda z: z / jnp.sqrt(jnp.sum(z**2))):
    return norm(x) * 2


# ---- branches ---------------------------------------------------------------------------------------


@program(X, True, argnums=(0,))
def static_branch(x, flag):
    if flag:
        return jnp.sin(x)
    return jnp.cos(x)


@program(X, 3, argnums=(0,))
def nested_static_branches(x, n):
    if n > 2:
        y = x * n
    elif n == 1:
        y = x
    else:
        y = -x
    return y * x


@program(X)
def conditional_expression(x):
    return x * (2 if x.ndim == 1 else 3)


@program(X, Y)
def cond(x, y):
    return lax.cond(jnp.sum(x) > 0, lambda: jnp.sin(x) * y, lambda: x**2)


@program(X, Y)
def cond_with_operands(x, y):
    return lax.cond(x[0] > 0, lambda a, b: a * jnp.exp(b), lambda a, b: a - b, x, y)


@program(X)
def switch(x):
    return lax.switch(1, [jnp.sin, lambda v: jnp.exp(v) * v, lambda v: v], x)


@program(X)
def cond_of_pytrees(x):
    a, b = lax.cond(x[1] > 0, lambda v: (v, v * v), lambda v: (jnp.sin(v), v), x)
    return a * b


# ---- loops --------------------------------------------------------------------------------------------


@program(X)
def counted(x):
    for _ in range(3):
        x = jnp.sin(x) * x
    return x


@program(X)
def counter_used(x):
    for i in range(1, 4):
        x = x * i + jnp.cos(x)
    return x


@program(LAYERS, X)
def over_layers(layers, x):
    for layer in layers:
        x = jnp.tanh(x @ layer["w"] + layer["b"])
    return x


@program(WIDTHS, BATCH)
def over_widths(layers, x):
    for w, b in layers:
        x = jnp.tanh(x @ w + b)
    return x


@program(LAYERS, X)
def calls_in_loop(layers, x):
    for layer in layers:
        x = dense(layer, x)
    return x


@program(WIDTHS, BATCH)
def residual_widths(layers, x):
    total = 0.0
    for i, (w, b) in enumerate(layers):
        x = jax.nn.relu(x @ w + b) * (i + 1)
        total = total + jnp.mean(x**2)
    return total


@program([X, Y], [Y, X])
def zipped(a, b):
    total = 0.0
    for u, v in zip(a, b):
        total = total + jnp.sin(u) * v
    return total


@program([X, Y], SCALE)
def reversed_loop(items, x):
    for item in reversed(items):
        x = x * item + jnp.sin(x)
    return x


@program({"a": X, "b": Y}, SCALE)
def over_items(table, x):
    for name, value in table.items():
        x = x * value if name == "a" else x + value
    return x


@program(M)
def over_rows(m):
    total = jnp.ones(4)
    for row in m:
        total = total * jnp.exp(row) + row
    return total


@program(X, Y)
def outer_value_in_loop(x, y):
    for _ in range(4):
        x = x * jnp.tanh(y)
    return x


@program(X)
def comprehension(x):
    return sum([jnp.sin(x * k) for k in range(3)])


@program([X, Y], SCALE)
def comprehension_over_items(items, x):
    return jnp.stack([item * x for item in items])


@program(X)
def nested_loops(x):
    for i in range(2):
        for j in range(2):
            x = jnp.sin(x) + i * j * x
    return x


@program(X)
def loop_with_two_carries(x):
    a, b = x, jnp.ones(4)
    for _ in range(3):
        a, b = b, a * b + x
    return a * b


@program(X)
def loop_that_overwrites(x):
    y = x
    for i in range(3):
        y = jnp.sin(x) * i
    return y


@program(X)
def carry_that_becomes_varying(x):
    y = jnp.zeros(4)
    z = 1.0
    for _ in range(3):
        y, z = z * x, y
    return y + z


@program(X)
def indexed_in_loop(x):
    total = 0.0
    for i in range(4):
        total = total + x[i] ** 2 * (i + 1)
    return total


@program(X, BATCH)
def scan(h, xs):
    def step(h, x):
        h = jnp.tanh(h + x)
        return h, h * x

    return lax.scan(step, h, xs)


@program(SQUARE, X, BATCH)
def recurrent(w, h, xs):
    def step(h, x):
        h = jnp.tanh(w @ h + x)
        return h, jnp.sum(h)

    h, ys = lax.scan(step, h, xs)
    return h, ys


@program(X, BATCH)
def scan_only_final(h, xs):
    h, _ = lax.scan(lambda c, x: (jnp.sin(c) * x, None), h, xs)
    return h


@program(X, BATCH)
def scan_only_outputs(h, xs):
    _, ys = lax.scan(lambda c, x: (c + x, c**2), h, xs)
    return ys


@program(X, BATCH)
def reversed_scan(h, xs):
    return lax.scan(lambda c, x: (jnp.sin(c) + x, c * x), h, xs, reverse=True)


@program(X)
def scan_of_length(x):
    return lax.scan(lambda c, _: (jnp.cos(c) * c, c), x, None, length=3)


@program(STACKED, X)
def scan_over_layers(layers, x):
    def step(x, layer):
        return dense(layer, x), None

    return lax.scan(step, x, layers)[0]


@program({"p": X, "q": Y}, BATCH)
def scan_of_dicts(state, xs):
    def step(state, x):
        q = state["q"] + state["p"] * x
        return {"p": state["p"] - jnp.sin(q), "q": q}, q

    return lax.scan(step, state, xs)


@program(X)
def fori(x):
    return lax.fori_loop(0, 3, lambda i, c: jnp.sin(c) * (i + 1), x)


@program(X, Y)
def fori_linear(x, y):
    return lax.fori_loop(0, 3, lambda i, c: c + y, x)


@program(X, Y)
def fori_pair(x, y):
    return lax.fori_loop(1, 4, lambda i, c: (c[1] * i, jnp.tanh(c[0] + c[1])), (x, y))


@program(BATCH, X)
def lax_map(xs, w):
    return lax.map(lambda x: jnp.sin(x) @ w, xs)


@program(BATCH)
def nested_scans(xs):
    def outer(c, x):
        inner, _ = lax.scan(lambda d, y: (d * jnp.cos(y), None), c, x)
        return inner, inner**2

    return lax.scan(outer, 1.0, xs)


@program(X)
def scan_with_cond(x):
    def step(c, i):
        return lax.cond(i % 2 == 0, lambda: jnp.sin(c), lambda: c * c), None

    return lax.scan(step, x, jnp.arange(4))[0]


@program(X)
def gather_in_scan(x):
    def step(c, i):
        return c + jnp.sin(x[i]), c

    return lax.scan(step, 0.0, jnp.arange(4))


# ---- models -------------------------------------------------------------------------------------------


def attention(params, x):
    q, k, v = x @ params["q"], x @ params["k"], x @ params["v"]
    weights = jax.nn.softmax(q @ k.T / jnp.sqrt(q.shape[-1]), axis=-1)
    return weights @ v @ params["o"]


ATTENTION = {name: real(4, 4, seed=i) for i, name in enumerate("qkvo")}


@program(ATTENTION, BATCH)
def attention_block(params, x):
    x = x + attention(params, x)
    return layer_norm(x)


@program(real(2, 6, 6, 3), real(3, 3, 3, 2))
def convolution(x, kernel):
    dims = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims)
    return jax.nn.relu(y)


@program(LAYERS, BATCH, real(5, 4, seed=20))
def loss(layers, x, targets):
    for layer in layers[:-1]:
        x = jax.nn.gelu(x @ layer["w"] + layer["b"])
    logits = x @ layers[-1]["w"] + layers[-1]["b"]
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(logits) * targets, axis=-1))


@program(LAYER, BATCH)
def coupling_likelihood(layer, x):
    a, b = jnp.split(x, 2, axis=-1)
    s = jnp.tanh(a @ layer["w"][:2, :2])
    b = b * jnp.exp(s) + layer["b"][:2]
    z = jnp.concatenate([a, b], axis=-1)
    return jnp.mean(-0.5 * jnp.sum(z**2, axis=-1) + jnp.sum(s, axis=-1))


# ---- where derivatives go wrong silently --------------------------------------------------------------


@program(X)
def filled_like(x):
    return jnp.full_like(x, x[0]) * x


class Sized(NamedTuple):
    size: jax.Array
    shape: jax.Array


@program(Sized(X, Y))
def fields_called_size_and_shape(pair):
    return pair.size * pair.shape


@program(X * 0.0)
def zeroth_power(x):
    return x**0 + x**1


@program(np.arange(4.0))
def static_index_out_of_bounds(x):
    return x[-1] * jnp.asarray(x)[7]


def summed_rows(m, v):
    return jnp.sum(m * v, axis=0)


def through_another(m, v):
    return summed_rows(m, v) * 2


@program(M, SQUARE, X, Y[:1])
def one_text_for_two_shapes(m, w, x, y):
    return through_another(m, x) + through_another(w, y)


@program([X, Y, X], argnums=(0,))
def walks_a_part(items):
    total = 0.0
    for item, i in zip(items, range(3)):
        total = total + jnp.sin(item) * i
    return total


@program(X)
def shadowed_builtin_names(x):
    sum = jnp.sin(x)
    list = sum * x
    return list * sum


@program([X, Y, X, Y], (X, Y, X), argnums=(0, 1))
def slices_of_containers(items, pair):
    total = jnp.zeros_like(items[0])
    for item in items[1::2]:
        total = total + jnp.sin(item) * total.sum() + item
    first, second = pair[:2]
    return total * first + second * items[-1]


@program({"mean": X, "scale": Y})
def names_of_a_copied_loop(state):
    out, seen = {}, 0
    for key in sorted(state):
        out[key] = jnp.sin(state[key]) * (seen + 1)
        seen = seen + 1
        last = key
    return out[last] * seen + len(last)


@program(X)
def text_made_while_counting(x):
    i = 0
    while i < 3:
        x = jnp.sin(x) * (i + 1)
        name = f"step {i}"
        i += 1
    return x * i + len(name)


@program(X)
def counted_while(x):
    i = 0
    while i < 3:
        x = jnp.sin(x) * (i + 1)
        name = f"step {i}"
        print(end=name[:0])
        i += 1
    return x * i


@program(X, {"q": SQUARE, "k": SQUARE.T})
def unpacked_generator(x, weights):
    q, k = (jnp.tanh(x @ weights[name]) for name in "qk")
    return q * k + q


@program({"a": X, "b": (Y, M)})
def scaled_leaves(tree):
    leaves, structure = jax.tree.flatten(tree)
    total = sum(leaf.sum() for leaf in leaves)
    return jax.tree.unflatten(structure, [leaf * total for leaf in leaves])
