import jax
import jax.numpy as jnp


def fori_iteration_vjp(x, *, c_bar):
    """Value and cotangents of `fori_iteration` (readable.py:111)."""
    c, residuals = fori_iteration_fwd(x)
    return c, fori_iteration_bwd(residuals, c_bar)


def fori_iteration_fwd(x):
    def step(c, i):
        cos = jnp.cos(c)
        return cos * x, (cos, c)

    c, (all_cos, cs) = jax.lax.scan(step, x, jnp.arange(4))
    return c, (x, all_cos, cs)


def fori_iteration_bwd(residuals, c_bar):
    x, all_cos, cs = residuals

    def step(carry, item):
        c_bar, x_bar = carry
        cos, c = item
        x_bar = x_bar + c_bar * cos
        c_bar = -(c_bar * x) * jnp.sin(c)
        return (c_bar, x_bar), None

    (c_bar, x_bar), _ = jax.lax.scan(step, (c_bar, jnp.zeros_like(x)), (all_cos, cs), reverse=True)
    return (x_bar + c_bar,)
