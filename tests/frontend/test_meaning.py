"""The law of the frontend: running what was read gives what Python gives."""

import jax
import numpy as np
import pytest

from invcompiler.frontend import is_current, read
from invcompiler.ir.check import check
from invcompiler.ir.evaluate import evaluate

from .programs import PROGRAMS


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        if isinstance(a, str | set):
            assert a == b
        else:
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
            assert np.asarray(a).dtype == np.asarray(b).dtype


def copied(tree):
    """Return a tree whose lists are new: programs may change what they are given."""
    return jax.tree.map(lambda leaf: leaf, tree)


@pytest.mark.parametrize(
    ("function", "args", "kwargs"), PROGRAMS, ids=[f.__name__ for f, _, _ in PROGRAMS]
)
def test_reading_means_what_python_means(function, args, kwargs, capsys):
    program = read(function)
    check(program)
    args = jax.tree.map(lambda a: jax.numpy.asarray(a) if isinstance(a, np.ndarray) else a, args)
    assert_same(
        evaluate(program, copied(args), copied(kwargs)), function(*copied(args), **copied(kwargs))
    )
    assert is_current(program)
