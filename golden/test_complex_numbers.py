import jax.numpy as jnp


def twist_inverse_and_ildj(y, phase):
    """Inverse of `twist` (test_golden.py:152) with respect to z, and its log-det-Jacobian."""
    exp = jnp.exp(1j * phase)
    z = y / exp
    ildj = -jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(exp)), y.shape))
    return z, ildj
