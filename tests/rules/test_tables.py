"""Laws that hold for every rule of the built-in tables."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from invcompiler.rules import registry
from invcompiler.rules.registry import Kind, Numbers
from tests.rules.samples import NoFacts, call_and_facts, elementwise_samples, written_samples

pytestmark = pytest.mark.usefixtures("double_precision")

with jax.enable_x64(True):
    ELEMENTWISE = elementwise_samples()
    WRITTEN = written_samples()
EVERY = ELEMENTWISE + WRITTEN


def _ids(samples):
    return [sample.label for sample in samples]


def each(samples):
    return pytest.mark.parametrize("sample", samples, ids=_ids(samples))


# `a @ x` of unknown rank under `jnp.dot` has the templates of `matrix_times`; `stack` is that of lists, and what `cholesky` takes is
# symmetric, so that its log-det is that of one triangle; `einsum_factor` takes operands of the shapes that its subscripts say:
# programs of the corpus have them.
UNSAMPLED = [
    *("cholesky", "cholesky_upper", "einsum_factor"),
    *("matrix_dot", "matrix_dot_matrix", "stack"),
]

# The templates are those of another key of the same rule.
SAMPLED_WITH_ANOTHER_KEY = {
    rule for rule in registry.BUILT_IN if any(s.rule.name == rule.name for s in EVERY)
}


def test_every_rule_has_a_sample():
    missing = [rule.name for rule in registry.BUILT_IN if rule not in SAMPLED_WITH_ANOTHER_KEY]
    assert sorted(set(missing)) == UNSAMPLED


@each(EVERY)
def test_round_trip(sample):
    x = jnp.asarray(sample.x)
    y = sample.run(x)
    back = sample.inverse(y, like=x)
    assert back.shape == x.shape and back.dtype == x.dtype
    assert_allclose(back, x, rtol=1e-7, atol=1e-9)


@each(WRITTEN)
def test_condition_holds(sample):
    assert sample.rule.refusal(*call_and_facts(sample)) is None


@each(EVERY)
def test_condition_answers_when_nothing_is_known(sample):
    call, _ = call_and_facts(sample)
    sample.rule.refusal(call, NoFacts())


def derivative(sample, x):
    """Return the value at `x` and the derivative there."""
    if sample.rule.name in ("gumbel_r_ppf", "gumbel_l_ppf"):  # JAX 0.10 does not differentiate them
        y = sample.run(x)
        return y, 1 / jax.jvp(sample.inverse, (y,), (jnp.ones_like(y),))[1]
    return jax.jvp(sample.run, (x,), (jnp.ones_like(x),))


@each(ELEMENTWISE)
def test_slope_is_the_derivative(sample):
    x = jnp.asarray(sample.x)
    y, slope = derivative(sample, x)
    stated = sample.evaluate(sample.rule.slope, x, y) if sample.rule.slope else None
    if sample.rule.name == "conj":
        return  # has none: it is not holomorphic
    assert_allclose(jnp.broadcast_to(stated, x.shape), slope, rtol=1e-6, atol=1e-9)


@each(ELEMENTWISE)
def test_log_slope_is_the_log_of_the_slope(sample):
    x = jnp.asarray(sample.x)
    y, slope = derivative(sample, x)
    for stated in log_slopes(sample, x, y):
        assert_allclose(
            jnp.broadcast_to(stated, x.shape), jnp.log(jnp.abs(slope)), rtol=1e-6, atol=1e-8
        )


def log_slopes(sample, x, y):
    """Return the log-slope in each form in which the rule states it."""
    forms = (sample.rule.log_slope, sample.rule.log_slope_back)
    return [sample.evaluate(form, x, y) for form in forms if form is not None]


@each(ELEMENTWISE)
def test_values_lie_in_the_range(sample):
    y = np.asarray(sample.run(jnp.asarray(sample.x)))
    rule = sample.rule
    assert all(value in rule.range for value in y.tolist())
    assert all(value in registry.range_of(rule.fn) for value in y.tolist())


@each([s for s in WRITTEN if s.rule.kind is Kind.LINEAR and s.rule.log_det is not None])
def test_log_det_is_that_of_the_jacobian(sample):
    x = jnp.asarray(sample.x)
    y = sample.run(x)
    stated = sample.evaluate(sample.rule.log_det, x, y)
    core = x.ndim if sample.rule.core is None else sample.rule.core
    total = jnp.sum(jnp.broadcast_to(stated, x.shape[: x.ndim - core]))
    assert_allclose(total, _dense_log_det(sample, x), rtol=1e-8, atol=1e-8)


def _dense_log_det(sample, x):
    """Return log |det| of the Jacobian, of the complex one where the function is holomorphic."""
    is_complex = jnp.iscomplexobj(x)
    flat = lambda v: sample.run(v.reshape(x.shape)).ravel()
    if sample.rule.name == "vecmat":
        is_complex = False
    jacobian = jax.jacfwd(flat, holomorphic=is_complex)(x.ravel())
    return jnp.linalg.slogdet(jacobian)[1]


def _has_log_slope(sample):
    is_holomorphic = sample.rule.name not in ("conj", "complex_of_real", "complex_of_imag")
    return sample.rule.kind is Kind.ELEMENTWISE and sample.rule.log_slope and is_holomorphic


@each([s for s in WRITTEN if _has_log_slope(s)])
def test_log_slopes_sum_to_the_log_det_of_the_jacobian(sample):
    x = jnp.asarray(sample.x)
    stated = sample.evaluate(sample.rule.log_slope, x, sample.run(x))
    total = jnp.sum(jnp.broadcast_to(stated, x.shape))
    assert_allclose(total, _dense_log_det(sample, x), rtol=1e-8, atol=1e-8)


@each([s for s in WRITTEN if s.rule.kind is Kind.STRUCTURAL])
def test_structural_rules_move_elements(sample):
    parts = jax.tree.leaves(sample.run(jnp.asarray(sample.x)))
    before, after = np.ravel(sample.x), np.concatenate([np.ravel(part) for part in parts])
    assert_array_equal(np.sort(before), np.sort(after.real))


# `ndtri` and the like are for float32 and float64 only, and say so.
SINGLE_OR_DOUBLE = ("ndtr", "ndtri", "log_ndtr", "erfc", "erfcinv")
SINGLE_OR_DOUBLE += ("norm_cdf", "norm_sf", "norm_ppf", "norm_isf", "norm_logcdf", "norm_logsf")
SINGLE_OR_DOUBLE += ("truncnorm_cdf", "truncnorm_sf", "truncnorm_logcdf", "truncnorm_logsf")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@each(ELEMENTWISE)
def test_dtype_is_kept(sample, dtype):
    # inverse and log-slope are what inverses and log-dets are made of
    x = jnp.asarray(sample.x, dtype)
    if sample.rule.name in SINGLE_OR_DOUBLE and dtype != "float32":
        return
    y = sample.run(x)
    if y.dtype != x.dtype:
        pytest.skip(f"the function itself makes {y.dtype} of {x.dtype}")
    assert sample.inverse(y, like=x).dtype == x.dtype
    for stated in log_slopes(sample, x, y):
        assert jnp.promote_types(jnp.result_type(stated), x.dtype) == x.dtype or _is_weak(stated)


def _is_weak(value):
    return isinstance(value, float) or getattr(value, "weak_type", False)


@each(ELEMENTWISE)
def test_empty_arrays(sample):
    x = jnp.zeros((0, 2))
    y = sample.run(x)
    assert sample.inverse(y, like=x).shape == (0, 2)
    for stated in log_slopes(sample, x, y):
        assert jnp.broadcast_shapes(jnp.shape(stated), (0, 2)) == (0, 2)


@each([s for s in ELEMENTWISE if s.rule.numbers & Numbers.INTEGER])
def test_integers_wrap_back(sample):
    if any(isinstance(value, float) for value in sample.known.values()):
        known = {name: 3 for name in sample.known}
    else:
        known = sample.known
    names = list(known) + [sample.rule.argument]
    x = jnp.array([0, 1, 2, 100], "int32")
    if sample.rule.domain.hi == 0:
        x = -x
    args = {**known, sample.rule.argument: x}
    order = sorted(names)
    y = sample.rule.fn(*(args[name] for name in order))
    values = {**args, "y": y}
    wanted = sample.rule.inverse.__code__.co_varnames[: sample.rule.inverse.__code__.co_argcount]
    back = sample.rule.inverse(**{name: values[name] for name in wanted})
    assert back.dtype == x.dtype
    assert_array_equal(back, x)
