import jax
import jax.numpy as jnp


def recurrent_network_vjp(params, h, xs, *, y_bar):
    """Value and cotangents of `recurrent_network` (readable.py:94) with respect to params, h and
    xs.
    """
    y, residuals = recurrent_network_fwd(params, h, xs)
    return y, recurrent_network_bwd(residuals, y_bar)


def recurrent_network_fwd(params, h, xs):
    def step(h, x):
        x = x @ params["wx"] + h @ params["wh"]
        h_1 = jnp.tanh(x)
        return h_1, (h_1, h)

    h, (h_1, hs) = jax.lax.scan(step, h, xs)
    return (h, h_1), (params, xs, h_1, hs)


def recurrent_network_bwd(residuals, y_bar):
    params, xs, h, hs = residuals

    def step(carry, item):
        h_bar, params_bar = carry
        x, h, h_1, h_bar_1 = item
        total_bar = (h_bar + h_bar_1) * (1 - h**2)
        h_bar = params["wh"] @ total_bar
        wh_bar = params_bar["wh"] + jnp.outer(h_1, total_bar)
        x_bar = params["wx"] @ total_bar
        wx_bar = params_bar["wx"] + jnp.outer(x, total_bar)
        return (h_bar, {"wh": wh_bar, "wx": wx_bar}), x_bar

    (h_bar, params_bar), x_bars = jax.lax.scan(
        step, (y_bar[0], jax.tree.map(jnp.zeros_like, params)), (xs, h, hs, y_bar[1]), reverse=True
    )
    return params_bar, h_bar, x_bars
