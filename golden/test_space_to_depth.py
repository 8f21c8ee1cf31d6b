import jax.numpy as jnp


def space_to_depth_inverse(y):
    """Inverse of `space_to_depth` (test_golden.py:367) with respect to x."""
    x = jnp.transpose(jnp.reshape(y, (2, 2, 2, 2, 2)), (0, 2, 1, 3, 4))
    return jnp.reshape(x, (4, 4, 2))
