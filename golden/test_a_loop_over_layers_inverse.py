import jax.numpy as jnp


def flow_inverse(y, params):
    """Inverse of `flow` (test_golden.py:245) with respect to x."""
    x = y
    for layer in reversed(params):
        x = coupling_inverse(x[..., ::-1], layer)
    return x


def coupling_inverse(y, params):
    """Inverse of `coupling` (test_golden.py:171) with respect to x."""
    a, b = jnp.split(y, 2, axis=-1)
    s, t = net(params, a)
    b = (b - t) * jnp.exp(-s)
    return jnp.concatenate([a, b], axis=-1)


def net(params, a):
    return jnp.split(jnp.tanh(a @ params["w"] + params["b"]), 2, axis=-1)
