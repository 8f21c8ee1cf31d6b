"""Unknowns that appear several times, but only linearly: `3*x - x`, `a*x + b*x + c`, and small systems `a + b, a - b`.

A known value whose equation is stuck is written as `sum(coefficient * root) + offset`, elementwise, where the roots are unknowns that
no affine equation takes apart. As many such values as roots, with the same roots, determine them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.nodes import Apply, Const, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.registry import Refusal
from invcompiler.schedule.plan import Collect

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_LARGEST_SYSTEM = 4


@dataclass(frozen=True, eq=False)
class Op:
    """An operation on coefficients, to be emitted; numbers are computed at once."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]


Coefficient = Any  # a number, a known Tree, or an Op


def add(one: Coefficient, other: Coefficient) -> Coefficient:
    if number(one) == 0:
        return other
    if _is_negative(other):
        return subtract(one, other.args[0])
    return one if number(other) == 0 else _made(operator.add, one, other)


def subtract(one: Coefficient, other: Coefficient) -> Coefficient:
    if number(other) == 0:
        return one
    if _is_negative(other):
        return add(one, other.args[0])
    return negative(other) if number(one) == 0 else _made(operator.sub, one, other)


def multiply(one: Coefficient, other: Coefficient) -> Coefficient:
    if 0 in (number(one), number(other)):
        return 0
    if number(one) == 1:
        return other
    if number(other) == 1:
        return one
    if _is_negative(one) or _is_negative(other):
        pair = [arg.args[0] if _is_negative(arg) else arg for arg in (one, other)]
        product = multiply(*pair)
        return product if _is_negative(one) and _is_negative(other) else negative(product)
    return _made(operator.mul, one, other)


def divide(one: Coefficient, other: Coefficient) -> Coefficient:
    return one if number(other) == 1 or number(one) == 0 else _made(operator.truediv, one, other)


def negative(one: Coefficient) -> Coefficient:
    return one.args[0] if _is_negative(one) else _made(operator.neg, one)


def _is_negative(coefficient: Coefficient) -> bool:
    return isinstance(coefficient, Op) and coefficient.fn is operator.neg


def _made(fn: Callable[..., Any], *args: Coefficient) -> Coefficient:
    numbers = [number(arg) for arg in args]
    if all(found is not None for found in numbers):
        return fn(*numbers)
    return Op(fn, args)


def number(value: Coefficient) -> Any:
    if isinstance(value, Const) and type(value.value) in (int, float):
        return value.value
    return value if type(value) in (int, float) else None


@dataclass
class Form:
    """`sum(coefficients[root] * root) + offset`."""

    coefficients: dict[Var, Coefficient]
    offset: Coefficient

    def combined(self, other: Form, combine: Callable) -> Form:
        roots = dict.fromkeys((*self.coefficients, *other.coefficients))
        both = {
            root: combine(self.coefficients.get(root, 0), other.coefficients.get(root, 0))
            for root in roots
        }
        return Form(both, combine(self.offset, other.offset))

    def mapped(self, fn: Callable) -> Form:
        return Form({root: fn(c) for root, c in self.coefficients.items()}, fn(self.offset))


def collect(solver: Solver) -> Collect | None:
    """Return the step that solves the first system that determines its roots."""
    systems: dict[tuple[Var, ...], list[tuple[Var, Form]]] = {}
    for equation in _stuck(solver):
        form = form_of(solver, equation.out)
        if form is None:
            continue
        roots = tuple(sorted(form.coefficients, key=solver.order))
        if not same_shapes(solver, (equation.out, *roots)):
            continue
        rows = systems.setdefault(roots, [])
        rows.append((equation.out, form))
        if len(rows) == len(roots) <= _LARGEST_SYSTEM:
            step = _system(solver, equation, roots, rows)
            if step is not None:
                return step
    return _entangled_system(solver, systems)


def _entangled_system(
    solver: Solver, systems: dict[tuple[Var, ...], list[tuple[Var, Form]]]
) -> Collect | None:
    """Return the step for a system of which some values depend on some of the roots only: `a + b + c, a - b, a + c`."""
    parts: list[tuple[set[Var], list[tuple[Var, Form]]]] = []
    for roots, rows in systems.items():
        touched = [part for part in parts if not part[0].isdisjoint(roots)]
        parts = [part for part in parts if part not in touched]
        parts.append(
            (
                set(roots).union(*(part[0] for part in touched)),
                [row for part in touched for row in part[1]] + rows,
            )
        )
    for found, rows in parts:
        roots = tuple(sorted(found, key=solver.order))
        rows = sorted(rows, key=lambda row: solver.order(row[0]))
        if 1 < len(rows) == len(roots) <= _LARGEST_SYSTEM and same_shapes(solver, roots):
            equation = solver.graph.defining[rows[-1][0]]
            assert isinstance(equation, Apply)
            return _system(solver, equation, roots, rows)
    return None


def _stuck(solver: Solver) -> list[Apply]:
    graph = solver.graph
    return [
        e
        for e in graph.equations
        if isinstance(e, Apply) and is_stuck(solver, e) and _affine_call(solver, e.out) is not None
    ]


def is_stuck(solver: Solver, equation: Apply) -> bool:
    """Whether the value of a call is known, and no rule took it."""
    return (
        equation.out in solver.known
        and equation not in solver.used
        and equation not in solver.refusals
        and bool(solver.waiting[equation])
    )


def form_of(solver: Solver, var: Var) -> Form | None:
    """Return the affine form of the value of a stuck equation; None if it is not affine at all."""
    forms: dict[Var, Form] = {}
    stack = [var]
    while stack:
        top = stack[-1]
        parts = _affine_call(solver, top) if top is var or top not in solver.known else None
        inner = [] if parts is None else [t for t in parts[1] if _is_unknown(solver, t)]
        todo = [t for t in inner if isinstance(t, Var) and t not in forms]
        if todo and top not in forms:
            stack.extend(todo)
            continue
        stack.pop()
        forms.setdefault(top, Form({top: 1}, 0) if parts is None else _combine(parts, forms))
    return forms[var]


def _is_unknown(solver: Solver, tree: Tree) -> bool:
    return any(leaf not in solver.known for leaf in leaves(tree))


def _affine_call(solver: Solver, var: Var) -> tuple[Any, tuple[Tree, ...]] | None:
    """Return (function, operands) of the call that made `var`, if it is affine in its unknown operands."""
    equation = solver.graph.defining.get(var)
    call = solver.call(equation) if isinstance(equation, Apply) else None
    if call is None:
        return None
    trees = tuple(call.arguments.values())
    unknown = [tree for tree in trees if _is_unknown(solver, tree)]
    if any(not isinstance(tree, Var) for tree in unknown) or not unknown:
        return None
    if call.fn in (jnp.add, jnp.subtract, jnp.negative):
        return call.fn, trees
    if call.fn is jnp.multiply and len(unknown) == 1:
        return call.fn, trees
    if call.fn is jnp.divide and unknown == [trees[0]]:
        return call.fn, trees
    return None


def _combine(parts: tuple[Any, tuple[Tree, ...]], forms: dict[Var, Form]) -> Form:
    fn, trees = parts
    operands = [forms.get(t) if isinstance(t, Var) and t in forms else Form({}, t) for t in trees]
    first, second = (*operands, None)[:2]
    assert first is not None
    if fn is jnp.negative:
        return first.mapped(negative)
    assert second is not None
    if fn is jnp.add:
        return first.combined(second, add)
    if fn is jnp.subtract:
        return first.combined(second, subtract)
    if fn is jnp.divide:
        return first.mapped(lambda c: divide(c, second.offset))
    factor, form = (first.offset, second) if second.coefficients else (second.offset, first)
    return form.mapped(lambda c: multiply(factor, c))


def same_shapes(solver: Solver, vars_: tuple[Var, ...]) -> bool:
    facts = solver.context.facts
    same = [facts.same_shape(vars_[0], var) for var in vars_[1:]]
    concrete = solver.context.concrete_shape(vars_[0]) is not None
    return all(answer is True or (answer is None and not concrete) for answer in same)


def _system(
    solver: Solver, equation: Apply, roots: tuple[Var, ...], rows: list[tuple[Var, Form]]
) -> Collect | None:
    matrix = tuple(tuple(form.coefficients.get(r, 0) for r in roots) for _, form in rows)
    refusal = _singular(solver, matrix, roots)
    if refusal is not None:
        solver.refusals[equation] = refusal
        return None
    for value, _ in rows:
        solver.used.add(solver.graph.defining[value])
    values = tuple(value for value, _ in rows)
    return Collect(values, matrix, tuple(form.offset for _, form in rows), roots)


def determinant(matrix: tuple[tuple[Coefficient, ...], ...]) -> Coefficient:
    """Return the determinant by expansion along the first row."""
    if len(matrix) == 1:
        return matrix[0][0]
    total: Coefficient = 0
    for column, coefficient in enumerate(matrix[0]):
        term = multiply(coefficient, determinant(minor(matrix, 0, column)))
        total = add(total, term) if column % 2 == 0 else subtract(total, term)
    return total


def minor(matrix: tuple[tuple[Coefficient, ...], ...], row: int, column: int):
    return tuple(
        tuple(c for j, c in enumerate(line) if j != column)
        for i, line in enumerate(matrix)
        if i != row
    )


def trees_of(coefficient: Coefficient) -> list[Tree]:
    if isinstance(coefficient, Op):
        return [tree for arg in coefficient.args for tree in trees_of(arg)]
    return [] if isinstance(coefficient, int | float) else [coefficient]


def value_of(solver: Solver, coefficient: Coefficient) -> np.ndarray | None:
    """Return what a coefficient is worth today, if that can be told."""
    if isinstance(coefficient, Op):
        values = [value_of(solver, arg) for arg in coefficient.args]
        if any(value is None for value in values):
            return None
        with np.errstate(all="ignore"):
            return np.asarray(coefficient.fn(*values))
    if isinstance(coefficient, int | float):
        return np.asarray(coefficient)
    value = solver.context.facts.array_value(coefficient)
    return None if value is None or value.dtype.kind not in "iuf" else value


def _singular(solver: Solver, matrix: tuple, roots: tuple[Var, ...]) -> Refusal | None:
    found = number(determinant(matrix))
    value = value_of(solver, determinant(matrix))
    if value is not None and not (np.isfinite(value) & (value != 0)).all():
        return Refusal("the unknown cancels here: the output does not depend on it")
    dtype = solver.context.facts.dtype(roots[0])
    if dtype is not None and np.issubdtype(dtype, np.integer) and found not in (1, -1):
        return Refusal("integers wrap: a sum of several of them does not determine them")
    return None
