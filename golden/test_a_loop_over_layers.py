import jax.numpy as jnp


def flow_inverse_and_ildj(y, params):
    """Inverse of `flow` (test_golden.py:245) with respect to x, and its log-det-Jacobian."""
    x = y
    ildj = 0.0
    for layer in reversed(params):
        x, ildj_1 = coupling_inverse_and_ildj(x[..., ::-1], layer)
        ildj = ildj + ildj_1
    return x, ildj


def coupling_inverse_and_ildj(y, params):
    """Inverse of `coupling` (test_golden.py:171) with respect to x, and its log-det-Jacobian."""
    a, b = jnp.split(y, 2, axis=-1)
    s, t = net(params, a)
    b = (b - t) * jnp.exp(-s)
    x = jnp.concatenate([a, b], axis=-1)
    ildj = -jnp.sum(s)
    return x, ildj


def net(params, a):
    return jnp.split(jnp.tanh(a @ params["w"] + params["b"]), 2, axis=-1)
