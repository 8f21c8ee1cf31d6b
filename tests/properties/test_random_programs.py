"""A random invertible program is inverted; a nearly invertible one is right or refused, never wrong."""

import hashlib
import importlib.util
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, note

import invcompiler as inv
from tests.laws.vectors import to_vector
from tests.programs.samples import real
from tests.properties.writing import invertible, nearly_invertible

pytestmark = pytest.mark.usefixtures("double_precision")

WORST_CONDITION = 1e6


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Return what writes text to a module of its own, imports it, and returns its `program`."""
    folder = tmp_path_factory.mktemp("drawn")

    def load(text):
        name = f"drawn_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        path = folder / f"{name}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.program

    return load


def points(size):
    """Inputs of both signs, large and small."""
    return [real(size), -real(size), 0.4 * real(size, seed=1) + 0.2]


def jacobian(program, x):
    return np.asarray(jax.jacfwd(lambda v: to_vector(program(v)))(x))


def is_regular(matrix):
    return np.all(np.isfinite(matrix)) and np.linalg.cond(matrix) < WORST_CONDITION


def inverse_of(program, size):
    example = jax.ShapeDtypeStruct((size,), jnp.float64)
    inverse = inv.inverse_and_ildj(program, example=example)
    note(inverse.source)
    return inverse


@given(drawn=invertible())
def test_invertible_programs_are_inverted(imported, drawn):
    text, size = drawn
    note(text)
    program = imported(text)
    x = points(size)[0]
    matrix = jacobian(program, x)
    assume(is_regular(matrix))
    recovered, ildj = inverse_of(program, size)(program(x))
    np.testing.assert_allclose(recovered, x, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(ildj, -np.linalg.slogdet(matrix)[1], rtol=1e-7, atol=1e-7)


@given(drawn=invertible())
def test_forward_log_dets_of_invertible_programs_are_right(imported, drawn):
    text, size = drawn
    note(text)
    program = imported(text)
    x = points(size)[1]
    matrix = jacobian(program, x)
    assume(is_regular(matrix))
    y, fldj = inv.forward_and_fldj(program, example=x)(x)
    np.testing.assert_allclose(to_vector(y), to_vector(program(x)), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(fldj, np.linalg.slogdet(matrix)[1], rtol=1e-7, atol=1e-7)


@given(drawn=nearly_invertible())
def test_nearly_invertible_programs_are_right_or_refused(imported, drawn):
    text, size = drawn
    note(text)
    program = imported(text)
    try:
        inverse = inverse_of(program, size)
        results = [(x, inverse(program(x))) for x in points(size)]
    except inv.InvcompilerError as refusal:
        assert str(refusal)
        return
    for x, (recovered, ildj) in results:
        if np.all(np.isfinite(recovered)) and np.isfinite(ildj):
            assert_right(program, x, recovered, ildj)


def assert_right(program, x, recovered, ildj):
    """Assert that finite results are true: only what is not finite says that there are none."""
    matrix = jacobian(program, x)
    assert matrix.shape == (x.size, x.size)
    np.testing.assert_allclose(recovered, x, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ildj, -np.linalg.slogdet(matrix)[1], rtol=1e-6, atol=1e-6)
