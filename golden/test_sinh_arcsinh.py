import math

import jax.numpy as jnp


def sinh_arcsinh_inverse_and_ildj(y, tail, skew):
    """Inverse of `sinh_arcsinh` (test_golden.py:119) with respect to x, and its log-det-Jacobian."""
    x = jnp.arcsinh(y)
    x_1 = (x - skew) * jnp.exp(-tail)
    x_2 = jnp.sinh(x_1)
    log = math.log(2)
    sum_out = jnp.sum(log - jnp.logaddexp(x, -x))
    sum_out_1 = jnp.sum(log - jnp.logaddexp(x_1, -x_1))
    ildj = sum_out - jnp.sum(jnp.broadcast_to(tail, y.shape)) - sum_out_1
    return x_2, ildj
