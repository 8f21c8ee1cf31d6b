"""What Oryx's documentation promises of `custom_inverse`, and its examples."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv


def add_one():
    @inv.custom_inverse
    def add_one(x):
        return x + 1.0

    return add_one


def add():
    @inv.custom_inverse
    def add(x, y):
        return x + y

    return add


def add_rule(invals, z, z_ildj):
    x, y = invals
    if x is None and y is None:
        raise inv.NonInvertibleError()
    if x is None:
        return (z - y, y), (z_ildj + jnp.zeros_like(z), jnp.zeros_like(z))
    return (x, z - x), (jnp.zeros_like(z), z_ildj + jnp.zeros_like(z))


def silly_rule(invals, z, z_ildj):
    x, y = invals
    if x is not None and y is None:
        return (x, z**2), (jnp.zeros_like(z_ildj), 3.0 + z_ildj)
    if x is None and y is not None:
        return (z / 4, y), (2.0 + z_ildj, jnp.zeros_like(z_ildj))
    return (None, None), (0.0, 0.0)


def text_of(made):
    return made.source


def test_without_rules_the_source_is_inverted():
    decorated, plain = add_one(), inv.inverse(add_one().__wrapped__)
    made = inv.inverse(decorated)
    assert made(1.0) == 0.0
    assert text_of(made) == text_of(plain)
    assert inv.fldj(decorated)(1.0) == 0.0


def test_the_function_stays_what_it_is():
    @inv.custom_inverse
    def scale(x, by=2.0):
        """Scale."""
        return x * by

    assert (scale.__name__, scale.__doc__) == ("scale", "Scale.")
    assert scale(3.0, by=4.0) == 12.0
    assert jax.jit(scale)(3.0) == jax.grad(scale)(3.0) * 3.0 == 6.0
    assert jax.vmap(scale)(jnp.ones(2)).tolist() == [2.0, 2.0]
    scale.def_inverse_and_ildj(lambda invals, y, ildj: ((0.0, None), (0.0, None)))
    assert inv.grad(scale)(3.0) == inv.grad(lambda x: scale(x) * 1.0)(3.0) == 2.0
    assert inv.jvp(scale, (3.0,), (1.0,))[1] == 2.0


def test_inverse_of_one_argument():
    f = add_one()
    f.def_inverse_unary(lambda x: x * 2)
    assert inv.inverse(f)(2.0) == 4.0
    np.testing.assert_allclose(inv.ildj(f)(2.0), jnp.log(2.0), rtol=1e-6)
    np.testing.assert_allclose(inv.fldj(f)(2.0), -jnp.log(2.0), rtol=1e-6)


def test_inverse_and_ildj_of_one_argument():
    f = add_one()
    f.def_inverse_unary(lambda x: x * 2, f_ildj=lambda x: jnp.ones_like(x))
    assert inv.ildj(f)(2.0) == 1.0
    assert inv.ildj(f)(jnp.ones(3)) == 3.0
    assert inv.inverse_and_ildj(f)(2.0) == (4.0, 1.0)


def test_ildj_alone_leaves_the_inverse_to_the_source():
    f = add_one()
    f.def_inverse_unary(f_ildj=lambda y: 4.0)
    assert inv.inverse(f)(2.0) == 1.0
    assert inv.ildj(f)(2.0) == 4.0
    assert inv.forward_and_fldj(f)(2.0) == (3.0, -4.0)


def test_neither_takes_back_what_was_stated():
    f = add_one()
    f.def_inverse_unary(lambda x: x * 2)
    f.def_inverse_unary()
    assert inv.inverse(f)(2.0) == 1.0


def test_one_argument_of_which_the_rule_gives_up():
    f = add_one()

    def give_up(y):
        raise inv.NonInvertibleError()

    f.def_inverse_unary(give_up)
    with pytest.raises(inv.InversionError, match="gives up"):
        inv.inverse(f)


def test_rule_for_some_knowns():
    f = add()
    f.def_inverse_and_ildj(add_rule)
    assert inv.inverse(functools.partial(f, 1.0))(2.0) == 1.0
    assert inv.inverse(functools.partial(f, y=1.5))(2.0) == 0.5
    assert inv.inverse(lambda x: f(x, 1.0))(2.0) == 1.0
    assert inv.inverse(f, argnums=1)(2.0, 1.5) == 0.5
    with pytest.raises(inv.InversionError, match="gives up"):
        inv.inverse(f, argnums=(0, 1))


def test_rules_stated_later_hold_for_inverses_that_are_there():
    f = add()
    left, right = functools.partial(f, 1.0), lambda x: f(x, 1.0)
    made = [inv.inverse(left), inv.inverse(right), inv.ildj(left), inv.ildj(right)]
    assert [g(2.0) for g in made] == [1.0, 1.0, 0.0, 0.0]
    f.def_inverse_and_ildj(silly_rule)
    assert [g(2.0) for g in made] == [4.0, 0.5, 3.0, 2.0]
    f.def_inverse_and_ildj(add_rule)
    assert [g(2.0) for g in made] == [1.0, 1.0, 0.0, 0.0]


def test_giving_up_on_one_side_only():
    f = add()

    @f.def_inverse_and_ildj
    def rule(invals, z, z_ildj):
        x, y = invals
        if y is not None:
            raise inv.NonInvertibleError()
        return (x, z - x), (jnp.zeros_like(z_ildj), z_ildj)

    assert inv.inverse(lambda x: f(1.0, x))(2.0) == 1.0
    with pytest.raises(ValueError):
        inv.inverse(lambda x: f(x, 1.0))(2.0)


def test_tuple_parameters():
    @inv.custom_inverse
    def dense(params, x):
        w, b = params
        return w * x + b

    apply = functools.partial(dense, (2.0, 1.0))
    made = inv.inverse(apply)
    assert made(5.0) == 2.0

    @dense.def_inverse_and_ildj
    def rule(invals, out, out_ildj):
        (w, b), _ = invals
        if w is None or b is None:
            raise inv.NonInvertibleError()
        ildj = inv.ildj(lambda x: w * x + b)(out)
        return ((w, b), (out - b) / w), ((jnp.zeros_like(w), jnp.zeros_like(b)), out_ildj + ildj)

    assert made(5.0) == 2.0
    np.testing.assert_allclose(inv.ildj(apply)(5.0), -jnp.log(2.0), rtol=1e-6)
    with pytest.raises(inv.InversionError):
        inv.inverse(dense, argnums=0)(5.0, 2.0)

    @dense.def_inverse_and_ildj
    def silly(invals, out, out_ildj):
        (w, b), _ = invals
        none = (jnp.zeros_like(w), jnp.zeros_like(b))
        return ((w, b), w * out), (none, out_ildj + jnp.ones_like(out))

    assert made(5.0) == 10.0
    assert inv.ildj(apply)(5.0) == 1.0
    assert inv.inverse(dense, argnums=1)(5.0, (2.0, 1.0)) == 10.0


def test_log_dets_of_what_stands_around_the_call_are_added():
    f = add()
    f.def_inverse_and_ildj(silly_rule)
    made = inv.inverse_and_ildj(lambda x: jnp.exp(f(1.0, x)))
    x, ildj = made(2.0)
    np.testing.assert_allclose(x, jnp.log(2.0) ** 2, rtol=1e-6)
    np.testing.assert_allclose(ildj, 3.0 - jnp.log(2.0), rtol=1e-6)
