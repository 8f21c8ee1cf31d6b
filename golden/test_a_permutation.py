import jax.numpy as jnp


def shuffle_inverse_and_ildj(y, order):
    """Inverse of `shuffle` (test_golden.py:378) with respect to x, and its log-det-Jacobian."""
    return jnp.take(y, inverse_index(order), axis=-1), 0.0


def inverse_index(index):
    """Return the index that undoes a permutation: where each position went, past the end if
    nowhere.
    """
    nowhere = jnp.full(index.shape, index.size)
    return nowhere.at[index].set(jnp.arange(index.size))
