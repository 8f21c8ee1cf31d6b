import jax.numpy as jnp


def square_then_sine_vjp(x, *, y_bar):
    """Value and cotangents of `square_then_sine` (readable.py:25)."""
    y, residuals = square_then_sine_fwd(x)
    return y, square_then_sine_bwd(residuals, y_bar)


def square_then_sine_fwd(x):
    y = x**2
    return jnp.sin(y), (x, y)


def square_then_sine_bwd(residuals, y_bar):
    x, y = residuals
    return (y_bar * jnp.cos(y) * (2 * x),)
