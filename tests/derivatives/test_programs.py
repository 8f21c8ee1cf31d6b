"""Adjoints, tangents and second derivatives of programs, against JAX's."""

import jax
import jax.numpy as jnp
import pytest

from invcompiler.derivatives import grad, value_and_grad
from tests.derivatives.agreement import (
    assert_agree,
    check_adjoint,
    check_tangent,
    random_like,
    restricted,
)
from tests.derivatives.programs import PROGRAMS

pytestmark = pytest.mark.usefixtures("double_precision")

over_programs = pytest.mark.parametrize(
    "f,arguments,argnums", [pytest.param(*rest, id=name) for name, *rest in PROGRAMS]
)


@over_programs
def test_adjoint(f, arguments, argnums):
    check_adjoint(f, arguments, argnums)


@over_programs
def test_tangent(f, arguments, argnums):
    check_tangent(f, arguments, argnums)


@over_programs
def test_second_order(f, arguments, argnums):
    """JAX differentiates what is emitted: the gradient of a directional derivative."""
    made = value_and_grad(_loss(f, arguments, argnums), argnums, allow_int=True)
    g, chosen = restricted(made, arguments, argnums)
    plain, _ = restricted(
        jax.value_and_grad(_loss(f, arguments, argnums), argnums, allow_int=True),
        arguments,
        argnums,
    )
    _, pullback = jax.vjp(g, *chosen)
    out, expected = jax.vjp(plain, *chosen)
    bar = random_like(out)
    assert_agree(pullback(bar), expected(bar))


def _loss(f, arguments, argnums):
    out = jax.eval_shape(lambda: f(*arguments))
    weights = random_like(out, seed=3)

    def loss(*args):
        total = 0.0
        for value, weight in zip(jax.tree.leaves(f(*args)), jax.tree.leaves(weights)):
            if jnp.issubdtype(jnp.result_type(value), jnp.inexact):
                total = total + jnp.sum(jnp.real(value * weight))
        return total

    return loss


@over_programs
def test_grad_of_grad(f, arguments, argnums):
    assert grad is not None
