import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def mixed_layers_vjp(params, weights, x, *, x_bar):
    """Value, and cotangents by reconstruction from it, of `mixed_layers` (programs.py:536) with
    respect to x.
    """
    x, residuals = mixed_layers_fwd(params, weights, x)
    return x, mixed_layers_bwd(residuals, x_bar)


def mixed_layers_fwd(params, weights, x):
    x_1 = x
    xs = []
    for layer, w in zip(params, weights):
        x_1 = additive_coupling(layer, x_1)
        x_2 = jax.nn.relu(x_1 @ w)
        xs.append(x_1)
        x_1 = x_2
    return x_1, (x_1, params, weights, xs, x)


def mixed_layers_bwd(residuals, y_bar):
    y, params, weights, xs, x_kept = residuals
    x = y
    x_bar = y_bar
    worst = 0.0
    layer_bars = []
    w_bars = []
    for layer, w, x_1 in reversed(list(zip(params, weights, xs))):
        x, x_bar = lax.optimization_barrier((x, x_bar))
        x_2 = x_1 @ w
        product_bar = jnp.where(x_2 > 0, x_bar, 0)
        x_3, layer_bar, x_bar = additive_coupling_bwd(x_1, layer, product_bar @ w.T)
        worst = jnp.maximum(worst, drift(x, jax.nn.relu(x_2)))
        layer_bars.append(layer_bar)
        w_bars.append(x_1.T @ product_bar)
        x = x_3
    return checked((layer_bars[::-1], w_bars[::-1], x_bar), 0.01, worst, drift(x, x_kept))


def additive_coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a, b + net(params, a)], axis=-1)


def additive_coupling_bwd(y, params, y_bar):
    a, b = jnp.split(y, 2, axis=-1)
    value, residuals = net_fwd(params, a)
    x = jnp.concatenate([a, b - value], axis=-1)
    a_bar, b_bar = jnp.split(y_bar, [2], axis=-1)
    params_bar, value = net_bwd(params, a, residuals, b_bar)
    x_bar = jnp.concatenate([a_bar + value, b_bar], axis=-1)
    return x, params_bar, x_bar


def drift(found, kept):
    """Return the largest deviation of an element of `found` from `kept`, relative to the largest
    element of that.
    """
    deviation = scale = jnp.zeros(())
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(kept)):
        if jnp.issubdtype(jnp.result_type(y), jnp.inexact) and jnp.size(y):
            deviation = jnp.maximum(deviation, jnp.max(jnp.abs(x - y)))
            scale = jnp.maximum(scale, jnp.max(jnp.abs(y)))
    return deviation / jnp.where(scale == 0, 1.0, scale)


def checked(bars, tolerance, *drifts):
    """Return the cotangents `bars`, or NaN if a value that was reconstructed has drifted too far
    from what it was.
    """
    worst = functools.reduce(jnp.maximum, drifts)
    leaves, structure = jax.tree.flatten(bars)
    real = [jnp.issubdtype(jnp.result_type(bar), jnp.inexact) for bar in leaves]
    given = [jnp.asarray(bar) for bar, is_real in zip(leaves, real) if is_real]
    guarded = iter(unless_drifted(given, worst, tolerance))
    every = [next(guarded) if is_real else bar for bar, is_real in zip(leaves, real)]
    return jax.tree.unflatten(structure, every)


def net(params, a):
    h = jnp.tanh(a @ params["w1"] + params["b1"])
    return h @ params["w2"]


def net_fwd(params, a):
    h = jnp.tanh(a @ params["w1"] + params["b1"])
    h_1 = h @ params["w2"]
    return h_1, h


def net_bwd(params, a, h, y_bar):
    w2_bar = h.T @ y_bar
    total_bar = y_bar @ params["w2"].T * (1 - h**2)
    b1_bar = jnp.sum(total_bar, axis=0)
    a_bar = total_bar @ params["w1"].T
    w1_bar = a.T @ total_bar
    return {"b1": b1_bar, "w1": w1_bar, "w2": w2_bar}, a_bar


def unless_drifted(bars, worst, tolerance):
    """Return a list of arrays as it is, or NaNs in their place and a warning if `worst` exceeds `tolerance`.

    A loop of at most one step holds them where they are. XLA would make a `where` of one with the sum that it guards, which then
    waits for the end of the way back, and all that is summed with it.
    """

    def poison(state):
        bars, is_right, worst = state
        nan = warned(worst, tolerance)
        return [bar * jnp.asarray(nan, bar.dtype) for bar in bars], is_right | True, worst

    def guarded(bars, worst):
        start = bars, worst <= tolerance, worst
        return jax.lax.while_loop(lambda state: ~state[1], poison, start)[0]

    def guarded_jvp(primals, tangents):
        is_right = primals[1] <= tolerance
        return guarded(*primals), [jnp.where(is_right, dot, jnp.nan) for dot in tangents[0]]

    linear = jax.custom_jvp(guarded)
    linear.defjvp(guarded_jvp)
    return linear(bars, worst)


def warned(worst, tolerance):
    """Warn of drift when it is run, and return NaN.

    A program with effects is called by way of Python, which takes longer than a small gradient. A pure callback has none, but
    its value would be sent to all devices.
    """
    if jax.device_count() > 1:
        jax.debug.callback(warn_of_drift, worst, tolerance)
        return jnp.nan
    nan = jax.ShapeDtypeStruct((), jnp.float32)
    return jax.pure_callback(warn_of_drift, nan, worst, tolerance, vmap_method="sequential")


def warn_of_drift(worst, tolerance):
    """Warn that a reconstruction has drifted too far for its gradient to be of use. Return NaN."""
    if not worst <= tolerance:
        warnings.warn(
            f"what was reconstructed from the output has a relative drift of {float(worst):.1e}, more than the tolerance of {float(tolerance):.1e}: the gradient is NaN; keep more states (store_every), make additive updates exact (exact=True), or compute in a wider dtype",
            RuntimeWarning,
            stacklevel=2,
        )
    return np.float32(np.nan)
