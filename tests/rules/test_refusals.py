"""Calls that no rule may invert, whatever the domain."""

from __future__ import annotations

import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import Ref, Var
from invcompiler.rules.canonical import call_of
from invcompiler.rules.registry import inverse_rules
from tests.rules.samples import ConcreteFacts, NoFacts, tree_of

X = np.arange(1.0, 4.0)
X23 = np.ones((2, 3))
INTS = np.arange(4, dtype=np.uint32)

REFUSED = {
    "times zero": (operator.mul, "x1", X, 0),
    "times zero, known array": (operator.mul, "x1", X, np.array([1.0, 0.0, 2.0])),
    "even factor": (operator.mul, "x1", INTS, 2),
    "even factors": (operator.mul, "x2", np.array([3, 4]), INTS[:2]),
    "integer division": (operator.truediv, "x1", INTS, 2),
    "zero over": (operator.truediv, "x2", 0.0, X),
    "power zero": (operator.pow, "x1", X, 0),
    "base one": (operator.pow, "x2", 1.0, X),
    "base negative": (operator.pow, "x2", -2.0, X),
    "exp of integers": (jnp.exp, "x", INTS),
    "exp of complex": (jnp.exp, "x", X + 1j),
    "leak of zero": (jax.nn.leaky_relu, "x", X, 0.0),
    "leak upwards": (jax.nn.leaky_relu, "x", X, -0.1),
    "real of complex": (jnp.real, "x", X + 1j),
    "cast to int": (jnp.astype, "x", X, jnp.int32),
    "cast to fewer digits": (jnp.astype, "x", np.float32(X), jnp.bfloat16),
    "cast of big integers": (jnp.astype, "x", np.arange(3, dtype=np.int32), jnp.float32),
    "wide matrix": (operator.matmul, "a", X23, np.ones((3, 2))),
    "dot of vectors": (operator.matmul, "a", X, X),
    "singular matrix": (operator.matmul, "a", X23, np.ones((3, 3))),
    "repeated index": (jnp.take, "a", X, np.array([0, 1, 1]), 0),
    "short index": (jnp.take, "a", X, np.array([0, 1]), 0),
    "row index repeated": (operator.getitem, "a", X, np.array([0, 0, 2])),
    "mask": (operator.getitem, "a", X, np.array([True, False, True])),
    "matrix of indices": (operator.getitem, "a", X, np.array([[0, 1], [2, 0]])),
    "diff": (jnp.diff, "a", X),
    "einsum trace": (jnp.einsum, "a", "ii->", X23, None),
    "einsum with a sum": (jnp.einsum, "a", "ij->i", X23, None),
    "fft with n": (jnp.fft.fft, "a", X + 0j, 5),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with jax.enable_x64(True):
        fn, argument, *operands = REFUSED[name]
        facts = ConcreteFacts()
        if fn is jnp.einsum:
            operands = operands[:2]
        call = call_of(fn, *(tree_of(operand, facts) for operand in operands))
        facts.hidden.add(call.arguments[argument])
        rules = inverse_rules(call.fn, argument)
        assert rules
        for rule in rules:
            refusal = rule.refusal(call, facts)
            assert refusal is not None and refusal.reason, rule.name


def test_a_cast_to_int_is_refused_before_anything_is_known():
    call = call_of(jnp.astype, Var(), Ref(jnp.int32, "jnp.int32"))
    assert all(rule.refusal(call, NoFacts()) for rule in inverse_rules(jnp.astype, "x"))


def test_an_unknown_exponent_leaves_the_branch_of_positive_numbers():
    call = call_of(jnp.power, Var(), Var())
    left = [r for r in inverse_rules(jnp.power, "x1") if r.refusal(call, NoFacts()) is None]
    assert [rule.name for rule in left] == ["power_of_nonnegative"]


def test_the_branch_of_a_power_does_not_rest_on_todays_value_of_an_array():
    facts = ConcreteFacts()
    call = call_of(jnp.power, Var(), tree_of(np.array(3.0), facts))
    left = [r for r in inverse_rules(jnp.power, "x1") if r.refusal(call, facts) is None]
    assert [rule.name for rule in left] == ["power_of_nonnegative"]


def test_the_first_rule_left_is_the_most_special_one():
    def first(exponent):
        call = call_of(lax.integer_pow, Var(), as_tree(exponent))
        rules = inverse_rules(jnp.power, "x1")
        return next(rule.name for rule in rules if rule.refusal(call, NoFacts()) is None)

    assert first(3) == "power_3"
    assert first(2) == "power_2_of_nonnegative"
    assert first(-1) == "power_minus_1"
    assert first(5) == "power_odd"
