import jax.numpy as jnp


def affine_coupling_vjp(params, x, *, y_bar):
    """Value, and cotangents by reconstruction from it, of `affine_coupling` (programs.py:77) with
    respect to params and x.
    """
    y, residuals = affine_coupling_fwd(params, x)
    return y, affine_coupling_bwd(residuals, y_bar)


def affine_coupling_fwd(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = jnp.split(net(params, a), 2, axis=-1)
    concatenate = jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)
    return concatenate, (concatenate, params)


def affine_coupling_bwd(residuals, y_bar):
    y, params = residuals
    a, b = jnp.split(y, 2, axis=-1)
    value, residuals = net_fwd(params, a)
    s, t = jnp.split(value, 2, axis=-1)
    exp_s = jnp.exp(s)
    a_bar, t_bar = jnp.split(y_bar, [2], axis=-1)
    s_bar = t_bar * ((b - t) / exp_s) * exp_s
    params_bar, value = net_bwd(params, a, residuals, jnp.concatenate([s_bar, t_bar], axis=-1))
    x_bar = jnp.concatenate([a_bar + value, t_bar * exp_s], axis=-1)
    return params_bar, x_bar


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
