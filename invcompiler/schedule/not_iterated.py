"""Why a part of a program cannot be solved by iteration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NotIterated:
    """`waits` if the answer is open until shapes are known; `drops` if the value is seen not to determine the unknown."""

    reason: str
    hint: str
    waits: bool = False
    drops: bool = False


__all__ = ["NotIterated"]
