import jax.numpy as jnp


def residual_network_vjp(layers, x, *, x_bar):
    """Value and cotangents of `residual_network` (readable.py:132) with respect to layers and x."""
    x, residuals = residual_network_fwd(layers, x)
    return x, residual_network_bwd(residuals, x_bar)


def residual_network_fwd(layers, x):
    xs = []
    all_residuals = []
    for layer in layers:
        x_1, residuals = block_fwd(layer, x)
        xs.append(x)
        all_residuals.append(residuals)
        x = x_1
    return x, (layers, xs, all_residuals)


def residual_network_bwd(residuals, x_bar):
    layers, xs, all_residuals = residuals
    layer_bars = []
    for layer, x, residuals in zip(reversed(layers), reversed(xs), reversed(all_residuals)):
        layer_bar, x_bar = block_bwd(layer, x, residuals, x_bar)
        layer_bars.append(layer_bar)
    return layer_bars[::-1], x_bar


def block_fwd(layer, x):
    tanh = jnp.tanh(x @ layer["w"])
    return x + tanh, tanh


def block_bwd(layer, x, tanh, y_bar):
    product_bar = y_bar * (1 - tanh**2)
    x_bar = y_bar + layer["w"] @ product_bar
    w_bar = jnp.outer(x, product_bar)
    return {"w": w_bar}, x_bar
