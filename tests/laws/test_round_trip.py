"""`g(f(x, *known), *known) == x`, in structure, shapes, dtypes and values."""

import pytest

from tests.laws.corpus import over
from tests.laws.evidence import assert_same, backward

pytestmark = pytest.mark.usefixtures("double_precision")


@over("round trip")
def test_inverse_recovers_the_unknown(program):
    assert_same(backward(program, "inverse"), program.unknown, program.tolerance)
