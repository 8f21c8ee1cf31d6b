"""Code for values that a formula gives: its template with the operands that the plan names in the place of its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invcompiler.errors import DegreesOfFreedomError
from invcompiler.ir.nodes import Const, Tree, Var
from invcompiler.passes.assemble import index_of
from invcompiler.passes.log_det import Term
from invcompiler.passes.ops import getitem
from invcompiler.passes.shape_answers import needs_example
from invcompiler.passes.templates import template_function
from invcompiler.rules.registry import Template
from invcompiler.schedule.plan import Deduce, Part
from invcompiler.schedule.regions import Item

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def deduce(emitter: Emitter, step: Deduce) -> None:
    """Bind what the step solves; add its term to the log-determinant."""
    emitter.bind(step.solved, _instance(emitter, step, step.formula.solve))
    if emitter.ildj:
        add_formula(emitter, step)


def add_formula(emitter: Emitter, step: Deduce) -> None:
    """Add the term of a formula; the value that is solved stands in the program if the emitter follows that forward."""
    if step.formula.log_term is None:
        raise _no_log_det(emitter, step)
    term = _instance(emitter, step, step.formula.log_term)
    of = step.solved if step.of is None else step.of.whole
    assert isinstance(of, Var)
    emitter.log_det.add_term(Term(term, of, step.formula.core, full=True))


def _no_log_det(emitter: Emitter, step: Deduce) -> DegreesOfFreedomError:
    name = emitter.context.function.name
    return DegreesOfFreedomError(
        f"the log-determinant of `{name}` is not followed through values with fewer free numbers than elements",
        span=step.equation.span,
        function=name,
        label=f"recovered by {step.formula.__doc__}, of which an inverse alone is known",
        hint="ask for `inv.inverse` alone",
    )


def _instance(emitter: Emitter, step: Deduce, template: Template) -> Tree:
    function = template_function(template)
    operands = dict(step.operands)
    arguments: dict[Var, Tree] = {}
    for param in function.params:
        name = param.var.name
        if name == "axis":
            arguments[param.var] = Const(step.axis)
        elif name == "x":
            arguments[param.var] = _solved(emitter, step)
        else:
            assert name is not None
            arguments[param.var] = _part(emitter, operands[name])
    return emitter.builder.inline(function, arguments)


def _solved(emitter: Emitter, step: Deduce) -> Tree:
    if step.of is not None and step.solved not in emitter.values:
        return _part(emitter, step.of)
    return emitter.value(step.solved)


def _part(emitter: Emitter, part: Part) -> Tree:
    value = emitter.value(part.whole)
    if part.region is None:
        return value
    assert isinstance(part.whole, Var)
    if isinstance(part.region, Item):
        return getitem(emitter.builder, value, Const(part.region.key))
    index = index_of(emitter, part.region, part.whole)
    if index is None:
        raise needs_example(emitter, part.whole)
    return getitem(emitter.builder, value, index)
