"""Running a call of another Python function in reverse: by a call of that function's own inverse."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from invcompiler.errors import InvcompilerError, ShapeError
from invcompiler.frontend.callables import is_transparent
from invcompiler.ir.nodes import Apply, Method, Ref, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.stated import UnaryRule
from invcompiler.schedule import isolate, stated
from invcompiler.schedule.blocked import drops, spelled
from invcompiler.schedule.callees import callee_of, has_open_arguments, is_library, library_ref
from invcompiler.schedule.context import Context
from invcompiler.schedule.plan import ByStatedRule, CallInverse, Isolate
from invcompiler.schedule.regions import Item

if TYPE_CHECKING:
    from invcompiler.schedule.functions import Entered
    from invcompiler.schedule.solve import Solver


def invert(solver: Solver, equation: Apply) -> CallInverse | ByStatedRule | Isolate | None:
    """Return the step that calls the inverse of the callee, if enough of the call's value is known."""
    outputs = known_outputs(solver, equation)
    if outputs is None:
        return None
    found = stated.stated(equation, solver.context)
    if found is None:
        return _inverse_of_text(solver, equation, outputs)
    if not isinstance(outputs, Var):
        return None
    if isinstance(found.rule, UnaryRule) and found.rule.inverse is None:
        step = _inverse_of_text(solver, equation, outputs)
        return replace(step, ildj=found.rule.ildj) if isinstance(step, CallInverse) else step
    return stated.invert(solver, equation, found)


def _inverse_of_text(
    solver: Solver, equation: Apply, outputs: Var | dict[Any, Var]
) -> CallInverse | Isolate | None:
    """Return the step that calls the inverse that the text of the callee gives."""
    for entered in solver.entered(equation):
        step = _entered(solver, equation, entered, outputs)
        if step is not None:
            solver.refusals.pop(equation, None)
            return step
    return _by_value(solver, equation) or _deferred(solver, equation)


def _entered(
    solver: Solver, equation: Apply, entered: Entered, outputs: Var | dict[Any, Var]
) -> CallInverse | None:
    unknown, known = split_parameters(solver, entered.bound.arguments)
    if not unknown:
        return None
    selection = None if isinstance(outputs, Var) else tuple(outputs)
    params = tuple(param for param, _ in unknown)
    if any(entered.mapping is not None and entered.bound.axes.get(p) is None for p in params):
        return None  # one unknown for all of the calls that are mapped
    plan = entered.solve(params, selection)
    if isinstance(plan, InvcompilerError):
        solver.refusals[equation] = copy.copy(plan)  # each call adds where it stands
        return None
    sources = (outputs,) if isinstance(outputs, Var) else tuple(outputs.values())
    return CallInverse(
        equation, entered, params, tuple(var for _, var in unknown), known, selection, sources
    )


def _by_value(solver: Solver, equation: Apply) -> Isolate | None:
    """Isolate the operand of a library's function that is met as a value: an activation that is passed in."""
    if not isinstance(equation.fn, Var | Method) and not _is_wrapped(equation.fn):
        return None
    callee = callee_of(equation, solver.context)
    if callee is None or callee.mapping is not None or not hasattr(callee.fn, "value"):
        return None
    fn = library_ref(_within(callee.fn.value), callee.fn.spelling)
    return isolate.whole(solver, replace(equation, fn=fn, args=callee.args, kwargs=callee.kwargs))


def _is_wrapped(fn: Any) -> bool:
    return isinstance(fn, Ref) and is_transparent(fn.value)


def _within(fn: Any) -> Any:
    while is_transparent(fn):
        fn = fn.__wrapped__
    return fn


def _deferred(solver: Solver, equation: Apply) -> None:
    """Note that the call may be understood once the arguments are there."""
    context = solver.context
    if equation in solver.refusals:
        return
    tracing = context.tracing
    untraced = None if tracing is None else tracing.error(equation, context)
    if untraced is not None and not is_library(getattr(equation.fn, "value", None)):
        solver.refusals[equation] = _placed(untraced, equation, context)
        return
    if context.facts.is_concrete:
        return
    if drops(getattr(equation.fn, "value", None)):
        return
    if tracing is not None and tracing.is_hoped_for(equation, context, solver.known):
        solver.refusals[equation] = _not_traced_yet(equation, context)
        return
    if _waits(solver, equation):
        solver.refusals[equation] = ShapeError(
            f"what `{context.function.name}` calls here depends on its arguments",
            span=equation.span,
            function=context.function.name,
            label="known when it is called",
            hint="call the generated function: it is compiled for its arguments then",
        )


def _placed(error: InvcompilerError, equation: Apply, context: Context) -> InvcompilerError:
    """Return the error with the place of the call."""
    found = copy.copy(error)
    found.span, found.function = equation.span, context.function.name
    return found


def _not_traced_yet(equation: Apply, context: Context) -> ShapeError:
    return ShapeError(
        f"{spelled(equation)} has no source: it is traced for the shapes of its arguments",
        span=equation.span,
        function=context.function.name,
        label="traced when it is called" if equation.span else "",
        hint="call the generated function, or pass `example=`, an array or a `jax.ShapeDtypeStruct` like the unknown",
    )


def _waits(solver: Solver, equation: Apply) -> bool:
    """Whether it is the text alone that does not say what is called, or with how many arguments."""
    context = solver.context
    if has_open_arguments(equation.args, equation.kwargs) or context.waits(equation):
        return True
    fn = equation.fn
    if isinstance(fn, Var):
        made = context.defining.get(fn)
        is_own = isinstance(made, Apply) and isinstance(made.fn, Ref)
        return fn in solver.known and is_own and _makes_unknown_function(made.fn.value)
    if not isinstance(fn, Method) or context.call(equation) is not None:
        return False
    receiver = equation.args[0]
    is_known = all(var in solver.known for var in leaves(receiver))
    return is_known and context.facts.of(receiver) is None


def _makes_unknown_function(fn: Any) -> bool:
    """Whether `fn` may make any function of its arguments, which shows when there is one."""
    return not is_library(fn) or fn is jnp.vectorize


def known_outputs(solver: Solver, equation: Apply) -> Var | dict[Any, Var] | None:
    """Return the out var if the whole value is known, or the known items by key, or None."""
    if equation.out in solver.known:
        return equation.out
    items = {
        piece.region.key: piece.source
        for piece in solver.pieces.get(equation.out, ())
        if isinstance(piece.region, Item) and not piece.region.attribute
    }
    return items or None


def split_parameters(
    solver: Solver, arguments: Mapping[Var, Tree]
) -> tuple[list[tuple[Var, Var]], tuple[tuple[Var, Tree], ...]]:
    """Sort the callee's parameters into those that take unknowns and those whose argument is known."""
    unknown, known = [], []
    for param, tree in arguments.items():
        missing = [var for var in leaves(tree) if var not in solver.known]
        if not missing:
            known.append((param, tree))
        elif isinstance(tree, Var):
            unknown.append((param, tree))
        else:
            return [], ()  # a slice with an unknown bound, or what `*` stands for
    if len({var for _, var in unknown}) != len(unknown):
        return [], ()  # one unknown as several arguments
    return unknown, tuple(known)
