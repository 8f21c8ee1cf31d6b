import jax.numpy as jnp


def glow_step_inverse_and_ildj(y, params):
    """Inverse of `glow_step` (test_golden.py:449) with respect to x, and its log-det-Jacobian."""
    x, ildj = coupling_inverse_and_ildj(y, params["net"])
    w = params["w"]
    T = w.T
    x = jnp.linalg.solve(T, x.reshape(-1, w.shape[0]).T).T.reshape(x.shape)
    sum_out = jnp.sum(jnp.broadcast_to(jnp.linalg.slogdet(T)[1], x.shape[:-1]))
    log_scale = params["log_scale"]
    ildj = ildj - sum_out - jnp.sum(jnp.broadcast_to(log_scale, y.shape))
    x = (x - params["bias"]) * jnp.exp(-log_scale)
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
