"""The memory of a gradient through a reversible function does not grow with depth, and is that of an adjoint written by hand."""

import jax
import jax.numpy as jnp
import pytest

import invcompiler as inv

WIDTH, HIDDEN, BATCH = 8, 32, 16


def net(params, a):
    return jnp.tanh(a @ params["w1"]) @ params["w2"]


def coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = jnp.split(net(params, a), 2, axis=-1)
    return jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1)


def scanned(params, x):
    return jax.lax.scan(lambda x, layer: (coupling(layer, x), None), x, params)[0]


def listed(params, x):
    for layer in params:
        x = coupling(layer, x)
    return x


def temp_bytes(f, params, x):
    loss = lambda params, x: jnp.sum(f(params, x) ** 2)
    compiled = jax.jit(jax.grad(loss, (0, 1))).lower(params, x).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def arguments(depth):
    shapes = {"w1": (depth, WIDTH // 2, HIDDEN), "w2": (depth, HIDDEN, WIDTH)}
    params = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}
    return params, jax.ShapeDtypeStruct((BATCH, WIDTH), jnp.float32)


def rows(params, depth):
    row = jax.tree.map(lambda w: jax.ShapeDtypeStruct(w.shape[1:], w.dtype), params)
    return [row] * depth


@jax.custom_vjp
def by_hand(params, x):
    return scanned(params, x)


def by_hand_fwd(params, x):
    y = scanned(params, x)
    return y, (params, y)


def by_hand_bwd(residuals, y_bar):
    params, y = residuals

    def step(carry, layer):
        y, y_bar = carry
        b, a = jnp.split(y, 2, axis=-1)
        out, pull = jax.vjp(net, layer, a)
        s, t = jnp.split(out, 2, axis=-1)
        b = (b - t) * jnp.exp(-s)
        b_bar, a_bar = jnp.split(y_bar, 2, axis=-1)
        scaled = b_bar * jnp.exp(s)
        layer_bar, from_net = pull(jnp.concatenate([scaled * b, b_bar], axis=-1))
        x_bar = jnp.concatenate([a_bar + from_net, scaled], axis=-1)
        return (jnp.concatenate([a, b], axis=-1), x_bar), layer_bar

    (_, x_bar), params_bar = jax.lax.scan(step, (y, y_bar), params, reverse=True)
    return params_bar, x_bar


by_hand.defvjp(by_hand_fwd, by_hand_bwd)


def test_a_scan_is_flat_in_depth():
    flow = inv.reversible(scanned, argnums=1)
    shallow, deep = (temp_bytes(flow, *arguments(depth)) for depth in (8, 512))
    assert deep <= 1.05 * shallow
    assert temp_bytes(scanned, *arguments(512)) > 10 * deep


def of_rows(params, x):
    """The same, of one row at a time."""
    return jax.vmap(lambda row: scanned(params, row))(x)


def test_a_mapped_scan_is_flat_in_depth():
    flow = inv.reversible(of_rows, argnums=1)
    shallow, deep = (temp_bytes(flow, *arguments(depth)) for depth in (8, 128))
    assert deep <= 1.05 * shallow


def counted(params, x):
    log_det = 0.0
    for layer in params:
        a, b = jnp.split(x, 2, axis=-1)
        s, t = jnp.split(net(layer, a), 2, axis=-1)
        x = jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1)
        log_det = log_det + jnp.sum(s, axis=-1)
    return log_det - jnp.sum(x**2, axis=-1)


def test_a_log_det_that_starts_from_a_number():
    def of(depth):
        params, x = arguments(depth)
        return temp_bytes(inv.reversible(counted, argnums=1), rows(params, depth), x)

    assert of(16) <= 1.2 * of(4)


def scaled(params, x):
    for layer in params["layers"]:
        x = coupling(layer, x) * jnp.exp(params["scale"])
    return x


def test_cotangents_are_carried_of_what_is_read_alone():
    params, x = arguments(4)
    scale = jax.ShapeDtypeStruct((WIDTH,), jnp.float32)
    flow = inv.reversible(scaled, argnums=1)
    jax.eval_shape(
        jax.grad(lambda *args: jnp.sum(flow(*args))), {"layers": rows(params, 4), "scale": scale}, x
    )
    assert "zeros_like" not in flow.source.split("def drift")[0]


def test_a_scan_needs_no_more_than_by_hand():
    flow = inv.reversible(scanned, argnums=1, tolerance=None)
    assert temp_bytes(flow, *arguments(512)) <= 1.05 * temp_bytes(by_hand, *arguments(512))


def test_a_python_loop_is_flat_in_depth():
    def of(depth):
        params, x = arguments(depth)
        return temp_bytes(inv.reversible(listed, argnums=1), rows(params, depth), x)

    assert of(16) <= 1.3 * of(4)


def biased(params, x):
    for layer in params:
        a, b = jnp.split(x, 2, axis=-1)
        s, t = jnp.split(net(layer, a) + layer["b"], 2, axis=-1)
        x = jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1)
    return x


def test_sums_over_the_batch_do_not_wait_for_the_comparison():
    def of(depth):
        params, x = arguments(depth)
        params["b"] = jax.ShapeDtypeStruct((depth, WIDTH), jnp.float32)
        return temp_bytes(inv.reversible(biased, argnums=1), rows(params, depth), x)

    assert of(16) <= 1.1 * of(4)


@pytest.mark.parametrize("depth", [64])
def test_every_eighth_state(depth):
    params, x = arguments(depth)
    kept = temp_bytes(inv.reversible(scanned, 1, store_every=8), params, x)
    none = temp_bytes(inv.reversible(scanned, 1), params, x)
    state = BATCH * WIDTH * 4
    assert kept - none <= 3 * (depth // 8) * state


def in_turn(params, x):
    def layer(i, x):
        p = jax.tree.map(lambda w: w[i], params)
        a, b = jnp.split(x, 2, axis=-1)

        def even(a, b):
            return jnp.concatenate([a, b * jnp.exp(net(p, a)[..., : WIDTH // 2])], axis=-1)

        def odd(a, b):
            return jnp.concatenate([a * jnp.exp(net(p, b)[..., : WIDTH // 2]), b], axis=-1)

        return jax.lax.cond(i % 2 == 0, even, odd, a, b)

    return jax.lax.fori_loop(0, params["w1"].shape[0], layer, x)


def test_the_network_of_a_branch_is_evaluated_once():
    flow = inv.reversible(in_turn, argnums=1)
    jax.eval_shape(jax.grad(lambda *args: jnp.sum(flow(*args))), *arguments(4))
    back = flow.source.split("def in_turn_bwd")[1].split("\ndef ")[0]
    assert back.count("net_fwd(") == back.count("net_bwd(") == 2
    assert "net(" not in back
