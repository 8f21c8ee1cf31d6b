import jax
import jax.numpy as jnp


def attention_vjp(params, x, *, y_bar):
    """Value and cotangents of `attention` (readable.py:87) with respect to params and x."""
    y, residuals = attention_fwd(params, x)
    return y, attention_bwd(residuals, y_bar)


def attention_fwd(params, x):
    q = x @ params["q"]
    v = x @ params["v"]
    transposed = (x @ params["k"]).T
    weights = jax.nn.softmax(q @ transposed / 2.0, axis=-1)
    return weights @ v, (params, x, v, weights, transposed, q)


def attention_bwd(residuals, y_bar):
    params, x, v, weights, transposed, q = residuals
    weights_bar = y_bar @ v.T
    v_bar = weights.T @ y_bar
    product_bar = (
        weights * (weights_bar - jnp.sum(weights_bar * weights, axis=-1, keepdims=True)) / 2.0
    )
    q_bar = product_bar @ transposed.T
    k_bar = (q.T @ product_bar).T
    T = x.T
    v_bar_1 = T @ v_bar
    x_bar = v_bar @ params["v"].T + k_bar @ params["k"].T
    k_bar = T @ k_bar
    x_bar = x_bar + q_bar @ params["q"].T
    q_bar = T @ q_bar
    return {"k": k_bar, "q": q_bar, "v": v_bar_1}, x_bar
