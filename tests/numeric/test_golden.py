"""What emitted iterative code looks like."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv
from tests.test_golden import run_from

X = jnp.array([[0.3, -1.2, 0.7, 2.0], [1.1, 0.2, -0.4, -0.9]])
WEIGHTS = 0.1 * jnp.arange(8.0).reshape(4, 2)


@pytest.fixture
def reads_well(golden):
    """Compare the emitted text, and run the module that it is at one point."""

    def check(f, x, *known):
        name = f"{f.__name__}_inverse_and_ildj"
        emitted = run_from(golden(inv.inverse_and_ildj(f, numeric=True)), name, {})
        got, ildj = emitted(f(x, *known), *known)
        np.testing.assert_allclose(got, x, rtol=1e-5, atol=1e-6)
        size = x.size
        dense = jax.jacobian(f)(x, *known).reshape(size, size)
        np.testing.assert_allclose(ildj, -np.linalg.slogdet(dense)[1], rtol=1e-5, atol=1e-6)

    return check


def kepler(E, e):
    return E - e * jnp.sin(E)


def test_a_slope_that_depends_on_what_is_known(reads_well):
    reads_well(kepler, X, 0.7)


def mixture(x, means, scales):
    z = (x[..., None] - means) / jnp.exp(scales)
    return jax.scipy.special.logit(jnp.mean(jax.nn.sigmoid(z), axis=-1))


def test_a_mixture_of_logistics(reads_well):
    reads_well(mixture, X, jnp.array([0.0, 1.0]), jnp.array([0.1, -0.2]))


def residual_block(x, w):
    return x + jnp.tanh(x @ w) @ w.T


def test_a_residual_block(reads_well):
    reads_well(residual_block, X, WEIGHTS)
