"""A closer look at the values of one call: what they are is worked out while the function is read for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invcompiler.frontend.callables import states_inverse
from invcompiler.frontend.see_through import record_fields
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import (
    Block,
    Capture,
    Const,
    Display,
    Equation,
    Function,
    Param,
    ParameterKind,
    Ref,
    Tree,
    Var,
)
from invcompiler.ir.walk import free_vars, leaves, operands
from invcompiler.rules.canonical import find
from invcompiler.schedule.abstract import (
    Abstract,
    Array,
    Items,
    Known,
    Thing,
    Unclear,
    abstract,
    of_tree,
    stand_in,
)
from invcompiler.schedule.callees import is_library
from invcompiler.schedule.facts import Facts, concrete_facts

_REFUTATIONS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError)
_CONSTANTS = (bool, int, str, type(None))
_DEEPEST = 20
_MOST_ENTERED = 2_000  # calls whose bodies are put in place


class Look:
    """Answers questions about the values of a function that is being read, for arguments of which `facts` tells."""

    def __init__(self, facts: Facts, unknown: tuple[Var, ...], unrolls: bool = False):
        self.unrolls = unrolls
        self.deepest = (
            _DEEPEST if facts.is_concrete else 1
        )  # what ends a recursion is a static value
        self.captured: Mapping[Any, tuple[Var, Capture]] = {}
        self._values: dict[Var, Abstract] = {
            param.var: facts.of(param.var) for param in facts.function.params
        }
        self._tainted = set(unknown)
        self._made: dict[Var, Equation] = {}
        self._noted: dict[Builder, int] = {}
        self._entered = 0

    # ---- what the frontend asks -----------------------------------------------------------------

    def container(self, var: Var, builder: Builder, known: bool = False) -> Display | None:
        if not (self.is_unknown(var, builder) or known):
            return None
        found = self._of(var)
        template = _template(found) if isinstance(found, Items) else None
        if template is None or not isinstance(found, Items):
            return None
        items = tuple(_constant(item) or Const(None) for item in found.items)
        return Display(template.kind, items, template.keys, template.spelling)

    def constant(self, var: Var, builder: Builder) -> Const | None:
        self._catch_up(builder)
        return _constant(self._of(var))

    def kind(self, tree: Tree, builder: Builder) -> type | None:
        self._catch_up(builder)
        for var in leaves(tree):
            self._of(var)
        found = of_tree(tree, self._values)
        if not isinstance(found, Items | Thing) or found.kind in (tuple, list, dict):
            return None
        return found.kind

    def rows(self, var: Var, builder: Builder, known: bool = False) -> int | None:
        found = self._of(var) if self.is_unknown(var, builder) or known else None
        if not isinstance(found, Array) or not isinstance(found.shape, tuple) or not found.shape:
            return None
        return found.shape[0] if isinstance(found.shape[0], int) else None

    def is_unknown(self, tree: Tree, builder: Builder) -> bool:
        self._catch_up(builder)
        return any(var in self._tainted for var in leaves(tree))

    def enters(self, function: Any) -> bool:
        if is_library(function) or find(function) is not None or states_inverse(function):
            return False
        if hasattr(function, "__invcompiler_function__") or isinstance(function, Function):
            return False
        self._entered += 1
        return self._entered < _MOST_ENTERED

    # ---- values ---------------------------------------------------------------------------------

    def _catch_up(self, builder: Builder) -> None:
        """Note the equations that were made since the last question."""
        for one in builder.chain():
            for equation in one.equations[self._noted.get(one, 0) :]:
                self._made.update(dict.fromkeys(equation.outs, equation))
                if any(var in self._tainted for var in operands(equation)):
                    self._tainted.update(equation.outs)
            self._noted[one] = len(one.equations)

    def _of(self, var: Var) -> Abstract:
        waiting = [var]
        while waiting:
            last = waiting[-1]
            needed = self._needed(last)
            if needed:
                waiting += needed
                continue
            waiting.pop()
            if last not in self._values:
                self._evaluate(last)
        return self._values[var]

    def _needed(self, var: Var) -> list[Var]:
        made = None if var in self._values else self._made.get(var)
        if made is None:
            return []
        return [operand for operand in operands(made) if operand not in self._values]

    def _evaluate(self, var: Var) -> None:
        """Find out what an equation makes, by running it abstractly."""
        capture = next((one for other, one in self.captured.values() if other is var), None)
        made = self._made.get(var)
        self._values[var] = None
        if capture is not None:
            self._values[var] = abstract(capture.read())
        elif made is not None:
            self._values.update(dict.fromkeys(made.outs))
            self._values.update(self._run(made))

    def _run(self, made: Equation) -> dict[Var, Abstract]:
        block = Block((), (made,), Display(tuple, made.outs))
        free = free_vars(block)
        params = tuple(Param(var, ParameterKind.POSITIONAL_ONLY) for var in free)
        try:
            given = {var: stand_in(self._values.get(var)) for var in free}
            facts = concrete_facts(Function("step", params, block), given)
        except (Unclear, *_REFUTATIONS):
            return {}
        return {out: facts.of(out) for out in made.outs}


def _constant(value: Abstract) -> Const | None:
    if isinstance(value, Known) and type(value.value) in _CONSTANTS:
        return Const(value.value)
    return None


def _template(found: Items) -> Display | None:
    """Return an empty display of the class of a container, if its items are all there is to it."""
    if found.kind in (tuple, list, dict):
        return Display(found.kind, (), found.keys)
    fields = record_fields(found.kind)
    if fields is None or tuple(fields) != tuple(found.keys or ()):
        return None
    return Display(found.kind, (), found.keys, Ref(found.kind, found.kind.__name__, found.kind))


def read_again(
    function: Function, facts: Facts, unknown: tuple[Var, ...], unrolls: bool
) -> Function | None:
    """Return `function` as it reads for one call: containers shown, static values decided, calls in place; None if it has no text.

    With `unrolls`, short loops are their steps.
    """
    if function.again is None:
        return None
    return function.again(Look(facts, unknown, unrolls), {})


__all__ = ["Look", "read_again"]
