"""What XLA counts of an emitted inverse is no more than of the one that an expert writes: operations, bytes, temporary memory."""

import jax
import numpy as np
import pytest

import invcompiler as inv
from benchmarks.programs import PROGRAMS

FEW = 256  # bytes, or operations on scalars: what is done once is no cost


def cost(compiled):
    analysis = compiled.cost_analysis()
    temp = compiled.memory_analysis().temp_size_in_bytes
    return np.array([analysis.get("flops", 0.0), analysis["bytes accessed"], temp])


@pytest.mark.parametrize("kind", ["inverse", "inverse_and_ildj"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_no_more_than_written_by_hand(program, kind):
    args = program.args()
    known = args[: program.argnum] + args[program.argnum + 1 :]
    args = (program.forward(*args), *known)
    generated, by_hand = getattr(inv, kind)(program.forward, program.argnum), getattr(program, kind)
    ours, theirs = (jax.jit(g).lower(*args).compile() for g in (generated, by_hand))
    for a, b in zip(jax.tree.leaves(ours(*args)), jax.tree.leaves(theirs(*args)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)
    assert (cost(ours) <= 1.001 * cost(theirs) + FEW).all(), (cost(ours), cost(theirs))
