"""Inverses of functions in several pieces, where pieces meet, overlap, or leave a gap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv


def two_slopes(x, slope):
    return jnp.where(x > 0, x, slope * x)


def test_pieces_that_overlap_at_run_time_give_nan():
    x, slope = jnp.array([1.0, -1.0, -2.0]), jnp.array([0.5, -0.5, 3.0])
    inverse, ildj = inv.inverse_and_ildj(two_slopes)(two_slopes(x, slope), slope)
    np.testing.assert_array_equal(np.isnan(inverse), [False, True, False])
    assert np.isnan(ildj)


def jump(x):
    return jnp.where(x < 0, x - 1, x + 1)


def test_a_value_that_no_piece_takes_gives_nan():
    np.testing.assert_array_equal(inv.inverse(jump)(jnp.array([-3.0, 0.5, 3.0])), [-2, np.nan, 2])


def bent(x):
    return jnp.where(x < 1.7, jnp.sinh(x), jnp.sinh(1.7) + 3 * (x - 1.7))


PIECES = [
    bent,
    jump,
    lambda x: jnp.where(jnp.abs(x) < 0.7, jnp.arcsin(x), x + jnp.sign(x) * 0.0753974966),
    lambda x: jnp.where(x > 20, x, jnp.log1p(jnp.exp(x))),
    lambda x: jnp.select([x < -1.3, x < 2.1], [3 * x + 2.6, x], 2 * x - 2.1),
]


@pytest.mark.parametrize("f", PIECES)
def test_floats_next_to_where_pieces_meet(f):
    ends = np.float32([-1.3, -0.7, -1e-30, 0, 1e-30, 0.7, 1.7, 2.1, 20])
    steps = [np.nextafter(ends, np.float32(side)) for side in (-np.inf, np.inf)]
    x = jnp.asarray(np.concatenate([ends, *steps]))
    # as exact as one rounding of the output, and of the inverse, allows
    np.testing.assert_allclose(inv.inverse(f)(f(x)), x, rtol=2e-6, atol=3e-7)


def far_below(x):
    return jnp.where(x > 0, x**2, jnp.expm1(x))


def test_gradients_of_the_piece_not_taken_are_finite():
    ildj = inv.ildj(far_below)
    y = jnp.array([-0.5, 1e-3, 4.0, 1e10])
    assert np.isfinite(jax.grad(ildj)(y)).all()
    assert np.isfinite(jax.grad(lambda y: inv.inverse(far_below)(y).sum())(y)).all()


def twisted(x, k):
    return (x - k) * jnp.abs(x)


def test_a_piece_that_turns_is_not_passed_over_for_another():
    # for k < 0, -0.1 and 0.07 and -0.7 have one value, and the piece below 0 has no inverse
    x = jnp.array([-0.1, 0.07, -3.0])
    back = inv.inverse(twisted)
    assert jnp.isnan(back(twisted(x, -0.8), -0.8)).all()
    assert jnp.allclose(back(twisted(x, 0.0), 0.0), x, atol=1e-6)
