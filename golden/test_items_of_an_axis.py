import jax.numpy as jnp


def autoregressive_pair_inverse_and_ildj(y, params):
    """Inverse of `autoregressive_pair` (test_golden.py:231) with respect to x, and its
    log-det-Jacobian.
    """
    scale = params["scale"]
    x0 = y[..., 0] / scale
    sin_x0 = jnp.sin(x0)
    x1 = (y[..., 1] - x0) * jnp.exp(-sin_x0)
    x = jnp.stack([x0, x1], axis=-1)
    sum_out = -jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(scale)), x0.shape))
    ildj = sum_out - jnp.sum(sin_x0)
    return x, ildj
