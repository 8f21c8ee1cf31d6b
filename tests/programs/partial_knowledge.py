"""Parts of the input, known one after the other, that join until they cover it."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.programs.registry import program
from tests.programs.samples import real

X = real(4)
A = real(3)
B = real(3, seed=1)


@program(X)
def slices_in_disorder(x):
    tail = x[2:] * 2
    head = x[:2] + 1
    return jnp.concatenate([tail, head])


@program(X)
def strided_halves(x):
    even, odd = x[::2], x[1::2]
    odd = odd * jnp.exp(even)
    return jnp.concatenate([even, odd])


@program(X)
def strided_halves_interleaved(x):
    even, odd = x[::2], x[1::2]
    odd = odd + jnp.sin(even)
    return jnp.stack([even, odd], axis=-1).reshape(-1)


@program(real(5))
def three_slices(x):
    return x[:1] * 2, x[1:3] + x[:1], x[3:] - x[1:3]


@program(X)
def negative_indices(x):
    last = x[-1:]
    return jnp.concatenate([x[:-1] + last, last])


@program(real(3))
def elements(x):
    a, b, c = x[0], x[1], x[2]
    return jnp.array([a, b + jnp.sin(a), c * jnp.exp(b)])


@program(real(3))
def unpacked_elements(x):
    a, b, c = x
    return jnp.stack([c + a, b * 3, a])


@program(real(3), example=real(3))
def elements_to_tuple(x):
    return x[2] + x[0], x[0], x[1] * 2


@program(real(3, 2), example=real(3, 2))
def rows(x):
    return x[0] + 1, x[1] * x[0], x[2] - x[1]


@program(real(2, 3))
def columns(x):
    first = x[:, 0]
    rest = x[:, 1:]
    return jnp.concatenate([rest * first[:, None], jnp.exp(first)[:, None]], axis=1)


@program(real(2, 4))
def ellipsis_slices(x):
    left, right = x[..., :1], x[..., 1:]
    return jnp.concatenate([right + left, left], axis=-1)


@program(X)
def split_at_indices(x):
    a, b, c = jnp.split(x, [1, 3])
    return jnp.concatenate([c, b + c, a])


@program(real(6))
def array_split(x):
    a, b, c = jnp.array_split(x, 3)
    return jnp.concatenate([a, b * 2, c + a])


@program(X)
def split_by_half_its_length(x):
    half = x.shape[0] // 2
    return jnp.concatenate([x[half:], x[:half] * jnp.exp(jnp.cos(x[half:]))])


@program(X)
def set_half(x):
    return x.at[:2].set(x[:2] * 2 + x[2:])


@program(X)
def add_half(x):
    return x.at[2:].add(jnp.exp(x[:2]))


@program(X)
def multiply_half(x):
    return x.at[::2].multiply(jnp.exp(x[1::2]))


@program(X)
def subtract_one_element(x):
    return x.at[0].add(-x[1])


@program(X)
def divide_half(x):
    return x.at[2:].divide(2.0 + jnp.sin(x[:2]))


@program(X)
def updates_in_turn(x):
    x = x.at[:2].add(x[2:] * 3)
    x = x.at[2:].multiply(jnp.exp(0.2 * x[:2]))
    return x


@program(X)
def fill_zeros(x):
    y = jnp.zeros_like(x)
    y = y.at[:2].set(x[2:] + 1)
    y = y.at[2:].set(x[:2] * 2)
    return y


@program(X)
def fill_by_stride(x):
    y = jnp.empty_like(x)
    y = y.at[::2].set(x[:2])
    y = y.at[1::2].set(x[2:] - x[:2])
    return y


@program(X)
def array_indices(x):
    first = jnp.array([0, 3])
    second = jnp.array([1, 2])
    return jnp.concatenate([x[first], x[second] * jnp.exp(x[first])])


@program(X)
def boolean_mask(x):
    mask = np.array([True, False, False, True])
    held, moved = x[mask], x[~mask]
    return jnp.concatenate([held, moved + jnp.tanh(held)])


@program(X)
def complementary_masks(x):
    mask = jnp.array([1.0, 0.0, 0.0, 1.0])
    return mask * x + (1 - mask) * jnp.exp(x)


@program(X)
def where_with_known_mask(x):
    mask = jnp.array([True, True, False, True])
    return jnp.where(mask, jnp.exp(x), 3 * x)


@program(A, B, argnums=(0, 1), example=(A, B))
def interleaved_arguments(a, b):
    return jnp.stack([a, b + a], axis=1).reshape(-1)


@program(X)
def lax_slices(x):
    head = lax.slice(x, (0,), (1,))
    tail = lax.slice_in_dim(x, 1, 4)
    return jnp.concatenate([tail * jnp.exp(head), head])


@program(real(2, 2), example=real(2, 2))
def quadrants(x):
    return x[0, 0], x[0, 1] + x[0, 0], x[1, 0] * 2, x[1, 1] - x[0, 1]


@program(real(3))
def autoregressive_by_hand(x):
    y0 = x[0]
    y1 = x[1] * jnp.exp(y0) + y0
    y2 = x[2] - y0 * y1
    return jnp.stack([y0, y1, y2])


@program(real(3))
def residual_of_later_elements(x):
    return jnp.stack([x[0] + x[1] ** 2, x[1] + x[2] ** 2, x[2]])


@program(X, no_ildj="the overlapping element is returned twice")
def overlapping_slices(x):
    return x[:3], x[2:]


@program(X)
def elementwise_before_an_update(x):
    """Inverting `tanh` for a part, and then for all of it, counts one log-det."""
    x = jnp.tanh(x)
    x = x.at[:1].add(jnp.sin(x[1:]).sum())
    return x


@program(X)
def product_before_an_update(x):
    a, b = x[:2], x[2:]
    a = a * b
    a = a.at[:1].add(-a[1])
    return jnp.concatenate([a, b])


@program(real(2))
def scale_of_one_element(x):
    a, b = x[:1], x[1:]
    return [a * jnp.arange(1.0, 2.0), b]


@program(X)
def doubled_before_an_update(x):
    t = 3.0 * x
    return t.at[1:].set(jnp.exp(x[1:]) + t[0])


@program(X)
def updates_of_an_exponential(x):
    t = jnp.exp(x)
    u = t.at[0].add(t[1])
    return u.at[1].multiply(jnp.exp(u[2]))


@program(X)
def one_element_replaced(x):
    t = jnp.exp(x)
    return t.at[2].set(x[2] * 2 + t[0])


@program(X)
def scattered_update(x):
    rows = jnp.array([0, 2])
    return x.at[rows].add(jnp.exp(x[jnp.array([1, 3])]))


@program(X, jnp.array([2, 0, 3, 1]))
def set_in_known_places(x, places):
    return jnp.zeros(4).at[places].set(x)
