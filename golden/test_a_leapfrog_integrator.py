import jax
import jax.numpy as jnp


def leapfrog_inverse_and_ildj(y, step):
    """Inverse of `leapfrog` (test_golden.py:273) with respect to state, and its
    log-det-Jacobian.
    """
    q, p = y

    def step_1(_, carry):
        q, p = carry
        q = q - step * p
        p = p + step * jnp.sin(q)
        return q, p

    q, p = jax.lax.fori_loop(0, 10, step_1, (q, p))
    return (q, p), 0.0
