import jax
import jax.numpy as jnp


def gaussian_log_density_vjp(scale, x, *, y_bar):
    """Value and cotangents of `gaussian_log_density` (readable.py:160) with respect to scale and x."""
    y, residuals = gaussian_log_density_fwd(scale, x)
    return y, gaussian_log_density_bwd(residuals, y_bar)


def gaussian_log_density_fwd(scale, x):
    z = scale @ x
    slogdet = jnp.linalg.slogdet(scale)
    y = slogdet[1] - 0.5 * jnp.sum(z**2)
    return y, (scale, x, slogdet, z)


def gaussian_log_density_bwd(residuals, y_bar):
    scale, x, slogdet, z = residuals
    _, slogdet_vjp = jax.vjp(jnp.linalg.slogdet, scale)
    (scale_bar,) = slogdet_vjp(jax.tree.map(jnp.zeros_like, slogdet)._replace(logabsdet=y_bar))
    z_bar = y_bar * -0.5 * (2 * z)
    scale_bar = scale_bar + jnp.expand_dims(z_bar, -1) * x
    x_bar = z_bar @ scale
    return scale_bar, x_bar
