import jax.numpy as jnp


def leaky_inverse_and_ildj(y, slope):
    """Inverse of `leaky` (test_golden.py:135) with respect to x, and its log-det-Jacobian."""
    condition = y >= 0
    x = y / slope
    condition_1 = (condition != (x < 0)) | jnp.isclose(y, x)
    ildj = -jnp.sum(
        jnp.where(condition_1, jnp.where(condition, 0.0, jnp.log(jnp.abs(slope))), jnp.nan)
    )
    x = jnp.where(condition_1, jnp.where(condition, y, x), jnp.nan)
    return x, ildj
