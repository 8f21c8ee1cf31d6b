"""Calls stay calls: a function that is undone where it is called gets one function back, from its value to primals and cotangents.

    x = coupling(layer, x)          x, layer_bar, x_bar = coupling_bwd(x, layer, x_bar)

It takes the value, what is known of the arguments, and the value's cotangent; it returns the arguments that it recovers, then
the cotangents of those that have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Const,
    Display,
    Equation,
    Function,
    Loop,
    Param,
    ParameterKind,
    Ref,
    Tree,
    Var,
)
from invcompiler.ir.walk import free_vars, leaves, map_block
from invcompiler.passes import reconstruct_branches, reconstruct_loops
from invcompiler.passes.activity import useful, varying
from invcompiler.passes.adjoint import Pullback
from invcompiler.passes.adjoint_pairs import Pairs, positional, reads_same, runs_of
from invcompiler.passes.avals import Avals, _same, abstract_run
from invcompiler.passes.containers import GETITEM
from invcompiler.passes.cotangents import ZERO, Cotangents, Sums
from invcompiler.passes.emission import CONCRETE, Emission
from invcompiler.passes.invert import Inverter
from invcompiler.passes.loop_lengths import steps_of
from invcompiler.passes.mapped_calls import Rows, rows_of
from invcompiler.passes.reconstruct import (
    Fused,
    Lost,
    Reconstructor,
    Retraced,
    Trace,
    anchor,
    fenced,
    retrace,
)
from invcompiler.passes.rename import with_names
from invcompiler.passes.residuals import described
from invcompiler.passes.simplify import simplify
from invcompiler.schedule.context import Context
from invcompiler.schedule.functions import FunctionPlan
from invcompiler.schedule.plan import CallInverse, InvertBranch, InvertLoop, Plan
from invcompiler.schedule.taint import tainted


@dataclass(frozen=True, eq=False)
class Undoing:
    """The function back of one that is undone where it is called.

    It takes the value, the parameters `given` (by their number), what is kept, captures, and the cotangent; it returns the
    parameters that the plan recovers, then the cotangents of the parameters `returned`. `forward` returns what is kept behind
    the value, if the call `keeps` anything; it is None if the function itself will do. If it `measures`, the last thing that `back` returns is how far values within it are off.
    """

    forward: Function | None
    forward_captures: tuple[Var, ...]
    back: Function
    given: tuple[int, ...]
    captures: tuple[Var, ...]
    returned: tuple[int, ...]
    measures: bool
    keeps: bool


@dataclass(frozen=True, eq=False)
class Backwards:
    """A whole function gone back through: a block whose free vars are the value, known parameters, what is kept, and captures.

    `kept` are the vars of the function that are kept, by what the block calls them.
    """

    block: Block
    kept: dict[Var, Var]
    value: Var
    bar: Var
    recovered: tuple[Tree, ...]
    bars: tuple[Tree, ...]
    drifts: tuple[Tree, ...]
    trace: Trace


@dataclass(frozen=True, eq=False)
class Gone:
    """A block that was gone back through: by which plan, and what was computed again beside that."""

    place: str | Loop
    plan: Plan
    again: tuple[Equation, ...]
    context: Context
    avals: Avals
    steps: int | None = None


@dataclass(eq=False)
class Retracer:
    """What the functions back of one program share. `apart` are the equations that are not gone through in one go, and why."""

    inverter: Inverter
    checks: bool = True  # compare what is undone with what it is known to be
    store_every: int | None = None  # keep every so-manieth state of a loop
    exact: bool = False  # what is added is rounded to a grid
    pairs: Pairs = field(default_factory=Pairs)
    apart: dict[Equation, str] = field(default_factory=dict)
    wishes: dict[Var, str] = field(default_factory=dict)
    made: list[tuple[FunctionPlan, tuple, list, Undoing | None]] = field(default_factory=list)
    working: list[FunctionPlan] = field(default_factory=list)
    gone: dict[Block, Gone] = field(default_factory=dict)  # the blocks that were gone back through

    def emitter(
        self, plan: FunctionPlan, builder: Emission, trace: Trace | None, lost: Iterable[Var]
    ) -> Reconstructor:
        made = Reconstructor(self.inverter, plan, builder, trace, lost)
        made.wishes = self.wishes
        made.exact = self.exact
        return made

    def fuse(self, trace: Trace, step: Fused) -> Pullback | None:
        """Return the pullback of what is undone and gone back through in one go; None if it cannot be."""
        if isinstance(step, InvertLoop):
            return reconstruct_loops.fuse(self, trace, step)
        if isinstance(step, InvertBranch):
            return reconstruct_branches.fuse(self, trace, step)
        return self._fuse_call(trace, step)

    def went_through(
        self, step: InvertLoop, found: Retraced, context: Context, emit: Emission
    ) -> None:
        """Note what was decided in the body of a loop."""
        loop, again = step.equation, tuple(found.emitter.again)
        steps = steps_of(emit, loop)
        self.gone[loop.body] = Gone(loop, step.plan, again, context, emit.avals, steps)

    # ---- whole functions --------------------------------------------------------------------------

    def backwards(
        self,
        plan: FunctionPlan,
        chosen: Sequence[Var],
        avals: Avals,
        whole: bool,
        fences: bool = False,
        sums: Sums | None = None,
    ) -> Backwards:
        """Go back through a function. With `whole`, what nothing has reached has a cotangent of zeros; else it is `ZERO`."""
        function = plan.function
        params = frozenset(param.var for param in function.params)
        varied = varying(function.body, chosen, avals)
        wanted = useful(function.body, (function.body.result,), varied)
        name = output_name(function)
        value, bar = Var(name), Var(f"{name}_bar")
        if isinstance(function.body.result, Var):
            avals.alike(bar, function.body.result)
        else:
            known = avals.ask(lambda result: result, function.body.result)
            if known is not None:
                avals.met[bar] = {(): known.value}
        kept: dict[Var, Var] = {}

        def walk(fused: Any) -> Trace:
            chained = fences or sum(isinstance(s, CallInverse) for s in fused.values()) > 1
            return Trace(
                Emission(avals),
                varied,
                wanted,
                self.pairs,
                params,
                plan=plan,
                fused=fused,
                fuse=self.fuse,
                fences=chained,
                exact=self.exact,
                sums=sums,
            )

        def opened(trace: Trace) -> Reconstructor:
            writer = self.emitter(plan, Emission(avals), trace, plan.unknown)
            outputs = plan.outputs
            if len(outputs) == 1:
                writer.take_apart(outputs[0], value)
            else:
                for number, tree in enumerate(outputs):
                    writer.take_apart(tree, writer.item(value, number, len(outputs)))
            writer.taken = set()
            kept.clear()
            for var in (*plan.plan.kept, *trace.stacks):
                kept[Var(var.name or described(plan.context.defining.get(var)))] = var
            for new, var in kept.items():
                avals.alike(new, var)
                writer.values[var] = new
            if not whole:
                anchor(writer, function.body, plan.plan, leaves(function.body.result))
            return writer

        def taken(cots: Cotangents) -> list[Tree]:
            return [
                cots.whole(cots.take(var), var, params.__contains__)
                if whole or var in cots.bars
                else ZERO
                for var in chosen
            ]

        seed = lambda cots: cots.give(function.body.result, bar)
        found = retrace(function.body, plan.plan, walk, opened, seed, taken, self.apart)
        again = tuple(found.emitter.again)
        self.gone[function.body] = Gone(function.name, plan.plan, again, plan.context, avals)
        recovered = tuple(found.emitter.value(var) for var in plan.unknown)
        drifts = tuple(found.drifts) if self.checks else ()
        result = Display(tuple, (*recovered, *found.results, *drifts))
        block = Block((), tuple(found.equations), result)
        bars = tuple(found.results)
        return Backwards(block, dict(kept), value, bar, recovered, bars, drifts, found.trace)

    def named(
        self, name: str, params: Sequence[Var], body: Block, function: Function, trace: Trace
    ) -> Function:
        """Return a function of positional parameters, its values called as was wished."""
        names = {**trace.forward.names}
        wishes = {var: name for var, name in self.wishes.items() if var not in params}
        body = with_names(replace(body, params=tuple(params)), wishes)
        return simplify(positional(name, body.params, body, function, names))

    # ---- calls ------------------------------------------------------------------------------------

    def _fuse_call(self, trace: Trace, step: CallInverse) -> Pullback | None:
        plan = step.entered.solve(step.unknown, step.selection)
        if not isinstance(plan, FunctionPlan):
            return None
        rows = None
        if step.entered.mapping is not None:
            rows = rows_of(step)
            is_layer = not any(
                isinstance(inner, CallInverse | InvertLoop) for inner in plan.plan.steps
            )
            if rows is None or (is_layer and not plan.plan.kept):
                return None  # one layer: undone, its products are those of all examples at once
        function = plan.function
        trees = {param.name: tree for param, tree in step.entered.bound.arguments.items()}
        trees.update({p.var.name: p.default for p in function.params if p.var.name not in trees})
        operands = [trees[param.var.name] for param in function.params]
        if any(tree is None for tree in operands):
            return None
        sums = _sums_within(function, operands, rows, trace.sums)
        undoing = self._undoing(plan, trace, operands, rows, sums)
        if undoing is None or not undoing.returned:
            return None
        solved = [p.name for p in step.unknown]
        order = [solved.index(var.name) for var in plan.unknown]
        if rows is not None:
            if not all(_is_differentiable(trace.forward, operands[n]) for n in undoing.returned):
                return None
            names = [param.var.name or "" for param in function.params]
            rows = replace(
                rows,
                params=tuple(names),
                recovered=tuple(var.name or "" for var in plan.unknown),
                returned=tuple(names[number] for number in undoing.returned),
                measures=undoing.measures,
            )
        return lambda cots: self._pull(trace, step, undoing, operands, order, rows, cots)

    def _pull(
        self,
        trace: Trace,
        step: CallInverse,
        undoing: Undoing,
        operands: Sequence[Tree],
        order: Sequence[int],
        rows: Rows | None,
        cots: Cotangents,
    ) -> None:
        emit, out = cots.emit, step.equation.out
        bar = cots.take(out)
        if bar == ZERO:
            return
        whole = cots.whole(bar, out)
        sources = step.sources
        value: Tree = sources[0] if len(sources) == 1 else Display(tuple, sources)
        if trace.fences and _is_differentiable(emit, out):
            value, whole = fenced(emit, (value, whole))
        given = [operands[number] for number in undoing.given]
        kept = self._hand_over(trace, step.equation, undoing, operands, rows)
        back: Ref | Var = Ref(undoing.back, undoing.back.name)
        if rows is not None:
            back = rows.back(emit, back, undoing.given, len(kept), len(undoing.captures))
        found = emit.apply(back, (value, *given, *kept, *undoing.captures, whole))
        assert isinstance(found, Var)
        trace.written[found] = step.equation
        n = len(order) + len(undoing.returned)
        names = [step.solved[i].name for i in order] + [None] * len(undoing.returned)
        items = emit.items(found, n + undoing.measures, [*names, None][: n + undoing.measures])
        if undoing.measures:
            worst = items[-1]
            trace.drifts.append(worst if rows is None else emit.call(jax.numpy.max, worst))
        for i, item in zip(order, items, strict=False):
            if step.equation in trace.sides:
                trace.checks.append((item, step.solved[i]))
            else:
                trace.recovered[step.solved[i]] = item
        for number, item in zip(undoing.returned, items[len(order) : n], strict=True):
            sums = cots.sums
            is_shared = sums is not None and sums.mapped.isdisjoint(leaves(operands[number]))
            if is_shared and rows is None:
                sums = None  # the sum was taken within
            with cots.summing(sums):
                cots.give(operands[number], item)

    def _hand_over(
        self,
        trace: Trace,
        call: Apply,
        undoing: Undoing,
        operands: Sequence[Tree],
        rows: Rows | None,
    ) -> tuple[Var, ...]:
        """Let the call forward return what is kept beside its value."""
        if undoing.forward is None:
            return ()
        forward: Ref | Var = Ref(undoing.forward, undoing.forward.name)
        before = Emission(trace.forward.avals)
        if rows is not None:
            captured = len(undoing.forward_captures)
            forward = rows.forward(before, forward, captured, undoing.keeps)
        args = (*operands, *undoing.forward_captures)
        if not undoing.keeps:
            made = Apply(call.out, forward, args, (), call.span)
            trace.replaced[call] = (*before.equations, made)
            return ()
        pair, kept = Var(), Var("residuals")
        trace.replaced[call] = (
            *before.equations,
            Apply(pair, forward, args, (), call.span),
            Apply(call.out, GETITEM, (pair, Const(0)), (), call.span, 2),
            Apply(kept, GETITEM, (pair, Const(1)), (), call.span, 2),
        )
        trace.stacks.append(kept)
        return (kept,)

    def _undoing(
        self,
        plan: FunctionPlan,
        trace: Trace,
        operands: Sequence[Tree],
        rows: Rows | None,
        sums: Sums | None,
    ) -> Undoing | None:
        function = plain(plan.function)
        bound = {p.var: tree for p, tree in zip(function.params, operands, strict=True)}
        runs = runs_of(trace.forward, function, bound)
        if rows is not None and runs is not None:
            names = [param.var.name or "" for param in function.params]
            runs = [(rows.of_one(names, values), {}) for values, _ in runs]
        if runs is None or plan in self.working:
            return None
        active = tuple(
            number for number, tree in enumerate(operands) if any(map(trace.active, leaves(tree)))
        )
        pattern = (active, sums)
        for known, other_pattern, met, undoing in self.made:
            if known is plan and other_pattern == pattern and _same(met, runs):
                return undoing
        self.working.append(plan)
        undoing = self._made(plan, active, runs, sums)
        self.working.pop()
        for known, other_pattern, _, other in self.made:
            if known is plan and other_pattern == pattern and other and undoing:
                if _alike(other, undoing):
                    undoing = other
        self.made.append((plan, pattern, runs, undoing))
        return undoing

    def _made(
        self, plan: FunctionPlan, active: tuple[int, ...], runs: list, sums: Sums | None
    ) -> Undoing | None:
        function = plan.function
        params = [param.var for param in function.params]
        captured = [var for var, _ in function.captures]
        if not set(free_vars(function.body)) <= {*params, *captured}:
            return None
        try:
            avals = abstract_run(plain(function), runs) if runs else Avals(generic=True)
        except CONCRETE:
            return None  # it is run on values
        try:
            wanted = [params[number] for number in active]
            back = self.backwards(plan, wanted, avals, whole=False, sums=sums)
        except Lost:
            return None
        return self._assembled(function, active, back)

    def _assembled(self, function: Function, active: tuple[int, ...], back: Backwards) -> Undoing:
        """Return the functions of a call that was gone back through."""
        params = [param.var for param in function.params]
        renamed = {var: self.pairs.captured(var, capture) for var, capture in function.captures}
        returned = tuple(n for n, b in zip(active, back.bars, strict=True) if b != ZERO)
        body = map_block(lambda var: renamed.get(var, var), _returning(back))
        read = set(free_vars(body))
        given = tuple(n for n, var in enumerate(params) if var in read)
        used = tuple(var for var, _ in self.pairs.captures.values() if var in read)
        handed, body = _unpacked(tuple(back.kept), body)
        args = (back.value, *(params[n] for n in given), *handed, *used, back.bar)
        name = function.name if function.name.isidentifier() else "f"
        made = self.named(f"{name}_bwd", args, body, function, back.trace)
        forward, forward_used = self._forward(f"{name}_fwd", function, back, renamed)
        measures = bool(back.drifts)
        return Undoing(
            forward, forward_used, made, given, used, returned, measures, bool(back.kept)
        )

    def _forward(
        self, name: str, function: Function, back: Backwards, renamed: dict[Var, Var]
    ) -> tuple[Function | None, tuple[Var, ...]]:
        """Return the function forward, which returns what is kept behind the value, and the captures that it reads."""
        if not back.kept and not back.trace.is_changed(function.body):
            return None, ()
        kept = tuple(back.kept.values())
        result = function.body.result
        if kept:
            packed: Tree = kept[0] if len(kept) == 1 else Display(tuple, kept)
            result = Display(tuple, (result, packed))
        block = Block((), back.trace.forwards(function.body), result)
        block = map_block(lambda var: renamed.get(var, var), block)
        used = tuple(v for v in free_vars(block) if v in renamed.values())
        every = (*(param.var for param in function.params), *used)
        return self.named(name, every, block, function, back.trace), used


def _sums_within(
    function: Function, operands: Sequence[Tree], rows: Rows | None, outer: Sums | None
) -> Sums | None:
    """Return what differs between examples in a function that is called by one that `jax.vmap` runs, or run by it."""
    if rows is not None:
        return rows.sums(function)
    if outer is None:
        return None
    pairs = zip(function.params, operands, strict=True)
    mapped = [p.var for p, tree in pairs if not outer.mapped.isdisjoint(leaves(tree))]
    return Sums(tainted(function.body, mapped), outer.axis)


def _returning(back: Backwards) -> Block:
    """Return the block that returns what is recovered, the cotangents that there are, and the worst drift, if any is measured."""
    worst = Emission(back.trace.forward.avals)
    drifts = back.drifts[:1]
    for other in back.drifts[1:]:
        drifts = (worst.call(jax.numpy.maximum, drifts[0], other),)
    bars = tuple(bar for bar in back.bars if bar != ZERO)
    result = Display(tuple, (*back.recovered, *bars, *drifts))
    return Block((), (*back.block.equations, *worst.equations), result)


def _unpacked(kept: tuple[Var, ...], body: Block) -> tuple[tuple[Var, ...], Block]:
    """Return the parameters that hand over what is kept, one at most, and the body that unpacks it."""
    if len(kept) < 2:
        return kept, body
    whole, n = Var("residuals"), len(kept)
    items = tuple(Apply(var, GETITEM, (whole, Const(i)), (), None, n) for i, var in enumerate(kept))
    return (whole,), replace(body, equations=(*items, *body.equations))


def _alike(one: Undoing, other: Undoing) -> bool:
    same = (one.given, one.captures, one.returned) == (other.given, other.captures, other.returned)
    return same and reads_same(one.back, other.back) and reads_same(one.forward, other.forward)


def _is_differentiable(emit: Emission, var: Tree) -> bool:
    """Whether all of a value has a cotangent, as far as that is known: zeros of dtype float0 pass no fence."""
    known = emit.ask(_all_inexact, var)
    return known is None or known.value


def _all_inexact(aval: Any) -> bool:
    return all(
        jax.numpy.issubdtype(getattr(leaf, "dtype", bool), jax.numpy.inexact)
        for leaf in jax.tree.leaves(aval)
    )


def plain(function: Function) -> Function:
    """Return a function that takes all of its parameters by position."""
    kind = ParameterKind.POSITIONAL_OR_KEYWORD
    return replace(function, params=tuple(Param(p.var, kind) for p in function.params))


def output_name(function: Function) -> str:
    """Return what the value of a function is called on the way back: its own name, unless a parameter has it."""
    result = function.body.result
    taken = {param.var.name for param in function.params}
    names = [result.name] if isinstance(result, Var) and result.name else []
    return next(name for name in (*names, "y", "out", "y_out") if name not in taken)


__all__ = ["Backwards", "Retracer", "Undoing", "output_name", "plain"]
