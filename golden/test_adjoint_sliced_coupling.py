import jax.numpy as jnp


def sliced_coupling_vjp(x, *, y_bar):
    """Value and cotangents of `sliced_coupling` (readable.py:57)."""
    y, residuals = sliced_coupling_fwd(x)
    return y, sliced_coupling_bwd(residuals, y_bar)


def sliced_coupling_fwd(x):
    a = x[:2]
    exp = jnp.exp(a)
    y = jnp.concatenate([a, x[2:] * exp])
    return y, (x, exp)


def sliced_coupling_bwd(residuals, y_bar):
    x, exp = residuals
    a_bar, product_bar = jnp.split(y_bar, [2])
    a_bar = a_bar + product_bar * x[2:] * exp
    return (jnp.concatenate([a_bar, product_bar * exp]),)
