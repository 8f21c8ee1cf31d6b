import jax.numpy as jnp


def affine_coupling_jvp(primals, tangents):
    """Value and tangent of `affine_coupling` (readable.py:49)."""
    (x,) = primals
    a, b = jnp.split(x, 2, axis=-1)
    s = jnp.tanh(a)
    exp_s = jnp.exp(s)
    y = jnp.concatenate([a, b * exp_s + a], axis=-1)
    (x_dot,) = tangents
    a_dot, b_dot = jnp.split(x_dot, 2, axis=-1)
    s_dot = a_dot * (1 - s**2) * exp_s * b
    y_dot = jnp.concatenate([a_dot, b_dot * exp_s + s_dot + a_dot], axis=-1)
    return y, y_dot
