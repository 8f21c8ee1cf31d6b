"""Where values live: the interval of each value of a function, from declared domains and the ranges of functions.

One pass over the equations. The interval of a container is that of all of its leaves, and what cannot be told is any real
number. Intervals are about real numbers as mathematics has them: `exp` is positive, though floats underflow. Integers wrap around, so
nothing is concluded from arithmetic on integer arrays.

Captured values say nothing here by default: they have another value tomorrow.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, assert_never

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.ir.interval import (
    NEGATIVE,
    NONNEGATIVE,
    NONPOSITIVE,
    POSITIVE,
    REAL,
    Interval,
    parse_domain,
    point,
)
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Closure,
    Const,
    Display,
    Each,
    Enumerate,
    Equation,
    Function,
    Iter,
    Loop,
    Method,
    Opaque,
    Range,
    Ref,
    Reversed,
    Slice,
    Star,
    Tree,
    Var,
    Zip,
)
from invcompiler.rules.canonical import Call, canonical
from invcompiler.rules.registry import Kind, inverse_rules
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.ranges import RANGES, Bounds

CallInterval = Callable[[Apply, Callable[[Tree], Interval]], "Interval | None"]
_LARGEST = 1 << 20
_DEEPEST = 3  # loops in loops beyond this are not tried with several assumptions


def intervals(
    function: Function,
    facts: Facts,
    declared: Mapping[Var, Interval] | None = None,
    *,
    assume: Any = None,
    result_of: CallInterval | None = None,
    captured: bool = False,
) -> dict[Var, Interval]:
    """Return the interval of each var of which more is known than that it is real.

    `declared` is taken for granted, and so is what calls of `assume` state. `result_of(apply, interval)` may say
    where the value of a call of another function lives. With `captured`, captured arrays live between their least and greatest
    elements of today.
    """
    walk = _Walk(facts, declared or {}, assume, result_of)
    for var, value in facts.captured.items() if captured else ():
        walk.bind(var, _of_array(value))
    for param in function.params:
        walk.bind(param.var, walk.literal(param.var))
    walk.block(function.body)
    return walk.found


class _Walk:
    def __init__(
        self,
        facts: Facts,
        declared: Mapping[Var, Interval],
        assume: Any,
        result_of: CallInterval | None,
    ):
        self.facts = facts
        self.declared = declared
        self.assume = assume
        self.result_of = result_of
        self.found: dict[Var, Interval] = {}
        self.domains: dict[Var, Interval] = {}  # vars that hold an `Interval`
        self.depth = 0

    # ---- values ---------------------------------------------------------------------------------

    def bind(self, var: Var, interval: Interval | None) -> None:
        known = _meet(_meet(interval or REAL, self.of_dtype(var)), self.declared.get(var, REAL))
        if known is not REAL and known != REAL:
            self.found[var] = known
        else:
            self.found.pop(var, None)

    def of_dtype(self, var: Var) -> Interval:
        dtype = self.facts.dtype(var)
        if dtype is None or getattr(dtype, "kind", None) not in ("u", "b"):
            return REAL
        return NONNEGATIVE if dtype.kind == "u" else Interval(0, 1)

    def literal(self, var: Var) -> Interval:
        static = self.facts.static(var)
        return REAL if static is None else _of_number(static.value)

    def of(self, tree: Tree) -> Interval:
        match tree:
            case Var():
                return self.found.get(tree, REAL)
            case Const() | Ref():
                return _of_number(tree.value)
            case Display():
                return _hull(map(self.of, tree.items))
            case Star():
                return self.of(tree.value)
            case Slice() | Closure():
                return REAL
            case _:
                assert_never(tree)

    def number(self, tree: Tree) -> float | None:
        """Return the real number that `tree` is, if it is one literally."""
        value = tree.value if isinstance(tree, Const) else None
        if value is None and isinstance(tree, Var):
            static = self.facts.static(tree)
            value = None if static is None else static.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value)

    # ---- equations ------------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        for equation in block.equations:
            self.equation(equation)

    def equation(self, equation: Equation) -> None:
        match equation:
            case Apply():
                self.bind(equation.out, self.apply(equation))
            case Loop():
                self.loop(equation)
            case Branch():
                self.branch(equation)
            case Opaque():
                for out in equation.outs:
                    self.bind(out, None)
            case _:
                assert_never(equation)

    def apply(self, equation: Apply) -> Interval | None:
        static = self.facts.static(equation.out)
        if static is not None and _of_number(static.value) != REAL:
            return _of_number(static.value)
        if self.is_complex(equation.out):
            return None
        fn = equation.fn
        if isinstance(fn, Method):
            return self.method(equation, fn.name)
        if isinstance(fn, Ref):
            special = self.special(equation, fn.value)
            if special is not None:
                return special
        return self.canonical(equation)

    def canonical(self, equation: Apply) -> Interval | None:
        call = canonical(equation)
        if call is not None:
            return self.call(equation.out, call)
        return None if self.result_of is None else self.result_of(equation, self.of)

    def call(self, out: Var, call: Call) -> Interval | None:
        rule = RANGES.get(id(call.fn))
        if rule is not None:
            is_integer = rule.wraps and self.is_integer(out, call)
            return None if is_integer else rule.interval(Bounds(self.of, self.number, call))
        return self.by_inverse_rules(call)

    def by_inverse_rules(self, call: Call) -> Interval | None:
        """Return the range that the inverse rules state, on a domain that the argument is in."""
        found: Interval | None = None
        for rule in inverse_rules(call.fn):
            argument = call.arguments.get(rule.argument)
            if rule.kind is not Kind.ELEMENTWISE or rule.condition is not None or argument is None:
                continue
            if rule.domain.includes(self.of(argument)):
                found = _meet(found or REAL, rule.range)
        return found

    def is_complex(self, tree: Tree) -> bool:
        return getattr(self.facts.dtype(tree), "kind", None) == "c"

    def is_integer(self, out: Var, call: Call) -> bool:
        """Whether the arithmetic may wrap around. Where no dtype is known, numbers are taken to be real."""
        dtypes = [self.facts.dtype(out)]
        if dtypes == [None]:
            dtypes = [self.facts.dtype(tree) for tree in call.arguments.values()]
        kinds = {getattr(dtype, "kind", None) for dtype in dtypes} - {None}
        return bool(kinds) and kinds <= set("iub")

    # ---- calls with a meaning of their own ------------------------------------------------------

    def special(self, equation: Apply, fn: Any) -> Interval | None:
        args = equation.args
        if fn is operator.getitem:
            return self.of(args[0])
        if fn is getattr and len(args) == 2 and isinstance(args[1], Const):
            return self.attribute(args[0], args[1].value)
        if fn is Interval:
            self.remember_interval(equation)
        elif self.assume is not None and fn is self.assume:
            return self.assumed(equation)
        elif any(fn is f for f in (list, tuple)) and len(args) == 1:
            return self.of(args[0])
        return None

    def attribute(self, source: Tree, name: str) -> Interval | None:
        structure = self.facts.structure(source)
        is_field = structure is not None and name in (structure.keys or ())
        return self.of(source) if is_field or name in ("at", "T", "mT") else None

    def method(self, equation: Apply, name: str) -> Interval | None:
        source = equation.args[0]
        if name in ("values", "get", "pop", "copy", "tolist", "item"):
            return self.of(source) if len(equation.args) == 1 else None
        if name == "set" and len(equation.args) == 2:
            return self.of(source).hull(self.of(equation.args[1]))
        return self.canonical(equation)

    def remember_interval(self, equation: Apply) -> None:
        names = ("lo", "hi", "lo_open", "hi_open")
        given = _by_name(names, equation)
        values: dict[str, Any] = {}
        for name, tree in given.items():
            value = self.facts.array_value(tree)
            if value is None or value.ndim or name not in names:
                return
            values[name] = value.item()
        try:
            self.domains[equation.out] = Interval(**values)
        except (TypeError, ValueError):
            return  # the program says so itself when it runs

    def assumed(self, equation: Apply) -> Interval | None:
        given = _by_name(("value", "domain"), equation)
        tree, value = given.get("domain"), given.get("value")
        if tree is None or value is None:
            return None
        domain = self.domain(tree)
        return self.of(value) if domain is None else _meet(self.of(value), domain)

    def domain(self, tree: Tree) -> Interval | None:
        if isinstance(tree, Var) and tree in self.domains:
            return self.domains[tree]
        static = self.facts.static(tree)
        named = static.value if static is not None else None
        return parse_domain(named) if isinstance(named, str | Interval) else None

    # ---- branches -------------------------------------------------------------------------------

    def branch(self, branch: Branch) -> None:
        for block in branch.blocks:
            self.block(block)
        for i, out in enumerate(branch.outs):
            self.bind(out, _hull(self.of(_items(block)[i]) for block in branch.blocks))

    # ---- loops ----------------------------------------------------------------------------------

    def loop(self, loop: Loop) -> None:
        count = len(loop.init)
        carried, items = loop.body.params[:count], loop.body.params[count:]
        for var, interval in zip(items, self.iterate(loop.iterable), strict=True):
            self.bind(var, interval)
        self.depth += 1
        invariant = self.invariant(loop, carried)
        self.depth -= 1
        for out, interval in zip(loop.outs, invariant, strict=False):
            self.bind(out, interval)
        for out, tree in zip(loop.outs[count:], _items(loop.body)[count:], strict=True):
            self.bind(out, self.of(tree))

    def invariant(self, loop: Loop, carried: tuple[Var, ...]) -> list[Interval]:
        """Return intervals of the carried values that hold at first and are kept by every step."""
        guess = [self.of(tree) for tree in loop.init]
        if self.depth > _DEEPEST:
            guess = [REAL] * len(guess)
        while True:
            for var, interval in zip(carried, guess, strict=True):
                self.bind(var, interval)
            self.block(loop.body)
            after = [self.of(tree) for tree in _items(loop.body)[: len(carried)]]
            pairs = list(zip(guess, after, strict=True))
            if all(before.includes(then) for before, then in pairs):
                return guess
            guess = [g if g.includes(a) else _widened(g, a) for g, a in pairs]

    def iterate(self, iterable: Iter | None) -> Iterator[Interval]:
        match iterable:
            case None:
                return
            case Range():
                yield self.of_range(iterable)
            case Each():
                yield REAL if iterable.view in ("keys", "items") else self.of(iterable.value)
            case Zip():
                for part in iterable.parts:
                    yield from self.iterate(part)
            case Enumerate():
                start = self.number(iterable.start)
                yield REAL if start is None else point(start).hull(POSITIVE)
                yield from self.iterate(iterable.part)
            case Reversed():
                yield from self.iterate(iterable.part)
            case _:
                assert_never(iterable)

    def of_range(self, bounds: Range) -> Interval:
        start, step = self.number(bounds.start), self.number(bounds.step)
        if start is None or step is None or step < 0:
            return REAL
        return Interval(start, float("inf"))


def _by_name(names: tuple[str, ...], equation: Apply) -> dict[str, Tree]:
    given = dict(zip(names, equation.args, strict=False))
    given.update((name, tree) for name, tree in equation.kwargs if name is not None)
    return given


def _items(block: Block) -> tuple[Tree, ...]:
    assert isinstance(block.result, Display)
    return block.result.items


def _meet(one: Interval, other: Interval) -> Interval:
    """Return the intersection. If nothing is in both no value is ever there, and one is as good as the other."""
    return one.intersection(other) or other


def _hull(parts: Iterable[Interval]) -> Interval:
    found: Interval | None = None
    for part in parts:
        found = part if found is None else found.hull(part)
    return REAL if found is None else found


def _widened(guess: Interval, after: Interval) -> Interval:
    """Return the least of a few intervals that holds both: so that a loop is looked at a few times only."""
    both = guess.hull(after)
    for sign in (POSITIVE, NONNEGATIVE, NEGATIVE, NONPOSITIVE):
        if sign.includes(both) and not guess.includes(sign):
            return sign
    return REAL


def _of_number(value: Any) -> Interval:
    if isinstance(value, bool | np.bool_):
        return point(int(value))
    if not isinstance(value, int | float | np.integer | np.floating):
        return REAL
    try:
        return point(float(value))
    except OverflowError:
        return POSITIVE if value > 0 else NEGATIVE


def _of_array(value: Any) -> Interval:
    """Return the interval from the least to the greatest element."""
    if isinstance(value, int | float) or not isinstance(value, np.ndarray | np.generic | jax.Array):
        return _of_number(value)
    if value.size == 0 or value.size > _LARGEST or not jnp.issubdtype(value.dtype, jnp.floating):
        return REAL
    try:
        array = np.asarray(value).astype(float)
    except (jax.errors.JAXTypeError, TypeError):
        return REAL  # a tracer
    if not np.isfinite(array).all():
        return REAL
    return Interval(float(array.min()), float(array.max()))


__all__ = ["intervals"]
