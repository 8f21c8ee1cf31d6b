import jax
import jax.numpy as jnp


def scan_over_layers_vjp(params, x, *, x_bar):
    """Value, and cotangents by reconstruction from it, of `scan_over_layers` (programs.py:133) with
    respect to params and x.
    """
    x, residuals = scan_over_layers_fwd(params, x)
    return x, scan_over_layers_bwd(residuals, x_bar)


def scan_over_layers_fwd(params, x):
    def step(x, p):
        return affine_coupling(p, x)[..., ::-1], None

    x, _ = jax.lax.scan(step, x, params)
    return x, (x, params)


def scan_over_layers_bwd(residuals, y_bar):
    y, params = residuals

    def step(carry, p):
        x, x_bar = carry
        x, p_bar, x_bar = affine_coupling_bwd(x[..., ::-1], p, x_bar[..., ::-1])
        return (x, x_bar), p_bar

    (_, x_bar), params_bar = jax.lax.scan(step, (y, y_bar), params, reverse=True)
    return params_bar, x_bar


def affine_coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = jnp.split(net(params, a), 2, axis=-1)
    return jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)


def affine_coupling_bwd(y, params, y_bar):
    a, b = jnp.split(y, 2, axis=-1)
    value, residuals = net_fwd(params, a)
    s, t = jnp.split(value, 2, axis=-1)
    exp_s = jnp.exp(s)
    b = (b - t) / exp_s
    x = jnp.concatenate([a, b], axis=-1)
    a_bar, t_bar = jnp.split(y_bar, [2], axis=-1)
    params_bar, value = net_bwd(
        params, a, residuals, jnp.concatenate([t_bar * b * exp_s, t_bar], axis=-1)
    )
    x_bar = jnp.concatenate([a_bar + value, t_bar * exp_s], axis=-1)
    return x, params_bar, x_bar


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
