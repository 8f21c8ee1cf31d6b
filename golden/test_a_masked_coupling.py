import jax.numpy as jnp


def checkerboard_inverse(y, params, mask):
    """Inverse of `checkerboard` (test_golden.py:221) with respect to x."""
    condition = mask == 1
    condition_1 = mask == 0
    s, t = net(params, jnp.where(condition, y, jnp.where(condition_1, 0.0, jnp.nan))[..., :2])
    x = (y - jnp.tile(t, 2)) * jnp.exp(-jnp.tile(s, 2))
    return jnp.where(condition, y, jnp.where(condition_1, x, jnp.nan))


def net(params, a):
    return jnp.split(jnp.tanh(a @ params["w"] + params["b"]), 2, axis=-1)
