"""Parametrise a law over the programs of which it can be asked."""

import zlib

import jax
import pytest

import tests.programs  # noqa: F401  (fills the registry)
from tests.laws import gaps
from tests.laws.vectors import is_differentiable
from tests.programs.registry import PROGRAMS


def over(law, where=lambda program: True):
    """Run a test once for every program that satisfies `where`; known gaps must fail."""
    chosen = [_parameter(law, program) for program in PROGRAMS if where(program)]
    return pytest.mark.parametrize("program", chosen)


# These are tried on every program in every run; the others on every third, and on all of them with `-m slow`.
ALWAYS = {"corpus", "round trip", "ildj", "no ildj"}


def _parameter(law, program):
    marks = [pytest.mark.xdist_group(program.name)]
    if law not in ALWAYS and zlib.crc32(program.name.encode()) % 3:
        marks.append(pytest.mark.slow)
    marks += gaps.marks(program, law)
    return pytest.param(program, id=program.name, marks=marks)


def has_ildj(program):
    return program.no_ildj is None


def has_no_ildj(program):
    return program.no_ildj is not None


def can_be_mapped(program):
    return program.no_vmap is None


def has_density(program):
    """Whether the dense Jacobian is square: of such programs gradients are asked for."""
    leaves = jax.tree.leaves(program.unknown)
    return (
        has_ildj(program)
        and not program.no_gradient
        and all(is_differentiable(leaf) for leaf in leaves)
    )
