import jax.numpy as jnp


def perceptron_jvp(primals, tangents):
    """Value and tangent of `perceptron` (readable.py:42) with respect to layers and x."""
    layers, x = primals
    layers_dot, x_dot = tangents
    for (w, b), (w_dot, b_dot) in zip(layers, layers_dot):
        x_1 = x @ w
        x_2 = x_1 + b
        x_3 = jnp.tanh(x_2)
        broadcast_to = jnp.broadcast_to(x_dot @ w + x @ w_dot, jnp.shape(x_1))
        broadcast_to = jnp.broadcast_to(broadcast_to + b_dot, jnp.shape(x_2))
        x_dot = jnp.broadcast_to(broadcast_to * (1 - x_3**2), jnp.shape(x_3))
        x = x_3
    return x, x_dot
