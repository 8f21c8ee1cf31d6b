import jax.numpy as jnp


def einsum_of_two_vjp(a, b, *, y_bar):
    """Value and cotangents of `einsum_of_two` (readable.py:181) with respect to a and b."""
    y, residuals = einsum_of_two_fwd(a, b)
    return y, einsum_of_two_bwd(residuals, y_bar)


def einsum_of_two_fwd(a, b):
    return jnp.einsum("ij,kjl->kil", a, b), (a, b)


def einsum_of_two_bwd(residuals, y_bar):
    a, b = residuals
    return jnp.einsum("kil,kjl->ij", y_bar, b), jnp.einsum("ij,kil->kjl", a, y_bar)
