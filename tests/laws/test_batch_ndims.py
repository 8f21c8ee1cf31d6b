"""With `batch_ndims=n` the first n axes of the unknown are independent examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv
from tests.laws import gaps
from tests.laws.evidence import output
from tests.programs.registry import PROGRAMS

pytestmark = pytest.mark.usefixtures("double_precision")

BATCHED = [
    ("arithmetic.affine", 1),
    ("arithmetic.row_broadcast", 1),
    ("arithmetic.row_broadcast", 2),
    ("calls.vmapped_helper", 1),
    ("coupling.additive_coupling", 1),
    ("coupling.affine_coupling_by_updates", 1),
    ("coupling.coupling", 1),
    ("coupling.coupling_of_channels", 1),
    ("coupling.coupling_of_channels", 2),
    ("coupling.coupling_with_sigmoid_scale", 1),
    ("domains.square", 1),
    ("elementwise.exp", 1),
    ("elementwise.matrix_of_tanh", 1),
    ("elementwise.matrix_of_tanh", 2),
    ("flows.actnorm_of_image", 1),
    ("flows.actnorm_of_image", 3),
    ("flows.affine_stack", 1),
    ("flows.convolution_1x1", 1),
    ("flows.convolution_1x1", 2),
    ("flows.glow", 1),
    ("flows.glow_step", 1),
    ("flows.nice", 1),
    ("flows.plu_linear", 1),
    ("flows.realnvp", 1),
    ("linear.cumsum_along_axis", 1),
    ("linear.dense_layer", 1),
    ("linear.einsum", 1),
    ("linear.einsum_channels", 2),
    ("linear.rows_times_matrix", 1),
    ("loops.lax_map", 1),
    ("loops.lax_map", 2),
    ("numeric.iresnet", 1),
    ("numeric.mixture_of_logistics", 1),
    ("partial_knowledge.ellipsis_slices", 1),
    ("structural.flip_axis", 0),
    ("structural.permutation_of_columns", 1),
]


def cases():
    by_name = {program.name: program for program in PROGRAMS}
    for name, n in BATCHED:
        marks = gaps.marks(by_name[name], "batch_ndims")
        yield pytest.param(by_name[name], n, id=f"{name}-{n}", marks=marks)


def log_dets(program, n):
    """Return `log |det|` of the block of the Jacobian of each example, of which blocks are all there is."""
    x = program.unknown
    batch, rest = x.shape[:n], x.shape[n:]
    size, width = int(np.prod(batch)), int(np.prod(rest))
    dense = jax.jacfwd(program.forward)(x).reshape(size, width, size, width)
    own = np.einsum("bibj->bij", dense)
    others = np.asarray(dense).copy()
    others[np.arange(size), :, np.arange(size), :] = 0
    assert not others.any(), "the examples are not independent"
    return np.linalg.slogdet(own)[1].reshape(batch)


@pytest.mark.parametrize("program, n", list(cases()))
def test_one_log_det_for_each_example(program, n):
    expected = log_dets(program, n)
    options = {**program.options, "batch_ndims": n}
    y = output(program)
    ildj = inv.ildj(program.function, program.argnums, **options)(y, *program.known)
    assert jnp.shape(ildj) == expected.shape
    np.testing.assert_allclose(ildj, -expected, rtol=1e-8, atol=1e-8)
    fldj = inv.fldj(program.function, program.argnums, **options)(*program.arguments)
    np.testing.assert_allclose(fldj, expected, rtol=1e-8, atol=1e-8)
