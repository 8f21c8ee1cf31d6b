import jax
import jax.numpy as jnp


def scanned_residual_network_vjp(layers, x, *, x_bar):
    """Value and cotangents of `scanned_residual_network` (readable.py:139) with respect to layers
    and x.
    """
    x, residuals = scanned_residual_network_fwd(layers, x)
    return x, scanned_residual_network_bwd(residuals, x_bar)


def scanned_residual_network_fwd(layers, x):
    def step(x, layer):
        x_1, residuals = block_fwd(layer, x)
        return x_1, (x, residuals)

    x, (xs, all_residuals) = jax.lax.scan(step, x, layers)
    return x, (layers, xs, all_residuals)


def scanned_residual_network_bwd(residuals, x_bar):
    layers, xs, all_residuals = residuals

    def step(x_bar, item):
        layer, x, residuals = item
        layer_bar, x_bar = block_bwd(layer, x, residuals, x_bar)
        return x_bar, layer_bar

    x_bar, layer_bars = jax.lax.scan(step, x_bar, (layers, xs, all_residuals), reverse=True)
    return layer_bars, x_bar


def block_fwd(layer, x):
    tanh = jnp.tanh(x @ layer["w"])
    return x + tanh, tanh


def block_bwd(layer, x, tanh, y_bar):
    product_bar = y_bar * (1 - tanh**2)
    x_bar = y_bar + layer["w"] @ product_bar
    w_bar = jnp.outer(x, product_bar)
    return {"w": w_bar}, x_bar
