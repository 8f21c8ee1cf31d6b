import jax.numpy as jnp


def haar_inverse_and_ildj(y):
    """Inverse of `haar` (test_golden.py:358) with respect to x, and its log-det-Jacobian."""
    even, odd = y
    value = 2**0.5
    even_1 = (even + odd) / value
    stack = jnp.stack([even_1, (even - odd) / value], axis=-1)
    x = stack.reshape(*even_1.shape[:-1], -1)
    log = jnp.log(value)
    log = log * even.size + log * odd.size
    ildj = log - even_1.size * jnp.log(2)
    return x, ildj
