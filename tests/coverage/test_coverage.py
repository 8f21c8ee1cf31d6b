"""`docs/coverage.md` says what is so: each transform is run, and the page is what its generator writes."""

import functools

import jax
import numpy as np
import pytest

import invcompiler as inv
from tests.coverage import document
from tests.coverage.registry import TRANSFORMS
from tests.laws.vectors import from_vector, to_vector

pytestmark = pytest.mark.usefixtures("double_precision")


@functools.cache
def verdict(transform):
    """Return what the page is to say of a transform; raise AssertionError if what is derived from it is wrong."""
    x, *known = transform.arguments
    kind = inv.inverse_and_ildj if transform.density else inv.inverse
    try:
        generated = kind(transform.function, **transform.options)
        found = generated(transform.function(x, *known), *known)
    except inv.InvcompilerError:
        return "refused"
    recovered, ildj = found if transform.density else (found, None)
    np.testing.assert_allclose(to_vector(recovered), to_vector(x), rtol=1e-7, atol=1e-7)
    if ildj is None:
        return "inverted, no density"
    np.testing.assert_allclose(ildj, -log_abs_det(transform), rtol=1e-7, atol=1e-7)
    return "inverted"


def log_abs_det(transform):
    x, *known = transform.arguments
    of_vector = lambda v: to_vector(transform.function(from_vector(v, x), *known))
    return np.linalg.slogdet(jax.jacfwd(of_vector)(to_vector(x)))[1]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: t.function.__name__)
def test_the_page_tells_what_becomes_of_a_transform(transform, request):
    found = verdict(transform)
    if not request.config.getoption("--update-golden"):
        assert document.stated().get(transform.function.__name__) == found


def test_the_page_is_what_is_generated(request):
    if request.config.getoption("--update-golden"):
        verdicts = {t.function.__name__: verdict(t) for t in TRANSFORMS}
        document.PATH.write_text(document.text(verdicts), encoding="utf-8")
    assert document.PATH.read_text(encoding="utf-8") == document.text(document.stated())


def test_forward_functions_have_names_of_their_own():
    names = [t.function.__name__ for t in TRANSFORMS]
    assert len(names) == len(set(names))
