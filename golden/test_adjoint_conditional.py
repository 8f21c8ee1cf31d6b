import jax
import jax.numpy as jnp


def conditional_vjp(x, y, *, y_bar):
    """Value and cotangents of `conditional` (readable.py:116) with respect to x and y."""
    y, residuals = conditional_fwd(x, y)
    return y, conditional_bwd(residuals, y_bar)


def conditional_fwd(x, y):
    gt = jnp.sum(x) > 0
    value = jax.lax.cond(gt, lambda: x * y, lambda: jnp.sin(y))
    return value, (x, y, gt)


def conditional_bwd(residuals, y_bar):
    x, y, gt = residuals
    return jax.lax.cond(
        gt, lambda: (y_bar * y, y_bar * x), lambda: (jnp.zeros_like(x), y_bar * jnp.cos(y))
    )
