"""Single precision goes in and single precision comes out."""

import jax
import jax.numpy as jnp
import pytest

from tests.laws.corpus import has_ildj, over
from tests.laws.evidence import assert_same, generated, log_abs_det
from tests.laws.vectors import is_differentiable

pytestmark = pytest.mark.usefixtures("double_precision")

NARROW = {jnp.dtype("float64"): jnp.float32, jnp.dtype("complex128"): jnp.complex64}


def narrowed(tree):
    return jax.tree.map(
        lambda leaf: (
            leaf.astype(NARROW.get(leaf.dtype, leaf.dtype)) if is_differentiable(leaf) else leaf
        ),
        tree,
    )


def stays_narrow(program):
    """Whether the output is narrow where the arguments are: double constants widen it."""
    if program.no_float32 or not has_ildj(program):
        return False
    with jax.enable_x64(True):
        y = jax.eval_shape(
            lambda: program.function(*narrowed(program.arguments), **program.keywords)
        )
    return not any(leaf.dtype in NARROW for leaf in jax.tree.leaves(y))


@over("float32", stays_narrow)
def test_single_precision_is_kept(program):
    arguments = narrowed(program.arguments)
    unknown = narrowed(program.unknown)
    known = narrowed(program.known)
    y = program.function(*arguments, **program.keywords)
    inverse = generated(program, "inverse_and_ildj")
    recovered, ildj = inverse(y, *known, **program.keywords)
    assert_same(recovered, unknown, 2e-3)
    assert ildj.dtype == jnp.float32
    assert_same(-ildj, log_abs_det(program), 2e-3, dtypes=False)
