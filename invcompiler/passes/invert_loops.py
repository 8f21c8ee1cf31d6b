"""Write the inverses of loops and branches: new loops and branches whose bodies follow the plans of the old ones."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.errors import EntangledError
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import (
    Apply,
    Branch,
    BranchKind,
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
from invcompiler.ir.walk import free_vars, item_count, map_iter, operands
from invcompiler.passes.dead_code import live_block
from invcompiler.passes.log_det import typed
from invcompiler.passes.ops import call, getitem, ref, tuple_of
from invcompiler.schedule.parts import Parts, parts_of, turned_of
from invcompiler.schedule.plan import InvertBranch, InvertLoop

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter

_PYTHON = (LoopKind.FOR, LoopKind.COMPREHENSION)


@dataclass(eq=False)
class Source:
    """One thing that the new loop iterates: the vars that stand for an item of it, and whether it must be turned round."""

    iterable: Iter
    params: tuple[Var, ...]


def loop(emitter: Emitter, step: InvertLoop) -> None:
    """Write the loop that recovers `step.solved`, and bind them."""
    parts = parts_of(step.equation)
    inner = emitter.nested()
    carries = open_carries(inner, parts, step)
    sources = sources_of(emitter, inner, parts, step)
    inner.run(step.plan)
    new_carries = close_carries(inner, parts, step)
    collected = [inner.value(parts.items[i][0]) for i, _ in step.items]
    if emitter.ildj:
        params = {*carries, *(var for source in sources for var in source.params)}
        _take_out_steady_terms(emitter, inner, parts, params)
    ildj = None if inner.log_det.is_empty or not emitter.ildj else inner.log_det.total(inner)
    steady = steady_source(emitter, inner, parts, step, [*new_carries, *collected, *_given(ildj)])
    if steady is not None:
        sources.append(steady)
    init = [emitter.value(start_of(parts, step, i)) for i in step.carried]
    written = Written(emitter, parts, step, sources, carries, init)
    carried, collections = written.write(inner, new_carries, collected, ildj)
    _bind(emitter, parts, step, carried, collections)


def _take_out_steady_terms(
    emitter: Emitter, inner: Emitter, parts: Parts, params: set[Var]
) -> None:
    """Add terms that are the same at each step once, outside of the loop, as many times as there are steps."""
    count = _known_count(emitter, parts)
    if count is None:
        return
    kept = []
    for term in inner.log_det.terms:
        reduced = inner.log_det.reduced(inner, term)
        cone = live_block(inner.builder.block([], reduced))
        if not params.isdisjoint(free_vars(cone)):
            kept.append(term)
            continue
        once = emitter.builder.inline_block(cone, {})
        sign = count if emitter.log_det.forward else -count
        emitter.log_det.add_ildj(call(emitter.builder, operator.mul, Const(sign), once))
    inner.log_det.terms = kept


def _known_count(emitter: Emitter, parts: Parts) -> int | None:
    """Return how many steps a loop over arrays takes, if shapes tell."""
    if parts.loop.kind not in (LoopKind.SCAN, LoopKind.MAP):
        return None
    shapes = [emitter.facts.shape(tree) for tree in parts.collections]
    if isinstance(parts.loop.iterable, Each):
        shapes.append(emitter.facts.shape(parts.loop.iterable.value))
    counts = [shape[0] for shape in shapes if shape]
    return next((count for count in counts if isinstance(count, int)), None)


def _given(tree: Tree | None) -> list[Tree]:
    return [] if tree is None else [tree]


def start_of(parts: Parts, step: InvertLoop, i: int) -> Tree:
    return parts.final[i] if step.backwards else parts.loop.init[i]


def open_carries(inner: Emitter, parts: Parts, step: InvertLoop) -> list[Var]:
    """Make the carried vars of the new loop, and bind what the old loop's body knows at the start of a step."""
    opened = []
    for i in step.carried:
        old = parts.new_carries[i] if step.backwards else parts.carries[i]
        assert isinstance(old, Var)
        var = Var(parts.carries[i].name or old.name, old.span)
        opened.append(var)
        inner.values[old] = var
    return opened


def close_carries(inner: Emitter, parts: Parts, step: InvertLoop) -> list[Tree]:
    ends = parts.carries if step.backwards else parts.new_carries
    return [inner.value(ends[i]) for i in step.carried]


# ---- what is iterated -----------------------------------------------------------------------------


def sources_of(emitter: Emitter, inner: Emitter, parts: Parts, step: InvertLoop) -> list[Source]:
    unknown = {i for i, _ in step.items}
    sources: list[Source] = []
    if parts.loop.iterable is not None:
        sources = _known_sources(emitter, inner, parts, unknown)
    for i in step.collected:
        old = parts.collected[i]
        assert isinstance(old, Var)
        var = Var(old.name, old.span)
        inner.values[old] = var
        collection = _stacked(emitter, emitter.value(parts.collections[i]))
        sources.append(Source(in_order(parts, collection), (var,)))
    return sources


def _stacked(emitter: Emitter, items: Tree) -> Tree:
    """Return the array of which `items` are the rows, if they are: a loop goes through its rows as well."""
    for equation in emitter.builder.equations:
        if items in equation.outs and isinstance(equation, Apply):
            is_rows = equation.fn == ref(jnp.unstack) and ("axis", Const(0)) in equation.kwargs
            return equation.args[0] if is_rows else items
    return items


def in_order(parts: Parts, collection: Tree) -> Iter:
    """Return the iterable that gives what a loop collected in the order of its steps: a scan from the end collects from the end."""
    each = Each(collection)
    from_the_end = parts.loop.kind is LoopKind.SCAN and isinstance(parts.loop.iterable, Reversed)
    return Reversed(each) if from_the_end else each


def _known_sources(
    emitter: Emitter, inner: Emitter, parts: Parts, unknown: set[int]
) -> list[Source]:
    assert parts.loop.iterable is not None
    iterable = map_iter(lambda var: _tree(emitter, var), parts.loop.iterable)
    if not unknown:
        return [Source(iterable, _fresh_items(inner, parts, range(len(parts.items))))]
    sources, first = [], 0
    for part in _columns(iterable):
        numbers = range(first, first + item_count(part))
        first += len(numbers)
        if not unknown.intersection(numbers):
            sources.append(Source(part, _fresh_items(inner, parts, numbers)))
        elif len(numbers) > 1:
            raise EntangledError(
                "an unknown is iterated together with a counter",
                span=parts.loop.span,
                function=emitter.context.function.name,
                hint="iterate with `zip` instead",
            )
    return sources


def _tree(emitter: Emitter, var: Var) -> Tree:
    return emitter.value(var)


_ENDLESS = Const(None)  # the end of a counter that goes as far as what it counts


def _columns(iterable: Iter) -> Iterable[Iter]:
    """Yield what is iterated side by side."""
    match iterable:
        case Zip():
            for part in iterable.parts:
                yield from _columns(part)
        case Reversed(part=Zip() as inner):
            yield from (Reversed(part) for part in _columns(inner))
        case Enumerate(part=part, start=start):
            yield Range(start, _ENDLESS)
            yield from _columns(part)
        case _:
            yield iterable


def _fresh_items(inner: Emitter, parts: Parts, numbers: Iterable[int]) -> tuple[Var, ...]:
    fresh = []
    for i in numbers:
        old = parts.items[i][0]
        var = Var(old.name, old.span)
        inner.values[old] = var
        fresh.append(var)
    return tuple(fresh)


def steady_source(
    emitter: Emitter, inner: Emitter, parts: Parts, step: InvertLoop, results: list[Tree]
) -> Source | None:
    """Collect the values of known carried values at each step, where the new body needs them."""
    if not step.backwards or not step.precomputed:
        return None
    body = live_block(inner.builder.block([], tuple_of(results)))
    used = set(free_vars(body))
    needed = [i for i in step.precomputed if parts.carries[i] in used]
    if not needed:
        return None
    return _collect_steady(emitter, inner, parts, step, needed)


def _collect_steady(
    emitter: Emitter, inner: Emitter, parts: Parts, step: InvertLoop, needed: list[int]
) -> Source:
    """Run the known part of the loop forward, and keep what it carries at the start of each step."""
    forward = emitter.nested()
    carries = []
    for i in step.precomputed:
        var = Var(parts.carries[i].name)
        forward.values[parts.carries[i]] = var
        carries.append(var)
    reachable = set(step.plan.given) | {parts.carries[i] for i in step.precomputed}
    params = _forward_items(forward, parts)
    for equation in parts.loop.body.equations:
        if all(
            v in reachable or v in emitter.values or v in emitter.given for v in operands(equation)
        ):
            forward.forward(equation)
            reachable.update(equation.outs)
    ends = [forward.value(parts.new_carries[i]) for i in step.precomputed]
    kept = [forward.values[parts.carries[i]] for i in needed]
    body = live_block(forward.builder.block([*carries, *params], tuple_of([*ends, *kept])))
    kind = LoopKind.SCAN if parts.loop.kind is LoopKind.FORI else parts.loop.kind
    assert parts.loop.iterable is not None or kind is LoopKind.SCAN
    outs = tuple(Var(v.name if isinstance(v, Var) else None) for v in [*carries, *kept])
    init = tuple(emitter.value(parts.loop.init[i]) for i in step.precomputed)
    iterable = (
        None
        if parts.loop.iterable is None
        else map_iter(lambda var: _tree(emitter, var), parts.loop.iterable)
    )
    if kind is LoopKind.SCAN and isinstance(iterable, Range):
        iterable = Each(arange(emitter, iterable))
    emitter.builder.add(Loop(kind, outs, init, iterable, body, parts.loop.options, parts.loop.span))
    collections = outs[len(carries) :]
    own = tuple(parts.carries[i] for i in needed)
    ordered = tuple(in_order(parts, out) for out in collections)
    return Source(Zip(ordered) if len(own) > 1 else ordered[0], own)


def _forward_items(forward: Emitter, parts: Parts) -> tuple[Var, ...]:
    return _fresh_items(forward, parts, range(len(parts.items)))


def arange(emitter: Emitter, part: Range) -> Tree:
    bounds = (part.start, part.stop) if part.start != Const(0) else (part.stop,)
    if part.step != Const(1):
        bounds = (part.start, part.stop, part.step)
    return call(emitter.builder, jnp.arange, *bounds)


# ---- the new loop -----------------------------------------------------------------------------------


@dataclass(eq=False)
class Written:
    emitter: Emitter
    parts: Parts
    step: InvertLoop
    sources: list[Source]
    carries: list[Var]
    init: list[Tree]

    def write(
        self, inner: Emitter, new: list[Tree], collected: list[Tree], ildj: Tree | None
    ) -> tuple[list[Tree], list[Tree]]:
        """Add the loop; return its final carried values and its collections."""
        if self.parts.loop.kind in _PYTHON:
            return self._python(inner, new, collected, ildj)
        if self._stays_fori(collected, ildj):
            return self._fori(inner, new)
        return self._lax(inner, new, collected, ildj)

    def _stays_fori(self, collected: list[Tree], ildj: Tree | None) -> bool:
        return (
            self.parts.loop.kind is LoopKind.FORI
            and not collected
            and ildj is None
            and len(self.sources) == 1
        )

    def _python(
        self, inner: Emitter, new: list[Tree], collected: list[Tree], ildj: Tree | None
    ) -> tuple[list[Tree], list[Tree]]:
        carries, init, results = list(self.carries), list(self.init), list(new)
        kind = LoopKind.FOR if carries else self.parts.loop.kind
        if ildj is not None and kind is LoopKind.FOR:
            total = Var("ildj")
            carries.append(total)
            init.append(Const(0.0))
            results.append(call(inner.builder, operator.add, total, ildj))
        elif ildj is not None:
            collected = [*collected, ildj]
        outs = self._add(inner, kind, carries, init, results, collected, self._iterable(), ())
        finals, collections = list(outs[: len(carries)]), list(outs[len(carries) :])
        if ildj is not None and kind is LoopKind.FOR:
            self._ildj(finals.pop())
        elif ildj is not None:
            self._ildj(call(self.emitter.builder, sum, collections.pop()))
        return finals, collections

    def _ildj(self, tree: Tree) -> None:
        self.emitter.wish(tree, "ildj")
        self.emitter.log_det.add_ildj(tree)

    def _lax(
        self, inner: Emitter, new: list[Tree], collected: list[Tree], ildj: Tree | None
    ) -> tuple[list[Tree], list[Tree]]:
        rows = [*collected, *_given(ildj)]
        kind = LoopKind.MAP if self.parts.loop.kind is LoopKind.MAP else LoopKind.SCAN
        iterable, item = self._scanned(inner)
        saved, self.sources = self.sources, item
        options = tuple((k, self.emitter.value(v)) for k, v in self.parts.loop.options)
        outs = self._add(inner, kind, self.carries, self.init, new, rows, iterable, options)
        self.sources = saved
        finals, collections = list(outs[: len(new)]), list(outs[len(new) :])
        if ildj is not None:
            total = collections.pop()
            axis = {"axis": Const(0)} if self.emitter.log_det.batch_ndims else {}
            self._ildj(call(self.emitter.builder, jnp.sum, total, **axis))
        return finals, collections

    def _fori(self, inner: Emitter, new: list[Tree]) -> tuple[list[Tree], list[Tree]]:
        (source,) = self.sources
        assert isinstance(source.iterable, Range)
        if not self.step.backwards:
            outs = self._add(
                inner, LoopKind.FORI, self.carries, self.init, new, [], source.iterable, ()
            )
            return list(outs), []
        counter = Var(source.params[0].name or "i")
        old = source.params[0]
        source.params = (counter,)
        _mirror(inner, source.iterable, counter, old)
        outs = self._add(
            inner, LoopKind.FORI, self.carries, self.init, new, [], source.iterable, ()
        )
        return list(outs), []

    def _add(
        self,
        inner: Emitter,
        kind: LoopKind,
        carries: list[Var],
        init: list[Tree],
        new: list[Tree],
        collected: list[Tree],
        iterable: Iter | None,
        options: tuple,
    ) -> tuple[Var, ...]:
        params = [*carries, *(var for source in self.sources for var in source.params)]
        body = live_block(inner.builder.block(params, tuple_of([*new, *collected])))
        outs = [Var(carry.name) for carry in carries]
        outs += [Var(v.name if isinstance(v, Var) else None) for v in collected]
        span = self.parts.loop.span
        made = Loop(kind, tuple(outs), tuple(init), iterable, body, options, span)
        self.emitter.builder.add(made)
        return tuple(outs)

    def _iterable(self) -> Iter:
        counters = [source for source in self.sources if _is_counter(source.iterable)]
        others = [source for source in self.sources if source not in counters]
        if len(counters) > 1 or (counters and not others):
            raise EntangledError(
                "an unknown is iterated together with a counter",
                span=self.parts.loop.span,
                function=self.emitter.context.function.name,
                hint="iterate with `zip` instead",
            )
        self.sources = [*counters, *others]
        parts = [part for source in others for part in _side_by_side(source.iterable)]
        whole: Iter = parts[0] if len(parts) == 1 else Zip(tuple(parts))
        for counter in counters:
            assert isinstance(counter.iterable, Range)
            whole = Enumerate(whole, counter.iterable.start)
        return _turned(whole) if self.step.backwards else whole

    def _scanned(self, inner: Emitter) -> tuple[Iter | None, list[Source]]:
        """Return the one thing that a scan iterates, and the source with the var for an item of it."""
        trees: list[Tree] = []
        params: list[Var] = []
        flipped = False
        for source in self.sources:
            for part in _columns(source.iterable):
                base = part.part if isinstance(part, Reversed) else part
                flipped = flipped or isinstance(part, Reversed)
                if isinstance(base, Range):
                    trees.append(arange(self.emitter, base))
                else:
                    assert isinstance(base, Each)
                    trees.append(base.value)
            params += source.params
        backwards = self.step.backwards != flipped
        if not trees:
            return None, []
        if len(trees) == 1:
            each: Iter = Each(trees[0])
            return (Reversed(each) if backwards else each), [Source(each, tuple(params))]
        item = Var("inputs")
        each = Each(tuple_of(trees))
        inner.builder.equations[:0] = [
            Apply(param, ref(operator.getitem), (item, Const(number)), arity=len(params))
            for number, param in enumerate(params)
        ]
        return (Reversed(each) if backwards else each), [Source(each, (item,))]


def _is_counter(iterable: Iter) -> bool:
    return isinstance(iterable, Range) and iterable.stop == _ENDLESS


def _mirror(inner: Emitter, part: Range, counter: Var, index: Var) -> None:
    """Begin the body with the index of the step that is undone when `counter` counts upwards."""
    start = Builder()
    last = call(start, operator.sub, part.stop, Const(1))
    if part.start != Const(0):
        last = call(start, operator.add, part.start, last)
    mirrored = Apply(index, ref(operator.sub), (last, counter))
    inner.builder.equations[:0] = [*start.equations, mirrored]


def _side_by_side(iterable: Iter) -> tuple[Iter, ...]:
    return iterable.parts if isinstance(iterable, Zip) and not iterable.strict else (iterable,)


def _turned(iterable: Iter) -> Iter:
    return iterable.part if isinstance(iterable, Reversed) else Reversed(iterable)


def _bind(
    emitter: Emitter,
    parts: Parts,
    step: InvertLoop,
    carried: list[Tree],
    collections: list[Tree],
) -> None:
    ends = parts.loop.init if step.backwards else parts.final
    for i, value in zip(step.carried, carried, strict=True):
        var = ends[i]
        if isinstance(var, Var) and var not in emitter.values and var not in emitter.given:
            emitter.bind(var, value)
    for (i, container), value in zip(step.items, collections, strict=True):
        emitter.bind(container, as_container(emitter, parts, step, i, container, value))


def as_container(
    emitter: Emitter, parts: Parts, step: InvertLoop, i: int, container: Var, value: Tree
) -> Tree:
    """Return a collection as the container that the old loop took its items `i` from."""
    if parts.loop.kind not in _PYTHON:
        return value
    builder = emitter.builder
    assert parts.loop.iterable is not None
    if step.backwards != list(turned_of(parts.loop.iterable))[i]:
        value = getitem(builder, value, Slice(Const(None), Const(None), Const(-1)))
    structure = emitter.context.structure(container)
    if structure is not None and structure.kind is list:
        return value
    if structure is not None:
        return call(builder, tuple, value)
    if emitter.context.is_array(container):
        return call(builder, jnp.stack, value)
    return value


# ---- branches ---------------------------------------------------------------------------------------


def branch(emitter: Emitter, step: InvertBranch) -> None:
    """Write a branch on the same predicate, each block of which recovers the same vars."""
    equation = step.equation
    inners, results, ildjs = [], [], []
    for block, plan in zip(equation.blocks, step.plans, strict=True):
        inner = emitter.nested()
        assert isinstance(block.result, Display)
        for out, tree in zip(equation.outs, block.result.items, strict=True):
            if isinstance(tree, Var) and out in emitter.values:
                inner.values[tree] = emitter.values[out]
        inner.run(plan)
        inners.append(inner)
        results.append([inner.value(var) for var in step.solved])
        ildj = inner.log_det.total(inner) if emitter.ildj else None
        ildjs.append(None if ildj is None else typed(inner, ildj, step.solved[0]))
    if all(ildj is None or ildj == Const(0.0) for ildj in ildjs):
        ildjs = [None] * len(ildjs)
    outs = [Var(var.name) for var in step.solved]
    if ildjs[0] is not None:
        outs.append(Var("ildj"))
        ildjs = [
            typed_zero(i, r, ildj, equation.kind)
            for i, r, ildj in zip(inners, results, ildjs, strict=True)
        ]
        results = [[*row, ildj] for row, ildj in zip(results, ildjs, strict=True)]
    blocks = tuple(
        live_block(inner.builder.block([], tuple_of(row)))
        for inner, row in zip(inners, results, strict=True)
    )
    predicate = emitter.value(equation.predicate)
    emitter.builder.add(Branch(equation.kind, tuple(outs), predicate, blocks, equation.span))
    for var, out in zip(step.solved, outs, strict=False):
        emitter.bind(var, out)
    if ildjs[0] is not None:
        emitter.log_det.add_ildj(outs[-1])


def typed_zero(inner: Emitter, results: list[Tree], ildj: Tree | None, kind: BranchKind) -> Tree:
    """A branch that is traced must give the same type on both sides: a zero like what was recovered."""
    assert ildj is not None
    if ildj != Const(0.0) or kind in (BranchKind.IF, BranchKind.IFEXP):
        return ildj
    return call(inner.builder, jnp.sum, call(inner.builder, jnp.zeros_like, results[0]))
