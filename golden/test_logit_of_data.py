import jax
import jax.numpy as jnp


def to_reals_inverse_and_ildj(y, margin):
    """Inverse of `to_reals` (test_golden.py:95) with respect to x, and its log-det-Jacobian."""
    margin_1 = 1 - 2 * margin
    x = (jax.nn.sigmoid(y) - margin) / margin_1
    softplus_y = jax.nn.softplus(y) + jax.nn.softplus(-y)
    broadcast_to = jnp.broadcast_to(jnp.log(jnp.abs(margin_1)), y.shape)
    sum_out = jnp.sum(broadcast_to, axis=tuple(range(1, broadcast_to.ndim)))
    ildj = -jnp.sum(softplus_y, axis=tuple(range(1, softplus_y.ndim))) - sum_out
    return x, ildj
