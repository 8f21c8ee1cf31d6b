"""Apply an elementwise function to the parts of what was joined from known and unknown ones: `append(x, 0.0) / t` as `append(x / t, 0.0)`.

What is known of the parts is then known of the whole, and only what is unknown is recovered, and counts.

>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> from invcompiler.schedule.facts import symbolic_facts
>>> def f(x):
...     return jnp.tanh(jnp.append(x, 1.0)) / 2
>>> function = read(f)
>>> (x,) = (param.var for param in function.params)
>>> print(show(show_joined(function, symbolic_facts(function, unknown=(x,)), (x,))[0]))
def f(x):
    v1 = jnp.tanh(x)
    v2 = jnp.tanh(1.0)
    v3 = v1 / 2
    v4 = v2 / 2
    v5 = jnp.append(v3, v4)
    return v5
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.build import literal
from invcompiler.ir.nodes import Apply, Const, Display, Function, Ref, Slice, Star, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.normalise_walk import Rebuilder, Walk
from invcompiler.passes.ops import getitem, tuple_of
from invcompiler.rules.canonical import NONE, Call, canonical
from invcompiler.schedule.facts import Facts, facts_again
from invcompiler.schedule.slope_table import is_elementwise
from invcompiler.schedule.taint import tainted

_ZEROS = (jnp.zeros, jnp.zeros_like)
_THROUGH_ZERO = (
    jnp.multiply, jnp.negative, jnp.sinh, jnp.tanh, jnp.arcsinh, jnp.arctan, jnp.arctanh, jnp.sin, jnp.tan,
    jnp.cbrt, jnp.square, jnp.sqrt, jnp.abs, jnp.expm1, jnp.log1p,
)  # fmt: skip


def show_joined(
    function: Function, facts: Facts, unknown: tuple[Var, ...]
) -> tuple[Function, Facts]:
    """Return a function of the same value, and the facts about it. Only what depends on the unknowns is touched."""
    shown = _Showing(facts, tainted(function.body, unknown)).function(function)
    if shown is function:
        return function, facts
    shown = dead_code(shown)
    return shown, facts_again(shown, facts)


@dataclass(frozen=True)
class _Joined:
    """The parts of a value along an axis; the equation that joins them, with `place` in the argument that holds them."""

    equation: Apply
    parts: tuple[Tree, ...]


class _Showing(Walk):
    def __init__(self, facts: Facts, touched: frozenset[Var]):
        super().__init__()
        self.facts = facts
        self.touched = set(touched)
        self.joined: dict[Tree, _Joined] = {}
        self.zeros: set[Tree] = set()
        self.shapes: dict[Tree, tuple[int, ...]] = {}  # of new values

    def apply(self, equation: Apply, builder: Rebuilder) -> Tree:
        call = canonical(equation)
        if call is None:
            return builder.keep(equation)
        if call.fn in _ZEROS:
            self.zeros.add(equation.out)
        if equation.out not in self.touched:
            return builder.keep(equation)
        shown = self._applied(equation, call, builder)
        self._note(equation if shown is None else shown)
        return builder.keep(equation if shown is None else shown)

    def _is_unknown(self, tree: Tree) -> bool:
        return tree not in self.zeros and any(var in self.touched for var in leaves(tree))

    # ---- what is joined -------------------------------------------------------------------------

    def _note(self, equation: Apply) -> None:
        """Note a value that is joined from known and unknown parts."""
        fn = equation.fn.value if isinstance(equation.fn, Ref) else None
        if fn in (jnp.concatenate, jnp.hstack) and equation.args:
            display = equation.args[0]
            if not isinstance(display, Display) or display.keys is not None:
                return
            parts = display.items
        elif fn is jnp.append and len(equation.args) in (2, 3):
            parts = equation.args[:2]
        elif fn is jnp.pad and equation.args and _padding(equation) is not None:
            parts = (equation.args[0], _padding(equation))  # type: ignore[assignment]
        else:
            return
        if any(isinstance(part, Star) or _is_list(part) for part in parts):
            return
        unknown = [self._is_unknown(part) for part in parts]
        if any(unknown) and not all(unknown):
            self.joined[equation.out] = _Joined(equation, parts)

    def _joined_again(self, joined: _Joined, parts: tuple[Tree, ...], out: Var) -> Apply:
        made = joined.equation
        assert isinstance(made.fn, Ref)
        if made.fn.value in (jnp.concatenate, jnp.hstack):
            display = made.args[0]
            assert isinstance(display, Display)
            return replace(made, out=out, args=(replace(display, items=parts), *made.args[1:]))
        if made.fn.value is jnp.append:
            return replace(made, out=out, args=(*parts, *made.args[2:]))
        options = tuple(pair for pair in made.kwargs if pair[0] != "constant_values")
        if not _is_zero(parts[1]):
            options = (*options, ("constant_values", parts[1]))
        return replace(made, out=out, args=(parts[0], *made.args[1:]), kwargs=options)

    # ---- what is applied ------------------------------------------------------------------------

    def _applied(self, equation: Apply, call: Call, builder: Rebuilder) -> Apply | None:
        if not is_elementwise(call.fn) or equation.kwargs:
            return None
        places = [i for i, arg in enumerate(equation.args) if arg in self.joined]
        if len(places) != 1:
            return None
        (place,) = places
        joined = self.joined[equation.args[place]]
        others = [arg for i, arg in enumerate(equation.args) if i != place]
        if any(self._is_unknown(arg) for arg in others):
            return None
        pieces = self._pieces(joined, others)
        if pieces is None:
            return None
        parts: list[Tree] = []
        for part, ends in zip(joined.parts, pieces, strict=True):
            if self._stays_zero(part, call, place):
                parts.append(part)
                continue
            args = [
                part if i == place else self._piece(arg, ends, builder)
                for i, arg in enumerate(equation.args)
            ]
            made = builder.keep(Apply(Var(), equation.fn, tuple(args), (), equation.span))
            self._learn(made, part, args)
            parts.append(made)
        self.changed = True
        return self._joined_again(joined, tuple(parts), equation.out)

    def _learn(self, made: Tree, part: Tree, args: list[Tree]) -> None:
        """Note what is known of a new value."""
        if self._is_unknown(part) and isinstance(made, Var):
            self.touched.add(made)
        shapes = [self._shape(arg) for arg in args]
        if None not in shapes:
            self.shapes[made] = np.broadcast_shapes(
                *(found for found in shapes if found is not None)
            )

    def _stays_zero(self, part: Tree, call: Call, place: int) -> bool:
        if not (_is_zero(part) or part in self.zeros):
            return False
        if call.fn is jnp.divide:
            return place == 0
        return call.fn in _THROUGH_ZERO

    def _pieces(self, joined: _Joined, others: list[Tree]) -> list[tuple[int, int] | None] | None:
        """Return which piece of the other operands meets each part: None for all of it, if they are numbers."""
        if all(literal(arg) is not None or self.facts.rank(arg) == 0 for arg in others):
            return [None] * len(joined.parts)
        return self._slices(joined, others)

    def _slices(self, joined: _Joined, others: list[Tree]) -> list[tuple[int, int] | None] | None:
        """Return slices of the last axis, where shapes are known, and the parts are joined along it."""
        shape = self._shape(joined.equation.out)
        if shape is None or not shape or _is_pad(joined.equation):
            return None
        call = canonical(joined.equation)
        axis = None if call is None else call.arguments.get("axis", Const(-1))
        number = literal(axis) if axis is not None else None
        along = len(shape) == 1 or (number is not None and number[0] in (-1, len(shape) - 1))
        sizes = [self._size(part, len(shape)) for part in joined.parts]
        found = [self._shape(arg) for arg in others]
        if not along or None in sizes or any(one is None for one in found):
            return None
        if any(
            len(one) > len(shape) or (one and one[-1] != shape[-1])
            for one in found
            if one is not None
        ):
            return None
        ends = np.cumsum([0, *sizes])
        return [(int(lo), int(hi)) for lo, hi in pairwise(ends)]

    def _size(self, part: Tree, rank: int) -> int | None:
        shape = self._shape(part)
        if shape == () and rank == 1:
            return 1
        return shape[-1] if shape else None

    def _shape(self, tree: Tree) -> tuple[int, ...] | None:
        if tree in self.shapes:
            return self.shapes[tree]
        shape = self.facts.shape(tree) if literal(tree) is None else ()
        known = shape is not None and all(isinstance(size, int) for size in shape)
        return tuple(shape) if known and shape is not None else None  # type: ignore[arg-type]

    def _piece(self, arg: Tree, ends: tuple[int, int] | None, builder: Rebuilder) -> Tree:
        shape = self._shape(arg)
        if ends is None or not shape:
            return arg
        lower = Const(ends[0]) if ends[0] else NONE
        upper = Const(ends[1]) if ends[1] < shape[-1] else NONE
        part = Slice(lower, upper, NONE)
        piece = getitem(builder, arg, part if len(shape) == 1 else tuple_of((Const(...), part)))
        self.shapes[piece] = (*shape[:-1], ends[1] - ends[0])
        return piece


def _is_list(tree: Tree) -> bool:
    return isinstance(tree, Display)


def _is_zero(tree: Tree) -> bool:
    return tree in (Const(0), Const(0.0))


def _is_pad(equation: Apply) -> bool:
    return isinstance(equation.fn, Ref) and equation.fn.value is jnp.pad


def _padding(equation: Apply) -> Tree | None:
    """Return the one number that a call of `jnp.pad` adds, if it adds one."""
    options = dict(equation.kwargs)
    if len(equation.args) > 2 or not options.keys() <= {"constant_values", "pad_width"}:
        return None
    value = options.get("constant_values", Const(0.0))
    return value if isinstance(value, Const) else None


__all__ = ["show_joined"]
