"""The ILDJ is minus the log-determinant of the dense Jacobian, where there is one."""

import jax.numpy as jnp
import pytest

import invcompiler as inv
from tests.laws.corpus import has_ildj, has_no_ildj, over
from tests.laws.evidence import assert_same, backward, generated, log_abs_det, output

pytestmark = pytest.mark.usefixtures("double_precision")


@over("ildj", has_ildj)
def test_ildj_is_that_of_the_dense_jacobian(program):
    ildj = backward(program, "ildj")
    assert jnp.shape(ildj) == ()
    assert_same(ildj, -log_abs_det(program), program.tolerance, dtypes=False)


@over("no ildj", has_no_ildj)
def test_ildj_is_refused_where_there_is_none(program):
    with pytest.raises(inv.InversionError):
        generated(program, "ildj")(output(program), *program.known, **program.keywords)
