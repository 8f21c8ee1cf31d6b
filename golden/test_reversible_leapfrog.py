import jax.numpy as jnp
from jax import lax


def leapfrog_vjp(k, q, p, *, y_bar):
    """Value, and cotangents by reconstruction from it, of `leapfrog` (programs.py:316) with respect
    to k, q and p.
    """
    y, residuals = leapfrog_fwd(k, q, p)
    return y, leapfrog_bwd(residuals, y_bar)


def leapfrog_fwd(k, q, p):
    for _ in range(4):
        p = p + 0.05 * (-jnp.sin(q) * k)
        q = q + 0.1 * p
        p = p + 0.05 * (-jnp.sin(q) * k)
    return (q, p), ((q, p), k)


def leapfrog_bwd(residuals, y_bar):
    (q, p), k = residuals
    p_bar = y_bar[1]
    q_bar = y_bar[0]
    k_bar = jnp.zeros_like(k)
    for _ in reversed(range(4)):
        p, q, p_bar, q_bar, k_bar = lax.optimization_barrier((p, q, p_bar, q_bar, k_bar))
        sin_q = -jnp.sin(q)
        p = p - 0.05 * (sin_q * k)
        q_1 = q - 0.1 * p
        sin_q_1 = -jnp.sin(q_1)
        p = p - 0.05 * (sin_q_1 * k)
        product_bar = p_bar * 0.05
        k_bar = k_bar + jnp.sum(product_bar * sin_q, axis=0)
        q_bar = q_bar - product_bar * k * jnp.cos(q)
        p_bar = p_bar + q_bar * 0.1
        product_bar = p_bar * 0.05
        k_bar = k_bar + jnp.sum(product_bar * sin_q_1, axis=0)
        q_bar = q_bar - product_bar * k * jnp.cos(q_1)
        q = q_1
    return k_bar, q_bar, p_bar
