import jax.numpy as jnp


def sliced_coupling_jvp(primals, tangents):
    """Value and tangent of `sliced_coupling` (readable.py:57)."""
    (x,) = primals
    a = x[:2]
    b = x[2:]
    exp_a = jnp.exp(a)
    y = jnp.concatenate([a, b * exp_a])
    (x_dot,) = tangents
    a_dot = x_dot[:2]
    b_dot = x_dot[2:] * exp_a + a_dot * exp_a * b
    y_dot = jnp.concatenate([a_dot, b_dot])
    return y, y_dot
