"""`@inv.invertible`: the function as it was, on functions and on methods of every kind, with its products as attributes."""

import copy
import functools
import inspect
import pickle

import jax.numpy as jnp
import pytest

import invcompiler as inv

X = jnp.array([0.25, -0.5])


@inv.invertible
def squashed(x):
    """Squash."""
    return jnp.tanh(x) * 2


@inv.invertible(argnums=1, batch_ndims=1)
def scaled(w, x):
    return x * w


class Layer:
    def __init__(self, w):
        self.w = w

    @inv.invertible
    def forward(self, x):
        return x * self.w + 1

    @inv.invertible
    @classmethod
    def doubled(cls, x):
        return x * 2

    @inv.invertible(batch_ndims=1)
    @staticmethod
    def tripled(x):
        return x * 3

    @staticmethod
    @inv.invertible
    def halved(x):
        return x / 2

    @inv.invertible
    def __call__(self, x):
        return self.tripled(self.forward(x))


LAYER = Layer(jnp.array([2.0, 4.0]))
DECORATED = [
    squashed,
    functools.partial(scaled, LAYER.w),
    LAYER,
    LAYER.forward,
    LAYER.doubled,
    Layer.doubled,
    LAYER.tripled,
    Layer.tripled,
    LAYER.halved,
]


@pytest.mark.parametrize("function", DECORATED)
def test_transforms_see_through_it(function):
    assert jnp.allclose(inv.inverse(function)(function(X)), X)


@pytest.mark.parametrize("function", [f for f in DECORATED if hasattr(f, "inverse")])
def test_products_are_attributes(function):
    y = function(X)
    x, ildj = function.inverse_and_ildj(y)
    assert jnp.allclose(function.inverse(y), X)
    assert jnp.allclose(x, X)
    assert jnp.allclose(function.ildj(y), ildj)
    assert jnp.allclose(function.fldj(X), -ildj)
    assert jnp.allclose(function.forward_and_fldj(X)[0], y)
    assert jnp.allclose(function.adjoint.fwd(X)[0], y)
    assert all(function.source(kind) for kind in ("inverse", "fldj", "adjoint"))
    assert "recover" in function.explain()


def test_options_hold_for_every_product():
    assert jnp.allclose(scaled.inverse(scaled(X, X), X), X)
    assert scaled.ildj(scaled(X, X), X).shape == (2,)
    assert Layer.tripled.ildj(X).shape == (2,)


def test_it_looks_like_the_function():
    assert (squashed.__name__, squashed.__doc__) == ("squashed", "Squash.")
    assert list(inspect.signature(LAYER.forward).parameters) == ["x"]
    assert pickle.loads(pickle.dumps(squashed)) is squashed
    assert jnp.allclose(copy.deepcopy(LAYER.forward).inverse(LAYER.forward(X)), X)


@pytest.mark.parametrize("wrong", [3, "x"])
def test_it_decorates_functions_only(wrong):
    with pytest.raises(TypeError, match="expected a function"):
        inv.invertible(wrong)


def test_an_unknown_kind_is_a_value_error():
    with pytest.raises(ValueError, match="unknown kind 'nothing'"):
        squashed.source("nothing")
