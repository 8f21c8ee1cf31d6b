"""Functions without source: what is traced computes what the function does, and is inverted like any other."""

import functools
import operator

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv
import tests.programs  # noqa: F401  (fills the registry)
from invcompiler.errors import SourceUnavailableError
from invcompiler.frontend.tracing import trace
from invcompiler.ir.dict_order import in_order, order_of
from invcompiler.ir.evaluate import run
from invcompiler.ir.nodes import Param, ParameterKind, Var
from tests.programs.registry import PROGRAMS

# Programs that compute something of which the table of primitives knows nothing.
UNKNOWN_PRIMITIVES = {
    "conditioners.pure_callback": "a callback",
}

TEXT = """
def affine(x):
    return jnp.exp(x) * 2 + 1

def coupling(params, x):
    a, b = jnp.split(x, 2)
    s, t = jnp.tanh(a * params["w"]), a + params["b"]
    return jnp.concatenate([a, b * jnp.exp(s) + t])

def linear(x):
    return x @ W

def permuted(x):
    return x[jnp.array([1, 0, 3, 2])] * 2

def scanned(x):
    return jax.lax.scan(lambda c, v: (c * 2.0 + v, c * 2.0 + v), 1.0, x)[1]

def looped(x):
    return jax.lax.fori_loop(0, 4, lambda i, c: c * 1.5 + i, x)

def branched(p, x):
    return jax.lax.cond(p > 0, lambda x: x * 2, lambda x: x * 3, x)

def waiting(x, n):
    k = jax.lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1.0, s[1] * 0.5), (0.0, 1.0))[1]
    return x * k

def updated(x):
    return x.at[1].set(2 * x[1])

def swapped(pair):
    return {"first": pair[1] * 2, "second": pair[0] + pair[1]}

def activated(x):
    return jax.nn.softplus(jax.nn.leaky_relu(x))

def inside(x):
    return x.item()

def stale(x):
    return x * FACTOR
"""

X = jnp.array([0.3, -1.2, 0.7, 2.0])
W = jnp.arange(16.0).reshape(4, 4) + 3 * jnp.eye(4)
CALLS = {
    "affine": ((X,), 0, {}),
    "coupling": (({"w": jnp.ones(2), "b": 2.0}, X), 1, {}),
    "linear": ((X,), 0, {}),
    "permuted": ((X,), 0, {}),
    "scanned": ((X,), 0, {}),
    "looped": ((X,), 0, {}),
    "branched": ((1.0, X), 1, {}),
    "waiting": ((X, 3.0), 0, {}),
    "updated": ((X,), 0, {}),
    "swapped": (((X, X + 1),), 0, {"example": (X, X)}),
    "activated": ((X,), 0, {}),
}


def without_source(**more):
    space = {"jax": jax, "jnp": jnp, "W": W, **more}
    exec(TEXT, space)
    return space


def sourceless(function, count):
    names = ", ".join(f"a{i}" for i in range(count))
    space = {"function": function}
    exec(f"def called({names}):\n    return function({names})", space)
    return space["called"]


def struct(value):
    is_array = isinstance(value, jax.Array | np.ndarray | float | complex)
    return jax.ShapeDtypeStruct(jnp.shape(value), jnp.result_type(value)) if is_array else value


def traced(function, arguments):
    kind = ParameterKind.POSITIONAL_OR_KEYWORD
    params = [Param(Var(f"a{i}"), kind) for i in range(len(arguments))]
    structs = in_order(jax.tree.map(struct, arguments), order_of(arguments))
    found = trace(function, params, structs, "traced")
    bound = {param.var: value for param, value in zip(params, arguments, strict=True)}
    captured = {var: capture.read() for var, capture in found.captures}
    return run(found, {**bound, **captured}, lambda var, value: None)


def has_arrays(program):
    return not program.keywords and jax.tree.leaves(program.arguments)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(p, id=p.name, marks=[pytest.mark.slow] if number % 4 else [])
        for number, p in enumerate(PROGRAMS)
        if has_arrays(p) and p.name not in UNKNOWN_PRIMITIVES
    ],
)
def test_traced_program_computes_what_the_function_does(program, double_precision):
    expected = program.function(*program.arguments)
    try:
        found = traced(program.function, program.arguments)
    except SourceUnavailableError as error:
        pytest.fail(f"an unknown primitive: {error.reason}")
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert jnp.result_type(ours) == jnp.result_type(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize(
    "name", [n for n in UNKNOWN_PRIMITIVES if n != "conditioners.pure_callback"]
)
def test_unknown_primitives_are_named(name, double_precision):
    program = next(p for p in PROGRAMS if p.name == name)
    with pytest.raises(SourceUnavailableError, match="primitive"):
        traced(program.function, program.arguments)


@pytest.mark.parametrize("name", CALLS)
def test_functions_without_source_are_inverted(name):
    arguments, argnums, options = CALLS[name]
    function = without_source()[name]
    y = function(*arguments)
    known = [a for i, a in enumerate(arguments) if i != argnums]
    x = arguments[argnums]
    made = inv.inverse_and_ildj(function, argnums, **options)
    found, ildj = made(y, *known)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), found, x)
    flat, unravel = jax.flatten_util.ravel_pytree(x)

    def forward(flat):
        given = list(arguments)
        given[argnums] = unravel(flat)
        return jax.flatten_util.ravel_pytree(function(*given))[0]

    dense = jnp.linalg.slogdet(jax.jacfwd(forward)(flat))[1]
    np.testing.assert_allclose(ildj, -dense, rtol=1e-4, atol=1e-5)
    assert f"def {name}_inverse_and_ildj(" in made.source


def test_inside_a_function_with_source():
    affine = without_source()["affine"]
    made = inv.inverse(lambda x: affine(x) + 1)
    np.testing.assert_allclose(made(affine(X) + 1), X, rtol=1e-5)
    assert "return affine_inverse(y - 1)" in made.source
    assert "traced" in inv.explain(lambda x: affine(x) + 1)


def test_before_shapes_are_known_the_text_is_not_there():
    affine = without_source()["affine"]
    with pytest.raises(inv.ShapeError, match="traced for the shapes"):
        inv.inverse(affine).source  # noqa: B018
    assert "jnp.log(" in inv.inverse(affine, example=X).source


def test_wrapped_and_partly_applied():
    space = without_source()
    affine, coupling = space["affine"], space["coupling"]
    y = affine(X)
    for wrapped in (jax.jit(affine), jax.vmap(affine), jnp.vectorize(affine)):
        np.testing.assert_allclose(inv.inverse(wrapped)(y), X, rtol=1e-5)
    params = {"w": jnp.ones(2), "b": 2.0}
    given = functools.partial(coupling, params)
    np.testing.assert_allclose(inv.inverse(given)(given(X)), X, rtol=1e-5)
    double = inv.inverse(lambda x: jnp.vectorize(lambda a: a * 2)(x))
    assert double(2 * X).tolist() == X.tolist()


def test_functions_of_libraries():
    np.testing.assert_allclose(inv.inverse(jnp.tanh)(jnp.tanh(X)), X, rtol=1e-5)
    assert inv.inverse(jnp.tanh).source == inv.inverse(jax.lax.tanh).source
    assert inv.inverse(operator.neg)(X).tolist() == (-X).tolist()
    np.testing.assert_allclose(inv.inverse(jnp.cumsum)(jnp.cumsum(X)), X, rtol=1e-5)
    square = functools.partial(jnp.reshape, shape=(2, 2))
    assert inv.inverse(square, example=X)(square(X)).tolist() == X.tolist()
    assert inv.inverse(functools.partial(operator.add, 1.0))(X).tolist() == (X - 1.0).tolist()
    with pytest.raises(inv.InversionError):
        inv.inverse(lambda x: jnp.linalg.eigvals(x))


def test_what_a_traced_function_found_around_it_is_that_of_today():
    space = without_source(FACTOR=2.0)
    made = inv.inverse(space["stale"]), inv.inverse(space["linear"])
    assert made[0](4 * X).tolist() == (2 * X).tolist()
    np.testing.assert_allclose(made[1](X @ W), X, rtol=1e-4, atol=1e-5)
    space["FACTOR"], space["W"] = 4.0, 2 * W
    assert made[0](4 * X).tolist() == X.tolist()
    np.testing.assert_allclose(made[1](2 * X @ W), X, rtol=1e-4, atol=1e-5)


def test_a_function_that_cannot_be_traced_says_so():
    inside = without_source()["inside"]
    with pytest.raises(inv.SourceUnavailableError, match="cannot be traced"):
        inv.inverse(lambda x: inside(x) * 2.0, example=X)


def test_custom_inverse_of_a_function_without_source():
    affine = inv.custom_inverse(without_source()["affine"])
    np.testing.assert_allclose(inv.inverse(affine)(affine(X)), X, rtol=1e-5)
    affine.def_inverse_unary(lambda y: y * 100.0)
    assert inv.inverse(affine)(1.0) == 100.0


ROWS, COLUMNS = jnp.triu_indices(3)
OUTSIDE = jnp.array([-1, 5])
INDEXED = {
    "triangle": (lambda v: jnp.zeros((3, 3)).at[ROWS, COLUMNS].set(v), (6,), None),
    "around an axis": (lambda v: jnp.zeros((3, 4, 3)).at[ROWS, :, COLUMNS].set(v), (6, 4), None),
    "last axes": (lambda v: jnp.zeros((4, 3, 3)).at[:, ROWS, COLUMNS].add(v), (4, 6), None),
    "read twice": (lambda m, i: m[i, i], (3, 3), OUTSIDE),
    "read around": (lambda m, i: m[i, :, i], (3, 2, 3), jnp.arange(2)),
    "a grid": (lambda m, i: m[..., i[:, None], i[None]], (2, 4, 4), jnp.array([2, 0])),
    "a block": (lambda m: m.at[1:3, 0:2].set(0.0), (4, 4), None),
    "filled": (lambda m, i: m.at[i].get(mode="fill", fill_value=7.0), (3, 3), OUTSIDE),
    "filled pairs": (lambda m, i: m.at[i, i].get(mode="fill", fill_value=7.0), (3, 3), OUTSIDE),
    "clipped": (lambda m, i: m.at[i].get(mode="clip"), (3, 3), OUTSIDE),
    "clipped below zero": (lambda m, i: jnp.take(m, i, axis=0, mode="clip"), (3, 3), OUTSIDE),
    "dropped": (lambda m, i: m.at[i, i].set(1.0), (3, 3), OUTSIDE),
    "set where clipped": (lambda m, i: m.at[i].set(0.0, mode="clip"), (3, 3), OUTSIDE),
}


@pytest.mark.parametrize("function, shape, index", INDEXED.values(), ids=INDEXED)
def test_an_index_is_read_as_it_was_written(function, shape, index, double_precision):
    value = jnp.asarray(np.random.default_rng(0).normal(size=shape))
    arguments = [value] if index is None else [value, index]
    np.testing.assert_array_equal(traced(function, arguments), function(*arguments))
