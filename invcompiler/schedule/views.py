"""The equations of a block as a graph: who reads what, and which values are parts of which.

A use of `x.at[i].set(v)` is one node that reads `x`, `i` and `v`. Equations that read only the shape of a value are kept
apart: they can run before the value is known.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
from jax import lax

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Const,
    Display,
    Equation,
    Ref,
    Slice,
    Tree,
    Var,
)
from invcompiler.ir.walk import free_vars, leaves, operands
from invcompiler.rules.canonical import Call
from invcompiler.schedule import bands, updates
from invcompiler.schedule.context import Context
from invcompiler.schedule.copies import of_copy
from invcompiler.schedule.positions import END, plus, terms_of
from invcompiler.schedule.regions import (
    Agreement,
    Band,
    Diagonal,
    Elements,
    Except,
    Item,
    Masked,
    Permuted,
    Region,
    Span1,
    View,
)

_SHAPE_ATTRIBUTES = frozenset({"shape", "ndim", "size", "dtype"})
_SHAPE_FUNCTIONS = (jnp.shape, jnp.ndim, jnp.size)
_SHAPE_FUNCTIONS += (jnp.zeros_like, jnp.ones_like, jnp.empty_like, jnp.full_like)
_FULL = Slice(Const(None), Const(None), Const(None))


class Graph:
    """Neighbourhoods of the equations of `block`."""

    def __init__(self, block: Block, context: Context):
        self.context = context
        self.block = block
        self.free = free_vars(block)
        self.all_defining: dict[Var, Equation] = {
            out: equation for equation in block.equations for out in equation.outs
        }
        links = {e for e in block.equations if self._is_at_link(e)}
        self.equations = [e for e in block.equations if e not in links]
        self.defining = {out: e for e in self.equations for out in e.outs}
        context.defining.update(self.all_defining)
        self._reads = {e: self._operands(e) for e in self.equations}
        self.users: dict[Var, list[Equation]] = defaultdict(list)
        for equation, vars_ in self._reads.items():
            for var in vars_:
                self.users[var].append(equation)
        self.shape_queries = [e for e in self.equations if is_shape_query(e)]
        self.views_of_whole: dict[Var, list[View]] = defaultdict(list)
        self.views_of_part: dict[Var, list[View]] = defaultdict(list)
        self.agreements: dict[Var, list[Agreement]] = defaultdict(list)
        self.awaiting: dict[Var, list[View | Agreement]] = defaultdict(list)
        self.differences: dict[Var, list[tuple[Var, int, bool]]] = defaultdict(list)
        self.difference_of: dict[Var, list[Var]] = defaultdict(list)
        for equation in self.equations:
            for relation in relations(equation, self):
                self._enter(relation)
            self._enter_difference(equation)

    def in_order(self) -> Iterable[Var]:
        """Yield the vars of the block, those from outside first."""
        yield from self.block.params
        yield from self.free
        for equation in self.block.equations:
            yield from equation.outs

    def reads(self, equation: Equation) -> tuple[Var, ...]:
        return self._reads[equation]

    def is_readable(self, relation: View | Agreement, known: set[Var]) -> bool:
        """Whether the index or mask of the relation is known."""
        return all(var in known for var in region_vars(relation.region))

    def _enter(self, relation: View | Agreement) -> None:
        if isinstance(relation, View):
            self.views_of_whole[relation.whole].append(relation)
            self.views_of_part[relation.part].append(relation)
        else:
            self.agreements[relation.one].append(relation)
            self.agreements[relation.other].append(relation)
        for var in region_vars(relation.region):
            self.awaiting[var].append(relation)

    def _enter_difference(self, equation: Equation) -> None:
        """Note that an equation is `jnp.diff(x)`, which with one element of x determines it."""
        call = self.context.call(equation) if isinstance(equation, Apply) else None
        if call is not None and call.fn is jnp.subtract:
            self._enter_shifted(equation.outs[0], *tuple(call.arguments.values())[:2])
        if call is None or call.fn is not jnp.diff:
            return
        given = call.arguments
        whole, axis = given["a"], given["axis"]
        plain = given["n"] == Const(1) and given["prepend"] == given["append"] == Const(None)
        if plain and isinstance(whole, Var) and isinstance(axis, Const):
            self.differences[whole].append((equation.outs[0], axis.value, True))
            self.difference_of[equation.outs[0]].append(whole)

    def _enter_shifted(self, out: Var, one: Tree, other: Tree) -> None:
        """Note that `x[1:] - x[:-1]` is `jnp.diff(x)`, and `x[:-1] - x[1:]` minus that."""
        if not isinstance(one, Var) or not isinstance(other, Var):
            return
        for first in self.views_of_part.get(one, ()):
            for second in self.views_of_part.get(other, ()):
                found = _neighbours(first, second, self.context)
                if found is not None:
                    self.differences[first.whole].append((out, *found))
                    self.difference_of[out].append(first.whole)

    # ---- `x.at[i].set(v)` -------------------------------------------------------------------

    def _is_at_link(self, equation: Equation) -> bool:
        if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
            return False
        if equation.fn.value is getattr:
            return equation.args[1] == Const("at")
        return equation.fn.value is operator.getitem and self._is_at(equation.args[0])

    def _is_at(self, tree: Tree) -> bool:
        return updates.is_at(self.all_defining.get(tree) if isinstance(tree, Var) else None)

    def at_parts(self, equation: Equation) -> tuple[str, Tree, Tree, tuple[Tree, ...]] | None:
        """Return method, base, index and arguments of `base.at[index].method(*arguments)`."""
        return updates.at_parts(equation, self.all_defining)

    def _operands(self, equation: Equation) -> tuple[Var, ...]:
        parts = self.at_parts(equation)
        if parts is None:
            return operands(equation)
        _, base, index, arguments = parts
        assert isinstance(equation, Apply)
        trees = (base, index, *arguments, *(value for _, value in equation.kwargs))
        return tuple(dict.fromkeys(leaf for tree in trees for leaf in leaves(tree)))


def _is(equation: Equation | None, fn: Any) -> bool:
    return isinstance(equation, Apply) and isinstance(equation.fn, Ref) and equation.fn.value is fn


def is_shape_query(equation: Equation) -> bool:
    """Whether the equation reads the shape or dtype of its first operand, and its value not."""
    if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
        return False
    if equation.fn.value is getattr:
        name = equation.args[1]
        return isinstance(name, Const) and name.value in _SHAPE_ATTRIBUTES
    return equation.fn.value is len or any(equation.fn.value is f for f in _SHAPE_FUNCTIONS)


def _neighbours(one: View, other: View, context: Context) -> tuple[int, bool] | None:
    """Return the axis along which two parts of a value differ by one place, and whether the first is the one behind."""
    regions = one.region, other.region
    if one.whole is not other.whole:
        return None
    spans = [r for r in regions if isinstance(r, Span1) and r.step == 1 and not r.squeezed]
    if len(spans) < 2 or spans[0].axis != spans[1].axis:
        return None
    axis, whole = spans[0].axis, one.whole
    end = context.settle(END, whole, axis)
    ends = [tuple(context.settle(p, whole, axis) for p in (r.start, r.stop)) for r in spans]
    without = (0, plus(end, 1, -1)), (1, end)
    if ends[0] == without[1] and ends[1] == without[0]:
        return axis, True
    return (axis, False) if ends[0] == without[0] and ends[1] == without[1] else None


def region_vars(region: Region) -> tuple[Var, ...]:
    """Return the vars that must be known to speak of `region`."""
    match region:
        case Elements(index=tree) | Masked(mask=tree) | Permuted(index=tree):
            return tuple(leaves(tree))
        case Except(region=inner):
            return region_vars(inner)
        case Span1(start=start, stop=stop):
            symbols = [name for end in (start, stop) for name in terms_of(end)[0]]
            return tuple(name for name in symbols if isinstance(name, Var))
        case _:
            return ()


# ---- relations ------------------------------------------------------------------------------------


def relations(equation: Equation, graph: Graph) -> Iterable[View | Agreement]:
    """Yield what an equation says of parts and wholes."""
    if not isinstance(equation, Apply):
        return
    parts = graph.at_parts(equation)
    if parts is not None:
        yield from _of_at(equation, *parts, graph)
    elif _is(equation, operator.getitem):
        yield from _of_getitem(equation, graph)
    elif _is(equation, getattr):
        yield from _of_getattr(equation, graph)
    else:
        yield from _of_call(equation, graph)


def _of_at(
    equation: Apply, method: str, base: Tree, index: Tree, arguments: tuple, graph: Graph
) -> Iterable[View | Agreement]:
    region = array_region(index, base, graph.context)
    if region is None or not isinstance(base, Var):
        return
    if method == "get":
        yield View(equation.out, base, region)
    else:
        if isinstance(region, Permuted):  # an update need not reach every element
            region = Elements(index)
        yield Agreement(equation.out, base, Except(region))
        value = arguments[0] if arguments else None
        if method == "set" and isinstance(value, Var):
            repeats = graph.context.repeats(region, base)
            if repeats is None and isinstance(region, Elements):
                region = Elements(region.index, may_repeat=True)
            if not repeats:
                yield View(value, equation.out, region)


def _of_getitem(equation: Apply, graph: Graph) -> Iterable[View]:
    whole, index = equation.args
    if not isinstance(whole, Var):
        return
    container = graph.context.is_container(whole)
    if isinstance(index, Const) and (isinstance(index.value, str) or container):
        yield View(equation.out, whole, Item(index.value, equation.arity))
    elif equation.arity is not None and container is not False:
        assert isinstance(index, Const)
        yield View(equation.out, whole, Item(index.value, equation.arity))
    else:
        region = array_region(index, whole, graph.context, equation.arity)
        if region is not None:
            yield View(equation.out, whole, region)


def _of_getattr(equation: Apply, graph: Graph) -> Iterable[View]:
    whole, name = equation.args
    if not isinstance(whole, Var) or not isinstance(name, Const):
        return
    if name.value in ("real", "imag") or graph.context.is_field(whole, name.value):
        yield View(equation.out, whole, Item(name.value, attribute=True))


def _of_call(equation: Apply, graph: Graph) -> Iterable[View | Agreement]:
    call = graph.context.call(equation)
    if call is None:
        return
    given = call.arguments
    if call.fn in (jnp.concatenate, lax.concatenate, jnp.stack):
        yield from _of_concatenation(equation, call.fn, given, graph)
    elif call.fn is jnp.append or (call.fn is jnp.hstack and _mixes_ranks(call, graph)):
        yield from _of_appending(equation, call, graph)
    elif call.fn in (jnp.pad, jnp.tile, jnp.repeat, jnp.broadcast_to):
        yield from of_copy(equation, call, graph.context)
    elif call.fn in (jnp.hstack, jnp.vstack, jnp.dstack, jnp.column_stack):
        yield from _of_stacking(equation, call.fn, given, graph)
    elif call.fn is jnp.take and isinstance(given.get("a"), Var):
        axis = given.get("axis")
        if isinstance(axis, Const) and isinstance(axis.value, int):
            yield View(equation.out, given["a"], Permuted(axis.value, given["indices"], True))
    elif call.fn is jnp.where and given.get("x") is not None:
        yield from _of_where(equation, given, graph)
    elif call.fn is jnp.multiply:
        yield from _of_masked_product(equation, given, graph)
        yield from _of_diagonal_product(equation, given, graph)
    elif call.fn is jnp.add:
        yield from _of_masked_sum(equation, given, graph)
        yield from _of_banded_sum(equation, given, graph)
    elif call.fn is jnp.subtract:
        yield from _of_banded_difference(equation, given, graph)
    elif call.fn in (jnp.tril, jnp.triu):
        yield from _of_triangle(equation, call, graph)
    elif call.fn in (jnp.diag, jnp.diagonal):
        yield from _of_diagonal(equation, call, graph)
    elif call.fn is jnp.fill_diagonal:
        yield from _of_filled_diagonal(equation, given, graph)
    elif call.fn is lax.complex:
        for key, part in zip(("real", "imag"), given.values(), strict=False):
            if isinstance(part, Var):
                yield View(part, equation.out, Item(key, attribute=True))
    elif call.fn is jnp.real or call.fn is jnp.imag:
        whole = next(iter(given.values()))
        if isinstance(whole, Var):
            yield View(equation.out, whole, Item(call.fn.__name__, attribute=True))


def _of_concatenation(equation: Apply, fn: Any, given: dict, graph: Graph) -> Iterable[View]:
    arrays = next(iter(given.values()))
    axis = given.get("axis") or given.get("dimension")
    if not isinstance(arrays, Display) or not isinstance(axis, Const):
        return
    stacked = fn is jnp.stack
    sizes = [1 if stacked else graph.context.dim(item, axis.value) for item in arrays.items]
    for item, start, stop in zip(arrays.items, *boundaries(sizes), strict=True):
        if isinstance(item, Var) and start is not None and stop is not None:
            yield View(item, equation.out, Span1(axis.value, start, stop, squeezed=stacked))


def _mixes_ranks(call: Call, graph: Graph) -> bool:
    """Whether vectors and numbers are put in one vector."""
    found = graph.context.concatenated(call)
    return found is not None and len({graph.context.facts.rank(item) for item in found[0]}) > 1


def _of_appending(equation: Apply, call: Call, graph: Graph) -> Iterable[View]:
    """`jnp.append` of a vector is a concatenation with a vector or a number; so is `jnp.hstack` of both."""
    found = graph.context.concatenated(call)
    if found is None:
        return
    sizes = [graph.context.item_dim(item, 0) for item in found[0]]
    for item, start, stop in zip(found[0], *boundaries(sizes), strict=True):
        if isinstance(item, Var) and start is not None and stop is not None:
            squeezed = graph.context.facts.rank(item) == 0
            yield View(item, equation.out, Span1(0, start, stop, squeezed=squeezed))


def _of_stacking(equation: Apply, fn: Any, given: dict, graph: Graph) -> Iterable[View]:
    """`hstack` and its kin are a stack or a concatenation, which one depends on the rank."""
    arrays = next(iter(given.values()))
    if not isinstance(arrays, Display):
        return
    ranks = {graph.context.facts.rank(item) for item in arrays.items}
    if len(ranks) != 1 or None in ranks:
        return
    rank = ranks.pop()
    assert rank is not None
    meant = {
        jnp.hstack: (jnp.concatenate, 0 if rank == 1 else 1),
        jnp.vstack: (jnp.stack, 0) if rank == 1 else (jnp.concatenate, 0),
        jnp.column_stack: (jnp.stack, 1) if rank == 1 else (jnp.concatenate, 1),
        jnp.dstack: (jnp.concatenate, 2) if rank > 2 else None,
    }[fn]
    if meant is not None and rank > 0:
        yield from _of_concatenation(
            equation, meant[0], {"arrays": arrays, "axis": Const(meant[1])}, graph
        )


def boundaries(sizes: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return where each part starts and stops; parts behind the one of unknown size count from the end."""
    starts: list[Any] = [0]
    for size in sizes[:-1]:
        starts.append(None if size is None or starts[-1] is None else plus(starts[-1], size))
    stops: list[Any] = [END]
    for size in reversed(sizes[1:]):
        stops.append(None if size is None or stops[-1] is None else plus(stops[-1], size, -1))
    stops.reverse()
    if None not in sizes:
        for i in range(
            1, len(sizes)
        ):  # what is behind has a length that is a number: the end tells where that starts
            if not isinstance(starts[i], int) and all(isinstance(n, int) for n in sizes[i:]):
                starts[i] = stops[i - 1]
        return starts, [*starts[1:], END]
    for i in range(len(sizes)):
        if starts[i] is None and stops[i - 1] is not None and i:
            starts[i] = stops[i - 1]
        if i + 1 < len(sizes) and starts[i + 1] is not None:
            stops[i] = starts[i + 1]
    return starts, stops


def _of_where(equation: Apply, given: dict[str, Tree], graph: Graph) -> Iterable[View | Agreement]:
    mask, holds = _plain(given["condition"], graph)
    sides = ((given["x"], holds), (given["y"], not holds))
    for (branch, inside), (other, _) in (sides, sides[::-1]):
        if not isinstance(branch, Var) or branch in tuple(leaves(mask)):
            continue
        if _is_zero(other):
            yield View(equation.out, branch, Masked(mask, inside))
        else:
            yield Agreement(equation.out, branch, Masked(mask, inside))


def _plain(mask: Tree, graph: Graph) -> tuple[Tree, bool]:
    """Return a mask, and whether it is that or its negation that a condition is."""
    return graph.context.mask(mask) or (mask, True)


def _is_zero(tree: Tree) -> bool:
    return isinstance(tree, Const) and tree.value in (0, 0.0) and tree.value is not False


def _of_masked_product(equation: Apply, given: dict, graph: Graph) -> Iterable[View]:
    """What is zero outside of a mask holds the elements inside: a view of the shape of the whole."""
    one, other = given.values()
    for mask, value in ((one, other), (other, one)):
        kind = graph.context.mask(mask) if isinstance(value, Var) else None
        if kind is not None:
            yield View(equation.out, value, Masked(*kind))


def _of_masked_sum(equation: Apply, given: dict, graph: Graph) -> Iterable[Agreement]:
    """Where one term is zero, the sum is the other one."""
    one, other = given.values()
    for term, rest in ((one, other), (other, one)):
        mask = support(term, graph)
        if mask is not None and isinstance(rest, Var):
            yield Agreement(equation.out, rest, Masked(mask.mask, not mask.inside))


def _of_triangle(equation: Apply, call: Call, graph: Graph) -> Iterable[View]:
    whole, kept = next(iter(call.arguments.values())), bands.triangle_of(call, graph.context)
    if isinstance(whole, Var) and kept is not None:
        yield View(equation.out, whole, kept)


def _of_diagonal(equation: Apply, call: Call, graph: Graph) -> Iterable[View]:
    """`diag` takes the diagonal of a matrix, and makes a matrix of a vector; `diagonal` takes that of the last two axes."""
    operand = next(iter(call.arguments.values()))
    rank = graph.context.facts.rank(operand)
    k = graph.context.static_int(call.arguments["k" if call.fn is jnp.diag else "offset"])
    if not isinstance(operand, Var) or rank is None or k is None:
        return
    if call.fn is jnp.diag and rank == 1:
        yield View(operand, equation.out, Diagonal(k))
    elif _are_last_two(call, rank, graph):
        yield View(equation.out, operand, Diagonal(k))


def _are_last_two(call: Call, rank: int, graph: Graph) -> bool:
    if call.fn is jnp.diag:
        return rank == 2
    axes = [graph.context.static_int(call.arguments[name]) for name in ("axis1", "axis2")]
    if rank < 2 or None in axes:
        return False
    return [axis % rank for axis in axes if axis is not None] == [rank - 2, rank - 1]


def _of_filled_diagonal(equation: Apply, given: dict, graph: Graph) -> Iterable[View | Agreement]:
    base, value, wraps = given["a"], given["val"], given["wrap"]
    context = graph.context
    if not isinstance(base, Var) or wraps != Const(False) or context.facts.rank(base) != 2:
        return
    for band in bands.complement(Band(0, 0)):
        yield Agreement(equation.out, base, band)
    if isinstance(value, Var) and context.facts.rank(value) == 1:
        yield View(value, equation.out, Diagonal(0))


def _of_diagonal_product(equation: Apply, given: dict, graph: Graph) -> Iterable[View]:
    """The diagonal of `jnp.eye(n) * d` is d, also if d is a column."""
    context = graph.context
    for one, factor in _both_ways(given):
        made = graph.all_defining.get(one) if isinstance(one, Var) else None
        call = context.call(made) if isinstance(made, Apply) else None
        if call is None or call.fn not in (jnp.eye, jnp.identity):
            continue
        column = context.as_column(factor)
        vector = factor if column is None else column
        if not isinstance(vector, Var) or context.facts.dim(vector, -1) != context.facts.dim(
            one, -1
        ):
            continue
        if column is not None or context.facts.rank(vector) == 1:
            if bands.support(one, context) == Band(0, 0):
                yield View(vector, equation.out, Diagonal(0))


def _of_banded_sum(equation: Apply, given: dict, graph: Graph) -> Iterable[Agreement]:
    """Where one matrix is zero, the sum is the other one."""
    context = graph.context
    for term, rest in _both_ways(given):
        if isinstance(rest, Var) and context.facts.same_shape(rest, equation.out) is not False:
            for band in bands.complement(bands.spread(term, context)):
                yield Agreement(equation.out, rest, band)


def _of_banded_difference(equation: Apply, given: dict, graph: Graph) -> Iterable[Agreement]:
    """Where what is subtracted is zero, the difference is the other one."""
    one, other = tuple(given.values())[:2]
    if isinstance(one, Var) and graph.context.facts.same_shape(one, equation.out) is not False:
        for band in bands.complement(bands.spread(other, graph.context)):
            yield Agreement(equation.out, one, band)


def _both_ways(given: dict) -> tuple[tuple[Tree, Tree], tuple[Tree, Tree]]:
    one, other = tuple(given.values())[:2]
    return (one, other), (other, one)


def support(term: Tree, graph: Graph) -> Masked | None:
    """Return the mask outside of which `term` is zero, if it is a product with a mask."""
    made = graph.all_defining.get(term) if isinstance(term, Var) else None
    call = graph.context.call(made) if isinstance(made, Apply) else None
    if call is not None and call.fn is jnp.where:
        zero = [_is_zero(call.arguments[name]) for name in ("x", "y")]
        mask, holds = _plain(call.arguments["condition"], graph)
        return Masked(mask, zero[1] is holds) if any(zero) else None
    if call is None or call.fn is not jnp.multiply:
        return None
    for factor in call.arguments.values():
        kind = graph.context.mask(factor)
        if kind is not None:
            return Masked(*kind)
    return None


# ---- indices --------------------------------------------------------------------------------------


def array_region(
    index: Tree, whole: Tree, context: Context, arity: int | None = None
) -> Region | None:
    """Return the region that `whole[index]` is, in the simplest form that says it."""
    parts = index.items if isinstance(index, Display) and index.kind is tuple else (index,)
    if any(part == Const(None) for part in parts):
        return None
    seen_ellipsis = False
    found: list[tuple[int, Tree]] = []
    for number, part in enumerate(parts):
        if part == Const(Ellipsis):
            seen_ellipsis = True
        elif part != _FULL:
            found.append((number - len(parts) if seen_ellipsis else number, part))
    if not found:
        return Span1(0, 0, END)
    if len(found) > 1:
        return Elements(index)
    axis, part = found[0]
    return _axis_region(axis, part, index, whole, context)


def _axis_region(
    axis: int, part: Tree, index: Tree, whole: Tree, context: Context
) -> Region | None:
    if isinstance(part, Slice):
        step = context.static_int(part.step, default=1)
        if step is None:
            return Elements(index)
        return context.slice_region(axis, part, step, whole) or Elements(index)
    start = context.position(part, whole, axis)
    if start is not None:
        return Span1(axis, start, plus(start, 1), squeezed=True)
    if context.is_integer_array(part):
        return Permuted(axis, part)
    return Elements(index)
