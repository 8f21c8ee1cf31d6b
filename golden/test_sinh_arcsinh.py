import math

import jax.numpy as jnp


def sinh_arcsinh_inverse_and_ildj(y, tail, skew):
    """Inverse of `sinh_arcsinh` (test_golden.py:119) with respect to x, and its
    log-det-Jacobian.
    """
    log = math.log(2)
    x = jnp.arcsinh(y)
    sum_out = jnp.sum(log - jnp.logaddexp(x, -x))
    x = (x - skew) * jnp.exp(-tail)
    sum_out_1 = jnp.sum(log - jnp.logaddexp(x, -x))
    ildj = sum_out - jnp.sum(jnp.broadcast_to(tail, y.shape)) - sum_out_1
    x = jnp.sinh(x)
    return x, ildj
