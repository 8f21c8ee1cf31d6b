import math

import jax.numpy as jnp


def widened_inverse_and_ildj(y, scale):
    """Inverse of `widened` (test_golden.py:299) with respect to x, and its log-det-Jacobian."""
    x, ildj = widen_inverse_and_ildj(y, scale=scale)
    x, ildj_1 = widen_inverse_and_ildj(x - 1, scale=scale)
    return x, ildj + ildj_1


def widen_inverse_and_ildj(y, *, scale):
    """Inverse of `widen` (test_golden.py:300) with respect to h, and its log-det-Jacobian."""
    h = jnp.arcsinh(y)
    h_1 = h / scale
    sum_out = jnp.sum(math.log(2) - jnp.logaddexp(h, -h))
    ildj = sum_out - jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(scale)), y.shape))
    return h_1, ildj
