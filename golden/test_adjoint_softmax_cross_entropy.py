import jax
import jax.numpy as jnp


def softmax_cross_entropy_vjp(logits, *, y_bar):
    """Value and cotangents of `softmax_cross_entropy` (readable.py:74)."""
    y, residuals = softmax_cross_entropy_fwd(logits)
    return y, softmax_cross_entropy_bwd(residuals, y_bar)


def softmax_cross_entropy_fwd(logits):
    log_softmax = jax.nn.log_softmax(logits)
    y = -jnp.mean(log_softmax[:, 0])
    return y, (log_softmax,)


def softmax_cross_entropy_bwd(residuals, y_bar):
    (log_softmax,) = residuals
    expand_dims = jnp.expand_dims(jnp.broadcast_to(-y_bar / 6, (6,)), 1)
    pad = jnp.pad(expand_dims, ((0, 0), (0, 3)))
    return (pad - jnp.exp(log_softmax) * jnp.sum(pad, axis=-1, keepdims=True),)
