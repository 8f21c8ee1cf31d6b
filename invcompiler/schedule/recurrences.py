"""`lax.associative_scan`: what its function combines is seen by running it on numbers, whatever its text.

A pair `(a, b)` stands for the map `h -> a h + b`; two of them, the earlier first, combine to `(a2 a1, a2 b1 + b2)`. The values of the
scan then satisfy `y_t = a_t y_(t-1) + b_t`, with numbers or matrices `a_t`. Sums, products and logarithms of sums are of the same
kind. It is tried on small whole numbers, for which float32 is exact.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import Apply, Closure, Display, Ref, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules import recurrences as formulas
from invcompiler.rules.simplices import Formula
from invcompiler.schedule.plan import Deduce, Part
from invcompiler.schedule.regions import Item
from invcompiler.schedule.running import run_now

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_Pair = tuple[type[Formula], type[Formula]]  # from the start, and from the end
_Arrays = list[Any]

_SUMS: _Pair = (formulas.sums_undone, formulas.sums_undone_back)
_PRODUCTS: _Pair = (formulas.products_undone, formulas.products_undone_back)
_LOG_SUMS: _Pair = (formulas.log_sums_undone, formulas.log_sums_undone_back)
_AFFINE: _Pair = (formulas.affine_undone, formulas.affine_undone_back)
_MATVEC: _Pair = (formulas.matvec_undone, formulas.matvec_undone_back)
_MATMUL: _Pair = (formulas.matmul_undone, formulas.matmul_undone_back)
_FOR_FRACTIONS = (_PRODUCTS, _LOG_SUMS)

_OF_ONE: list[tuple[_Pair, Callable[[Any, Any], Any]]] = [
    (_SUMS, operator.add),
    (_PRODUCTS, operator.mul),
    (_LOG_SUMS, np.logaddexp),
]
# what a map does to a value and to another map, and the shapes of maps and of values on which that is tried
_OF_MAPS: list[tuple[_Pair, Any, Any, tuple[int, ...], tuple[int, ...]]] = [
    (_AFFINE, operator.mul, operator.mul, (3,), (3,)),
    (_MATVEC, lambda a, b: (a @ b[..., None])[..., 0], operator.matmul, (3, 2, 2), (3, 2)),
    (_MATMUL, operator.matmul, operator.matmul, (3, 2, 2), (3, 2, 2)),
]


def deduce(solver: Solver, equation: Apply) -> Deduce | None:
    """Return the step that recovers what one of the arrays of a scan holds."""
    call = solver.call(equation)
    if call is None or call.fn is not lax.associative_scan:
        return None
    reverse = solver.context.facts.static(call.arguments["reverse"])
    axis = solver.context.static_int(call.arguments["axis"])
    combine = _runnable(call.arguments["fn"])
    if reverse is None or axis is None or combine is None:
        return None
    for place, target, y in _targets(solver, equation, call.arguments["elems"]):
        found = _recurrence(solver, combine, call.arguments["elems"], place)
        if found is not None:
            pair, operands = found
            formula = pair[bool(reverse.value)]
            return Deduce(equation, formula, target, (("y", y), *operands), axis=axis)
    return None


def _targets(
    solver: Solver, equation: Apply, elems: Tree
) -> Iterator[tuple[int | None, Var, Part]]:
    """Yield the unknown arrays of a scan whose values are known, with their places among the arrays."""
    if isinstance(elems, Var):
        if elems not in solver.known and equation.out in solver.known:
            yield None, elems, Part(equation.out)
        return
    if not isinstance(elems, Display) or elems.kind not in (tuple, list):
        return
    parts = {v.region.key: v.part for v in solver.graph.views_of_whole.get(equation.out, ())
             if isinstance(v.region, Item)}  # fmt: skip
    for place, leaf in enumerate(elems.items):
        value = parts.get(place)
        if not isinstance(leaf, Var) or leaf in solver.known:
            continue
        if value in solver.known:
            yield place, leaf, Part(value)
        elif equation.out in solver.known:
            yield place, leaf, Part(equation.out, Item(place))


def _recurrence(
    solver: Solver, combine: Callable[..., Any], elems: Tree, place: int | None
) -> tuple[_Pair, tuple[tuple[str, Part], ...]] | None:
    """Return by which formulas the array at `place` is recovered, and from which others."""
    items = elems.items if isinstance(elems, Display) else (elems,)
    at = place or 0
    dtype = solver.context.facts.dtype(items[at])
    is_whole = dtype is not None and dtype.kind in "iub"
    tried = _tried(combine, elems, [(3,)] * len(items))
    for pair, act in _OF_ONE:
        if tried is None or (is_whole and pair in _FOR_FRACTIONS):
            continue
        if tried.gives(at, act(tried.one[at], tried.other[at])):
            return pair, ()
    for maps, tree in enumerate(items):
        if maps == at or any(var not in solver.known for var in leaves(tree)):
            continue
        for pair, act, after, of_map, of_value in _OF_MAPS:
            shapes = [of_map if k == maps else of_value for k in range(len(items))]
            tried = _tried(combine, elems, shapes)
            if tried is None:
                continue
            one, other = tried.one, tried.other
            combined = after(other[maps], one[maps])
            value = act(other[maps], one[at]) + other[at]
            if tried.gives(at, value) and tried.gives(maps, combined):
                return pair, (("a", Part(tree)),)
    return None


@dataclass(frozen=True)
class _Tried:
    """Two lists of arrays, and what they are combined to."""

    one: _Arrays
    other: _Arrays
    found: _Arrays

    def gives(self, place: int, wanted: np.ndarray) -> bool:
        """Whether what stands at a place of the result is what is wanted."""
        found = self.found[place]
        return found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-6, atol=0)


def _tried(
    combine: Callable[..., Any], elems: Tree, shapes: list[tuple[int, ...]]
) -> _Tried | None:
    """Combine small numbers; None if they are not what the function takes."""
    draw = np.random.default_rng(0)
    one, other = ([draw.integers(1, 9, shape) * 1.0 for shape in shapes] for _ in range(2))

    def run() -> Any:
        return combine(*(_packed(elems, [jnp.asarray(x) for x in xs]) for xs in (one, other)))

    try:
        found = run_now(run)
        arrays = [found] if isinstance(elems, Var) else list(found)
    except Exception:  # the user's function, on arguments that are not the user's
        return None
    made = _Tried(one, other, [np.asarray(array) for array in arrays])
    return made if len(made.found) == len(shapes) else None


def _packed(elems: Tree, arrays: _Arrays) -> Any:
    return elems.kind(arrays) if isinstance(elems, Display) else arrays[0]


def _runnable(fn: Tree) -> Callable[..., Any] | None:
    """Return a function of the text that closes over no array, to be run."""
    if isinstance(fn, Ref) and callable(fn.value):
        return fn.value
    if isinstance(fn, Closure) and not any(True for _, tree in fn.env for _ in leaves(tree)):
        function = fn.lower()
        return lambda one, other: evaluate(function, (one, other))
    return None
