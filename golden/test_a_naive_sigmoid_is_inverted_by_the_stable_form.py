import jax
import jax.numpy as jnp
import jax.scipy.special


def squash_inverse_and_ildj(y, low, high):
    """Inverse of `squash` (test_golden.py:103) with respect to x, and its log-det-Jacobian."""
    high = high - low
    x = (y - low) / high
    x_1 = jax.scipy.special.logit(x)
    sum_out = jnp.sum(jnp.log(x) + jnp.log1p(-x))
    ildj = -jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(high)), y.shape)) - sum_out
    return x_1, ildj
