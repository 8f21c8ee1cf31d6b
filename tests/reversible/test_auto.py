"""`residuals="auto"` decides value by value: gradients are the same, and no more is handed over than if everything is saved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv
from tests.reversible.programs import PROGRAMS, normal
from tests.reversible.test_programs import assert_close, bytes_of, differentiable

pytestmark = pytest.mark.usefixtures("double_precision")


def both(f, args, numbers):
    """Return the adjoint that decides, its residuals and those of the one that saves, their cotangents compared."""
    made = {way: inv.adjoint(f, numbers, residuals=way) for way in ("auto", "save")}
    out, residuals = made["auto"].fwd(*args)
    saved_out, saved = made["save"].fwd(*args)
    assert_close(out, saved_out)
    bar = jax.tree.map(jnp.cos, out)
    found = made["auto"].bwd(residuals, bar)
    assert_close(found, made["save"].bwd(saved, bar), 1e-12)
    given = [args[n] for n in numbers]

    def of_those(*chosen):
        full = list(args)
        for number, value in zip(numbers, chosen):
            full[number] = value
        return f(*full)

    assert_close(found, jax.vjp(of_those, *given)[1](bar))
    assert bytes_of(residuals) <= bytes_of(saved)
    return made["auto"], residuals, saved


SOME = """sigmoid_coupling loop_with_its_body_in_place fori_over_layers collected_norms lu_layer leapfrog reformer
    scanned_log_det autoregressive_scan pooled_in_between saturating_layers multi_scale""".split()


@pytest.mark.parametrize(
    "program", [p for p in PROGRAMS if p.name in SOME], ids=lambda program: program.name
)
def test_no_more_than_save(program):
    both(program.f, program.args, differentiable(program.args))


# ---- what can be had exactly, or nearly for nothing --------------------------------------------------


def states_that_are_moved(params, x):
    """Half of each state is the other half of the next one: it is not kept twice."""

    def layer(x, w):
        a, b = jnp.split(x, 2, axis=-1)
        h = jnp.tanh(a @ w)
        return jnp.concatenate([b * jnp.exp(h) + h, a], axis=-1), None

    return jax.lax.scan(layer, x, params)[0]


def rolled(params, x):
    def layer(x, w):
        return jnp.roll(-x, 1, axis=-1), jnp.sum(jnp.tanh(x * w))

    return jax.lax.scan(layer, x, params)


def turned(params, x):
    sums = []
    for w in params:
        sums.append(jnp.sum(x.T**3 @ jnp.sin(w)))
        x = x.reshape(4, 3)[::-1].T.swapaxes(0, 1).reshape(3, 4)
    return x, sums


def counted(params, x):
    def layer(carry, w):
        n, x = carry
        return (n + 1, x * w + n), None

    return jax.lax.scan(layer, (0, x), params)[0][1]


def halves(params, x):
    def layer(x, w):
        a, b = x[..., :2], x[..., 2:]
        return jnp.concatenate([jnp.tanh(b * w[:2]), -a], axis=-1), jnp.sum(a**2 * b)

    return jax.lax.scan(layer, x, params)


def swapped(params, x):
    def layer(carry, w):
        p, q = carry
        return (q, jnp.sin(p * w) * q), None

    return jax.lax.scan(layer, (x, x + 1), params)[0]


LOOPS = [states_that_are_moved, rolled, turned, counted, halves, swapped]


@pytest.mark.parametrize("f", LOOPS, ids=lambda f: f.__name__)
def test_loops_keep_less(f):
    x = normal(0, 3, 4)
    params = normal(1, 6, 2, 2) if f is states_that_are_moved else normal(1, 6, 4)
    params = normal(1, 6, 3, 2) if f is turned else params
    _, residuals, saved = both(f, (params, x), (0, 1))
    assert bytes_of(residuals) < bytes_of(saved) or f is counted


def normalised(x, gain):
    c = x - jnp.mean(x, axis=-1, keepdims=True)
    return jnp.tanh(c * jax.lax.rsqrt(jnp.mean(c**2, axis=-1, keepdims=True) + 1e-5) * gain)


def taken_apart(x, w):
    a, b, c = x[:, :1], x[:, 1:3], x[:, 3:]
    return jnp.concatenate([c * w, jnp.sin(a), b * a], axis=1) * jnp.stack([w, w, w, w], axis=-1)


def dropped(x, key):
    kept = jax.random.bernoulli(key, 0.5, x.shape).astype(x.dtype)
    return jnp.tanh(x * kept) * kept


def test_elementwise_values_are_computed_again():
    _, residuals, saved = both(normalised, (normal(2, 64, 32), normal(3, 32)), (0, 1))
    assert bytes_of(residuals) < 0.8 * bytes_of(saved)
    both(taken_apart, (normal(2, 5, 4), normal(3, 5, 1)[:, 0:1] * np.ones(1)), (0,))
    _, residuals, saved = both(dropped, (normal(4, 16, 8), jax.random.key(0)), (0,))
    assert bytes_of(residuals) < bytes_of(saved)


def test_what_rounds_is_not_undone():
    """Sums of floats lose digits on the way back: only a guard may undo them, and `auto` has none."""

    def shifted(params, x):
        layer = lambda x, w: (x + 1e6 * w, jnp.sum(jnp.sin(x)))
        return jax.lax.scan(layer, x, params)

    params, x = normal(1, 6, 4).astype(np.float32), normal(0, 4).astype(np.float32)
    made = inv.adjoint(shifted, (0, 1), residuals="auto")
    out, residuals = made.fwd(params, x)
    bar = jax.tree.map(jnp.ones_like, out)
    assert_close(made.bwd(residuals, bar), jax.vjp(shifted, params, x)[1](bar), 1e-6)
