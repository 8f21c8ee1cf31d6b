"""Rearrangements: nothing is computed, so the log-det is zero."""

import jax.numpy as jnp
from jax import lax

from tests.programs.registry import program
from tests.programs.samples import real

X = real(6)
M = real(2, 3)


@program(M, example=M)
def reshape(x):
    return jnp.reshape(x, (3, 2))


@program(M, example=M)
def reshape_method(x):
    return x.reshape(3, 2)


@program(M, example=M)
def ravel(x):
    return x.ravel()


@program(M, example=M)
def flatten(x):
    return x.flatten()


@program(X, example=X)
def reshape_with_unknown_size(x):
    return x.reshape(2, -1)


@program(M)
def transpose(x):
    return jnp.transpose(x)


@program(M)
def transpose_attribute(x):
    return x.T


@program(real(2, 3, 1))
def transpose_axes(x):
    return x.transpose(2, 0, 1)


@program(M)
def swapaxes(x):
    return jnp.swapaxes(x, 0, 1)


@program(real(2, 1, 3))
def moveaxis(x):
    return jnp.moveaxis(x, 0, -1)


@program(M)
def matrix_transpose(x):
    return x.mT


@program(X)
def flip(x):
    return jnp.flip(x)


@program(M)
def fliplr(x):
    return jnp.fliplr(x)


@program(M)
def flip_axis(x):
    return jnp.flip(x, axis=0)


@program(X)
def reversed_slice(x):
    return x[::-1]


@program(X)
def roll(x):
    return jnp.roll(x, 2)


@program(M)
def roll_axis(x):
    return jnp.roll(x, -1, axis=1)


@program(X)
def expand_dims(x):
    return jnp.expand_dims(x, 0)


@program(real(1, 3))
def squeeze(x):
    return jnp.squeeze(x, axis=0)


@program(X)
def new_axis(x):
    return x[:, None] * 2


@program(X)
def new_axis_with_ellipsis(x):
    return x[None, ..., None]


@program(real(2, 2))
def rot90(x):
    return jnp.rot90(x)


@program(X)
def permutation(x):
    return x[jnp.array([3, 0, 5, 1, 4, 2])]


@program(X)
def permutation_list(x):
    return x[jnp.asarray([5, 4, 3, 0, 1, 2])]


@program(M)
def permutation_of_columns(x):
    return x[:, jnp.array([2, 0, 1])]


@program(M)
def take(x):
    return jnp.take(x, jnp.array([1, 2, 0]), axis=1)


ORDER = jnp.array([1, 3, 5, 0, 2, 4])


@program(X)
def captured_permutation(x):
    return x[ORDER] * 2


@program(X, jnp.array([4, 2, 0, 1, 3, 5]))
def permutation_argument(x, order):
    return x[order]


@program(X)
def split_and_swap(x):
    a, b = jnp.split(x, 2)
    return jnp.concatenate([b, a])


@program(M, example=M)
def rows_to_tuple(x):
    return x[0], x[1]


@program(M)
def unpacked_rows(x):
    first, second = x
    return jnp.stack([second, first])


@program(real(3), real(3, seed=1), argnums=(0, 1))
def stack(a, b):
    return jnp.stack([a, b], axis=1)


@program(real(2), real(3), argnums=(0, 1), example=(real(2), real(3)))
def concatenate(a, b):
    return jnp.concatenate([a, b])


@program(real(3), real(3, seed=1), argnums=(0, 1), example=(real(3), real(3)))
def hstack(a, b):
    return jnp.hstack([a, b])


@program(real(2, 4))
def hsplit(x):
    left, right = jnp.hsplit(x, 2)
    return jnp.concatenate([right, left], axis=1)


@program(X)
def lax_reverse(x):
    return lax.rev(x, (0,))


@program(M)
def lax_transpose(x):
    return lax.transpose(x, (1, 0))


@program(real(1, 4, 4), example=real(1, 4, 4))
def space_to_depth(x):
    n, h, w = x.shape
    x = x.reshape(n, h // 2, 2, w // 2, 2)
    x = x.transpose(0, 1, 3, 2, 4)
    return x.reshape(n, h // 2, w // 2, 4)


@program(real(2, 4))
def merge_heads(x):
    x = x.reshape(2, 2, 2).swapaxes(0, 1)
    return x.reshape(2, 4)


@program(
    real(2, 2),
    example=real(2, 2),
    no_ildj="the output has more elements than the input",
)
def broadcast_rows(x):
    return jnp.broadcast_to(x, (3, 2, 2))


@program(X, example=X, no_ildj="the output has more elements than the input")
def tile(x):
    return jnp.concatenate([x, x])


@program(real(3), example=real(3), no_ildj="the output has more elements than the input")
def pad(x):
    return jnp.pad(x, (1, 2))
