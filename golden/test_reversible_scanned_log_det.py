import jax
import jax.numpy as jnp


def scanned_log_det_vjp(params, x, *, y_bar):
    """Value, and cotangents by reconstruction from it, of `scanned_log_det` (programs.py:429) with
    respect to params and x.
    """
    y, residuals = scanned_log_det_fwd(params, x)
    return y, scanned_log_det_bwd(residuals, y_bar)


def scanned_log_det_fwd(params, x):
    def step(carry, p):
        x, carry_1 = carry
        a, b = jnp.split(x, 2, axis=-1)
        s, t = jnp.split(net(p, a), 2, axis=-1)
        concatenate = jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1)
        carry_1 = carry_1 + jnp.sum(s)
        return (concatenate, carry_1), None

    (x, x_1), _ = jax.lax.scan(step, (x, jnp.zeros(())), params)
    return (x, x_1), ((x, x_1), params)


def scanned_log_det_bwd(residuals, y_bar):
    (x, _), params = residuals

    def step(carry, p):
        x, x_bar, total_bar = carry
        b, a = jnp.split(x, 2, axis=-1)
        value, residuals = net_fwd(p, a)
        s, t = jnp.split(value, 2, axis=-1)
        exp_s = jnp.exp(s)
        b = (b - t) / exp_s
        x = jnp.concatenate([a, b], axis=-1)
        t_bar, a_bar = jnp.split(x_bar, [2], axis=-1)
        concatenate = jnp.concatenate([total_bar + t_bar * b * exp_s, t_bar], axis=-1)
        p_bar, value = net_bwd(p, a, residuals, concatenate)
        x_bar = jnp.concatenate([a_bar + value, t_bar * exp_s], axis=-1)
        return (x, x_bar, total_bar), p_bar

    (_, x_bar, _), params_bar = jax.lax.scan(step, (x, y_bar[0], y_bar[1]), params, reverse=True)
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
