"""Sticks that are broken: `z * R` with `R` the running product of `1 - z` so far, however the text shifts it by one.

Each piece is a share `z_k` of what is left, `R_k`, and leaves `R_k - y_k`: the products are sums of the output, which no equation
alone shows. With `z**2` in the place of `z` and roots of the products, the rows of Cholesky factors of correlations are such sticks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Tree, Var
from invcompiler.rules import simplices
from invcompiler.rules.canonical import Call
from invcompiler.rules.simplices import Formula
from invcompiler.schedule.bands import support
from invcompiler.schedule.normalised import call_of, completed, is_square, numbers, same_axis
from invcompiler.schedule.plan import Deduce, Part
from invcompiler.schedule.positions import END, plus
from invcompiler.schedule.regions import Span1

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


@dataclass(frozen=True)
class Stick:
    """`shares * left`: `left` are the products of what shares leave, before each. `whole`: the last piece is there as well."""

    shares: Var
    axis: int
    whole: bool
    root: bool
    with_diagonal: Var | None = None  # the shares with a unit diagonal


def deduce(solver: Solver, equation: Apply) -> Deduce | None:
    call = solver.call(equation)
    if call is None or call.fn is not jnp.multiply:
        return None
    stick = _stick(solver, call)
    if stick is None or stick.shares in solver.known:
        return None
    if equation.out not in solver.known:
        whole = stick.whole and not stick.root
        return completed(solver, equation, simplices.rest_of_one, stick.axis) if whole else None
    formula, target = _formula(solver, stick)
    spare = equation.out if stick.whole else None
    operands = (("y", Part(equation.out)),)
    return Deduce(equation, formula, target, operands, axis=stick.axis, spare=spare)


def has_unit_rows(solver: Solver, equation: Apply) -> bool:
    """Whether the rows of a product are squares of a stick's pieces, and have length 1."""
    call = solver.call(equation)
    stick = None if call is None or call.fn is not jnp.multiply else _stick(solver, call)
    return stick is not None and stick.root and stick.with_diagonal is not None


def waits_for_shapes(solver: Solver, equation: Apply) -> bool:
    """Whether a product may be one with running products, which cannot be told before ranks are known."""
    call = solver.call(equation)
    if call is None or call.fn is not jnp.multiply:
        return False
    factors = [call_of(solver, tree) for tree in tuple(call.arguments.values())[:2]]
    shifted = any(f is not None and f.fn in (*_JOINS, jnp.cumprod, jnp.sqrt) for f in factors)
    products = (jnp.cumprod, jnp.cumsum)
    made = (solver.call(e) for e in solver.graph.equations if isinstance(e, Apply))
    return shifted and any(c is not None and c.fn in products for c in made)


_JOINS = (jnp.concatenate, jnp.append, jnp.hstack, jnp.pad)


def _formula(solver: Solver, stick: Stick) -> tuple[type[Formula], Var]:
    if stick.root:
        if stick.with_diagonal is not None:
            return simplices.unit_rows_undone, stick.with_diagonal
        return simplices.signed_stick_undone, stick.shares
    rank = solver.context.facts.rank(stick.shares)
    if stick.whole and (rank is None or stick.axis != rank - 1):
        return simplices.stick_undone_along, stick.shares
    made = call_of(solver, stick.shares)
    at = _first(made) if made is not None and made.fn is jax.nn.sigmoid else None
    if isinstance(at, Var):
        whole, open_ = simplices.logistic_stick_undone, simplices.open_logistic_stick_undone
        return (whole if stick.whole else open_), at
    return (simplices.stick_undone if stick.whole else simplices.open_stick_undone), stick.shares


def _stick(solver: Solver, call: Call) -> Stick | None:
    one, other = tuple(call.arguments.values())[:2]
    for shares, left in ((one, other), (other, one)):
        products = _before(solver, left)
        if products is not None:
            found = _with_shares(solver, shares, products)
            if found is not None:
                return found
    return None


# ---- products of what came before -------------------------------------------------------------------------


@dataclass(frozen=True)
class Products:
    """Running products of `factors` along an axis, shifted by one: the first is 1. `longer`: the product of all is there too."""

    factors: Tree
    axis: int
    longer: bool
    root: bool = False
    log: bool = False  # `factors` are logarithms of the factors
    ahead: bool = (
        False  # the factors themselves are shifted, and may be made of all shares but the last
    )


def _before(solver: Solver, tree: Tree) -> Products | None:
    """Read `tree` as shifted running products."""
    call = call_of(solver, tree)
    if call is None or not isinstance(tree, Var):
        return None
    if call.fn is jnp.sqrt:
        inner = _before(solver, _first(call))
        return None if inner is None or inner.root else replace(inner, root=True)
    if call.fn is jnp.cumprod:
        return _of_shifted(solver, call)
    led = _led_by(solver, call, tree, 1)
    if led is None:
        return None
    rest, axis = led
    root = False
    made = call_of(solver, rest)
    if made is not None and made.fn is jnp.sqrt:
        root, rest = True, _first(made)
    short = _without_last(solver, rest, axis)
    if short is not None:
        made = call_of(solver, short)
        if made is not None and made.fn is jnp.sqrt and not root:
            root, short = True, _first(made)
    found = _running(solver, rest if short is None else short, axis)
    if found is None:
        return None
    if short is None:
        all_factors = _without_last(solver, found.factors, axis)
        if all_factors is not None:  # cumprod(w[:-1])
            return replace(found, factors=all_factors, longer=False, root=root)
    return replace(found, longer=short is None, root=root)


def _running(solver: Solver, tree: Tree, axis: int) -> Products | None:
    """Read running products: `cumprod(w)`, or `exp(cumsum(log_w))`."""
    call = call_of(solver, tree)
    log = call is not None and call.fn is jnp.exp
    if call is not None and log:
        call = call_of(solver, _first(call))
    if call is None or call.fn is not (jnp.cumsum if log else jnp.cumprod):
        return None
    factors = _first(call)
    along = _axis(solver, call, factors)
    if along is None or not isinstance(factors, Var) or not same_axis(solver, factors, along, axis):
        return None
    return Products(factors, along, True, log=log)


def _of_shifted(solver: Solver, call: Call) -> Products | None:
    """Read the running products of factors that are shifted themselves: `cumprod(concatenate([1, w]))`."""
    shifted = _first(call)
    made = call_of(solver, shifted)
    led = None if made is None else _led_by(solver, made, shifted, 1)
    if led is None:
        return None
    factors, axis = led
    along = _axis(solver, call, shifted)
    if along is None or not isinstance(shifted, Var) or not same_axis(solver, shifted, along, axis):
        return None
    short = _without_last(solver, factors, axis)
    return Products(factors if short is None else short, along, longer=short is None, ahead=True)


def _axis(solver: Solver, call: Call, operand: Tree) -> int | None:
    """Return the axis of a running sum or product, counted from the front."""
    tree, rank = call.arguments.get("axis"), solver.context.facts.rank(operand)
    if rank is None:
        return None
    if tree == Const(None) or tree is None:
        return 0 if rank == 1 else None
    axis = solver.context.static_int(tree)
    return None if axis is None else axis % rank


def _led_by(solver: Solver, call: Call, tree: Tree, number: float) -> tuple[Tree, int] | None:
    """Read an array that is `number` first along an axis, and then another array."""
    return _beside(solver, call, tree, number, first=True)


def _beside(
    solver: Solver, call: Call, tree: Tree, number: float, first: bool
) -> tuple[Tree, int] | None:
    rank = solver.context.facts.rank(tree)
    if rank is None:
        return None
    if call.fn is jnp.pad:
        widths, filled = solver.context.paddings(call), solver.context.pad_value(call)
        if widths is None or not isinstance(filled, Const) or filled.value != number:
            return None
        along = widths * rank if len(widths) == 1 else widths
        padded = [axis for axis, width in enumerate(along) if width != (0, 0)]
        if len(padded) != 1 or along[padded[0]] != ((1, 0) if first else (0, 1)):
            return None
        return _first(call), padded[0]
    if call.fn not in (jnp.concatenate, jnp.append, jnp.hstack):
        return None
    found = solver.context.concatenated(call)
    if found is None or len(found[0]) != 2:
        return None
    beside, rest = found[0] if first else found[0][::-1]
    if solver.context.item_dim(beside, found[1]) != 1 or not _is(solver, beside, number):
        return None
    return rest, found[1] % rank


def _is(solver: Solver, tree: Tree, number: float) -> bool:
    """Whether all elements of a tree are one number."""
    values = numbers(solver, tree)
    if values is not None:
        return bool(values.size) and bool((values == number).all())
    call = call_of(solver, tree)
    return number == 1 and call is not None and call.fn in (jnp.ones, jnp.ones_like)


def _without_last(solver: Solver, tree: Tree, axis: int) -> Tree | None:
    """Return the array of which `tree` is all but the last element along an axis."""
    if not isinstance(tree, Var):
        return None
    for view in solver.graph.views_of_part.get(tree, ()):
        region = view.region
        if isinstance(region, Span1) and not region.squeezed and region.step == 1:
            start, stop = (
                solver.context.settle(p, view.whole, region.axis)
                for p in (region.start, region.stop)
            )
            end = solver.context.settle(END, view.whole, region.axis)
            if start == 0 and plus(end, stop, -1) == 1:
                if same_axis(solver, view.whole, region.axis, axis):
                    return view.whole
    return None


def _all_but_last(solver: Solver, whole: Var, axis: int) -> list[Var]:
    """Return the values that are all but the last element of `whole` along an axis."""
    parts = (view.part for view in solver.graph.views_of_whole.get(whole, ()))
    return [part for part in parts if _without_last(solver, part, axis) is whole]


# ---- the shares -----------------------------------------------------------------------------------------------


def _with_shares(solver: Solver, tree: Tree, products: Products) -> Stick | None:
    if not isinstance(tree, Var):
        return None
    axis, root = products.axis, products.root
    if products.ahead and any(
        _leaves(solver, products, part) for part in _all_but_last(solver, tree, axis)
    ):
        return Stick(tree, axis, False, root)
    if products.longer:
        call = call_of(solver, tree)
        found = None if call is None else _beside(solver, call, tree, 1, first=False)
        if found is None or found[1] != axis or not isinstance(found[0], Var) or root:
            return None
        shares = found[0]
        return Stick(shares, axis, True, root) if _leaves(solver, products, shares) else None
    if _leaves(solver, products, tree):
        return Stick(tree, axis, False, root)
    off = _off_the_diagonal(solver, tree) if root else None
    if off is not None and _leaves(solver, products, off):
        rank = solver.context.facts.rank(tree)
        if rank is not None and axis == rank - 1:
            return Stick(off, axis, False, root, with_diagonal=tree)
    return None


def _leaves(solver: Solver, products: Products, shares: Var) -> bool:
    """Whether the factors are what shares leave: `1 - z`, or `1 - z**2` if roots of the products are taken."""
    taken = call_of(solver, products.factors)
    if taken is None:
        return False
    if products.root:
        return not products.log and _is_one_minus(taken, lambda t: is_square(solver, t, shares))
    made = call_of(solver, shares)
    at = _first(made) if made is not None and made.fn is jax.nn.sigmoid else None
    if products.log:
        return _is_log_of_rest(solver, taken, shares, at)
    if _is_one_minus(taken, lambda t: t is shares):
        return True
    if made is not None and _is_one_minus(made, lambda t: t is products.factors):
        return True
    return taken.fn is jax.nn.sigmoid and at is not None and _is_minus(solver, _first(taken), at)


def _is_log_of_rest(solver: Solver, taken: Call, shares: Var, at: Tree | None) -> bool:
    inner = _first(taken)
    if taken.fn is jnp.log1p:
        return _is_minus(solver, inner, shares)
    if taken.fn is jnp.log:
        made = call_of(solver, inner)
        return made is not None and _is_one_minus(made, lambda t: t is shares)
    if taken.fn is jax.nn.log_sigmoid:
        return at is not None and _is_minus(solver, inner, at)
    if taken.fn is jnp.negative and at is not None:
        made = call_of(solver, inner)
        return made is not None and made.fn is jax.nn.softplus and _first(made) is at
    return False


def _is_one_minus(call: Call, holds: Any) -> bool:
    if call.fn is not jnp.subtract:
        return False
    one, other = tuple(call.arguments.values())[:2]
    return one in (Const(1), Const(1.0)) and holds(other)


def _is_minus(solver: Solver, tree: Tree, of: Tree) -> bool:
    """Whether one value is minus another by the text: `-x`, `-2 * x` of `2 * x`, `b - a` of `a - b`."""
    one, other = call_of(solver, tree), call_of(solver, of)
    if one is not None and other is not None and one.fn is other.fn is jnp.subtract:
        pairs = tuple(one.arguments.values())[:2], tuple(other.arguments.values())[:2]
        return pairs[0] == pairs[1][::-1]
    (factor, base), (by, of_base) = _multiple(solver, tree), _multiple(solver, of)
    return base is of_base and factor == -by


def _multiple(solver: Solver, tree: Tree) -> tuple[float, Tree]:
    """Return a literal factor and what it multiplies."""
    call = call_of(solver, tree)
    if call is not None and call.fn is jnp.negative:
        factor, base = _multiple(solver, _first(call))
        return -factor, base
    if call is not None and call.fn is jnp.multiply:
        one, other = tuple(call.arguments.values())[:2]
        for number, rest in ((one, other), (other, one)):
            if isinstance(number, Const) and type(number.value) in (int, float):
                factor, base = _multiple(solver, rest)
                return factor * number.value, base
    return 1.0, tree


def _off_the_diagonal(solver: Solver, tree: Var) -> Var | None:
    """Read `r + eye(n)`, where r is zero on the diagonal and above it: return r."""
    call = call_of(solver, tree)
    if call is None or call.fn is not jnp.add:
        return None
    one, other = tuple(call.arguments.values())[:2]
    for shares, unit in ((one, other), (other, one)):
        made = call_of(solver, unit)
        if made is None or made.fn not in (jnp.eye, jnp.identity) or not isinstance(shares, Var):
            continue
        if made.fn is jnp.eye and (made.arguments["k"] != Const(0) or not _is_square_eye(made)):
            continue
        band = support(shares, solver.context)
        if band.hi is not None and band.hi < 0:
            return shares
    return None


def _is_square_eye(call: Call) -> bool:
    return call.arguments["M"] in (Const(None), call.arguments["N"])


def _first(call: Call) -> Tree:
    return next(iter(call.arguments.values()))
