"""Put temporaries that are used once back into the expression that they came from.

What becomes an expression and what a statement is decided by structure alone: how often a value is
used, where, and how many operations the expression would have. Neither names nor columns
matter, so that naming a temporary in the source does not change what is emitted.

Nothing moves into a loop, a branch or a function, and nothing is evaluated twice but the metadata of an
array (`x.shape`). Projections `v[0]`, `v[1]` that came from unpacking become one pattern again: `s, t = v`.
"""

from __future__ import annotations

import ast
import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Union, assert_never

from invcompiler.backend.structure import (
    MOST_OPERATIONS,
    blocks,
    closures,
    count_uses,
    direct,
    displays,
    displays_shown,
    is_at,
    is_call,
    is_item,
    is_long,
    is_metadata,
    may_be_expression,
    open_leaves,
    patterned,
    slots,
    weight,
)
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Closure,
    Const,
    Display,
    Equation,
    Function,
    Loop,
    LoopKind,
    Method,
    Opaque,
    Ref,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves

_MOST_IN_A_TUPLE_RESULT = 1
_ANY_NUMBER = 1000  # what is returned is an expression already

Pattern = Union[Var, None, tuple["Pattern", ...]]
"""What a statement binds: a var, nothing (`_`), or several in parentheses."""


@dataclass(frozen=True, eq=False)
class Step:
    """One statement: `target` is bound to what `value` computes.

    `reads` are the vars that its text names, those of nested bodies included.
    """

    targets: tuple[Pattern, ...]
    value: Equation | Var
    reads: tuple[Var, ...]
    closures: tuple[Closure, ...] = ()


@dataclass(frozen=True, eq=False)
class Body:
    """A block as it will be printed. `is_expression`: there are no statements, only the result."""

    params: tuple[Var, ...]
    patterns: tuple[Pattern, ...]
    steps: tuple[Step, ...]
    result: Tree
    reads: tuple[Var, ...]
    cost: int = 0
    result_closures: tuple[Closure, ...] = ()

    @property
    def is_expression(self) -> bool:
        if any(isinstance(closure.node, ast.FunctionDef) for closure in self.result_closures):
            return False  # its `def` is a statement
        return not self.steps and not any(isinstance(p, tuple) for p in self.patterns)


@dataclass(eq=False)
class Nest:
    """A function taken apart into statements.

    `inlined` are the vars that are printed as expressions where they are used; `bodies` has the printed form of
    the blocks of each loop and branch.
    """

    inlined: dict[Var, Equation] = field(default_factory=dict)
    bodies: dict[Equation, tuple[Body, ...]] = field(default_factory=dict)
    result_reads: dict[Var, tuple[Var, ...]] = field(default_factory=dict)
    returning: set[Branch] = field(default_factory=set)
    """Branches whose blocks return what they yield from the function."""
    returned: set[Loop | Branch] = field(default_factory=set)
    """Calls of `lax` whose whole value the function returns."""
    body: Body = None  # type: ignore[assignment]

    def reads(self, tree: Tree) -> Iterator[Var]:
        """Yield the vars that the text of `tree` names."""
        for var in leaves(tree):
            if var in self.inlined:
                yield from self.result_reads[var]
            else:
                yield var


def nest(function: Function) -> Nest:
    """Decide what is a statement and what an expression. The blocks of `function` are ordered."""
    nester = _Nester(count_uses(function.body))
    result = function.body.result
    block = _BlockNester(nester, function.body, (result,))
    block.is_tail = block.is_function = True
    nester.nest.body = block.run(nester.result_candidates(result))
    return nester.nest


# ---- projections --------------------------------------------------------------------------------


@dataclass(eq=False)
class _Unpacking:
    """The projections of one value in one block that are one pattern."""

    arity: int
    items: dict[int, Var] = field(default_factory=dict)


def _projection(equation: Equation) -> tuple[Var, int] | None:
    if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
        return None
    if equation.fn.value is not operator.getitem or len(equation.args) != 2:
        return None
    value, index = equation.args
    if isinstance(value, Var) and isinstance(index, Const) and type(index.value) is int:
        return value, index.value
    return None


def _unpackings(block: Block) -> dict[Var, _Unpacking]:
    """Return the values that the text of `block` unpacks."""
    found: dict[Var, _Unpacking] = {}
    for equation in block.equations:
        projection = _projection(equation)
        if projection is not None and equation.arity is not None:  # type: ignore[union-attr]
            found.setdefault(projection[0], _Unpacking(equation.arity))  # type: ignore[union-attr]
    for equation in block.equations:
        projection = _projection(equation)
        if projection is not None and projection[0] in found:
            unpacking, index = found[projection[0]], projection[1]
            if 0 <= index < unpacking.arity and index not in unpacking.items:
                unpacking.items[index] = equation.outs[0]
    return found


# ---- the pass -----------------------------------------------------------------------------------


class _NotAnExpression(Exception):
    """A block that was to be one expression has a loop or a branch that is none."""


class _Nester:
    def __init__(self, uses: Counter[Var]):
        self.uses = uses
        self.nest = Nest()
        self.costs: dict[Var, int] = {}
        self.pinned: set[Var] = set()
        self.too_long: set[Equation] = set()

    def result_candidates(self, result: Tree, spare: int = MOST_OPERATIONS) -> dict[Var, int]:
        """Return what may be computed in a `return` statement.

        Of several results each gets a statement, for there the reader looks, unless all are simple.
        """
        items = list(open_leaves(result))
        if isinstance(result, Var):
            spare = _ANY_NUMBER
        if isinstance(result, Display) and result.kind is tuple and len(items) > 1:
            spare = _MOST_IN_A_TUPLE_RESULT
        return dict.fromkeys(items, spare)


class _BlockNester:
    """Nests one block: equations become expressions of later ones, or steps."""

    def __init__(
        self,
        outer: _Nester,
        block: Block,
        results: Sequence[Tree],
        patterned: tuple[Var, ...] = (),
        is_expression: bool = False,
    ):
        self.is_expression = is_expression
        self.outer = outer
        self.results = results
        self.nest = outer.nest
        self.block = block
        self.patterned = frozenset(patterned)
        self.producers = {out: e for e in block.equations for out in e.outs}
        self.unpackings = _unpackings(block)
        self.projected = {
            var: value for value, u in self.unpackings.items() for var in u.items.values()
        }
        self.local: list[Var] = []
        self.is_tail = False
        self.is_function = False

    # -- patterns --

    def _only_unpacked(self, value: Var) -> bool:
        """Whether nothing but its pattern reads `value`."""
        unpacking = self.unpackings.get(value)
        if unpacking is None or self._is_built_by_statements(value):
            return False
        return self.outer.uses[value] == len(unpacking.items)

    def _is_built_by_statements(self, value: Var) -> bool:
        """Whether `value` is what a Python loop changes step by step, for which it needs a name."""
        loop = self.producers.get(value)
        if not isinstance(loop, Loop) or loop.kind not in (LoopKind.FOR, LoopKind.COMPREHENSION):
            return False
        if loop.kind is LoopKind.FOR or loop.init or len(loop.outs) != 1:
            return True
        return any(body.steps for body in self.nest.bodies.get(loop, ()))

    def pattern(self, value: Var) -> Pattern:
        """Return what stands on the left of `value = ...`."""
        if not self.outer.uses[value]:
            return None
        return self.unpacked(value) if self._only_unpacked(value) else value

    def unpacked(self, value: Var) -> Pattern:
        unpacking = self.unpackings[value]
        items = (unpacking.items.get(i) for i in range(unpacking.arity))
        return tuple(None if item is None else self.pattern(item) for item in items)

    def _may_be_pattern(self, param: Var) -> bool:
        return param in self.patterned and (param.name in (None, "_") or self.outer.uses[param] > 0)

    def _is_bound_by_pattern(self, var: Var) -> bool:
        return var in self.projected

    def _is_bound_with_its_value(self, value: Var) -> bool:
        """Whether the statement (or the parameter) that makes `value` binds its pattern as well."""
        if not self._only_unpacked(value):
            return False
        if value in self.projected:
            return True
        return value in self.producers or value in self.patterned

    # -- expressions --

    def run(self, candidates: dict[Var, int]) -> Body:
        steps: list[Equation | Var] = []
        begun: set[Var] = set()
        for equation in self.block.equations:
            out = equation.outs[0] if equation.outs else None
            if out is not None and self._is_bound_by_pattern(out):
                value = self.projected[out]
                if value not in begun and not self._is_bound_with_its_value(value):
                    steps.append(value)
                begun.add(value)
                continue
            self._absorb(equation)
            if not self._is_repeatable(equation):
                steps.append(equation)
        cost = self._absorb_into_result(candidates)
        statements = [self._step(s) for s in steps if isinstance(s, Var) or not self._is_inlined(s)]
        if (returned := self._returned_call()) is not None:
            self.nest.returned.add(returned)
        return self._finish(statements, cost)

    def _is_inlined(self, equation: Equation) -> bool:
        return any(out in self.nest.inlined for out in equation.outs)

    def _absorb(self, equation: Equation) -> None:
        """Take into `equation` the temporaries that only it uses, the simplest ones first."""
        cost = self._own_cost(equation)
        bodies = self.nest.bodies.get(equation, ())
        places = slots(equation, all(body.is_expression for body in bodies))
        total = cost
        for slot in places:
            spare = MOST_OPERATIONS - (cost if slot.shares_the_expression else slot.cost)
            taken = self._take_update(equation) if slot.shares_the_expression else 0
            taken += self._take(slot.trees, spare - taken)
            total += taken
            if slot.shares_the_expression:
                cost += taken
        for out in equation.outs:
            self.outer.costs[out] = total

    def _take_update(self, equation: Equation) -> int:
        """Keep `x.at[i].set(v)` in one piece."""
        if not isinstance(equation, Apply) or not self._continues_update(equation):
            return 0
        value = equation.args[0]
        assert isinstance(value, Var)
        if not self._is_candidate(value):
            return 0
        self._inline(value)
        return self.outer.costs[value]

    def _take(self, trees: list[Tree], spare: int) -> int:
        """Inline the temporaries among the leaves of `trees` that cost no more than `spare` together."""
        read = (var for tree in trees for var in open_leaves(tree))
        found = [var for var in read if var not in self.nest.inlined and self._is_candidate(var)]
        taken = 0
        for var in sorted(found, key=lambda var: self.outer.costs[var]):
            if taken + self.outer.costs[var] <= spare:
                taken += self.outer.costs[var]
                self._inline(var)
        return taken

    def _is_candidate(self, var: Var) -> bool:
        equation = self.producers.get(var)
        return (
            equation is not None
            and self.outer.uses[var] == 1
            and var not in self.outer.pinned
            and var not in self.projected
            and var not in self.unpackings
            and self._is_expression(equation)
        )

    def _is_expression(self, equation: Equation) -> bool:
        match equation:
            case Apply():
                return True
            case Loop() | Branch():
                if len(equation.outs) != 1:
                    return False
                if not self.is_expression and is_call(equation):
                    return True
                bodies = self.nest.bodies[equation]
                return may_be_expression(equation) and all(body.is_expression for body in bodies)
            case Opaque():
                return False
            case _:
                assert_never(equation)

    def _inline(self, var: Var) -> None:
        equation = self.producers[var]
        self.nest.result_reads[var] = tuple(dict.fromkeys(self._reads(equation)))
        self.nest.inlined[var] = equation
        self.local.append(var)

    def _is_repeatable(self, equation: Equation) -> bool:
        """Whether `equation` is metadata of an array, or the place `x.at[i]`: it is printed where it is used, each time."""
        if not isinstance(equation, Apply):
            return False
        out, (value, *rest) = equation.out, equation.args or (None,)
        if out in self.unpackings or not isinstance(value, Var):
            return False
        if is_metadata(equation):
            named = [value]
        elif is_item(equation) and is_at(self.producers.get(value)) and self.outer.uses[out] > 1:
            named = [var for tree in rest for var in open_leaves(tree)]
        else:
            return False
        if any(var in self.nest.inlined for var in named):
            return False
        self.outer.pinned.update(named)
        self._inline(out)
        return True

    def _own_cost(self, equation: Equation) -> int:
        match equation:
            case Apply():
                if self._continues_update(equation) or self._is_sign(equation):
                    return 0
                return weight(equation) + displays_shown(equation)
            case Loop() | Branch():
                bodies = self._bodies(equation)
                self.nest.bodies[equation] = bodies
                return 1 + sum(body.cost for body in bodies if body.is_expression)
            case Opaque():
                return MOST_OPERATIONS
            case _:
                assert_never(equation)

    def _is_sign(self, equation: Equation) -> bool:
        """Whether `equation` puts a sign before an expression, which is read with it."""
        if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
            return False
        if equation.fn.value is not operator.neg:
            return False
        (operand,) = equation.args
        return isinstance(operand, Var) and self._is_candidate(operand)

    def _continues_update(self, equation: Apply) -> bool:
        """Whether `equation` is the `[i]` or the `.set(v)` of `x.at[i].set(v)`."""
        value = equation.args[0] if equation.args else None
        producer = self.producers.get(value) if isinstance(value, Var) else None
        if isinstance(equation.fn, Method):
            return (
                isinstance(producer, Apply)
                and is_item(producer)
                and self._continues_update(producer)
            )
        return is_item(equation) and is_at(producer)

    def _absorb_into_result(self, candidates: dict[Var, int]) -> int:
        inlinable = [var for var in candidates if self._is_candidate(var)]
        costs = [self.outer.costs[var] + self._is_sign(self.producers[var]) for var in inlinable]
        spare = {var: self._spare(var, candidates[var]) for var in inlinable}
        fits = [cost <= spare[var] for var, cost in zip(inlinable, costs, strict=True)]
        if not all(fits) and _MOST_IN_A_TUPLE_RESULT in candidates.values():
            return sum(map(displays, self.results))
        taken = 0
        for var, cost in zip(inlinable, costs, strict=True):
            if taken + cost <= max(MOST_OPERATIONS, spare[var]):
                self._inline(var)
                taken += cost
        return taken + sum(map(displays, self.results))

    def _spare(self, var: Var, wanted: int) -> int:
        """Return how many operations `var` may bring: a long choice reads better as statements."""
        choice = isinstance(self.producers[var], Branch) and not is_call(self.producers[var])
        return min(wanted, MOST_OPERATIONS) if choice else wanted

    # -- bodies of loops and branches --

    def _bodies(self, equation: Loop | Branch) -> tuple[Body, ...]:
        as_expressions = self._as_expressions(equation)
        if as_expressions is not None:
            return as_expressions
        if self.is_expression:
            raise _NotAnExpression
        return tuple(
            self._inner(equation, block).run(self._statement_candidates(equation, block))
            for block in blocks(equation)
        )

    def _inner(
        self, equation: Loop | Branch, block: Block, is_expression: bool = False
    ) -> _BlockNester:
        assert isinstance(block.result, Display)
        params = patterned(equation, block)
        inner = _BlockNester(self.outer, block, block.result.items, params, is_expression)
        inner.is_tail = self.is_tail and equation.outs == self._result_items()
        return inner

    def _result_items(self) -> tuple[Tree, ...]:
        result = self.block.result
        return result.items if isinstance(result, Display) and result.kind is tuple else (result,)

    def _statement_candidates(self, equation: Loop | Branch, block: Block) -> dict[Var, int]:
        """Return what may be computed where the result of a body that has statements is bound."""
        assert isinstance(block.result, Display)
        if self._returns(equation):
            return self._result_candidates_of(block)
        in_place = equation.kind in (LoopKind.FOR, LoopKind.COMPREHENSION, BranchKind.IF)
        if in_place or equation.kind is BranchKind.IFEXP:
            carried = len(equation.init) if isinstance(equation, Loop) else len(equation.outs)
            items: list[Tree] = list(block.result.items[carried:])
            items += [item for item in block.result.items[:carried] if not isinstance(item, Var)]
            return {var: MOST_OPERATIONS for item in items for var in open_leaves(item)}
        return self._result_candidates_of(block)

    def _result_candidates_of(self, block: Block) -> dict[Var, int]:
        assert isinstance(block.result, Display)
        items = block.result.items
        return self.outer.result_candidates(items[0] if len(items) == 1 else block.result)

    def _returns(self, equation: Loop | Branch) -> bool:
        """Whether each branch of `equation` ends the function, so that it can return what it yields."""
        if not isinstance(equation, Branch) or not self.is_tail:
            return False
        if equation.kind not in (BranchKind.IF, BranchKind.IFEXP):
            return False
        returns = equation.outs == self._result_items()
        if returns:
            self.nest.returning.add(equation)
        return returns

    def _as_expressions(self, equation: Loop | Branch) -> tuple[Body, ...] | None:
        """Return bodies without statements, if all of them are short and the form of it allows that."""
        if not may_be_expression(equation) or is_long(equation):
            return None
        if equation in self.outer.too_long:
            return None
        attempts = [self._inner(equation, block, is_expression=True) for block in blocks(equation)]
        bodies = self._bodies_of(equation, attempts)
        if bodies is not None:
            return bodies
        for attempt in attempts:
            attempt._undo()
        self.outer.too_long.add(equation)
        return None

    def _bodies_of(
        self, equation: Loop | Branch, attempts: list[_BlockNester]
    ) -> tuple[Body, ...] | None:
        may_unpack = equation.kind is LoopKind.COMPREHENSION
        bodies = []
        for attempt in attempts:
            found = open_leaves(attempt.block.result)
            try:
                body = attempt.run(dict.fromkeys(found, MOST_OPERATIONS))
            except _NotAnExpression:
                return None
            if body.steps or not (may_unpack or body.is_expression):
                return None
            bodies.append(body)
        return tuple(bodies) if sum(body.cost for body in bodies) <= MOST_OPERATIONS else None

    def _undo(self) -> None:
        for equation in self.block.equations:
            self.nest.bodies.pop(equation, None)
        for var in self.local:
            self.nest.inlined.pop(var, None)

    # -- statements --

    def _reads(self, value: Equation | Var) -> Iterator[Var]:
        if isinstance(value, Var):
            yield from self.nest.reads(value)
            return
        for tree in direct(value):
            yield from self.nest.reads(tree)
        for body in self.nest.bodies.get(value, ()):
            yield from body.reads

    def _returned_call(self) -> Loop | Branch | None:
        """Return the loop or branch of `lax` whose whole value is the result of a function."""
        last = self.block.equations[-1] if self.block.equations else None
        if not self.is_function or not isinstance(last, Loop | Branch) or len(last.outs) < 2:
            return None
        if last.outs != self._result_items() or any(self.outer.uses[out] > 1 for out in last.outs):
            return None
        pair = isinstance(last, Loop) and len(last.init) == 1 and len(last.outs) == 2
        return last if is_call(last) or (last.kind is LoopKind.SCAN and pair) else None

    def _step(self, value: Equation | Var) -> Step:
        reads = tuple(dict.fromkeys(self._reads(value)))
        if isinstance(value, Var):
            return Step((self.unpacked(value),), value, reads)
        found = tuple(dict.fromkeys(c for tree in self._trees(value) for c in closures(tree)))
        return Step(tuple(self.pattern(out) for out in value.outs), value, reads, found)

    def _trees(self, value: Equation) -> Iterator[Tree]:
        """Yield the trees that the text of `value` shows in this block, those of inlined equations too."""
        for tree in direct(value):
            yield from self._expanded(tree)

    def _expanded(self, tree: Tree) -> Iterator[Tree]:
        yield tree
        for var in open_leaves(tree):
            if var in self.nest.inlined:
                yield from self._trees(self.nest.inlined[var])

    def _finish(self, steps: list[Step], cost: int) -> Body:
        params = self.block.params
        patterns = tuple(
            self.pattern(param) if self._may_be_pattern(param) else param for param in params
        )
        bound = {*params, *self.projected, *self.producers}
        reads = dict.fromkeys(read for step in steps for read in step.reads if read not in bound)
        reads.update((var, None) for var in self.nest.reads(self.block.result) if var not in bound)
        found = [c for tree in self._expanded(self.block.result) for c in closures(tree)]
        return Body(
            params,
            patterns,
            tuple(steps),
            self.block.result,
            tuple(reads),
            cost,
            tuple(dict.fromkeys(found)),
        )
