"""A quotient of polynomials of degree two of one unknown, `v = P(x) / Q(x)`, on an interval where it is monotone.

There `F(x) = P(x) - v Q(x)` is zero at one of its two roots, and `F' = (P/Q)' Q` says at which: its sign is that of the slope times that
of `Q`, and `F'` is plus or minus the square root of the discriminant at the roots. Where literals and intervals of the
coefficients do not tell that sign it is found out at run time, and is NaN where the quotient is not monotone.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING

from invcompiler.ir.interval import REAL, Interval
from invcompiler.ir.nodes import Apply, Var
from invcompiler.rules.registry import Refusal
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient, number
from invcompiler.schedule.plan import Quadratic, Ratio
from invcompiler.schedule.polynomials import Polynomial, Quotient, bounds, quotient_of, roots
from invcompiler.schedule.ratios import constant, is_real

if TYPE_CHECKING:
    from invcompiler.schedule.context import Context
    from invcompiler.schedule.solve import Solver


def invert(solver: Solver) -> Quadratic | Ratio | None:
    """Return the step that recovers the unknown of the first such quotient that is known."""
    from invcompiler.schedule.pieces import source_of

    for equation in solver.graph.equations:
        if not isinstance(equation, Apply) or not affine.is_stuck(solver, equation):
            continue
        source = source_of(solver, equation.out)
        if source is None or solver.context.is_container(source) or not is_real(solver, source):
            continue
        found = quotient_of(solver, equation.out, source)
        if found is None or found[1].degree == 0:
            continue
        root, quotient = found
        if root in solver.known or not affine.same_shapes(solver, (equation.out, root)):
            continue
        step = (_ratio if quotient.degree == 1 else _step)(solver, equation, root, quotient)
        if not isinstance(step, Refusal):
            return step
        if not solver.numeric:
            solver.refusals[equation] = step
    return None


def _ratio(solver: Solver, equation: Apply, root: Var, quotient: Quotient) -> Ratio | Refusal:
    (b, a, _), (d, c, _) = _three(quotient.above), _three(quotient.below)
    rows = ((a, b), (c, d))
    return constant(solver, rows) or Ratio(equation, equation.out, root, rows)


def _step(solver: Solver, equation: Apply, root: Var, quotient: Quotient) -> Quadratic | Refusal:
    context = solver.context
    above, below = (_three(p) for p in (quotient.above, quotient.below))
    interval = context.interval(root)
    slope = slope_numerator(above, below)
    of_slope, of_below = _sign(context, slope, interval), _sign(context, below, interval)
    if of_below is None:
        return Refusal(
            f"a quotient whose denominator is not seen to keep its sign {_where(interval)}", _HINT
        )
    sign = None if of_slope is None else of_slope * of_below
    found = on_interval(slope, interval)
    ends = None if found is None else tuple(_without_factor(end) for end in found)
    literal = all(number(c) is not None for c in slope)
    if sign is None and (literal or ends is None or of_below != 1):
        turns = [r for r in roots(tuple(map(number, slope))) if r in interval] if literal else []
        why = f": it turns at {turns[0]:.4g}" if turns else ""
        return Refusal(f"this is not seen to be monotone {_where(interval)}{why}", _HINT)
    return Quadratic(equation, equation.out, root, above, below, interval, sign, ends or ())


_HINT = "say where the unknown lives, with `domain=` or `inv.assume(value, domain)`: where this is monotone it is inverted"


def _where(interval: Interval) -> str:
    if interval == REAL:
        return "on all real numbers"
    ends = [f"{end:.6g}" for end in (interval.lo, interval.hi)]
    return f"between {ends[0]} and {ends[1]}"


def _three(polynomial: Polynomial) -> tuple[Coefficient, Coefficient, Coefficient]:
    c, b, a, *_ = (*polynomial, 0, 0)
    return c, b, a


def slope_numerator(above: Polynomial, below: Polynomial) -> Polynomial:
    """Return `P' Q - P Q'`, which has the sign of the slope of `P / Q`."""

    def minor(i: int, j: int) -> Coefficient:
        left, right = affine.multiply(above[i], below[j]), affine.multiply(above[j], below[i])
        return affine.subtract(left, right)

    return minor(1, 0), affine.multiply(2, minor(2, 0)), minor(2, 1)


def on_interval(polynomial: Polynomial, interval: Interval) -> tuple[Coefficient, ...] | None:
    """Return numbers of which the polynomial is a sum with positive weights on the interval: its Bernstein coefficients."""
    c, b, a = polynomial
    add, times = affine.add, affine.multiply

    def at(x: float) -> Coefficient:
        return add(c, add(times(x, b), times(x * x, a)))

    lo, hi = (_whole(end) for end in (interval.lo, interval.hi))
    if number(a) == 0 and number(b) == 0:
        return (c,)
    if math.isinf(lo) and math.isinf(hi):
        return None
    if math.isinf(hi):
        return at(lo), add(b, times(2 * lo, a)), a
    if math.isinf(lo):
        return at(hi), affine.negative(add(b, times(2 * hi, a))), a
    return at(lo), add(c, add(times((lo + hi) / 2, b), times(lo * hi, a))), at(hi)


def _without_factor(coefficient: Coefficient) -> Coefficient:
    """Return a coefficient of the same sign, without a positive number as a factor."""
    if isinstance(coefficient, affine.Op) and coefficient.fn is operator.mul:
        factor = number(coefficient.args[0])
        return coefficient.args[1] if factor is not None and factor > 0 else coefficient
    return coefficient


def _whole(end: float) -> float:
    return int(end) if math.isfinite(end) and end == int(end) else end


def _sign(context: Context, polynomial: Polynomial, interval: Interval) -> int | None:
    """Return the sign that a polynomial has all over an interval, but for single zeros; None if it is not seen to have one."""
    literal = tuple(number(c) for c in polynomial)
    if None not in literal:
        return _sign_of_literal(literal, interval)
    ends = on_interval(polynomial, interval)
    found = [bounds(context, end) for end in ends or () if number(end) != 0]
    if found and all(bound.is_nonnegative for bound in found):
        return 1
    return -1 if found and all(bound.is_nonpositive for bound in found) else None


def _sign_of_literal(polynomial: tuple[float, ...], interval: Interval) -> int | None:
    inside = [r for r in roots(polynomial) if interval.lo < r < interval.hi]
    if inside or not any(polynomial):
        return None
    lo, hi = (
        max(interval.lo, min(-1e3, interval.hi - 1)),
        min(interval.hi, max(1e3, interval.lo + 1)),
    )
    for weight in (0.37, 0.61):  # at two points, since one may be a double root
        x = lo + weight * (hi - lo)
        value = polynomial[0] + x * (polynomial[1] + x * polynomial[2])
        if value:
            return 1 if value > 0 else -1
    return None
