"""Numbers that Python works out when emitted code runs, whatever its arguments are: `2**0.5`, `math.log(2)`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Apply, Ref, Tree, Var
from invcompiler.rules.equation import number

Number = int | float

_ARITHMETIC = {
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    operator.neg,
}


def worked_out(equation: Apply, number: Callable[[Tree], int | float | None]) -> int | float | None:
    """Return the number that Python makes of numbers when it runs the call, if it is one like `2**0.5` or `math.log(2)`."""
    fn = equation.fn.value if isinstance(equation.fn, Ref) else None
    if fn is None or equation.kwargs or not _is_of_numbers(fn):
        return None
    numbers = [number(arg) for arg in equation.args]
    if not numbers or None in numbers:
        return None
    try:
        value = fn(*numbers)
    except (ArithmeticError, ValueError, TypeError):
        return None
    return _plain(value)


def _is_of_numbers(fn: Any) -> bool:
    if isinstance(fn, np.ufunc) or module_of(fn) == "math":
        return True
    return isinstance(fn, BuiltinFunctionType) and fn in _ARITHMETIC


def _plain(value: Any) -> Number | None:
    if isinstance(value, np.floating):
        return float(value)
    return value if type(value) in (int, float) else None


def module_of(fn: Any) -> str:
    return (getattr(fn, "__module__", None) or "").partition(".")[0]


def number_in(builder: Builder, tree: Tree) -> Number | None:
    """Return the number that `tree` is, by what the builder has of it."""
    if not isinstance(tree, Var):
        return number(tree)
    equation = builder.definition(tree)
    if not isinstance(equation, Apply):
        return None
    if isinstance(equation.fn, Ref) and equation.fn.value is jnp.sqrt:
        square = number_in(builder, equation.args[0])
        return None if square is None or square < 0 else math.sqrt(square)
    return worked_out(equation, lambda operand: number_in(builder, operand))


__all__ = ["Number", "module_of", "number_in", "worked_out"]
