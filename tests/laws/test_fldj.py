"""The FLDJ at x is minus the ILDJ at f(x), and comes with f(x) if asked."""

import pytest

from tests.laws.corpus import has_ildj, over
from tests.laws.evidence import assert_same, generated, log_abs_det, output

pytestmark = pytest.mark.usefixtures("double_precision")


@over("fldj", has_ildj)
def test_fldj_is_that_of_the_dense_jacobian(program):
    fldj = generated(program, "fldj")(*program.arguments, **program.keywords)
    assert_same(fldj, log_abs_det(program), program.tolerance, dtypes=False)


@over("fldj", has_ildj)
def test_forward_and_fldj_are_both(program):
    both = generated(program, "forward_and_fldj")(*program.arguments, **program.keywords)
    y, fldj = both
    assert_same(y, output(program), program.tolerance)
    assert_same(fldj, log_abs_det(program), program.tolerance, dtypes=False)
