"""Simplices, with as many numbers as they have free ones or one more: softmax, shares, sticks that are broken."""

import jax
import jax.numpy as jnp

from tests.programs.registry import program
from tests.programs.samples import positive, real

X = real(4)
ROWS = real(3, 4)
MORE = "returns one number more than it takes"


@program(X, no_ildj=MORE)
def softmax_of_one_more(x):
    return jax.nn.softmax(jnp.concatenate([x, jnp.zeros(1)]))


@program(X, example=X, no_ildj=MORE)
def softmax_with_a_number_in_front(x):
    return jax.nn.softmax(jnp.append(jnp.array([1.5]), x))


@program(ROWS, example=ROWS, no_ildj=MORE)
def softmax_of_padded_rows(x):
    return jax.nn.softmax(jnp.pad(x, ((0, 0), (0, 1))), axis=-1)


@program(ROWS, example=ROWS)
def softmax_without_its_last(x):
    return jax.nn.softmax(jnp.pad(x, ((0, 0), (0, 1))), axis=-1)[..., :-1]


@program(X, example=X)
def softmax_without_its_first(x):
    return jax.nn.softmax(jnp.append(x, 0.0))[1:]


@program(X, example=X)
def log_softmax_without_its_first(x):
    return jax.nn.log_softmax(jnp.append(x, 0.5))[1:]


@program(X, example=X)
def softmax_by_hand(x):
    logits = jnp.append(x, 0.0)
    weights = jnp.exp(logits - logits.max())
    return (weights / weights.sum())[:-1]


@program(ROWS)
def shares_of_exponentials(x):
    e = jnp.exp(x)
    return e / (1 + jnp.sum(e, axis=-1, keepdims=True))


@program(X, example=X)
def logarithms_of_shares(x):
    return x - jax.nn.logsumexp(jnp.append(x, 0.0))


@program(X, example=X)
def log_shares_by_hand(x):
    return x - jnp.log1p(jnp.sum(jnp.exp(x)))


@program(positive(4), example=positive(4))
def proportions(x):
    parts = jnp.append(x, 2.0)
    return (parts / parts.sum())[:-1]


@program(X, example=X, no_ildj=MORE)
def direction(x):
    v = jnp.append(x, 1.0)
    return v / jnp.linalg.norm(v)


@program(X, example=X, no_ildj=MORE)
def stick_with_its_end(x):
    z = jax.nn.sigmoid(x - jnp.log(jnp.arange(4, 0, -1)))
    left = jnp.cumprod(1 - z)
    return jnp.concatenate([z, jnp.ones(1)]) * jnp.concatenate([jnp.ones(1), left])


@program(ROWS, example=ROWS)
def stick_without_its_end(x):
    z = jax.nn.sigmoid(x)
    left = jnp.cumprod(1 - z, axis=-1)
    ends = jnp.pad(z, ((0, 0), (0, 1)), constant_values=1.0)
    return (ends * jnp.pad(left, ((0, 0), (1, 0)), constant_values=1.0))[:, :-1]


@program(X)
def open_stick(x):
    z = (jnp.tanh(x) + 1) / 2
    return z * jnp.concatenate([jnp.ones(1), jnp.cumprod(1 - z)[:-1]])


@program(X, example=X)
def open_stick_of_other_shares(x):
    z = jnp.exp(-jnp.exp(x))
    return z * jnp.cumprod(jnp.concatenate([jnp.ones(1), 1 - z[:-1]]))


@program(X, example=X)
def stick_by_logarithms(x):
    left = jnp.exp(jnp.cumsum(jax.nn.log_sigmoid(-x)))
    return jax.nn.sigmoid(x) * jnp.append(1.0, left[:-1])


@program(X, example=X, no_ildj=MORE)
def stick_by_a_scan(x):
    def step(left, v):
        piece = left * jax.nn.sigmoid(v)
        return left - piece, piece

    left, pieces = jax.lax.scan(step, jnp.ones(()), x)
    return jnp.append(pieces, left)


@program(X, example=X)
def squares_that_break_a_stick(x):
    z = jnp.tanh(x)
    left = jnp.sqrt(jnp.cumprod(1 - z**2))
    return z * jnp.concatenate([jnp.ones(1), left[:-1]])


@program(ROWS, example=ROWS, no_ildj="returns copies")
def tiled(x):
    return jnp.tile(jnp.exp(x), (2, 3))


@program(X, example=X, no_ildj="returns copies")
def repeated(x):
    return jnp.repeat(x * 2, 3)


@program(ROWS, example=ROWS, no_ildj="returns copies")
def spread(x):
    return jnp.broadcast_to(jnp.tanh(x)[:, None], (3, 2, 4))


# ---- elementwise between what is known beside the unknown and what is normalised ------------------------------------


@program(real(3), jnp.asarray(0.7), no_ildj="more elements than free ones")
def softmax_with_temperature(x, t):
    return jax.nn.softmax(jnp.append(x, 0.0) / t)


@program(real(2, 3), jnp.asarray(0.7))
def softmax_with_temperature_without_its_last(x, t):
    logits = jnp.concatenate([x, jnp.zeros((2, 1))], axis=-1)
    return jax.nn.softmax(logits / t, axis=-1)[..., :-1]


@program(real(3), real(4, seed=1), positive(4))
def log_softmax_of_shifted_logits(x, b, s):
    return jax.nn.log_softmax(s * jnp.concatenate([jnp.ones(1), x]) + b)[1:]


@program(real(3))
def bounded_logits(x):
    return jax.nn.softmax(3.0 * jnp.tanh(jnp.append(x, 0.0)))[:-1]
