import jax.numpy as jnp


def coupling_forward_and_fldj(params, x):
    """`coupling` with its log-det-Jacobian with respect to x."""
    a, b = jnp.split(x, 2, axis=-1)
    s, t = net(params, a)
    y = jnp.concatenate([a, b * jnp.exp(s) + t], axis=-1)
    fldj = jnp.sum(s)
    return y, fldj


def net(params, a):
    return jnp.split(jnp.tanh(a @ params["w"] + params["b"]), 2, axis=-1)
