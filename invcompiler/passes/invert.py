"""Write the inverse that a plan describes: a loop over its steps, each of which adds equations to a new function.

`g(y, *known) -> x`, or with its log-determinant `g(y, *known) -> (x, ildj)`, as one IR function for each function of the program and
pattern of unknowns.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp

from invcompiler.ir.build import Builder
from invcompiler.ir.interval import REAL, Interval
from invcompiler.ir.nodes import (
    Apply,
    Const,
    Display,
    Function,
    Param,
    ParameterKind,
    Ref,
    Tree,
    Var,
)
from invcompiler.ir.recursion import Recursion
from invcompiler.ir.walk import free_vars, leaves, map_operands, map_tree, operands
from invcompiler.passes import (
    assemble,
    bits_code,
    invert_calls,
    invert_loops,
    invert_stated,
    lookup_code,
    low_rank_code,
    pieces_code,
    projection_code,
    quadratic_code,
    spectral_code,
)
from invcompiler.passes.affine_code import solve_ratio, solve_wrapped
from invcompiler.passes.deduce import deduce
from invcompiler.passes.docstrings import docstring
from invcompiler.passes.iterate import iterate
from invcompiler.passes.log_det import LogDet
from invcompiler.passes.ops import call, getitem
from invcompiler.passes.rename import refreshed, with_names
from invcompiler.passes.same_function import signature_of
from invcompiler.passes.shape_answers import answer_query
from invcompiler.passes.templates import instantiate
from invcompiler.schedule.facts import Facts
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
from invcompiler.schedule.regions import Band, Masked, Region


@dataclass(frozen=True)
class Product:
    """What is asked for: the inverse, its log-determinant, or both. `batch_ndims` leading axes are independent examples.

    With `forward`, the function itself and its own log-determinant take their place; with `as_tuple`, a single unknown comes in a
    tuple.
    """

    inverse: bool = True
    ildj: bool = False
    batch_ndims: int = 0
    forward: bool = False
    as_tuple: bool = False

    @property
    def suffix(self) -> str:
        if self.forward:
            return "forward_and_fldj" if self.inverse else "fldj"
        if not self.ildj:
            return "inverse"
        return "inverse_and_ildj" if self.inverse else "ildj"


@dataclass(eq=False)
class Inverter:
    """Makes the inverse functions of one product; each is made once."""

    product: Product
    finish: Callable[[Function, Any], Function]
    made: dict[Hashable, Function] = field(default_factory=dict)
    parts: dict[Hashable, Function] = field(default_factory=dict)
    _shared: dict[Hashable, Function] = field(default_factory=dict)
    _writing: dict[Hashable, Recursion] = field(default_factory=dict)
    _recursive: dict[Recursion, Function] = field(default_factory=dict)

    def function(self, plan: FunctionPlan, product: Product | None = None) -> Function:
        """Return `g(y, *known)`. Callees return their unknowns too where only the log-det is asked for."""
        product = product or self.product
        key = (plan, product)
        if key not in self.made:
            self.made[key] = self._made(key, plan, product)
        return self.made[key]

    def _made(self, key: Hashable, plan: FunctionPlan, product: Product) -> Function:
        """Write a function; while it is written, calls of it name its stand-in."""
        write = self.write_forward if product.forward else self.write_inverse
        self._writing[key] = Recursion(f"{plan.function.name}_{product.suffix}")
        made = self.finish(*write(plan, product))
        recursion = self._writing.pop(key)
        if recursion in self._recursive:
            return replace(made, source=recursion)
        return self._shared.setdefault(signature_of(made), made)

    def write_inverse(self, plan: FunctionPlan, product: Product) -> tuple[Function, Facts]:
        return _Writer(self, plan, product).write()

    def write_forward(self, plan: FunctionPlan, product: Product) -> tuple[Function, Facts]:
        from invcompiler.passes.forward_log_det import forward_function

        return forward_function(self, plan, product), plan.context.facts

    def callee(self, step: CallInverse, product: Product) -> Function:
        """Return the inverse that a step calls; it takes no functions that it does not use."""
        plan = step.entered.solve(step.unknown, step.selection)
        assert isinstance(plan, FunctionPlan)
        recursion = self._writing.get((plan, product))
        if recursion is not None:
            if recursion not in self._recursive:
                self._recursive[recursion] = recursion.stand_in(params_of(plan, product))
            return self._recursive[recursion]
        function = self.function(plan, product)
        if isinstance(function.source, Recursion):
            return function
        used = {*free_vars(function.body), *(v for v, _ in function.captures)}
        facts = plan.context.facts
        params = tuple(p for p in function.params if p.var in used or not _is_function(p, facts))
        if len(params) < len(function.params):
            function = self.made[(plan, product)] = replace(function, params=params)
        return function


def params_of(plan: FunctionPlan, product: Product) -> tuple[Param, ...]:
    """Return the parameters of what is made for a plan: `(y, *known)`, or those of the function itself."""
    if product.forward:
        return tuple(Param(p.var, p.kind, p.default) for p in plan.function.params)
    known = [p for p in plan.function.params if p.var not in plan.unknown]
    output = Var(_output_name([p.var.name for p in known]))
    positional_only = any(p.kind is ParameterKind.POSITIONAL_ONLY for p in known)
    kind = "POSITIONAL_ONLY" if positional_only else "POSITIONAL_OR_KEYWORD"
    return (Param(output, ParameterKind[kind]), *known)


def _is_function(param: Param, facts: Facts) -> bool:
    known = facts.static(param.var)
    return known is not None and callable(known.value) and not isinstance(known.value, type)


class _Writer:
    """Writes one function."""

    def __init__(self, inverter: Inverter, plan: FunctionPlan, product: Product):
        self.inverter = inverter
        self.plan = plan
        self.product = product

    def write(self) -> tuple[Function, Facts]:
        """Return the function, and what is known of its values."""
        function = self.plan.function
        params = params_of(self.plan, self.product)
        emitter = Emitter(self.inverter, self.plan, self.product)
        self._open(emitter, params[0].var)
        emitter.run(self.plan.plan)
        block = emitter.builder.block([], self._result(emitter))
        made = Function(
            name=f"{function.name}_{self.product.suffix}",
            params=params,
            body=with_names(block, emitter.wishes),
            captures=function.captures,
            depends=function.depends,
            doc=self._doc(emitter.assumptions),
            span=function.span,
        )
        facts = self.plan.context.facts
        known = {new: facts.of(old) for new, old in emitter.computed.items()}
        return made, replace(facts, values={**facts.values, **known})

    def _open(self, emitter: Emitter, output: Var) -> None:
        """Give the vars of the forward result their values in terms of the output."""
        outputs = self.plan.outputs
        if len(outputs) == 1:
            emitter.take_apart(outputs[0], output)
            emitter.taken = set()
            return
        for number, tree in enumerate(outputs):
            emitter.take_apart(tree, emitter.item(output, number, len(outputs)))
        emitter.taken = set()

    def _result(self, emitter: Emitter) -> Tree:
        valid = self._valid(emitter)
        unknown = [emitter.value(var) for var in self.plan.unknown]
        if valid is not None:
            unknown = [
                self._else_nan(emitter, valid, x, var.name)
                for x, var in zip(unknown, self.plan.unknown, strict=True)
            ]
        single = len(unknown) == 1 and not self.product.as_tuple
        x = unknown[0] if single else Display(tuple, tuple(unknown))
        if not self.product.ildj:
            return x
        ildj = emitter.log_det.result(emitter, self.plan.unknown[0])
        if valid is not None:
            ildj = self._else_nan(emitter, valid, ildj, "ildj")
        return Display(tuple, (x, ildj)) if self.product.inverse else ildj

    def _valid(self, emitter: Emitter) -> Tree | None:
        """Return whether the known values are positive that must be."""
        found: Tree | None = None
        for var in self.plan.positive:
            value = emitter.value(var)
            holds = call(emitter.builder, operator.gt, value, Const(0))
            if emitter.facts.rank(var) != 0:
                holds = call(emitter.builder, jnp.all, holds)
            found = holds if found is None else call(emitter.builder, operator.and_, found, holds)
        names = [f"`{var.name}`" for var in self.plan.positive if var.name]
        if names:
            emitter.assumptions.append(f"For positive {' and '.join(names)}; NaN for others.")
        if found is not None:
            emitter.wish(found, "valid")
        return found

    def _else_nan(self, emitter: Emitter, valid: Tree, value: Tree, name: str | None) -> Tree:
        found = call(emitter.builder, jnp.where, valid, value, Ref(jnp.nan, "jnp.nan", jnp))
        if name is not None:
            emitter.wish(value, name)
            emitter.wish(found, name)
        return found

    def _doc(self, assumptions: list[str]) -> str:
        return docstring(self._title(), *dict.fromkeys(assumptions))

    def _title(self) -> str:
        function = self.plan.function
        names = " and ".join(
            p.var.name or "?" for p in function.params if p.var in self.plan.unknown
        )
        what = {
            "inverse": f"Inverse of `{function.name}`{_place(function)} with respect to {names}",
            "ildj": f"Log-det-Jacobian of the inverse of `{function.name}`{_place(function)} with respect to {names}",
        }
        if self.product.suffix == "inverse_and_ildj":
            return what["inverse"] + ", and its log-det-Jacobian."
        return what[self.product.suffix] + "."


def _place(function: Function) -> str:
    if function.span is None:
        return ""
    return f" ({function.span.file.replace(chr(92), '/').rsplit('/', 1)[-1]}:{function.span.line})"


def _output_name(taken: list[str | None]) -> str:
    return next(name for name in ("y", "out", "output", "y_out") if name not in taken)


def inner_point(interval: Interval) -> float:
    """Return a point well inside an interval."""
    lo, hi = interval.lo, interval.hi
    if math.isinf(lo) and math.isinf(hi):
        return 0.0
    if math.isinf(hi):
        return lo + 1.0
    return hi - 1.0 if math.isinf(lo) else (lo + hi) / 2


class Emitter:
    """The state of writing one block: what each forward var is worth, and the log-det so far."""

    def __init__(
        self,
        inverter: Inverter,
        plan: FunctionPlan,
        product: Product,
        parent: Emitter | None = None,
    ):
        self.inverter = inverter
        self.plan = plan
        self.context = plan.context
        self.facts = plan.context.facts
        self.product = product
        self.ildj = product.ildj or product.forward
        self.parent = parent
        self.builder = Builder() if parent is None else parent.builder.nested()
        self.values: dict[Var, Tree] = {} if parent is None else dict(parent.values)
        self.wishes: dict[Var, str] = {} if parent is None else parent.wishes
        self.checked: set[Tree] = set() if parent is None else parent.checked
        # new vars that are computed as a forward one is, of which there are facts
        self.computed: dict[Var, Var] = {} if parent is None else parent.computed
        self.assumptions: list[str] = [] if parent is None else parent.assumptions
        self.taken: set[str] = set()  # names of other outputs, while they are bound
        self.guard: pieces_code.Mask | None = (
            None  # where what is computed is used, if not everywhere
        )
        self.on_a_way = parent is not None and parent.on_a_way  # one of several
        # where a step is not one at all: not that there is no argument, but that there may be several
        self.conditions: list[Tree] = []
        self.given = frozenset(plan.plan.given)
        self.log_det = LogDet(product.batch_ndims, product.forward)

    def nested(self) -> Emitter:
        """Return an emitter for a block inside this one; its log-det is its own."""
        return type(self)(self.inverter, self.plan, self.product, self)

    # ---- values -----------------------------------------------------------------------------

    def value(self, tree: Tree) -> Tree:
        """Return `tree` in terms of the new function."""
        return map_tree(self._of, tree)

    def _of(self, var: Var) -> Tree:
        if var not in self.values:
            made = self.context.defining.get(var)
            if isinstance(made, Apply) and self._is_at_link(made):
                self.forward(made)
        return self.values.get(var, var)

    def _is_at_link(self, made: Apply) -> bool:
        """Whether the equation is the `x.at` or the `[i]` of `x.at[i]`, which are written where they are used."""
        if not assemble.is_at_link(made):
            return False
        base = made.args[0]
        inner = self.context.defining.get(base) if isinstance(base, Var) else None
        is_at = isinstance(inner, Apply) and inner.fn == Ref(getattr, "getattr")
        return made.args[1] == Const("at") or (is_at and inner.args[1] == Const("at"))

    def bind(self, var: Var, value: Tree) -> None:
        """Note what the forward var is worth; the new value should go by its name."""
        self.values[var] = value
        name = self.context.name_of(var, self.taken)
        if isinstance(value, Var) and name is not None and value.name != name:
            self.wishes.setdefault(value, name)

    def take_apart(self, tree: Tree, value: Tree) -> None:
        """Bind the vars of a display to the items of `value`."""
        if isinstance(tree, Var):
            self.bind(tree, value)
        elif isinstance(tree, Display):
            for number, item in enumerate(tree.items):
                if tree.keys is None:
                    part = self.item(value, number, len(tree.items))
                elif tree.kind is dict:
                    part = self.item(value, tree.keys[number], None)
                else:
                    part = self.attribute(value, tree.keys[number])
                self.take_apart(item, part)
                if isinstance(part, Var) and part in self.wishes:
                    self.taken.add(self.wishes[part])

    def item(self, value: Tree, key: Any, arity: int | None) -> Tree:
        return getitem(self.builder, value, key, arity=arity)

    def attribute(self, value: Tree, name: str) -> Tree:
        return assemble.attribute(self.builder, value, name)

    # ---- steps ------------------------------------------------------------------------------

    def run(self, plan: Plan) -> None:
        for step in plan.steps:
            self.step(step)

    def step(self, step: Step) -> None:
        match step:
            case Forward():
                self.forward(step.equation)
            case ShapeQuery():
                self.bind(step.equation.out, answer_query(self, step))
            case Isolate():
                self.isolate(step)
            case Read():
                self.bind(step.part, assemble.read(self, step))
            case Join():
                self.bind(step.whole, assemble.join(self, step))
            case Accumulate():
                self.bind(step.whole, assemble.accumulate(self, step))
            case Deduce():
                deduce(self, step)
            case Ratio():
                solve_ratio(self, step)
            case Quadratic():
                quadratic_code.solve(self, step)
            case Spectral():
                spectral_code.solve(self, step)
            case LowRank():
                low_rank_code.solve(self, step)
            case Projected():
                projection_code.solve(self, step)
            case Bits():
                bits_code.solve(self, step)
            case Wrapped():
                solve_wrapped(self, step)
            case Collect():
                assemble.collect(self, step)
            case CallInverse():
                self.call_inverse(step)
            case ByStatedRule():
                invert_stated.by_stated_rule(self, step)
            case InvertLoop():
                invert_loops.loop(self, step)
            case InvertBranch():
                invert_loops.branch(self, step)
            case Numeric():
                iterate(self, step)
            case Pieces():
                pieces_code.recover(self, step)
            case Lookup():
                lookup_code.recover(self, step)

    def forward(self, equation: Any) -> None:
        read = frozenset(operands(equation))  # what a loop or branch binds inside stays
        mapped = map_operands(lambda var: self._of(var) if var in read else var, equation)
        if isinstance(mapped, Apply):
            value = self.builder.apply(
                mapped.fn,
                mapped.args,
                mapped.kwargs,
                name=equation.out.name,
                span=equation.span,
                arity=equation.arity,
            )
            self.values[equation.out] = value
            if isinstance(value, Var):
                self.computed.setdefault(value, equation.out)
            return
        fresh = refreshed(mapped)
        self.builder.add(fresh)
        self.values.update(zip(equation.outs, fresh.outs, strict=True))

    def isolate(self, step: Isolate) -> None:
        output = self.safe(self.value(step.output), step)
        x = instantiate(self, step, step.rule.inverse, output, None)
        x = assemble.demoted(self, step, assemble.unbroadcast(self, step, x))
        self.bind(step.solved, x)
        if self.ildj:
            self.log_det.add_rule(self, step)

    def call_inverse(self, step: CallInverse) -> None:
        invert_calls.call_inverse(self, step)

    def assume_shapes(self, trees: list[Tree], like: Var) -> bool:
        """Note in the docstring that values are taken to have one element for each of `like`: nothing in the text tells.

        Return whether that can be said: of a value without a name it cannot, and must not be assumed.
        """
        names = [f"`{tree.name}`" for tree in trees if isinstance(tree, Var) and tree.name]
        name = self.context.name_of(like)
        if names and name:
            self.assumptions.append(f"Holds for {' and '.join(names)} of the shape of `{name}`.")
        return bool(names and name)

    # ---- questions --------------------------------------------------------------------------

    def is_recovered(self, tree: Tree) -> bool:
        """Whether a forward tree depends on the unknowns."""
        return any(var in self.context.tainted for var in leaves(tree))

    def is_given(self, tree: Tree) -> bool:
        return not self.is_recovered(tree)

    def masked(self, value: Tree, region: Masked) -> Tree:
        """Return `value` with zeros outside of a masked region."""
        sides = (value, Const(0.0)) if region.inside else (Const(0.0), value)
        return self.where(region.mask, *sides)

    def in_band(self, value: Tree, band: Band) -> Tree:
        """Return a matrix with zeros outside of a band."""
        return assemble.within_band(self, value, band)

    def without(self, value: Tree, hole: Region, whole: Var) -> Tree:
        """Return `value`, which is like `whole`, with zeros in `hole`."""
        return assemble.set_region(self, whole, hole, value, Const(0.0))

    def where(self, mask: Tree, inside: Tree, outside: Tree) -> Tree:
        """Choose by a mask; where it is only taken for one, anything but zeros and ones gives NaN."""
        value = self.value(mask)
        if self.context.is_proven_mask(mask):
            return call(self.builder, jnp.where, value, inside, outside)
        zero = call(self.builder, operator.eq, value, Const(0))
        one = call(self.builder, operator.eq, value, Const(1))
        nan = Ref(jnp.nan, "jnp.nan", jnp)
        if self.ildj and mask not in self.checked:
            self.checked.add(mask)
            valid = call(self.builder, jnp.all, call(self.builder, operator.or_, zero, one))
            self.log_det.add_ildj(call(self.builder, jnp.where, valid, Const(0.0), nan))
        rest = call(self.builder, jnp.where, zero, outside, nan)
        return call(self.builder, jnp.where, one, inside, rest)

    def safe(self, output: Tree, step: Isolate) -> Tree:
        """Return `output` with an ordinary value where it holds anything: the inverse is to be finite there, and so is its slope."""
        if step.rule.range == REAL:
            return output
        ordinary = Const(inner_point(step.rule.range))
        if self.guard is not None:
            return pieces_code.where(self, self.guard, output, ordinary)
        if isinstance(step.region, Band):
            inside = assemble.band_mask(self, output, step.region)
            return call(self.builder, jnp.where, inside, output, ordinary)
        if not isinstance(step.region, Masked):
            return output
        sides = (output, ordinary) if step.region.inside else (ordinary, output)
        return self.where(step.region.mask, *sides)

    def wish(self, tree: Tree, name: str) -> None:
        if isinstance(tree, Var):
            self.wishes.setdefault(tree, name)
