import jax.numpy as jnp


def affine_coupling_vjp(x, *, y_bar):
    """Value and cotangents of `affine_coupling` (readable.py:49)."""
    y, residuals = affine_coupling_fwd(x)
    return y, affine_coupling_bwd(residuals, y_bar)


def affine_coupling_fwd(x):
    a, b = jnp.split(x, 2, axis=-1)
    s = jnp.tanh(a)
    exp = jnp.exp(s)
    y = jnp.concatenate([a, b * exp + a], axis=-1)
    return y, (x, exp, s)


def affine_coupling_bwd(residuals, y_bar):
    x, exp, s = residuals
    _, b = jnp.split(x, 2, axis=-1)
    a_bar, b_bar = jnp.split(y_bar, [2], axis=-1)
    s_bar = b_bar * b * exp * (1 - s**2)
    return (jnp.concatenate([a_bar + b_bar + s_bar, b_bar * exp], axis=-1),)
