import jax.numpy as jnp


def autoregressive_pair_inverse_and_ildj(y, params):
    """Inverse of `autoregressive_pair` (test_golden.py:227) with respect to x, and its log-det-Jacobian."""
    params = params["scale"]
    x = y[..., 0] / params
    sin_x = jnp.sin(x)
    x_1 = (y[..., 1] - x) * jnp.exp(-sin_x)
    x_1 = jnp.stack([x, x_1], axis=-1)
    sum_out = -jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(params)), x.shape))
    ildj = sum_out - jnp.sum(sin_x)
    return x_1, ildj
