"""Adjoints that are read before they are accepted: `golden/test_adjoint_<function>.py`."""

import pytest

from tests.derivatives.agreement import check_adjoint, check_tangent
from tests.derivatives.readable import READABLE

pytestmark = pytest.mark.usefixtures("double_precision")

over = pytest.mark.parametrize(
    "f,arguments,argnums", [pytest.param(*rest, id=rest[0].__name__) for rest in READABLE]
)


@over
def test_adjoint(golden, f, arguments, argnums):
    golden(check_adjoint(f, arguments, argnums))


@pytest.mark.parametrize(
    "f,arguments,argnums", [pytest.param(*rest, id=rest[0].__name__) for rest in READABLE[:8]]
)
def test_tangent(golden, f, arguments, argnums):
    golden(check_tangent(f, arguments, argnums))
