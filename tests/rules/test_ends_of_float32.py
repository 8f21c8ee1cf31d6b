"""Rules in float32 over all of its range agree with float64, as far as the last digit of what is given says."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.rules.samples import elementwise_samples

pytestmark = pytest.mark.usefixtures("double_precision")

with jax.enable_x64(True):
    SAMPLES = [s for s in elementwise_samples() if s.rule.fn is not jnp.interp]

SIZES = np.array([1e-37, 1e-20, 1e-7, 1e-4, 0.03, 0.3, 0.7, 1.5, 4.0, 20.0, 90.0, 1e4, 1e10, 1e30])
EPS = float(np.finfo(np.float32).eps)


# A difference of numbers near each other is what remains of theirs.
LEAST = {"gumbel_r_logsf": 40 * EPS, "gumbel_l_logcdf": 40 * EPS}


def values_in(interval) -> np.ndarray:
    """Return numbers of float32 of all sizes inside an interval, and next to its ends."""
    candidates = np.concatenate([SIZES, -SIZES, [0.0]])
    for end in (interval.lo, interval.hi):
        if np.isfinite(end):
            near = np.concatenate([end + SIZES, end - SIZES])
            next_to = [np.nextafter(np.float32(end), np.float32(to)) for to in (-np.inf, np.inf)]
            candidates = np.concatenate([candidates, near, next_to])
    kept = np.unique(candidates.astype(np.float32))
    normal = [v for v in kept if v == 0 or abs(v) >= np.finfo(np.float32).tiny]
    return np.array([v for v in normal if interval.lo < v < interval.hi], np.float32)


def on_the_way_back(sample, y):
    """Return the argument and the log-slope for a given value."""
    x = sample.inverse(y, like=y)
    log_slope = sample.rule.log_slope_towards(forward=False)
    return x, jnp.broadcast_to(sample.evaluate(log_slope, x, y), y.shape)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.label)
def test_the_way_back(sample):
    values = values_in(sample.rule.range)
    found = on_the_way_back(sample, jnp.asarray(values))
    exact = on_the_way_back(sample, jnp.asarray(values.astype(np.float64)))
    around = [
        on_the_way_back(sample, jnp.asarray(np.nextafter(values, np.float32(to)).astype(float)))
        for to in (-np.inf, np.inf)
    ]
    x = abs(np.asarray(exact[0], float))
    in_range = (x < 1e37) & ((x > 1e-37) | (x == 0))
    is_power = sample.rule.name.startswith("power")  # the exponent has a last digit, too
    known = EPS * x * abs(np.log(np.where(x > 0, x, 1))) if is_power else 0.0
    for place, what in enumerate(("inverse", "log-slope")):
        got, want, below, above = (np.asarray(p[place], float) for p in (found, exact, *around))
        with np.errstate(invalid="ignore"):
            last_digit = abs(below - want) + abs(above - want)
            least = 1e-37 if what == "inverse" else LEAST.get(sample.rule.name, 4 * EPS)
            tolerance = least + known + 8 * EPS * abs(want) + 4 * last_digit
            bad = (
                in_range
                & np.isfinite(last_digit)
                & (abs(want) < 1e37)
                & ~(abs(got - want) <= tolerance)
            )
        assert not bad.any(), f"{what} of {values[bad]}: {got[bad]} for {want[bad]}"
