import jax
import jax.numpy as jnp


def mapped_rows_vjp(rows, w, *, y_bar):
    """Value and cotangents of `mapped_rows` (readable.py:171) with respect to rows and w."""
    y, residuals = mapped_rows_fwd(rows, w)
    return y, mapped_rows_bwd(residuals, y_bar)


def mapped_rows_fwd(rows, w):
    y, f_vjp = jax.vjp(lambda w, rows: jax.vmap(lambda row: jnp.sin(row) @ w)(rows), w, rows)
    return y, (f_vjp,)


def mapped_rows_bwd(residuals, y_bar):
    (f_vjp,) = residuals
    w_bar, rows_bar = f_vjp(y_bar)
    return rows_bar, w_bar
