"""Values that can be had from what was made of them, bit for bit: elements were moved, joined, taken apart, or negated.

    y = jnp.concatenate([b, a])         a = y[n:]
    a, b = jnp.split(x, 2)              x = jnp.concatenate([a, b])

Arithmetic that rounds is never undone here, and neither is an index whose values are known at run time only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.ir.build import literal
from invcompiler.ir.nodes import Apply, Const, Display, Equation, Ref, Slice, Tree, Var
from invcompiler.ir.walk import free_vars, leaves
from invcompiler.passes.containers import GETITEM
from invcompiler.passes.emission import Emission
from invcompiler.passes.rule_templates import inline_template
from invcompiler.passes.slabs import is_flip, slab_of
from invcompiler.rules.canonical import Call, canonical
from invcompiler.rules.registry import Kind, inverse_rules, parameters


@dataclass(frozen=True, eq=False)
class Undoing:
    """How `var` is had from `needs`: `write` emits it."""

    var: Var
    needs: tuple[Var, ...]
    write: Callable[[Emission], Tree]


def undoings(forward: Emission) -> Iterator[Undoing]:
    """Yield the ways to have what the equations of `forward` read from what they made of it."""
    taken: dict[Var, list[Apply]] = {}
    for equation in forward.equations:
        if not isinstance(equation, Apply):
            continue
        if _is_getitem(equation) and isinstance(equation.args[0], Var):
            taken.setdefault(equation.args[0], []).append(equation)
            yield from _flipped(equation)
        call = canonical(equation)
        if call is not None:
            yield from _moved(forward, equation, call)
            yield from _joined(forward, equation, call)
            yield from _arithmetic(forward, equation, call)
    for source, items in taken.items():
        yield from _split(forward, source, items)
        yield from _tiled(forward, source, items)


def _is_getitem(equation: Equation) -> bool:
    return (
        isinstance(equation, Apply)
        and isinstance(equation.fn, Ref)
        and equation.fn.value is operator.getitem
    )


def _flipped(equation: Apply) -> Iterator[Undoing]:
    source, key = equation.args
    if isinstance(source, Var) and is_flip(key):
        yield Undoing(
            source, (equation.out,), lambda emit: emit.apply(GETITEM, (equation.out, key))
        )


_BY_INDEX = (jnp.take, operator.getitem)  # a permutation, as far as is known


def _moved(forward: Emission, equation: Apply, call: Call) -> Iterator[Undoing]:
    """Yield what the rules for functions that move elements state."""
    if call.fn in _BY_INDEX:
        return
    facts = _Facts(forward)
    for name, argument in call.arguments.items():
        if not isinstance(argument, Var):
            continue
        for rule in inverse_rules(call.fn, name):
            if rule.kind is not Kind.STRUCTURAL or rule.refusal(call, facts) is not None:
                continue
            values = {**call.arguments, rule.output: equation.out}
            named = [values[n] for n in parameters(rule.inverse) if n != name]
            needs = tuple(dict.fromkeys(v for tree in named for v in leaves(tree)))
            write = lambda emit, t=rule.inverse, v=values: inline_template(emit, t, v)
            if argument not in _reads(forward, write):
                yield Undoing(argument, needs, write)
                break


def _reads(forward: Emission, write: Callable[[Emission], Tree]) -> set[Var]:
    emit = Emission(forward.avals)
    return set(free_vars(emit.block((), write(emit))))


@dataclass(frozen=True)
class _Facts:
    """What conditions of rules ask of the operands of a call."""

    emit: Emission

    def _of(self, tree: Tree, question: Callable[[Any], Any]) -> Any:
        known = self.emit.ask(lambda x: question(x) if hasattr(x, "dtype") else None, tree)
        return None if known is None else known.value

    def shape(self, tree: Tree) -> tuple | None:
        return self._of(tree, lambda x: tuple(x.shape))

    def rank(self, tree: Tree) -> int | None:
        return self._of(tree, lambda x: len(x.shape))

    def dtype(self, tree: Tree) -> Any | None:
        return self._of(tree, lambda x: x.dtype)

    def static(self, tree: Tree) -> Any | None:
        return None

    def array_value(self, tree: Tree) -> Any | None:
        return None


# ---- joined and taken apart -------------------------------------------------------------------------


def _joined(forward: Emission, equation: Apply, call: Call) -> Iterator[Undoing]:
    """Yield the parts of what `jnp.concatenate` and `jnp.stack` join."""
    if call.fn not in (jnp.concatenate, jnp.stack):
        return
    parts, axis = call.arguments["arrays"], literal(call.arguments["axis"])
    dtype = forward.ask(lambda x: x.dtype, equation.out)
    if not isinstance(parts, Display) or axis is None or type(axis[0]) is not int or dtype is None:
        return
    avals = [forward.aval(part) for part in parts.items]
    if not all(isinstance(a, jax.ShapeDtypeStruct) and a.dtype == dtype.value for a in avals):
        return
    is_stack = call.fn is jnp.stack
    place = axis[0] % (len(avals[0].shape) + is_stack)
    start = 0
    for part, aval in zip(parts.items, avals, strict=True):
        stop = start + (1 if is_stack else aval.shape[place])
        index: Tree = Const(start) if is_stack else Slice(Const(start), Const(stop), Const(None))
        if isinstance(part, Var):
            key = _at(place, index)
            write = lambda emit, key=key: emit.apply(GETITEM, (equation.out, key))
            yield Undoing(part, (equation.out,), write)
        start = stop


def _at(axis: int, index: Tree) -> Tree:
    whole = Slice(Const(None), Const(None), Const(None))
    return index if axis == 0 else Display(tuple, (*[whole] * axis, index))


def _split(forward: Emission, parts: Var, items: Iterable[Apply]) -> Iterator[Undoing]:
    """Yield what was split, of all of its parts."""
    made = forward.made.get(parts)
    call = None if made is None else canonical(made)
    if call is None or call.fn is not jnp.split or not isinstance(call.arguments["ary"], Var):
        return
    number = forward.ask(len, parts)
    found = {e.args[1].value: e.out for e in items if isinstance(e.args[1], Const)}
    axis = call.arguments["axis"]
    if number is None or any(i not in found for i in range(number.value)):
        return
    outs = tuple(found[i] for i in range(number.value))
    yield Undoing(call.arguments["ary"], outs, lambda emit: _concatenated(emit, outs, axis))


def _tiled(forward: Emission, source: Var, items: Iterable[Apply]) -> Iterator[Undoing]:
    """Yield an array of slices of it that follow each other along one axis."""
    by_axis: dict[int, dict[int, tuple[int, Var]]] = {}
    size = {}
    for item in items:
        known = forward.ask(slab_of, source, item.args[1])
        if known is None or known.value is None:
            continue
        axis, start, stop, length, _, single = known.value
        if not single and stop - start < length:
            by_axis.setdefault(axis, {})[start] = (stop, item.out)
            size[axis] = length
    for axis, slabs in by_axis.items():
        parts, place = [], 0
        while place in slabs:
            place, part = slabs[place]
            parts.append(part)
        if place == size[axis]:
            write = lambda emit, p=tuple(parts), axis=axis: _concatenated(emit, p, Const(axis))
            yield Undoing(source, tuple(parts), write)


def _concatenated(emit: Emission, parts: tuple[Var, ...], axis: Tree) -> Tree:
    if axis == Const(0):
        return emit.call(jnp.concatenate, Display(list, parts))
    return emit.call(jnp.concatenate, Display(list, parts), axis=axis)


# ---- arithmetic that does not round -----------------------------------------------------------------


def _arithmetic(forward: Emission, equation: Apply, call: Call) -> Iterator[Undoing]:
    """Yield the operand of a negation, and those of sums of integers, which wrap."""
    arguments = tuple(call.arguments.values())
    if call.fn is jnp.negative and isinstance(arguments[0], Var):
        if _is_alike(forward, arguments[0], equation.out):
            write = lambda emit: emit.call(operator.neg, equation.out)
            yield Undoing(arguments[0], (equation.out,), write)
    if call.fn in (jnp.add, jnp.subtract) and len(arguments) == 2:
        for number, argument in enumerate(arguments):
            if isinstance(argument, Var) and _is_alike(forward, argument, equation.out, "iu"):
                yield _sum_undone(equation.out, call.fn is jnp.subtract, arguments, number)


def _sum_undone(out: Var, is_difference: bool, arguments: tuple, number: int) -> Undoing:
    argument, other = arguments[number], arguments[1 - number]
    if is_difference:
        fn, operands = (operator.sub, (other, out)) if number else (operator.add, (out, other))
    else:
        fn, operands = operator.sub, (out, other)
    needs = tuple(dict.fromkeys(v for tree in operands for v in leaves(tree)))
    return Undoing(argument, needs, lambda emit: emit.call(fn, *operands))


def _is_alike(forward: Emission, one: Var, other: Var, kinds: str = "iufc") -> bool:
    look = lambda a, b: a.shape == b.shape and a.dtype == b.dtype and a.dtype.kind in kinds
    avals = [forward.aval(one), forward.aval(other)]
    return all(isinstance(a, jax.ShapeDtypeStruct) for a in avals) and look(*avals)


__all__ = ["Undoing", "undoings"]
