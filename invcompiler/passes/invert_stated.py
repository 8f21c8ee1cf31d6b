"""Write a call of the rule that the author of a function stated, and the log-determinant that follows from it.

A stated ILDJ has one number for each element that is recovered. Where none is stated, it is the log-determinant of the stated inverse:
compiled from the text of that, or, if that cannot be inverted itself, that of its Jacobian.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from invcompiler.errors import DegreesOfFreedomError, ShapeError
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Const,
    Display,
    Function,
    Param,
    ParameterKind,
    Ref,
    Tree,
    Var,
)
from invcompiler.passes.degrees import check_degrees
from invcompiler.passes.ops import attribute, call, method, tuple_of
from invcompiler.rules.stated import UnaryRule
from invcompiler.schedule.abstract import Abstract, Array, Items, abstract, is_fixed, stand_in
from invcompiler.schedule.functions import FunctionPlan
from invcompiler.schedule.plan import ByStatedRule, CallInverse
from invcompiler.schedule.stated import same_shapes, shown
from invcompiler.schedule.trial import abstractly, parts_of

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def by_stated_rule(emitter: Emitter, step: ByStatedRule) -> None:
    """Bind the arguments of a call to what the rule recovers, and add its log-determinant."""
    if isinstance(step.rule, UnaryRule):
        y = emitter.value(step.output)
        x = _called(emitter, step, step.rule.inverse, f"{step.name}_inv", y)
        emitter.take_apart(step.recovered.items[0], x)
        if emitter.ildj:
            _unary_log_det(emitter, step)
        return
    result = _rule_called(emitter, step)
    emitter.take_apart(step.recovered, emitter.item(result, 0, 2))
    if emitter.ildj:
        _add(emitter, step, step.recovered, emitter.item(result, 1, 2), _returned(step))


def add_log_det(emitter: Emitter, step: ByStatedRule) -> None:
    """Add the log-determinant of a call that is run forward, whose value is known by then."""
    if isinstance(step.rule, UnaryRule):
        _unary_log_det(emitter, step)
    else:
        ildjs = emitter.item(_rule_called(emitter, step), 1, 2)
        _add(emitter, step, step.recovered, ildjs, _returned(step))


def add_stated_ildj(emitter: Emitter, step: CallInverse) -> None:
    """Add the ILDJ that is stated of a call whose inverse is that of its text."""
    assert step.ildj is not None
    name = getattr(step.entered.function, "name", "function")
    recovered: Tree = step.solved[0] if len(step.solved) == 1 else tuple_of(step.solved)
    output = step.equation.out
    value = _called(emitter, step, step.ildj, f"{name}_ildj", emitter.value(output))
    _add(emitter, step, recovered, value, _tried(emitter, step.ildj, output))


def _returned(step: ByStatedRule) -> Any:
    return step.outcome.ildjs if step.outcome is not None and step.outcome.is_exact else None


def _called(emitter: Emitter, step: Any, fn: Any, wish: str, *args: Tree) -> Tree:
    return emitter.builder.apply(_ref(fn, wish), args, span=step.equation.span)


def _ref(fn: Any, wish: str) -> Ref:
    name = str(getattr(fn, "__name__", ""))
    return Ref(fn, name if name.isidentifier() else wish.replace("<lambda>", "function"), fn)


def _rule_called(emitter: Emitter, step: ByStatedRule) -> Tree:
    assert not isinstance(step.rule, UnaryRule)
    y = emitter.value(step.output)
    zeros = _zeros(emitter, y, emitter.facts.of(step.output))
    given = emitter.value(step.given)
    return _called(emitter, step, step.rule.rule, f"{step.name}_rule", given, y, zeros)


def _zeros(emitter: Emitter, y: Tree, value: Abstract) -> Tree:
    """Return zeros of the structure of the output: what follows it has its own terms of the log-determinant."""
    if y == Const(None):
        return y
    if isinstance(y, Display):
        parts = value.items if isinstance(value, Items) else (None,) * len(y.items)
        items = (_zeros(emitter, item, part) for item, part in zip(y.items, parts, strict=True))
        return replace(y, items=tuple(items))
    if isinstance(value, Items):
        tree_map, zeros_like = (
            Ref(jax.tree.map, "jax.tree.map", jax),
            Ref(jnp.zeros_like, "jnp.zeros_like", jnp),
        )
        return emitter.builder.apply(tree_map, (zeros_like, y))
    return call(emitter.builder, jnp.zeros_like, y)


# ---- log-determinants that are stated -------------------------------------------------------------


def _add(emitter: Emitter, step: Any, recovered: Tree, ildj: Tree, returned: Any) -> None:
    """Add the ILDJs at the arguments that are recovered."""
    if isinstance(recovered, Display):
        parts = [None] * len(recovered.items) if returned is None else parts_of(recovered, returned)
        for number, item in enumerate(recovered.items):
            if _has_var(item):
                _add(emitter, step, item, _part(emitter, ildj, recovered, number), parts[number])
    elif isinstance(recovered, Var):
        value = emitter.facts.of(recovered)
        if returned is not None:
            _check(emitter, step, recovered, returned)
        emitter.wish(ildj, f"{emitter.context.name_of(recovered) or 'in'}_ildj")
        _add_leaves(emitter, ildj, value, recovered)


def _add_leaves(emitter: Emitter, ildj: Tree, value: Abstract, var: Var) -> None:
    if isinstance(value, Items):
        structure = Display(value.kind, (Const(None),) * len(value.items), value.keys)
        for number, item in enumerate(value.items):
            _add_leaves(emitter, _part(emitter, ildj, structure, number), item, var)
        return
    is_scalar = isinstance(value, Array) and value.shape == ()
    emitter.log_det.add_stated(emitter, ildj, var, is_scalar)


def _part(emitter: Emitter, value: Tree, structure: Display, number: int) -> Tree:
    if structure.keys is None:
        return emitter.item(value, number, len(structure.items))
    key = structure.keys[number]
    if structure.kind is dict:
        return emitter.item(value, key, None)
    return emitter.attribute(value, key)


def _has_var(tree: Tree) -> bool:
    if isinstance(tree, Display):
        return any(map(_has_var, tree.items))
    return isinstance(tree, Var)


def _tried(emitter: Emitter, ildj: Callable[..., Any], output: Var) -> Any:
    """Return what a stated ILDJ is like, where shapes are known."""
    value = emitter.facts.of(output)
    if value is None or not is_fixed(value):
        return None
    return abstractly(ildj, (stand_in(value),))


def _check(emitter: Emitter, step: Any, var: Var, returned: Any) -> None:
    wanted, got = emitter.facts.of(var), abstract(returned)
    if is_fixed(wanted) and wanted is not None and not same_shapes(wanted, got):
        name = var.name or "the argument"
        raise ShapeError(
            f"a stated ILDJ has one number for each element: that of `{name}`, {shown(wanted)}, has {shown(got)}",
            span=step.equation.span,
            function=emitter.context.function.name,
            label="called here",
            hint="return log|d in / d out| for each element, such as `jnp.full_like(y, value)`",
        )


# ---- log-determinants that follow from the inverse ---------------------------------------------------


def _unary_log_det(emitter: Emitter, step: ByStatedRule) -> None:
    rule = step.rule
    assert isinstance(rule, UnaryRule) and rule.inverse is not None
    recovered = step.recovered.items[0]
    if rule.ildj is not None:
        y = emitter.value(step.output)
        value = _called(emitter, step, rule.ildj, f"{step.name}_ildj", y)
        _add(emitter, step, recovered, value, _tried(emitter, rule.ildj, step.equation.out))
        return
    plan = _plan_of_inverse(emitter, step)
    log_det = _by_jacobian(emitter, step) if plan is None else _by_plan(emitter, step, plan)
    if emitter.log_det.forward:
        log_det = call(emitter.builder, operator.neg, log_det)
    emitter.log_det.add_ildj(log_det)


def _plan_of_inverse(emitter: Emitter, step: ByStatedRule) -> FunctionPlan | None:
    """Return the plan by which the stated inverse is inverted itself; None if it cannot be."""
    assert isinstance(step.rule, UnaryRule)
    inverse = _ref(step.rule.inverse, f"{step.name}_inv")
    apply = Apply(Var(), inverse, (step.output,), span=step.equation.span)
    context = emitter.context
    entered = next(context.enter(context, apply, frozenset()), None)
    if entered is None:
        apply = replace(apply, fn=Ref(_outline(inverse), inverse.spelling))
        entered = next(context.enter(context, apply, frozenset()), None)
    if entered is None or len(entered.bound.arguments) != 1:
        return None
    plan = entered.solve(tuple(entered.bound.arguments), None)
    if isinstance(plan, ShapeError) and not emitter.facts.is_concrete:
        raise plan
    if not isinstance(plan, FunctionPlan):
        return None
    try:
        check_degrees(plan)
    except DegreesOfFreedomError as error:
        raise error from None
    return replace(plan, function=replace(plan.function, name=inverse.spelling))


def _outline(fn: Ref) -> Function:
    """Return the function that calls `fn`."""
    y, x = Var("y"), Var("x")
    params = (Param(y, ParameterKind.POSITIONAL_OR_KEYWORD),)
    return Function(fn.spelling, params, Block((y,), (Apply(x, fn, (y,)),), x))


def _by_plan(emitter: Emitter, step: ByStatedRule, plan: FunctionPlan) -> Tree:
    """Return log|det dx/dy| of the stated inverse x(y), by a function that computes it."""
    product = replace(emitter.product, inverse=False, ildj=True, forward=True)
    function = emitter.inverter.function(plan, product)
    y = emitter.value(step.output)
    return emitter.builder.apply(Ref(function, function.name), (y,), span=step.equation.span)


def _by_jacobian(emitter: Emitter, step: ByStatedRule) -> Tree:
    """Return log|det dx/dy| of the dense Jacobian."""
    assert isinstance(step.rule, UnaryRule)
    builder, facts = emitter.builder, emitter.facts
    value = facts.of(step.output)
    if emitter.product.batch_ndims or isinstance(value, Items):
        raise DegreesOfFreedomError(
            f"the log-determinant of the inverse that is stated for `{step.name}` does not follow from its text",
            span=step.equation.span,
            function=emitter.context.function.name,
            label="called here",
            hint="state `f_ildj` as well",
        )
    y = emitter.value(step.output)
    fn = _ref(step.rule.inverse, f"{step.name}_inv")
    if isinstance(value, Array) and value.shape == ():
        gradient = builder.apply(Ref(jax.grad, "jax.grad", jax), (fn,))
        slope = builder.apply(gradient, (y,))  # type: ignore[arg-type]
        return call(builder, jnp.log, call(builder, jnp.abs, slope))
    jacobian = builder.apply(Ref(jax.jacfwd, "jax.jacfwd", jax), (fn,))
    dense = builder.apply(jacobian, (y,))  # type: ignore[arg-type]
    size = attribute(builder, y, "size")
    dense = method(builder, "reshape", dense, size, size)
    slogdet = Ref(jnp.linalg.slogdet, "jnp.linalg.slogdet", jnp)
    return emitter.item(builder.apply(slogdet, (dense,)), 1, 2)


__all__ = ["add_log_det", "add_stated_ildj", "by_stated_rule"]
