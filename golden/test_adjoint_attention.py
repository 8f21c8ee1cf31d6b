import jax
import jax.numpy as jnp


def attention_vjp(params, x, *, y_bar):
    """Value and cotangents of `attention` (readable.py:87) with respect to params and x."""
    y, residuals = attention_fwd(params, x)
    return y, attention_bwd(residuals, y_bar)


def attention_fwd(params, x):
    q = x @ params["q"]
    v = x @ params["v"]
    T = (x @ params["k"]).T
    weights = jax.nn.softmax(q @ T / 2.0, axis=-1)
    return weights @ v, (params, x, v, weights, T, q)


def attention_bwd(residuals, y_bar):
    params, x, v, weights, T, q = residuals
    weights_bar = y_bar @ v.T
    v_bar = weights.T @ y_bar
    weights = weights * (weights_bar - jnp.sum(weights_bar * weights, axis=-1, keepdims=True)) / 2.0
    q_bar = weights @ T.T
    k_bar = (q.T @ weights).T
    T = x.T
    T_1 = T @ v_bar
    x_bar = v_bar @ params["v"].T + k_bar @ params["k"].T
    T_2 = T @ k_bar
    x_bar = x_bar + q_bar @ params["q"].T
    T = T @ q_bar
    return {"k": T_2, "q": T, "v": T_1}, x_bar
