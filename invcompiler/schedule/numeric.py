"""The last resort, on request: a part of the program without a closed form is solved by iteration.

Where nothing else can run, a known value `v` stays whose equation is stuck. On all ways back from it there is an
unknown `u` such that `v` is computed from `u` and known values alone: as near to it as possible. These equations are the part. How it
is solved depends on its structure: element by element where it is monotone, as a residual `u + g(u)`, or as a small dense system.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Apply, Block, Equation, Function, Param, ParameterKind, Var
from invcompiler.ir.walk import operands
from invcompiler.rules.canonical import canonical
from invcompiler.rules.registry import Refusal
from invcompiler.schedule import blocked
from invcompiler.schedule.continuity import first_jump
from invcompiler.schedule.dependence import core_axes
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.isolate import Branching
from invcompiler.schedule.not_iterated import NotIterated
from invcompiler.schedule.plan import Iteration, Numeric
from invcompiler.schedule.regularity import is_refuted
from invcompiler.schedule.slopes import Unproven, monotone

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_PREFERENCE = list(
    Iteration
)  # where the unknown is solved for element by element, that is proven to be right
_LARGEST_SYSTEM = 64  # unknowns of a dense system, whose Jacobian is formed and solved at each step


@dataclass(frozen=True, eq=False)
class Part:
    """The equations that compute `value` from `unknown` and `known`, as a function of these."""

    equation: Equation
    unknown: Var
    value: Var
    known: tuple[Var, ...]
    function: Function


@dataclass(frozen=True, eq=False)
class Seen:
    """A part with the functions that it calls written out, and what is known of its values."""

    function: Function
    facts: Facts
    intervals: Mapping[Var, Interval]
    literals: Mapping[Var, np.ndarray]  # the values of parameters that the text states


def iterate(solver: Solver) -> Numeric | None:
    """Return the step that solves the part of the program that is in the way, or None; note why there is none."""
    stuck = blocked.blocking(solver)
    refused = False
    for equation in stuck:
        step = _at(solver, equation)
        if step is not None:
            return step
        refused |= _is_refused(solver, equation)
    if refused:
        return None
    known = {var for var in solver.known if var not in solver.context.tainted}
    made = (solver.graph.defining.get(var) for var in solver.given)
    steps = (_at(solver, equation, known) for equation in made if equation is not None)
    return next((step for step in steps if step is not None), None)


def _at(solver: Solver, equation: Equation, known: set[Var] | None = None) -> Numeric | None:
    """Return the step that solves for what the value of `equation` is computed from, if that is known.

    With `known`, from these values alone: several parts of a value may be entangled with one unknown.
    """
    steps = []
    known = solver.known if known is None else known
    for value in equation.outs:
        for part in parts(solver, value, known) if value in solver.known else ():
            found = _step(solver, part)
            if isinstance(found, NotIterated):
                if not blocked.is_reduction(solver, equation):
                    solver.refusals.setdefault(equation, found)
            elif is_proven(found) or not _is_refused(solver, equation):
                steps.append(found)
    return min(steps, key=lambda step: _PREFERENCE.index(step.iteration), default=None)


def _is_refused(solver: Solver, equation: Equation) -> bool:
    """Whether the value of `equation` is seen not to determine what it is computed from: larger parts have no better chance."""
    match solver.refusals.get(equation):
        case NotIterated(waits=waits):
            return not waits
        case Refusal() | Branching():
            return True
        case _:
            return blocked.is_reduction(solver, equation)


def is_proven(step: Numeric) -> bool:
    return step.monotone is not None and step.monotone.sign is not None


# ---- which part -----------------------------------------------------------------------------------


def parts(solver: Solver, value: Var, known: set[Var]) -> Iterator[Part]:
    """Yield what computes `value` from one unknown and from `known` values, the smallest part first."""
    for unknown in _candidates(solver, value, known):
        equations = _between(solver, unknown, value, known)
        if equations is not None and _may_be_solved(solver, unknown, value):
            yield _part(solver, unknown, value, equations)


def _candidates(solver: Solver, value: Var, known: set[Var]) -> Iterator[Var]:
    """Yield the unknown vars that `value` is computed from, the nearest first."""
    cone = {value}
    waiting = [value]
    while waiting:
        made = solver.graph.all_defining.get(waiting.pop())
        new = [] if made is None else [v for v in operands(made) if v not in cone]
        new = [var for var in new if var not in known]
        cone.update(new)
        waiting += new
    links = solver.graph.all_defining.keys() - solver.graph.defining.keys()
    yield from sorted(cone - {value} - links - solver.known, key=solver.order, reverse=True)


def _between(solver: Solver, unknown: Var, value: Var, known: set[Var]) -> list[Equation] | None:
    """Return the equations that compute `value` from `unknown` and known values, or None if they need another unknown."""
    defining = solver.graph.all_defining
    needed: set[Equation] = set()
    waiting = [defining[value]]
    while waiting:
        equation = waiting.pop()
        needed.add(equation)
        for var in operands(equation):
            if var is unknown or var in known:
                continue
            if var not in defining:
                return None
            if defining[var] not in needed:
                waiting.append(defining[var])
    return [equation for equation in solver.block.equations if equation in needed]


def _may_be_solved(solver: Solver, unknown: Var, value: Var) -> bool:
    """Whether both are, as far as is known, arrays of real floats of one shape."""
    context = solver.context
    if context.is_container(unknown) or context.is_container(value):
        return False
    for var in (unknown, value):
        dtype = context.facts.dtype(var)
        if dtype is not None and not jnp.issubdtype(dtype, jnp.floating):
            return False
    return context.facts.same_shape(unknown, value) is not False


def _part(solver: Solver, unknown: Var, value: Var, equations: list[Equation]) -> Part:
    bound = {out for equation in equations for out in equation.outs} | {unknown}
    read = dict.fromkeys(var for equation in equations for var in operands(equation))
    known = tuple(var for var in read if var not in bound)
    kind = ParameterKind.POSITIONAL_OR_KEYWORD
    params = tuple(Param(var, kind) for var in (unknown, *known))
    function = Function(
        name=_name(solver, unknown, value, equations),
        params=params,
        body=Block((), tuple(equations), value),
        span=solver.graph.all_defining[value].span,
    )
    return Part(solver.graph.all_defining[value], unknown, value, known, function)


def _name(solver: Solver, unknown: Var, value: Var, equations: list[Equation]) -> str:
    """Return the name of the whole function for all of it, else one that says what is computed of what."""
    function = solver.context.function
    if len(equations) == len(function.body.equations) and value is function.body.result:
        return function.name
    what = value.name if value.name not in (None, unknown.name) else function.name
    return f"{what}_of_{unknown.name}" if unknown.name else f"part_of_{what}"


# ---- how it is solved -----------------------------------------------------------------------------


def _step(solver: Solver, part: Part) -> Numeric | NotIterated:
    context = solver.context
    seen = context.look_into(context, part)
    axes = core_axes(seen.function, seen.facts)
    interval = context.interval(part.unknown)

    def step(iteration: Iteration, axes: int | None = axes, **how: Any) -> Numeric:
        return Numeric(
            part.equation,
            part.unknown,
            part.value,
            part.function,
            part.known,
            iteration,
            axes,
            interval,
            **how,
        )

    sign = residual_sign(seen.function)
    if axes == 0:
        how: Any = monotone(seen.function, seen.facts, seen.intervals, seen.literals)
        if not isinstance(how, Unproven):
            return step(Iteration.MONOTONE, monotone=how)
        return _not_monotone(how)
    jump = first_jump(seen.function)
    if jump is not None:
        return NotIterated("iteration needs a continuous function, and this has jumps", _OTHERWISE)
    shape = context.concrete_shape(part.unknown)
    if not part.known and is_refuted(seen.function, shape, interval):
        return NotIterated("many inputs give the same output", _OTHERWISE, drops=True)
    if sign is not None:
        return step(Iteration.RESIDUAL, sign=sign)
    size = _system_size(shape, axes)
    if size is None:
        return NotIterated(
            "a system of equations for the unknown: whether it is small enough to be solved depends on its shape",
            "pass `example=`, an array or a `jax.ShapeDtypeStruct` like the unknown",
            waits=not context.facts.is_concrete,
        )
    if size > _LARGEST_SYSTEM:
        return NotIterated(
            f"a system of {size} equations without a structure that is known",
            "write it as the unknown plus a function of it, or state its inverse with `inv.custom_inverse`",
        )
    return step(Iteration.DENSE)


_OTHERWISE = "state the inverse with `inv.custom_inverse`"


def _not_monotone(how: Unproven) -> NotIterated:
    if how.waits:
        return NotIterated(
            "whether this is monotone depends on shapes",
            "pass `example=`, an array or a `jax.ShapeDtypeStruct` like the unknown",
            waits=True,
        )
    hint = (
        "say where values live, with `domain=` or `inv.assume(value, domain)`, "
        "or state the inverse with `inv.custom_inverse`"
    )
    if how.slope is None or (math.isinf(how.slope.lo) and math.isinf(how.slope.hi)):
        return NotIterated(
            "iteration finds the one solution of a monotone function, and this is not seen to be one",
            hint,
        )
    found = how.slope
    return NotIterated(
        "iteration finds the one solution of a monotone function, and this is not seen to be one: "
        f"all that is known of its slope is that it lies in [{found.lo:g}, {found.hi:g}]",
        hint,
    )


def _system_size(shape: tuple[int, ...] | None, axes: int | None) -> int | None:
    if shape is None:
        return None
    return math.prod(shape if axes is None else shape[len(shape) - axes :])


def residual_sign(function: Function) -> int | None:
    """Return 1 or -1 if the result is the first parameter, or minus it, plus something: a residual. Else None."""
    unknown = function.params[0].var
    defining = {out: e for e in function.body.equations for out in e.outs}
    terms = list(_terms(function.body.result, 1, defining, unknown))
    own = [sign for tree, sign in terms if tree is unknown]
    return own[0] if len(own) == 1 and len(terms) > 1 else None


def _terms(tree: Any, sign: int, defining: Mapping[Var, Equation], unknown: Var) -> Iterator:
    """Yield the terms of a sum, with their signs."""
    made = defining.get(tree) if isinstance(tree, Var) and tree is not unknown else None
    call = canonical(made) if isinstance(made, Apply) else None
    if call is not None and call.fn in (jnp.add, jnp.subtract):
        one, other = call.arguments.values()
        yield from _terms(one, sign, defining, unknown)
        yield from _terms(other, sign if call.fn is jnp.add else -sign, defining, unknown)
    elif call is not None and call.fn is jnp.negative:
        yield from _terms(next(iter(call.arguments.values())), -sign, defining, unknown)
    else:
        yield tree, sign


__all__ = ["Part", "Seen", "is_proven", "iterate"]
