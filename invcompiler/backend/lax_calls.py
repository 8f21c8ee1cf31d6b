"""Write the structured loops and branches of `jax.lax`: a call, and the local functions or lambdas that it runs."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never

from invcompiler.backend.expressions import Expressions, Spelling
from invcompiler.backend.names import Names
from invcompiler.backend.nest import Body, Nest, Pattern, Step
from invcompiler.backend.pieces import (
    arguments_of,
    assign,
    attribute,
    call,
    definition,
    name_of,
    packed,
    store,
    unreversed,
)
from invcompiler.ir.nodes import (
    Branch,
    BranchKind,
    Closure,
    Const,
    Display,
    Each,
    Enumerate,
    Iter,
    Loop,
    LoopKind,
    Range,
    Reversed,
    Zip,
)


@dataclass(frozen=True)
class _Shape:
    """The parameters of a local function and what it returns; a `pair` for `lax.scan`."""

    first: tuple[Pattern, ...]
    second: tuple[Pattern, ...] | None
    result: Callable[[], ast.expr]
    pair: bool = False


class LaxCalls(Expressions):
    def __init__(self, nest: Nest, names: Names, spelling: Spelling):
        super().__init__(nest, names, spelling)
        self.waiting: list[ast.stmt] = []
        """Definitions of local functions that an expression needs, which go above its statement."""

    @abstractmethod
    def steps(self, steps: Iterable[Step]) -> list[ast.stmt]:
        """Return the statements of a body."""

    @abstractmethod
    def definitions(self, closures: Iterable[Closure]) -> list[ast.stmt]:
        """Return the `def`s of the user's local functions that are needed now for the first time."""

    @abstractmethod
    def target(self, pattern: Pattern) -> ast.expr:
        """Return what stands on the left of `=`."""

    def lax_loop_statements(self, step: Step, loop: Loop) -> list[ast.stmt]:
        definitions, value = self._lax_loop_parts(loop)
        return [*definitions, assign(self._loop_target(step, loop), value)]

    def _loop_target(self, step: Step, loop: Loop) -> ast.expr:
        carried = len(loop.init)
        finals = self.record(step.targets[:carried])
        collected = self.record(step.targets[carried:])
        match loop.kind:
            case LoopKind.SCAN:
                return ast.Tuple([finals, collected], ast.Store())
            case LoopKind.FORI:
                return finals if carried or not collected else collected
            case _:
                return collected

    def record(self, targets: tuple[Pattern, ...]) -> ast.expr:
        if not targets:
            return store("_")
        if len(targets) == 1:
            return self.target(targets[0])
        if all(target is None for target in targets):
            return store("_")
        return ast.Tuple([self.target(target) for target in targets], ast.Store())

    def lax_loop(self, loop: Loop) -> ast.expr:
        """Return the expression that a short loop is."""
        definitions, value = self._lax_loop_parts(loop)
        self.waiting += definitions
        return value

    def _lax_loop_parts(self, loop: Loop) -> tuple[list[ast.stmt], ast.expr]:
        (body,) = self.nest.bodies[loop]
        options = {name: self.expr(value) for name, value in loop.options}
        initial = packed([self.expr(tree) for tree in loop.init])
        match loop.kind:
            case LoopKind.SCAN:
                definitions, step = self._local_function(loop, body, self._scan_shape(loop))
                reverse, items = unreversed(loop.iterable)
                if reverse:
                    options["reverse"] = ast.Constant(True)
                xs = [] if items is None else [self._stacked(items)]
                if items is None:
                    options = (
                        {"xs": ast.Constant(None), **options}
                        if "length" not in options
                        else options
                    )
                return definitions, call(self.spelling.lax("scan"), [step, initial, *xs], options)
            case LoopKind.MAP:
                definitions, step = self._local_function(loop, body, self._map_shape(loop))
                assert loop.iterable is not None
                arguments = [step, self._stacked(loop.iterable)]
                return definitions, call(self.spelling.lax("map"), arguments, options)
            case LoopKind.FORI:
                return self._fori(loop, body, initial, options)
            case _:
                raise AssertionError(loop.kind)

    def _fori(self, loop: Loop, body: Body, initial: ast.expr, options: dict) -> tuple:
        counter, patterns = loop.iterable, body.patterns
        assert isinstance(counter, Range) and counter.step == Const(1)
        shape = _Shape((patterns[-1],), patterns[:-1], lambda: self._plain_result(body))
        definitions, step = self._local_function(loop, body, shape)
        arguments = [self.expr(counter.start), self.expr(counter.stop), step, initial]
        return definitions, call(self.spelling.lax("fori_loop"), arguments, options)

    def _plain_result(self, body: Body) -> ast.expr:
        assert isinstance(body.result, Display)
        return packed([self.expr(item) for item in body.result.items])

    def _scan_shape(self, loop: Loop) -> _Shape:
        (body,) = self.nest.bodies[loop]
        assert isinstance(body.result, Display)
        carried, results = len(loop.init), body.result.items

        def result() -> ast.expr:
            items = [self.expr(item) for item in results]
            return ast.Tuple([packed(items[:carried]), packed(items[carried:])], ast.Load())

        return _Shape(body.patterns[:carried], body.patterns[carried:], result, pair=True)

    def _map_shape(self, loop: Loop) -> _Shape:
        (body,) = self.nest.bodies[loop]
        return _Shape(body.patterns, None, lambda: self._plain_result(body))

    def _local_function(self, loop: Loop, body: Body, shape: _Shape) -> tuple[list, ast.expr]:
        """Return the function that runs `body`: a lambda if it is short, else a `def` and its name."""
        first, first_unpack = self._parameter(
            shape.first, self._record_names(loop)[shape.pair is False]
        )
        params, unpack = [first], first_unpack
        if shape.second is not None:
            record = self._record_names(loop)[shape.pair is True]
            second, second_unpack = self._parameter(shape.second, record)
            params = [first, "__" if first == second else second]
            unpack = first_unpack + second_unpack
        if not unpack and not shape.pair and body.is_expression:
            return [], ast.Lambda(arguments_of(params), shape.result())
        name = self.names.functions.get(loop, ("step",))[0]
        statements = unpack + self.steps(body.steps) + self.definitions(body.result_closures)
        statements += self.with_definitions(lambda: [ast.Return(shape.result())])
        return [definition(name, arguments_of(params), statements)], name_of(name)

    def _record_names(self, loop: Loop) -> tuple[str, str]:
        return self.names.records[loop]

    def _parameter(self, patterns: tuple[Pattern, ...], record: str) -> tuple[str, list[ast.stmt]]:
        """Return one parameter for what `patterns` bind, and the statements that unpack it."""
        if not patterns:
            return "_", []
        if len(patterns) == 1 and not isinstance(patterns[0], tuple):
            return "_" if patterns[0] is None else self.names.of[patterns[0]], []
        whole = patterns[0] if len(patterns) == 1 else tuple(patterns)
        return record, [assign(self.target(whole), name_of(record))]

    def _stacked(self, iterable: Iter) -> ast.expr:
        """Return the array (or tree of arrays) whose leading axis a lax loop goes along."""
        match iterable:
            case Each(view=""):
                return self.expr(iterable.value)
            case Each():
                return call(name_of("list"), [self.iterated(iterable)])
            case Range():
                return call(self.spelling.jnp("arange"), self.range(iterable))
            case Zip():
                parts = iterable.parts
                return ast.Tuple([self._stacked(part) for part in parts], ast.Load())
            case Enumerate():
                leaves = call(self.spelling.jax("tree.leaves"), [self._stacked(iterable.part)])
                first = ast.Subscript(leaves, ast.Constant(0), ast.Load())
                counter = call(self.spelling.jnp("arange"), [call(name_of("len"), [first])])
                if iterable.start != Const(0):
                    counter = ast.BinOp(counter, ast.Add(), self.expr(iterable.start))
                return ast.Tuple([counter, self._stacked(iterable.part)], ast.Load())
            case Reversed():
                step = ast.UnaryOp(ast.USub(), ast.Constant(1))
                flipped = ast.Subscript(name_of("leaf"), ast.Slice(step=step), ast.Load())
                flip = ast.Lambda(arguments_of(["leaf"]), flipped)
                return call(self.spelling.jax("tree.map"), [flip, self._stacked(iterable.part)])
            case _:
                assert_never(iterable)

    def lax_branch_statements(self, step: Step, branch: Branch) -> list[ast.stmt]:
        definitions, value = self._lax_branch_parts(branch)
        return [*definitions, assign(self.record(step.targets), value)]

    def lax_branch(self, branch: Branch) -> ast.expr:
        definitions, value = self._lax_branch_parts(branch)
        self.waiting += definitions
        return value

    def _lax_branch_parts(self, branch: Branch) -> tuple[list[ast.stmt], ast.expr]:
        bodies = self.nest.bodies[branch]
        definitions: list[ast.stmt] = []
        functions: list[ast.expr] = []
        for at, body in enumerate(bodies):
            if body.is_expression:
                functions.append(ast.Lambda(arguments_of([]), self._plain_result(body)))
                continue
            name = self.names.functions[branch][at]
            definitions.append(definition(name, arguments_of([]), self._branch_function(body)))
            functions.append(name_of(name))
        predicate = self.expr(branch.predicate)
        if branch.kind is BranchKind.COND:
            return definitions, call(self.spelling.lax("cond"), [predicate, *functions])
        listed = ast.List(functions, ast.Load())
        return definitions, call(self.spelling.lax("switch"), [predicate, listed])

    def _branch_function(self, body: Body) -> list[ast.stmt]:
        statements = self.steps(body.steps) + self.definitions(body.result_closures)
        return statements + self.with_definitions(lambda: [ast.Return(self._plain_result(body))])

    def iterated(self, iterable: Iter) -> ast.expr:
        match iterable:
            case Range():
                return call(name_of("range"), self.range(iterable))
            case Each(view=""):
                return self.expr(iterable.value)
            case Each():
                return call(attribute(self.expr(iterable.value), iterable.view), [])
            case Zip():
                strict: dict[str, ast.expr] = {}
                if iterable.strict:
                    strict["strict"] = ast.Constant(True)
                return call(name_of("zip"), list(map(self.iterated, iterable.parts)), strict)
            case Enumerate(start=Const(value=0)):
                return call(name_of("enumerate"), [self.iterated(iterable.part)])
            case Enumerate():
                arguments = [self.iterated(iterable.part), self.expr(iterable.start)]
                return call(name_of("enumerate"), arguments)
            case Reversed(part=Range() | Each() as part):
                return call(name_of("reversed"), [self.iterated(part)])
            case Reversed():
                listed = call(name_of("list"), [self.iterated(iterable.part)])
                return call(name_of("reversed"), [listed])
            case _:
                assert_never(iterable)

    def range(self, iterable: Range) -> list[ast.expr]:
        parts = [iterable.start, iterable.stop, iterable.step]
        if iterable.step == Const(1):
            parts.pop()
            if iterable.start == Const(0):
                parts.pop(0)
        return [self.expr(part) for part in parts]

    def with_definitions(self, make: Callable[[], list[ast.stmt]]) -> list[ast.stmt]:
        """Return what `make` returns, below the local functions that its expressions turn out to need."""
        outer, self.waiting = self.waiting, []
        statements = make()
        waiting, self.waiting = self.waiting, outer
        return waiting + statements
