"""Inverses and log-slopes in float32, where naive formulas overflow, cancel or lose all digits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from invcompiler.rules import registry

mp = mpmath.mp
mp.dps = 60


def _rule(fn, domain_point=0.5):
    rules = registry.inverse_rules(fn)
    return next(rule for rule in rules if domain_point in rule.domain)


def _at(rule, template, **values):
    arguments = template.__code__.co_varnames[: template.__code__.co_argcount]
    return template(**{name: values[name] for name in arguments})


# fn, y in float32, the exact inverse
INVERSES = [
    (jax.nn.sigmoid, 0.9999, lambda y: mp.log(y / (1 - y))),
    (jax.nn.sigmoid, 1e-30, lambda y: mp.log(y / (1 - y))),
    (special.logit, -100.0, lambda y: 1 / (1 + mp.exp(-y))),
    (special.logit, -80.0, lambda y: 1 / (1 + mp.exp(-y))),
    (jax.nn.softplus, 90.0, lambda y: mp.log(mp.expm1(y))),
    (jax.nn.softplus, 1e-30, lambda y: mp.log(mp.expm1(y))),
    (jax.nn.softplus, 3e-5, lambda y: mp.log(mp.expm1(y))),
    (jax.nn.log_sigmoid, -90.0, lambda y: y - mp.log(-mp.expm1(y))),
    (jax.nn.log_sigmoid, -1e-30, lambda y: y - mp.log(-mp.expm1(y))),
    (jnp.tanh, 0.99999, mp.atanh),
    (jnp.tanh, 1e-30, mp.atanh),
    (jnp.expm1, 1e-7, mp.log1p),
    (jnp.expm1, -0.9999999, mp.log1p),
    (jnp.log1p, 1e-7, mp.expm1),
    (jnp.log1p, -1e-20, mp.expm1),
    (jnp.sinh, 1e30, mp.asinh),
    (jnp.sinh, -1e30, mp.asinh),
    (jnp.sinh, 1e-7, mp.asinh),
    (special.ndtr, 1e-30, lambda y: _normal_quantile(y)),
    (special.log_ndtr, -1e-6, lambda y: _normal_quantile(mp.exp(y))),
    (special.log_ndtr, -50.0, lambda y: _normal_quantile(mp.exp(y))),
    (special.erfc, 1e-30, lambda y: -_normal_quantile(y / 2) / mp.sqrt(2)),
    (jax.nn.soft_sign, -0.9999, lambda y: y / (1 - abs(y))),
    (jax.nn.squareplus, 1e10, lambda y: y - 1 / y),
    (jax.nn.squareplus, 1e-10, lambda y: y - 1 / y),
]


def _normal_quantile(p):
    if p > 0.5:
        return -_normal_quantile(1 - p)
    return mp.findroot(lambda x: mp.log(mp.ncdf(x) / p), -mp.sqrt(-2 * mp.log(p)))


@pytest.mark.parametrize("fn, y, exact", INVERSES)
def test_inverse(fn, y, exact):
    y = np.float32(y)
    rule = _rule(fn)
    found = _at(rule, rule.inverse, y=jnp.float32(y), b=4)
    assert found.dtype == jnp.float32
    wanted = float(exact(mp.mpf(float(y))))
    # The error is at most what one rounding of y makes of it, or a few of x.
    slope = abs(float(mp.diff(exact, mp.mpf(float(y)), h=1e-12 * abs(float(y)))))
    tolerance = 2e-6 * abs(wanted) + 2e-7 * abs(float(y)) * slope + 1e-38
    assert_allclose(found, wanted, rtol=0, atol=tolerance)


LOG_SLOPES = [
    (jax.nn.sigmoid, lambda x: -mp.log1p(mp.exp(x)) - mp.log1p(mp.exp(-x))),
    (jax.nn.softplus, lambda x: -mp.log1p(mp.exp(-x))),
    (jax.nn.log_sigmoid, lambda x: -mp.log1p(mp.exp(x))),
    (jnp.tanh, lambda x: 2 * mp.log(mp.sech(x))),
    (jnp.sinh, lambda x: mp.log(mp.cosh(x))),
    (jnp.arcsinh, lambda x: -mp.log(1 + x**2) / 2),
    (jnp.arctan, lambda x: -mp.log(1 + x**2)),
    (jnp.expm1, lambda x: x),
    (special.erf, lambda x: mp.log(2 / mp.sqrt(mp.pi)) - x**2),
    (special.ndtr, lambda x: -(x**2) / 2 - mp.log(2 * mp.pi) / 2),
    (jax.nn.soft_sign, lambda x: -2 * mp.log1p(abs(x))),
]
HARD_X = [
    -1e15,
    -1e4,
    -100.0,
    -90.0,
    -20.0,
    -1e-4,
    1e-30,
    0.0,
    1e-7,
    0.5,
    17.0,
    90.0,
    100.0,
    1e4,
    1e15,
]


@pytest.mark.parametrize("fn, exact", LOG_SLOPES)
def test_log_slope(fn, exact):
    rule = _rule(fn)
    for value in HARD_X:
        x = jnp.float32(value)
        found = float(_at(rule, rule.log_slope, x=x, y=fn(x)))
        wanted = float(exact(mp.mpf(float(x))))
        assert_allclose(found, wanted, rtol=2e-6, atol=5e-7, err_msg=f"at x = {value}")


def _log_slope_of_hard_silu(y):
    return mp.log(mp.mpf(1) / 4 + 2 * y / 3) / 2 if y < 3 else mp.mpf(0)


# fn, points y of its range, the exact log-slope in terms of y
LOG_SLOPES_BACK = [
    (jax.nn.sigmoid, (1e-30, 1e-4, 0.5, 0.9999, 1 - 6e-8), lambda y: mp.log(y) + mp.log1p(-y)),
    (jax.nn.softplus, (1e-30, 1e-4, 0.5, 20.0, 200.0), lambda y: mp.log(-mp.expm1(-y))),
    (jax.nn.log_sigmoid, (-1e-30, -1e-4, -0.5, -20.0, -200.0), lambda y: mp.log(-mp.expm1(y))),
    (jnp.tanh, (0.0, 1e-30, 0.5, -0.9998, 1 - 6e-8), lambda y: mp.log1p(-(y**2))),
    (jnp.sin, (0.0, 1e-30, 0.5, -0.9998, 1 - 6e-8), lambda y: mp.log1p(-(y**2)) / 2),
    (jnp.cos, (0.0, 1e-30, 0.5, -0.9998, 1 - 6e-8), lambda y: mp.log1p(-(y**2)) / 2),
    (jax.nn.hard_silu, (-0.3749, -1e-30, 0.5, 2.9, 1e30), _log_slope_of_hard_silu),
    (jax.nn.sparse_plus, (1e-30, 0.5, 0.99, 1e30), lambda y: mp.log(min(y, 1)) / 2),
    (jnp.cosh, (1 + 1.2e-7, 1.5, 1e10, 1e30), lambda y: mp.log((y - 1) * (y + 1)) / 2),
]


@pytest.mark.parametrize("fn, points, exact", LOG_SLOPES_BACK)
def test_log_slope_where_the_output_is_given(fn, points, exact):
    rule = _rule(fn)
    for value in points:
        y = jnp.float32(value)
        found, y = float(rule.log_slope_back(y)), mp.mpf(float(y))
        # as of an inverse: what one rounding of y makes of it, or a few of the result
        rounding = 6e-8 * abs(
            float(y) * float(mp.diff(exact, y, h=1e-12 * abs(y) + mp.mpf(10) ** -50))
        )
        tolerance = 2e-6 * abs(float(exact(y))) + 2e-7 + rounding
        assert_allclose(found, float(exact(y)), rtol=0, atol=tolerance, err_msg=f"at y = {value}")


COSH_BRANCHES = [(jnp.cosh, 1.0), (jnp.cosh, -1.0)]


@pytest.mark.parametrize("fn, side", COSH_BRANCHES)
def test_log_slope_of_cosh(fn, side):
    rule = _rule(fn, side)
    for size in (1e-20, 1e-3, 1.0, 80.0, 1e4):
        x = jnp.float32(side * size)
        wanted = float(mp.log(mp.sinh(abs(mp.mpf(float(x))))))
        assert_allclose(float(rule.log_slope(x)), wanted, rtol=2e-6)


@pytest.mark.parametrize(
    "fn", [jax.nn.sigmoid, jax.nn.softplus, jnp.tanh, jax.nn.elu, jax.nn.celu, jax.nn.selu]
)
def test_gradients_of_inverse_and_log_slope_are_finite(fn):
    rule = registry.inverse_rules(fn)[0]
    x = jnp.array([-80.0, -3.0, 0.0, 3.0, 80.0])
    y = jnp.array([0.01, 0.5, 0.99])
    inverse = lambda y: _at(rule, rule.inverse, y=y, alpha=1.0)
    log_slope = lambda x: jnp.asarray(_at(rule, rule.log_slope, x=x, y=fn(x), alpha=1.0))
    assert np.isfinite(jax.vmap(jax.grad(inverse))(y)).all()
    assert np.isfinite(jax.vmap(jax.grad(log_slope))(x)).all()


def test_elu_far_on_the_straight_side_has_finite_gradients():
    for fn in (jax.nn.elu, jax.nn.celu, jax.nn.selu):
        rule = registry.inverse_rules(fn)[0]
        y = jnp.array([1e4, 1e30])
        assert np.isfinite(jax.vmap(jax.grad(rule.inverse))(y)).all()
