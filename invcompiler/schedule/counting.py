"""Every element that an equation recovers counts once in the log-determinant, also if several steps recover it.

An elementwise equation may run in reverse on the elements that are known first, and again on all of them when the rest is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from invcompiler.ir.nodes import Equation
from invcompiler.schedule import bands as bands_
from invcompiler.schedule.plan import Counted, Isolate, Step
from invcompiler.schedule.regions import Except, Masked, Region


def counted_once(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps; of those that recover the same elements by the same equation, one is counted."""
    steps = tuple(steps)
    by_equation: dict[Equation, list[Isolate]] = defaultdict(list)
    for step in steps:
        if isinstance(step, Isolate):
            by_equation[step.equation].append(step)
    return tuple(
        replace(step, counted=_counted(step, by_equation[step.equation]))
        if isinstance(step, Isolate) and step.region is not None
        else step
        for step in steps
    )


def _counted(step: Isolate, of_equation: list[Isolate]) -> Counted:
    regions = [other.region for other in of_equation if other is not step]
    if None in regions:
        return Counted.ELSEWHERE
    apart = all(_complementary(step.region, region) for region in regions)
    return Counted.YES if apart else Counted.OVERLAPPING


def _complementary(one: Region | None, other: Region | None) -> bool:
    if isinstance(one, Masked) and isinstance(other, Masked):
        return one.mask == other.mask and one.inside != other.inside
    bands = bands_.band_of(one), bands_.band_of(other)
    if bands[0] is not None and bands[1] is not None:
        return bands_.meet(bands[0], bands[1]) == bands_.NOWHERE
    return any(isinstance(a, Except) and a.region == b for a, b in ((one, other), (other, one)))
