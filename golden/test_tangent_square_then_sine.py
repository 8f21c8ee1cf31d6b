import jax.numpy as jnp


def square_then_sine_jvp(primals, tangents):
    """Value and tangent of `square_then_sine` (readable.py:25)."""
    (x_dot,) = tangents
    (x,) = primals
    y = x**2
    y_dot = x_dot * (2 * x) * jnp.cos(y)
    sin_y = jnp.sin(y)
    return sin_y, y_dot
