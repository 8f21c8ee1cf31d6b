"""Single precision goes in and single precision comes out."""

import jax
import jax.numpy as jnp
import pytest

import invcompiler as inv
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


def inverse_for_narrow(program):
    """Return the generated inverse; an example is narrow as well."""
    if "example" not in program.options:
        return generated(program, "inverse_and_ildj")
    options = {**program.options, "example": narrowed(program.options["example"])}
    return inv.inverse_and_ildj(program.function, program.argnums, **options)


def is_narrow(array):
    """Whether an array is of single precision, or takes on the precision of what it meets."""
    return array.dtype == jnp.float32 or array.weak_type


@over("float32", stays_narrow)
def test_single_precision_is_kept(program):
    y = program.function(*narrowed(program.arguments), **program.keywords)
    inverse = inverse_for_narrow(program)
    recovered, ildj = inverse(y, *narrowed(program.known), **program.keywords)
    assert_same(recovered, narrowed(program.unknown), 2e-3)
    assert is_narrow(jnp.asarray(ildj))
    assert_same(-ildj, log_abs_det(program), 2e-3, dtypes=False)
