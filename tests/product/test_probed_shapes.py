"""Shapes of unknowns that only trial tells: through calls, contractions, and sizes that the text does not say."""

import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv
from invcompiler.errors import ShapeError

X = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)
MIX = np.eye(8, dtype=np.float32) + 0.1
NET = 0.1 * np.random.default_rng(1).normal(size=(4, 8)).astype(np.float32)


def to_channels(x):
    b, h, w, c = x.shape
    blocks = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(b, h // 2, w // 2, 4 * c)


def to_pixels(x):
    b, h, w, c = x.shape
    blocks = x.reshape(b, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(b, 2 * h, 2 * w, c // 4)


def doubled(x, mix, net):
    return to_channels(x) * 2


def mixed(x, mix, net):
    return to_channels(x) @ mix


def coupled(x, mix, net):
    a, b = jnp.split(to_channels(x), 2, axis=-1)
    s, t = jnp.split(a @ net, 2, axis=-1)
    return jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)


def unpacked(x, mix, net):
    return 3 * to_pixels(to_channels(to_channels(x)))


def paired(x, mix, net):
    return x.reshape(*x.shape[:-1], x.shape[-1] // 2, 2) + 1


@pytest.mark.parametrize("function", [doubled, mixed, coupled, unpacked, paired])
def test_an_inverse_needs_no_example(function):
    y = function(X, MIX, NET)
    found = inv.inverse(function)(y, MIX, NET)
    np.testing.assert_allclose(found, X, atol=1e-3)


def rows_in_line(x):
    n, m = x.shape
    return x.reshape(n * m)


def halves_of_an_axis(x):
    a, b, c = x.shape
    return x.reshape(1, -1) if a == b else x.reshape(-1, 1)


@pytest.mark.parametrize("function", [rows_in_line, halves_of_an_axis])
def test_a_shape_that_is_not_told_is_asked_for(function):
    y = function(jnp.ones((4, 6) if function is rows_in_line else (2, 3, 4)))
    with pytest.raises(ShapeError, match="does not follow") as refusal:
        inv.inverse(function)(y)
    assert "example=" in str(refusal.value)
