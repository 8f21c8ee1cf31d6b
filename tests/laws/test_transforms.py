"""Generated callables under `jax.jit` and `jax.vmap` give what they give alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.laws.corpus import can_be_mapped, has_ildj, over
from tests.laws.evidence import assert_same, backward, generated, output
from tests.laws.vectors import is_differentiable

pytestmark = pytest.mark.usefixtures("double_precision")


def nearby(tree):
    """Another value in the same domain: float leaves a little closer to zero."""
    return jax.tree.map(lambda leaf: 0.97 * leaf if is_differentiable(leaf) else leaf, tree)


def both_kinds(program):
    return generated(program, "inverse_and_ildj" if has_ildj(program) else "inverse")


@over("transforms")
def test_jit_changes_nothing(program):
    kind = "inverse_and_ildj" if has_ildj(program) else "inverse"
    inverse = both_kinds(program)
    jitted = jax.jit(lambda y: inverse(y, *program.known, **program.keywords))
    assert_same(jitted(output(program)), backward(program, kind), program.tolerance)


@over("transforms", can_be_mapped)
def test_vmap_is_a_loop(program):
    points = [program.unknown, nearby(program.unknown)]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *points)
    outputs = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(program.forward, points))
    inverse = both_kinds(program)
    mapped = jax.vmap(lambda y: inverse(y, *program.known, **program.keywords))(outputs)
    if has_ildj(program):
        mapped, ildjs = mapped
        assert np.shape(ildjs) == (2,)
        expected = backward(program, "inverse_and_ildj")[1]
        assert_same(ildjs[0], expected, program.tolerance)
    assert_same(mapped, batch, program.tolerance)
