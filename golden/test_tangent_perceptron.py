import jax.numpy as jnp


def perceptron_jvp(primals, tangents):
    """Value and tangent of `perceptron` (readable.py:42) with respect to layers and x."""
    layers, x = primals
    layers_dot, x_dot = tangents
    for (w, b), (w_dot, b_dot) in zip(layers, layers_dot):
        x_1 = jnp.tanh(x @ w + b)
        x_dot = x_dot @ w + x @ w_dot + b_dot
        x_dot = x_dot * (1 - x_1**2)
        x = x_1
    return x, x_dot
