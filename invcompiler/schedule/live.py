"""Which steps of a plan matter: those that its targets rest on."""

from __future__ import annotations

from collections.abc import Iterator

from invcompiler.ir.nodes import Var
from invcompiler.ir.walk import leaves, operands
from invcompiler.schedule.affine import trees_of
from invcompiler.schedule.plan import (
    Accumulate,
    Bits,
    ByStatedRule,
    CallInverse,
    Collect,
    Deduce,
    Forward,
    InvertBranch,
    InvertLoop,
    Isolate,
    Join,
    Lookup,
    LowRank,
    Numeric,
    Pieces,
    Plan,
    Projected,
    Quadratic,
    Ratio,
    Read,
    ShapeQuery,
    Spectral,
    Step,
    Wrapped,
)
from invcompiler.schedule.positions import terms_of
from invcompiler.schedule.regions import Elements, Except, Masked, Permuted, Region, Span1


def live_steps(plan: Plan) -> list[Step]:
    """Return the steps that the targets rest on."""
    needed = set(plan.targets)
    live = []
    for step in reversed(plan.steps):
        if any(var in needed for var in step.solves):
            live.append(step)
            needed.update(read_by(step))
    return live[::-1]


def without_detours(plan: Plan) -> Plan:
    """Return the plan without steps in reverse that nothing rests on: what they find is known on another way as well,
    and a log-determinant would count it twice. Steps forward stay where they can, for what they do beside."""
    live = set(live_steps(plan))
    known, kept = set(plan.given), []
    for step in plan.steps:
        runs = isinstance(step, Forward) and known.issuperset(read_by(step))
        if step in live or runs or isinstance(step, ShapeQuery):
            kept.append(step)
            known.update(step.solves)
    return Plan(plan.given, tuple(kept), plan.targets)


def read_by(step: Step) -> tuple[Var, ...]:
    """Return the forward vars whose values a step uses."""
    match step:
        case Forward(equation=equation, reads=reads):
            return operands(equation) if reads is None else reads
        case ShapeQuery(equation=equation, of=of):
            return tuple(var for var in operands(equation) if var is not of)
        case Isolate(call=call, output=output, rule=rule, region=region):
            others = (tree for n, tree in call.arguments.items() if n != rule.argument)
            return (output, *(v for tree in others for v in leaves(tree)), *_in_region(region))
        case Read(source=source, view=view):
            return (source, *_in_region(view.region))
        case Join(pieces=pieces):
            return tuple(v for p in pieces for v in (p.source, *_in_region(p.region)))
        case Accumulate(first=first, differences=differences):
            return (first.source, differences)
        case Collect(values=values, rows=rows, offsets=offsets):
            return (*values, *_in_coefficients((*offsets, *(c for row in rows for c in row))))
        case Deduce(operands=parts):
            return tuple(
                v for _, part in parts for v in (*leaves(part.whole), *_in_region(part.region))
            )
        case Ratio(value=value, rows=rows):
            return (value, *_in_coefficients(tuple(c for row in rows for c in row)))
        case Quadratic(value=value, above=above, below=below):
            return (value, *_in_coefficients((*above, *below)))
        case Spectral(value=value, forth=forth, back=back, spectrum=spectrum):
            options = (var for e in (forth, back) for var in operands(e) if var is not e.args[0])
            return (value, *options, *_in_coefficients((spectrum,)))
        case LowRank(value=value) | Projected(value=value):
            return (value, *_in_coefficients(step.coefficients))
        case Wrapped(value=value, offset=offset, modulus=modulus):
            return (value, *leaves(modulus), *_in_coefficients((offset,)))
        case Bits(value=value, rotated=rotated):
            return (value, *(var for tree in rotated or () for var in leaves(tree)))
        case Pieces(output=output, ways=ways):
            return (output, *(var for way in ways for var in way.plan.given))
        case Lookup(output=output, table=table, seen=seen, plan=plan):
            equations = (*table.views, *table.steps, *table.smooth)
            read = (var for e in equations for var in operands(e))
            slopes = () if seen.slopes is None else (seen.slopes,)
            return (
                output,
                *read,
                *plan.given,
                seen.values,
                *slopes,
                *(i.array for i in seen.images),
            )
        case CallInverse(sources=sources, known=known):
            return (*sources, *(v for _, tree in known for v in leaves(tree)))
        case ByStatedRule(output=output, given=given):
            return (*leaves(output), *leaves(given))
        case Numeric(value=value, known=known):
            return (value, *known)
        case InvertLoop(equation=equation, plan=inner):
            return (*equation.outs, *operands(equation), *inner.given)
        case InvertBranch(equation=equation):
            return (*equation.outs, *operands(equation))


def _in_coefficients(coefficients: tuple) -> list[Var]:
    return [v for c in coefficients for tree in trees_of(c) for v in leaves(tree)]


def _in_region(region: Region | None) -> Iterator[Var]:
    match region:
        case Masked(mask=tree) | Elements(index=tree) | Permuted(index=tree):
            yield from leaves(tree)
        case Except(region=inner):
            yield from _in_region(inner)
        case Span1(start=start, stop=stop):
            for position in (start, stop):
                yield from (name for name in terms_of(position)[0] if isinstance(name, Var))


def indices_of(region: Region | None) -> tuple[Var, ...]:
    """Return the vars that hold the indices or the mask of a region."""
    while isinstance(region, Except):
        region = region.region
    return () if isinstance(region, Span1) else tuple(_in_region(region))
