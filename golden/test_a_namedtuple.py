import jax.numpy as jnp
from tests.test_golden import State


def kick_inverse_and_ildj(y, step):
    """Inverse of `kick` (test_golden.py:405) with respect to state, and its log-det-Jacobian."""
    momentum = y.momentum
    state = y.position - step * momentum
    state_1 = momentum + step * jnp.sin(state)
    return State(state, state_1), 0.0
