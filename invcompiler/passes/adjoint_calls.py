"""The walk back over one call: by a rule, through a container, by a pair of functions, or by `jax.vjp`."""

from __future__ import annotations

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.debugging import IDENTITIES, adjoint_block
from invcompiler.ir.build import literal
from invcompiler.ir.nodes import (
    Apply,
    Closure,
    Const,
    Display,
    Method,
    Opaque,
    Ref,
    Slice,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves
from invcompiler.passes.adjoint import Pullback, Walk
from invcompiler.passes.containers import GETITEM, Container, container
from invcompiler.passes.cotangents import ZERO, Bar, Cotangents, Slab, Slabs, Spread, dtype_ref
from invcompiler.passes.emission import Emission
from invcompiler.passes.jax_derivatives import vjp_of_call, vjp_of_opaque
from invcompiler.passes.rule_templates import inline_template
from invcompiler.passes.slabs import is_flip, slab_of
from invcompiler.rules import adjoint_elementwise, adjoint_linear, adjoint_structural
from invcompiler.rules.adjoint_helpers import same, seen_by, unbroadcast
from invcompiler.rules.adjoint_registry import AdjointRule, rule_for
from invcompiler.rules.canonical import Call, canonical

_ = (adjoint_elementwise, adjoint_linear, adjoint_structural)  # they fill the table


def step(walk: Walk, equation: Apply) -> Pullback | None:
    """Emit `equation`, forward, and return its pullback."""
    if walk.forward.is_function(equation.out):
        walk.forward.keep(equation)
        return None
    return (
        debugged(walk, equation)
        or projection(walk, equation)
        or by_rules(walk, equation)
        or by_pair(walk, equation)
        or vjp_of_call(walk, equation)
    )


def opaque(walk: Walk, equation: Opaque) -> Pullback | None:
    """Emit copied statements forward. What makes a generator is differentiated where that is consumed."""
    if len(equation.outs) == 1 and walk.forward.is_function(equation.outs[0]):
        walk.forward.keep(equation)
        return None
    return vjp_of_opaque(walk, equation)


def debugged(walk: Walk, equation: Apply) -> Pullback | None:
    """Return the pullback of `inv.debug_cotangent(x, fn)` and of `with inv.adjoint_of(x)`, which call `fn` in sight."""
    if not isinstance(equation.fn, Ref) or not any(equation.fn.value is f for f in IDENTITIES):
        return None
    given = (*equation.args, *(tree for _, tree in equation.kwargs))
    if len(given) != 2:
        return None
    x, fn = given
    is_block = equation.fn.value is adjoint_block
    walk.forward.keep(Apply(equation.out, Ref(same, "same", same), (x,), (), equation.span))

    def pullback(cots: Cotangents) -> None:
        bar = cots.take(equation.out)
        if bar != ZERO:
            whole = cots.whole(bar, equation.out)
            if is_block and isinstance(fn, Closure):
                seen = cots.emit.apply(fn, (whole,), span=equation.span)
            else:
                seen = cots.emit.call(seen_by, fn, whole)
            cots.emit.avals.alike(seen, equation.out)
            cots.give(x, seen)

    return pullback


# ---- items of containers and of arrays ----------------------------------------------------------


def projection(walk: Walk, equation: Apply) -> Pullback | None:
    """Return the pullback of `x[i]` or `x.name`."""
    fn = equation.fn
    if not isinstance(fn, Ref) or fn.value not in (operator.getitem, getattr):
        return None
    source, key = equation.args
    if not isinstance(source, Var) or any(map(walk.active, leaves(key))):
        return None
    if walk.forward.is_function(source):
        return None  # what it is an item of is differentiated together with it
    found = projected(walk.forward, equation)
    if found is not None:
        box, number = found
        walk.forward.keep(equation)
        return lambda cots: _give_item(cots, source, box, number, cots.take(equation.out))
    if isinstance(key, Slice) and (taken := sliced(walk.forward, source, key)) is not None:
        walk.forward.keep(equation)
        return lambda cots: _give_items(cots, source, *taken, cots.take(equation.out))
    if walk.forward.generic and isinstance(key, Const) and isinstance(key.value, str):
        if fn.value is operator.getitem:
            walk.forward.keep(equation)
            return lambda cots: cots.give_field(source, key.value, cots.take(equation.out))
    is_array = walk.forward.ask(lambda x: isinstance(x, jax.ShapeDtypeStruct), source)
    if is_array is None or not is_array.value or fn.value is getattr:
        return None
    return _index(walk, equation, source, key)


def projected(emit: Emission, equation: Apply) -> tuple[Container, int] | None:
    """Return the container that `equation` takes an item of, and the number of the item."""
    source, key = equation.args
    known = emit.ask(_box, source)
    if known is None or known.value is None or not isinstance(key, Const):
        return None
    box = known.value
    number = box.position(equation.fn.value is getattr, key.value)  # type: ignore[union-attr]
    return None if number is None else (box, number)


def sliced(emit: Emission, source: Var, key: Slice) -> tuple[Container, list[int]] | None:
    """Return the list or tuple that `source` is, and the numbers of the items that a slice takes."""
    known = emit.ask(_box, source)
    parts = (key.lower, key.upper, key.step)
    if known is None or known.value is None or known.value.kind not in (list, tuple):
        return None
    if not all(isinstance(part, Const) for part in parts):
        return None
    box = known.value
    picked = slice(*(part.value for part in parts if isinstance(part, Const)))
    return box, list(range(len(box)))[picked]


def _give_items(
    cots: Cotangents, source: Var, box: Container, numbers: list[int], bar: Tree
) -> None:
    if bar == ZERO:
        return
    taken = Container(box.kind, None, (None,) * len(numbers))
    items: list[Tree] = [ZERO] * len(box)
    for place, number in enumerate(numbers):
        items[number] = cots.item(bar, taken, place)
    cots.give(source, box.display(items))


def _box(aval: Any) -> Container | None:
    """Return the container without its items, which may look different each time."""
    box = container(aval)
    return None if box is None else Container(box.kind, box.keys, (None,) * len(box))


def _give_item(cots: Cotangents, source: Var, box: Container, number: int, bar: Tree) -> None:
    if bar == ZERO:
        return
    items: list[Tree] = [ZERO] * len(box)
    items[number] = bar
    cots.give(source, box.display(items))


def _index(walk: Walk, equation: Apply, source: Var, key: Tree) -> Pullback | None:
    emit = walk.forward
    if is_flip(key):
        walk.forward.keep(equation)

        def flip_back(cots: Cotangents) -> None:
            bar = cots.take(equation.out)
            if bar != ZERO:
                cots.give(source, cots.emit.apply(GETITEM, (bar, key)))

        return flip_back
    slab = emit.ask(slab_of, source, key)
    walk.forward.keep(equation)
    if slab is not None and slab.value is not None:
        axis, start, stop, size, ndim, single = slab.value

        def give_slab(cots: Cotangents) -> None:
            bar = cots.take(equation.out)
            if bar == ZERO:
                return
            if start == 0 and stop == size and not single:
                cots.give(source, bar)
            else:
                part = Slab(start, stop, bar, single)
                cots.give(source, Slabs(axis, size, ndim, (part,)))

        return give_slab
    clip = emit.ask(_is_clamped, key)
    options = {"mode": Const("clip")} if clip is not None and clip.value else {}

    def give_update(cots: Cotangents) -> None:
        bar = cots.take(equation.out)
        if bar != ZERO:
            cots.update(source, key, bar, **options)

    return give_update


def _is_clamped(index: Any) -> bool:
    """Whether JAX clamps `index` to the array: it does so with numbers, not with arrays of them."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [part for part in parts if isinstance(part, jax.ShapeDtypeStruct | np.ndarray | list)]
    numbers = [part for part in parts if type(part) is int]
    return bool(arrays or numbers) and all(np.shape(array) == () for array in arrays)


# ---- rules --------------------------------------------------------------------------------------

_PLACING = (jax.device_put, jax.lax.with_sharding_constraint, jax.lax.optimization_barrier)
_OPTIONS = frozenset({"precision", "preferred_element_type", "out_sharding", "accuracy", "mode"})


def canonical_call(equation: Apply) -> Call | None:
    """Return the canonical form of a call if its options change nothing that a derivative must know."""
    if isinstance(equation.fn, Ref) and any(equation.fn.value is f for f in _PLACING):
        return None
    if any(n in _OPTIONS and tree != Const(None) for n, tree in equation.kwargs):
        return None
    return canonical(equation)


_CONTRACTIONS = (jnp.matmul, jnp.dot, jnp.einsum, jnp.tensordot, jnp.vdot, jnp.inner, jnp.vecdot)


def by_rules(walk: Walk, equation: Apply) -> Pullback | None:
    """Return the pullback by rules, if every argument that wants a cotangent has one that applies."""
    call = canonical_call(equation)
    if call is None or (walk.pairs.sharded and call.fn in _CONTRACTIONS):
        return None
    wanted = [
        name
        for name, tree in call.arguments.items()
        if any(walk.active(var) for var in leaves(tree))
    ]
    rules = [rule_for(call.fn, name) for name in wanted]
    if not all(rule is not None and applies(walk.forward, rule, call) for rule in rules):
        return None
    walk.forward.keep(equation)
    walk.forward.arrays.update(_arrays(call))
    if call.fn is not jnp.split:
        walk.forward.arrays.add(equation.out)

    def pullback(cots: Cotangents) -> None:
        y_bar = cots.bars.pop(equation.out, ZERO)
        if y_bar == ZERO:
            return
        for rule in rules:
            assert rule is not None
            bar = rule_bar(cots, rule, call, equation.out, y_bar)
            cots.give(call.arguments[rule.argument], bar)

    return pullback


def _arrays(call: Call) -> list[Var]:
    """Return the operands that are arrays: not lists of them."""
    return [tree for tree in call.arguments.values() if isinstance(tree, Var)]


def applies(emit: Emission, rule: AdjointRule, call: Call) -> bool:
    if emit.generic:
        if rule.real_only or not _holds_generally(rule, call):
            return False
    elif not rule.holomorphic and not _is_real(emit, call):
        return False
    if rule.argument == "arrays" and not isinstance(call.arguments["arrays"], Display):
        return call.fn is jnp.stack and call.arguments["axis"] == Const(0)
    if rule.condition is None or emit.generic:
        return True
    known = emit.ask(
        lambda *values: rule.condition(**dict(zip(call.arguments, values, strict=True))),
        *call.arguments.values(),
    )
    return known is not None and bool(known.value)


class _Unknown:
    """Stands for an operand of which nothing is known: a condition that asks it anything fails."""


def _holds_generally(rule: AdjointRule, call: Call) -> bool:
    """Whether the condition of a rule holds for what the text shows of the operands, whatever arrays there are."""
    if rule.condition is None:
        return True
    shown = {name: literal(tree) for name, tree in call.arguments.items()}
    values = {name: _Unknown() if v is None else v[0] for name, v in shown.items()}
    try:
        return bool(rule.condition(**values))
    except (AttributeError, TypeError, ValueError):
        return False  # it asks for a shape


def _is_real(emit: Emission, call: Call) -> bool:
    for tree in call.arguments.values():
        known = emit.ask(_has_complex, tree)
        if known is None or known.value:
            return False
    return True


def _has_complex(aval: Any) -> bool:
    kinds = (getattr(leaf, "dtype", None) for leaf in jax.tree.leaves(aval))
    return any(kind is not None and jnp.issubdtype(kind, jnp.complexfloating) for kind in kinds)


def rule_bar(cots: Cotangents, rule: AdjointRule, call: Call, out: Var, y_bar: Bar) -> Bar:
    """Return the cotangent of one argument, of the shape and dtype of that argument."""
    emit = cots.emit
    operand = call.arguments[rule.argument]
    uniform = rule.moves and isinstance(y_bar, Spread) and emit.is_number(y_bar.value)
    if uniform and not rule.emits:
        known = emit.ask(jnp.shape, operand)
        if known is not None:
            return Spread(y_bar.value, known.value)
    if rule.emits:
        given = y_bar.value if uniform else cots.dense(y_bar)
        if isinstance(given, Display) and ZERO in given.items:
            slabs = _split_slabs(cots, call, out, given)
            if slabs is not None:
                return slabs
            given = cots.whole(given, out)
        return rule.template(emit, call.arguments, out, given)
    spread = isinstance(y_bar, Spread) and _same_shape(emit, operand, out) and rule.pointwise
    given = y_bar.value if spread else cots.dense(y_bar)  # type: ignore[union-attr]
    if isinstance(given, Const) and _has_integers(emit, call):
        given = emit.call(jnp.asarray, given)  # `1.0 * n` is no integer
    values = {**call.arguments, rule.output: out, "y_bar": given}
    if rule.elementwise:
        slope = inline_template(emit, rule.template, values)
        bar = emit.call(operator.mul, given, slope)
    else:
        bar = inline_template(emit, rule.template, values)
    if not rule.pointwise or (emit.generic and is_alone(call, rule.argument)):
        return bar
    return settle(cots, bar, operand, out, spread)


def _has_integers(emit: Emission, call: Call) -> bool:
    """Whether an operand holds integers or booleans, and is not a number of the text."""
    return any(
        known is not None and known.value
        for known in (
            emit.ask(_is_integral, t) for t in call.arguments.values() if isinstance(t, Var)
        )
    )


def _is_integral(aval: Any) -> bool:
    if isinstance(aval, jax.ShapeDtypeStruct):
        return not jnp.issubdtype(aval.dtype, jnp.inexact)
    return isinstance(aval, int)


def is_alone(call: Call, argument: str) -> bool:
    """Whether an argument is the only one that may be an array, so that the value has its shape."""
    others = (tree for name, tree in call.arguments.items() if name != argument)
    return call.fn is not jnp.astype and all(literal(tree) is not None for tree in others)


def _split_slabs(cots: Cotangents, call: Call, out: Var, bar: Display) -> Bar | None:
    """Return the cotangent of an array of which `jnp.split` made parts that are not all used."""
    if call.fn is not jnp.split:
        return None
    known = cots.emit.ask(_split_sizes, out, call.arguments["axis"])
    if known is None:
        return None
    axis, ndim, sizes = known.value
    ends = np.cumsum((0, *sizes))
    parts = tuple(
        Slab(int(ends[i]), int(ends[i + 1]), part)
        for i, part in enumerate(bar.items)
        if part != ZERO and sizes[i]
    )
    return Slabs(axis, int(ends[-1]), ndim, parts)


def _split_sizes(parts: Any, axis: int) -> tuple[int, int, tuple[int, ...]]:
    ndim = len(parts[0].shape)
    return axis % ndim, ndim, tuple(part.shape[axis] for part in parts)


def _same_shape(emit: Emission, a: Tree, b: Tree) -> bool:
    known = emit.ask(lambda x, y: jnp.shape(x) == jnp.shape(y), a, b)
    return known is not None and known.value


def settle(cots: Cotangents, bar: Tree, operand: Tree, out: Var, spread: bool = False) -> Bar:
    """Bring `bar`, of the shape of `out`, to the shape and dtype of an operand that may have been broadcast."""
    emit = cots.emit
    known = emit.ask(_summed_axes, operand, out)
    if known is None:
        return emit.call(unbroadcast, bar, operand)
    leading, kept = known.value
    bar = _cast(emit, bar, operand, out)
    if leading is None:
        bar = emit.call(jnp.sum, bar)
    else:
        if leading:
            bar = emit.call(jnp.sum, bar, axis=_axes(leading))
        if kept:
            bar = emit.call(jnp.sum, bar, axis=_axes(kept), keepdims=Const(True))
    if spread and leading == () and kept == ():
        return _still_spread(emit, bar, operand)
    return bar


def _still_spread(emit: Emission, bar: Tree, operand: Tree) -> Bar:
    known = emit.ask(lambda b, x: (jnp.shape(b), jnp.shape(x)), bar, operand)
    if known is None or known.value[0] == known.value[1]:
        return bar
    return Spread(bar, known.value[1])


def _cast(emit: Emission, bar: Tree, operand: Tree, out: Var) -> Tree:

    known = emit.ask(lambda x, y: (jnp.result_type(x), jnp.result_type(y)), operand, out)
    if known is None or known.value[0] == known.value[1]:
        return bar
    mine, theirs = known.value
    if jnp.issubdtype(theirs, jnp.complexfloating) and not jnp.issubdtype(
        mine, jnp.complexfloating
    ):
        bar = emit.call(jnp.real, bar)
        if jnp.finfo(theirs).dtype == mine:
            return bar
    return emit.apply(_ASTYPE, (bar, dtype_ref(mine)))


def _summed_axes(x: Any, y: Any) -> tuple:
    """Return the leading axes of y that x lacks, and the axes along which x has one element and y more.

    The first is None if x is a single number: all axes are summed.
    """
    xs, ys = jnp.shape(x), jnp.shape(y)
    extra = len(ys) - len(xs)
    if not xs and ys:
        return None, ()
    kept = tuple(i for i, n in enumerate(xs) if n == 1 and ys[i + extra] != 1)
    return tuple(range(extra)), kept


def _axes(axes: tuple[int, ...]) -> Tree:
    if len(axes) == 1:
        return Const(axes[0])
    return Display(tuple, tuple(map(Const, axes)))


# ---- calls of other functions --------------------------------------------------------------------


def by_pair(walk: Walk, equation: Apply) -> Pullback | None:
    return walk.pairs.step(walk, equation)


_ASTYPE = Method("astype")
