"""Passes over whole programs: the values stay, what comes out is well formed, and doing it again changes nothing."""

import jax
import numpy as np
import pytest

from invcompiler.frontend import read
from invcompiler.ir.check import check
from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.text import show
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.recognise import recognise
from invcompiler.passes.simplify import simplify
from tests.programs.registry import with_text

pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.mark.parametrize("run", [dead_code, recognise, simplify], ids=lambda run: run.__name__)
@pytest.mark.parametrize("program", with_text(), ids=lambda program: program.name)
def test_values_stay(program, run):
    function = check(run(read(program.function)))
    expected = jax.tree.leaves(program.function(*program.arguments, **program.keywords))
    found = jax.tree.leaves(evaluate(function, program.seen, program.keywords))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, 1e-9, 1e-12)
        assert one.dtype == other.dtype
    assert show(run(function)) == show(function)
