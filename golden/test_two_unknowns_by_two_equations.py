import jax.numpy as jnp


def rotate_inverse_and_ildj(y, angle):
    """Inverse of `rotate` (test_golden.py:143) with respect to x and y, and its log-det-Jacobian."""
    cos_angle = jnp.cos(angle)
    x, y = y
    sin_angle = jnp.sin(angle)
    sin_angle_1 = -sin_angle
    cos_angle_1 = cos_angle * cos_angle - sin_angle_1 * sin_angle
    x_1 = (cos_angle * x - sin_angle_1 * y) / cos_angle_1
    y = (cos_angle * y - sin_angle * x) / cos_angle_1
    ildj = -jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(cos_angle_1)), x_1.shape))
    return (x_1, y), ildj
