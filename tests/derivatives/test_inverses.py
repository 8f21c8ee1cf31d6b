"""Derivatives of what inversion generates, and inverses of functions that use derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv
from invcompiler.derivatives import grad

pytestmark = pytest.mark.usefixtures("double_precision")

PARAMS = {"w": np.random.default_rng(0).normal(size=(2, 2))}
Y = np.random.default_rng(1).normal(size=(5, 4))


def coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    s = jnp.tanh(a @ params["w"])
    return jnp.concatenate([a, b * jnp.exp(s) + a], axis=-1)


inverse_and_ildj = inv.inverse_and_ildj(coupling, argnums=1)
forward_and_fldj = inv.forward_and_fldj(coupling, argnums=1)
ildj = inv.ildj(coupling, argnums=1)


def likelihood(params, y):
    x, log_det = inverse_and_ildj(y, params)
    return jnp.sum(x**2) / 2 - log_det


def reverse_divergence(params, x):
    y, log_det = forward_and_fldj(params, x)
    return jnp.sum(y**2) - log_det


def check(f, *arguments, argnums=0):
    made = grad(f, argnums)
    found, expected = made(*arguments), jax.grad(f, argnums)(*arguments)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), found, expected
    )
    return made


def test_likelihood_through_the_inverse():
    source = check(likelihood, PARAMS, Y).source
    assert "def coupling_inverse_and_ildj_bwd" in source and "jax.vjp" not in source


def test_forward_and_fldj():
    check(reverse_divergence, PARAMS, Y)


def test_gradient_of_a_generated_function():
    check(ildj, Y, PARAMS, argnums=1)


def test_second_derivative_through_the_inverse():
    along = lambda jvp, grad: jvp(lambda y: grad(likelihood, 1)(PARAMS, y), (Y,), (Y,))[1]
    np.testing.assert_allclose(
        along(inv.jvp, inv.grad), along(jax.jvp, jax.grad), rtol=1e-9, atol=1e-12
    )


def test_inverse_of_a_function_that_takes_gradients_of_knowns():
    slope = grad(lambda c: jnp.sum(jnp.sin(c)))

    def f(x, c):
        return x * jnp.exp(slope(c))

    np.testing.assert_allclose(inv.inverse(f)(f(Y, Y), Y), Y)
