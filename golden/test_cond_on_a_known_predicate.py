import jax
import jax.numpy as jnp


def either_inverse_and_ildj(y, is_log):
    """Inverse of `either` (test_golden.py:347) with respect to x, and its log-det-Jacobian."""

    def if_true():
        x = jnp.log(y)
        ildj = -jnp.sum(x)
        return x, ildj

    def if_false():
        x = y / 2
        ildj = -y.size * jnp.log(2)
        return x, ildj

    return jax.lax.cond(is_log, if_true, if_false)
