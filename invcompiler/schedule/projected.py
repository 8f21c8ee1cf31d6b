"""A vector to which a multiple of a function of its own projection is added: `x + u * h(w @ x + b)`, a planar flow.

With `t = w @ x` the projection of the output is `w @ y = t + (w @ u) h(t + b)`, an equation for one number. The equations that say so are added
to the function, and the scheduler does the rest: it solves for t (in pieces, or by iteration), and then `x = y - u h(t + b)`. The determinant is
the slope of that equation, by the matrix determinant lemma.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Display, Equation, Function, Ref, Tree, Var
from invcompiler.ir.walk import leaves, operands
from invcompiler.rules.canonical import Call, canonical, declare
from invcompiler.rules.projections import projection_undone, same_number
from invcompiler.schedule import affine, mapping
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.plan import Deduce, Part
from invcompiler.schedule.pointwise import between
from invcompiler.schedule.taint import tainted

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_PRODUCTS = (jnp.matmul, jnp.dot, jnp.inner, jnp.vdot)
declare(same_number)


@dataclass(frozen=True)
class _Planar:
    """`y = x + u * h` or `y = x - u * h`, with h computed from the product `t` of x and the vector `w`."""

    y: Apply
    x: Var
    h: Var
    factors: tuple[Tree, ...]  # of u
    t: Apply
    w: Tree
    is_added: bool


def with_projections(
    function: Function, facts: Facts, unknown: tuple[Var, ...]
) -> tuple[Function, Facts]:
    """Return the function with equations for the projections of its values, and its facts."""
    found = [p for p in _planar(function, facts, unknown) if facts.rank(p.w) == 1]
    if not found:
        return function, facts
    added = [equation for planar in found for equation in _equations(planar)]
    body = replace(function.body, equations=(*function.body.equations, *added))
    longer = replace(function, body=body)
    values = {param.var: facts.of(param.var) for param in function.params}
    return longer, mapping.facts_for(facts, longer, unknown, values)


def deduce(solver: Solver, equation: Apply) -> Deduce | None:
    """Return the step that says what the projection of a known value is in terms of that of the unknown."""
    call = solver.call(equation)
    if call is None or call.fn is not same_number:
        return None
    given, wanted = call.arguments["of_output"], call.arguments["of_operand"]
    if given not in solver.known or wanted in solver.known or not isinstance(wanted, Var):
        return None
    y, x = call.arguments["output"], call.arguments["operand"]
    assert isinstance(given, Var) and isinstance(y, Var) and isinstance(x, Var)
    # nothing may be broadcast where the multiple is added, and what is added is a multiple of one number
    if not all(affine.same_shapes(solver, pair) for pair in ((y, x), (given, wanted))):
        return None
    return Deduce(equation, projection_undone, wanted, (("y", Part(given)),))


def waits_for_shapes(solver: Solver, equation: Apply) -> bool:
    """Whether a sum may have a projection, which cannot be told before it is known what is a vector."""
    context = solver.context
    found = _planar(context.function, context.facts, tuple(context.unknown))
    open_ = [p for p in found if p.y is equation and context.facts.rank(p.w) is None]
    return any(_is_in_pieces(solver, planar) for planar in open_)


def _is_in_pieces(solver: Solver, planar: _Planar) -> bool:
    """Whether h is made of lines: there is no formula for other functions."""
    made = between(solver, planar.h, planar.t.out) or ()
    calls = [solver.call(equation) for equation in made if isinstance(equation, Apply)]
    return bool(calls) and all(call is not None and call.fn in _LINES for call in calls)


_LINES = (
    jnp.add, jnp.subtract, jnp.multiply, jnp.divide, jnp.negative, jnp.abs, jnp.maximum, jnp.minimum,
    jnp.where, jnp.greater, jnp.greater_equal, jnp.less, jnp.less_equal, jax.nn.relu, jax.nn.leaky_relu,
)  # fmt: skip


# ---- finding them ------------------------------------------------------------------------------------------


def _planar(function: Function, facts: Facts, unknown: tuple[Var, ...]) -> Iterator[_Planar]:
    moving = tainted(function.body, unknown)
    defining = {out: e for e in function.body.equations for out in e.outs}
    for equation in function.body.equations:
        call = canonical(equation) if isinstance(equation, Apply) else None
        if call is None or call.fn not in (jnp.add, jnp.subtract):
            continue
        assert isinstance(equation, Apply)
        one, other = tuple(call.arguments.values())[:2]
        for x, more in ((one, other), (other, one)):
            if call.fn is jnp.subtract and x is other:
                continue
            if isinstance(x, Var) and isinstance(more, Var) and {x, more} <= moving:
                found = _split(defining, moving, more)
                t = None if found is None else _product(defining, moving, x, found[0])
                if found is None or t is None or not _is_row_by_row(facts, x, found, t):
                    continue
                yield _Planar(equation, x, *found[:2], *t, call.fn is jnp.add)


def _call(defining: dict[Var, Equation], tree: Tree) -> Call | None:
    made = defining.get(tree) if isinstance(tree, Var) else None
    return canonical(made) if isinstance(made, Apply) else None


def _split(
    defining: dict[Var, Equation], moving: frozenset[Var], more: Var
) -> tuple[Var, tuple[Tree, ...], bool] | None:
    """Read a value as numbers that depend on the unknown, times known factors; say whether it is a number for each row."""
    factors: list[Tree] = []
    while (call := _call(defining, more)) is not None and call.fn is jnp.multiply:
        pair = tuple(call.arguments.values())[:2]
        rest = [tree for tree in pair if moving.isdisjoint(leaves(tree))]
        if len(rest) != 1:
            break
        factors += rest
        more = pair[0] if rest[0] is pair[1] else pair[1]  # type: ignore[assignment]
    has_rows = call is not None and _adds_an_axis(call)
    if call is not None and has_rows:
        more = next(iter(call.arguments.values()))  # type: ignore[assignment]
    return (more, tuple(factors), has_rows) if factors and isinstance(more, Var) else None


def _adds_an_axis(call: Call) -> bool:
    """Whether a call is `h[..., None]`: a number for each row."""
    if call.fn is jnp.expand_dims:
        return call.arguments["axis"] == Const(-1)
    if call.fn is not operator.getitem:
        return False
    index = tuple(call.arguments.values())[1]
    return isinstance(index, Display) and index.items == (Const(Ellipsis), Const(None))


def _product(
    defining: dict[Var, Equation], moving: frozenset[Var], x: Var, h: Var
) -> tuple[Apply, Tree] | None:
    """Return the product of x and a known vector through which alone `h` depends on the unknown, and the vector."""
    found: set[Apply] = set()
    waiting, seen = [h], {h}
    while waiting:
        var = waiting.pop()
        call, made = _call(defining, var), defining.get(var)
        pair = tuple(call.arguments.values())[:2] if call is not None else ()
        if call is not None and call.fn in _PRODUCTS and x in pair:
            assert isinstance(made, Apply)
            found.add(made)
            continue
        if made is None or var is x:
            return None
        new = [v for v in operands(made) if v in moving and v not in seen]
        seen.update(new)
        waiting += new
    if len(found) != 1:
        return None
    product = found.pop()
    call = canonical(product)
    assert call is not None
    w = next((t for t in tuple(call.arguments.values())[:2] if t is not x), x)
    return (product, w) if moving.isdisjoint(leaves(w)) else None


def _is_row_by_row(
    facts: Facts, x: Var, found: tuple[Var, tuple[Tree, ...], bool], t: tuple[Apply, Tree]
) -> bool:
    """Whether the product is one number for a vector, or one for each row of a matrix, which is added to that row alone."""
    (_, factors, has_rows), (product, w) = found, t
    ranks = facts.rank(w), facts.rank(x)
    of_factors = {facts.rank(factor) for factor in factors}
    if ranks[0] not in (1, None) or not of_factors <= {0, 1, None} or of_factors == {0}:
        return False
    return ranks[1] in (1, None) or (has_rows and product.args[0] is x)


# ---- what is said of them ----------------------------------------------------------------------------------


def _equations(planar: _Planar) -> Iterator[Equation]:
    """Yield `w @ y`, and `t + (w @ u) * h`, and that they are the same."""
    u: Tree = planar.factors[0]
    for factor in planar.factors[1:]:
        product = _apply(operator.mul, "*", u, factor)
        yield product
        u = product.out
    is_first = planar.t.args[0] == planar.w

    def projected(value: Tree, name: str) -> Apply:
        pair = (planar.w, value) if is_first else (value, planar.w)
        return replace(planar.t, out=Var(name), args=pair)

    slope, output = projected(u, "gain"), projected(planar.y.out, "projected")
    term = _apply(operator.mul, "*", slope.out, planar.h)
    total = _apply(
        *((operator.add, "+") if planar.is_added else (operator.sub, "-")), planar.t.out, term.out
    )
    total = replace(total, span=planar.y.span)
    same = _apply(same_number, "same_number", output.out, total.out, planar.y.out, planar.x)
    yield from (slope, output, term, total, replace(same, span=planar.y.span))


def _apply(fn: object, spelling: str, *args: Tree) -> Apply:
    return Apply(Var(), Ref(fn, spelling, operator), args)
