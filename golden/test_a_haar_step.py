import jax.numpy as jnp


def haar_inverse_and_ildj(y):
    """Inverse of `haar` (test_golden.py:354) with respect to x, and its log-det-Jacobian."""
    x, value = y
    value_1 = 2**0.5
    x_1 = x * value_1
    x_2 = value * value_1
    x_3 = (x_1 + x_2) / 2
    stack = jnp.stack([x_3, (x_1 - x_2) / 2], axis=-1)
    x_1 = stack.reshape(*x_3.shape[:-1], -1)
    log = jnp.log(value_1)
    log = log * x.size + log * value.size
    ildj = log - x_3.size * jnp.log(2)
    return x_1, ildj
