import jax
import jax.numpy as jnp
from jax import lax


def mapped_loop_with_what_all_share_vjp(params, xs, *, y_bar):
    """Value, and cotangents by reconstruction from it, of `mapped_loop_with_what_all_share`
    (programs.py:710) with respect to params and xs.
    """
    y, residuals = mapped_loop_with_what_all_share_fwd(params, xs)
    return y, mapped_loop_with_what_all_share_bwd(residuals, y_bar)


def mapped_loop_with_what_all_share_fwd(params, xs):
    def flow(x):
        for layer in params["layers"]:
            x = one_row(layer, x) * jnp.exp(params["scale"])
        return x + params["scale"]

    value = jax.vmap(flow)(xs)
    return value, (value, params)


def mapped_loop_with_what_all_share_bwd(residuals, y_bar):
    y, params = residuals
    _, xs_bar, params_bar = jax.vmap(
        flow_bwd, in_axes=(0, None, 0), out_axes=(0, 0, None), axis_name="examples"
    )(y, params, y_bar)
    return params_bar, xs_bar


def one_row(params, x):
    a, b = jnp.split(x, 2)
    s, t = jnp.split(net(params, a), 2)
    return jnp.concatenate([b * jnp.exp(s) + t, a])


def flow_bwd(y, params, y_bar):
    scale = params["scale"]
    x = y - scale
    x_bar = y_bar
    scale_bar = jnp.zeros((4,), jnp.float64)
    layer_bars = []
    for layer in reversed(params["layers"]):
        x, x_bar, scale_bar = lax.optimization_barrier((x, x_bar, scale_bar))
        exp_scale = jnp.exp(scale)
        x = x / exp_scale
        scale_bar = scale_bar + lax.psum(x_bar * x, "examples") * exp_scale
        x, layer_bar, x_bar = one_row_bwd(x, layer, x_bar * exp_scale)
        layer_bars.append(layer_bar)
    layers_bar = layer_bars[::-1]
    scale_bar = lax.psum(y_bar, "examples") + scale_bar
    return x, x_bar, {"layers": layers_bar, "scale": scale_bar}


def net(params, a):
    h = jnp.tanh(a @ params["w1"] + params["b1"])
    return h @ params["w2"]


def one_row_bwd(y, params, y_bar):
    b, a = jnp.split(y, 2)
    value, residuals = net_fwd(params, a)
    s, t = jnp.split(value, 2)
    exp_s = jnp.exp(s)
    b = (b - t) / exp_s
    x = jnp.concatenate([a, b], axis=0)
    t_bar, a_bar = jnp.split(y_bar, [2])
    value, value_1 = net_bwd(params, a, residuals, jnp.concatenate([t_bar * b * exp_s, t_bar]))
    params_bar = lax.psum(value, "examples")
    x_bar = jnp.concatenate([a_bar + value_1, t_bar * exp_s])
    return x, params_bar, x_bar


def net_fwd(params, a):
    h = jnp.tanh(a @ params["w1"] + params["b1"])
    h_1 = h @ params["w2"]
    return h_1, h


def net_bwd(params, a, h, y_bar):
    w2_bar = jnp.outer(h, y_bar)
    total_bar = params["w2"] @ y_bar * (1 - h**2)
    a_bar = params["w1"] @ total_bar
    w1_bar = jnp.outer(a, total_bar)
    return {"b1": total_bar, "w1": w1_bar, "w2": w2_bar}, a_bar
