import jax.numpy as jnp
from jax import lax


def layer_norm_vjp(x, gain, bias, *, y_bar):
    """Value and cotangents of `layer_norm` (readable.py:79) with respect to x, gain and bias."""
    y, residuals = layer_norm_fwd(x, gain, bias)
    return y, layer_norm_bwd(residuals, y_bar)


def layer_norm_fwd(x, gain, bias):
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    total = jnp.mean(centred**2, axis=-1, keepdims=True) + 1e-05
    rsqrt = lax.rsqrt(total)
    product = centred * rsqrt
    y = product * gain + bias
    return y, (gain, product, rsqrt, centred, total)


def layer_norm_bwd(residuals, y_bar):
    gain, product, rsqrt, centred, total = residuals
    bias_bar = jnp.sum(y_bar, axis=0)
    product_bar = y_bar * gain
    gain_bar = jnp.sum(y_bar * product, axis=0)
    variance_bar = jnp.sum(product_bar * centred, axis=1, keepdims=True) * (-0.5 * rsqrt / total)
    centred_bar = product_bar * rsqrt + variance_bar / 4 * (2 * centred)
    x_bar = centred_bar - jnp.sum(centred_bar, axis=1, keepdims=True) / 4
    return x_bar, gain_bar, bias_bar
