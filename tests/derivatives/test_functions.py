"""Every function of JAX's that people differentiate, by itself: cotangents and tangents against JAX's."""

import pytest

from tests.derivatives.agreement import check_adjoint, check_tangent
from tests.derivatives.functions import FUNCTIONS

pytestmark = pytest.mark.usefixtures("double_precision")

over_functions = pytest.mark.parametrize(
    "f,arguments", [pytest.param(f, arguments, id=name) for name, f, arguments in FUNCTIONS]
)


@over_functions
def test_adjoint(f, arguments):
    check_adjoint(f, arguments, tuple(range(len(arguments))))


@over_functions
def test_tangent(f, arguments):
    check_tangent(f, arguments, tuple(range(len(arguments))))
