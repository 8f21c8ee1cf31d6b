"""`lax.associative_scan`: what its function combines is seen by running it on numbers, whatever its text.

A pair `(a, b)` stands for the map `h -> a h + b`; two of them, the earlier first, combine to `(a2 a1, a2 b1 + b2)`. The values of the
scan then satisfy `y_t = a_t y_(t-1) + b_t`, with numbers or matrices `a_t`. Sums, products and logarithms of sums are of the same
kind. It is tried on small whole numbers, for which float32 is exact, and must be a polynomial: sums and products are then told from
all others by a few drawn numbers (Schwartz and Zippel), as functions with absolute values or comparisons would not be.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr

from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import Apply, Closure, Display, Ref, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules import recurrences as formulas
from invcompiler.rules.canonical import canonical
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
]
# What a map does to a value and to another map, and the shapes of maps and of values on which that is tried: each that the
# function takes must agree, and some must be of the rank of the values where that is known.
_LINES = ((3,), (3, 2), (3, 2, 4), (3, 2, 4, 2))
_OF_MAPS: list[tuple[_Pair, Any, Any, tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]] = [
    (_AFFINE, operator.mul, operator.mul, _LINES, _LINES),
    (
        _MATVEC,
        lambda a, b: (a @ b[..., None])[..., 0],
        operator.matmul,
        ((3, 2, 2), (3, 4, 2, 2)),
        ((3, 2), (3, 4, 2)),
    ),
    (
        _MATMUL,
        operator.matmul,
        operator.matmul,
        ((3, 2, 2), (3, 4, 2, 2)),
        ((3, 2, 2), (3, 4, 2, 2)),
    ),
]
# What makes a polynomial of its operands, or only moves numbers.
_POLYNOMIAL = frozenset(
    "add add_any sub mul neg integer_pow dot_general broadcast_in_dim reshape squeeze transpose "
    "expand_dims convert_element_type copy slice concatenate jit pjit reduce_sum".split()
)
_DRAWS = 4
# what a function may raise that is tried on arguments that are not its own
_NOT_TAKEN = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError)


def deduce(solver: Solver, equation: Apply) -> Deduce | None:
    """Return the step that recovers what one of the arrays of a scan holds."""
    call = solver.call(equation)
    if call is None or call.fn is not lax.associative_scan:
        return None
    reverse = solver.context.facts.static(call.arguments["reverse"])
    axis = solver.context.static_int(call.arguments["axis"])
    combine = _logaddexp(call.arguments["fn"]) or _runnable(call.arguments["fn"])
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
    facts = solver.context.facts
    dtype, rank = facts.dtype(items[at]), facts.rank(items[at])
    is_whole = dtype is not None and dtype.kind in "iub"
    if combine is jnp.logaddexp and not is_whole:
        return _LOG_SUMS, ()
    for pair, act in _OF_ONE:
        if is_whole and pair in _FOR_FRACTIONS:
            continue
        trials = [_tried(combine, elems, [shape] * len(items)) for shape in _LINES]
        agreed = lambda tried, act=act: tried.gives(at, act(tried.one[at], tried.other[at]))
        if _hold(trials, rank, _LINES, agreed):
            return pair, ()
    for maps, tree in enumerate(items):
        if maps == at or any(var not in solver.known for var in leaves(tree)):
            continue
        for pair, act, after, of_map, of_value in _OF_MAPS:
            shapes = zip(of_map, of_value, strict=True)
            trials = [
                _tried(combine, elems, [m if k == maps else v for k in range(len(items))])
                for m, v in shapes
            ]

            def acts(tried: _Tried, act: Any = act, after: Any = after, maps: int = maps) -> bool:
                one, other = tried.one, tried.other
                value = act(other[maps], one[at]) + other[at]
                return tried.gives(at, value) and tried.gives(maps, after(other[maps], one[maps]))

            if _hold(trials, rank, of_value, acts):
                return pair, (("a", Part(tree)),)
    return None


def _hold(
    trials: list[list[_Tried] | None],
    rank: int | None,
    shapes: tuple[tuple[int, ...], ...],
    agrees: Callable[[_Tried], bool],
) -> bool:
    """Whether all trials that the function takes agree; one must be of the `rank` of the values, if that is known."""
    taken = [len(shape) for shape, trial in zip(shapes, trials, strict=True) if trial is not None]
    if not taken or (rank is not None and rank not in taken):
        return False
    return all(agrees(tried) for trial in trials if trial is not None for tried in trial)


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
) -> list[_Tried] | None:
    """Combine small numbers a few times; None if they are not what the function takes, or it is no polynomial of them."""
    draw = np.random.default_rng(0)
    made: list[_Tried] = []
    for _ in range(_DRAWS):
        one, other = ([draw.integers(-8, 9, shape) * 1.0 for shape in shapes] for _ in range(2))
        pair = [_packed(elems, [jnp.asarray(x) for x in xs]) for xs in (one, other)]
        try:
            if not made and not _is_polynomial(jax.make_jaxpr(combine)(*pair).jaxpr):
                return None
            found = run_now(functools.partial(combine, *pair))
            arrays = [found] if isinstance(elems, Var) else list(found)
        except _NOT_TAKEN:
            return None
        if len(arrays) != len(shapes):
            return None
        made.append(_Tried(one, other, [np.asarray(array) for array in arrays]))
    return made


def _is_polynomial(jaxpr: Jaxpr) -> bool:
    for equation in jaxpr.eqns:
        if equation.primitive.name not in _POLYNOMIAL:
            return False
        if equation.primitive.name == "integer_pow" and not 0 <= equation.params["y"] <= 4:
            return False
        inner = (p.jaxpr if isinstance(p, ClosedJaxpr) else p for p in equation.params.values())
        if not all(_is_polynomial(p) for p in inner if isinstance(p, Jaxpr)):
            return False
    return True


def _packed(elems: Tree, arrays: _Arrays) -> Any:
    return elems.kind(arrays) if isinstance(elems, Display) else arrays[0]


def _logaddexp(fn: Tree) -> Callable[..., Any] | None:
    """Return `jnp.logaddexp` if `fn` is it, or does no more than to call it with both of its arguments."""
    if isinstance(fn, Closure):
        function = fn.lower()
        params = {param.var for param in function.params}
        made = function.body.equations
        if len(made) != 1 or made[0].outs != (function.body.result,):
            return None
        call = canonical(made[0]) if isinstance(made[0], Apply) else None
        both = call is not None and set(call.arguments.values()) == params and len(params) == 2
        return jnp.logaddexp if call is not None and both and call.fn is jnp.logaddexp else None
    return jnp.logaddexp if isinstance(fn, Ref) and fn.value is jnp.logaddexp else None


def _runnable(fn: Tree) -> Callable[..., Any] | None:
    """Return a function of the text that closes over no array, to be run."""
    if isinstance(fn, Ref) and callable(fn.value):
        return fn.value
    if isinstance(fn, Closure) and not any(True for _, tree in fn.env for _ in leaves(tree)):
        function = fn.lower()
        return lambda one, other: evaluate(function, (one, other))
    return None
