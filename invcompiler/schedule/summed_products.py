"""Products of arrays that are broadcast, and a sum over axes of them: `jnp.sum(a * x[:, None, :], axis=-1)` applies a matrix.

No step alone undoes it: the sum drops what the product spreads. Together they are an einsum of `a` and `x`.
"""

from __future__ import annotations

import operator
from string import ascii_letters
from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Display, Slice, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.canonical import NONE, Call
from invcompiler.rules.conditions import static_value
from invcompiler.schedule import isolate
from invcompiler.schedule.plan import Isolate

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver


def collect(solver: Solver) -> Isolate | None:
    """Return the step that undoes the first such sum whose value is known."""
    for equation in solver.graph.equations:
        if not isinstance(equation, Apply) or equation.out not in solver.known:
            continue
        if equation in solver.used or not solver.waiting[equation]:
            continue
        call = solver.call(equation)
        product = None if call is None or call.fn is not jnp.sum else _summed(solver, call)
        if product is None:
            continue
        var = product.arguments["b"]
        assert isinstance(var, Var)
        rule = isolate.choose(solver, equation, product, "b", var)
        if rule is not None:
            return Isolate(equation, product, rule, equation.out, var)
    return None


def is_open(solver: Solver, call: Call) -> bool:
    """Whether a sum is one of such a product as far as is known before ranks are."""
    found = _factors(solver, call)
    return found is not None and None in [solver.context.facts.rank(tree) for tree in found]


def _factors(solver: Solver, call: Call) -> tuple[Tree, Tree] | None:
    """Return the known and the unknown factor of what is summed over some axes."""
    if call.fn is not jnp.sum or call.arguments["axis"] == NONE:
        return None
    if call.arguments["keepdims"] != Const(False) or call.arguments["dtype"] != NONE:
        return None
    made = _made(solver, call.arguments["a"])
    if made is None or made.fn is not jnp.multiply:
        return None
    one, other = list(made.arguments.values())[:2]
    known = [all(var in solver.known for var in leaves(tree)) for tree in (one, other)]
    if known.count(True) != 1:
        return None
    return (one, other) if known[0] else (other, one)


def _made(solver: Solver, tree: Tree) -> Call | None:
    equation = solver.graph.defining.get(tree) if isinstance(tree, Var) else None
    return solver.call(equation) if isinstance(equation, Apply) else None


def _summed(solver: Solver, call: Call) -> Call | None:
    found = _factors(solver, call)
    axes = static_value(call.arguments["axis"], solver.context.facts)
    shape = solver.context.concrete_shape(call.arguments["a"])
    if found is None or axes is None or shape is None or len(shape) > len(ascii_letters):
        return None
    numbers = axes[0] if isinstance(axes[0], tuple | list) else (axes[0],)
    gone = {axis % len(shape) for axis in numbers if -len(shape) <= axis < len(shape)}
    sides = [_labelled(solver, tree, shape) for tree in found]
    if None in sides or len(gone) != len(numbers):
        return None
    (known, a), (unknown, b) = sides  # type: ignore[misc]
    rest = "".join(ascii_letters[i] for i in range(len(shape)) if i not in gone)
    if not isinstance(unknown, Var) or any(c not in a + b for c in rest):
        return None
    return Call(jnp.einsum, {"subscripts": Const(f"{a},{b}->{rest}"), "a": known, "b": unknown})


def _labelled(solver: Solver, tree: Tree, shape: tuple[int, ...]) -> tuple[Tree, str] | None:
    """Return the array that is broadcast to `shape`, without axes that were added to it, and the labels of its axes."""
    found = solver.context.concrete_shape(tree)
    if found is None:
        return None
    labels = list(ascii_letters[len(shape) - len(found) : len(shape)])
    tree, kept = _without_added(solver, tree, labels)
    sizes = solver.context.concrete_shape(tree)
    wanted = tuple(shape[ascii_letters.index(label)] for label in kept)
    return (tree, "".join(kept)) if sizes == wanted else None


def _without_added(solver: Solver, tree: Tree, labels: list[str]) -> tuple[Tree, list[str]]:
    call = _made(solver, tree)
    if call is None:
        return tree, labels
    inner = next(iter(call.arguments.values()))
    if call.fn is jnp.expand_dims:
        axes = static_value(call.arguments["axis"], solver.context.facts)
        numbers = None if axes is None else axes[0]
        numbers = numbers if isinstance(numbers, tuple | list) else (numbers,)
        if any(type(n) is not int for n in numbers):
            return tree, labels
        added = {n % len(labels) for n in numbers}
    elif call.fn is operator.getitem:
        parts = added_axes(call.arguments["index"], len(labels))
        if parts is None:
            return tree, labels
        added = parts
    else:
        return tree, labels
    return _without_added(solver, inner, [c for i, c in enumerate(labels) if i not in added])


def added_axes(index: Tree, rank: int) -> set[int] | None:
    """Return which axes of the value, which has so many, an index adds that does nothing else."""
    parts = index.items if isinstance(index, Display) and index.kind is tuple else (index,)
    full = Slice(NONE, NONE, NONE)
    if any(part not in (NONE, Const(...), full) for part in parts) or NONE not in parts:
        return None
    if Const(...) not in parts:
        return {i for i, part in enumerate(parts) if part == NONE}
    place = parts.index(Const(...))
    behind = len(parts) - place - 1
    ahead = {i for i, part in enumerate(parts[:place]) if part == NONE}
    return ahead | {rank - behind + i for i, p in enumerate(parts[place + 1 :]) if p == NONE}


def waits(solver: Solver, equation: Apply) -> bool:
    """Whether the ranks of arrays decide if what is dropped here is dropped: a sum of such a product, or a part along an added axis."""
    call = solver.call(equation)
    if call is None or solver.context.facts.is_concrete:
        return False
    if equation.out in solver.known:
        return is_open(solver, call)
    return any(_is_added_to(solver, tree) for tree in call.arguments.values())


def _is_added_to(solver: Solver, tree: Tree) -> bool:
    """Whether a value is another one with an axis more."""
    call = _made(solver, tree)
    if call is None or call.fn is jnp.expand_dims:
        return call is not None
    if call.fn is not operator.getitem:
        return False
    index = call.arguments["index"]
    return NONE in (index.items if isinstance(index, Display) else (index,))


__all__ = ["collect", "waits"]
