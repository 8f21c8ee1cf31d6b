"""The tables, the users' one above the built-in one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from invcompiler.ir.interval import NONNEGATIVE, POSITIVE, Interval
from invcompiler.rules import registry
from invcompiler.rules.canonical import call_of, key_of
from invcompiler.rules.registry import Kind, elementwise, inverse_rule, inverse_rules, range_of


@pytest.fixture
def own_tables(monkeypatch):
    """Tables that the test may fill."""
    monkeypatch.setattr(registry, "USERS", registry.Table())
    monkeypatch.setattr(registry, "BUILT_IN", registry.Table())


def affine(x, scale, shift=0.0):
    return x * scale + shift


def test_a_function_is_a_rule(own_tables):
    @inverse_rule(affine, log_slope=lambda scale: jnp.log(jnp.abs(scale)))
    def affine_inverse(y, scale, shift):
        return (y - shift) / scale

    (rule,) = inverse_rules(affine)
    assert affine_inverse(5.0, 2.0, 1.0) == 2.0
    assert (rule.argument, rule.output, rule.kind) == ("x", "y", Kind.ELEMENTWISE)
    assert rule.inverse is affine_inverse
    assert rule.needs(rule.inverse) == {"scale", "shift"}
    assert rule.needs(rule.log_slope) == {"scale"}


def test_a_class_is_a_rule(own_tables):
    @inverse_rule(affine, "shift")
    class shift_of_affine:
        def inverse(y, x, scale):
            return y - x * scale

        def slope():
            return 1.0

    (rule,) = inverse_rules(affine, "shift")
    assert rule.slope() == 1.0
    assert inverse_rules(affine, "x") == ()


def test_log_det_for_all_else(own_tables):
    def rotate(x, turns):
        return jnp.roll(x, turns)

    @inverse_rule(rotate, "x", log_det=0.0)
    def back(y, turns):
        return jnp.roll(y, -turns)

    (rule,) = inverse_rules(rotate)
    assert (rule.kind, rule.core, rule.log_det()) == (Kind.LINEAR, None, 0.0)


def test_a_rule_without_a_log_det(own_tables):
    @inverse_rule(affine)
    def affine_inverse(y, scale, shift):
        return (y - shift) / scale

    (rule,) = inverse_rules(affine)
    assert rule.log_det is None and rule.log_slope is None and rule.slope is None


def test_the_output_may_have_another_name(own_tables):
    def f(y, z):
        return y + z

    @inverse_rule(f, "y")
    class rule:
        def inverse(out, z):
            return out - z

        def log_slope(out, y):
            return 0.0

    (stated,) = inverse_rules(f)
    assert stated.output == "out" and stated.needs(stated.log_slope) == frozenset()


def test_calls_of_a_function_with_a_rule_have_a_form(own_tables):
    @inverse_rule(affine)
    def affine_inverse(y, scale, shift):
        return (y - shift) / scale

    from invcompiler.ir.nodes import Const, Var

    x, s = Var(), Var()
    call = call_of(affine, x, scale=s)
    assert call.arguments == {"x": x, "scale": s, "shift": Const(0.0)}
    assert call_of(jax.jit(affine), x, s).fn is affine


def test_a_bound_method_may_have_a_rule(own_tables):
    class Layer:
        def forward(self, x):
            return x

    layer, other = Layer(), Layer()

    @inverse_rule(layer.forward)
    def backward(y):
        return y

    assert len(inverse_rules(layer.forward)) == 1
    assert inverse_rules(other.forward) == ()


def test_users_rules_stand_above_the_built_in_ones(own_tables):
    @elementwise(jnp.exp, range=POSITIVE)
    class exp:
        def inverse(y):
            return jnp.log(y)

    assert inverse_rules(lax.exp) == (exp,)

    @inverse_rule(lax.exp)
    def better(y):
        return jnp.log(y)

    (rule,) = inverse_rules(jnp.exp)
    assert rule.inverse is better


def test_a_function_is_registered_once(own_tables):
    def state():
        @inverse_rule(affine, "x")
        def rule(y, scale, shift):
            return (y - shift) / scale

    state()
    with pytest.raises(ValueError, match="`affine` has an inverse rule for `x` already"):
        state()


def test_a_built_in_rule_is_stated_once(own_tables):
    def state():
        @elementwise(jnp.exp)
        class exp:
            def inverse(y):
                return jnp.log(y)

    state()
    with pytest.raises(ValueError, match="already"):
        state()


def test_a_rule_may_have_several_branches(own_tables):
    @elementwise(jnp.square, domain=NONNEGATIVE, range=NONNEGATIVE)
    class rising:
        def inverse(y):
            return jnp.sqrt(y)

    @elementwise(jnp.square, domain=Interval(-jnp.inf, 0), range=NONNEGATIVE)
    class falling:
        def inverse(y):
            return -jnp.sqrt(y)

    assert inverse_rules(jnp.square) == (rising, falling)
    assert range_of(jnp.square) == NONNEGATIVE


def test_misuse(own_tables):
    with pytest.raises(TypeError, match="a rule is for a function"):
        inverse_rule(3)
    with pytest.raises(ValueError, match="no argument `z`"):
        inverse_rule(affine, "z")(lambda y: y)
    with pytest.raises(ValueError, match="no argument 7"):
        inverse_rule(affine, 7)(lambda y: y)
    with pytest.raises(TypeError, match="position or a name"):
        inverse_rule(affine, 1.5)(lambda y: y)
    with pytest.raises(TypeError, match="names `w`"):
        inverse_rule(affine)(lambda y, w: y)
    with pytest.raises(TypeError, match="function or a class"):
        inverse_rule(affine)("nonsense")
    with pytest.raises(TypeError, match="does not state its `inverse`"):
        inverse_rule(affine)(type("empty", (), {}))
    with pytest.raises(TypeError, match="states `invert`"):
        inverse_rule(affine)(type("typo", (), {"invert": 1}))
    with pytest.raises(TypeError, match="either a log_slope"):
        inverse_rule(affine, log_slope=lambda: 0.0, log_det=0.0)(lambda y: y)
    with pytest.raises(TypeError, match="a function or 0"):
        inverse_rule(affine, log_det=3.0)(lambda y: y)
    with pytest.raises(TypeError, match="plain function"):
        inverse_rule(affine, log_slope=jnp.log)(lambda y: y)
    with pytest.raises(TypeError, match="takes the output"):
        inverse_rule(affine)(lambda: 0)
    with pytest.raises(ValueError, match="not a domain"):
        inverse_rule(affine, domain="nonsense")


def test_one_key():
    assert key_of(lax.add) is jnp.add
    assert inverse_rules(lax.neg) == inverse_rules(jnp.negative)


def test_ranges():
    assert range_of(jnp.exp) == POSITIVE
    assert range_of(jax.nn.relu) == NONNEGATIVE
    assert range_of(jnp.sin) == Interval(-1, 1)
    assert range_of(len) is None
