"""A builder that rewrites as it builds: what is appended is the left side of no equation.

Operands are rewritten before what uses them, so one walk over a block reaches the fixed point. A value that is
only computed differently keeps its var, and with it its name, its span and what is known of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jax import lax

from invcompiler.ir.build import Builder, apply_key, as_tree, fold, is_pure, literal, tree_key
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Const,
    Display,
    Equation,
    Function,
    Loop,
    Ref,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves, map_operands, map_tree, operands
from invcompiler.passes.dtypes import dtype_of_call
from invcompiler.passes.numbers import module_of, worked_out
from invcompiler.passes.patterns import Applied, Match, call_of, matches
from invcompiler.passes.rename import with_names
from invcompiler.passes.signs import is_nonnegative_call
from invcompiler.rules.canonical import Call, canonical
from invcompiler.rules.equation import CompileTime, Guard, number

Readings = Callable[[Call], Iterable[Call]]
Shortcut = Callable[[Call, "Knowledge"], Tree | None]


@dataclass(frozen=True)
class Rule:
    """An equation that has been read: a pattern, and the function to write in its place."""

    pattern: Applied
    after: Function
    guards: tuple[tuple[str, Guard], ...]
    sole: bool
    needs: frozenset[int]  # the callees of the root's operands, by identity


@dataclass(frozen=True)
class Rules:
    """Rules by the callee at the root of their pattern."""

    equations: dict[Any, tuple[Rule, ...]]
    shortcuts: dict[Any, tuple[Shortcut, ...]] = field(default_factory=dict)
    readings: Readings = lambda call: ()


@dataclass
class Knowledge:
    """What one walk has learnt of the values of a function; the `Context` of guards."""

    facts: Any = None
    all_real: bool = True
    uses: dict[Var, int] = field(default_factory=dict)
    calls: dict[Var, Call] = field(default_factory=dict)
    readings: dict[Var, tuple[Call, ...]] = field(default_factory=dict)
    values: dict[Var, Tree] = field(default_factory=dict)  # vars that are no longer bound
    nonnegative: set[Var] = field(default_factory=set)
    dtypes: dict[Var, Any] = field(default_factory=dict)  # of values made on the way
    numbers: dict[Var, int | float] = field(default_factory=dict)  # what Python works out
    wishes: dict[Var, str] = field(
        default_factory=dict
    )  # names of what nameless vars stand for now
    subjects: set[Var] | None = None  # only what depends on these is rewritten; None: everything
    changed: bool = False
    delayed: bool = False  # an equation would have applied but for a value's other uses

    def call(self, tree: Tree) -> Call | None:
        return self.calls.get(tree) if isinstance(tree, Var) else None

    def dtype(self, tree: Tree) -> Any | None:
        """Return the dtype, or None if that is unknown: what is not stated is worked out, if it matters."""
        stated = None if self.facts is None else _stated_dtype(self.facts, tree)
        return self.dtypes.get(tree) if stated is None and isinstance(tree, Var) else stated

    def shape(self, tree: Tree) -> tuple | None:
        return None if self.facts is None else self.facts.shape(tree)

    def is_nonnegative(self, tree: Tree) -> bool:
        if isinstance(tree, Const):
            return type(tree.value) in (int, float) and tree.value >= 0
        return tree in self.nonnegative

    def number(self, tree: Tree) -> int | float | None:
        return self.numbers.get(tree) if isinstance(tree, Var) else number(tree)

    def is_known(self, tree: Tree) -> bool:
        subjects = self.subjects
        return not any(subjects is None or var in subjects for var in leaves(tree))

    def concerns(self, equation: Equation) -> bool:
        subjects = self.subjects
        return subjects is None or any(var in subjects for var in operands(equation))

    def replaced(self, var: Var) -> Tree:
        return self.values.get(var, var)

    def replace(self, old: Var, new: Tree) -> None:
        if new is old:
            return
        self.changed = True
        self.values[old] = new
        if isinstance(new, Var):
            self.uses[new] = self.uses.get(new, 0) + self.uses.get(old, 0)
            if new.name is None and old.name is not None and new in self.calls:
                self.wishes.setdefault(new, old.name)


class Rewriter(Builder):
    """Appends equations in their rewritten form."""

    def __init__(self, rules: Rules, knowledge: Knowledge, parent: Rewriter | None = None):
        super().__init__(parent=parent)
        self.rules = rules
        self.knowledge = knowledge
        self._bound_here: set[Var] = set()

    def nested(self) -> Rewriter:
        return Rewriter(self.rules, self.knowledge, self)

    def apply(self, fn, args, kwargs=(), *, name=None, span=None, arity=None, out=None) -> Tree:
        args, kwargs = tuple(args), tuple(kwargs)
        folded = _folded(fn, args, kwargs)
        if folded is not None:
            return folded
        return self._apply(Apply(out or Var(name, span), fn, args, kwargs, span, arity))

    def _apply(self, equation: Apply) -> Tree:
        known = worked_out(equation, self.knowledge.number)
        if known is not None:
            self.knowledge.numbers[equation.out] = known
        call = None if is_of_the_host(equation) else call_of(equation)
        if call is None:
            return self._numbered(equation, apply_key(equation))
        rewritten = self._rewritten(call, equation)
        if rewritten is not None:
            self.knowledge.changed = True
            return rewritten
        value = self._numbered(equation, call_key(equation, call))
        if value is equation.out:
            self._learn(equation.out, call)
        return value

    def _numbered(self, equation: Apply, number: Hashable) -> Var:
        pure = is_pure(equation.fn)
        known = self._find(number) if pure else None
        if known is not None:
            return known
        if pure:
            self._numbers[number] = equation.out
        self.equations.append(equation)
        self._bound_here.add(equation.out)
        self._follow(equation, equation.outs)
        return equation.out

    def _follow(self, equation: Equation, bound: Iterable[Var]) -> None:
        """Note that what is `bound` depends on the subjects, if something that `equation` reads does."""
        subjects = self.knowledge.subjects
        if subjects is not None and self.knowledge.concerns(equation):
            subjects.update(bound)

    def _learn(self, var: Var, call: Call) -> None:
        self.knowledge.calls[var] = call
        self.knowledge.readings[var] = (call, *self.rules.readings(call))
        dtype = dtype_of_call(call, self.knowledge.dtype)
        if dtype is not None:
            self.knowledge.dtypes[var] = dtype
        if is_nonnegative_call(call, self.knowledge):
            self.knowledge.nonnegative.add(var)

    # ---- rewriting one call ------------------------------------------------------------------------

    def _rewritten(self, call: Call, equation: Apply) -> Tree | None:
        if not self.knowledge.concerns(equation):
            return None
        for shortcut in self.rules.shortcuts.get(call.fn, ()):
            tree = shortcut(call, self.knowledge)
            if tree is not None:
                return tree
        for rule, match in self._matches(call):
            if self._allows(rule, match):
                return self._instantiate(rule.after, match, equation)
        return None

    def _matches(self, call: Call) -> Iterator[tuple[Rule, Match]]:
        for reading in (call, *self.rules.readings(call)):
            rules = self.rules.equations.get(reading.fn, ())
            callees = self._operand_callees(reading) if rules else frozenset()
            for rule in rules:
                if rule.needs <= callees:
                    for match in matches(rule.pattern, reading, self._readings):
                        yield rule, match

    def _readings(self, var: Tree) -> tuple[Call, ...]:
        return self.knowledge.readings.get(var, ()) if isinstance(var, Var) else ()

    def _operand_callees(self, call: Call) -> frozenset[int]:
        trees = call.arguments.values()
        return frozenset(id(reading.fn) for tree in trees for reading in self._readings(tree))

    def _allows(self, rule: Rule, match: Match) -> bool:
        if not all(g.holds(match.bindings[name], self.knowledge) for name, g in rule.guards):
            return False
        if not rule.sole or all(map(self._has_one_use, match.inner)):
            return True
        self.knowledge.delayed = True
        return False

    def _has_one_use(self, var: Var) -> bool:
        """What a loop's body reads from outside is not computed again at each step."""
        return var in self._bound_here and self.knowledge.uses.get(var, 1) <= 1

    def _instantiate(self, after: Function, match: Match, root: Apply) -> Tree:
        values = {param.var: match.bindings[str(param.var.name)] for param in after.params}
        result = after.body.result
        for equation in after.body.equations:
            assert isinstance(equation, Apply)
            mapped = map_operands(lambda var: values.get(var, var), equation)
            assert isinstance(mapped, Apply)
            out = root.out if equation.out is result else None
            values[equation.out] = self._of_template(mapped, root, out)
        return map_tree(lambda var: values.get(var, var), result)

    def _of_template(self, equation: Apply, root: Apply, out: Var | None) -> Tree:
        if isinstance(equation.fn, Ref) and isinstance(equation.fn.value, CompileTime):
            plain = [literal(tree) for tree in equation.args]
            value = equation.fn.value(*(value[0] for value in plain if value is not None))
            return Const(value) if isinstance(value, float) else _tree(value)
        kwargs = _stated_options(equation)
        return self.apply(equation.fn, equation.args, kwargs, span=root.span, out=out)

    # ---- rewriting a block -------------------------------------------------------------------------

    def rewrite(self, block: Block) -> Block:
        """Return what `block` becomes. `self` must be new."""
        for equation in block.equations:
            self._append(self._mapped(equation))
        return self.block(block.params, map_tree(self.knowledge.replaced, block.result))

    def _mapped(self, equation: Equation) -> Equation:
        values = self.knowledge.values
        if not values or not any(var in values for var in operands(equation)):
            return equation
        return map_operands(self.knowledge.replaced, equation)

    def _append(self, equation: Equation) -> None:
        match equation:
            case Apply():
                folded = _folded(equation.fn, equation.args, equation.kwargs)
                value = self._apply(equation) if folded is None else folded
                self.knowledge.replace(equation.out, value)
            case Branch(kind=BranchKind.IF | BranchKind.IFEXP, predicate=Const(value=taken)):
                self._take(equation.blocks[0 if taken else 1], equation.outs)
            case Branch():
                blocks = tuple(self.nested().rewrite(block) for block in equation.blocks)
                self._append_structure(replace(equation, blocks=blocks))
            case Loop():
                self._follow(equation, equation.body.params)
                body = self.nested().rewrite(equation.body)
                self._append_structure(replace(equation, body=body))
            case _:
                self._append_structure(equation)

    def _take(self, block: Block, outs: tuple[Var, ...]) -> None:
        for equation in block.equations:
            self._append(self._mapped(equation))
        result = map_tree(self.knowledge.replaced, block.result)
        assert isinstance(result, Display)
        for out, item in zip(outs, result.items, strict=True):
            self.knowledge.replace(out, item)

    def _append_structure(self, equation: Equation) -> None:
        self.add(equation)
        self._bound_here.update(equation.outs)
        self._follow(equation, equation.outs)


def _stated_options(equation: Apply) -> tuple[tuple[str | None, Tree], ...]:
    """Return the keyword arguments of a call without those that say what their default says."""
    kept = equation.kwargs
    for option in equation.kwargs:
        fewer = tuple(other for other in kept if other is not option)
        if canonical(replace(equation, kwargs=fewer)) == canonical(equation):
            kept = fewer
    return kept


def _stated_dtype(facts: Any, tree: Tree) -> Any | None:
    dtype = facts.dtype(tree)
    static = facts.static(tree) if dtype is None else None
    return np.dtype(type(static.value)) if static and type(static.value) in (bool, int) else dtype


def _folded(fn: Any, args: tuple[Tree, ...], kwargs: tuple) -> Tree | None:
    """Return the constant that a call is, without a sign on a zero: nobody writes `-0.0` for no log-det."""
    folded = fold(fn, args, kwargs)
    return Const(0.0) if folded == Const(-0.0) else folded


def _tree(value: Any) -> Tree:
    tree = as_tree(value)
    assert tree is not None, f"not a literal: {value!r}"
    return tree


def is_of_the_host(equation: Apply) -> bool:
    """Whether a call is one of NumPy or `math`, whose values have other dtypes than those of JAX."""
    fn = equation.fn.value if isinstance(equation.fn, Ref) else None
    return isinstance(fn, np.ufunc) or module_of(fn) in ("math", "numpy")


def call_key(equation: Apply, call: Call) -> Hashable:
    """Return what identifies the value of `equation`, whose canonical form is `call`.

    Options that the canonical form leaves out (`precision=`) stay in the key; and `lax.div` of integers
    is not what `/` is.
    """
    fn = equation.fn.value if isinstance(equation.fn, Ref) else None
    options = [(n, tree_key(tree)) for n, tree in equation.kwargs if n not in call.arguments]
    arguments = [(name, tree_key(tree)) for name, tree in call.arguments.items()]
    return (call.fn, fn is lax.div, tuple(arguments), tuple(options))


def canonical_key(equation: Apply) -> Hashable:
    """Return what identifies the value of `equation`, however it is spelled: a `key` for a `Builder`."""
    call = None if is_of_the_host(equation) else canonical(equation)
    return apply_key(equation) if call is None else call_key(equation, call)


def count_uses(function: Function) -> dict[Var, int]:
    """Return how many equations and results read each var, inside nested blocks as well."""
    uses: dict[Var, int] = {}
    _count(function.body, uses)
    return uses


def _count(block: Block, uses: dict[Var, int]) -> None:
    def add(vars: Iterable[Var]) -> None:
        for var in vars:
            uses[var] = uses.get(var, 0) + 1

    for equation in block.equations:
        inner = equation.blocks if isinstance(equation, Branch) else ()
        inner = (equation.body,) if isinstance(equation, Loop) else inner
        for nested in inner:
            _count(nested, uses)
        add(operands(equation))
    add(set(leaves(block.result)))


@dataclass(frozen=True)
class Rewritten:
    """`function` as one walk left it; `again`: the uses that went away may let more equations apply."""

    function: Function
    again: bool


def rewrite(
    function: Function,
    rules: Rules,
    facts: Any = None,
    subjects: Iterable[Var] | None = None,
    all_real: bool = True,
) -> Rewritten:
    """Return `function` with `rules` applied throughout; it is the same object if none applies.

    `subjects`: only what depends on these vars is rewritten. `all_real`: values of unknown dtype are not complex.
    """
    knowledge = Knowledge(facts, all_real, count_uses(function))
    knowledge.subjects = None if subjects is None else set(subjects)
    body = with_names(Rewriter(rules, knowledge).rewrite(function.body), knowledge.wishes)
    if not knowledge.changed:
        return Rewritten(function, again=False)
    return Rewritten(replace(function, body=body), again=knowledge.delayed)


__all__ = ["Knowledge", "Rewriter", "Rewritten", "Rule", "Rules", "canonical_key", "rewrite"]
