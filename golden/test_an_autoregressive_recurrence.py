import jax
import jax.numpy as jnp


def recurrence_inverse_and_ildj(y, a):
    """Inverse of `recurrence` (test_golden.py:287) with respect to x, and its log-det-Jacobian."""

    def step(state, y_t):
        x_t = jnp.log(y_t - a * state)
        ildj = -jnp.sum(x_t)
        return y_t, (x_t, ildj)

    _, (x, ildj) = jax.lax.scan(step, jnp.zeros(y.shape[1:]), y)
    return x, jnp.sum(ildj)
