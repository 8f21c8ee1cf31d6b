"""The report of `inv.explain`: each step of the plan, at the user's line, with what it makes known and how."""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Iterator
from typing import Any

from invcompiler.errors import InvcompilerError
from invcompiler.ir.nodes import Function, Span, Var
from invcompiler.pipeline import plan_of
from invcompiler.schedule.blocked import spelled
from invcompiler.schedule.facts import symbolic_facts
from invcompiler.schedule.functions import FunctionPlan
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


def report(maker: Any) -> str:
    """Return the report for a function and the parameters that are unknown."""
    function: Function = maker.function
    facts = symbolic_facts(function, unknown=maker.unknown)
    unknown = ", ".join(var.name or "?" for var in maker.unknown)
    known = [p.var.name for p in function.params if p.var not in maker.unknown]
    lines = [
        f"{function.name}{_place(function.span)}: recover {unknown} from the output"
        + (f", given {', '.join(map(str, known))}" if known else "")
    ]
    try:
        plan = plan_of(
            function, maker.unknown, facts, maker.intervals, numeric=maker.request.numeric
        )
    except InvcompilerError as error:
        return "\n".join([*lines, "", str(error)])
    return "\n".join([*lines, *_function(plan, set())])


def _place(span: Span | None) -> str:
    return "" if span is None else f" ({span.file.rsplit('/', 1)[-1]}:{span.line})"


def _function(plan: FunctionPlan, seen: set[Function]) -> Iterator[str]:
    yield from _steps(plan.plan, plan, "  ")
    for inner in _entered(plan.plan.steps):
        if isinstance(inner, FunctionPlan) and inner.function not in seen:
            seen.add(inner.function)
            names = ", ".join(var.name or "?" for var in inner.unknown)
            yield ""
            yield f"{inner.function.name}{_place(inner.function.span)}: recover {names}"
            yield from _function(inner, seen)


def _entered(steps: Iterable[Step]) -> Iterator[Any]:
    for step in steps:
        match step:
            case CallInverse():
                yield step.entered.solve(step.unknown, step.selection)
            case InvertLoop():
                yield from _entered(step.plan.steps)
            case InvertBranch():
                for plan in step.plans:
                    yield from _entered(plan.steps)
            case Pieces():
                for way in step.ways:
                    yield from _entered(way.plan.steps)


def _steps(plan: Plan, owner: FunctionPlan, indent: str) -> Iterator[str]:
    rows = [row for step in plan.steps if (row := _row(step, owner)) is not None]
    width = max((len(what) for what, _, _ in rows), default=0)
    for what, how, span in rows:
        yield f"{indent}{what:<{width}}  {how:<34}{_line(span)}".rstrip()
    for step in plan.steps:
        if isinstance(step, InvertLoop):
            direction = "last step first" if step.backwards else "first step first"
            yield f"{indent}in each step of the loop, {direction}:"
            yield from _steps(step.plan, owner, indent + "  ")
        if isinstance(step, InvertBranch):
            for number, inner in enumerate(step.plans):
                yield f"{indent}in branch {number}:"
                yield from _steps(inner, owner, indent + "  ")
        if isinstance(step, Pieces):
            for number, way in enumerate(step.ways):
                yield f"{indent}in piece {number}:"
                yield from _steps(way.plan, owner, indent + "  ")


def _row(step: Step, owner: FunctionPlan) -> tuple[str, str, Span | None] | None:
    match step:
        case Forward(equation=equation):
            if not any(out in owner.context.tainted for out in equation.outs):
                return None
            return _names(equation.outs), "computed forward", equation.span
        case ShapeQuery(equation=equation):
            return _names([equation.out]), "a shape, known beforehand", equation.span
        case Isolate(equation=equation, rule=rule):
            how = f"from {spelled(equation)} by the rule for `{rule.argument}`"
            return _names([step.solved]), how, equation.span
        case Read():
            return _names([step.part]), "a part of what is known", step.part.span
        case Join():
            return _names([step.whole]), "its known parts joined", step.whole.span
        case Accumulate(whole=whole):
            return _names([whole]), "its first element and its differences", whole.span
        case Deduce(equation=equation, formula=formula, solved=solved):
            return _names([solved]), f"by {formula.__doc__}", equation.span
        case Ratio(equation=equation, solved=solved):
            return _names([solved]), "collected, a quotient", equation.span
        case Quadratic(equation=equation, solved=solved):
            return _names([solved]), "collected, a root of a quadratic equation", equation.span
        case Lookup(equation=equation, source=source):
            return _names([source]), "by the bin that the value is in", equation.span
        case Spectral(equation=equation, solved=solved):
            return _names([solved]), "a circular convolution, by its spectrum", equation.span
        case LowRank(equation=equation, solved=solved, narrow=narrow):
            how = "a few numbers of it first" if narrow else "a sum of matrices"
            return _names([solved]), f"collected, {how}", equation.span
        case Projected(equation=equation, solved=solved):
            return _names([solved]), "collected, its sums along axes first", equation.span
        case Bits(equation=equation, solved=solved):
            return _names([solved]), "its bits put back", equation.span
        case Wrapped(equation=equation, solved=solved):
            return _names([solved]), "by what wraps around", equation.span
        case Collect():
            return _names(step.solved), "collected, a linear system", step.values[0].span
        case CallInverse(equation=equation):
            how = f"by the inverse of {spelled(equation)}"
            return _names(step.solved), how, equation.span
        case ByStatedRule(equation=equation):
            how = f"by the rule stated for {spelled(equation)}"
            return _names(step.solves), how, equation.span
        case InvertLoop(equation=equation):
            return _names(step.solved), "by the loop run in reverse", equation.span
        case InvertBranch(equation=equation):
            return _names(step.solved), "by the inverse of the branch taken", equation.span
        case Numeric(equation=equation, iteration=iteration):
            return _names(step.solves), f"by {iteration.value}", equation.span
        case Pieces(equation=equation, source=source):
            return _names([source]), "by the piece that it is on", equation.span


def _names(vars_: Iterable[Var]) -> str:
    return ", ".join(var.name or "_" for var in vars_)


def _line(span: Span | None) -> str:
    if span is None:
        return ""
    text = linecache.getline(span.file, span.line).strip()
    return f"  line {span.line}: {text}"
