"""Stated rules beyond the documented examples: what they are told, where they are used, how misuse is met."""

import copy
import functools
import operator
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv


@inv.custom_inverse
def importable(x):
    return x + 1.0


def told(rule):
    """Return a rule that notes what it is told is unknown."""
    seen = []

    @functools.wraps(rule)
    def noting(invals, outvals, out_ildjs):
        seen.append(
            jax.tree.map(lambda v: v is None, (invals, outvals), is_leaf=lambda v: v is None)
        )
        return rule(invals, outvals, out_ildjs)

    return noting, seen


def test_unknown_leaves_are_none_and_containers_are_kept():
    @inv.custom_inverse
    def mixed(params, x):
        return {"out": params["scale"] * x[0] + params["shift"], "rest": x[1]}

    def rule(invals, out, out_ildjs):
        params, _ = invals
        x = (out["out"] - params["shift"]) / params["scale"], out["rest"]
        return (params, x), (None, (out_ildjs["out"], out_ildjs["rest"]))

    noting, seen = told(rule)
    mixed.def_inverse_and_ildj(noting)
    params = {"scale": 2.0, "shift": jnp.ones(2)}
    x = (jnp.arange(2.0), jnp.ones(3))
    found = inv.inverse(mixed, argnums=1, example=x)(mixed(params, x), params)
    jax.tree.map(np.testing.assert_allclose, found, x)
    known = {"scale": False, "shift": False}
    assert seen[-1] == ((known, (True, True)), {"out": False, "rest": False})


def test_what_is_not_recovered_may_be_known_otherwise():
    @inv.custom_inverse
    def add(x, y):
        return x + y

    add.def_inverse_and_ildj(
        lambda invals, z, ildj: (
            ((None, None), (None, None))
            if invals[1] is None
            else ((z - invals[1], invals[1]), (ildj, None))
        )
    )
    found = inv.inverse(lambda x, y: (add(x, y), jnp.exp(y)), argnums=(0, 1))((3.0, jnp.exp(1.0)))
    np.testing.assert_allclose(found, (2.0, 1.0), rtol=1e-6)
    with pytest.raises(inv.InversionError):
        inv.inverse(add, argnums=(0, 1))


def test_a_part_of_the_output_is_asked_for_last():
    @inv.custom_inverse
    def product_and_rest(x, y):
        return x * y, y

    def rule(invals, out, out_ildjs):
        x, y = invals
        if out[0] is None or y is None:
            raise inv.NonInvertibleError()
        return (out[0] / y, y), (jnp.zeros_like(out[0]), None)

    product_and_rest.def_inverse_and_ildj(rule)
    found = inv.inverse(lambda x, y: product_and_rest(x, y)[0] + 1.0)(7.0, 2.0)
    assert found == 3.0
    with pytest.raises(inv.InversionError):
        inv.inverse(lambda x, y: product_and_rest(x, y)[1])


def test_inverse_that_cannot_be_inverted_itself_has_the_log_det_of_its_jacobian():
    @inv.custom_inverse
    def kepler(x):
        return x + 0.5 * jnp.sin(x)

    @kepler.def_inverse_unary
    def root(y):
        def newton(_, x):
            return x - (x + 0.5 * jnp.sin(x) - y) / (1 + 0.5 * jnp.cos(x))

        return jax.lax.fori_loop(0, 40, newton, y)

    x = jnp.array([0.3, 1.0, -2.0])
    expected = -jnp.sum(jnp.log(1 + 0.5 * jnp.cos(x)))
    np.testing.assert_allclose(inv.ildj(kepler)(kepler(x)), expected, rtol=1e-5)
    np.testing.assert_allclose(inv.fldj(kepler)(x), -expected, rtol=1e-5)
    np.testing.assert_allclose(
        inv.ildj(kepler)(kepler(0.3)), -jnp.log(1 + 0.5 * jnp.cos(0.3)), rtol=1e-5
    )
    with pytest.raises(inv.InversionError, match="state `f_ildj`|does not follow"):
        inv.ildj(kepler, batch_ndims=1)(x)


def test_functions_without_source_can_be_given_an_inverse():
    negative, tanh = inv.custom_inverse(operator.neg), inv.custom_inverse(jnp.tanh)
    assert inv.inverse(lambda x: tanh(x) + 1.0)(1.0) == 0.0
    negative.def_inverse_unary(lambda y: 7.0 - y)
    tanh.def_inverse_unary(lambda y: y + 7.0)
    assert inv.inverse(negative)(3.0) == inv.inverse(lambda x: negative(x) * 2.0)(6.0) == 4.0
    assert inv.inverse(tanh)(0.5) == inv.inverse(lambda x: jax.jit(tanh)(x) + 1.0)(1.5) == 7.5


def test_partial_functions_inside():
    shifted = inv.custom_inverse(functools.partial(lambda shift, x: x + shift, 2.0))
    assert inv.inverse(shifted)(3.0) == 1.0
    shifted.def_inverse_unary(lambda y: y * 100.0)
    assert inv.inverse(shifted)(3.0) == inv.inverse(jax.vmap(shifted))(jnp.full(1, 3.0))[0] == 300.0


def test_captured_arrays_of_a_rule_are_those_of_today():
    class Layer:
        def __init__(self, weight):
            self.weight = weight

        @inv.custom_inverse
        def forward(self, x):
            return x * self.weight

        @forward.def_inverse_and_ildj
        def rule(invals, y, ildj):  # noqa: N805
            layer, _ = invals
            return (layer, y / layer.weight), (None, ildj - jnp.log(layer.weight))

    layer = Layer(jnp.array(2.0))
    weight = jnp.array(2.0)
    scaled = inv.custom_inverse(lambda x: x * weight)
    scaled.def_inverse_unary(lambda y: y / weight)
    made = [
        inv.inverse(layer.forward),
        inv.inverse(lambda x: layer.forward(x)),
        inv.inverse(scaled),
    ]
    assert [g(8.0) for g in made] == [4.0, 4.0, 4.0]
    layer.weight = weight = jnp.array(4.0)
    assert [g(8.0) for g in made] == [2.0, 2.0, 2.0]


def test_text_calls_the_rule_by_name():
    f = inv.custom_inverse(lambda x: x + 1.0)

    @f.def_inverse_unary
    def back_by_one(y):
        return y - 1.0

    assert "back_by_one(" in inv.inverse(f).source
    assert "by the rule stated for" in inv.explain(lambda x: f(x) * 2.0)


def test_what_comes_back_in_another_shape_is_refused():
    f = inv.custom_inverse(lambda x: x + 1.0)
    f.def_inverse_unary(jnp.sum)
    with pytest.raises(inv.ShapeError, match=r"recovers shape \(\)"):
        inv.inverse(f)(jnp.ones(3))
    f.def_inverse_unary(lambda y: y - 1.0, lambda y: 0.0)
    assert inv.inverse(f)(jnp.ones(3)).tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(inv.ShapeError, match="one number for each element"):
        inv.ildj(f)(jnp.ones(3))


def test_misuse():
    with pytest.raises(TypeError, match="expected a function"):
        inv.custom_inverse(3)
    f = inv.custom_inverse(lambda x, y: x + y)
    with pytest.raises(TypeError, match="more than one argument"):
        f.def_inverse_unary(lambda z: z)
    with pytest.raises(TypeError, match="must be a function"):
        f.def_inverse_and_ildj(None)
    with pytest.raises(TypeError, match="`f_ildj` must be a function"):
        importable.def_inverse_unary(None, 3)
    f.def_inverse_and_ildj(lambda invals, z, ildj: z)
    with pytest.raises(TypeError, match="returns `"):
        inv.inverse(lambda x: f(x, 1.0))(2.0)
    f.def_inverse_and_ildj(lambda invals, z, ildj: ((z,), (ildj,)))
    with pytest.raises(TypeError, match="2 values belong"):
        inv.inverse(lambda x: f(x, 1.0))(2.0)


def test_copies_and_pickles():
    assert pickle.loads(pickle.dumps(importable)) is importable
    assert copy.deepcopy(importable) is importable
    local = inv.custom_inverse(lambda x: x + 1.0)
    local.def_inverse_unary(lambda y: y * 2.0)
    other = copy.copy(local)
    local.def_inverse_unary()
    assert (inv.inverse(other)(3.0), inv.inverse(local)(3.0)) == (6.0, 2.0)


def test_invertible_on_top():
    @inv.invertible
    @inv.custom_inverse
    def f(x):
        return x + 1.0

    f.__wrapped__.def_inverse_unary(lambda y: y * 2.0)
    assert f.inverse(3.0) == inv.inverse(lambda x: f(x))(3.0) == 6.0


def test_reconstructing_gradients_use_the_rule():
    @inv.custom_inverse
    def doubled(x):
        return x + jnp.abs(x) * 0.5

    doubled.def_inverse_unary(lambda y: jnp.where(y > 0, y / 1.5, y * 2.0))

    def loss(w, x):
        for _ in range(3):
            x = doubled(x * jnp.exp(w))
        return x

    x = jnp.array([0.3, -1.2])
    reversible = inv.reversible(loss, 1)
    found = jax.grad(lambda w: reversible(w, x).sum())(0.1)
    np.testing.assert_allclose(found, jax.grad(lambda w: loss(w, x).sum())(0.1), rtol=1e-5)
