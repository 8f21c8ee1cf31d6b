"""A vector to which a few multiples of its own projections are added: `x + u * (w @ x)`, `d * x + a @ (b @ x)`.

The unknown is used several times, but all uses but one go through few numbers `t`. The equation is solved for these first:
`y = d x + a t` with `t = b x` gives `(1 + b d^-1 a) t = b d^-1 y`, and then `x = d^-1 (y - a t)` (Sherman, Morrison and Woodbury). Its
determinant is that of `d` times that of the small matrix (the matrix determinant lemma). Where some use goes through a square
matrix, all of them are added up to one matrix instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from invcompiler.errors import ShapeError
from invcompiler.ir.nodes import Apply, Const, Display, Slice, Tree, Var
from invcompiler.ir.walk import leaves, operands
from invcompiler.rules.projections import same_number
from invcompiler.rules.registry import Refusal
from invcompiler.schedule import affine, matrix_structure
from invcompiler.schedule.affine import Coefficient, Op
from invcompiler.schedule.inner_products import number_of
from invcompiler.schedule.linear_forms import NotLinear, Open, Reading
from invcompiler.schedule.linear_terms import (
    Dot,
    Extent,
    Product,
    RankOne,
    Side,
    Update,
    Wide,
    dot,
    product,
)
from invcompiler.schedule.plan import LowRank
from invcompiler.schedule.running import run_now

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_FURTHEST = 60  # equations looked at for the unknown of a value


def collect(solver: Solver) -> LowRank | None:
    """Return the step that recovers a vector from the first value that is such a function of it."""
    for equation in solver.graph.equations:
        if not isinstance(equation, Apply) or not affine.is_stuck(solver, equation):
            continue
        call = solver.call(equation)
        if call is None or call.fn not in (jnp.add, jnp.subtract):
            continue
        if _is_projection(solver, equation):
            continue
        step = _solved(solver, equation)
        if step is not None:
            return step
    return None


def _is_projection(solver: Solver, equation: Apply) -> bool:
    """Whether an equation was added for numbers only, which it is solved for as it stands."""
    users = solver.graph.users.get(equation.out, ())
    calls = (solver.call(user) for user in users if isinstance(user, Apply))
    return any(call is not None and call.fn is same_number for call in calls)


def structured(solver: Solver, equation: Apply) -> LowRank | Refusal | None:
    """Return the step for a product of the unknown and a matrix which is a diagonal and a few outer products.

    Where that is seen to be singular, return the refusal.
    """
    call = solver.call(equation)
    if call is None or call.fn not in (jnp.matmul, jnp.dot) or equation.out not in solver.known:
        return None
    a, b = (call.arguments[name] for name in "ab")
    unknown = [t for t in (a, b) if any(v not in solver.known for v in leaves(t))]
    if len(unknown) != 1 or not isinstance(unknown[0], Var) or not _is_inexact(solver, unknown[0]):
        return None
    x, matrix = unknown[0], a if unknown[0] is b else b
    if not affine.same_shapes(solver, (equation.out, x)):
        return None
    rank = solver.context.facts.rank(x)
    is_row = x is a
    reading = Reading(solver, x, None, is_batched=is_row if rank is None else rank > 1)
    if reading.is_batched:
        reading.on(Side.ROWS if is_row else Side.COLUMNS)
    form = matrix_structure.applied(reading, matrix)
    if rank is None and not is_row:
        reading.assumed[x] = 1
    try:
        step = None if form is None else _step(reading, equation, form)
    except NotLinear:
        return None
    refusal = None if step is None else _singular(reading, step)
    return refusal or step


def _solved(solver: Solver, equation: Apply) -> LowRank | None:
    for x in candidates(solver, equation.out):
        for reading in _readings(solver, x):
            try:
                form = reading.of_value(equation.out)
                step = _step(reading, equation, form) if isinstance(form, Wide) else None
            except Open:
                solver.refusals.setdefault(equation, _waits(solver, equation))
                continue
            except NotLinear:
                continue
            if step is None:
                continue
            refusal = _singular(reading, step)
            if refusal is None:
                solver.refusals.pop(equation, None)
                return step
            solver.refusals[equation] = refusal
            return None
    return None


def _waits(solver: Solver, equation: Apply) -> ShapeError:
    function = solver.context.function.name
    return ShapeError(
        f"what `{function}` adds up here depends on the shapes of its arguments",
        span=equation.span,
        function=function,
        label="whether these are vectors or matrices is known when it is called",
        hint="call the generated function, or pass `example=`, an array or a `jax.ShapeDtypeStruct` like the unknown",
    )


def _readings(solver: Solver, x: Var) -> Iterator[Reading]:
    """Yield the ways in which what is computed from x may be meant, as far as ranks leave that open."""
    rank = solver.context.facts.rank(x)
    for vectors in (None,) if solver.context.facts.is_concrete else (None, True, False):
        for is_batched in (False, True) if rank is None else (rank > 1,):
            yield Reading(solver, x, vectors, is_batched)


def candidates(solver: Solver, value: Var) -> Iterator[Var]:
    """Yield the unknown values of the shape of `value` that it is computed from, the nearest first."""
    cone, waiting = {value}, [value]
    while waiting and len(cone) < _FURTHEST:
        made = solver.graph.defining.get(waiting.pop(0))
        new = [] if made is None else [v for v in operands(made) if v not in cone]
        new = [var for var in new if var not in solver.known]
        cone.update(new)
        waiting += new
    for var in sorted(cone - {value}, key=solver.order, reverse=True):
        if affine.same_shapes(solver, (value, var)) and _is_inexact(solver, var):
            yield var


def _is_inexact(solver: Solver, var: Var) -> bool:
    if solver.context.is_container(var):
        return False
    dtype = solver.context.facts.dtype(var)
    return dtype is None or np.dtype(dtype).kind in "fVc"


# ---- the step ------------------------------------------------------------------------------------------


def _step(reading: Reading, equation: Apply, form: Wide) -> LowRank | None:
    if not form.updates:
        return None
    updates = tuple(_cut(reading, update) for update in _merged(form.updates))
    side = reading.side or Side.ROWS
    narrow = not any(isinstance(u, Product) and len(u.factors) == 1 for u in updates)
    if narrow and affine.number(form.diagonal) != 0:
        determinant = _determinant(reading, form.diagonal, updates)
    else:
        narrow, determinant = False, None
    if determinant is None:
        _check_matrices(reading, form.diagonal, updates, narrow)
    return LowRank(
        equation,
        equation.out,
        reading.x,
        side,
        reading.is_batched,
        form.diagonal,
        updates,
        form.offset,
        narrow,
        determinant,
        tuple(reading.assumed.items()),
    )


def _check_matrices(
    reading: Reading, diagonal: Coefficient, updates: tuple[Update, ...], narrow: bool
) -> None:
    """Check that all parts can be written as matrices: vectors of their own for each example are none."""
    vectors = [part for u in updates if isinstance(u, RankOne) for part in u.parts]
    if any(reading.rank_of(vector) not in (None, 1) for vector in vectors):
        raise NotLinear
    if any(_is_number(vector) for vector in vectors):
        raise NotLinear
    rank = reading.rank_of(diagonal)
    if not narrow and rank is not None and rank > 1:
        raise NotLinear


def _is_number(vector: Coefficient) -> bool:
    return affine.number(vector) is not None or isinstance(vector, Extent)


def _merged(updates: tuple[Update, ...]) -> tuple[Update, ...]:
    """Return the updates, those of one direction as one."""
    merged: list[Update] = []
    for update in updates:
        place = next((i for i, u in enumerate(merged) if _same_weights(u, update)), None)
        if place is None:
            merged.append(update)
        else:
            one = merged[place]
            assert isinstance(one, RankOne) and isinstance(update, RankOne)
            merged[place] = RankOne(affine.add(one.of, update.of), one.weights)
    return tuple(merged)


def _same_weights(one: Update, other: Update) -> bool:
    if not isinstance(one, RankOne) or not isinstance(other, RankOne):
        return False
    if affine.number(one.weights) is not None:
        return affine.number(one.weights) == affine.number(other.weights)
    return isinstance(one.weights, Var) and one.weights is other.weights


def _cut(reading: Reading, update: Update) -> Update:
    """Return a product as two factors, with the fewest numbers between them; as one, if these are as many as at its ends."""
    if isinstance(update, RankOne) or len(update.factors) == 1:
        return update
    sizes = update.sizes[:-1]
    known = [size for size in sizes if size is not None]
    place = sizes.index(min(known)) if len(known) == len(sizes) else 0
    narrowest = sizes[place]
    wide = reading.size_along()
    parts = update.factors[: place + 1], update.factors[place + 1 :]
    if narrowest is not None and wide is not None and narrowest >= wide:
        parts = (update.factors,)  # type: ignore[assignment]
    factors = tuple(_multiplied(reading, part) for part in parts)
    return Product(factors, (narrowest, update.sizes[-1])[-len(factors) :])


def _multiplied(reading: Reading, factors: tuple[Coefficient, ...]) -> Coefficient:
    total = factors[0]
    for factor in factors[1:]:
        columns = reading.side is Side.COLUMNS
        total = product(factor, total) if columns else product(total, factor)
    return total


def _determinant(
    reading: Reading, diagonal: Coefficient, updates: tuple[Update, ...]
) -> Coefficient | None:
    """Return what one update of rank one multiplies the determinant of the diagonal by: 1 + w d^-1 u."""
    update = updates[0] if len(updates) == 1 else None
    if not isinstance(update, RankOne):
        return None
    inner = dot(update.weights, affine.divide(update.of, diagonal))
    number = number_of(reading, inner)
    return affine.add(1, inner if number is None else number)


# ---- refusals ------------------------------------------------------------------------------------------


def _singular(reading: Reading, step: LowRank) -> Refusal | None:
    """Refuse what can be seen to be singular."""
    refusal = Refusal("the unknown cancels here: the output does not determine it")
    value = value_of(reading.solver, step.diagonal)
    if step.narrow and value is not None and not (np.isfinite(value) & (value != 0)).all():
        return Refusal("a factor is zero or not finite: the output does not determine the unknown")
    if step.determinant is not None:
        number = affine.number(step.determinant)
        if number == 0:
            return refusal
        value = value_of(reading.solver, step.determinant)
        if value is not None and vanishes(value):
            return refusal
    elif not step.narrow:
        return _few(reading, step)
    return None


def vanishes(value: np.ndarray) -> bool:
    eps = jnp.finfo(value.dtype).eps if value.dtype.kind in "fc" else 0
    return bool((np.abs(value) <= 8 * eps).any())


def _few(reading: Reading, step: LowRank) -> Refusal | None:
    """Refuse a sum of products of too small a rank."""
    wide = reading.size_along()
    ranks = [1 if isinstance(u, RankOne) else u.sizes[0] for u in step.updates]
    if affine.number(step.diagonal) != 0 or wide is None or None in ranks:
        return None
    if sum(rank for rank in ranks if rank is not None) < wide:
        return Refusal("the matrix is singular", "multiply by a matrix of full rank")
    return None


def value_of(solver: Solver, coefficient: Coefficient) -> np.ndarray | None:
    """Return what a coefficient is worth today, if that can be told."""
    trees = affine.trees_of(coefficient)
    if _needs_extent(coefficient):
        return None
    values = {id(tree): _today(solver, tree) for tree in trees if _static(tree) is None}
    if any(value is None for value in values.values()):
        return None
    with np.errstate(all="ignore"):
        return np.asarray(run_now(lambda: _evaluated(coefficient, values)))


def _today(solver: Solver, tree: Tree) -> Any:
    if isinstance(tree, Const):
        return tree.value
    if not isinstance(tree, Var):
        return None
    value = solver.context.facts.array_value(tree)
    return value if value is not None and value.dtype.kind in "iufcV" else None


def _static(tree: Tree) -> tuple[Any] | None:
    """Return what an index or a tuple of axes is, in a tuple of one; None for any other operand."""
    if isinstance(tree, Slice) and tree.lower == tree.upper == tree.step == Const(None):
        return (slice(None),)
    if isinstance(tree, Const) and (tree.value is None or tree.value is Ellipsis):
        return (tree.value,)
    if isinstance(tree, Display):
        items = [(i.value,) if isinstance(i, Const) else _static(i) for i in tree.items]
        return None if None in items else (tuple(item[0] for item in items if item is not None),)
    return None


def _needs_extent(coefficient: Coefficient) -> bool:
    if isinstance(coefficient, Dot) and any(map(_is_number, coefficient.args)):
        return True
    if isinstance(coefficient, Extent):
        return True
    return isinstance(coefficient, Op) and any(map(_needs_extent, coefficient.args))


def _evaluated(coefficient: Coefficient, values: dict[int, Any]) -> Any:
    if isinstance(coefficient, Op):
        return coefficient.fn(*(_evaluated(arg, values) for arg in coefficient.args))
    static = None if isinstance(coefficient, int | float) else _static(coefficient)
    if static is not None:
        return static[0]
    return coefficient if isinstance(coefficient, int | float) else values[id(coefficient)]


__all__ = ["candidates", "collect", "structured", "value_of", "vanishes"]
