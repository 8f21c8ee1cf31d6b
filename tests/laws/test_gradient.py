"""Gradients through the generated inverse are those of the implicit function theorem.

Of `x = g(y, known)`, where `f(x, known) == y`, the cotangents are `y_bar = J^-T x_bar` with
`J = df/dx`, and `known_bar = -(df/dknown)^T y_bar`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.laws.corpus import has_density, over
from tests.laws.evidence import generated, jacobian, output
from tests.laws.vectors import from_vector, is_differentiable, to_vector

pytestmark = pytest.mark.usefixtures("double_precision")


def differentiable_knowns(program):
    """Return the known leaves that have a gradient, and how to put others in their place."""
    leaves, structure = jax.tree.flatten(program.known)
    positions = [i for i, leaf in enumerate(leaves) if is_differentiable(leaf)]

    def put(values):
        replaced = dict(zip(positions, values, strict=True))
        return structure.unflatten([replaced.get(i, leaf) for i, leaf in enumerate(leaves)])

    return [leaves[i] for i in positions], put


def inverse_of_vectors(program, put):
    """Return `(y, known) -> x` with y and x as vectors."""
    inverse = generated(program, "inverse")
    like = output(program)
    return lambda y, known: to_vector(
        inverse(from_vector(y, like), *put(known), **program.keywords)
    )


def forward_of_known(program, put):
    """Return `known -> y` with y as a vector."""
    return lambda known: to_vector(
        program.function(
            *program.with_known(put(known)),
            **program.keywords,
        )
    )


@over("gradient", has_density)
def test_gradients_are_those_of_the_implicit_function_theorem(program):
    known, put = differentiable_knowns(program)
    y = to_vector(output(program))
    x_bar = jnp.cos(jnp.arange(y.size, dtype=y.dtype))
    _, pullback = jax.vjp(inverse_of_vectors(program, put), y, known)
    y_bar, known_bar = jax.jit(pullback)(x_bar)

    expected = np.linalg.solve(jacobian(program).T, np.asarray(x_bar))
    np.testing.assert_allclose(y_bar, expected, rtol=program.tolerance, atol=program.tolerance)
    _, pullback = jax.vjp(forward_of_known(program, put), known)
    for got, wanted in zip(known_bar, pullback(jnp.asarray(expected))[0], strict=True):
        np.testing.assert_allclose(got, -wanted, rtol=program.tolerance, atol=program.tolerance)
