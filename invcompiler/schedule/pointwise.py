"""Calls of which each element of the value depends on the same element of the operands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from invcompiler.ir.nodes import Equation, Var
from invcompiler.ir.walk import operands
from invcompiler.rules.canonical import Call
from invcompiler.rules.registry import Kind, inverse_rules

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_POINTWISE = {
    jnp.where, jnp.abs, jnp.sign, jnp.maximum, jnp.minimum, jax.nn.relu, jnp.greater, jnp.less,
    jnp.greater_equal, jnp.less_equal, jnp.equal, jnp.not_equal, jnp.logical_and, jnp.logical_or,
    jnp.logical_not, jnp.logical_xor, jnp.bitwise_and, jnp.bitwise_or, jnp.bitwise_xor,
    jnp.bitwise_not, jnp.invert, jnp.isfinite, jnp.isnan, jnp.clip, jnp.square, jnp.floor,
    jnp.sin, jnp.cos, jnp.cosh, jnp.ceil, jnp.sqrt,
}  # fmt: skip


def is_pointwise(call: Call) -> bool:
    """Whether each element of the value depends on the same element of the operands."""
    if call.fn in _POINTWISE:
        return True
    rules = inverse_rules(call.fn)
    return bool(rules) and all(rule.kind is Kind.ELEMENTWISE for rule in rules)


def between(solver: Solver, out: Var, source: Var) -> list[Equation] | None:
    """Return the equations from `source` to `out`, in order; None if some cannot be told."""
    found: set[Equation] = set()
    waiting = [out]
    while waiting:
        equation = solver.graph.defining.get(waiting.pop())
        if equation is None:
            return None
        if equation in found:
            continue
        found.add(equation)
        waiting += [v for v in operands(equation) if v not in solver.known and v is not source]
    return [e for e in solver.graph.equations if e in found]
