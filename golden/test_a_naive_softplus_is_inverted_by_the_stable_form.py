import jax
import jax.numpy as jnp


def positive_inverse_and_ildj(y):
    """Inverse of `positive` (test_golden.py:111) with respect to x, and its log-det-Jacobian."""
    x = y + jnp.log(-jnp.expm1(-y))
    ildj = -jnp.sum(jax.nn.log_sigmoid(x))
    return x, ildj
