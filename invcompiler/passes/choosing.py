"""Who decides what an adjoint keeps, and what was decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from invcompiler.ir.nodes import Block, Loop, Var
from invcompiler.passes.cheapest import cheapest
from invcompiler.passes.decisions import Decisions, of_kept
from invcompiler.passes.emission import Emission
from invcompiler.passes.residuals import Kept, choose


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
        self.made.append(Decisions(place, of_kept(forward, kept), steps))
        return kept


__all__ = ["Chooser"]
