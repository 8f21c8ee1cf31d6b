"""What iteration finds is the solution to float precision, or NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv

pytestmark = pytest.mark.usefixtures("double_precision")


def wobbled(x):
    return x + jnp.sin(x) / 2


def cubic(x):
    return x**3 + x


def saturating(x):
    return jnp.tanh(x) + jax.nn.sigmoid(x)


def kepler(E, e):
    return E - e * jnp.sin(E)


def falling(x):
    return -jnp.exp(x) - x


@pytest.mark.parametrize("f", [wobbled, cubic, falling])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_to_float_precision_at_all_sizes(f, dtype):
    sizes = [1e-30, 1e-8, 1e-3, 0.1, 1.0, 7.0, 60.0]
    x = jnp.array([*sizes, *(-s for s in sizes), 0.0], dtype)
    got = inv.inverse(f, numeric=True)(f(x))
    assert got.dtype == dtype
    slack = 4 * jnp.finfo(dtype).eps
    # what rounding of the output leaves of the input
    width = slack * (jnp.abs(x) + jnp.abs(f(x)) / jnp.abs(jax.vmap(jax.grad(f))(x)))
    assert (jnp.abs(got - x) <= width).all()


def test_what_is_not_a_value_of_the_function_has_no_inverse():
    y = jnp.array([-1.0, -1.5, 0.3, 2.0, 2.5, jnp.nan, jnp.inf])
    x = inv.inverse(saturating, numeric=True)(y)
    assert jnp.isnan(x).tolist() == [True, True, False, True, True, True, True]


def test_one_that_fails_does_not_harm_the_others():
    y = jnp.array([0.1, 5.0, 1.9])
    x = inv.inverse(saturating, numeric=True)(y)
    np.testing.assert_allclose(saturating(x[::2]), y[::2], rtol=1e-14)


def test_where_the_slope_may_have_two_signs_there_is_no_value():
    """x - 1.5 sin(x) takes some values three times; with e = 1 it is flat at single points only."""
    inverse = inv.inverse(kepler, numeric=True)
    y = jnp.array([0.1, 1.0, 2.5])
    assert jnp.isnan(inverse(y, 1.5)).all()
    assert jnp.isnan(inverse(y, jnp.array([1.5, 0.5, -1.2]))).tolist() == [True, False, True]
    np.testing.assert_allclose(kepler(inverse(y, 1.0), 1.0), y, rtol=1e-12)


def folded(x, a):
    return x + a * jnp.tanh(x @ jnp.ones((20, 20)) / 20)


def folded_in_few(x, a):
    return x - a * jnp.tanh(x @ jnp.eye(2))


def test_a_residual_that_does_not_contract_has_no_value():
    x = jnp.linspace(-0.3, 0.3, 20)
    inverse = inv.inverse(folded, numeric=True)
    np.testing.assert_allclose(inverse(folded(x, 0.9), 0.9), x, atol=1e-12)
    assert jnp.isnan(inverse(folded(x, -1.0), -1.0)).all()
    assert jnp.isnan(inverse(folded(x, -3.0), -3.0)).all()


def test_a_system_that_folds_has_no_value():
    """x - 2 tanh(x) takes 0.1 three times."""
    inverse = inv.inverse(folded_in_few, numeric=True)
    y = jnp.array([[0.1, 0.2], [0.0, 0.3], [-0.4, 3.0]])
    assert jnp.isnan(inverse(y, 2.0)).all()
    np.testing.assert_allclose(folded_in_few(inverse(y, 0.5), 0.5), y, rtol=1e-12)


def centred(x, a):
    return x - a * x.mean()


@pytest.mark.parametrize("n", [3, 40])
def test_a_singular_system_has_no_value(n):
    x = jnp.linspace(-1.0, 2.0, n)
    inverse = inv.inverse(centred, numeric=True)
    assert not jnp.isfinite(inverse(centred(x, 1.0), 1.0)).any()
    np.testing.assert_allclose(inverse(centred(x, 0.5), 0.5), x, atol=1e-10)


# ---- derivatives ----------------------------------------------------------------------------------


def test_derivatives_of_every_order_in_both_modes():
    inverse = inv.inverse(kepler, numeric=True)
    y, e = 1.3, 0.6

    def implicit(y, e):
        """One Newton step from the solution has its first derivative, two the second, as long as nothing is stopped."""
        E = jax.lax.stop_gradient(inverse(y, e))
        for _ in range(3):
            E = E - (kepler(E, e) - y) / (1 - e * jnp.cos(E))
        return E

    for order in (jax.grad, jax.jacfwd, lambda f, n: jax.grad(jax.grad(f, n), n)):
        for n in (0, 1):
            np.testing.assert_allclose(order(inverse, n)(y, e), order(implicit, n)(y, e), rtol=1e-9)


def test_gradients_where_there_is_no_solution_are_not_numbers():
    assert jnp.isnan(jax.grad(inv.inverse(saturating, numeric=True))(3.0))


def test_gradients_of_a_log_determinant_reach_the_parameters():
    """The derivative of a log-density moves with the root as well."""
    ildj = inv.ildj(kepler, numeric=True)
    y, e, h = jnp.array([0.4, 1.7]), 0.5, 1e-5
    expected = (ildj(y, e + h) - ildj(y, e - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(ildj, 1)(y, e), expected, rtol=1e-7)


# ---- what emitted code does under transforms ------------------------------------------------------


def test_under_vmap_each_example_stands_alone():
    inverse = inv.inverse(folded, numeric=True)
    x = jnp.linspace(-0.3, 0.3, 40).reshape(2, 20)
    scales = jnp.array([0.5, -3.0])
    got = jax.vmap(inverse)(jax.vmap(folded)(x, scales), scales)
    np.testing.assert_allclose(got[0], x[0], atol=1e-12)
    assert jnp.isnan(got[1]).all()


def test_empty_arrays():
    assert inv.inverse(wobbled, numeric=True)(jnp.zeros((0, 3))).shape == (0, 3)
    assert inv.inverse(folded, numeric=True)(jnp.zeros((0, 20)), 0.5).shape == (0, 20)
