"""Signs of known values that a branch hangs on are checked when the inverse runs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv


def weibull(x, shape, scale):
    return -jnp.expm1(-((x / scale) ** shape))


def test_what_is_not_positive_gives_nan():
    back = inv.inverse_and_ildj(weibull, domain="positive")
    y = jnp.array([0.2, 0.7])
    x, ildj = back(y, 2.0, 1.5)
    np.testing.assert_allclose(weibull(x, 2.0, 1.5), y, rtol=1e-5)
    assert np.isfinite(ildj)
    x, ildj = back(
        y, 2.0, -1.5
    )  # x / scale is negative, and its square as good as that of another x
    assert np.isnan(x).all() and np.isnan(ildj)


def test_each_example_of_a_batch_is_checked_by_itself():
    back = jax.vmap(inv.inverse(weibull, domain="positive"), in_axes=(None, None, 0))
    x = back(jnp.array([0.2, 0.7]), 2.0, jnp.array([1.5, -1.5]))
    assert np.isfinite(x[0]).all() and np.isnan(x[1]).all()


def test_only_what_a_branch_hangs_on_must_be_positive():
    source = inv.source(inv.inverse(weibull, domain="positive"))
    assert "For positive `scale`; NaN for others." in source
    assert "shape > 0" not in source


SCALE = jnp.array(-1.5)


def test_a_captured_value_that_is_not_positive_today_is_refused():
    def f(x):
        return (x / SCALE) ** 4

    with pytest.raises(inv.InversionError, match="several arguments give one value"):
        inv.inverse(lambda x: f(x), domain="positive")(jnp.array([1.0]))


def test_signs_of_known_values_do_not_help_an_unknown_of_any_sign():
    with pytest.raises(inv.InversionError, match="several arguments give one value"):
        inv.inverse(weibull)
