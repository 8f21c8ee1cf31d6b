"""Reversible functions with what models are made of: Equinox and Flax parameters, optimisers, dropout, mixed precision, checkpoints."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import invcompiler as inv
from tests.reversible.test_programs import assert_close, weighted

X = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4)), jnp.float32)


def agree(f, args, argnums, limit=1e-5):
    """Assert that all gradients through `f` made reversible are those of `f`; return the reversible one."""
    reversible = inv.reversible(f, argnums)
    numbers = tuple(range(len(args)))
    found = jax.jit(jax.grad(weighted(reversible), numbers, allow_int=True))(*args)
    expected = jax.jit(jax.grad(weighted(f), numbers, allow_int=True))(*args)
    floats = lambda tree: [g for g in jax.tree.leaves(tree) if g.dtype != jax.dtypes.float0]
    assert_close(floats(found), floats(expected), limit)
    return reversible


# ---- parameters of libraries ------------------------------------------------------------------------


class Coupling(eqx.Module):
    first: eqx.nn.Linear
    last: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key)
        self.first = eqx.nn.Linear(2, 8, key=keys[0])
        self.last = eqx.nn.Linear(8, 4, key=keys[1])

    def __call__(self, x):
        a, b = jnp.split(x, 2, axis=-1)
        net = lambda a: self.last(jnp.tanh(self.first(a)))
        s, t = jnp.split(jax.vmap(net)(a), 2, axis=-1)
        return jnp.concatenate([b * jnp.exp(0.3 * s) + t, a], axis=-1)


KEYS = jax.random.split(jax.random.key(0), 3)


def through_modules(layers, x):
    for layer in layers:
        x = layer(x)
    return x


def through_stacked_modules(layers, x):
    return jax.lax.scan(lambda x, layer: (layer(x), None), x, layers)[0]


def test_equinox_modules():
    layers = [Coupling(key) for key in KEYS]
    agree(through_modules, (layers, X), 1)
    stacked = jax.tree.map(lambda *ws: jnp.stack(ws), *layers)
    agree(through_stacked_modules, (stacked, X), 1)


def test_equinox_modules_that_hold_functions():
    """An MLP holds its activation: arrays go in by themselves, and are combined where they are used."""
    nets = [eqx.nn.MLP(2, 2, 8, 1, activation=jnp.tanh, key=key) for key in KEYS]
    arrays, static = eqx.partition(nets, eqx.is_array)

    def flow(arrays, x):
        for own, rest in zip(arrays, static):
            a, b = jnp.split(x, 2, axis=-1)
            net = eqx.combine(own, rest)
            x = jnp.concatenate([b + jax.vmap(net)(a), a], axis=-1)
        return x

    agree(flow, (arrays, X), 1)


def test_functions_among_parameters_are_refused():
    nets = [eqx.nn.MLP(2, 2, 8, 1, activation=jnp.tanh, key=key) for key in KEYS]

    def flow(nets, x):
        for net in nets:
            a, b = jnp.split(x, 2, axis=-1)
            x = jnp.concatenate([b + jax.vmap(net)(a), a], axis=-1)
        return x

    with pytest.raises(inv.InvcompilerError, match="let the arrays go in by themselves"):
        inv.reversible(flow, 1)(nets, X)


NET = nn.Sequential([nn.Dense(8), jnp.tanh, nn.Dense(2)])


def linen_flow(params, x):
    for variables in params:
        a, b = jnp.split(x, 2, axis=-1)
        x = jnp.concatenate([b + NET.apply(variables, a), a], axis=-1)
    return x


def linen_params():
    return [NET.init(key, X[:, :2]) for key in jax.random.split(jax.random.key(1), 3)]


def test_flax_linen_parameters():
    agree(linen_flow, (linen_params(), X), 1)


def test_flax_nnx_state():
    graph, state = nnx.split(nnx.Linear(2, 2, rngs=nnx.Rngs(0)))

    def flow(state, x):
        a, b = jnp.split(x, 2, axis=-1)
        return jnp.concatenate([a, b + jnp.tanh(nnx.merge(graph, state)(a))], axis=-1)

    agree(flow, (state, X), 1)


# ---- training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", [optax.adam(1e-2), optax.sgd(1e-2, momentum=0.9)])
def test_optimisers_take_the_same_steps(optimiser):
    def trained(f):
        def step(carry, _):
            params, state = carry
            loss, grads = jax.value_and_grad(lambda p: jnp.mean(f(p, X) ** 2))(params)
            updates, state = optimiser.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), loss

        params = linen_params()
        return jax.jit(lambda c: jax.lax.scan(step, c, length=5))((params, optimiser.init(params)))

    found, expected = trained(inv.reversible(linen_flow, 1)), trained(linen_flow)
    assert_close(found[0][0], expected[0][0], 1e-4)
    assert_close(found[1], expected[1], 1e-5)
    assert found[1][-1] < found[1][0]


# ---- precision, randomness, checkpoints -------------------------------------------------------------


def weights(*shape, seed=0):
    return jnp.asarray(0.4 * np.random.default_rng(seed).normal(size=shape), jnp.float32)


def mixed_precision(ws, x):
    """Networks compute in bfloat16; the stream of states is float32."""

    def layer(x, w):
        a, b = jnp.split(x, 2, axis=-1)
        h = jnp.tanh(a.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16))
        return jnp.concatenate([b + h.astype(jnp.float32), a], axis=-1), None

    return jax.lax.scan(layer, x, ws)[0]


def test_bfloat16_inside_a_float32_stream():
    # bfloat16 has eight bits: how XLA fuses is seen in the third digit
    both = [
        jax.grad(weighted(f), (0, 1))(weights(12, 2, 2), X)
        for f in (inv.reversible(mixed_precision, 1), mixed_precision)
    ]
    for found, expected in zip(*map(jax.tree.leaves, both)):
        assert jnp.linalg.norm(found - expected) < 1e-2 * jnp.linalg.norm(expected)
    assert "bfloat16: 16 bits" not in inv.explain(
        inv.reversible(mixed_precision, 1), example=(weights(12, 2, 2), X)
    )


def dropped(ws, keys, x):
    def layer(x, item):
        w, key = item
        a, b = jnp.split(x, 2, axis=-1)
        kept = jax.random.bernoulli(key, 0.7, a.shape)
        h = jnp.tanh(jnp.where(kept, a / 0.7, 0.0) @ w)
        return jnp.concatenate([b + h, a], axis=-1), None

    return jax.lax.scan(layer, x, (ws, keys))[0]


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_dropout_with_keys(make):
    agree(dropped, (weights(4, 2, 2), jax.random.split(make(0), 4), X), 2)


def split_on_the_way(ws, key, x):
    for w in ws:
        key, now = jax.random.split(key)
        a, b = jnp.split(x, 2, axis=-1)
        noise = jax.random.normal(now, b.shape)
        x = jnp.concatenate([b + jnp.tanh(a @ w) * noise, a], axis=-1)
    return x


def test_a_key_that_is_split_in_every_layer():
    agree(split_on_the_way, (list(weights(4, 2, 2)), jax.random.key(0), X), 2)


def residual(w, x):
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([b + jnp.tanh(a @ w), a], axis=-1)


def with_checkpoints(ws, x):
    for w in ws:
        x = jax.checkpoint(residual)(w, x)
    return x


def with_checkpointed_nets(ws, x):
    def layer(x, w):
        a, b = jnp.split(x, 2, axis=-1)
        return jnp.concatenate([b + jax.checkpoint(lambda a: jnp.tanh(a @ w))(a), a], axis=-1), None

    return jax.lax.scan(layer, x, ws)[0]


def test_checkpoints_inside():
    agree(with_checkpoints, (list(weights(4, 2, 2)), X), 1)
    agree(with_checkpointed_nets, (weights(4, 2, 2), X), 1)


def test_checkpoint_around():
    ws, reversible = list(weights(4, 2, 2)), inv.reversible(with_checkpoints, 1)
    found = jax.grad(weighted(jax.checkpoint(reversible)), (0, 1))(ws, X)
    assert_close(found, jax.grad(weighted(with_checkpoints), (0, 1))(ws, X), 1e-5)
