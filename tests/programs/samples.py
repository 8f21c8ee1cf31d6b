"""Small arrays, the same in every run, at which the programs of the corpus are tried."""

import jax.numpy as jnp
import numpy as np


def uniform(*shape, low, high, seed=0):
    """Return float64 values drawn evenly from `low` to `high`."""
    generator = np.random.default_rng([seed, *shape])
    return jnp.asarray(generator.uniform(low, high, shape))


def real(*shape, seed=0):
    """Return values between -1.5 and 1.5, none of them closer than 0.1 to zero."""
    values = uniform(*shape, low=-1.4, high=1.4, seed=seed)
    return values + jnp.where(values < 0, -0.1, 0.1)


def positive(*shape, seed=0):
    return uniform(*shape, low=0.4, high=2.2, seed=seed)


def unit(*shape, seed=0):
    return uniform(*shape, low=0.15, high=0.85, seed=seed)


def matrix(n, seed=0):
    """Return a square matrix far from singular and from symmetric."""
    return jnp.eye(n) * 1.5 + 0.3 * real(n, n, seed=seed)


def lower(n, seed=0):
    """Return a lower triangular matrix with a positive diagonal."""
    return jnp.tril(0.4 * real(n, n, seed=seed), -1) + jnp.diag(positive(n, seed=seed))


def complex_(*shape, seed=0):
    return real(*shape, seed=seed) + 1j * real(*shape, seed=seed + 1)


def integers(*shape, dtype=jnp.uint32, seed=0):
    generator = np.random.default_rng([seed, *shape])
    return jnp.asarray(generator.integers(0, 2**16, shape)).astype(dtype)


def mlp(inputs, outputs, hidden=3, seed=0):
    """Return the parameters of a network with one hidden layer."""
    return {
        "w1": 0.5 * real(inputs, hidden, seed=seed),
        "b1": 0.5 * real(hidden, seed=seed),
        "w2": 0.5 * real(hidden, outputs, seed=seed + 1),
        "b2": 0.5 * real(outputs, seed=seed + 1),
    }
