import jax.numpy as jnp


def rotate_inverse_and_ildj(y, angle):
    """Inverse of `rotate` (test_golden.py:146) with respect to x and y, and its
    log-det-Jacobian.
    """
    c = jnp.cos(angle)
    x, y = y
    s = jnp.sin(angle)
    c_1 = c * c + s * s
    x_1 = (c * x + s * y) / c_1
    y = (c * y - s * x) / c_1
    ildj = -jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(c_1)), x_1.shape))
    return (x_1, y), ildj
