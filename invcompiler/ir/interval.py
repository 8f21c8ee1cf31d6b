"""Intervals of real numbers: where a value lives.

What is computed from intervals contains every value that the operation takes on them: a bound that cannot be represented is
rounded outwards. Statements are about finite values: an infinite end is never attained, and NaN lives nowhere.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

_INF = math.inf
_MAX = sys.float_info.max


@dataclass(frozen=True)
class Interval:
    """The real numbers from `lo` to `hi`, each end included unless it is declared open or infinite.

    Raises TypeError for ends that are not real numbers, ValueError if no number lies between them.

    >>> Interval(0, 1, hi_open=True)
    Interval(lo=0.0, hi=1.0, lo_open=False, hi_open=True)
    """

    lo: float
    hi: float
    lo_open: bool = False
    hi_open: bool = False

    def __post_init__(self) -> None:
        lo, hi = _as_float(self.lo), _as_float(self.hi)
        object.__setattr__(self, "lo", lo)
        object.__setattr__(self, "hi", hi)
        object.__setattr__(self, "lo_open", bool(self.lo_open) or lo == -_INF)
        object.__setattr__(self, "hi_open", bool(self.hi_open) or hi == _INF)
        if not (lo < hi or (lo == hi and not self.lo_open and not self.hi_open)):
            raise ValueError(f"no number lies in the interval from {lo} to {hi}")

    # ---- questions ------------------------------------------------------------------------------

    def __contains__(self, value: float) -> bool:
        """Whether the number `value` lies in the interval."""
        above = self.lo < value or (self.lo == value and not self.lo_open)
        return above and (value < self.hi or (value == self.hi and not self.hi_open))

    def includes(self, other: Interval) -> bool:
        """Whether every number of `other` lies in this interval."""
        lower = self.lo < other.lo or (self.lo == other.lo and self.lo_open <= other.lo_open)
        upper = other.hi < self.hi or (self.hi == other.hi and self.hi_open <= other.hi_open)
        return lower and upper

    @property
    def is_positive(self) -> bool:
        return POSITIVE.includes(self)

    @property
    def is_negative(self) -> bool:
        return NEGATIVE.includes(self)

    @property
    def is_nonnegative(self) -> bool:
        return NONNEGATIVE.includes(self)

    @property
    def is_nonpositive(self) -> bool:
        return NONPOSITIVE.includes(self)

    @property
    def is_bounded(self) -> bool:
        return -_INF < self.lo and self.hi < _INF

    # ---- sets -----------------------------------------------------------------------------------

    def intersection(self, other: Interval) -> Interval | None:
        """Return the numbers in both, None if there are none."""
        if other is REAL or self is other:
            return self
        if self is REAL:
            return other
        lo = max(_lower(self), _lower(other), key=lambda end: (end.value, end.is_open))
        hi = min(_upper(self), _upper(other), key=lambda end: (end.value, not end.is_open))
        if lo.value < hi.value or (lo.value == hi.value and not lo.is_open and not hi.is_open):
            return Interval(lo.value, hi.value, lo.is_open, hi.is_open)
        return None

    def hull(self, other: Interval) -> Interval:
        """Return the least interval that includes both."""
        return _spanned([_lower(self), _upper(self), _lower(other), _upper(other)])

    # ---- arithmetic -----------------------------------------------------------------------------

    def __neg__(self) -> Interval:
        return Interval(-self.hi, -self.lo, self.hi_open, self.lo_open)

    def __add__(self, other: Interval) -> Interval:
        if self is REAL or other is REAL:
            return REAL
        lo, hi = _sum(_lower(self), _lower(other), -_INF), _sum(_upper(self), _upper(other), _INF)
        return _between(lo, hi)

    def __sub__(self, other: Interval) -> Interval:
        return self + -other

    def __mul__(self, other: Interval) -> Interval:
        corners = [
            (a, b) for a in (_lower(self), _upper(self)) for b in (_lower(other), _upper(other))
        ]
        lo = min((_product(a, b, -_INF) for a, b in corners), key=lambda e: (e.value, e.is_open))
        hi = max((_product(a, b, _INF) for a, b in corners), key=lambda e: (e.value, not e.is_open))
        return _between(lo, hi)

    def __truediv__(self, other: Interval) -> Interval:
        return self * other.reciprocal()

    def scale(self, factor: float) -> Interval:
        """Return the interval of `factor * x`."""
        return self * point(factor)

    def reciprocal(self) -> Interval:
        """Return the interval of the finite values of `1 / x`."""
        if self.is_nonnegative and self.hi > 0:
            return self.image(_reciprocal, increasing=False, within=POSITIVE)
        if self.is_nonpositive and self.lo < 0:
            return -(-self).reciprocal()
        return REAL

    def __abs__(self) -> Interval:
        if self.is_nonnegative:
            return self
        if self.is_nonpositive:
            return -self
        return _between(_End(0.0, False), max(_upper(self), _upper(-self), key=_closedness))

    def power(self, exponent: float) -> Interval:
        """Return the interval of the real values of `x ** exponent`."""
        if exponent == 0:
            return point(1.0)
        if not math.isfinite(exponent):
            return REAL
        if exponent < 0:
            return self.power(-exponent).reciprocal()
        if exponent == 1:
            return self
        grow = lambda x: _power(x, exponent)
        if not float(exponent).is_integer():
            base = self.intersection(NONNEGATIVE)
            return NONNEGATIVE if base is None else base.image(grow, within=NONNEGATIVE)
        if float(exponent) % 2 == 1:
            return self.image(grow)
        return abs(self).image(grow, within=NONNEGATIVE if 0.0 in self else POSITIVE)

    def minimum(self, other: Interval) -> Interval:
        lo = min(_lower(self), _lower(other), key=lambda end: (end.value, end.is_open))
        hi = min(_upper(self), _upper(other), key=lambda end: (end.value, not end.is_open))
        return _between(lo, hi)

    def maximum(self, other: Interval) -> Interval:
        return -(-self).minimum(-other)

    def image(
        self,
        fn: Callable[[float], float],
        *,
        increasing: bool = True,
        within: Interval | None = None,
    ) -> Interval:
        """Return the interval of `fn(x)` for a monotone `fn`, whose values lie `within`.

        `fn` takes and returns floats, limits at infinite ends included, with an error of at most one unit in the
        last place; it may raise OverflowError for values beyond all floats, ValueError where it has no limit.
        """
        ends = (_lower(self), _upper(self)) if increasing else (_upper(self), _lower(self))
        lo, hi = (_mapped(fn, end, way) for end, way in zip(ends, (-_INF, _INF), strict=True))
        found = _between(lo, hi)
        return found if within is None else found.intersection(within) or within


class _End(NamedTuple):
    value: float
    is_open: bool


def _lower(interval: Interval) -> _End:
    return _End(interval.lo, interval.lo_open)


def _upper(interval: Interval) -> _End:
    return _End(interval.hi, interval.hi_open)


def _closedness(end: _End) -> tuple[float, bool]:
    return (end.value, not end.is_open)


def _as_float(value: object) -> float:
    if type(value) is float and value == value:
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        item = getattr(value, "item", None)  # a scalar array
        value = item() if callable(item) and getattr(value, "ndim", None) == 0 else value
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"the end of an interval is a real number, not {value!r}")
    if math.isnan(value):
        raise ValueError("the end of an interval is a number, not nan")
    return float(value)


def _between(lo: _End, hi: _End) -> Interval:
    """Return the interval with these ends, where a finite number rounded to an infinity is the largest float."""
    low, high = min(lo.value, _MAX), max(hi.value, -_MAX)
    is_point = low == high
    return Interval(low, high, lo.is_open and not is_point, hi.is_open and not is_point)


def _spanned(ends: list[_End]) -> Interval:
    lo = min(ends, key=lambda end: (end.value, end.is_open))
    return _between(lo, max(ends, key=_closedness))


def _outward(value: float, exact: bool, way: float) -> float:
    return value if exact or math.isinf(value) else math.nextafter(value, way)


def _sum(a: _End, b: _End, way: float) -> _End:
    value = a.value + b.value
    if math.isnan(value):
        return _End(way, True)
    if math.isinf(value):
        return _End(value, True)
    exact = Fraction(a.value) + Fraction(b.value) == value
    return _End(_outward(value, exact, way), exact and (a.is_open or b.is_open))


def _product(a: _End, b: _End, way: float) -> _End:
    if a.value == 0 or b.value == 0:
        attained = any(end.value == 0 and not end.is_open for end in (a, b))
        return _End(0.0, not attained)
    value = a.value * b.value
    if math.isinf(value):
        return _End(value, True)
    exact = Fraction(a.value) * Fraction(b.value) == value
    return _End(_outward(value, exact, way), exact and (a.is_open or b.is_open))


def _mapped(fn: Callable[[float], float], end: _End, way: float) -> _End:
    try:
        value = float(fn(end.value))
    except (OverflowError, ValueError):
        return _End(way, True)
    if math.isnan(value):
        return _End(way, True)
    # Where handbooks have a value, so have the libraries: log(1) is 0, exp(-inf) is 0, sigmoid(0) a half.
    exact = abs(end.value) in (0.0, 1.0, _INF) and (math.isinf(value) or (2 * value).is_integer())
    return _End(_outward(value, exact, way), end.is_open and exact)


def _reciprocal(x: float) -> float:
    return _INF if x == 0 else 1 / x


def _power(x: float, exponent: float) -> float:
    if exponent == int(exponent) and x < 0:
        return -math.pow(-x, exponent) if exponent % 2 == 1 else math.pow(-x, exponent)
    return math.pow(x, exponent)


REAL = Interval(-_INF, _INF)
POSITIVE = Interval(0, _INF, lo_open=True)
NONNEGATIVE = Interval(0, _INF)
NEGATIVE = Interval(-_INF, 0, hi_open=True)
NONPOSITIVE = Interval(-_INF, 0)
UNIT = Interval(0, 1, lo_open=True, hi_open=True)

_DOMAINS = {"real": REAL, "positive": POSITIVE, "nonnegative": NONNEGATIVE, "unit": UNIT}


def point(value: float) -> Interval:
    """Return the interval of one number; all reals for an infinity or NaN."""
    value = float(value)
    return Interval(value, value) if math.isfinite(value) else REAL


def hull_of(values: Any) -> Interval | None:
    """Return the least interval that holds the real numbers of an array, None if there are none or not all are finite."""
    values = np.asarray(values)
    if not values.size or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        return None
    return Interval(float(values.min()), float(values.max()))


def parse_domain(domain: str | Interval) -> Interval:
    """Return the interval that `domain` names; raises TypeError or ValueError for anything else."""
    if isinstance(domain, Interval):
        return domain
    if not isinstance(domain, str):
        raise TypeError(f"a domain is an Interval or a name of one, not {domain!r}")
    if domain not in _DOMAINS:
        raise ValueError(f"{domain!r} is not a domain: {', '.join(map(repr, _DOMAINS))} are")
    return _DOMAINS[domain]


__all__ = [
    "NEGATIVE",
    "NONNEGATIVE",
    "NONPOSITIVE",
    "POSITIVE",
    "REAL",
    "UNIT",
    "Interval",
    "hull_of",
    "parse_domain",
    "point",
]
