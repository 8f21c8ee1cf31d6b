"""Functions of the user's that an emitted module calls: copied, with what they capture passed along."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler.backend.load import load
from invcompiler.backend.render import render
from invcompiler.backend.text import Header
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Function, Param, ParameterKind, Ref, Var
from invcompiler.sources import SOURCES

WEIGHT = jnp.array([[1.0, 2.0], [0.0, 1.0]])
SHIFT = np.ones(2)
EPSILON = 1e-3
KIND = "tanh"
counter = 0


def inner(a, *, scale=2.0):
    return a @ WEIGHT * scale + EPSILON


def as_value(a):
    return jax.vmap(inner)(a)


def by_partial(a):
    return functools.partial(inner, scale=3.0)(a)


def by_constant(a):
    if KIND == "tanh":
        return jnp.tanh(a) + SHIFT
    return a


def by_default(a, activation=jnp.tanh):
    return activation(a)


def by_default_of_helper(a, function=inner):
    return function(a)


def by_default_array(a, w=WEIGHT):
    return a @ w


def clashing(a):
    WEIGHT_1 = a + 1

    def local(EPSILON):
        return EPSILON @ WEIGHT

    return local(WEIGHT_1)


@jax.jit
def jitted(a):
    return inner(a)


def recursive(a, n: int = 2):
    return a if n == 0 else recursive(inner(a), n - 1)


def matching(a, kind: str = "x") -> jax.Array:
    match kind:
        case "x":
            return a * math.pi
        case _:
            return -a


def annotated(a):
    n: int
    n: int = 2
    return a * n


def generator(a):
    def values():
        yield from (a, a)

    return sum(x for x in values())


def maker(w):
    def net(a):
        return a * w

    return net


first_net, second_net = maker(jnp.array(2.0)), maker(jnp.array(3.0))


def two_nets(a):
    return first_net(a) + second_net(a)


def with_global(a):
    global counter
    counter += 1
    return a


COPIED = [
    inner,
    as_value,
    by_partial,
    by_constant,
    by_default,
    clashing,
    jitted,
    recursive,
    matching,
    annotated,
    generator,
    two_nets,
    first_net,
]
NOT_COPIED = [by_default_of_helper, by_default_array, with_global]


def calling(helper):
    builder, x = Builder(), Var("x")
    result = builder.apply(Ref(helper, helper.__name__, helper), (x,))
    params = (Param(x, ParameterKind.POSITIONAL_OR_KEYWORD),)
    return render(Function("main", params, builder.block((x,), result)), Header(), SOURCES)


def call(text, *args):
    bound = {name: capture.read() for name, capture in text.captures} | dict(text.objects)
    return load(text).main(*args, **bound)


@pytest.mark.parametrize("helper", [*COPIED, *NOT_COPIED], ids=lambda helper: helper.__name__)
def test_module_computes_what_the_helper_does(helper):
    x = jnp.array([[0.5, -1.0], [2.0, 0.25]])
    np.testing.assert_allclose(call(calling(helper), x), helper(x), rtol=1e-6)


@pytest.mark.parametrize("helper", COPIED, ids=lambda helper: helper.__name__)
def test_module_does_not_need_the_module_of_the_helper(helper):
    text = calling(helper)
    assert __name__ not in text.source
    assert not text.objects


@pytest.mark.parametrize("helper", NOT_COPIED, ids=lambda helper: helper.__name__)
def test_helper_that_a_copy_would_change_is_imported(helper):
    assert f"from {__name__} import {helper.__name__}" in calling(helper).source


def test_captured_values_are_parameters():
    text = calling(as_value)
    assert [name for name, _ in text.captures] == ["WEIGHT", "EPSILON"]
    assert "def inner(a, *, scale=2.0, WEIGHT, EPSILON=0.001):" in text.source
    assert "functools.partial(inner, WEIGHT=WEIGHT, EPSILON=EPSILON)" in text.source


def test_one_value_captured_twice_is_one_parameter():
    text = calling(clashing)
    assert [name for name, _ in text.captures] == ["WEIGHT"]


def test_equal_names_of_two_cells_are_two_parameters():
    text = calling(two_nets)
    assert [capture.read().item() for _, capture in text.captures] == [2.0, 3.0]


def test_object_that_no_text_can_name_is_a_parameter():
    opaque = jax.vmap(lambda a: a * 2)
    text = calling(opaque)
    assert [value for _, value in text.objects] == [opaque]
    np.testing.assert_allclose(call(text, jnp.ones(3)), 2 * np.ones(3))
