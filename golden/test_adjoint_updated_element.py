import jax
import jax.numpy as jnp


def updated_element_vjp(x, *, y_bar):
    """Value and cotangents of `updated_element` (readable.py:176)."""
    y, residuals = updated_element_fwd(x)
    return y, updated_element_bwd(residuals, y_bar)


def updated_element_fwd(x):
    y = x.at[1].multiply(x[0])
    return y, (x,)


def updated_element_bwd(residuals, y_bar):
    (x,) = residuals
    _, multiply_vjp = jax.vjp(lambda x, x_1: x.at[1].multiply(x_1), x, x[0])
    x_bar, value = multiply_vjp(y_bar)
    return (x_bar + jnp.pad(jnp.expand_dims(value, 0), (0, 3)),)
