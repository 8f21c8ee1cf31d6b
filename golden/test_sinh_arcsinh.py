import jax.numpy as jnp


def sinh_arcsinh_inverse_and_ildj(y, tail, skew):
    """Inverse of `sinh_arcsinh` (test_golden.py:119) with respect to x, and its
    log-det-Jacobian.
    """
    x = jnp.arcsinh(y)
    x_1 = (x - skew) * jnp.exp(-tail)
    logaddexp = jnp.logaddexp(x_1, -x_1) - jnp.logaddexp(x, -x)
    ildj = jnp.sum(logaddexp) - jnp.sum(jnp.broadcast_to(tail, y.shape))
    x = jnp.sinh(x_1)
    return x, ildj
