"""Adjoints, tangents and second derivatives of programs, against JAX's."""

import jax
import jax.numpy as jnp
import pytest

from invcompiler.derivatives import grad
from tests.derivatives.agreement import assert_agree, check_adjoint, check_tangent, random_like
from tests.derivatives.programs import PROGRAMS

pytestmark = pytest.mark.usefixtures("double_precision")

# The loss of a second derivative is real; these take complex numbers.
COMPLEX = {"real_times_complex", "complex_chain", "modulus"}
# What copied statements say in words goes through `has_aux` of `jax.vjp`, which `jax.vjp` cannot return.
WORDS = {"names_of_a_copied_loop", "text_made_while_counting"}


def over(where=lambda name: True):
    chosen = [pytest.param(*rest, id=name) for name, *rest in PROGRAMS if where(name)]
    return pytest.mark.parametrize("f,arguments,argnums", chosen)


@over()
def test_adjoint(f, arguments, argnums):
    check_adjoint(f, arguments, argnums)


@over()
def test_tangent(f, arguments, argnums):
    check_tangent(f, arguments, argnums)


@over(lambda name: name not in COMPLEX | WORDS)
def test_gradient_of_a_gradient(f, arguments, argnums):
    arguments = jax.tree.map(lambda x: jnp.asarray(x) if hasattr(x, "dtype") else x, arguments)
    loss = weighted(f, arguments)
    found = grad(energy(grad(loss, argnums[:1], allow_int=True)), argnums, allow_int=True)
    expected = jax.grad(
        energy(jax.grad(loss, argnums[:1], allow_int=True)), argnums, allow_int=True
    )
    assert_agree(found(*arguments), expected(*arguments))


def weighted(f, arguments):
    """Return a real function: the sum of what `f` returns, with random weights."""
    out = jax.eval_shape(lambda: f(*arguments))
    weights = jax.tree.leaves(random_like(out, seed=3))

    def loss(*args):
        total = 0.0
        for value, weight in zip(jax.tree.leaves(f(*args)), weights):
            if jnp.issubdtype(jnp.result_type(value), jnp.inexact):
                total = total + jnp.sum(jnp.real(value * weight))
        return total

    return loss


def energy(gradient):
    def total(*args):
        total = 0.0
        for leaf in jax.tree.leaves(gradient(*args)):
            if leaf.dtype != jax.dtypes.float0:
                total = total + jnp.sum(jnp.sin(leaf))
        return total

    return total
