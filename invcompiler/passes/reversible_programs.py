"""The adjoint that reconstructs, as a program: `f_fwd` keeps the output and what is known, `f_bwd` gets the rest back.

def coupling_fwd(params, x):                def coupling_bwd(residuals, y_bar):
    ...                                         y, params = residuals
    return y, (y, params)                       ...
                                                return params_bar, x_bar
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax

from invcompiler.ir.nodes import Block, Const, Display, Function, Tree, Var
from invcompiler.ir.walk import free_vars, map_block
from invcompiler.passes.avals import Avals
from invcompiler.passes.derivative_programs import calling
from invcompiler.passes.emission import Emission, reference
from invcompiler.passes.reconstruct_calls import Backwards, Retracer
from invcompiler.passes.reconstruct_exact import ON_GRID
from invcompiler.passes.reconstruct_stores import one_or_tuple
from invcompiler.passes.simplify import simplify
from invcompiler.rules.reversible_helpers import checked, drift
from invcompiler.schedule.functions import FunctionPlan


def reconstructing_program(
    retracer: Retracer,
    plan: FunctionPlan,
    avals: Avals,
    chosen: Sequence[Var],
    single: bool,
    tolerance: float | None,
) -> Function:
    """Return `f_vjp(*args, y_bar) -> (y, cotangents)`, which calls `f_fwd` and `f_bwd`."""
    pair = reconstructing_pair(retracer, plan, avals, chosen, single, tolerance)
    return calling(plan.function, *pair)


def reconstructing_pair(
    retracer: Retracer,
    plan: FunctionPlan,
    avals: Avals,
    chosen: Sequence[Var],
    single: bool,
    tolerance: float | None,
) -> tuple[Function, Function]:
    """Return `f_fwd(*args) -> (y, residuals)` and `f_bwd(residuals, y_bar) -> cotangents`.

    With a `tolerance` the recovered arguments are kept too, and compared with what is recovered.
    """
    back = retracer.backwards(plan, chosen, avals, whole=True)
    originals: dict[Var, Var] = {}
    if tolerance is not None:
        undone = (var for var in plan.unknown if var not in plan.plan.kept)
        originals = {var: Var(f"{var.name}_kept") for var in undone}
    block = _guarded(plan, back, avals, single, originals, tolerance)
    params = _handed_over(retracer, plan, block)
    residuals = (back.value, *params, *back.kept, *originals.values())
    backward = _backward(retracer, plan, back, avals, block, residuals)
    return _forward(retracer, plan, back, params, tuple(originals)), backward


def _guarded(
    plan: FunctionPlan,
    back: Backwards,
    avals: Avals,
    single: bool,
    originals: dict[Var, Var],
    tolerance: float | None,
) -> Block:
    """Return the block that gives the cotangents: NaN, with a `tolerance`, where something has drifted further."""
    emit = Emission(avals)
    emit.equations.extend(back.block.equations)
    result: Tree = back.bars[0] if single else Display(tuple, back.bars)
    drifts = [] if tolerance is None else list(back.drifts)
    if originals:
        recovered = dict(zip(plan.unknown, back.recovered, strict=True))
        found = tuple(recovered[var] for var in originals)
        drifts.append(emit.call(drift, one_or_tuple(found), one_or_tuple([*originals.values()])))
    if drifts:
        result = emit.call(checked, result, Const(tolerance), *drifts)
    return emit.block((), result)


def _handed_over(retracer: Retracer, plan: FunctionPlan, block: Block) -> tuple[Var, ...]:
    """Return the known parameters and captures that `block` reads."""
    free = set(free_vars(block))
    known = [p.var for p in plan.function.params if p.var not in plan.unknown]
    known += [var for var, _ in retracer.pairs.captures.values()]
    known += [var for var, _ in plan.function.captures if var not in known]
    return tuple(var for var in known if var in free)


def _backward(
    retracer: Retracer,
    plan: FunctionPlan,
    back: Backwards,
    avals: Avals,
    block: Block,
    residuals: tuple[Var, ...],
) -> Function:
    source = Var("residuals")
    inner = Emission(avals)
    items = inner.items(source, len(residuals), [var.name for var in residuals])
    values = dict(zip(residuals, items, strict=True))
    body = Block((), (*inner.equations, *block.equations), block.result)
    body = map_block(lambda var: values.get(var, var), body)
    name = f"{_name(plan.function)}_bwd"
    return retracer.named(name, (source, back.bar), body, plan.function, back.trace)


def _forward(
    retracer: Retracer,
    plan: FunctionPlan,
    back: Backwards,
    params: tuple[Var, ...],
    originals: tuple[Var, ...],
) -> Function:
    function = plan.function
    trees = (function.body.result, *params, *back.kept.values(), *originals)
    value = Display(tuple, (function.body.result, Display(tuple, trees)))
    equations = back.trace.forwards(function.body)
    forward = Block(tuple(p.var for p in function.params), equations, value)
    if retracer.exact:
        forward = _started_on_grid(forward, plan.unknown)
    captured = {**dict(retracer.pairs.captures.values()), **dict(function.captures)}
    read = set(free_vars(forward))
    captures = tuple((var, c) for var, c in captured.items() if var in read)
    name = f"{_name(function)}_fwd"
    return simplify(replace(function, name=name, body=forward, captures=captures))


def _name(function: Function) -> str:
    name = function.name.strip("_")
    return name if name.isidentifier() else "f"


def _started_on_grid(block: Block, unknown: Sequence[Var]) -> Block:
    """Return the block forward with what is recovered rounded to the grid where it starts."""
    emit = Emission(Avals())
    start = {var: emit.apply(reference(jax.tree.map), (ON_GRID, var)) for var in unknown}
    inside = map_block(lambda var: start.get(var, var), replace(block, params=()))
    return Block(block.params, (*emit.equations, *inside.equations), inside.result)


__all__ = ["reconstructing_pair", "reconstructing_program"]
