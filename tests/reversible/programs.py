"""Ordinary functions, written forward only, whose gradients are to be had without the values of the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@dataclass(frozen=True)
class Program:
    """A function, arguments for it, and which of them is recovered. `keeps`: it has layers that cannot be undone."""

    f: Callable[..., Any]
    args: tuple
    argnums: int | tuple[int, ...] = 0
    keeps: bool = False

    @property
    def name(self) -> str:
        return self.f.__name__


PROGRAMS: list[Program] = []


def program(*args: Any, argnums: int | tuple[int, ...] = 0, keeps: bool = False) -> Callable:
    def note(f: Callable) -> Callable:
        PROGRAMS.append(Program(f, args, argnums, keeps))
        return f

    return note


def normal(seed: int, *shape: int, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(size=shape)


def stacked(layers: list) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *layers)


def net_params(seed: int, n: int = 2, out: int = 4, hidden: int = 8) -> dict:
    return {
        "w1": normal(seed, n, hidden, scale=0.5),
        "b1": normal(seed + 1, hidden, scale=0.5),
        "w2": normal(seed + 2, hidden, out, scale=0.3),
    }


X = normal(0, 3, 4)
LAYERS = [net_params(10 * i) for i in range(1, 4)]
STACKED = stacked(LAYERS)
HALVES = [net_params(10 * i, out=2) for i in range(1, 4)]


def net(params, a):
    h = jnp.tanh(a @ params["w1"] + params["b1"])
    return h @ params["w2"]


# ---- couplings --------------------------------------------------------------------------------------


@program(HALVES[0], X, argnums=1)
def additive_coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a, b + net(params, a)], axis=-1)


@program(LAYERS[0], X, argnums=1)
def affine_coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = jnp.split(net(params, a), 2, axis=-1)
    return jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)


@program(LAYERS[0], X, argnums=1)
def sigmoid_coupling(params, x):
    a, b = x[..., :2], x[..., 2:]
    s, t = jnp.split(net(params, a), 2, axis=-1)
    b = (b + t) * jax.nn.sigmoid(s + 2.0)
    return jnp.concatenate([b, a], axis=-1)


@program(LAYERS[0], X, np.array([1.0, 0.0, 1.0, 0.0]), argnums=1)
def masked_coupling(params, x, mask):
    h = jnp.tanh((x * mask)[..., ::2] @ params["w1"])
    s = h @ params["w2"]
    return x * mask + (1 - mask) * (x * jnp.exp(s) + s)


@program(LAYERS[0], X, normal(3, 3, 2), argnums=1)
def conditioned_coupling(params, x, condition):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = jnp.split(net(params, a + condition), 2, axis=-1)
    return jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)


# ---- stacks of layers -------------------------------------------------------------------------------


@program(LAYERS, X, argnums=1)
def three_calls(params, x):
    x = affine_coupling(params[0], x)[..., ::-1]
    x = affine_coupling(params[1], x)[..., ::-1]
    return affine_coupling(params[2], x)


@program(LAYERS, X, argnums=1)
def loop_over_layers(params, x):
    for layer in params:
        x = affine_coupling(layer, x)
        x = x[..., ::-1]
    return x


@program(LAYERS, X, argnums=1)
def loop_with_its_body_in_place(params, x):
    for layer in params:
        a, b = jnp.split(x, 2, axis=-1)
        s, t = jnp.split(net(layer, a), 2, axis=-1)
        x = jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1)
    return x


@program(STACKED, X, argnums=1)
def scan_over_layers(params, x):
    def layer(x, p):
        return affine_coupling(p, x)[..., ::-1], None

    x, _ = lax.scan(layer, x, params)
    return x


@program(STACKED, X, argnums=1)
def reversed_scan(params, x):
    def layer(x, p):
        return affine_coupling(p, x)[..., ::-1], None

    return lax.scan(layer, x, params, reverse=True)[0]


@program(LAYERS[0], X, argnums=1)
def fori_of_one_layer(params, x):
    return lax.fori_loop(0, 5, lambda i, x: affine_coupling(params, x)[..., ::-1], x)


@program(STACKED, X, argnums=1)
def fori_over_layers(params, x):
    def layer(i, x):
        return affine_coupling(jax.tree.map(lambda w: w[i], params), x)[..., ::-1]

    return lax.fori_loop(0, 3, layer, x)


@program(LAYERS, X, argnums=1)
def loop_in_a_loop(params, x):
    for layer in params:
        for _ in range(2):
            x = affine_coupling(layer, x)[..., ::-1]
    return x


@program(STACKED, X, argnums=1)
def scan_in_a_scan(params, x):
    def outer(x, p):
        def inner(x, _):
            return affine_coupling(p, x)[..., ::-1], None

        return lax.scan(inner, x, length=2)[0], None

    return lax.scan(outer, x, params)[0]


@program(STACKED, X, normal(5, 3, 3, 2), argnums=1)
def scan_with_inputs(params, x, inputs):
    def layer(x, item):
        p, u = item
        a, b = jnp.split(x, 2, axis=-1)
        s, t = jnp.split(net(p, a + u), 2, axis=-1)
        return jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1), None

    return lax.scan(layer, x, (params, inputs))[0]


@program(LAYERS, X, argnums=1)
def counted_loop(params, x):
    for i, layer in enumerate(params):
        x = affine_coupling(layer, x)
        if i % 2:
            x = x[..., ::-1]
    return x


@program(normal(4, 4, 4), X, argnums=1)
def shared_matrix(w, x):
    q = jnp.eye(4) + 0.1 * w

    def layer(x, _):
        return jnp.arcsinh(x) @ q, None

    return lax.scan(layer, x, length=4)[0]


@program(STACKED, X, argnums=1)
def collected_norms(params, x):
    def layer(x, p):
        x = affine_coupling(p, x)[..., ::-1]
        return x, jnp.sum(x**2)

    return lax.scan(layer, x, params)


@program(LAYERS, X, argnums=1)
def states_along_the_way(params, x):
    states = []
    for layer in params:
        x = affine_coupling(layer, x)[..., ::-1]
        states.append(x[0])
    return x, states


# ---- GLOW -------------------------------------------------------------------------------------------


@program({"scale": normal(6, 4), "shift": normal(7, 4)}, X, argnums=1)
def actnorm(params, x):
    return x * jnp.exp(params["scale"]) + params["shift"]


@program(normal(8, 4, 4), X, argnums=1)
def one_by_one(w, x):
    return x @ (jnp.eye(4) + 0.2 * w)


def glow_params(seed: int) -> dict:
    return {
        "norm": {"scale": normal(seed, 4, scale=0.3), "shift": normal(seed + 1, 4)},
        "mix": normal(seed + 2, 4, 4),
        "net": net_params(seed + 3),
    }


def glow_step(params, x):
    x = actnorm(params["norm"], x)
    x = one_by_one(params["mix"], x)
    return affine_coupling(params["net"], x)


@program([glow_params(20), glow_params(30)], X, argnums=1)
def glow(params, x):
    for layer in params:
        x = glow_step(layer, x)
    return x


@program(stacked([glow_params(20), glow_params(30)]), X, argnums=1)
def scanned_glow(params, x):
    return lax.scan(lambda x, p: (glow_step(p, x), None), x, params)[0]


@program(normal(9, 4, 4), normal(10, 4), X, argnums=2)
def lu_layer(w, log_s, x):
    lower = jnp.tril(w, -1) + jnp.eye(4)
    upper = jnp.triu(w, 1) + jnp.diag(jnp.exp(log_s))
    return x @ lower @ upper


# ---- residual networks that can be undone -----------------------------------------------------------


@program(
    [(p, q) for p, q in zip(HALVES, HALVES[::-1])], normal(1, 3, 2), normal(2, 3, 2), argnums=(1, 2)
)
def revnet(params, x1, x2):
    for f, g in params:
        x1 = x1 + net(f, x2)
        x2 = x2 + net(g, x1)
    return x1, x2


@program(
    stacked([(p, q) for p, q in zip(HALVES, HALVES[::-1])]),
    (normal(1, 3, 2), normal(2, 3, 2)),
    argnums=1,
)
def scanned_revnet(params, state):
    def block(state, p):
        x1, x2 = state
        f, g = p
        x1 = x1 + net(f, x2)
        x2 = x2 + net(g, x1)
        return (x1, x2), None

    return lax.scan(block, state, params)[0]


@program(stacked(HALVES), normal(1, 3, 2), normal(2, 3, 2), argnums=(1, 2))
def momentum_resnet(params, x, v):
    def block(carry, p):
        x, v = carry
        v = 0.9 * v + 0.1 * net(p, x)
        return (x + v, v), None

    (x, v), _ = lax.scan(block, (x, v), params)
    return x, v


@program(normal(3, 2), normal(1, 3, 2), normal(2, 3, 2), argnums=(1, 2))
def leapfrog(k, q, p):
    force = lambda q: -jnp.sin(q) * k
    for _ in range(4):
        p = p + 0.05 * force(q)
        q = q + 0.1 * p
        p = p + 0.05 * force(q)
    return q, p


def potential(k, q):
    return jnp.sum(jnp.cos(q) * k)


@program(normal(3, 2), (normal(1, 3, 2), normal(2, 3, 2)), argnums=1)
def leapfrog_by_gradients(k, state):
    def step(i, state):
        q, p = state
        p = p - 0.1 * jax.grad(potential, argnums=1)(k, q)
        return q + 0.1 * p, p

    return lax.fori_loop(0, 4, step, state)


def attention(params, x):
    q, k, v = x @ params["q"], x @ params["k"], x @ params["v"]
    return jax.nn.softmax(q @ k.T) @ v


def attention_params(seed: int) -> dict:
    return {name: normal(seed + i, 2, 2) for i, name in enumerate("qkv")}


@program(
    [(attention_params(40), HALVES[0]), (attention_params(50), HALVES[1])],
    normal(1, 3, 2),
    normal(2, 3, 2),
    argnums=(1, 2),
)
def reformer(params, x1, x2):
    for attend, feed in params:
        x1 = x1 + attention(attend, x2)
        x2 = x2 + net(feed, x1)
    return x1, x2


@program(HALVES[0], normal(1, 3, 2), normal(2, 5, 3, 2), argnums=1)
def invertible_rnn(params, h, inputs):
    def cell(h, u):
        a, b = jnp.split(h, 2, axis=-1)
        b = b * jnp.exp(0.1 * jnp.tanh(a)) + jnp.sin(u[..., :1])
        return jnp.concatenate([b, a], axis=-1) + u @ params["w1"][:, :2], h[0]

    return lax.scan(cell, h, inputs)


# ---- several scales, several kinds of values --------------------------------------------------------


@program(
    [LAYERS[0], LAYERS[1], {"w1": normal(5, 1, 8), "b1": normal(6, 8), "w2": normal(7, 8, 2)}],
    X,
    argnums=1,
)
def multi_scale(params, x):
    x = affine_coupling(params[0], x)
    x = affine_coupling(params[1], x[..., ::-1])
    x, z = jnp.split(x, 2, axis=-1)
    x = affine_coupling(params[2], x)
    return x, z


@program([LAYERS[0], LAYERS[1]], normal(0, 3, 2, 2), argnums=1)
def squeezed(params, x):
    x = x.reshape(3, 4)
    for layer in params:
        x = affine_coupling(layer, x)
    x = jnp.transpose(x.reshape(3, 2, 2), (0, 2, 1))
    return x


class State(NamedTuple):
    position: Any
    velocity: Any


@program(HALVES, State(normal(1, 3, 2), normal(2, 3, 2)), argnums=1)
def named_state(params, state):
    for layer in params:
        velocity = state.velocity + net(layer, state.position)
        state = State(state.position + velocity, velocity)
    return state


@program(HALVES, {"a": normal(1, 3, 2), "b": normal(2, 3, 2)}, argnums=1)
def dict_of_states(params, state):
    for layer in params:
        b = state["b"] + net(layer, state["a"])
        state = {"a": b, "b": state["a"]}
    return state


@program(LAYERS, X, argnums=1)
def with_its_log_det(params, x):
    log_det = 0.0
    for layer in params:
        a, b = jnp.split(x, 2, axis=-1)
        s, t = jnp.split(net(layer, a), 2, axis=-1)
        x = jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1)
        log_det = log_det + jnp.sum(s, axis=-1)
    return x, log_det


@program(STACKED, X, argnums=1)
def scanned_log_det(params, x):
    def layer(carry, p):
        x, log_det = carry
        a, b = jnp.split(x, 2, axis=-1)
        s, t = jnp.split(net(p, a), 2, axis=-1)
        return (jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1), log_det + jnp.sum(s)), None

    (x, log_det), _ = lax.scan(layer, (x, jnp.zeros(())), params)
    return x, log_det


@program(X, np.exp(normal(11, 4)))
def elementwise_chain(x, scale):
    return jnp.log1p(jnp.exp(jnp.arcsinh(x * scale))) / scale


@program(normal(12, 5), 0.4)
def autoregressive_sum(x, k):
    return jnp.cumsum(x) * k


@program(normal(13, 6), normal(14, 3))
def autoregressive_scan(x, w):
    def step(previous, x):
        y = x * jnp.exp(0.1 * jnp.sin(previous * w[0])) + w[1] * previous
        return y, y

    return lax.scan(step, 0.0, x)[1]


@program(jax.random.key(0), HALVES, X, argnums=2)
def with_dropout(key, params, x):
    for i, layer in enumerate(params):
        a, b = jnp.split(x, 2, axis=-1)
        kept = jax.random.bernoulli(jax.random.fold_in(key, i), 0.7, a.shape)
        x = jnp.concatenate([b + net(layer, jnp.where(kept, a, 0.0)), a], axis=-1)
    return x


@program(HALVES, X, argnums=1)
def with_checkpoints(params, x):
    for layer in params:
        a, b = jnp.split(x, 2, axis=-1)
        x = jnp.concatenate([b + jax.checkpoint(net)(layer, a), a], axis=-1)
    return x


@program(LAYERS, normal(0, 5, 3, 4), argnums=1)
def mapped_rows(params, x):
    for layer in params:
        x = jax.vmap(affine_coupling, in_axes=(None, 0))(layer, x)[..., ::-1]
    return x


@program(LAYERS, X, True, argnums=1)
def branch_on_a_flag(params, x, flip):
    for layer in params:
        x = affine_coupling(layer, x)
        if flip:
            x = x[..., ::-1]
    return x


@program(LAYERS[0], X, np.array(0.3), argnums=1)
def branch_at_run_time(params, x, t):
    return lax.cond(t > 0, lambda x: affine_coupling(params, x), lambda x: x * 2.0 + t, x)


CAPTURED = normal(15, 2, 2)
FACTOR = 0.3


def captured_net(a):
    return jnp.tanh(a @ CAPTURED) * FACTOR


@program(X)
def captured_arrays(x):
    for _ in range(3):
        a, b = jnp.split(x, 2, axis=-1)
        x = jnp.concatenate([b + captured_net(a), a * jnp.exp(CAPTURED[0, 0])], axis=-1)
    return x


def swap_out(x1, x2):
    return x1 * 2.0, x2 + jnp.sin(x1)


@program(normal(1, 3, 2), normal(2, 3, 2), argnums=(0, 1))
def calls_of_two_unknowns(x1, x2):
    for _ in range(3):
        x2, x1 = swap_out(x1, x2)
    return x1, x2


@program(normal(1, 3, 2), normal(2, 3, 2), argnums=(0, 1))
def crossing(x1, x2):
    """Each half is needed for the cotangent of the other one's layer before that can be undone."""
    y1, y2 = jnp.arcsinh(x1), jnp.arcsinh(x2)
    u1, u2 = swap_out(y1, y2)
    return u1, u2, u1 * y2 * x1


# ---- layers that cannot be undone -------------------------------------------------------------------


@program(HALVES, [normal(60, 4, 4), normal(61, 4, 4), normal(62, 4, 4)], X, argnums=2, keeps=True)
def mixed_layers(params, weights, x):
    for layer, w in zip(params, weights):
        x = additive_coupling(layer, x)
        x = jax.nn.relu(x @ w)
    return x


@program(
    stacked(HALVES),
    np.stack([normal(60, 4, 4), normal(61, 4, 4), normal(62, 4, 4)]),
    X,
    argnums=2,
    keeps=True,
)
def scanned_mixed_layers(params, weights, x):
    def layer(x, item):
        p, w = item
        return jax.nn.relu(additive_coupling(p, x) @ w), None

    return lax.scan(layer, x, (params, weights))[0]


@program(STACKED, normal(63, 4, 2), X, argnums=2, keeps=True)
def flow_with_a_head(params, head, x):
    x = scan_over_layers(params, x)
    return jnp.mean(jnp.tanh(x @ head), axis=0)


@program(STACKED, normal(64, 6, 4), normal(0, 3, 6), argnums=2, keeps=True)
def flow_behind_an_embedding(params, table, x):
    return scan_over_layers(params, jax.nn.relu(x @ table))


@program(LAYERS, normal(65, 4), X, argnums=2, keeps=True)
def pooled_in_between(params, w, x):
    x = loop_over_layers(params, x)
    x = jnp.maximum(x, w) * w
    x = loop_over_layers(params, x)
    return jnp.sum(x**2)


@program([normal(70 + i, 2, 2) for i in range(3)], X, argnums=1)
def deep_conditioner(weights, x):
    """The conditioner is a loop that could be undone, and should not be."""
    a, b = jnp.split(x, 2, axis=-1)
    h = a
    for w in weights:
        h = jnp.tanh(h @ w)
    return jnp.concatenate([a, b * jnp.exp(h)], axis=-1)


@program(HALVES, {"a": X[:, :2], "b": X[:, 2:]}, argnums=1)
def items_set_in_a_loop(params, state):
    for layer in params:
        state = dict(state)
        state["a"] = state["a"] + net(layer, state["b"])
        state["b"] = state["b"] + jnp.sin(state["a"])
    return state


@program([X, 2 * X], keeps=True)
def sines_of_a_list(items):
    return [item + jnp.sin(2 * item) for item in items]


@program(normal(66, 3, 4), keeps=True)
def a_running_sum_that_cannot_be_undone(xs):
    def step(total, x):
        total = jnp.sinh(x) + total
        return total, total + jnp.sin(2 * total)

    return lax.scan(step, jnp.zeros(4), xs)[1]


@program([X, 2 * X, X + 1], keeps=True)
def sums_of_a_list_from_its_end(items):
    total, sums = 0.0, []
    for item in reversed(items):
        total = total + item + jnp.sin(2 * item)
        sums.append(total)
    return sums


@program([normal(80 + i, 4, 4) for i in range(12)], 3 * X, argnums=1, keeps=True)
def saturating_layers(weights, x):
    for w in weights:
        x = jnp.tanh(x @ w)
    return x


@program(LAYERS, X, argnums=1, keeps=True)
def layers_with_a_dead_end(params, x):
    for layer in params:
        x = mixed_layer(layer, x)
    return x


def mixed_layer(layer, x):
    x = affine_coupling(layer, x)
    return jnp.sin(x) * x


@program(STACKED, X, argnums=1)
def recurrence_of_its_own(params, x):
    """The loop starts from a constant: the input comes in at each step."""

    def cell(h, p):
        a, b = jnp.split(h, 2, axis=-1)
        s, t = jnp.split(net(p, a), 2, axis=-1)
        return jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1) + x, None

    return lax.scan(cell, jnp.zeros((3, 4)), params)[0], x


@program(
    [normal(90 + i, 2, 2) for i in range(4)],
    {"q": normal(1, 3, 2), "p": normal(2, 3, 2)},
    argnums=1,
)
def dict_state(weights, state):
    for w in weights:
        p = state["p"] - 0.3 * jnp.tanh(state["q"] @ w)
        state = {"q": state["q"] + 0.2 * p, "p": p}
    return state


PHASE = {"q": normal(1, 3, 2), "p": normal(2, 3, 2), "mass": np.exp(normal(3, 2))}


@program([normal(90 + i, 2, 2) for i in range(4)], PHASE, argnums=1)
def updated_dict(weights, state):
    for w in weights:
        state = {**state, "p": state["p"] - 0.3 * jnp.tanh(state["q"] @ w)}
        state = dict(state, q=state["q"] + 0.2 * state["p"] / state["mass"])
        state = state | {"p": state["p"] - 0.3 * jnp.tanh(state["q"] @ w)}
    return state


@program(np.stack([normal(90 + i, 2, 2) for i in range(4)]), PHASE, argnums=1)
def scanned_updates_of_a_dict(weights, state):
    def step(state, w):
        state = {**state, "p": state["p"] - 0.3 * jnp.tanh(state["q"] @ w)}
        return {**state, "q": state["q"] + 0.2 * state["p"] / state["mass"]}, None

    return lax.scan(step, state, weights)[0]


def kicked(w, state):
    return {**state, "p": state["p"] - 0.3 * jnp.tanh(state["q"] @ w)}


@program([normal(90 + i, 2, 2) for i in range(4)], PHASE, argnums=1)
def calls_that_update_a_dict(weights, state):
    for w in weights:
        state = kicked(w, state)
        state = {**state, "q": state["q"] + 0.2 * state["p"]}
    return state


@program(
    [normal(90 + i, 2, 2) for i in range(4)], State(normal(1, 3, 2), normal(2, 3, 2)), argnums=1
)
def replaced_fields(weights, state):
    for w in weights:
        state = state._replace(velocity=state.velocity - 0.3 * jnp.tanh(state.position @ w))
        state = state._replace(position=state.position + 0.2 * state.velocity)
    return state


@program(
    [normal(90 + i, 2, 2) for i in range(4)], State(normal(1, 3, 2), normal(2, 3, 2)), argnums=1
)
def record_in_a_python_loop(weights, state):
    for w in weights:
        for _ in range(2):
            velocity = state.velocity - 0.3 * jnp.tanh(state.position @ w)
            state = State(state.position + 0.2 * velocity, velocity)
    return state


# ---- branches in layers -----------------------------------------------------------------------------


def halves_in_turn(params, x, i):
    a, b = jnp.split(x, 2, axis=-1)

    def first(a, b):
        s, t = jnp.split(net(params, a), 2, axis=-1)
        return jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)

    def second(a, b):
        s, t = jnp.split(net(params, b), 2, axis=-1)
        return jnp.concatenate([a * jnp.exp(s) + t, b], axis=-1)

    return lax.cond(i % 2 == 0, first, second, a, b)


@program(STACKED, X, argnums=1)
def fori_of_branches(params, x):
    layer = lambda i, x: halves_in_turn(jax.tree.map(lambda w: w[i], params), x, i)
    return lax.fori_loop(0, 3, layer, x)


@program(STACKED, X, np.arange(3), normal(19, 4), argnums=1)
def scan_of_branches(params, x, turns, scale):
    def layer(x, item):
        p, i = item
        x = halves_in_turn(p, x, i)
        return lax.cond(i > 1, lambda x: x * jnp.exp(scale) + scale, lambda x: x - scale, x), None

    return lax.scan(layer, x, (params, turns))[0]


@program(STACKED, X, np.arange(3), normal(19, 4), argnums=1)
def switch_in_a_scan(params, x, turns, scale):
    def layer(x, item):
        p, i = item
        a, b = jnp.split(x, 2, axis=-1)
        sides = [
            lambda a, b: (a, b + net(p, a)[..., :2]),
            lambda a, b: (a * jnp.exp(net(p, b)[..., 2:]), b),
            lambda a, b: (jnp.sinh(a), b * jnp.exp(scale[:2])),
        ]
        return jnp.concatenate(lax.switch(i, sides, a, b), axis=-1), None

    return lax.scan(layer, x, (params, turns))[0]


@program(LAYERS, X, [0, 1, 1], argnums=1)
def python_branches(params, x, turns):
    for layer, turn in zip(params, turns):
        a, b = jnp.split(x, 2, axis=-1)
        s, t = jnp.split(net(layer, a), 2, axis=-1)
        if turn:
            b = b * jnp.exp(s) + t
            x = jnp.concatenate([b, a], axis=-1)
        else:
            x = jnp.concatenate([a, b + t], axis=-1)
    return x


@program(LAYERS, X, np.array([True, False, True]), argnums=1)
def mapped_branches(params, xs, flags):
    def flow(x, flag):
        for layer in params:
            a, b = jnp.split(x, 2)

            def scaled(a, b):
                s, t = jnp.split(net(layer, a), 2)
                return jnp.concatenate([b * jnp.exp(s) + t, a])

            x = lax.cond(flag, scaled, lambda a, b: jnp.concatenate([b + a, a]), a, b)
        return x

    return jax.vmap(flow)(xs, flags)


# ---- what `jax.vmap` runs ---------------------------------------------------------------------------


def one_row(params, x):
    a, b = jnp.split(x, 2)
    s, t = jnp.split(net(params, a), 2)
    return jnp.concatenate([b * jnp.exp(s) + t, a])


def row_with_log_det(params, x):
    def layer(carry, p):
        x, log_det = carry
        a, b = jnp.split(x, 2)
        s, t = jnp.split(net(p, a), 2)
        return (jnp.concatenate([b * jnp.exp(s) + t, a]), log_det + jnp.sum(s)), None

    return lax.scan(layer, (x, jnp.zeros(())), params)[0]


@program(STACKED, X, argnums=1)
def mapped_scan(params, xs):
    z, log_det = jax.vmap(lambda x: row_with_log_det(params, x))(xs)
    return log_det - 0.5 * jnp.sum(z**2, axis=-1)


@program({"layers": LAYERS, "scale": normal(16, 4, scale=0.1)}, X, argnums=1)
def mapped_loop_with_what_all_share(params, xs):
    def flow(x):
        for layer in params["layers"]:
            x = one_row(layer, x) * jnp.exp(params["scale"])
        return x + params["scale"]

    return jax.vmap(flow)(xs)


@program({"layers": LAYERS, "scale": normal(16, 4, scale=0.1)}, X, argnums=1)
def loop_with_what_all_share(params, x):
    for layer in params["layers"]:
        x = affine_coupling(layer, x) * jnp.exp(params["scale"])
    return x


@program(LAYERS[0], X.T, normal(17, 3, 2), normal(18, 2), argnums=1)
def mapped_along_another_axis(params, xs, conditions, common):
    def flow(params, x, condition, common):
        def layer(i, x):
            a, b = jnp.split(x, 2)
            s, t = jnp.split(net(params, a + condition * common), 2)
            return jnp.concatenate([b * jnp.exp(s) + t, a])

        return lax.fori_loop(0, 3, layer, x)

    axes = {"in_axes": (None, 1, 0, None), "out_axes": 1, "axis_name": "batch"}
    return jax.vmap(flow, **axes)(params, xs, conditions, common)


@program(STACKED, normal(0, 2, 3, 4), argnums=1)
def mapped_twice(params, xs):
    def flow(x):
        return lax.scan(lambda x, p: (one_row(p, x), None), x, params)[0]

    return jax.vmap(jax.vmap(flow))(xs)


@program(STACKED, normal(0, 2, 3, 4), argnums=1)
def mapped_within_mapped(params, xs):
    def flow(x):
        return lax.scan(lambda x, p: (one_row(p, x), None), x, params)[0]

    def several(xs):
        xs = jax.vmap(flow)(xs)
        return lax.scan(lambda xs, p: (xs[:, ::-1] * jnp.exp(p["b1"][:4]), None), xs, params)[0]

    return jax.vmap(several)(xs)


@program(HALVES, [normal(60, 4, 4), normal(61, 4, 4), normal(62, 4, 4)], X, argnums=2, keeps=True)
def mapped_layers_that_keep(params, weights, xs):
    def network(x):
        for layer, w in zip(params, weights):
            x = jax.nn.relu(additive_coupling(layer, x) @ w)
        return x

    return jax.vmap(network)(xs)


@program({"k": normal(3, 2)}, {"q": normal(1, 3, 2), "p": normal(2, 3, 2), "m": 2.0}, argnums=1)
def mapped_by_axes_of_items(params, states):
    def flow(state):
        def step(i, qp):
            q, p = qp
            p = p - 0.1 * jnp.sin(q) * params["k"]
            return q + 0.1 * p / state["m"], p

        return lax.fori_loop(0, 4, step, (state["q"], state["p"]))

    return jax.vmap(flow, in_axes=({"q": 0, "p": 0, "m": None},))(states)
