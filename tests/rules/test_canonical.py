"""However a call is spelled, it has one form."""

from __future__ import annotations

import math
import operator

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import numpy as np
import pytest
from jax import lax

from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import Apply, Const, Display, Method, Ref, Star, Var
from invcompiler.rules.canonical import call_of, canonical, key_of, parameters_of
from tests.work import work

x, y = Var("x"), Var("y")


def method(name, *args, **kwargs):
    return canonical(Apply(Var(), Method(name), args, tuple(kwargs.items())))


def attribute(name):
    return call_of(getattr, x, Const(name))


def t(value):
    return as_tree(value)


ONE_CALL = {
    "add": [
        call_of(operator.add, x, y),
        call_of(jnp.add, x, y),
        call_of(lax.add, x, y),
        call_of(np.add, x, y),
    ],
    "power": [call_of(f, x, y) for f in (operator.pow, jnp.power, jnp.pow, lax.pow, pow)],
    "divide": [call_of(f, x, y) for f in (operator.truediv, jnp.divide, jnp.true_divide, lax.div)],
    "negative": [call_of(f, x) for f in (operator.neg, jnp.negative, lax.neg)],
    "exp": [call_of(f, x) for f in (jnp.exp, lax.exp, np.exp, math.exp)],
    "sigmoid": [call_of(f, x) for f in (jax.nn.sigmoid, special.expit, lax.logistic)],
    "conj": [
        call_of(jnp.conj, x),
        call_of(jnp.conjugate, x),
        method("conj", x),
        call_of(lax.conj, x),
    ],
    "reshape": [
        method("reshape", x, Const(2), Const(3)),
        method("reshape", x, t((2, 3))),
        method("reshape", x, t([2, 3])),
        call_of(jnp.reshape, x, t((2, 3))),
        call_of(jnp.reshape, x, shape=t((2, 3))),
        call_of(jnp.reshape, x, t((2, 3)), Const("C")),
        call_of(lax.reshape, x, t((2, 3))),
        call_of(np.reshape, x, t((2, 3))),
    ],
    "reshape to one axis": [
        method("reshape", x, Const(-1)),
        call_of(jnp.reshape, x, Const(-1)),
        call_of(jnp.reshape, x, t((-1,))),
    ],
    "ravel": [method("ravel", x), method("flatten", x), call_of(jnp.ravel, x)],
    "transpose": [
        attribute("T"),
        method("transpose", x),
        call_of(jnp.transpose, x),
        call_of(jnp.transpose, x, axes=Const(None)),
    ],
    "transpose axes": [
        method("transpose", x, Const(1), Const(0)),
        method("transpose", x, t((1, 0))),
        call_of(jnp.transpose, x, t([1, 0])),
        call_of(jnp.permute_dims, x, axes=t((1, 0))),
        call_of(lax.transpose, x, t((1, 0))),
    ],
    "matrix transpose": [attribute("mT"), call_of(jnp.matrix_transpose, x)],
    "real": [attribute("real"), call_of(jnp.real, x), call_of(lax.real, x)],
    "flip": [
        call_of(jnp.flip, x, Const(1)),
        call_of(jnp.flip, x, axis=Const(1)),
        call_of(jnp.fliplr, x),
    ],
    "astype": [
        method("astype", x, Ref(jnp.float32, "jnp.float32", jnp)),
        call_of(jnp.float32, x),
        call_of(jnp.astype, x, Ref(jnp.float32, "jnp.float32", jnp)),
        call_of(lax.convert_element_type, x, Ref(jnp.float32, "f32")),
        call_of(jnp.asarray, x, Ref(jnp.float32, "f32")),
    ],
    "same value": [
        call_of(jnp.asarray, x),
        call_of(jnp.array, x),
        call_of(jnp.copy, x),
        method("copy", x),
        call_of(lax.stop_gradient, x),
        call_of(jax.device_put, x),
        call_of(jax.ad_checkpoint.checkpoint_name, x, Const("name")),
        call_of(lax.optimization_barrier, x),
    ],
    "concatenate": [
        call_of(jnp.concatenate, Display(list, (x, y)), Const(-1)),
        call_of(jnp.concatenate, Display(list, (x, y)), axis=Const(-1)),
        call_of(jnp.concat, Display(list, (x, y)), axis=Const(-1)),
        call_of(jnp.append, x, y, Const(-1)),
        call_of(lax.concatenate, Display(list, (x, y)), Const(-1)),
    ],
    "stack": [
        call_of(jnp.stack, Display(list, (x, y))),
        call_of(jnp.stack, Display(list, (x, y)), axis=Const(0)),
        call_of(jnp.array, Display(list, (x, y))),
    ],
    "split": [
        call_of(jnp.split, x, t([2, 5])),
        call_of(jnp.split, x, t((2, 5)), axis=Const(0)),
        call_of(lax.split, x, t((2, 3, 4))),
    ],
    "cumsum": [
        method("cumsum", x, Const(1)),
        call_of(jnp.cumsum, x, axis=Const(1)),
        call_of(lax.cumsum, x, Const(1)),
        call_of(jnp.cumulative_sum, x, axis=Const(1)),
    ],
    "dot": [method("dot", x, y), call_of(jnp.dot, x, y)],
    "matmul": [call_of(operator.matmul, x, y), call_of(jnp.matmul, x, y)],
    "sum": [
        method("sum", x, axis=Const(-1)),
        call_of(jnp.sum, x, Const(-1)),
        call_of(jnp.sum, x, axis=Const(-1), keepdims=Const(False)),
    ],
    "max": [method("max", x), call_of(jnp.max, x), call_of(jnp.amax, x)],
    "where": [call_of(jnp.where, Var(), x, y)],
    "take": [method("take", x, y, Const(0)), call_of(jnp.take, x, y, axis=Const(0))],
}


@pytest.mark.parametrize("name", ONE_CALL)
def test_spellings_of_one_call(name):
    first, *others = ONE_CALL[name]
    assert first is not None
    for other in others:
        assert other == first


NO_FORM = [
    call_of(jnp.add, x, y, where=Var()),
    call_of(jnp.exp, x, y),
    call_of(jnp.sum, x, where=Var()),
    call_of(jnp.reshape, Star(x)),
    call_of(jnp.exp, **{"x": x, "nonsense": y}),
    call_of(lambda x: x, x),
    method("nonsense", x),
    attribute("shape"),
    canonical(Apply(Var(), Var("f"), (x,))),
    canonical(Apply(Var(), Ref(jnp.exp, "jnp.exp"), (), ((None, x),))),
]


@pytest.mark.parametrize("found", NO_FORM)
def test_no_form(found):
    assert found is None


def test_every_argument_is_there():
    for spellings in ONE_CALL.values():
        for call in spellings:
            assert tuple(call.arguments) == parameters_of(call.fn)


def test_jitted_function_has_the_key_of_what_it_wraps():
    assert key_of(jax.jit(jnp.reshape)) is jnp.reshape


def test_a_call_is_read_with_little_work():
    calls = [
        Apply(Var(), Method("reshape"), (x, Const(2), Const(3))),
        Apply(Var(), Ref(jnp.sort, "jnp.sort"), (x,)),
        Apply(Var(), Ref(operator.add, "+"), (x, y)),
    ]
    for call in calls:
        canonical(call)
        assert work(canonical, call) < 300
