"""Each rewriting of a program has an inverse of the same values and the same code up to names."""

import ast
import functools
import importlib.util
import inspect
import textwrap

import jax
import numpy as np
import pytest

import invcompiler as inv
from tests.metamorphic import rewritings, wrappings
from tests.metamorphic.normal_form import normal_form
from tests.metamorphic.programs import PROGRAMS

pytestmark = pytest.mark.usefixtures("double_precision")

HEADER = "import jax\nimport jax.numpy as jnp\nfrom jax import lax\n\n\n"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return what writes a function to a module of its own, and imports it."""
    folder = tmp_path_factory.mktemp("rewritten")

    def write(function, how):
        name = f"{function.name}_{how}"
        path = folder / f"{name}.py"
        path.write_text(HEADER + ast.unparse(function) + "\n")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return getattr(module, function.name)

    return write


def tree_of(function):
    """Return the syntax tree of a registered program, without its decorator."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    tree.decorator_list = []
    return tree


@functools.cache
def inverse_of_base(name):
    function, _, argnums = PROGRAMS[name]
    return inv.inverse_and_ildj(function, argnums)


def assert_inverts(inverse, name):
    """Assert that `inverse` recovers the arguments of the base program, and its ILDJ."""
    function, arguments, argnums = PROGRAMS[name]
    chosen = argnums if isinstance(argnums, tuple) else (argnums,)
    known = [a for i, a in enumerate(arguments) if i not in chosen]
    unknown = tuple(arguments[i] for i in chosen)
    recovered, ildj = inverse(function(*arguments), *known)
    recovered = recovered if isinstance(argnums, tuple) else (recovered,)
    for got, wanted in zip(jax.tree.leaves(recovered), jax.tree.leaves(unknown), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-8)
    expected = inverse_of_base(name)(function(*arguments), *known)[1]
    np.testing.assert_allclose(ildj, expected, rtol=1e-8, atol=1e-8)


def over_bases():
    names = [pytest.param(n, marks=pytest.mark.xdist_group(f"metamorphic.{n}")) for n in PROGRAMS]
    return pytest.mark.parametrize("name", names)


def test_there_are_many():
    assert len(PROGRAMS) >= 25


@over_bases()
def test_base_inverts(name):
    assert_inverts(inverse_of_base(name), name)


@pytest.mark.parametrize("how", rewritings.SAME_CODE)
@over_bases()
def test_rewriting_gives_the_same_code(name, how, written):
    base, arguments, argnums = PROGRAMS[name]
    variant = written(rewritings.SAME_CODE[how](tree_of(base)), how)
    for got, wanted in zip(
        jax.tree.leaves(variant(*arguments)), jax.tree.leaves(base(*arguments)), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)
    source = inv.inverse_and_ildj(variant, argnums).source
    assert normal_form(source) == normal_form(inverse_of_base(name).source)


@pytest.mark.parametrize("how", rewritings.SAME_VALUES)
@over_bases()
def test_rewriting_gives_the_same_values(name, how, written):
    base, _, argnums = PROGRAMS[name]
    variant = written(rewritings.SAME_VALUES[how](tree_of(base)), how)
    assert_inverts(inv.inverse_and_ildj(variant, argnums), name)


@pytest.mark.parametrize("wrap", wrappings.SAME_CODE)
@over_bases()
def test_wrapping_gives_the_same_code(name, wrap):
    base, _, argnums = PROGRAMS[name]
    source = inv.inverse_and_ildj(wrap(base), argnums).source
    assert normal_form(source) == normal_form(inverse_of_base(name).source)


@pytest.mark.parametrize("wrap", wrappings.SAME_VALUES)
@over_bases()
def test_wrapping_gives_the_same_values(name, wrap):
    base, _, argnums = PROGRAMS[name]
    assert_inverts(inv.inverse_and_ildj(wrap(base), argnums), name)
