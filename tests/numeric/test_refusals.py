"""What iteration is not offered for, and where the error says that it would help."""

import jax
import jax.numpy as jnp
import pytest

import invcompiler as inv


def wobbled(x):
    return x + jnp.sin(x) / 2


def net(w, x):
    return jnp.tanh(x @ w) @ w.T


def residual(x, w):
    return x + net(w, x)


def planar(z, u, w):
    return z + u * jnp.tanh(w @ z)


@pytest.mark.parametrize("f", [wobbled, residual, planar])
def test_the_error_says_that_iteration_would_help(f):
    with pytest.raises(inv.InversionError) as refusal:
        inv.inverse(f)
    assert "numeric=True" in refusal.value.hint
    inv.inverse(f, numeric=True)


def folds(x):
    return x + 2 * jnp.sin(x)


def even(x):
    return x**2 + jnp.cos(x)


def line_and_pole(x):
    return x - 1 / x


def line_and_tangent(x):
    return x + jnp.tan(x)


def staircase(x):
    return x - jnp.floor(x)


def steps_of_a_system(x):
    return x - jnp.round(x[::-1])


def cast(x):
    return x - x.astype(jnp.int32)


def centred(x):
    return x - x.mean()


def symmetric(x):
    return x + x[::-1]


def sorted_(x):
    return jnp.sort(x)


def nothing(x):
    return x * 0.0


def sine_of_mixed(x, w):
    return jnp.sin(w @ x)


def flat_above(x):
    return x - jax.nn.relu(x)


def polynomial(x):
    return jnp.polyval(jnp.array([1.0, 0.0, -1.0, 0.0]), x)


HOPELESS = [
    folds, even, line_and_pole, line_and_tangent, staircase, steps_of_a_system, cast,
    centred, symmetric, sorted_, nothing, sine_of_mixed, flat_above, polynomial,
]  # fmt: skip


@pytest.mark.parametrize("f", HOPELESS)
def test_what_is_not_injective_is_refused_with_the_option_too(f):
    with pytest.raises(inv.InversionError) as refusal:
        inv.inverse(f, numeric=True)
    assert not isinstance(refusal.value, inv.ShapeError)


@pytest.mark.parametrize("f", HOPELESS)
def test_it_is_not_offered_where_it_would_not_help(f):
    with pytest.raises(inv.InversionError) as refusal:
        inv.inverse(f)
    assert "numeric=True" not in refusal.value.hint


def square_and_arctan(x):
    return x**2 + jnp.arctan(x)


def test_a_domain_may_make_a_function_monotone():
    with pytest.raises(inv.InversionError):
        inv.inverse(square_and_arctan, numeric=True)
    inverse = inv.inverse(square_and_arctan, domain="positive", numeric=True)
    assert jnp.isclose(inverse(4 + jnp.arctan(2.0)), 2.0)
    assert jnp.isnan(inverse(jnp.float32(-0.1)))


def test_a_large_system_is_refused():
    def scaled(x, w):
        return jnp.exp(x) * jnp.tanh(w @ x)

    inverse = inv.inverse(scaled, numeric=True)
    with pytest.raises(inv.InversionError, match="100 equations"):
        inverse(jnp.ones(100), jnp.eye(100))


def test_the_decorator_takes_the_option():
    @inv.invertible(numeric=True)
    def f(x):
        return x + jnp.tanh(x)

    assert jnp.isclose(f.inverse(f(jnp.float32(0.7))), 0.7)
    assert "Newton" in f.explain()
