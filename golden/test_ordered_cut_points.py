import jax.numpy as jnp


def ordered_inverse_and_ildj(y):
    """Inverse of `ordered` (test_golden.py:414) with respect to x, and its log-det-Jacobian."""
    x, x_1 = jnp.split(jnp.diff(y, axis=-1, prepend=0), [1], axis=-1)
    x_1 = jnp.log(x_1)
    x = jnp.concatenate([x, x_1], axis=-1)
    ildj = -jnp.sum(x_1)
    return x, ildj
