"""What emitted code looks like: programs chosen because their inverses should read as if written by hand.

`golden/<test>.py` is compared with what is emitted, and then imported and run through the laws, so that a
wrong text cannot be accepted by habit. `pytest --update-golden` writes them; read them before you commit.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.scipy.linalg import solve_triangular

import invcompiler as inv
from invcompiler import testing

X = jnp.array([[0.3, -1.2, 0.7, 2.0], [1.1, 0.2, -0.4, -0.9]])
VECTOR = jnp.array([0.5, -1.0, 2.0, 0.25])
MATRIX = jnp.array(
    [[2.0, 0.5, 0.0, 0.1], [0.0, 1.5, 0.3, 0.0], [0.2, 0.0, 1.0, 0.4], [0.0, 0.1, 0.0, 3.0]]
)
NET = {"w": 0.1 * MATRIX[:2], "b": VECTOR}


@pytest.fixture
def reads_well(golden):
    """Compare the emitted text, and hold the law of its kind against the module that it is."""

    def check(f, *args, argnums=0, kind="inverse_and_ildj", captured=None, **options):
        generated = getattr(inv, kind)(f, argnums, **options)
        emitted = run_from(golden(generated), f"{f.__name__}_{kind}", captured or {})
        if kind in ("inverse", "inverse_and_ildj"):
            inverse = first(emitted) if kind == "inverse_and_ildj" else emitted
            testing.check_inverse(f, *args, argnums=argnums, inverse=inverse)
        if kind in ("ildj", "inverse_and_ildj"):
            ildj = second(emitted) if kind == "inverse_and_ildj" else emitted
            batch_ndims = options.get("batch_ndims", 0)
            testing.check_ildj(f, *args, argnums=argnums, ildj=ildj, batch_ndims=batch_ndims)

    return check


def run_from(path, name, captured):
    """The function of that name in an emitted module, with its captured arrays bound."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return functools.partial(getattr(module, name), **captured)


def first(g):
    return lambda *args: g(*args)[0]


def second(g):
    return lambda *args: g(*args)[1]


# ---- arithmetic and elementwise functions ---------------------------------------------------------------


def affine(x, scale, shift):
    return x * scale + shift


def test_affine(reads_well):
    reads_well(affine, X, VECTOR, 3.0)


SCALE, SHIFT = jnp.array([2.0, -1.0, 0.5, 4.0]), jnp.array([0.1, 0.2, 0.3, 0.4])


def standardise(x):
    return (x - SHIFT) / SCALE


def test_captured_arrays_become_keywords(reads_well):
    reads_well(standardise, X, captured={"SCALE": SCALE, "SHIFT": SHIFT})


def collected(x, c):
    return 3 * x - x + c * x


def test_an_unknown_used_three_times(reads_well):
    reads_well(collected, X, 1.5)


def to_reals(x, margin):
    return jax.scipy.special.logit(margin + (1 - 2 * margin) * x)


def test_logit_of_data(reads_well):
    reads_well(to_reals, jax.nn.sigmoid(X), 0.01, batch_ndims=1)


def squash(x, low, high):
    return low + (high - low) / (1 + jnp.exp(-x))


def test_a_naive_sigmoid_is_inverted_by_the_stable_form(reads_well):
    reads_well(squash, X, -1.0, 3.0)


def positive(x):
    return jnp.log(1 + jnp.exp(x))


def test_a_naive_softplus_is_inverted_by_the_stable_form(reads_well):
    reads_well(positive, X)


def sinh_arcsinh(x, tail, skew):
    return jnp.sinh(jnp.exp(tail) * jnp.arcsinh(x) + skew)


def test_sinh_arcsinh(reads_well):
    reads_well(sinh_arcsinh, X, 0.1 * VECTOR, VECTOR)


def energy(speed, mass):
    return 0.5 * mass * speed**2


def test_a_domain_chooses_the_branch(reads_well):
    reads_well(energy, jnp.abs(X), 2.0, domain="positive")


def leaky(x, slope):
    return jnp.where(x >= 0, x, slope * x)


def test_where_of_two_pieces(reads_well):
    reads_well(leaky, X, 0.1)


def rotate(x, y, angle):
    c, s = jnp.cos(angle), jnp.sin(angle)
    return c * x - s * y, s * x + c * y


def test_two_unknowns_by_two_equations(reads_well):
    reads_well(rotate, X, 2 * X, 0.3, argnums=(0, 1))


def twist(z, scale, phase):
    return scale * jnp.exp(1j * phase) * z


def test_complex_numbers(reads_well):
    reads_well(twist, X + 2j * X**2, VECTOR, 0.3)


# ---- couplings ------------------------------------------------------------------------------------------


def net(params, a):
    return jnp.split(jnp.tanh(a @ params["w"] + params["b"]), 2, axis=-1)


def coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = net(params, a)
    return jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)


def test_coupling(reads_well):
    reads_well(coupling, NET, X, argnums=1)


def test_coupling_of_a_batch(reads_well):
    reads_well(coupling, NET, X, argnums=1, batch_ndims=1)


def test_coupling_ildj_alone(reads_well):
    reads_well(coupling, NET, X, argnums=1, kind="ildj")


def test_coupling_forward(golden):
    forward = inv.forward_and_fldj(coupling, 1)
    emitted = run_from(golden(forward), "coupling_forward_and_fldj", {})
    y, fldj = emitted(NET, X)
    np.testing.assert_array_equal(y, coupling(NET, X))
    testing.check_ildj(coupling, NET, X, argnums=1, ildj=lambda *_: -fldj)


def additive(params, x):
    a, b = x[..., :2], x[..., 2:]
    s, t = net(params, a)
    b = b + s * t
    s, t = net(params, b)
    a = a - s * t
    return jnp.concatenate([a, b], axis=-1)


def test_additive_coupling_of_slices(reads_well):
    reads_well(additive, NET, X, argnums=1)


def reversible_block(params, streams):
    x1, x2 = streams
    y1 = x1 + net(params, x2)[0]
    y2 = x2 + net(params, y1)[1]
    return y1, y2


def test_reversible_block(reads_well):
    reads_well(reversible_block, NET, (X[:, :2], X[:, 2:]), argnums=1)


def checkerboard(params, x, mask):
    s, t = net(params, (x * mask)[..., :2])
    s, t = jnp.tile(s, 2), jnp.tile(t, 2)
    return x * mask + (1 - mask) * (x * jnp.exp(s) + t)


def test_a_masked_coupling(reads_well):
    reads_well(checkerboard, NET, X, jnp.array([1.0, 0.0, 1.0, 0.0]), argnums=1, kind="inverse")


def autoregressive_pair(params, x):
    x0, x1 = x[..., 0], x[..., 1]
    y0 = x0 * params["scale"]
    y1 = x1 * jnp.exp(jnp.sin(x0)) + x0
    return jnp.stack([y0, y1], axis=-1)


def test_items_of_an_axis(reads_well):
    reads_well(autoregressive_pair, {"scale": 2.0}, X[:, :2], argnums=1)


# ---- calls and loops -----------------------------------------------------------------------------------------


def flow(params, x):
    for layer in params:
        x = coupling(layer, x)
        x = x[..., ::-1]
    return x


def test_a_loop_over_layers(reads_well):
    reads_well(flow, [NET, NET], X, argnums=1)


def test_a_loop_over_layers_inverse(reads_well):
    reads_well(flow, [NET, NET], X, argnums=1, kind="inverse")


def scanned(params, x):
    def body(x, layer):
        return coupling(layer, x), None

    x, _ = lax.scan(body, x, params)
    return x


def test_a_scan_over_stacked_layers(reads_well):
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), NET)
    reads_well(scanned, stacked, X, argnums=1)


def leapfrog(state, step):
    def body(_, state):
        q, p = state
        p = p - step * jnp.sin(q)
        q = q + step * p
        return q, p

    return lax.fori_loop(0, 10, body, state)


def test_a_leapfrog_integrator(reads_well):
    reads_well(leapfrog, (X, 2 * X), 0.1)


def recurrence(x, a):
    def step(state, x_t):
        y_t = a * state + jnp.exp(x_t)
        return y_t, y_t

    return lax.scan(step, jnp.zeros(x.shape[1:]), x)[1]


def test_an_autoregressive_recurrence(reads_well):
    reads_well(recurrence, X, 0.9)


def widened(x, scale):
    def widen(h):
        return jnp.sinh(h * scale)

    return widen(widen(x) + 1)


def test_one_helper_called_twice(reads_well):
    reads_well(widened, 0.3 * X, VECTOR)


class ActNorm:
    """A layer as a class: its arrays are captured through `self`."""

    def __init__(self, log_scale, bias):
        self.log_scale = log_scale
        self.bias = bias

    def forward(self, x):
        return x * jnp.exp(self.log_scale) + self.bias


def test_a_method(golden):
    layer = ActNorm(VECTOR, SHIFT)
    golden(inv.inverse_and_ildj(layer.forward))
    testing.check_inverse(layer.forward, X)
    testing.check_ildj(layer.forward, X)


def test_a_partial(golden):
    shifted = functools.partial(affine, scale=VECTOR, shift=1.0)
    golden(inv.inverse(shifted))
    testing.check_inverse(shifted, X)


# ---- branches ------------------------------------------------------------------------------------------------


def maybe_flipped(x, *, flip=False):
    if flip:
        x = x[..., ::-1]
    return jnp.exp(x)


def test_an_if_on_a_known_flag(reads_well):
    reads_well(maybe_flipped, X)


def either(x, is_log):
    return lax.cond(is_log, jnp.exp, lambda x: 2 * x, x)


def test_cond_on_a_known_predicate(reads_well):
    reads_well(either, X, True)


# ---- structure and containers ----------------------------------------------------------------------------------


def haar(x):
    even, odd = x[..., 0::2], x[..., 1::2]
    return (even + odd) / 2**0.5, (even - odd) / 2**0.5


def test_a_haar_step(reads_well):
    reads_well(haar, X)


def space_to_depth(x):
    h, w, c = x.shape
    x = x.reshape(h // 2, 2, w // 2, 2, c)
    return x.transpose(0, 2, 1, 3, 4).reshape(h // 2, w // 2, 4 * c)


def test_space_to_depth(reads_well):
    image = jnp.arange(32.0).reshape(4, 4, 2)
    reads_well(space_to_depth, image, kind="inverse", example=image)


def shuffle(x, order):
    return x[..., order]


def test_a_permutation(reads_well):
    reads_well(shuffle, X, jnp.array([2, 0, 3, 1]))


def constrain(z):
    return {
        "scale": jax.nn.softplus(z["scale"]),
        "rate": jnp.exp(z["rate"]),
        "weight": jax.nn.sigmoid(z["weight"]),
        "corr": jnp.tanh(z["corr"]),
    }


def test_the_parameters_of_a_model(reads_well):
    names = ["scale", "rate", "weight", "corr"]
    reads_well(constrain, {name: X for name in names})


class State(NamedTuple):
    position: jax.Array
    momentum: jax.Array


def kick(state, step):
    momentum = state.momentum - step * jnp.sin(state.position)
    return State(state.position + step * momentum, momentum)


def test_a_namedtuple(reads_well):
    reads_well(kick, State(X, 2 * X), 0.1)


def ordered(x):
    return jnp.cumsum(jnp.concatenate([x[..., :1], jnp.exp(x[..., 1:])], axis=-1), axis=-1)


def test_ordered_cut_points(reads_well):
    reads_well(ordered, X)


def stick(x):
    z = jax.nn.sigmoid(x)
    left = jnp.cumprod(1 - z)
    return jnp.append(z, 1.0) * jnp.append(1.0, left)


def test_a_stick_that_is_broken(reads_well):
    reads_well(stick, VECTOR, kind="inverse", example=VECTOR)


def shares(x):
    return jax.nn.softmax(jnp.pad(x, ((0, 0), (0, 1))), axis=-1)[..., :-1]


def test_a_softmax_without_its_last(reads_well):
    reads_well(shares, X, example=X)


def factor(v):
    l = jnp.zeros((2, 2)).at[jnp.tril_indices(2)].set(v)
    return jnp.tril(l, -1) + jnp.diag(jax.nn.softplus(jnp.diag(l)))


def covariance(v):
    l = factor(v)
    return l @ l.T


def test_a_covariance_of_a_filled_triangle(reads_well):
    reads_well(covariance, VECTOR[:3], kind="inverse", example=VECTOR[:3])


# ---- linear algebra ----------------------------------------------------------------------------------------------


def mixed(x, w, b):
    return x @ w + b


def test_a_linear_layer(reads_well):
    reads_well(mixed, X, MATRIX, VECTOR)


def whiten(x, mean, factor):
    return solve_triangular(factor, (x - mean).T, lower=True).T


def test_whitening_by_a_cholesky_factor(reads_well):
    reads_well(whiten, X, VECTOR, jnp.tril(MATRIX))


def reflect(x, v):
    return x - 2 * v * (v @ x) / (v @ v)


def test_a_reflection(reads_well):
    reads_well(reflect, VECTOR, X[0])


def mix_a_few(x, d, u, v):
    return d * x + u @ (v.T @ x)


def test_a_diagonal_plus_a_matrix_of_low_rank(reads_well):
    reads_well(mix_a_few, VECTOR, jnp.exp(X[0]), MATRIX[:, :2], 0.3 * MATRIX[:, 2:])


def convolution_1x1(x, w):
    return jnp.einsum("hwi,io->hwo", x, w)


def test_a_convolution_1x1(reads_well):
    reads_well(convolution_1x1, jnp.stack([X, 2 * X]), MATRIX)


def glow_step(params, x):
    x = x * jnp.exp(params["log_scale"]) + params["bias"]
    x = x @ params["w"]
    return coupling(params["net"], x)


def test_a_step_of_glow(reads_well):
    params = {"log_scale": VECTOR, "bias": SHIFT, "w": MATRIX, "net": NET}
    reads_well(glow_step, params, X, argnums=1)
