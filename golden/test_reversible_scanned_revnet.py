import jax
import jax.numpy as jnp


def scanned_revnet_vjp(params, state, *, y_bar):
    """Value, and cotangents by reconstruction from it, of `scanned_revnet` (programs.py:293) with
    respect to params and state.
    """
    y, residuals = scanned_revnet_fwd(params, state)
    return y, scanned_revnet_bwd(residuals, y_bar)


def scanned_revnet_fwd(params, state):
    x1, x2 = state

    def step(carry, item):
        x1, x2 = carry
        f, g = item
        x1 = x1 + net(f, x2)
        x2 = x2 + net(g, x1)
        return (x1, x2), None

    (x1, x2), _ = jax.lax.scan(step, (x1, x2), params)
    return (x1, x2), ((x1, x2), params)


def scanned_revnet_bwd(residuals, y_bar):
    (x1, x2), params = residuals

    def step(carry, item):
        x1, x2, x1_bar, x2_bar = carry
        f, g = item
        value, residuals = net_fwd(g, x1)
        x2 = x2 - value
        value, residuals_1 = net_fwd(f, x2)
        g_bar, value_1 = net_bwd(g, x1, residuals, x2_bar)
        x1_bar = x1_bar + value_1
        f_bar, value_1 = net_bwd(f, x2, residuals_1, x1_bar)
        return (x1 - value, x2, x1_bar, x2_bar + value_1), (f_bar, g_bar)

    (_, _, x1_bar, x2_bar), params_bar = jax.lax.scan(
        step, (x1, x2, y_bar[0], y_bar[1]), params, reverse=True
    )
    return params_bar, (x1_bar, x2_bar)


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
