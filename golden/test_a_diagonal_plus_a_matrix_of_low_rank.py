import jax.numpy as jnp


def mix_a_few_inverse_and_ildj(y, d, u, v):
    """Inverse of `mix_a_few` (test_golden.py:446) with respect to x, and its log-det-Jacobian."""
    y_1 = y / d
    u_1 = u / d[:, None]
    T = v.T
    T_1 = T @ u_1
    small = T_1 + jnp.eye(T_1.shape[-1], dtype=T_1.dtype)
    x = y_1 - u_1 @ jnp.linalg.solve(small, T @ y_1)
    size = y.size // u.shape[0] * jnp.linalg.slogdet(small)[1]
    ildj = -jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(d)), y.shape)) - size
    return x, ildj
