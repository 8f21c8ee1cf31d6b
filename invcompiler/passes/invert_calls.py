"""Write a call of a callee's inverse, or of the callee with its own log-determinant, where the program calls the callee.

A call that `jax.vmap` runs becomes `jax.vmap` of the callee's inverse: the mapped axis of the output is that of the
inverse's argument, that of the unknown where the result goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from invcompiler.errors import ShapeError
from invcompiler.ir.nodes import Const, Display, Function, Ref, Tree, Var
from invcompiler.passes.invert_stated import add_stated_ildj
from invcompiler.passes.ops import call, tuple_of
from invcompiler.schedule.callees import arguments
from invcompiler.schedule.plan import CallInverse

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def call_inverse(emitter: Emitter, step: CallInverse) -> None:
    """Bind what a call of the program took to what the inverse of the callee returns."""
    function, has_log_det = _callee(emitter, step)
    sources = [emitter.value(source) for source in step.sources]
    y = sources[0] if len(sources) == 1 else tuple_of(sources)
    known = _given(emitter, function, dict(step.known))
    args, kwargs = arguments(function.params[1:], known)
    axes = (_output_axes(step), *_axes(step, function.params[1:], known))
    unknown = _shared([step.entered.bound.axes.get(param) for param in step.unknown])
    result = _called(emitter, step, function, (y, *args), kwargs, axes, unknown, has_log_det)
    if has_log_det:
        result, ildj = (emitter.item(result, i, 2) for i in range(2))
        _add_log_det(emitter, step, ildj)
    solved: Tree = step.solved[0] if len(step.solved) == 1 else tuple_of(step.solved)
    emitter.take_apart(solved, result)
    if step.ildj is not None and emitter.ildj:
        add_stated_ildj(emitter, step)


def call_forward(emitter: Emitter, step: CallInverse) -> None:
    """Write a call of the callee as it stands, with its own log-determinant."""
    function, has_log_det = _callee(emitter, step)
    if not has_log_det:
        emitter.forward(step.equation)
        if step.ildj is not None:
            add_stated_ildj(emitter, step)
        return
    given = _given(emitter, function, step.entered.bound.arguments)
    args, kwargs = arguments(function.params, given)
    mapping = step.entered.mapping
    out_axes = 0 if mapping is None else mapping.out_axes
    axes = _axes(step, function.params, given)
    result = _called(emitter, step, function, args, kwargs, axes, out_axes, True)
    value, fldj = (emitter.item(result, i, 2) for i in range(2))
    _add_log_det(emitter, step, fldj)
    emitter.bind(step.equation.out, value)


def _given(emitter: Emitter, function: Function, bound: Mapping[Var, Tree]) -> dict[Var, Tree]:
    """Return what the parameters take. The function may have been made for another call of the same text: names count."""
    trees = {param.name: tree for param, tree in bound.items()}
    params = (param.var for param in function.params if param.var.name in trees)
    return {var: emitter.value(trees[var.name]) for var in params}


def _callee(emitter: Emitter, step: CallInverse) -> tuple[Function, bool]:
    """Return the function to call, and whether it returns a log-determinant beside its result: not if that is zero."""
    product = replace(emitter.product, inverse=True, as_tuple=False)
    if step.entered.mapping is not None:
        product = replace(product, batch_ndims=_batch_ndims(emitter, step)[0])
    if step.ildj is not None:
        plain = replace(product, ildj=False, forward=False)
        return emitter.inverter.callee(step, plain), False
    function = emitter.inverter.callee(step, product)
    if not product.ildj and not product.forward:
        return function, False
    if not _preserves_volume(function):
        return function, True
    if not product.forward:
        function = emitter.inverter.callee(step, replace(product, ildj=False))
    return function, False


def _preserves_volume(function: Function) -> bool:
    result = function.body.result
    log_det = result.items[-1] if isinstance(result, Display) and result.items else None
    return isinstance(log_det, Const) and log_det.value == 0


def _add_log_det(emitter: Emitter, step: CallInverse, log_det: Tree) -> None:
    emitter.wish(log_det, emitter.log_det.name)
    if step.entered.mapping is not None and _batch_ndims(emitter, step)[1] is None:
        axis = {"axis": Const(0)} if emitter.product.batch_ndims else {}
        log_det = call(emitter.builder, jnp.sum, log_det, **axis)
    emitter.log_det.add_ildj(log_det)


# ---- `jax.vmap` -----------------------------------------------------------------------------------


def _called(
    emitter: Emitter,
    step: CallInverse,
    function: Function,
    args: tuple[Tree, ...],
    kwargs: tuple,
    in_axes: tuple[Any, ...],
    out_axes: Any,
    has_log_det: bool,
) -> Tree:
    fn: Any = Ref(function, function.name)
    mapping = step.entered.mapping
    if mapping is not None:
        if has_log_det:
            kept = _batch_ndims(emitter, step)[1]
            out_axes = _shared([out_axes, 0 if kept is None else kept])
        named = [("in_axes", _shared(list(in_axes))), ("out_axes", out_axes)]
        options = [(name, _tree(axis)) for name, axis in named if axis != 0]
        vmap = Ref(jax.vmap, "jax.vmap", jax)
        fn = emitter.builder.apply(vmap, (fn,), (*options, *mapping.options))
    return emitter.builder.apply(fn, args, kwargs, span=step.equation.span)


def _axes(step: CallInverse, params: Any, given: dict[Var, Tree]) -> tuple[Any, ...]:
    axes = {param.name: axis for param, axis in step.entered.bound.axes.items()}
    return tuple(axes.get(param.var.name) for param in params if param.var in given)


def _output_axes(step: CallInverse) -> Any:
    mapping = step.entered.mapping
    if mapping is None or step.selection is None or isinstance(mapping.out_axes, int):
        return 0 if mapping is None else mapping.out_axes
    axes = [mapping.out_axes[key] for key in step.selection]
    return axes[0] if len(axes) == 1 else tuple(axes)


def _shared(axes: list[Any]) -> Any:
    """Return one axis for all if they are equal, as `jax.vmap` takes it, else a tuple."""
    first = axes[0]
    return first if first is not None and all(axis == first for axis in axes) else tuple(axes)


def _batch_ndims(emitter: Emitter, step: CallInverse) -> tuple[int, int | None]:
    """Return how many batch axes the callee sees, and which of the caller's is the mapped one (None: it is summed over)."""
    batch = emitter.product.batch_ndims
    if batch == 0:
        return 0, None
    axes = {step.entered.bound.axes.get(param) for param in step.unknown}
    axis = axes.pop() if len(axes) == 1 else None
    rank = emitter.facts.rank(step.solved[0])
    if not isinstance(axis, int) or (axis < 0 and rank is None):
        raise ShapeError(
            "which of the batch axes is mapped does not show",
            span=step.equation.span,
            function=emitter.context.function.name,
            label="mapped here",
            hint="map axis 0 of every unknown",
        )
    axis = axis + rank if axis < 0 and rank is not None else axis
    return (batch - 1, axis) if axis < batch else (batch, None)


def _tree(axes: Any) -> Tree:
    if isinstance(axes, tuple | list):
        return Display(type(axes), tuple(map(_tree, axes)))
    if isinstance(axes, dict):
        return Display(dict, tuple(map(_tree, axes.values())), tuple(axes))
    return Const(axes)


__all__ = ["call_forward", "call_inverse"]
