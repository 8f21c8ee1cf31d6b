"""The programs that are inverted elsewhere are differentiated here."""

import pytest

import tests.programs  # noqa: F401  (fills the registry)
from tests.derivatives.agreement import check_adjoint, check_tangent
from tests.programs.registry import PROGRAMS

pytestmark = pytest.mark.usefixtures("double_precision")

# JAX has no reverse mode for these.
FORWARD_ONLY = {"conditioners.while_loop_over_known"}


def _chosen(where):
    return pytest.mark.parametrize(
        "program", [pytest.param(p, id=p.name) for p in PROGRAMS if where(p)]
    )


@_chosen(lambda p: p.name not in FORWARD_ONLY)
def test_adjoint(program):
    check_adjoint(
        program.function, program.arguments, program.unknown_positions, dict(program.keywords)
    )


@_chosen(lambda p: not p.keywords)
def test_tangent(program):
    check_tangent(program.function, program.arguments, program.unknown_positions)
