"""The walk back over a loop is a loop, from the last step to the first.

    for w in ws:                  forward                      back
        x = jnp.tanh(w @ x)       xs, ys = [], []              for w, x, y in zip(reversed(ws), ...):
                                  for w in ws:                     ...
                                      xs.append(x)                 w_bars.append(w_bar)
                                      x = jnp.tanh(w @ x)      ws_bar = w_bars[::-1]

It carries the cotangents of what the loop carries, and of the outer values that the body reads; it collects those of the
items. Primals of the body that it needs are collected by the loop forward.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, assert_never

import jax
import jax.numpy as jnp

from invcompiler.errors import UnsupportedSyntaxError
from invcompiler.ir.nodes import (
    Block,
    Const,
    Display,
    Each,
    Enumerate,
    Iter,
    Loop,
    LoopKind,
    Range,
    Reversed,
    Slice,
    Tree,
    Var,
    Zip,
)
from invcompiler.ir.walk import free_vars, map_block, operands
from invcompiler.passes.activity import item_trees
from invcompiler.passes.adjoint import Pullback, Walk
from invcompiler.passes.containers import GETITEM
from invcompiler.passes.cotangents import ZERO, Cotangents, bar_name
from invcompiler.passes.emission import Emission, NeedsShapes, reference
from invcompiler.passes.even_loops import length_of
from invcompiler.passes.fresh import fresh_block
from invcompiler.passes.loop_lengths import steps_of
from invcompiler.passes.residuals import Kept, invariant
from invcompiler.rules.adjoint_helpers import items_like

_PYTHON = (LoopKind.FOR, LoopKind.COMPREHENSION)
_FULL_BACKWARDS = Slice(Const(None), Const(None), Const(-1))


@dataclass(frozen=True, eq=False)
class Back:
    """The body of the loop back, before it is known where its primals come from.

    `carried` numbers the carried values with cotangents, `outer` are the outer vars with one, `collected` numbers the
    collections and `items` the items with one. `bars` are the params for the cotangents of carried and collected values
    and for what `outer` have so far, `result` what it returns for carried values and outer vars, then for items.
    """

    carried: tuple[int, ...]
    outer: tuple[Var, ...]
    collected: tuple[int, ...]
    items: tuple[int, ...]
    carried_bars: tuple[Var, ...]
    outer_bars: tuple[Var, ...]
    collected_bars: tuple[Var, ...]
    block: Block
    at_hand: frozenset[Var]


def step(walk: Walk, loop: Loop) -> Pullback:
    """Emit `loop` forward, collecting what the loop back needs, and return its pullback."""
    _refuse(walk.forward, loop)
    inner = walk.nested()
    inner.block(loop.body)
    back = _back(walk, inner, loop)
    items = loop.body.params[len(loop.init) :]
    kept = walk.pairs.chooser.choose(
        inner.forward,
        back.block,
        items,
        loop.body.params,
        _ends(loop),
        loop,
        steps_of(walk.forward, loop),
    )
    kept = _invariant_moved(walk.forward, inner.forward, loop, kept)
    stacks = _forward(walk.forward, inner.forward, loop, kept)
    return lambda cots: _pull(cots, loop, back, kept, stacks)


def _ends(loop: Loop) -> dict[Var, Var]:
    """Return what the values that a loop carries are after a step, where that is a value of its own."""
    results = loop.body.result.items  # type: ignore[union-attr]
    pairs = zip(loop.body.params, results[: len(loop.init)], strict=False)
    found = {param: new for param, new in pairs if isinstance(new, Var) and new is not param}
    bound = {out for equation in loop.body.equations for out in equation.outs}
    return {param: new for param, new in found.items() if new in bound}


def _invariant_moved(emit: Emission, inner: Emission, loop: Loop, kept: Kept) -> Kept:
    """Compute before the loop what the loop back needs and is the same in every step."""
    same = invariant(inner.equations, loop.body.params)
    moved: set[Var] = set()
    waiting = [var for var in kept.residuals if var in same]
    while waiting:
        var = waiting.pop()
        if var not in moved:
            moved.add(var)
            waiting += [operand for operand in operands(same[var]) if operand in same]
    for equation in list(inner.equations):
        if equation.outs[0] in moved:
            inner.equations.remove(equation)
            emit.keep(equation)
    return replace(kept, residuals=tuple(var for var in kept.residuals if var not in moved))


def _refuse(emit: Emission, loop: Loop) -> None:
    if loop.kind is not LoopKind.FORI:
        return
    assert isinstance(loop.iterable, Range)
    for bound in (loop.iterable.start, loop.iterable.stop):
        known = emit.ask(lambda value: isinstance(value, jax.ShapeDtypeStruct), bound)
        if known is not None and known.value:
            raise UnsupportedSyntaxError(
                "the number of steps of this loop is known at run time only, "
                "so that its steps cannot be kept for the way back",
                span=loop.span,
                hint="give `lax.fori_loop` Python ints, or state the derivative with `jax.custom_vjp`",
            )


# ---- the body ---------------------------------------------------------------------------------------


def _back(walk: Walk, inner: Walk, loop: Loop) -> Back:
    body, n = loop.body, len(loop.init)
    results = body.result.items  # type: ignore[union-attr]
    carried = tuple(i for i in range(n) if walk.active(loop.outs[i]) or walk.active(body.params[i]))
    collected = tuple(j for j in range(n, len(loop.outs)) if walk.active(loop.outs[j]))
    items = tuple(i for i in range(n, len(body.params)) if walk.active(body.params[i]))
    outer = tuple(var for var in free_vars(body) if walk.active(var) and _is_value(walk, var))
    emit = inner.forward.nested()
    cots = Cotangents(emit, walk.active)
    carried_bars = tuple(carried_bar(emit, body.params[i], results[i]) for i in carried)
    outer_bars = tuple(bar_like(emit, var) for var in outer)
    collected_bars = tuple(bar_like(emit, _var(results[j])) for j in collected)
    cots.bars.update(zip(outer, outer_bars, strict=True))
    for number, bar in zip((*carried, *collected), (*carried_bars, *collected_bars), strict=True):
        cots.give(results[number], bar)
    inner.back(cots)
    whole = lambda var: cots.whole(cots.take(var), var, walk.at_hand.__contains__)
    result = (
        *(whole(body.params[i]) for i in carried),
        *(whole(var) for var in outer),
        *(item_bar(loop, i - n, whole(body.params[i])) for i in items),
    )
    block = emit.block((), Display(tuple, result))
    bars = (carried_bars, outer_bars, collected_bars)
    return Back(carried, outer, collected, items, *bars, block, walk.at_hand)


def item_bar(loop: Loop, place: int, bar: Tree) -> Tree:
    """Return what is collected for an item: of a dict's key and value, the value's cotangent."""
    if loop.kind in _PYTHON and view(loop, place) == "items":
        if not isinstance(bar, Display):
            raise NeedsShapes("the items of a dict decide what its cotangent is")
        return bar.items[1]
    return bar


def view(loop: Loop, place: int) -> str:
    """Return how the loop iterates the container of an item: `.items()` and so on."""
    each = list(_bare(loop.iterable))[place]
    return each.view if isinstance(each, Each) else ""


def _bare(iterable: Iter | None) -> Iterator[Iter | None]:
    match iterable:
        case Zip():
            for part in iterable.parts:
                yield from _bare(part)
        case Enumerate():
            yield None
            yield from _bare(iterable.part)
        case Reversed():
            yield from _bare(iterable.part)
        case _:
            yield iterable


def _is_value(walk: Walk, var: Var) -> bool:
    return not walk.forward.is_function(var)


def _var(tree: Tree) -> Var | None:
    return tree if isinstance(tree, Var) else None


def carried_bar(emit: Emission, param: Var, result: Tree) -> Var:
    """Return the param for the cotangent of what a step hands on, called after what it is given."""
    bar = Var(bar_name(param))
    if isinstance(result, Var):
        emit.avals.alike(bar, result)
    return bar


def bar_like(emit: Emission, var: Var | None) -> Var:
    bar = Var(bar_name(var))
    if var is not None:
        emit.avals.alike(bar, var)
    return bar


# ---- forward ----------------------------------------------------------------------------------------


def _forward(emit: Emission, inner: Emission, loop: Loop, kept: Kept) -> tuple[Var, ...]:
    """Emit the loop with the residuals collected beside its own values; return their collections."""
    result = loop.body.result
    assert isinstance(result, Display)
    n = len(loop.init)
    pairs = zip(result.items[n:], loop.outs[n:], strict=True)
    collected = {item: out for item, out in pairs if isinstance(item, Var)}
    new = [var for var in kept.residuals if var not in collected]
    names = inner.names
    stacks = {var: Var(plural(var.name or names.get(var))) for var in new}
    for item, out in collected.items():
        emit.wish(out, plural(item.name or names.get(item)))
    body = Block(loop.body.params, tuple(inner.equations), Display(tuple, (*result.items, *new)))
    emit.keep(collecting(emit, replace(loop, outs=(*loop.outs, *stacks.values()), body=body), new))
    return tuple(stacks.get(var) or collected[var] for var in kept.residuals)


def collecting(emit: Emission, loop: Loop, new: list[Var]) -> Loop:
    """Return `loop` as a kind that can collect `new` values."""
    if new and loop.kind is LoopKind.FORI:
        counted = _counted(emit, loop.iterable)
        return replace(loop, kind=LoopKind.SCAN, options=(), iterable=counted)
    if new and loop.kind is LoopKind.COMPREHENSION:
        return replace(loop, kind=LoopKind.FOR)
    return loop


def _counted(emit: Emission, part: Iter | None) -> Iter:
    """Return a range as the array that `lax.scan` walks."""
    if not isinstance(part, Range):
        assert part is not None
        return part
    bounds = (part.stop,) if part.start == Const(0) else (part.start, part.stop)
    return Each(emit.call(jnp.arange, *bounds))


def plural(name: str | None) -> str | None:
    if name is None:
        return None
    return f"all_{name}" if name.endswith("s") or name in ("a", "i") else f"{name}s"


# ---- back -------------------------------------------------------------------------------------------


def _pull(cots: Cotangents, loop: Loop, back: Back, kept: Kept, stacks: tuple[Var, ...]) -> None:
    emit = cots.emit
    n = len(loop.init)
    bars = [cots.take(loop.outs[i]) for i in (*back.carried, *back.collected)]
    if all(bar == ZERO for bar in bars):
        return
    numbers = (*back.carried, *back.collected)
    whole = [cots.whole(b, loop.outs[i]) for b, i in zip(bars, numbers, strict=True)]
    carried, collected = whole[: len(back.carried)], whole[len(back.carried) :]
    at_hand = back.at_hand.__contains__
    given = [ZERO if cots.sums else cots.bars.pop(v, ZERO) for v in back.outer]
    outer = [cots.whole(bar, v, at_hand) for bar, v in zip(given, back.outer, strict=True)]
    sequential = bool(back.carried)
    iterable, params = _iterable(emit, loop, back, kept, stacks, collected, sequential)
    undone, before, ends = _undone(emit, loop, kept)
    assert isinstance(back.block.result, Display)
    first = len(back.carried_bars) + len(back.outer_bars)
    items = back.block.result.items
    body = Block(
        (*back.carried_bars, *back.outer_bars, *before.values(), *params),
        (*kept.views, *back.block.equations),
        Display(tuple, (*items[:first], *undone, *items[first:])),
    )
    body = map_block(lambda var: before.get(var, var), body)
    names = [loop.body.params[i] for i in back.carried] + list(back.outer)
    outs = [bar_like(emit, var) for var in names]
    gathered = [Var(plural(bar_name(loop.body.params[i]))) for i in back.items]
    kind = _kind(loop, bool(outs or ends))
    new = Loop(
        kind,
        (*outs, *(Var() for _ in ends), *gathered),
        (*carried, *outer, *ends),
        iterable,
        fresh_block(body, {}, emit.names),
        _options(emit, loop, kind, iterable),
        loop.span,
    )
    emit.add(new)
    for var, out in zip(back.outer, outs[len(back.carried) :], strict=True):
        if cots.sums:
            cots.give(var, out)
        else:
            cots.bars[var] = out
    for number, out in zip(back.carried, outs, strict=False):
        cots.give(loop.init[number], out)
    sources = item_trees(loop)
    for number, var in zip(back.items, gathered, strict=True):
        tree = sources[number - n]
        cots.give(tree, regrouped(emit, loop, tree, number - n, var, sequential))


def _undone(emit: Emission, loop: Loop, kept: Kept) -> tuple[list[Var], dict[Var, Var], list[Var]]:
    """Return the carried values that are undone at each step, params for what they are after it, and what the loop leaves."""
    undone = [var for var, _ in kept.carried]
    before = {new: Var(var.name) for var, new in kept.carried}
    for new, param in before.items():
        emit.avals.alike(param, new)
    return undone, before, [loop.outs[loop.body.params.index(var)] for var in undone]


def _kind(loop: Loop, carries: bool) -> LoopKind:
    match loop.kind:
        case LoopKind.COMPREHENSION | LoopKind.FOR:
            return LoopKind.FOR if carries else LoopKind.COMPREHENSION
        case LoopKind.FORI:
            return LoopKind.SCAN
        case LoopKind.MAP:
            return LoopKind.SCAN if carries else LoopKind.MAP
        case _:
            return LoopKind.SCAN


def _options(emit: Emission, loop: Loop, kind: LoopKind, iterable: Iter | None) -> tuple:
    names = ("batch_size",) if kind is LoopKind.MAP else ("unroll",)
    options = tuple(entry for entry in loop.options if entry[0] in names)
    if kind in _PYTHON:
        return ()
    if iterable is not None:
        return options
    if loop.kind is LoopKind.FORI:
        assert isinstance(loop.iterable, Range)
        length = emit.apply(reference(operator.sub), (loop.iterable.stop, loop.iterable.start))
        return (*options, ("length", length))
    length = next((tree for name, tree in loop.options if name == "length"), None)
    if length is None:
        leaf = next(iter(item_trees(loop)))
        known = emit.ask(lambda xs: jnp.shape(jax.tree.leaves(xs)[0])[0], leaf)
        if known is None:
            raise NeedsShapes("the number of steps of a scan is that of its arrays")
        length = Const(known.value)
    return (*options, ("length", length))


def _iterable(
    emit: Emission,
    loop: Loop,
    back: Back,
    kept: Kept,
    stacks: tuple[Var, ...],
    collected: list[Tree],
    sequential: bool,
) -> tuple[Iter | None, tuple[Var, ...]]:
    """Return what the loop back walks, and the params for its items."""
    n = len(loop.init)
    python = loop.kind in _PYTHON
    every = list(_parts(emit, _walked(loop)))
    equal = _are_equal(emit, loop, every)
    wanted = [
        (part, var)
        for part, var in zip(every, loop.body.params[n:], strict=True)
        if var in kept.free
    ]
    parts: list[Iter] = [part if python else _counted(emit, part) for part, _ in wanted]
    params = [var for _, var in wanted]
    parts += [Each(stack) for stack in stacks] + [Each(tree) for tree in collected]
    params += [*kept.residuals, *back.collected_bars]
    if not parts and python:
        parts, params = [every[0]], [Var("_")]
    if not parts:
        return None, ()
    backwards = sequential != _runs_backwards(loop)
    if python and backwards and equal:
        parts = [_reversed(part) for part in parts]
    whole: Iter = parts[0] if len(parts) == 1 else Zip(tuple(parts))
    if backwards and loop.kind is not LoopKind.MAP and not (python and equal):
        whole = Reversed(whole)
    return whole, tuple(params)


def _walked(loop: Loop) -> Iter | None:
    """Return the iterable; of a lax loop in the order of its arrays, for those are read and written in place."""
    if loop.kind not in _PYTHON and isinstance(loop.iterable, Reversed):
        return loop.iterable.part
    return loop.iterable


def _are_equal(emit: Emission, loop: Loop, parts: list[Iter]) -> bool:
    """Whether what a Python loop walks together is of one length, so that each part can be walked from its end.

    Raises UnsupportedSyntaxError if it is not. Where that is not known, the steps are reversed, not the parts.
    """
    if loop.kind not in _PYTHON or len(parts) < 2:
        return True
    lengths = [length_of(emit, part) for part in parts]
    if None in lengths:
        return False
    if len(set(lengths)) > 1:
        raise UnsupportedSyntaxError(
            "the containers that this loop walks together are not of one length",
            span=loop.span,
            hint="cut them to one length before the loop",
        )
    return True


def _runs_backwards(loop: Loop) -> bool:
    """Whether a lax scan runs from the end: its items and collections are in the order of the arrays all the same."""
    return loop.kind is LoopKind.SCAN and isinstance(loop.iterable, Reversed)


def _reversed(part: Iter) -> Iter:
    return part.part if isinstance(part, Reversed) else Reversed(part)


def _parts(emit: Emission, iterable: Iter | None) -> Iterator[Iter]:
    """Yield what each item var walks, by itself and of one length."""
    match iterable:
        case None:
            return
        case Range() | Each():
            yield iterable
        case Zip():
            for part in iterable.parts:
                yield from _parts(emit, part)
        case Enumerate():
            yield Range(iterable.start, _end(emit, iterable))
            yield from _parts(emit, iterable.part)
        case Reversed():
            for part in _parts(emit, iterable.part):
                yield _reversed(part)
        case _:
            assert_never(iterable)


def _end(emit: Emission, iterable: Enumerate) -> Tree:
    first = next(_parts(emit, iterable.part))
    while isinstance(first, Reversed):
        first = first.part
    if isinstance(first, Range):
        return first.stop
    assert isinstance(first, Each)
    length = emit.call(len, first.value)
    return emit.apply(reference(operator.add), (iterable.start, length))


def regrouped(
    emit: Emission, loop: Loop, source: Tree, place: int, bars: Var, sequential: bool
) -> Tree:
    """Return the cotangents of items, which were collected on the way back, as the container they came from."""
    if loop.kind not in _PYTHON:
        return bars
    each = list(_parts(emit, loop.iterable))[place]
    backwards = sequential != isinstance(each, Reversed)
    ordered = emit.apply(GETITEM, (bars, _FULL_BACKWARDS)) if backwards else bars
    known = emit.ask(_form, source)
    if known is None:
        return emit.call(items_like, source, ordered)
    form = known.value
    if form == "array":
        return emit.call(jnp.stack, ordered)
    if form == "tuple":
        return emit.call(tuple, ordered)
    if form == "dict":
        return emit.call(dict, emit.call(zip, source, ordered))
    return ordered


def _form(aval: Any) -> str:
    if isinstance(aval, jax.ShapeDtypeStruct):
        return "array"
    return "dict" if isinstance(aval, dict) else "tuple" if type(aval) is tuple else "list"


__all__ = ["step", "view"]
