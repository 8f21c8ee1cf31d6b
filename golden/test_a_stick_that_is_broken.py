import jax.numpy as jnp
from jax import lax


def stick_inverse(y):
    """Inverse of `stick` (test_golden.py:419) with respect to x."""
    log = jnp.log(lax.cumsum(y, axis=0, reverse=True)[..., 1:])
    return jnp.log(y[..., :-1]) - log
