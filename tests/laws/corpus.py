"""Parametrise a law over the programs of which it can be asked."""

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


def _parameter(law, program):
    marks = [pytest.mark.xdist_group(program.name)]
    if reason := gaps.reason(program, law):
        marks.append(pytest.mark.xfail(strict=True, reason=reason))
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
    return has_ildj(program) and all(is_differentiable(leaf) for leaf in leaves)
