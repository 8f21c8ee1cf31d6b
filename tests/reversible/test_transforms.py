"""A reversible function is the function itself to other transforms, JAX's and ours."""

import inspect
import pickle
import warnings

import jax
import jax.numpy as jnp
import pytest

import invcompiler as inv
from tests.reversible.programs import (
    LAYERS,
    PROGRAMS,
    STACKED,
    X,
    loop_over_layers,
    mixed_layers,
    saturating_layers,
    scan_over_layers,
)
from tests.reversible.test_programs import assert_close, weighted

pytestmark = pytest.mark.usefixtures("double_precision")

flow = inv.reversible(scan_over_layers, argnums=1)


def both(of):
    """Assert that `of` gives the same of the function and of the reversible one."""
    assert_close(of(flow), of(scan_over_layers))


def test_second_order():
    inner = lambda f: lambda p, x: jnp.sum(jax.grad(weighted(f), 1)(p, x) ** 2)
    both(lambda f: jax.grad(inner(f), (0, 1))(STACKED, X))


def test_vmap_of_the_gradient():
    xs = jnp.stack([X, 2 * X])
    both(lambda f: jax.vmap(jax.grad(weighted(f), (0, 1)), (None, 0))(STACKED, xs))


def test_gradient_of_vmap():
    xs = jnp.stack([X, 2 * X])
    both(lambda f: jax.grad(weighted(jax.vmap(f, (None, 0))), (0, 1))(STACKED, xs))


def test_inside_scan_and_checkpoint():
    def twice(f):
        step = lambda x, _: (jax.checkpoint(f)(STACKED, x), None)
        return lambda x: jax.lax.scan(step, x, length=2)[0]

    both(lambda f: jax.jit(jax.grad(weighted(twice(f))))(X))


def test_our_own_derivatives():
    assert_close(
        inv.grad(weighted(flow), (0, 1))(STACKED, X),
        jax.grad(weighted(scan_over_layers), (0, 1))(STACKED, X),
    )
    out, pullback = inv.vjp(flow, STACKED, X)
    assert_close(pullback(out), jax.vjp(scan_over_layers, STACKED, X)[1](out))
    assert_close(
        inv.jvp(flow, (STACKED, X), (STACKED, X)),
        jax.jvp(scan_over_layers, (STACKED, X), (STACKED, X)),
    )


def test_its_inverse_is_that_of_the_function():
    assert_close(inv.inverse(flow, 1)(flow(STACKED, X), STACKED), X)


@pytest.mark.parametrize("f,params", [(scan_over_layers, STACKED), (loop_over_layers, LAYERS)])
def test_a_flow_with_its_log_det(f, params):
    forward = inv.forward_and_fldj(f, argnums=1)
    reversible = inv.reversible(forward, argnums=1)
    found = jax.grad(weighted(reversible), (0, 1))(params, X)
    assert_close(found, jax.grad(weighted(forward), (0, 1))(params, X))


def test_it_looks_like_the_function():
    assert flow.__name__ == "scan_over_layers"
    assert inspect.signature(flow) == inspect.signature(scan_over_layers)
    assert_close(flow(params=STACKED, x=X), scan_over_layers(STACKED, X))
    assert_close(pickle.loads(pickle.dumps(flow))(STACKED, X), flow(STACKED, X))


class Layer:
    def __init__(self, w):
        self.w = w

    def __call__(self, x):
        a, b = jnp.split(x, 2, axis=-1)
        return jnp.concatenate([a, b + jnp.tanh(a @ self.w)], axis=-1)


def test_arrays_that_an_object_holds_have_gradients():
    w = STACKED["w1"][0][:, :2]

    def loss(wrapped):
        return lambda w: jnp.sum(jnp.sin(wrapped(Layer(w))(X)))

    found = jax.grad(loss(lambda layer: inv.reversible(layer.__call__)))(w)
    assert_close(found, jax.grad(loss(lambda layer: layer))(w))


# ---- the guard --------------------------------------------------------------------------------------


def deep(factor):
    layers = jax.tree.map(lambda w: jnp.concatenate([w] * 40) * factor, STACKED)
    return jax.tree.map(lambda w: w.astype(jnp.float32), layers)


def test_drift_makes_the_gradient_nan_and_warns():
    with pytest.warns(RuntimeWarning, match="drift"):
        found = jax.grad(weighted(flow), (0, 1))(deep(2.0), X.astype(jnp.float32))
        jax.block_until_ready(found)
        jax.effects_barrier()
    assert all(bool(jnp.all(jnp.isnan(leaf))) for leaf in jax.tree.leaves(found))


def test_on_one_device_a_guarded_gradient_is_dispatched_as_any_other():
    """Python stands between the call and the run of a program with effects."""
    assert jax.device_count() == 1
    assert not jax.make_jaxpr(jax.grad(weighted(flow), (0, 1)))(STACKED, X).effects


def test_drift_in_some_examples_spoils_those_alone():
    factors = jnp.array([0.1, 2.0], jnp.float32)
    each = jax.vmap(lambda factor: jax.grad(weighted(flow), 1)(deep(factor), X.astype(jnp.float32)))
    with pytest.warns(RuntimeWarning, match="drift"):
        found = jax.block_until_ready(each(factors))
    assert jnp.all(jnp.isfinite(found[0])) and jnp.all(jnp.isnan(found[1]))


def test_without_tolerance_nothing_is_compared():
    unguarded = inv.reversible(scan_over_layers, 1, tolerance=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.block_until_ready(jax.grad(weighted(unguarded), 1)(deep(2.0), X.astype(jnp.float32)))
    assert "drift" not in unguarded.source


def test_an_input_of_zeros_has_not_drifted():
    assert_close(
        jax.grad(weighted(flow), 1)(STACKED, 0 * X),
        jax.grad(weighted(scan_over_layers), 1)(STACKED, 0 * X),
    )


def additive(params, x):
    def layer(x, w):
        a, b = jnp.split(x, 2, axis=-1)
        return jnp.concatenate([b + jnp.tanh(a @ w), a], axis=-1), None

    return jax.lax.scan(layer, x, params)[0]


def test_exact_updates_are_undone_bit_for_bit():
    weights = jax.random.normal(jax.random.key(0), (300, 2, 2), jnp.float32)
    x = jnp.round(X.astype(jnp.float32) * 64) / 64
    exact = inv.reversible(additive, 1, exact=True, tolerance=0.0)
    found = jax.grad(weighted(exact), (0, 1))(weights, x)
    assert not any(bool(jnp.any(jnp.isnan(leaf))) for leaf in jax.tree.leaves(found))


# ---- what cannot be ---------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [mixed_layers])
def test_reconstruct_refuses_what_must_be_kept(f):
    (program,) = [p for p in PROGRAMS if p.f is f]
    with pytest.raises(inv.InversionError, match='must be kept: `residuals="auto"`'):
        inv.adjoint(f, program.argnums, residuals="reconstruct").fwd(*program.args)


def test_saturating_functions_are_kept_rather_than_undone():
    (program,) = [p for p in PROGRAMS if p.f is saturating_layers]
    reversible = inv.reversible(saturating_layers, 1)
    reversible(*program.args)
    assert "arctanh" not in reversible.source


@pytest.mark.parametrize(
    "error,options",
    [
        (TypeError, {"tolerance": "little"}),
        (ValueError, {"tolerance": -1.0}),
        (TypeError, {"store_every": 2.0}),
        (ValueError, {"store_every": 0}),
        (TypeError, {"exact": 1}),
        (ValueError, {"argnums": 7}),
        (TypeError, {"argnums": "x"}),
    ],
)
def test_misuse(error, options):
    with pytest.raises(error):
        inv.reversible(scan_over_layers, **options)
    with pytest.raises(TypeError):
        inv.reversible(3)
    with pytest.raises(ValueError):
        inv.adjoint(scan_over_layers, residuals="guess")
