"""Every value lies in the interval that is told of it."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invcompiler.frontend import read
from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.interval import NONNEGATIVE, POSITIVE, REAL, UNIT, Interval
from invcompiler.ir.nodes import Loop
from invcompiler.schedule.domains import intervals
from invcompiler.schedule.facts import concrete_facts, symbolic_facts

SCALE = jnp.array([2.0, 3.0])


def assume(value, domain):
    return value


def of_result(fn, *declared, facts=None, **options):
    """Return the interval of what `fn` returns, its parameters being declared to be somewhere."""
    function = read(fn)
    given = {p.var: d for p, d in zip(function.params, declared, strict=False) if d is not None}
    found = intervals(function, facts or symbolic_facts(function), given, assume=assume, **options)
    return found.get(function.body.result, REAL)


RANGES = [
    (lambda x: jnp.exp(x), REAL, POSITIVE),
    (lambda x: x**2, REAL, NONNEGATIVE),
    (lambda x: x * x, REAL, NONNEGATIVE),
    (lambda x: x**3, REAL, REAL),
    (lambda x: x**3 + x, POSITIVE, POSITIVE),
    (lambda x: jax.nn.sigmoid(x), REAL, UNIT),
    (lambda x: 1 - jax.nn.sigmoid(x), REAL, UNIT),
    (lambda x: 2 * x - 1, UNIT, Interval(-1, 1, True, True)),
    (lambda x: jnp.log(x), UNIT, Interval(-math.inf, 0, hi_open=True)),
    (lambda x: -jnp.log(x), UNIT, POSITIVE),
    (lambda x: jnp.log1p(jnp.exp(x)), REAL, POSITIVE),
    (lambda x: jnp.sqrt(1 + x**2), REAL, Interval(1, math.inf)),
    (lambda x: jnp.maximum(x, 0.5), REAL, Interval(0.5, math.inf)),
    (lambda x: jnp.clip(x, 0, 1), REAL, Interval(0, 1)),
    (lambda x: jnp.where(x > 0, 1.0, jnp.exp(x)), REAL, POSITIVE),
    (lambda x: jnp.exp(x).reshape(-1)[::-1].T, REAL, POSITIVE),
    (lambda x: jnp.concatenate([jnp.exp(x), x**2]), REAL, NONNEGATIVE),
    (lambda x: jnp.split(jnp.exp(x), 2)[0], REAL, POSITIVE),
    (lambda x: (jnp.exp(x), 2.0)[0], REAL, POSITIVE),
    (lambda x: assume(x, "positive") * 2, REAL, POSITIVE),
    (lambda x: assume(x, domain=Interval(-math.inf, 0)) ** 2, REAL, NONNEGATIVE),
    (lambda x: 1 / jnp.cosh(x), REAL, Interval(0, 1, lo_open=True)),
    (lambda x: jnp.abs(x).sum(), REAL, NONNEGATIVE),
    (lambda x: x.at[0].set(1.0), POSITIVE, POSITIVE),
    (lambda x: x.shape[0], UNIT, REAL),
    (lambda x: x % 2.0, REAL, Interval(0, 2)),
    (lambda x: x**-2, REAL, POSITIVE),
    (lambda x: x**0.5, REAL, NONNEGATIVE),
    (lambda x: 2.0**x, REAL, POSITIVE),
    (lambda x: jnp.tanh(jnp.exp(x)), REAL, Interval(0, 1, True, True)),
    (lambda x: x / x, REAL, REAL),
]


@pytest.mark.parametrize(("fn", "declared", "expected"), RANGES)
def test_ranges(fn, declared, expected):
    assert of_result(fn, declared) == expected


def test_captured_values_may_change():
    assert of_result(lambda x: jnp.exp(x) * SCALE) == REAL
    assert of_result(lambda x: jnp.exp(x) * SCALE, captured=True) == POSITIVE


def test_integers_wrap():
    def f(x):
        return x * x, jnp.abs(x), x - 1

    function = read(f)
    x = function.params[0].var
    for dtype in ("int32", "uint8"):
        facts = concrete_facts(function, {x: jnp.ones(3, dtype)})
        found = intervals(function, facts)
        expected = NONNEGATIVE if dtype == "uint8" else REAL
        assert [found.get(tree, REAL) for tree in function.body.result.items] == [expected] * 3


def test_complex_numbers_have_no_sign():
    def f(z):
        return z * z, jnp.abs(z)

    function = read(f)
    facts = concrete_facts(function, {function.params[0].var: jnp.ones(3, "complex64")})
    found = intervals(function, facts)
    square, size = function.body.result.items
    assert square not in found and found[size] == NONNEGATIVE


def test_loops_keep_what_every_step_keeps():
    def grows(x, weights):
        for w in weights:
            x = x * jnp.exp(w) + x
        return x

    def falls(x, n):
        for _ in range(n):
            x = x - 1
        return x

    def scanned(x, xs):
        def step(c, row):
            new = jnp.abs(c) + jnp.exp(row)
            return new, jnp.log(new)

        return jax.lax.scan(step, x, xs)

    assert of_result(grows, POSITIVE) == POSITIVE
    assert of_result(falls, UNIT) == REAL
    function = read(scanned)
    found = intervals(function, symbolic_facts(function), {function.params[0].var: NONNEGATIVE})
    (loop,) = [e for e in function.body.equations if isinstance(e, Loop)]
    assert found.get(loop.body.params[0]) == NONNEGATIVE
    assert found.get(loop.outs[0]) == NONNEGATIVE
    assert loop.outs[1] not in found


def test_branches_are_joined():
    def f(x, flag):
        if flag:
            y = jnp.exp(x)
        else:
            y = jax.nn.sigmoid(x)
        return y

    assert of_result(f) == POSITIVE


def test_calls_are_real_unless_someone_knows():
    def helper(x):
        return jnp.exp(x)

    def f(x):
        return helper(x)

    assert of_result(f) == REAL
    assert of_result(f, result_of=lambda apply, of: POSITIVE) == POSITIVE


UNARY = [jnp.exp, jnp.tanh, jnp.abs, jnp.square, jnp.cosh, jax.nn.softplus, jax.nn.relu, jnp.arctan]
UNARY += [jnp.negative, jax.nn.sigmoid, jnp.sin, jnp.cbrt, jnp.expm1, jax.nn.log_sigmoid]
BINARY = [jnp.add, jnp.subtract, jnp.multiply, jnp.maximum, jnp.minimum, jnp.divide]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(range(len(UNARY) + len(BINARY))), min_size=1, max_size=6),
    st.sampled_from([REAL, POSITIVE, UNIT, Interval(-2, 3)]),
    st.floats(0.01, 0.99),
)
def test_random_programs_stay_in_their_intervals(choices, domain, place):
    from invcompiler.ir.build import Builder
    from invcompiler.ir.nodes import Function, Param, ParameterKind, Ref, Var

    x, builder = Var("x"), Builder()
    values = [x]
    for i, choice in enumerate(choices):
        fn = (*UNARY, *BINARY)[choice]
        args = (values[-1],) if choice < len(UNARY) else (values[-1], values[i // 2])
        values.append(builder.apply(Ref(fn, "fn"), args))
    function = Function(
        "f", (Param(x, ParameterKind.POSITIONAL_OR_KEYWORD),), builder.block((), values[-1])
    )
    lo, hi = max(domain.lo, -3.0), min(domain.hi, 4.0)
    found = intervals(function, symbolic_facts(function), {x: domain})
    with jax.enable_x64(True):
        seen = {}
        evaluate(function, (np.float64(lo + place * (hi - lo)),), observe=seen.__setitem__)
    for var, interval in found.items():
        value = float(seen[var])
        slack = 1e-9 * max(1.0, abs(value))
        assert not math.isfinite(value) or interval.lo - slack <= value <= interval.hi + slack
