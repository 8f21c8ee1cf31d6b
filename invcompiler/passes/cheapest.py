"""Which primals are cheapest to have on the way back, value by value: kept, computed again, or undone.

    exp = jnp.exp(s)                    kept: sixteen operations for each of its elements
    h = c * scale                       computed again: one operation for each, and `c` and `scale` are at hand
    y = jnp.concatenate([b, a])         `a` is undone where `y` is known: a slice of it

A byte that is kept is as dear as an operation. The choice starts from what would be kept if nothing were computed again, gives up what
the rest makes at less, and tries in its place what that is made of. In a loop, a carried value that can be undone exactly from its
value after the step is carried back, and not kept at each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax

from invcompiler.ir.nodes import Apply, Block, Const, Equation, Function, Method, Ref, Tree, Var
from invcompiler.ir.walk import operands
from invcompiler.passes.cotangents import dtype_ref
from invcompiler.passes.emission import Emission
from invcompiler.passes.exact_inverses import undoings
from invcompiler.passes.residuals import Kept, choose
from invcompiler.passes.work import work
from invcompiler.rules.adjoint_helpers import same

_SAME = Ref(same, "same", same)
_MOST = 400  # equations of a block that is searched
_MANY = 8  # steps of a loop, where they are not known


def cheapest(
    forward: Emission,
    back: Block,
    free: Iterable[Var],
    bound: Iterable[Var] = (),
    ends: Mapping[Var, Var] | None = None,
    steps: int | None = None,
) -> Kept:
    """Decide how `back` gets the primals that it reads, as `residuals.choose` does, by what they cost.

    `ends` are what the carried values of a loop are after a step, of so many: on the way back those come first.
    """
    free, bound = tuple(free), tuple(bound)
    plain = choose(forward, back, free, bound)
    if forward.generic or len(forward.equations) > _MOST:
        return plain
    search = _Search(forward, plain, frozenset(free), frozenset(bound), steps or _MANY)
    best = search.best(frozenset())
    for chosen in _carried(ends or {}, search, plain):
        ending = search.best(chosen, frozenset((ends or {})[var] for var in chosen))
        if ending.cost < best.cost:
            best = ending
    return search.kept(best, free, ends or {})


def _carried(ends: Mapping[Var, Var], search: _Search, plain: Kept) -> Iterator[frozenset[Var]]:
    """Yield sets of carried values that may be carried back: all, then each alone."""
    if not set(plain.residuals) & search.reachable(ends):
        return
    every = [var for var in ends if search.size(var) is not None]
    yield frozenset(every)
    if len(every) > 1:
        yield from (frozenset([var]) for var in every)


@dataclass(frozen=True, eq=False)
class Way:
    """How `var` is had from `needs`, at so much work: by the equation that made it, or undone."""

    var: Var
    needs: tuple[Var, ...]
    work: int
    equation: Equation | None
    write: Callable[[Emission], Tree] | None = None

    @property
    def is_undone(self) -> bool:
        return self.write is not None


@dataclass(frozen=True)
class _Choice:
    """What is kept, the carried values that are undone, and what that costs."""

    kept: tuple[Var, ...]
    carried: frozenset[Var]
    ends: frozenset[Var]
    cost: float


@dataclass(eq=False)
class _Search:
    forward: Emission
    plain: Kept
    free: frozenset[Var]
    bound: frozenset[Var]
    steps: int
    ways: list[Way] = field(default_factory=list)
    sizes: dict[Var, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = {out for e in self.forward.equations for out in e.outs}
        self.local = made | self.bound | self.free
        self.ways = [*self._forwards(), *self._undone()]
        self.free_cost = dict.fromkeys(self.plain.free, 0.0)
        self.free_cost.update(
            (var, float(self.size(var) or 0)) for var in self.free if var not in self.free_cost
        )

    # ---- ways ---------------------------------------------------------------------------------

    def _forwards(self) -> Iterator[Way]:
        for equation in self.forward.equations:
            if not isinstance(equation, Apply):
                continue
            dtype = self._dtype(equation)
            if dtype is not None:
                yield Way(equation.out, (), 0, Apply(equation.out, _SAME, (dtype,)))
            elif _is_pure(equation):
                count = self._work(equation)
                if count is not None:
                    needs = tuple(dict.fromkeys(operands(equation)))
                    yield Way(equation.out, needs, count, equation)

    def _dtype(self, equation: Apply) -> Tree | None:
        """Return the dtype that an equation asks for: nothing needs to be at hand for that."""
        fn, args = equation.fn, equation.args
        if not isinstance(fn, Ref) or fn.value is not getattr or args[1] != Const("dtype"):
            return None
        known = self.forward.ask(lambda x: x, equation.out)
        return (
            dtype_ref(known.value) if known is not None and hasattr(known.value, "kind") else None
        )

    def _undone(self) -> Iterator[Way]:
        for found in undoings(self.forward):
            yield Way(found.var, found.needs, 0, None, found.write)

    def _work(self, equation: Apply) -> int | None:
        values = {var: self.forward.aval(var) for var in operands(equation)}
        return None if any(v is None for v in values.values()) else work(equation, values)

    def size(self, var: Var) -> int | None:
        """Return how many bytes a value has, if it is made of arrays of one shape."""
        if var not in self.sizes:
            known = self.forward.ask(bytes_of, var)
            self.sizes[var] = None if known is None else known.value
        return self.sizes[var]

    def reachable(self, ends: Mapping[Var, Var]) -> set[Var]:
        """Return what is had from the values after a step, together with whatever else."""
        found = set(ends.values())
        while True:
            new = {w.var for w in self.ways if w.is_undone and not found.isdisjoint(w.needs)}
            if new <= found:
                return found
            found |= new

    # ---- what it costs ------------------------------------------------------------------------

    def costs(
        self, kept: Iterable[Var], ends: frozenset[Var]
    ) -> dict[Var, tuple[float, Way | None]]:
        """Return what each value that can be had costs, and how it is had, with `kept` and `ends` at hand."""
        found: dict[Var, tuple[float, Way | None]] = {}
        for var, cost in self.free_cost.items():
            found[var] = (cost, None)
        for var in (*kept, *ends):
            found[var] = (0.0, None)
        changed = True
        while changed:
            changed = False
            for way in self.ways:
                cost = float(way.work)
                for need in way.needs:
                    if need in self.local:
                        cost += found[need][0] if need in found else math.inf
                if cost < found.get(way.var, (math.inf, None))[0]:
                    found[way.var] = (cost, way)
                    changed = True
        return found

    def _total(self, kept: tuple[Var, ...], carried: frozenset[Var], ends: frozenset[Var]) -> float:
        costs = self.costs(kept, ends)
        total = float(sum(self.size(var) or 0 for var in kept))
        total += sum(self.size(var) or 0 for var in ends) / self.steps
        for var in (*self.plain.residuals, *carried):
            total += costs[var][0] if var in costs else math.inf
        return total

    # ---- the search ---------------------------------------------------------------------------

    def best(self, carried: frozenset[Var], ends: frozenset[Var] = frozenset()) -> _Choice:
        start = tuple(dict.fromkeys((*self.plain.residuals, *carried)))
        start = tuple(var for var in start if var not in ends)
        here = self._pruned(_Choice(start, carried, ends, self._total(start, carried, ends)))
        tried: set[Var] = set(start)
        while True:
            better = None
            for var in self._instead(here):
                if var in tried:
                    continue
                tried.add(var)
                kept = (*here.kept, var)
                other = _Choice(kept, carried, ends, self._total(kept, carried, ends))
                other = self._pruned(other, frozenset([var]))
                if other.cost < here.cost:
                    better = other
                    break
            if better is None:
                return here
            here = self._pruned(better)

    def _pruned(self, choice: _Choice, fixed: frozenset[Var] = frozenset()) -> _Choice:
        """Give up what is dearer to keep than to have from the rest."""
        for var in sorted(choice.kept, key=lambda v: -(self.size(v) or 0)):
            if var in fixed or self.size(var) is None:
                continue
            rest = tuple(other for other in choice.kept if other is not var)
            cost = self._total(rest, choice.carried, choice.ends)
            if cost < choice.cost:
                choice = replace(choice, kept=rest, cost=cost)
        return choice

    def _instead(self, choice: _Choice) -> list[Var]:
        """Return what might be kept in place of something: what that is made of, or what was made of it, two steps away."""
        near = set(choice.kept)
        for _ in range(2):
            near |= {need for way in self.ways if way.var in near for need in way.needs}
        found = [v for v in self.local if v in near and self.size(v) and v not in self.free]
        order = {var: n for n, e in enumerate(self.forward.equations) for var in e.outs}
        return sorted(found, key=lambda var: order.get(var, -1))

    # ---- what comes of it ---------------------------------------------------------------------

    def kept(self, choice: _Choice, free: Iterable[Var], ends: Mapping[Var, Var]) -> Kept:
        costs = self.costs(choice.kept, choice.ends)
        views: dict[Var, tuple[Equation, ...]] = {}
        asked = [*self.plain.residuals, *(var for var in ends if var in choice.carried)]
        for var in asked:
            self._write(var, costs, views)
        equations = [e for made in views.values() for e in made]
        equations += [e for e in self.plain.views if e not in equations]
        used = {operand for equation in equations for operand in operands(equation)}
        used |= {*self.plain.free, *asked}
        ways = {var: costs[var][1] for var in views}
        return Kept(
            choice.kept,
            tuple(equations),
            tuple(var for var in free if var in used),
            tuple((var, ends[var]) for var in ends if var in choice.carried),
            {var: way.work for var, way in ways.items() if way is not None},
            frozenset(var for var, way in ways.items() if way is not None and way.is_undone),
        )

    def _write(self, var: Var, costs: Mapping, views: dict[Var, tuple[Equation, ...]]) -> None:
        way = costs[var][1] if var in costs else None
        if way is None or var in views:
            return
        for need in way.needs:
            if need in self.local:
                self._write(need, costs, views)
        views[var] = (way.equation,) if way.equation is not None else self._undo(way)

    def _undo(self, way: Way) -> tuple[Equation, ...]:
        assert way.write is not None
        emit = Emission(self.forward.avals)
        tree = way.write(emit)
        last = emit.equations[-1] if emit.equations else None
        if isinstance(last, Apply) and last.out is tree:
            return (*emit.equations[:-1], replace(last, out=way.var))
        return (*emit.equations, Apply(way.var, _SAME, (tree,)))


def _is_pure(equation: Apply) -> bool:
    """Whether a function of a library is called, on values: it gives the same again."""
    fn = equation.fn
    if isinstance(fn, Method):
        return True
    if not isinstance(fn, Ref) or isinstance(fn.value, Function):
        return False
    module = str(getattr(fn.value, "__module__", None) or "")
    return fn.value is getattr or module.split(".")[0] in _LIBRARIES


_LIBRARIES = ("jax", "numpy", "_operator", "operator", "builtins", "math")


def bytes_of(aval: Any) -> int | None:
    """Return the size of a value that is made of arrays alone."""
    sizes = []
    for leaf in jax.tree.leaves(aval):
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return None
        width = getattr(leaf.dtype, "itemsize", None)
        if width is None:
            return None
        sizes.append(math.prod(leaf.shape) * width)
    return sum(sizes)


__all__ = ["bytes_of", "cheapest"]
