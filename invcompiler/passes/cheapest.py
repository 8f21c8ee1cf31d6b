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
_DEEPEST = 12  # steps from a value to those that it is made again of
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


@dataclass(frozen=True, eq=False)
class _Choice:
    """What is kept; what each value that is read but not kept costs, and of which kept ones it is made; the carried values that are undone."""

    kept: frozenset[Var]
    derived: Mapping[Var, tuple[float, frozenset[Var]]]
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
    users: dict[Var, list[Var]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = {out for e in self.forward.equations for out in e.outs}
        self.local = made | self.bound | self.free
        self.order = {out: n for n, e in enumerate(self.forward.equations) for out in e.outs}
        self.ways = [*self._forwards(), *self._undone()]
        self.by_var: dict[Var, list[Way]] = {}
        for way in self.ways:
            self.by_var.setdefault(way.var, []).append(way)
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
        self, kept: frozenset[Var], ends: frozenset[Var], targets: Iterable[Var]
    ) -> dict[Var, tuple[float, Way | None]]:
        """Return what `targets`, and what they are made of, cost and how they are had, with `kept` and `ends` at hand."""
        there = kept | ends
        costs: dict[Var, tuple[float, Way | None]] = {}
        costs.update((var, (cost, None)) for var, cost in self.free_cost.items())
        costs.update((var, (0.0, None)) for var in there)
        ways = self._near(targets, there)
        changed = True
        while changed:
            changed = False
            for way in ways:
                cost = float(way.work)
                for need in way.needs:
                    if need in self.local:
                        cost += costs[need][0] if need in costs else math.inf
                if cost < costs.get(way.var, (math.inf, None))[0]:
                    costs[way.var] = (cost, way)
                    changed = True
        return costs

    def _near(self, targets: Iterable[Var], there: frozenset[Var]) -> list[Way]:
        """Return the ways to have `targets`, and what is needed for those, up to what is there."""
        ways: dict[Way, None] = {}
        here, seen = set(targets), set(targets)
        for _ in range(_DEEPEST):
            new: set[Var] = set()
            for var in here - there:
                for way in self.by_var.get(var, ()):
                    ways[way] = None
                    new.update(need for need in way.needs if need in self.local)
            here = new - seen
            seen |= new
        return list(ways)

    def _derived(
        self, kept: frozenset[Var], ends: frozenset[Var], targets: list[Var]
    ) -> dict[Var, tuple[float, frozenset[Var]]] | None:
        """Return what `targets` cost and which kept values they are made of; None if one cannot be had."""
        costs = self.costs(kept, ends, targets)
        if any(var not in costs for var in targets):
            return None
        return {var: (costs[var][0], _uses(var, costs, kept)) for var in targets}

    # ---- the search ---------------------------------------------------------------------------

    def best(self, carried: frozenset[Var], ends: frozenset[Var] = frozenset()) -> _Choice:
        start = frozenset((*self.plain.residuals, *carried)) - ends
        cost = float(sum(self.size(var) or 0 for var in start))
        cost += sum(self.size(var) or 0 for var in ends) / self.steps
        here = self._pruned(_Choice(start, {}, carried, ends, cost), start)
        tried = set(start)
        waiting = self._instead(here)
        while waiting:
            var = waiting.pop(0)
            size, helped = self.size(var) or 0, self._helped(var, here.kept)
            if var in tried or size >= sum(self.size(v) or 0 for v in helped):
                continue
            tried.add(var)
            other = replace(here, kept=here.kept | {var}, cost=here.cost + size)
            other = self._pruned(other, helped)
            if other.cost < here.cost:
                here = self._pruned(other, [var])
                waiting = self._instead(here)
        return here

    def _pruned(self, choice: _Choice, among: Iterable[Var]) -> _Choice:
        """Give up what is dearer to keep than to have from the rest."""
        rank = lambda var: (-(self.size(var) or 0), self.order.get(var, -1), var.name or "")
        for var in sorted(among, key=rank):
            if self.size(var) is not None:
                choice = self._without(choice, var) or choice
        return choice

    def _without(self, choice: _Choice, var: Var) -> _Choice | None:
        """Return the choice that does not keep `var`, if that is cheaper."""
        rest = choice.kept - {var}
        asked = [v for v, (_, uses) in choice.derived.items() if var in uses]
        before = (self.size(var) or 0) + sum(choice.derived[v][0] for v in asked)
        if var in self.plain.residuals or var in choice.carried:
            asked.append(var)
        found = self._derived(rest, choice.ends, asked)
        if found is None:
            return None
        cost = choice.cost - before + sum(c for c, _ in found.values())
        if cost >= choice.cost:
            return None
        return replace(choice, kept=rest, derived={**choice.derived, **found}, cost=cost)

    def _instead(self, choice: _Choice) -> list[Var]:
        """Return what might be kept in place of something: what that is made of, or what was made of it, two steps away."""
        near = {need for var in choice.kept for need in self._needs(var)}
        found = [v for v in near if v in self.local and self.size(v) and v not in self.free]
        return sorted(found, key=lambda var: (self.order.get(var, -1), var.name or ""))

    def _needs(self, var: Var) -> set[Var]:
        near = {need for way in self.by_var.get(var, ()) for need in way.needs}
        return near | {n for v in near for way in self.by_var.get(v, ()) for n in way.needs}

    def _helped(self, var: Var, kept: frozenset[Var]) -> list[Var]:
        """Return the values of `kept` that are made of `var` in two steps at most."""
        if not self.users:
            for user in self.by_var:
                for need in self._needs(user):
                    self.users.setdefault(need, []).append(user)
        return [user for user in self.users.get(var, ()) if user in kept]

    # ---- what comes of it ---------------------------------------------------------------------

    def kept(self, choice: _Choice, free: Iterable[Var], ends: Mapping[Var, Var]) -> Kept:
        asked = [*self.plain.residuals, *(var for var in ends if var in choice.carried)]
        costs = self.costs(choice.kept, choice.ends, asked)
        views: dict[Var, tuple[Equation, ...]] = {}
        for var in asked:
            self._write(var, costs, views)
        equations = [e for made in views.values() for e in made]
        equations += [e for e in self.plain.views if e not in equations]
        used = {operand for equation in equations for operand in operands(equation)}
        used |= {*self.plain.free, *asked}
        ways = {var: costs[var][1] for var in views}
        first = [var for var in self.plain.residuals if var in choice.kept]
        others = choice.kept.difference(first)
        return Kept(
            (*first, *sorted(others, key=lambda var: (self.order.get(var, -1), var.name or ""))),
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


def _uses(
    var: Var, costs: Mapping[Var, tuple[float, Way | None]], kept: frozenset[Var]
) -> frozenset[Var]:
    """Return the kept values that a value is made of."""
    found: set[Var] = set()
    waiting, seen = [var], {var}
    while waiting:
        here = waiting.pop()
        if here in kept:
            found.add(here)
        way = costs[here][1] if here in costs else None
        new = () if way is None else [v for v in way.needs if v not in seen]
        seen.update(new)
        waiting.extend(new)
    return frozenset(found)


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
