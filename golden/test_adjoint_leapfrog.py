import jax.numpy as jnp


def leapfrog_vjp(q, p, *, y_bar):
    """Value and cotangents of `leapfrog` (readable.py:103) with respect to q and p."""
    y, residuals = leapfrog_fwd(q, p)
    return y, leapfrog_bwd(residuals, y_bar)


def leapfrog_fwd(q, p):
    qs = []
    for _ in range(3):
        p = p - 0.1 * jnp.sin(q)
        q_1 = q + 0.2 * p
        qs.append(q)
        q = q_1
    return (q, p), (qs,)


def leapfrog_bwd(residuals, y_bar):
    (qs,) = residuals
    p_bar = y_bar[1]
    q_bar = y_bar[0]
    for q in reversed(qs):
        p_bar = p_bar + q_bar * 0.2
        q_bar = q_bar + -0.1 * p_bar * jnp.cos(q)
    return q_bar, p_bar
