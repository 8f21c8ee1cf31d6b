"""Whatever lies in the operands' intervals, the result lies in the result's."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from invcompiler.ir.interval import NONNEGATIVE, POSITIVE, REAL, UNIT, Interval, parse_domain, point

NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, -0.25])


@st.composite
def intervals_and_members(draw):
    value = draw(NUMBERS)
    lo = draw(st.just(-math.inf) | st.just(value) | st.floats(-1e7, value))
    hi = draw(st.just(math.inf) | st.just(value) | st.floats(value, 1e7))
    return Interval(
        lo, hi, lo < value and draw(st.booleans()), hi > value and draw(st.booleans())
    ), value


def holds(interval, exact):
    """Whether a rational number lies in the interval."""
    above = exact > interval.lo or (exact == interval.lo and not interval.lo_open)
    return above and (exact < interval.hi or (exact == interval.hi and not interval.hi_open))


@given(intervals_and_members(), intervals_and_members())
def test_arithmetic_is_sound(first, second):
    (a, x), (b, y) = first, second
    exact_x, exact_y = Fraction(x), Fraction(y)
    assert holds(a + b, exact_x + exact_y)
    assert holds(a - b, exact_x - exact_y)
    assert holds(a * b, exact_x * exact_y)
    assert holds(-a, -exact_x)
    assert holds(abs(a), abs(exact_x))
    assert holds(a.minimum(b), min(exact_x, exact_y))
    assert holds(a.maximum(b), max(exact_x, exact_y))
    assert holds(a.hull(b), exact_x)
    assert holds(a.hull(b), exact_y)
    if y != 0:
        assert holds(a / b, exact_x / exact_y)


@given(intervals_and_members(), st.integers(-4, 5))
def test_integer_powers_are_sound(drawn, exponent):
    a, x = drawn
    assume(x != 0 or exponent >= 0)
    assert holds(a.power(exponent), Fraction(x) ** exponent)


@given(intervals_and_members(), st.sampled_from([0.5, 1.5, -0.5, 1 / 3]))
def test_fractional_powers_are_sound(drawn, exponent):
    a, x = drawn
    assume(x > 0)
    assert x**exponent in a.power(exponent)


@given(intervals_and_members())
def test_images_are_sound(drawn):
    a, x = drawn
    assume(abs(x) < 500)
    assert math.exp(x) in a.image(math.exp, within=POSITIVE)
    assert math.atan(x) in a.image(math.atan)
    assert -x in a.image(lambda v: -v, increasing=False)


@given(intervals_and_members(), intervals_and_members())
def test_sets(first, second):
    (a, x), (b, _) = first, second
    both = a.intersection(b)
    assert (x in b) == (both is not None and x in both)
    assert both is None or (a.includes(both) and b.includes(both))
    assert a.hull(b).includes(a)
    assert not a.includes(b) or a.hull(b) == a


def test_handbook_values_stay_exact():
    assert NONNEGATIVE.image(math.exp, within=POSITIVE) == Interval(1, math.inf)
    assert POSITIVE.reciprocal() == POSITIVE
    assert point(1) - UNIT == UNIT
    assert point(2) * UNIT - point(1) == Interval(-1, 1, True, True)
    assert REAL.power(2) == NONNEGATIVE
    assert POSITIVE.power(0.5) == POSITIVE
    assert REAL.power(3) == REAL
    assert POSITIVE.power(-2) == POSITIVE
    assert Interval(-2, 3).power(2) == Interval(0, math.nextafter(9, math.inf))


def test_signs():
    assert POSITIVE.is_positive and not NONNEGATIVE.is_positive and NONNEGATIVE.is_nonnegative
    assert (-POSITIVE).is_negative and (-NONNEGATIVE).is_nonpositive


def test_overflow_is_outward():
    assert point(1e308) + point(1e308) == Interval(1.7976931348623157e308, math.inf, True)
    assert point(1000).image(math.exp).hi == math.inf


def test_domains_by_name():
    assert parse_domain("unit") == Interval(0, 1, True, True)
    assert parse_domain(UNIT) is UNIT
    with pytest.raises(ValueError, match="'real', 'positive', 'nonnegative', 'unit'"):
        parse_domain("reals")
    with pytest.raises(TypeError):
        parse_domain(0)


def test_ends_are_real_numbers_in_order():
    assert Interval(np.float32(1), np.array(2)) == Interval(1, 2)
    for lo, hi, error in [("0", 1, TypeError), (2, 1, ValueError), (math.nan, 1, ValueError)]:
        with pytest.raises(error):
            Interval(lo, hi)
    with pytest.raises(ValueError, match="no number"):
        Interval(1, 1, lo_open=True)
