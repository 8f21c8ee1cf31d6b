import jax.numpy as jnp


def static_choice_vjp(x, activation, *, y_bar):
    """Value and cotangents of `static_choice` (readable.py:121) with respect to x."""
    y, residuals = static_choice_fwd(x, activation)
    return y, static_choice_bwd(residuals, y_bar)


def static_choice_fwd(x, activation):
    y = jnp.tanh(x)
    return y, (y,)


def static_choice_bwd(residuals, y_bar):
    (y,) = residuals
    return (y_bar * (1 - y**2),)
