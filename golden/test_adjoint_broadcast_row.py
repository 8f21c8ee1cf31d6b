import jax.numpy as jnp


def broadcast_row_vjp(m, row, *, y_bar):
    """Value and cotangents of `broadcast_row` (readable.py:69) with respect to m and row."""
    y, residuals = broadcast_row_fwd(m, row)
    return y, broadcast_row_bwd(residuals, y_bar)


def broadcast_row_fwd(m, row):
    y = m * row - row
    return y, (m, row)


def broadcast_row_bwd(residuals, y_bar):
    m, row = residuals
    m_bar = y_bar * row
    row_bar = jnp.sum(y_bar * m, axis=0) - jnp.sum(y_bar, axis=0)
    return m_bar, row_bar
