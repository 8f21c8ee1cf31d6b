import jax.numpy as jnp


def twist_inverse_and_ildj(y, phase):
    """Inverse of `twist` (test_golden.py:152) with respect to z, and its log-det-Jacobian."""
    phase = 1j * phase
    z = y * jnp.exp(-phase)
    ildj = -jnp.sum(jnp.broadcast_to(phase, y.shape))
    return z, ildj
