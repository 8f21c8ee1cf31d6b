"""What the author of one function states of its inverse: the rules of `inv.custom_inverse`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class UnaryRule:
    """The inverse of a function of one argument, and log|d in / d out| for each element; at least one of them is stated."""

    inverse: Callable[[Any], Any] | None
    ildj: Callable[[Any], Any] | None


@dataclass(frozen=True, eq=False)
class GeneralRule:
    """`rule(invals, outvals, out_ildjs) -> (invals, ildjs)`, with None for what is unknown."""

    rule: Callable[..., Any]


__all__ = ["GeneralRule", "UnaryRule"]
