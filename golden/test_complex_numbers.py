import jax.numpy as jnp


def twist_inverse_and_ildj(y, scale, phase):
    """Inverse of `twist` (test_golden.py:152) with respect to z, and its log-det-Jacobian."""
    scale = scale * jnp.exp(1j * phase)
    z = y / scale
    ildj = -jnp.sum(jnp.broadcast_to(2 * jnp.log(jnp.abs(scale)), y.shape))
    return z, ildj
