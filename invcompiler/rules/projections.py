"""The projection of a value on a known vector, computed from the value itself and from what it was made of."""

# fmt: off

from __future__ import annotations

from typing import Any

from invcompiler.rules.simplices import Formula


def same_number(of_output: Any, of_operand: Any, output: Any, operand: Any) -> Any:
    """State that two values are the same number, computed from an output and from the operand that it was made of."""
    return of_output


class projection_undone(Formula):
    "the projection of the output"
    def solve(y):                   return y
    def log_term():                 return 0.0
