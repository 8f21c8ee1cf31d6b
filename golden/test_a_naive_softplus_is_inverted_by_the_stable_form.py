import jax.numpy as jnp


def positive_inverse_and_ildj(y):
    """Inverse of `positive` (test_golden.py:111) with respect to x, and its log-det-Jacobian."""
    log = jnp.log(-jnp.expm1(-y))
    x = y + log
    ildj = -jnp.sum(log)
    return x, ildj
