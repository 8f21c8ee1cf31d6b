import jax.numpy as jnp


def mixed_inverse_and_ildj(y, w, b):
    """Inverse of `mixed` (test_golden.py:425) with respect to x, and its log-det-Jacobian."""
    T = w.T
    ildj = -jnp.sum(jnp.broadcast_to(jnp.linalg.slogdet(T)[1], y.shape[:-1]))
    x = y - b
    x = jnp.linalg.solve(T, x.reshape(-1, w.shape[0]).T).T.reshape(x.shape)
    return x, ildj
