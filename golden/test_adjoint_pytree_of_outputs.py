import jax.numpy as jnp


def pytree_of_outputs_vjp(x, y, *, y_bar):
    """Value and cotangents of `pytree_of_outputs` (readable.py:155) with respect to x and y."""
    y, residuals = pytree_of_outputs_fwd(x, y)
    return y, pytree_of_outputs_bwd(residuals, y_bar)


def pytree_of_outputs_fwd(x, y):
    sqrt = jnp.sqrt(jnp.sum(x**2))
    return {"product": x * y, "norm": sqrt}, (x, y, sqrt)


def pytree_of_outputs_bwd(residuals, y_bar):
    x, y, sqrt = residuals
    product_bar = y_bar["product"]
    x_bar = y_bar["norm"] * (0.5 / sqrt) * (2 * x)
    x_bar = x_bar + product_bar * y
    y_bar = product_bar * x
    return x_bar, y_bar
