"""Write a function with its own log-determinant: `g(*args) -> (y, fldj)`.

The plan of the inverse says which equations are inverted, and by which rule; run forward, each of them contributes the same term
with the other sign. So FLDJ and ILDJ agree because they are one thing.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.ir.nodes import (
    Block,
    Branch,
    BranchKind,
    Const,
    Display,
    Each,
    Equation,
    Function,
    Loop,
    LoopKind,
    Param,
    Range,
    Tree,
    Var,
)
from invcompiler.ir.walk import map_iter
from invcompiler.passes import (
    invert_stated,
    iterate,
    lookup_code,
    low_rank_code,
    projection_code,
    quadratic_code,
    spectral_code,
)
from invcompiler.passes.affine_code import add_determinant, add_ratio
from invcompiler.passes.dead_code import live_block
from invcompiler.passes.deduce import add_formula
from invcompiler.passes.docstrings import docstring
from invcompiler.passes.invert import Emitter
from invcompiler.passes.invert_calls import call_forward
from invcompiler.passes.invert_loops import arange, typed_zero
from invcompiler.passes.ops import call, tuple_of
from invcompiler.passes.pieces_code import add_terms
from invcompiler.passes.rename import with_names
from invcompiler.schedule.plan import (
    ByStatedRule,
    CallInverse,
    Collect,
    Deduce,
    InvertBranch,
    InvertLoop,
    Isolate,
    Lookup,
    LowRank,
    Numeric,
    Pieces,
    Plan,
    Projected,
    Quadratic,
    Ratio,
    Spectral,
    Step,
)

if TYPE_CHECKING:
    from invcompiler.passes.invert import Inverter, Product
    from invcompiler.schedule.functions import FunctionPlan


def forward_function(inverter: Inverter, plan: FunctionPlan, product: Product) -> Function:
    """Return `g(*args) -> (y, fldj)`, or the FLDJ alone."""
    function = plan.function
    emitter = ForwardEmitter(inverter, plan, product)
    params = tuple(p.var for p in function.params) + tuple(var for var, _ in function.captures)
    emitter.values.update((var, var) for var in params)
    emitter.follow(function.body, plan.plan)
    y = emitter.value(function.body.result)
    emitter.wish(y, "y")
    fldj = emitter.log_det.result(emitter, plan.unknown[0])
    result = tuple_of([y, fldj]) if product.inverse else fldj
    block = emitter.builder.block([], result)
    names = " and ".join(var.name or "?" for var in plan.unknown)
    what = "with its log-det-Jacobian" if product.inverse else ": its log-det-Jacobian"
    return Function(
        name=f"{function.name}_{product.suffix}",
        params=tuple(Param(p.var, p.kind, p.default) for p in function.params),
        body=with_names(block, emitter.wishes),
        captures=function.captures,
        depends=function.depends,
        doc=docstring(f"`{function.name}` {what} with respect to {names}.".replace("` :", "`:")),
        span=function.span,
    )


class ForwardEmitter(Emitter):
    """Writes the equations of a block as they stand, and the terms of those that the plan inverts."""

    def follow(self, block: Block, plan: Plan) -> None:
        special = {
            step.equation: step
            for step in plan.steps
            if isinstance(step, CallInverse | InvertLoop | InvertBranch)
        }
        for equation in block.equations:
            self._equation(equation, special.get(equation))
        for step in plan.steps:
            self.add_term_of(step)

    def _equation(self, equation: Equation, step: Step | None) -> None:
        match step:
            case CallInverse():
                call_forward(self, step)
            case InvertLoop():
                self._loop(step)
            case InvertBranch():
                self._branch(step)
            case _:
                self.forward(equation)

    def add_term_of(self, step: Step) -> None:
        match step:
            case Isolate():
                self._add_rule(step)
            case Deduce():
                add_formula(self, step)
            case Ratio():
                add_ratio(self, step)
            case Quadratic():
                quadratic_code.add_term(self, step)
            case Collect():
                add_determinant(self, step)
            case Spectral():
                spectral_code.add_log_det(self, step)
            case LowRank():
                low_rank_code.add_log_det(self, step)
            case Projected():
                projection_code.add_log_det(self, step)
            case ByStatedRule():
                invert_stated.add_log_det(self, step)
            case Numeric():
                iterate.add_log_det(self, step)
            case Pieces():
                add_terms(self, step)
            case Lookup():
                lookup_code.add_terms(self, step)

    def _add_rule(self, step: Isolate) -> None:
        """Add the term of a step, whose vars may stand for values that are right in a region only: they are not kept."""
        before = dict(self.values)
        argument = step.call.arguments[step.rule.argument]
        here = self.value(step.equation.out), self.value(argument)
        self.values[step.output], self.values[step.solved] = here
        self.log_det.add_rule(self, step)
        self.values = before

    # ---- loops ------------------------------------------------------------------------------

    def _loop(self, step: InvertLoop) -> None:
        loop = step.equation
        inner = self.nested()
        inner.values.update((var, var) for var in loop.body.params)
        inner.follow(loop.body, step.plan)
        result = inner.value(loop.body.result)
        assert isinstance(result, Display)
        if inner.log_det.is_empty:
            self.forward(loop)
            return
        fldj = inner.log_det.total(inner)
        carried = loop.kind is LoopKind.FOR
        outs = self._extended(inner, loop, result, fldj, carried)
        n = len(loop.init)
        if carried:
            total: Tree = outs.pop(n)
        elif loop.kind is LoopKind.COMPREHENSION:
            total = call(self.builder, sum, outs.pop())
        else:
            axis = {"axis": Const(0)} if self.log_det.batch_ndims else {}
            total = call(self.builder, jnp.sum, outs.pop(), **axis)
        self.wish(total, "fldj")
        self.log_det.add_ildj(total)
        self.values.update(zip(loop.outs, outs, strict=True))

    def _extended(
        self, inner: Emitter, loop: Loop, result: Display, fldj: Tree, carried: bool
    ) -> list[Tree]:
        """Add the loop that carries or collects the log-determinant of its steps as well."""
        n = len(loop.init)
        init = [self.value(tree) for tree in loop.init]
        params, items = list(loop.body.params), list(result.items)
        outs = [Var(out.name, out.span) for out in loop.outs]
        if carried:
            total = Var("fldj")
            params.insert(n, total)
            init.append(Const(0.0))
            items.insert(n, call(inner.builder, operator.add, total, fldj))
            outs.insert(n, Var("fldj"))
        else:
            items.append(fldj)
            outs.append(Var("fldj"))
        kind, iterable = loop.kind, loop.iterable
        if iterable is not None:
            iterable = map_iter(lambda var: self.value(var), iterable)
        if kind is LoopKind.FORI:
            assert isinstance(iterable, Range)
            kind, iterable = LoopKind.SCAN, Each(arange(self, iterable))
        body = live_block(inner.builder.block(params, tuple_of(items)))
        options = tuple((key, self.value(value)) for key, value in loop.options)
        self.builder.add(Loop(kind, tuple(outs), tuple(init), iterable, body, options, loop.span))
        return list(outs)

    # ---- branches ---------------------------------------------------------------------------

    def _branch(self, step: InvertBranch) -> None:
        branch = step.equation
        inners = [self.nested() for _ in branch.blocks]
        for inner, block, plan in zip(inners, branch.blocks, step.plans, strict=True):
            inner.follow(block, plan)
        if all(inner.log_det.is_empty for inner in inners):
            self.forward(branch)
            return
        blocks = [
            self._extended_block(inner, block, branch.kind)
            for inner, block in zip(inners, branch.blocks, strict=True)
        ]
        outs = [*(Var(out.name, out.span) for out in branch.outs), Var("fldj")]
        predicate = self.value(branch.predicate)
        self.builder.add(Branch(branch.kind, tuple(outs), predicate, tuple(blocks), branch.span))
        self.values.update(zip(branch.outs, outs, strict=False))
        self.log_det.add_ildj(outs[-1])

    def _extended_block(self, inner: Emitter, block: Block, kind: BranchKind) -> Block:
        result = inner.value(block.result)
        assert isinstance(result, Display)
        fldj = typed_zero(inner, list(result.items), inner.log_det.total(inner), kind)
        return live_block(inner.builder.block([], tuple_of([*result.items, fldj])))
