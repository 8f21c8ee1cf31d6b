"""What is a quotient of two polynomials of one unknown, element by element, and where its coefficients live.

`a*x**2 + b*x`, `x + 1/x`, `(e**x - 1) / (e**x + 3)`: the unknown that such a quotient is of may be a value on the way, such as `e**x`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.build import tree_key
from invcompiler.ir.interval import Interval, point
from invcompiler.ir.nodes import Apply, Const, Equation, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.canonical import Call
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient, number
from invcompiler.schedule.pointwise import between

if TYPE_CHECKING:
    from invcompiler.schedule.context import Context
    from invcompiler.schedule.solve import Solver

Polynomial = tuple[Coefficient, ...]  # coefficients of 1, x, x**2
_HIGHEST = 2
ONE: Polynomial = (1,)


@dataclass(frozen=True)
class Quotient:
    above: Polynomial
    below: Polynomial = ONE

    @property
    def degree(self) -> int:
        return max(len(self.above), len(self.below)) - 1


X = Quotient((0, 1))


class NotOne(Exception):
    """A value is no quotient of polynomials of low degree."""


# ---- arithmetic ------------------------------------------------------------------------------------


def added(one: Polynomial, other: Polynomial, combine: Any = affine.add) -> Polynomial:
    size = max(len(one), len(other))
    return _trimmed(
        combine(a, b) for a, b in zip(_filled(one, size), _filled(other, size), strict=True)
    )


def multiplied(one: Polynomial, other: Polynomial) -> Polynomial:
    if len(one) + len(other) - 2 > _HIGHEST:
        raise NotOne
    total: list[Coefficient] = [0] * (len(one) + len(other) - 1)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            total[i + j] = affine.add(total[i + j], affine.multiply(a, b))
    return _trimmed(total)


def _filled(polynomial: Polynomial, size: int) -> Polynomial:
    return polynomial + (0,) * (size - len(polynomial))


def _trimmed(coefficients: Iterable[Coefficient]) -> Polynomial:
    found = list(coefficients)
    while len(found) > 1 and number(found[-1]) == 0:
        found.pop()
    return tuple(found)


def _sum(one: Quotient, other: Quotient, combine: Any = affine.add) -> Quotient:
    if one.below == other.below:
        return _reduced(added(one.above, other.above, combine), one.below)
    left, right = multiplied(one.above, other.below), multiplied(other.above, one.below)
    return _reduced(added(left, right, combine), multiplied(one.below, other.below))


def _product(one: Quotient, other: Quotient) -> Quotient:
    one, other = _reduced(one.above, other.below), _reduced(other.above, one.below)
    return _reduced(multiplied(one.above, other.above), multiplied(one.below, other.below))


def _reduced(above: Polynomial, below: Polynomial) -> Quotient:
    """Return a quotient without the unknown as a factor of both: that has a root at 0 for every value."""
    while len(above) > 1 and len(below) > 1 and number(above[0]) == number(below[0]) == 0:
        above, below = above[1:], below[1:]
    return Quotient(above, below)


def _inverse(one: Quotient) -> Quotient:
    return Quotient(one.below, one.above)


def _power(one: Quotient, exponent: int) -> Quotient:
    if exponent < 0:
        return _power(_inverse(one), -exponent)
    found = Quotient(ONE)
    for _ in range(exponent):
        found = _product(found, one)
    return found


# ---- reading ---------------------------------------------------------------------------------------


def quotient_of(solver: Solver, out: Var, source: Var) -> tuple[Var, Quotient] | None:
    """Return the value that `out` is a quotient of polynomials of, which is `source` or computed from it, and the quotient."""
    equations = between(solver, out, source)
    if equations is None:
        return None
    for root, atoms in _atoms(solver, equations, source):
        try:
            return root, _read(solver, equations, out, atoms)
        except NotOne:
            continue
    return None


def _atoms(
    solver: Solver, equations: list[Equation], source: Var
) -> Iterable[tuple[Var, Mapping[Var, Quotient]]]:
    """Yield what may be the unknown of polynomials, and the values that are powers of it."""
    yield source, {source: X}
    others = _not_arithmetic(solver, equations, source)
    if not others:
        return
    calls = [solver.call(equation) for equation in others]
    keys = {
        (call.fn, tuple(map(tree_key, call.arguments.values())))
        for call in calls
        if call is not None
    }
    if len(keys) == 1:
        same = {equation.out: X for equation in others}
        yield others[0].out, same
        of_root = _of_root(solver, others[0], source)
        if of_root is not None:
            yield others[0].out, {**same, source: of_root}
    elif all(call is not None and call.fn in (jnp.exp, jnp.expm1) for call in calls):
        powers = _powers_of_exp(solver, others, source)
        if powers is not None:
            yield powers


def _of_root(solver: Solver, equation: Apply, source: Var) -> Quotient | None:
    """Return what `source` is in terms of `sqrt(a * source + b)`."""
    call = solver.call(equation)
    if call is None or call.fn is not jnp.sqrt:
        return None
    (operand,) = call.arguments.values()
    if operand is source:
        return Quotient((0, 0, 1))
    form = affine.form_of(solver, operand) if isinstance(operand, Var) else None
    if form is None or form.coefficients.keys() != {source}:
        return None
    factor = form.coefficients[source]
    if not number(factor):  # known at run time: it may be zero
        return None
    return Quotient((affine.divide(affine.negative(form.offset), factor), 0, 1 / number(factor)))


def _not_arithmetic(solver: Solver, equations: list[Equation], source: Var) -> list[Apply]:
    """Return the first calls on the way from `source` that are not arithmetic; none if there are further ones behind them."""
    found: list[Apply] = []
    inside: set[Var] = {source}  # values computed from the unknown by arithmetic alone
    behind: set[Var] = set()
    for equation in equations:
        read = [var for tree in _operands(solver, equation) for var in leaves(tree)]
        if any(var in behind for var in read):
            behind.update(equation.outs)
            if not _is_arithmetic(solver, equation):
                return []
        elif _is_arithmetic(solver, equation):
            inside.update(equation.outs)
        elif isinstance(equation, Apply):
            found.append(equation)
            behind.add(equation.out)
        else:
            return []
    return found


def _operands(solver: Solver, equation: Equation) -> tuple[Tree, ...]:
    call = solver.call(equation) if isinstance(equation, Apply) else None
    return () if call is None else tuple(call.arguments.values())


def _powers_of_exp(
    solver: Solver, equations: list[Apply], source: Var
) -> tuple[Var, Mapping[Var, Quotient]] | None:
    """Return `exp(n * x)` of several whole `n` as powers of the one with the least of them."""
    factors: dict[Var, float] = {}
    for equation in equations:
        (operand,) = _operands(solver, equation)
        form = affine.form_of(solver, operand) if isinstance(operand, Var) else None
        factor = None if form is None else number(form.coefficients.get(source, 0))
        if form is None or not factor or number(form.offset) != 0 or len(form.coefficients) > 1:
            return None
        factors[equation.out] = factor
    calls = {equation.out: solver.call(equation) for equation in equations}
    less_one = {var for var, call in calls.items() if call is not None and call.fn is jnp.expm1}
    root = min(factors, key=lambda var: (abs(factors[var]), -factors[var], var in less_one))
    powers = {var: factor / factors[root] for var, factor in factors.items()}
    if any(power != int(power) or abs(power) > _HIGHEST for power in powers.values()):
        return None
    base = _sum(X, Quotient(ONE)) if root in less_one else X
    try:
        found = {var: _power(base, int(power)) for var, power in powers.items()}
    except NotOne:
        return None
    minus_one = Quotient((-1,))
    return root, {var: _sum(q, minus_one) if var in less_one else q for var, q in found.items()}


_ARITHMETIC = (jnp.add, jnp.subtract, jnp.multiply, jnp.divide, jnp.negative, jnp.positive)


def _is_arithmetic(solver: Solver, equation: Equation) -> bool:
    call = solver.call(equation) if isinstance(equation, Apply) else None
    if call is None:
        return False
    return call.fn in (*_ARITHMETIC, jnp.square, jnp.reciprocal) or _exponent(call) is not None


def _exponent(call: Call) -> int | None:
    """Return the whole exponent of a power."""
    if call.fn is not jnp.power:
        return None
    exponent = tuple(call.arguments.values())[1]
    value = number(exponent)
    if value is None or value not in range(-_HIGHEST, _HIGHEST + 1):
        return None
    return int(value)


def _read(
    solver: Solver, equations: list[Equation], out: Var, atoms: Mapping[Var, Quotient]
) -> Quotient:
    found = dict(atoms)
    for equation in equations:
        if isinstance(equation, Apply) and equation.out in found:
            continue
        call = solver.call(equation) if isinstance(equation, Apply) else None
        if call is None or not isinstance(equation, Apply):
            continue
        try:
            found[equation.out] = _of_call(solver, call, found)
        except NotOne:
            continue
    if out not in found:
        raise NotOne
    return found[out]


def _of_call(solver: Solver, call: Call, found: Mapping[Var, Quotient]) -> Quotient:
    one, other = (_of(solver, tree, found) for tree in (*call.arguments.values(), Const(0))[:2])
    if call.fn is jnp.add:
        return _sum(one, other)
    if call.fn is jnp.subtract:
        return _sum(one, other, affine.subtract)
    if call.fn is jnp.negative:
        return Quotient(tuple(map(affine.negative, one.above)), one.below)
    if call.fn is jnp.positive:
        return one
    if call.fn is jnp.multiply:
        return _product(one, other)
    if call.fn is jnp.divide:
        return _over(one, other)
    if call.fn is jnp.square:
        return _power(one, 2)
    if call.fn is jnp.reciprocal:
        return _inverse(one)
    exponent = _exponent(call)
    if exponent is None:
        raise NotOne
    return _power(one, exponent)


def _over(one: Quotient, other: Quotient) -> Quotient:
    if other.degree == 0:
        by = affine.divide(other.above[0], other.below[0])
        return Quotient(tuple(affine.divide(c, by) for c in one.above), one.below)
    return _product(one, _inverse(other))


def _of(solver: Solver, tree: Tree, found: Mapping[Var, Quotient]) -> Quotient:
    if isinstance(tree, Var) and tree in found:
        return found[tree]
    if any(var not in solver.known for var in leaves(tree)):
        raise NotOne
    return Quotient((tree,))


# ---- where coefficients live ---------------------------------------------------------------------


Monomial = tuple[tuple[Any, int], ...]  # keys of known values, and how often each is a factor


def bounds(context: Context, coefficient: Coefficient) -> Interval:
    """Return an interval of the values of a coefficient. It is written out as a sum of products first, of which much cancels."""
    atoms: dict[Any, Interval] = {}
    total = point(0.0)
    for monomial, factor in _expanded(context, coefficient, atoms).items():
        term = point(factor)
        for key, power in monomial:
            term = term * atoms[key].power(power)
        total = total + term
    return total


def _expanded(
    context: Context, coefficient: Coefficient, atoms: dict[Any, Interval]
) -> dict[Monomial, float]:
    value = number(coefficient)
    if value is not None:
        return {(): value} if value else {}
    if not isinstance(coefficient, affine.Op):
        interval = context.interval(coefficient)
        written = _written(context, coefficient)
        is_difference = written is not None and written.fn is operator.sub
        if written is None or (is_difference and (interval.is_positive or interval.is_negative)):
            return _atom(tree_key(coefficient), interval, atoms)
        coefficient = written
    parts = [_expanded(context, arg, atoms) for arg in coefficient.args]
    match coefficient.fn.__name__:
        case "add":
            return _combined(parts[0], parts[1], 1.0)
        case "sub":
            return _combined(parts[0], parts[1], -1.0)
        case "neg":
            return _combined({}, parts[0], -1.0)
        case "mul":
            return _multiplied(parts[0], parts[1])
        case "truediv":
            return _multiplied(parts[0], _reciprocal(context, coefficient.args[1], parts[1], atoms))
    raise AssertionError(f"{coefficient.fn} is no operation on coefficients")


_WRITTEN: dict[Any, Callable[..., Any]] = {
    jnp.add: operator.add, jnp.subtract: operator.sub, jnp.negative: operator.neg,
    jnp.multiply: operator.mul, jnp.divide: operator.truediv,
}  # fmt: skip


def _written(context: Context, tree: Tree) -> affine.Op | None:
    """Return the operation that computes a known value, if it is arithmetic."""
    made = context.defining.get(tree) if isinstance(tree, Var) else None
    call = context.call(made) if isinstance(made, Apply) else None
    if call is None or call.fn not in _WRITTEN:
        return None
    fn = _WRITTEN[call.fn]
    return affine.Op(fn, tuple(call.arguments.values())[: 1 if fn is operator.neg else 2])


def _atom(key: Any, interval: Interval, atoms: dict[Any, Interval]) -> dict[Monomial, float]:
    atoms[key] = interval
    return {((key, 1),): 1.0}


def _reciprocal(
    context: Context, of: Coefficient, expanded: dict[Monomial, float], atoms: dict[Any, Interval]
) -> dict[Monomial, float]:
    if len(expanded) == 1:
        ((monomial, factor),) = expanded.items()
        if not monomial:
            return {(): 1 / factor}
    key = ("1 /", frozenset(expanded.items()))
    return _atom(key, bounds(context, of).reciprocal(), atoms)


def _combined(
    one: dict[Monomial, float], other: dict[Monomial, float], sign: float
) -> dict[Monomial, float]:
    total = dict(one)
    for monomial, factor in other.items():
        total[monomial] = total.get(monomial, 0.0) + sign * factor
    return {monomial: factor for monomial, factor in total.items() if factor}


def _multiplied(one: dict[Monomial, float], other: dict[Monomial, float]) -> dict[Monomial, float]:
    total: dict[Monomial, float] = {}
    for a, x in one.items():
        for b, y in other.items():
            powers: dict[Any, int] = dict(a)
            for key, power in b:
                powers[key] = powers.get(key, 0) + power
            monomial = tuple(sorted(powers.items(), key=lambda item: hash(item[0])))
            total[monomial] = total.get(monomial, 0.0) + x * y
    return total


def roots(polynomial: tuple[float, ...]) -> list[float]:
    """Return the real numbers at which a polynomial changes its sign."""
    found = np.roots(polynomial[::-1])
    real = [float(r.real) for r in found if abs(r.imag) < 1e-12 * (1 + abs(r))]
    twice = len(real) == 2 and abs(real[0] - real[1]) < 1e-7 * (1 + abs(real[0]))
    return [] if twice else real
