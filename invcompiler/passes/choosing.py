"""Who decides what an adjoint keeps, and what was decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from invcompiler.ir.nodes import Block, Loop, Span, Var
from invcompiler.passes.cheapest import bytes_of, cheapest
from invcompiler.passes.emission import Emission
from invcompiler.passes.residuals import Kept, choose, described


@dataclass(frozen=True)
class Decision:
    """How the way back has one value: `way` in words, its size in bytes and the operations to have it, where known."""

    name: str
    way: str
    bytes: int | None
    work: int | None
    span: Span | None


@dataclass(frozen=True)
class Decisions:
    """What was decided in one function, or in each step of one loop of it."""

    place: str | Loop
    every: tuple[Decision, ...]


KEPT, AGAIN, UNDONE, AT_HAND = "kept", "computed again", "undone", "at hand"


@dataclass(eq=False)
class Chooser:
    """Chooses what is kept: everything that is read, or (`by_cost`) what is cheapest; `made` says what it chose."""

    by_cost: bool = False
    made: list[Decisions] = field(default_factory=list)

    def choose(
        self,
        forward: Emission,
        back: Block,
        free: Iterable[Var],
        bound: Iterable[Var] = (),
        ends: Mapping[Var, Var] | None = None,
        place: str | Loop = "",
        steps: int | None = None,
    ) -> Kept:
        if self.by_cost:
            kept = cheapest(forward, back, free, bound, ends, steps)
        else:
            kept = choose(forward, back, free, bound)
        self.made.append(Decisions(place, tuple(_decisions(forward, kept))))
        return kept


def _decisions(forward: Emission, kept: Kept) -> Iterator[Decision]:
    made = {out: e for e in forward.equations for out in e.outs}

    def about(var: Var, way: str, work: int | None = None) -> Decision:
        name = var.name or forward.names.get(var) or described(made.get(var)) or "a value"
        known = forward.ask(bytes_of, var)
        span = var.span or (made[var].span if var in made else None)
        return Decision(name, way, None if known is None else known.value, work, span)

    for var in kept.residuals:
        yield about(var, KEPT)
    for var in kept.free:
        yield about(var, AT_HAND)
    for equation in kept.views:
        for var in equation.outs:
            if var in made or var in kept.works:
                way = UNDONE if var in kept.undone else AGAIN
                yield about(var, way, kept.works.get(var, 0))


__all__ = ["AGAIN", "AT_HAND", "KEPT", "UNDONE", "Chooser", "Decision", "Decisions"]
