"""`inverse_and_ildj` is the inverse and the ILDJ."""

import pytest

from tests.laws.corpus import has_ildj, over
from tests.laws.evidence import assert_same, backward, log_abs_det

pytestmark = pytest.mark.usefixtures("double_precision")


@over("inverse and ildj", has_ildj)
def test_both_at_once_are_each_alone(program):
    recovered, ildj = backward(program, "inverse_and_ildj")
    assert_same(recovered, program.unknown, program.tolerance)
    assert_same(ildj, -log_abs_det(program), program.tolerance, dtypes=False)
