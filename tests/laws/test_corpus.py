"""The corpus itself: many programs, one name each, tried where they are regular."""

import jax
import numpy as np
import pytest

from tests.laws import gaps
from tests.laws.corpus import has_ildj, over
from tests.laws.evidence import jacobian, output
from tests.programs.registry import PROGRAMS

pytestmark = pytest.mark.usefixtures("double_precision")


def test_the_corpus_is_large():
    assert len(PROGRAMS) >= 170


def test_every_program_has_a_name_of_its_own():
    names = [program.name for program in PROGRAMS]
    assert len(names) == len(set(names))


def test_every_gap_is_of_a_program():
    assert set(gaps.GAPS) <= {program.name for program in PROGRAMS}


@over("corpus", has_ildj)
def test_the_jacobian_is_regular_at_the_sample(program):
    matrix = jacobian(program)
    assert matrix.shape[0] == matrix.shape[1]
    assert np.linalg.cond(matrix) < 1e4 if matrix.size else True


@over("corpus")
def test_the_output_is_finite(program):
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(output(program)))
