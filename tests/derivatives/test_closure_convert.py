"""`closure_convert` against what the function does, and against JAX's documented uses of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler.closure_conversion import closure_convert
from invcompiler.derivatives import grad

pytestmark = pytest.mark.usefixtures("double_precision")

WEIGHT = np.arange(3.0)
INDEX = np.array([2, 0, 1])
TABLE = {"a": np.ones(3), "deep": [np.full(3, 2.0)]}


def uses_global(x):
    return x * WEIGHT


def calls_one_that_captures(x):
    return uses_global(x) + 1


class Model:
    def __init__(self):
        self.w = np.full(3, 3.0)

    def __call__(self, x):
        return x * self.w


def check(f, *args):
    converted, hoisted = closure_convert(f, *args)
    np.testing.assert_allclose(converted(*args, *hoisted), f(*args))
    return converted, hoisted


def test_global():
    converted, hoisted = check(uses_global, np.ones(3))
    assert [array is WEIGHT for array in hoisted] == [True]
    assert "WEIGHT" in converted.source


def test_through_a_callee():
    assert check(calls_one_that_captures, np.ones(3))[1][0] is WEIGHT


def test_integers():
    assert check(lambda x: x[INDEX], np.ones(3))[1][0] is INDEX


def test_container():
    _, hoisted = check(lambda x: x + TABLE["a"] + TABLE["deep"][0], np.ones(3))
    assert len(hoisted) == 2


def test_object():
    model = Model()
    assert check(lambda x: model(x), np.ones(3))[1][0] is model.w


def test_partial():
    scale = np.full(3, 4.0)
    _, hoisted = check(functools.partial(lambda s, x: s * x, scale), np.ones(3))
    assert hoisted[0] is scale


class Config:
    pass


CONFIG = Config()
CONFIG.inner = Config()
CONFIG.inner.bias = np.full(3, 5.0)
MAPPED = jax.vmap(lambda a, b: a * b + WEIGHT)


def reads_deep(x):
    return x + CONFIG.inner.bias


def test_objects_and_mapped_functions_of_callees():
    _, hoisted = check(lambda x: reads_deep(x) * 2, np.ones(3))
    assert hoisted[0] is CONFIG.inner.bias
    assert check(lambda x: MAPPED(x, x), np.ones((2, 3)))[1][0] is WEIGHT
    functions = [reads_deep, lambda x: x * WEIGHT]
    assert len(check(lambda x: functions[0](functions[1](x)), np.ones(3))[1]) == 2


def test_inside_a_function_that_is_differentiated():
    def outer(w):
        converted, hoisted = closure_convert(lambda x: jnp.sum(x * w), np.ones(3))
        return converted(np.ones(3), *hoisted)

    np.testing.assert_allclose(grad(outer)(jnp.asarray(WEIGHT)), np.ones(3))


def test_each_object_once():
    a = np.ones(3)
    b = a
    assert len(check(lambda x: x * a + b, np.ones(3))[1]) == 1


def test_tracers():
    def outer(w):
        converted, hoisted = closure_convert(lambda x: x * w, 1.0)
        assert hoisted[0] is w
        return jax.custom_vjp(converted) is not None and converted(2.0, *hoisted)

    assert jax.grad(outer)(3.0) == 2.0
    assert jax.jit(outer)(3.0) == 6.0
    np.testing.assert_allclose(jax.vmap(outer)(jnp.arange(2.0)), [0.0, 2.0])


def test_wrong_number_of_arrays():
    converted, _ = closure_convert(uses_global, np.ones(3))
    with pytest.raises(TypeError, match="1 hoisted"):
        converted(np.ones(3))


def test_custom_vjp_over_a_converted_function():
    """The documented use: a derivative rule that differentiates a function with captured tracers."""

    def minimize(objective, x0):
        converted, aux = closure_convert(objective, x0)
        return _minimize(converted, x0, *aux)

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def _minimize(objective, x0, *args):
        step = lambda _, x: x - 0.1 * jax.grad(objective)(x, *args)
        return jax.lax.fori_loop(0, 300, step, x0)

    def fwd(objective, x0, *args):
        x = _minimize(objective, x0, *args)
        return x, (x, args)

    def rev(objective, residuals, g):
        # the implicit function theorem at the minimum: d(grad)/dx dx + d(grad)/da da = 0
        x, args = residuals
        slope = lambda x, *a: jax.grad(objective)(x, *a)
        hessian = jax.jacobian(slope)(x, *args)
        _, pullback = jax.vjp(lambda *a: slope(x, *a), *args)
        return (jnp.zeros_like(x), *pullback(-jnp.linalg.solve(hessian, g)))

    _minimize.defvjp(fwd, rev)
    best = lambda a: minimize(lambda x: jnp.sum((x - a**2) ** 2), jnp.zeros(3)).sum()
    a = jnp.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(jax.grad(best)(a), 2 * a, rtol=1e-6)
