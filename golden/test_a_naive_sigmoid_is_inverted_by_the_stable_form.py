import jax
import jax.numpy as jnp
import jax.scipy.special


def squash_inverse_and_ildj(y, low, high):
    """Inverse of `squash` (test_golden.py:103) with respect to x, and its log-det-Jacobian."""
    high = high - low
    x = jax.scipy.special.logit((y - low) / high)
    sum_out = jnp.sum(jax.nn.softplus(x) + jax.nn.softplus(-x))
    ildj = sum_out - jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(high)), y.shape))
    return x, ildj
