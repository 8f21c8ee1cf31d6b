"""Reconstructing adjoints that are read before they are accepted: `golden/test_reversible_<program>.py`."""

import jax
import jax.numpy as jnp
import pytest

import invcompiler as inv
from tests.reversible.programs import PROGRAMS
from tests.reversible.test_programs import assert_close, differentiable

pytestmark = pytest.mark.usefixtures("double_precision")

READ = [
    "affine_coupling",
    "loop_over_layers",
    "scan_over_layers",
    "scanned_revnet",
    "leapfrog",
    "scanned_log_det",
    "updated_dict",
    "mapped_loop_with_what_all_share",
]


@pytest.mark.parametrize("name", READ)
def test_reversible(golden, name):
    (program,) = [p for p in PROGRAMS if p.name == name]
    numbers = differentiable(program.args)
    adjoint = inv.adjoint(program.f, numbers, residuals="reconstruct")
    out, residuals = adjoint.fwd(*program.args)
    bar = jax.tree.map(jnp.cos, out)
    assert_close(adjoint.bwd(residuals, bar), jax.vjp(program.f, *program.args)[1](bar))
    golden(adjoint)


def test_reversible_with_what_cannot_be_undone(golden):
    (program,) = [p for p in PROGRAMS if p.name == "mixed_layers"]
    reversible = inv.reversible(program.f, program.argnums)
    reversible(*program.args)
    golden(reversible)
