"""The user's own code in the backward pass: seen in the emitted source, run where it says, gone from the inverse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv
from invcompiler.errors import AdjointBlockError

pytestmark = pytest.mark.usefixtures("double_precision")

X = np.array([0.3, -0.5, 0.8])


def clipped(x, w):
    y = jnp.sin(x) * w
    with inv.adjoint_of(y) as y_bar:
        y_bar = jnp.clip(y_bar, -0.1, 0.1) * w
    return jnp.sum(y * 5)


def test_block():
    made = inv.grad(clipped, (0, 1))
    x_bar, w_bar = made(X, 2.0)
    np.testing.assert_allclose(x_bar, 0.2 * 2 * np.cos(X))
    np.testing.assert_allclose(w_bar, np.sum(0.2 * np.sin(X)))
    assert "def adjoint_of_y(y_bar):" in made.source
    np.testing.assert_allclose(inv.jvp(clipped, (X, 2.0), (X, 1.0))[0], clipped(X, 2.0))


def normed(x):
    with inv.adjoint_of(x) as x_bar:
        x_bar = x_bar / jnp.linalg.norm(x_bar)
    return jnp.sin(x)


def in_a_loop(x):
    return jnp.sum(jax.lax.scan(lambda c, _: (normed(c), None), x, None, length=3)[0])


def in_a_branch(x):
    def tenfold(z):
        with inv.adjoint_of(z) as z_bar:
            z_bar = z_bar * 10
        return z * 2

    return jnp.sum(jax.lax.cond(x[0] > 0, tenfold, lambda z: z, x))


def test_block_in_a_callee_a_loop_and_a_branch():
    np.testing.assert_allclose(jnp.linalg.norm(inv.grad(in_a_loop)(X)), 1.0)
    np.testing.assert_allclose(inv.grad(in_a_branch)(X), np.full(3, 20.0))


def test_block_sees_the_cotangent(capsys):
    def f(x):
        with inv.adjoint_of(x) as x_bar:
            print(x_bar)
        return jnp.sum(x**2)

    inv.grad(f).unjitted(jnp.array([1.0, 2.0]))
    assert capsys.readouterr().out == "[2. 4.]\n"


def test_block_warns_where_jax_traces():
    assert clipped(X, 2.0) == np.sum(np.sin(X) * 10)
    with pytest.warns(UserWarning, match="no effect"):
        jax.grad(clipped)(X, 2.0)


def flow(x, c):
    y = x * jnp.exp(c)
    with inv.adjoint_of(y) as y_bar:
        y_bar = y_bar * 2
    return inv.debug_cotangent(y, print) + c


def test_inverse_does_not_know_of_it():
    made = inv.inverse(flow)
    np.testing.assert_allclose(made(X * np.exp(X) + X, X), X)
    assert "print" not in made.source and "invcompiler" not in made.source


def clip(x_bar):
    return jnp.clip(x_bar, -0.1, 0.1)


def test_debug_cotangent():
    def f(x):
        y = inv.debug_cotangent(jnp.sin(x), clip)
        return jnp.sum(y * 5)

    made = inv.grad(f)
    np.testing.assert_allclose(made(X), 0.1 * np.cos(X))
    np.testing.assert_allclose(jax.grad(f)(X), 0.1 * np.cos(X))
    assert "clip" in made.source


def test_debug_cotangent_that_only_looks():
    seen = []

    def f(x):
        return jnp.sum(inv.debug_cotangent(x, seen.append) ** 2)

    np.testing.assert_allclose(inv.grad(f).unjitted(jnp.asarray(X)), 2 * X)
    assert len(seen) == 1


def assigns_another(x):
    h = jnp.sin(x)
    with inv.adjoint_of(h) as h_bar:
        h = h_bar * 2
    return jnp.sum(h)


def has_no_name(x):
    h = jnp.sin(x)
    with inv.adjoint_of(h * 2) as h_bar:
        h_bar = h_bar * 2
    return jnp.sum(h)


def binds_nothing(x):
    h = jnp.sin(x)
    with inv.adjoint_of(h):
        print("on the way back")
    return jnp.sum(h)


def is_left_by_a_jump(x):
    h = jnp.sin(x)
    with inv.adjoint_of(h) as h_bar:
        if h_bar.ndim:
            return h
    return jnp.sum(h)


def calls_it(x):
    return has_no_name(x) * 2


def is_doubled(x):
    with inv.adjoint_of(x) as x_bar:
        x_bar = 2 * x_bar
    return x


def is_mapped(x):
    return jnp.sum(jax.vmap(is_doubled)(x))


MISUSED = [assigns_another, has_no_name, binds_nothing, is_left_by_a_jump, calls_it, is_mapped]


@pytest.mark.parametrize("f", MISUSED, ids=lambda f: f.__name__)
def test_a_block_without_effect_is_refused(f):
    with pytest.raises(AdjointBlockError) as found:
        inv.grad(f)(jnp.ones(3))
    assert found.value.span is not None and found.value.hint
