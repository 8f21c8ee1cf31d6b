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


def inverse_of(function, name):
    """Return the inverse of a variant of the base program, made as that of the base program is."""
    _, _, argnums, options = PROGRAMS[name]
    return inv.inverse_and_ildj(function, argnums, **options)


@functools.cache
def inverse_of_base(name):
    return inverse_of(PROGRAMS[name][0], name)


def source_of(function, name):
    """Return what is emitted for a variant of the base program, called once: shapes may be needed."""
    arguments = PROGRAMS[name][1]
    inverse = inverse_of(function, name)
    jax.eval_shape(inverse, function(*arguments), *known_of(name))
    return inverse.source


def known_of(name):
    _, arguments, argnums, _ = PROGRAMS[name]
    chosen = argnums if isinstance(argnums, tuple) else (argnums,)
    return [a for i, a in enumerate(arguments) if i not in chosen]


@functools.cache
def base_source(name):
    return source_of(PROGRAMS[name][0], name)


def assert_inverts(inverse, name):
    """Assert that `inverse` recovers the arguments of the base program, and its ILDJ."""
    function, arguments, argnums, _ = PROGRAMS[name]
    chosen = argnums if isinstance(argnums, tuple) else (argnums,)
    known = known_of(name)
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
    base, arguments, _, _ = PROGRAMS[name]
    variant = written(rewritings.SAME_CODE[how](tree_of(base)), how)
    for got, wanted in zip(
        jax.tree.leaves(variant(*arguments)), jax.tree.leaves(base(*arguments)), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)
    assert normal_form(source_of(variant, name)) == normal_form(base_source(name))


@pytest.mark.parametrize("how", rewritings.SAME_VALUES)
@over_bases()
def test_rewriting_gives_the_same_values(name, how, written):
    base = PROGRAMS[name][0]
    variant = written(rewritings.SAME_VALUES[how](tree_of(base)), how)
    assert_inverts(inverse_of(variant, name), name)


@pytest.mark.parametrize("wrap", wrappings.SAME_CODE)
@over_bases()
def test_wrapping_gives_the_same_code(name, wrap):
    base = PROGRAMS[name][0]
    assert normal_form(source_of(wrap(base), name)) == normal_form(base_source(name))


@pytest.mark.parametrize("wrap", wrappings.SAME_VALUES)
@over_bases()
def test_wrapping_gives_the_same_values(name, wrap):
    assert_inverts(inverse_of(wrap(PROGRAMS[name][0]), name), name)
