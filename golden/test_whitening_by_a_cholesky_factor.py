import jax.numpy as jnp


def whiten_inverse_and_ildj(y, mean, factor):
    """Inverse of `whiten` (test_golden.py:433) with respect to x, and its log-det-Jacobian."""
    x = jnp.tril(factor) @ y.T
    sum_out = jnp.sum(jnp.log(jnp.abs(jnp.diagonal(factor))))
    ildj = x.size // factor.shape[0] * sum_out
    x = x.T + mean
    return x, ildj
