"""Every call of a generated function is right today: nothing that was compiled before may be served where it no longer holds."""

import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv

SCALE = jnp.array([2.0, 4.0])
OFFSET = 1.0


def scaled(x):
    return x * SCALE + OFFSET


def branching(x, double, name="plain"):
    if name == "plain":
        return 2 * x if double else x + 1
    return 3 * x


def helper(x):
    return x + 1


def calls_helper(x):
    return helper(x)


def test_captured_values_are_those_of_today(monkeypatch):
    g = inv.inverse(scaled)
    y = jnp.array([5.0, 9.0])
    np.testing.assert_allclose(g(y), [2.0, 2.0])
    monkeypatch.setitem(globals(), "SCALE", jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(g(y), [4.0, 4.0])
    monkeypatch.setitem(globals(), "OFFSET", 3.0)
    np.testing.assert_allclose(g(y), [2.0, 3.0])
    monkeypatch.setitem(globals(), "SCALE", np.array([1.0, 2.0], np.float32))
    np.testing.assert_allclose(g(y), [2.0, 3.0])
    SCALE[1] = 3.0  # a NumPy array may be changed where it stands
    np.testing.assert_allclose(g(y), [2.0, 2.0])


def test_what_relied_on_elements_is_not_used_for_others(monkeypatch):
    g = inv.inverse(scaled)
    y = jnp.array([5.0, 9.0])
    g(y)
    monkeypatch.setitem(globals(), "SCALE", jnp.array([1.0, 0.0]))
    with pytest.raises(inv.InversionError):
        g(y)
    monkeypatch.undo()
    np.testing.assert_allclose(g(y), [2.0, 2.0])


def test_static_arguments_count_by_value():
    g = inv.inverse(branching)
    y = jnp.array([4.0])
    assert g(y, True) == 2
    assert g(y, False) == 3
    assert g(y, True) == 2
    np.testing.assert_allclose(g(y, True, "other"), y / 3)
    np.testing.assert_allclose(g(y, double=False, name="plain"), y - 1)


def test_a_function_redefined_is_read_anew(monkeypatch):
    g = inv.inverse(calls_helper)
    y = jnp.array([4.0])
    assert g(y) == 3

    def doubled(x):
        return 2 * x

    monkeypatch.setitem(globals(), "helper", doubled)
    assert g(y) == 2
    assert "/ 2" in g.source
    monkeypatch.undo()
    assert g(y) == 3


def test_each_signature_has_its_own_program():
    def f(x):
        return x.reshape(-1) * jnp.arange(1.0, x.size + 1).astype(x.dtype)

    g = inv.inverse_and_ildj(f)
    for size in (2, 3, 2, 5, 3):
        x, ildj = g(jnp.arange(1.0, size + 1))
        np.testing.assert_allclose(x, jnp.ones(size))
        np.testing.assert_allclose(ildj, -jnp.sum(jnp.log(jnp.arange(1.0, size + 1))), rtol=1e-6)
    assert g(np.arange(1.0, 3)[:2])[0].dtype == g(jnp.arange(1.0, 3))[0].dtype
    assert g(jnp.arange(1, 3, dtype=jnp.float16))[0].dtype == jnp.float16
    with jax.enable_x64(True):
        assert g(jnp.arange(1.0, 3))[0].dtype == jnp.float64
    assert g(jnp.arange(1.0, 3))[0].dtype == jnp.float32


def test_a_call_that_fails_spoils_no_other():
    g = inv.inverse(lambda x, w: x @ w)
    y, w = jnp.ones((2, 3)), jnp.eye(3)
    for _ in range(2):
        with pytest.raises((TypeError, ValueError)):
            g(y, jnp.eye(4))
    np.testing.assert_allclose(g(y, w), y)
    jax.clear_caches()
    np.testing.assert_allclose(g(y, w), y)


def test_under_traces_of_others():
    g = inv.inverse(scaled)
    y = jnp.array([5.0, 9.0])
    expected = g(y)
    np.testing.assert_allclose(jax.jit(g)(y), expected)
    np.testing.assert_allclose(jax.vmap(g)(jnp.stack([y, y])), [expected, expected])
    np.testing.assert_allclose(jax.jit(jax.grad(lambda y: g(y).sum()))(y), 1 / SCALE)
    assert jax.eval_shape(g, jax.ShapeDtypeStruct((2,), jnp.float32)).shape == (2,)

    def within(scale, y):
        return inv.inverse(lambda x: x * scale)(y)

    np.testing.assert_allclose(jax.grad(lambda s: within(s, y).sum())(2.0), -y.sum() / 4)


def test_threads_share_what_is_compiled():
    g = inv.inverse(lambda x, k: x * k)
    failures = []

    def work(number):
        for size in (1, 2, 3):
            x = g(jnp.full(size, 6.0), jnp.float32(number))
            if not np.allclose(x, 6.0 / number) or x.shape != (size,):
                failures.append((number, size, x))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def python_calls(f, *args):
    """Return how many calls of Python functions of this package one call of `f` makes."""
    count = 0

    def profile(frame, event, arg):
        nonlocal count
        count += event == "call" and "/invcompiler/" in frame.f_code.co_filename

    sys.setprofile(profile)
    try:
        f(*args)
    finally:
        sys.setprofile(None)
    return count


def test_a_call_costs_next_to_nothing():
    g, y = inv.inverse(scaled), jnp.array([5.0, 9.0])
    g(y)
    assert python_calls(g, y) <= 50


def test_what_a_call_costs_does_not_grow_with_the_program():
    def many(params, x):
        for w in params:
            x = x * jnp.exp(w) + w
        return x

    g = inv.inverse_and_ildj(many, 1)
    counts = []
    for depth in (10, 40):
        params = [jnp.zeros(2)] * depth
        g(jnp.ones(2), params)
        counts.append(python_calls(g, jnp.ones(2), params))
    assert (
        counts[1] - counts[0] <= 3 * 30
    )  # a leaf is looked at: whether it is an array, or a dict in an order of its own
