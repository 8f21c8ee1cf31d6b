import jax.numpy as jnp


def used_twice_jvp(primals, tangents):
    """Value and tangent of `used_twice` (readable.py:63) with respect to x and y."""
    x_dot, y_dot = tangents
    x, y = primals
    z_dot = x_dot * y + y_dot * x
    z = x * y
    exp_z = jnp.exp(z)
    z_dot = z_dot * x + x_dot * z + z_dot * exp_z
    z = z * x + exp_z
    return z, z_dot
