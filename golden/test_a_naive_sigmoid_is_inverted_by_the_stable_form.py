import jax.numpy as jnp


def squash_inverse_and_ildj(y, low, high):
    """Inverse of `squash` (test_golden.py:103) with respect to x, and its log-det-Jacobian."""
    x = y - low
    x_1 = (high - low) / x
    x_2 = jnp.log(x_1 - 1)
    x_3 = -x_2
    log = jnp.log(jnp.abs(x_1)) - jnp.log(jnp.abs(x))
    ildj = jnp.sum(log) - jnp.sum(x_2)
    return x_3, ildj
