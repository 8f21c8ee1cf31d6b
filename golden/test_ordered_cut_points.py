import jax.numpy as jnp


def ordered_inverse_and_ildj(y):
    """Inverse of `ordered` (test_golden.py:414) with respect to x, and its log-det-Jacobian."""
    x = jnp.log(jnp.diff(y))
    x_1 = jnp.concatenate([y[..., :1], x], axis=-1)
    ildj = -jnp.sum(x)
    return x_1, ildj
