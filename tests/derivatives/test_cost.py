"""What an emitted gradient costs, as XLA counts it, against `jax.grad`."""

import jax
import pytest

from invcompiler.derivatives import grad
from tests.derivatives.models import MODELS


def cost(f, arguments):
    compiled = jax.jit(f).lower(*arguments).compile()
    found = compiled.cost_analysis()
    found = found[0] if isinstance(found, list) else found
    temp = compiled.memory_analysis().temp_size_in_bytes
    return found["flops"], found["bytes accessed"], temp


@pytest.mark.parametrize("name", MODELS)
def test_no_more_than_jax(name):
    f, arguments = MODELS[name]
    mine, theirs = cost(grad(f), arguments), cost(jax.grad(f), arguments)
    assert mine[0] <= 1.002 * theirs[0]
    assert mine[1] <= 1.002 * theirs[1]
    assert mine[2] <= theirs[2]
