import jax.numpy as jnp


def clipped_where_vjp(x, *, y_bar):
    """Value and cotangents of `clipped_where` (readable.py:166)."""
    y, residuals = clipped_where_fwd(x)
    return y, clipped_where_bwd(residuals, y_bar)


def clipped_where_fwd(x):
    gt = x > 0
    abs_1 = jnp.abs(x)
    y = jnp.where(gt, jnp.log1p(abs_1), x)
    return y, (x, gt, abs_1)


def clipped_where_bwd(residuals, y_bar):
    x, gt, abs_1 = residuals
    abs_bar = jnp.where(gt, y_bar, 0) / (abs_1 + 1) * jnp.sign(x)
    return (jnp.where(gt, 0, y_bar) + abs_bar,)
