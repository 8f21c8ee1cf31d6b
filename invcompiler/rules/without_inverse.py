"""Functions of each element that have no rule, and why: most take one value at many places, some have no inverse in closed form.

A test enumerates the functions of `jnp`, `jax.nn`, `jax.scipy.special`, `jax.scipy.stats` and `lax`: each has a rule, is in one of these
tables, or does not act element by element. The reasons stand in error messages after the function's name.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import special, stats

from invcompiler.rules import (  # noqa: F401 -- of what has a rule no reason is given
    distributions,
    supports,
)
from invcompiler.rules.canonical import identity, key_of
from invcompiler.rules.registry import inverse_rules

_ROUNDS = "rounds, so that an interval of numbers has one value"
_ASKS = "answers with yes or no"
_CONSTANT = "gives the same for all numbers"
_MASKS = "overwrites bits, and so loses them"
_COUNTS = "counts bits, and many numbers have as many"
_DENSITY = "is a density, which rises and falls: two points have one value"
_DISCRETE = "is constant between whole numbers"
_OSCILLATES = "oscillates, so that many numbers have one value"
_TURNS = "rises and falls, so that two numbers have one value"
_CHOOSES = "gives one of its operands, and forgets the other"
_REPEATS = "gives one value to all numbers that differ by the divisor"

_NOT_INJECTIVE: list[tuple[str, ModuleType, str]] = [
    (_ROUNDS, jnp, "around ceil fix floor floor_divide rint round spacing trunc nextafter"),
    (_ROUNDS, lax, "ceil floor nextafter round reduce_precision"),
    (_ASKS, jnp, "sign signbit isfinite isinf isnan isneginf isposinf isreal iscomplex isclose isin"),
    (_ASKS, jnp, "equal not_equal greater greater_equal less less_equal logical_and logical_or"),
    (_ASKS, lax, "eq ne gt ge lt le is_finite sign"),
    (_ASKS, special, "gammasgn"),
    (_CONSTANT, jnp, "zeros_like ones_like empty_like full_like heaviside"),
    (_CONSTANT, lax, "full_like"),
    (_MASKS, jnp, "bitwise_and bitwise_or left_shift right_shift bitwise_left_shift"),
    (_MASKS, jnp, "bitwise_right_shift"),
    (_MASKS, lax, "bitwise_and bitwise_or shift_left shift_right_arithmetic shift_right_logical"),
    (_COUNTS, jnp, "bitwise_count"),
    (_COUNTS, lax, "clz population_count"),
    (_CHOOSES, jnp, "clip maximum minimum fmax fmin"),
    (_CHOOSES, lax, "clamp max min"),
    (_REPEATS, jnp, "mod remainder fmod"),
    (_REPEATS, lax, "rem"),
    (_OSCILLATES, jnp, "sinc"),
    (_TURNS, jnp, "i0"),
    (_TURNS, jax.nn, "gelu mish silu swish"),
    (_TURNS, special, "dawsn entr factorial gamma gammaln loggamma i0 i0e i1e kl_div rel_entr"),
    (_TURNS, special, "beta betaln comb poch multigammaln polygamma zeta expn hyp1f1 owens_t wofz"),
    (_TURNS, lax, "bessel_i0e bessel_i1e lgamma polygamma zeta igamma_grad_a random_gamma_grad"),
    ("gives one value to NaN and to 0", jnp, "nan_to_num"),
    ("keeps the angle, and drops the size", jnp, "angle"),
    ("keeps a part, and drops the other", jnp, "imag"),
    ("takes one value for many pairs", jnp, "gcd lcm"),
    ("keeps the upper half of a product, and drops the lower one", lax, "mulhi"),
    ("adds whole turns, whose number is lost", jnp, "unwrap"),
    *((_DISCRETE, getattr(stats, name), "cdf ppf") for name in ("bernoulli", "poisson")),
]  # fmt: skip

_NONE_IN_CLOSED_FORM = "has no inverse in closed form"
_NO_FORMULA: list[tuple[ModuleType, str]] = [
    (special, "betainc digamma erfcx exp1 expi gammainc gammaincc i1 spence"),
    (lax, "betainc digamma igamma igammac"),
    *((getattr(stats, name), "cdf logcdf sf logsf") for name in ("beta", "chi2", "gamma")),
    (stats.gennorm, "cdf"),
]


def _listed() -> Iterator[tuple[ModuleType, str, str]]:
    for reason, module, names in _NOT_INJECTIVE:
        yield from ((module, name, reason) for name in names.split())
    for module, names in _NO_FORMULA:
        yield from ((module, name, _NONE_IN_CLOSED_FORM) for name in names.split())
    for module in filter(inspect.ismodule, vars(stats).values()):
        for name in ("pdf", "logpdf", "pmf", "logpmf", "entropy"):
            if not inverse_rules(getattr(module, name, None)):
                yield module, name, _DENSITY


def reasons() -> Iterator[tuple[ModuleType, str, str]]:
    """Yield each function that is listed, as a name in a module, and what it does that leaves it without a rule."""
    seen = set()
    for module, name, reason in _listed():
        fn = getattr(module, name, None)  # not every version of JAX has all
        if fn is not None and identity(key_of(fn)) not in seen:
            seen.add(identity(key_of(fn)))
            yield module, name, reason


_REASONS = {identity(key_of(getattr(module, name))): why for module, name, why in reasons()}


def why_not(fn: Any) -> str | None:
    """Return what `fn` does that leaves it without an inverse rule; None if nothing is said of it."""
    return _REASONS.get(identity(key_of(fn)))


__all__ = ["reasons", "why_not"]
