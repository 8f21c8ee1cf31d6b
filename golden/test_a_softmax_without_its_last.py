import jax.numpy as jnp


def shares_inverse_and_ildj(y):
    """Inverse of `shares` (test_golden.py:429) with respect to x, and its log-det-Jacobian."""
    x = jnp.concatenate([y, 1 - jnp.sum(y, axis=-1, keepdims=True)], axis=-1)
    log_x = jnp.log(x)
    x = (log_x - jnp.log(x[..., -1:]))[:, :-1]
    ildj = -jnp.sum(log_x)
    return x, ildj
