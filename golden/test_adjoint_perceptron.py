import jax.numpy as jnp


def perceptron_vjp(layers, x, *, x_bar):
    """Value and cotangents of `perceptron` (readable.py:42) with respect to layers and x."""
    x, residuals = perceptron_fwd(layers, x)
    return x, perceptron_bwd(residuals, x_bar)


def perceptron_fwd(layers, x):
    xs = []
    xs_1 = []
    for w, b in layers:
        x_1 = jnp.tanh(x @ w + b)
        xs.append(x_1)
        xs_1.append(x)
        x = x_1
    return x, (layers, xs, xs_1)


def perceptron_bwd(residuals, x_bar):
    layers, xs, xs_1 = residuals
    items = []
    for (w, _), x, x_1 in zip(reversed(layers), reversed(xs), reversed(xs_1)):
        total_bar = x_bar * (1 - x**2)
        x_bar = total_bar @ w.T
        items.append((x_1.T @ total_bar, jnp.sum(total_bar, axis=0)))
    return items[::-1], x_bar
