"""`assume`: the identity when run, a statement of where a value lives to the compiler."""

from __future__ import annotations

from typing import Any

from invcompiler.ir.interval import Interval, parse_domain
from invcompiler.rules.registry import structural


def assume(value: Any, domain: str | Interval) -> Any:
    """Return `value`; say that all elements of it lie in `domain`.

    `domain` is an `Interval` or one of "real", "positive", "nonnegative", "unit". The compiler takes it for granted when it
    chooses between branches of an inverse: `inv.assume(h, "positive") ** 2` is inverted by the positive root.
    Raises ValueError for a domain that is not one.
    """
    parse_domain(domain)
    return value


@structural(assume)
class assume_is_the_identity:
    def inverse(y):
        return y
