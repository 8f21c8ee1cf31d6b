"""The law of this folder: what is emitted agrees with what JAX computes."""

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.derivatives import adjoint, tangent


def tolerance(dtype):
    bits = jnp.finfo(dtype).bits
    return {64: 1e-9, 32: 1e-4}.get(bits, 2e-2)


def assert_agree(found, expected):
    """Assert that two pytrees of derivatives have one structure, and equal shapes, dtypes and values."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(_leaves_agree, found, expected)


def _leaves_agree(found, expected):
    assert jnp.shape(found) == jnp.shape(expected)
    dtype = expected.dtype if hasattr(expected, "dtype") else jnp.result_type(expected)
    if dtype == jax.dtypes.float0:
        assert found.dtype == dtype
        return
    assert jnp.result_type(found) == dtype
    if not jnp.issubdtype(dtype, jnp.inexact):
        np.testing.assert_array_equal(found, expected)
        return
    wide = np.complex128 if jnp.issubdtype(dtype, jnp.complexfloating) else np.float64
    limit = tolerance(dtype)
    np.testing.assert_allclose(
        np.asarray(found).astype(wide), np.asarray(expected).astype(wide), rtol=limit, atol=limit
    )


def random_like(tree, seed=0):
    """Return random cotangents, or tangents, for a pytree of values."""
    leaves, treedef = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(seed), max(len(leaves), 1))
    return jax.tree.unflatten(treedef, [_random(x, key) for x, key in zip(leaves, keys)])


def _random(x, key):
    dtype = jnp.result_type(x)
    if not jnp.issubdtype(dtype, jnp.inexact):
        return np.zeros(jnp.shape(x), jax.dtypes.float0)
    return jax.random.normal(key, jnp.shape(x), dtype)


def restricted(f, arguments, argnums, keywords=None):
    """Return `f` as a function of the arguments that `argnums` chooses, and those."""

    def g(*chosen):
        full = list(arguments)
        for number, value in zip(argnums, chosen):
            full[number] = value
        return f(*full, **(keywords or {}))

    return g, tuple(arguments[number] for number in argnums)


def check_adjoint(f, arguments, argnums=(0,), keywords=None):
    """Assert that `adjoint(f)` agrees with `jax.vjp`; return the adjoint."""
    g, chosen = restricted(f, arguments, argnums, keywords)
    expected_out, pullback = jax.vjp(g, *chosen)
    bar = random_like(expected_out)
    made = adjoint(f, argnums)
    out, residuals = made.fwd(*arguments, **(keywords or {}))
    assert_agree(out, expected_out)
    assert_agree(made.bwd(residuals, bar), pullback(bar))
    return made


def check_tangent(f, arguments, argnums=(0,)):
    """Assert that `tangent(f)` agrees with `jax.jvp`; return the tangent."""
    g, chosen = restricted(f, arguments, argnums)
    dots = random_like(chosen, seed=1)
    expected = jax.jvp(g, chosen, dots)
    made = tangent(f, argnums)
    assert_agree(made.jvp(arguments, dots), expected)
    return made
