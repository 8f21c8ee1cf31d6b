import jax.numpy as jnp


def maybe_flipped_inverse_and_ildj(y, *, flip=False):
    """Inverse of `maybe_flipped` (test_golden.py:337) with respect to x, and its
    log-det-Jacobian.
    """
    x = jnp.log(y)
    x_1 = x[..., ::-1] if flip else x
    ildj = -jnp.sum(x)
    return x_1, ildj
