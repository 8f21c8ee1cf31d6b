"""Write a nested and named function as a Python tree: operators, displays, calls, loops, branches.

Parentheses are the printer's business: a tree has none.
"""

from __future__ import annotations

import ast
import cmath
import dataclasses
import keyword
import math
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from invcompiler.backend.annotations import without_annotations
from invcompiler.backend.names import Names
from invcompiler.backend.nest import Body, Nest, Pattern, Step, shortcut
from invcompiler.backend.passing import pass_along
from invcompiler.backend.substitute import substitute
from invcompiler.ir.nodes import (
    Apply,
    Branch,
    BranchKind,
    Capture,
    Closure,
    Const,
    Display,
    Each,
    Enumerate,
    Equation,
    Function,
    Iter,
    Loop,
    LoopKind,
    Method,
    Opaque,
    Param,
    ParameterKind,
    Range,
    Ref,
    Reversed,
    Slice,
    Span,
    Star,
    Tree,
    Var,
    Zip,
)

_BINARY = {
    operator.add: ast.Add,
    operator.sub: ast.Sub,
    operator.mul: ast.Mult,
    operator.truediv: ast.Div,
    operator.floordiv: ast.FloorDiv,
    operator.mod: ast.Mod,
    operator.pow: ast.Pow,
    operator.matmul: ast.MatMult,
    operator.and_: ast.BitAnd,
    operator.or_: ast.BitOr,
    operator.xor: ast.BitXor,
    operator.lshift: ast.LShift,
    operator.rshift: ast.RShift,
}
_UNARY = {
    operator.neg: ast.USub,
    operator.pos: ast.UAdd,
    operator.invert: ast.Invert,
    operator.not_: ast.Not,
}
_COMPARISONS = {
    operator.lt: ast.Lt,
    operator.le: ast.LtE,
    operator.gt: ast.Gt,
    operator.ge: ast.GtE,
    operator.eq: ast.Eq,
    operator.ne: ast.NotEq,
    operator.is_: ast.Is,
    operator.is_not: ast.IsNot,
}


@dataclass(frozen=True)
class Spelling:
    """How the module names the objects that a function refers to.

    `ref` spells a `Ref` as an expression, `needs` says which keywords calls of a function of the module (by its name) pass
    along; the others spell functions of `jax.lax`, `jax.numpy`, `jax`, and `functools.partial`.
    """

    ref: Callable[[Ref], ast.expr]
    needs: Callable[[str], tuple[str, ...]]
    lax: Callable[[str], ast.expr]
    jnp: Callable[[str], ast.expr]
    jax: Callable[[str], ast.expr]
    partial: Callable[[], ast.expr]


@dataclass(eq=False)
class Written:
    """The tree of one function, and the user's lines that its statements come from."""

    node: ast.FunctionDef
    spans: dict[ast.stmt, tuple[Span, ...]] = field(default_factory=dict)


def to_ast(
    function: Function, name: str, nest: Nest, names: Names, spelling: Spelling, doc: str | None
) -> Written:
    """Return the `def` of `function`; its keyword-only parameters for captures are the module's business."""
    writer = _Writer(nest, names, spelling)
    body = writer.docstring(doc) + writer.captured_defaults(function)
    node = definition(name, writer.parameters(function), body + writer.function_body(nest.body))
    return Written(node, writer.spans)


class _Writer:
    def __init__(self, nest: Nest, names: Names, spelling: Spelling):
        self.nest = nest
        self.names = names
        self.spelling = spelling
        self.spans: dict[ast.stmt, tuple[Span, ...]] = {}
        self.defined: set[Closure] = set()
        self.waiting: list[ast.stmt] = []
        """Definitions of local functions that an expression needs, which go above its statement."""

    # ---- functions ----

    def docstring(self, doc: str | None) -> list[ast.stmt]:
        return [ast.Expr(ast.Constant(doc))] if doc else []

    def captured_defaults(self, function: Function) -> list[ast.stmt]:
        """Return statements that give parameters their defaults, where these are captured arrays."""
        captured = dict(function.captures)
        return [
            ast.If(
                ast.Compare(_name(self.names.of[param.var]), [ast.Is()], [ast.Constant(None)]),
                [_assign(_store(self.names.of[param.var]), self.expr(param.default))],
                [],
            )
            for param in function.params
            if isinstance(param.default, Var) and not is_number(captured[param.default])
        ]

    def _default(self, param: Param, captured: Mapping[Var, Capture]) -> ast.expr | None:
        """Return what stands behind the `=` of a parameter: for a captured array, a stand-in."""
        match param.default:
            case None:
                return None
            case Var() as var:
                number = captured[var].read() if is_number(captured[var]) else None
                return literal(number)
            case tree:
                return self.expr(tree)

    def parameters(self, function: Function) -> ast.arguments:
        captured = dict(function.captures)

        def of(*kinds: ParameterKind) -> list:
            return [param for param in function.params if param.kind in kinds]

        def arg(var: Var) -> ast.arg:
            return ast.arg(self.names.of[var])

        positional = of(ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)
        keywords = of(ParameterKind.KEYWORD_ONLY)
        rest, mapping = of(ParameterKind.VAR_POSITIONAL), of(ParameterKind.VAR_KEYWORD)
        return ast.arguments(
            posonlyargs=[arg(param.var) for param in of(ParameterKind.POSITIONAL_ONLY)],
            args=[arg(param.var) for param in of(ParameterKind.POSITIONAL_OR_KEYWORD)],
            vararg=arg(rest[0].var) if rest else None,
            kwonlyargs=[arg(param.var) for param in keywords],
            kw_defaults=[self._default(param, captured) for param in keywords],
            kwarg=arg(mapping[0].var) if mapping else None,
            defaults=[
                default
                for param in positional
                if (default := self._default(param, captured)) is not None
            ],
        )

    def function_body(self, body: Body) -> list[ast.stmt]:
        """Return the statements of `body`, the last of which returns its result."""
        return self._returning(body, body.result)

    def _returning(self, body: Body, result: Tree) -> list[ast.stmt]:
        tail = self._returning_branch(body, result)
        if tail is not None:
            return self.steps(body.steps[:-1]) + tail
        last = body.steps[-1] if body.steps else None
        if last is not None and isinstance(call := last.value, Loop | Branch):
            if call in self.nest.returned:
                statements = self.steps(body.steps[:-1]) + self._definitions(last.closures)
                new = self._with_definitions(lambda: [ast.Return(self.value(call))])
                return statements + [self._marked(statement, call) for statement in new]
        statements = self.steps(body.steps) + self._definitions(body.result_closures)
        return statements + self._with_definitions(lambda: [self._return(result)])

    def _returning_branch(self, body: Body, result: Tree) -> list[ast.stmt] | None:
        """Return `if p: return a` and what follows it, where all that a last branch yields is returned."""
        branch = body.steps[-1].value if body.steps else None
        if not isinstance(branch, Branch) or branch not in self.nest.returning:
            return None
        bodies = self.nest.bodies[branch]
        closures = self._definitions(body.steps[-1].closures)
        test = self.expr(branch.predicate)
        yes, no = (self._returning(inner, _like(result, inner.result)) for inner in bodies)
        return [*closures, self._marked(ast.If(test, yes, []), branch), *no]

    def _return(self, result: Tree) -> ast.stmt:
        statement = ast.Return(self.expr(result))
        self.spans[statement] = tuple(dict.fromkeys(self._tree_spans(result)))
        return statement

    # ---- statements ----

    def steps(self, steps: Iterable[Step]) -> list[ast.stmt]:
        return [statement for step in steps for statement in self._step(step)]

    def _step(self, step: Step) -> list[ast.stmt]:
        statements = self._definitions(step.closures)
        return statements + self._with_definitions(lambda: self._statement(step))

    def _statement(self, step: Step) -> list[ast.stmt]:
        value = step.value
        match value:
            case Var():
                return [_assign(self.target(step.targets[0]), self.expr(value))]
            case Apply():
                new = [_assign(self.target(step.targets[0]), self.value(value))]
            case Loop(kind=LoopKind.FOR):
                new = self._for(value)
            case Loop(kind=LoopKind.COMPREHENSION):
                new = self._comprehension(step, value)
            case Loop():
                new = self._lax_loop(step, value)
            case Branch(kind=BranchKind.IF | BranchKind.IFEXP):
                new = self._if(step, value)
            case Branch():
                new = self._lax_branch(step, value)
            case Opaque():
                new = self._opaque(step, value)
            case _:
                assert_never(value)
        return [self._marked(statement, value) for statement in new]

    def _with_definitions(self, make: Callable[[], list[ast.stmt]]) -> list[ast.stmt]:
        """Return what `make` returns, below the local functions that its expressions turn out to need."""
        outer, self.waiting = self.waiting, []
        statements = make()
        waiting, self.waiting = self.waiting, outer
        return waiting + statements

    def _marked(self, statement: Any, equation: Equation) -> Any:
        if statement not in self.spans:
            self.spans[statement] = tuple(dict.fromkeys(self._equation_spans(equation)))
        return statement

    def _equation_spans(self, equation: Equation) -> Iterator[Span]:
        if equation.span is not None:
            yield equation.span
        if isinstance(equation, Apply):
            for tree in (*equation.args, *(value for _, value in equation.kwargs)):
                yield from self._tree_spans(tree)

    def _tree_spans(self, tree: Tree) -> Iterator[Span]:
        match tree:
            case Var() if tree in self.nest.inlined:
                yield from self._equation_spans(self.nest.inlined[tree])
            case Display():
                for item in tree.items:
                    yield from self._tree_spans(item)
            case _:
                return

    def _definitions(self, closures: Iterable[Closure]) -> list[ast.stmt]:
        """Return the `def`s of the user's local functions that are needed now for the first time."""
        statements: list[ast.stmt] = []
        for closure in closures:
            if isinstance(closure.node, ast.FunctionDef) and closure not in self.defined:
                self.defined.add(closure)
                meanings = self._meanings(closure.env)
                meanings[closure.node.name] = _name(self.names.closures[closure])
                statements.append(self._copied(closure.node, meanings))
        return statements

    def target(self, pattern: Pattern) -> ast.expr:
        match pattern:
            case None:
                return _store("_")
            case Var():
                return _store(self.names.of[pattern])
            case _:
                return ast.Tuple([self.target(item) for item in pattern], ast.Store())

    def _copies(self, names: Sequence[str], values: Sequence[Tree]) -> list[ast.stmt]:
        """Assign `values` to `names` as if all at once, and leave out what is in place already."""
        wanted = [
            (name, value)
            for name, value in zip(names, values, strict=True)
            if not self._is_called(value, name)
        ]
        if any(
            name in self._names_in(value)
            for at, (name, _) in enumerate(wanted)
            for _, value in wanted[at + 1 :]
        ):
            wanted.sort(key=lambda copy: copy[0])
            targets = ast.Tuple([_store(name) for name, _ in wanted], ast.Store())
            return [_assign(targets, ast.Tuple([self.expr(v) for _, v in wanted], ast.Load()))]
        return [_assign(_store(name), self.expr(value)) for name, value in wanted]

    def _is_called(self, tree: Tree, name: str) -> bool:
        return (
            isinstance(tree, Var)
            and tree not in self.nest.inlined
            and self.names.of.get(tree) == name
        )

    def _names_in(self, tree: Tree) -> set[str]:
        return {self.names.of[var] for var in self.nest.reads(tree)}

    # ---- Python loops ----

    def _for(self, loop: Loop) -> list[ast.stmt]:
        (body,) = self.nest.bodies[loop]
        carried = len(loop.init)
        names = [self.names.of[param] for param in body.params[:carried]]
        starts = self._copies(names, loop.init)
        lists = [_assign(_store(self.names.of[out]), _list()) for out in loop.outs[carried:]]
        assert loop.iterable is not None
        target = self._item_target(loop.iterable, list(body.patterns[carried:]))
        inner = self.steps(body.steps) + self._definitions(body.result_closures)
        assert isinstance(body.result, Display)
        results = body.result.items
        inner += self._with_definitions(lambda: self._appends(loop, body))
        inner += self._with_definitions(lambda: self._copies(names, results[:carried]))
        statement = ast.For(target, self.iterated(loop.iterable), inner or [ast.Pass()], [])
        return [*starts, *lists, statement]

    def _appends(self, loop: Loop, body: Body) -> list[ast.stmt]:
        assert isinstance(body.result, Display)
        carried = len(loop.init)
        collected = zip(loop.outs[carried:], body.result.items[carried:], strict=True)
        return [
            ast.Expr(_call(_attribute(_name(self.names.of[out]), "append"), [self.expr(item)]))
            for out, item in collected
        ]

    def _comprehension(self, step: Step, loop: Loop) -> list[ast.stmt]:
        (body,) = self.nest.bodies[loop]
        if loop.init or body.steps or len(loop.outs) != 1:
            return self._for(loop)
        return [_assign(self.target(step.targets[0]), self.comprehension(loop))]

    def comprehension(self, loop: Loop) -> ast.expr:
        (body,) = self.nest.bodies[loop]
        assert loop.iterable is not None
        target = self._item_target(loop.iterable, list(body.patterns))
        element = self.expr(_only(body.result))
        generator = ast.comprehension(target, self.iterated(loop.iterable), [], 0)
        return ast.ListComp(element, [generator])

    def _item_target(self, iterable: Iter, patterns: list[Pattern]) -> ast.expr:
        """Return what stands between `for` and `in`; takes its leaves from the front of `patterns`."""
        match iterable:
            case Range() | Each():
                return self.target(patterns.pop(0))
            case Enumerate():
                counter = self.target(patterns.pop(0))
                return _tuple_target([counter, self._item_target(iterable.part, patterns)])
            case Zip():
                return _tuple_target([self._item_target(p, patterns) for p in iterable.parts])
            case Reversed():
                return self._item_target(iterable.part, patterns)
            case _:
                assert_never(iterable)

    def iterated(self, iterable: Iter) -> ast.expr:
        match iterable:
            case Range():
                return _call(_name("range"), self._range(iterable))
            case Each(view=""):
                return self.expr(iterable.value)
            case Each():
                return _call(_attribute(self.expr(iterable.value), iterable.view), [])
            case Zip():
                strict: dict[str, ast.expr] = {}
                if iterable.strict:
                    strict["strict"] = ast.Constant(True)
                return _call(_name("zip"), list(map(self.iterated, iterable.parts)), strict)
            case Enumerate(start=Const(value=0)):
                return _call(_name("enumerate"), [self.iterated(iterable.part)])
            case Enumerate():
                arguments = [self.iterated(iterable.part), self.expr(iterable.start)]
                return _call(_name("enumerate"), arguments)
            case Reversed(part=Range() | Each() as part):
                return _call(_name("reversed"), [self.iterated(part)])
            case Reversed():
                listed = _call(_name("list"), [self.iterated(iterable.part)])
                return _call(_name("reversed"), [listed])
            case _:
                assert_never(iterable)

    def _range(self, iterable: Range) -> list[ast.expr]:
        parts = [iterable.start, iterable.stop, iterable.step]
        if iterable.step == Const(1):
            parts.pop()
            if iterable.start == Const(0):
                parts.pop(0)
        return [self.expr(part) for part in parts]

    # ---- Python branches ----

    def _if(self, step: Step, branch: Branch) -> list[ast.stmt]:
        bodies = self.nest.bodies[branch]
        if len(branch.outs) == 1 and all(body.is_expression for body in bodies):
            return [_assign(self.target(step.targets[0]), self.ternary(branch))]
        names = [self.names.of[out] for out in branch.outs]
        yes, no = (self._branch(body, names) for body in bodies)
        test = self.expr(branch.predicate)
        unpacked = [
            _assign(self.target(target), _name(self.names.of[out]))
            for target, out in zip(step.targets, branch.outs, strict=True)
            if isinstance(target, tuple)
        ]
        if not yes and not no:
            return unpacked
        if not yes:
            return [ast.If(_negated(test), no, []), *unpacked]
        return [ast.If(test, yes, no), *unpacked]

    def _branch(self, body: Body, names: list[str]) -> list[ast.stmt]:
        assert isinstance(body.result, Display)
        statements = self.steps(body.steps) + self._definitions(body.result_closures)
        results = body.result.items
        return statements + self._with_definitions(lambda: self._copies(names, results))

    def ternary(self, branch: Branch) -> ast.expr:
        yes, no = (_only(body.result) for body in self.nest.bodies[branch])
        predicate = self.expr(branch.predicate)
        operator_ = shortcut(branch)
        if operator_ is not None:
            other = self.expr(yes if operator_ is ast.And else no)
            return ast.BoolOp(operator_(), [predicate, other])
        return ast.IfExp(predicate, self.expr(yes), self.expr(no))

    # ---- loops and branches of lax ----

    def _lax_loop(self, step: Step, loop: Loop) -> list[ast.stmt]:
        definitions, value = self._lax_loop_parts(loop)
        return [*definitions, _assign(self._loop_target(step, loop), value)]

    def _loop_target(self, step: Step, loop: Loop) -> ast.expr:
        carried = len(loop.init)
        finals = self._record(step.targets[:carried])
        collected = self._record(step.targets[carried:])
        match loop.kind:
            case LoopKind.SCAN:
                return ast.Tuple([finals, collected], ast.Store())
            case LoopKind.FORI:
                return finals if carried or not collected else collected
            case _:
                return collected

    def _record(self, targets: tuple[Pattern, ...]) -> ast.expr:
        if not targets:
            return _store("_")
        if len(targets) == 1:
            return self.target(targets[0])
        if all(target is None for target in targets):
            return _store("_")
        return ast.Tuple([self.target(target) for target in targets], ast.Store())

    def lax_loop(self, loop: Loop) -> ast.expr:
        """Return the expression that a short loop is."""
        definitions, value = self._lax_loop_parts(loop)
        self.waiting += definitions
        return value

    def _lax_loop_parts(self, loop: Loop) -> tuple[list[ast.stmt], ast.expr]:
        (body,) = self.nest.bodies[loop]
        options = {name: self.expr(value) for name, value in loop.options}
        initial = _packed([self.expr(tree) for tree in loop.init])
        match loop.kind:
            case LoopKind.SCAN:
                definitions, step = self._local_function(loop, body, self._scan_shape(loop))
                reverse, items = _unreversed(loop.iterable)
                if reverse:
                    options["reverse"] = ast.Constant(True)
                xs = [] if items is None else [self._stacked(items)]
                if items is None:
                    options = (
                        {"xs": ast.Constant(None), **options}
                        if "length" not in options
                        else options
                    )
                return definitions, _call(self.spelling.lax("scan"), [step, initial, *xs], options)
            case LoopKind.MAP:
                definitions, step = self._local_function(loop, body, self._map_shape(loop))
                assert loop.iterable is not None
                arguments = [step, self._stacked(loop.iterable)]
                return definitions, _call(self.spelling.lax("map"), arguments, options)
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
        return definitions, _call(self.spelling.lax("fori_loop"), arguments, options)

    def _plain_result(self, body: Body) -> ast.expr:
        assert isinstance(body.result, Display)
        return _packed([self.expr(item) for item in body.result.items])

    def _scan_shape(self, loop: Loop) -> _Shape:
        (body,) = self.nest.bodies[loop]
        assert isinstance(body.result, Display)
        carried, results = len(loop.init), body.result.items

        def result() -> ast.expr:
            items = [self.expr(item) for item in results]
            return ast.Tuple([_packed(items[:carried]), _packed(items[carried:])], ast.Load())

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
            return [], ast.Lambda(_arguments(params), shape.result())
        name = self.names.functions.get(loop, ("step",))[0]
        statements = unpack + self.steps(body.steps) + self._definitions(body.result_closures)
        statements += self._with_definitions(lambda: [ast.Return(shape.result())])
        return [definition(name, _arguments(params), statements)], _name(name)

    def _record_names(self, loop: Loop) -> tuple[str, str]:
        return self.names.records[loop]

    def _parameter(self, patterns: tuple[Pattern, ...], record: str) -> tuple[str, list[ast.stmt]]:
        """Return one parameter for what `patterns` bind, and the statements that unpack it."""
        if not patterns:
            return "_", []
        if len(patterns) == 1 and not isinstance(patterns[0], tuple):
            return "_" if patterns[0] is None else self.names.of[patterns[0]], []
        whole = patterns[0] if len(patterns) == 1 else tuple(patterns)
        return record, [_assign(self.target(whole), _name(record))]

    def _stacked(self, iterable: Iter) -> ast.expr:
        """Return the array (or tree of arrays) whose leading axis a lax loop goes along."""
        match iterable:
            case Each(view=""):
                return self.expr(iterable.value)
            case Each():
                return _call(_name("list"), [self.iterated(iterable)])
            case Range():
                return _call(self.spelling.jnp("arange"), self._range(iterable))
            case Zip():
                parts = iterable.parts
                return ast.Tuple([self._stacked(part) for part in parts], ast.Load())
            case Enumerate():
                leaves = _call(self.spelling.jax("tree.leaves"), [self._stacked(iterable.part)])
                first = ast.Subscript(leaves, ast.Constant(0), ast.Load())
                counter = _call(self.spelling.jnp("arange"), [_call(_name("len"), [first])])
                if iterable.start != Const(0):
                    counter = ast.BinOp(counter, ast.Add(), self.expr(iterable.start))
                return ast.Tuple([counter, self._stacked(iterable.part)], ast.Load())
            case Reversed():
                step = ast.UnaryOp(ast.USub(), ast.Constant(1))
                flipped = ast.Subscript(_name("leaf"), ast.Slice(step=step), ast.Load())
                flip = ast.Lambda(_arguments(["leaf"]), flipped)
                return _call(self.spelling.jax("tree.map"), [flip, self._stacked(iterable.part)])
            case _:
                assert_never(iterable)

    def _lax_branch(self, step: Step, branch: Branch) -> list[ast.stmt]:
        definitions, value = self._lax_branch_parts(branch)
        return [*definitions, _assign(self._record(step.targets), value)]

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
                functions.append(ast.Lambda(_arguments([]), self._plain_result(body)))
                continue
            name = self.names.functions[branch][at]
            definitions.append(definition(name, _arguments([]), self._branch_function(body)))
            functions.append(_name(name))
        predicate = self.expr(branch.predicate)
        if branch.kind is BranchKind.COND:
            return definitions, _call(self.spelling.lax("cond"), [predicate, *functions])
        listed = ast.List(functions, ast.Load())
        return definitions, _call(self.spelling.lax("switch"), [predicate, listed])

    def _branch_function(self, body: Body) -> list[ast.stmt]:
        statements = self.steps(body.steps) + self._definitions(body.result_closures)
        return statements + self._with_definitions(lambda: [ast.Return(self._plain_result(body))])

    # ---- what is copied ----

    def _opaque(self, step: Step, opaque: Opaque) -> list[ast.stmt]:
        if not isinstance(opaque.code, list):
            return [_assign(self.target(step.targets[0]), self._opaque_expression(opaque))]
        outs = dict(zip(opaque.bound, opaque.outs, strict=True))
        starts = [(n, tree) for n, tree in opaque.ins if n in outs]
        names = [self.names.of[outs[name]] for name, _ in starts]
        before = self._copies(names, [tree for _, tree in starts])
        meanings = self._meanings(opaque.ins)
        meanings.update((n, _name(m)) for n, m in self.names.temporaries[opaque].items())
        meanings.update((name, _name(self.names.of[out])) for name, out in outs.items())
        unpacked = [
            _assign(self.target(target), _name(self.names.of[out]))
            for target, out in zip(step.targets, opaque.outs, strict=True)
            if isinstance(target, tuple)
        ]
        return [*before, *self._copied(opaque.code, meanings), *unpacked]

    def _opaque_expression(self, opaque: Opaque) -> ast.expr:
        return self._copied(opaque.code, self._meanings(opaque.ins))

    def _meanings(self, names: Iterable[tuple[str, Tree]]) -> dict[str, ast.expr]:
        return {
            name: self.spelling.ref(tree) if isinstance(tree, Ref) else self.expr(tree)
            for name, tree in names
        }

    def _copied(self, code: Any, meanings: dict[str, ast.expr]) -> Any:
        return pass_along(without_annotations(substitute(code, meanings)), self.spelling)

    # ---- expressions ----

    def expr(self, tree: Tree) -> ast.expr:
        match tree:
            case Var():
                inlined = self.nest.inlined.get(tree)
                return _name(self.names.of[tree]) if inlined is None else self.value(inlined)
            case Const():
                return self.constant(tree.value)
            case Ref():
                return self._reference(tree)
            case Display():
                return self._display(tree)
            case Slice():
                parts = [tree.lower, tree.upper, tree.step]
                return _call(_name("slice"), [self.expr(part) for part in parts])
            case Star():
                return ast.Starred(self.expr(tree.value), ast.Load())
            case Closure(node=ast.FunctionDef()):
                return _name(self.names.closures[tree])
            case Closure():
                return self._copied(tree.node, self._meanings(tree.env))
            case _:
                assert_never(tree)

    def constant(self, value: Any) -> ast.expr:
        if isinstance(value, float | complex) and not cmath.isfinite(value):
            return self._non_finite(value)
        return literal(value)

    def _non_finite(self, value: float | complex) -> ast.expr:
        if isinstance(value, complex):
            return _call(_name("complex"), [self.constant(value.real), self.constant(value.imag)])
        if math.isnan(value):
            return self.spelling.jnp("nan")
        infinity = self.spelling.jnp("inf")
        return infinity if value > 0 else ast.UnaryOp(ast.USub(), infinity)

    def _reference(self, ref: Ref) -> ast.expr:
        """Return `ref` as a value: a function that is passed captured values along takes them with it."""
        return pass_along(self.spelling.ref(ref), self.spelling)

    def _display(self, display: Display) -> ast.expr:
        items = [self.expr(item) for item in display.items]
        if display.kind is tuple:
            return ast.Tuple(items, ast.Load())
        if display.kind is list:
            return ast.List(items, ast.Load())
        if display.kind is dict:
            return ast.Dict([self._key(key) for key in display.keys or ()], items)
        assert display.spelling is not None
        constructor = self.expr(display.spelling)
        if not dataclasses.is_dataclass(display.kind) or display.keys is None:
            return _call(constructor, items)
        return _call(constructor, [], dict(zip(display.keys, items, strict=True)))

    def _key(self, key: Any) -> ast.expr:
        if isinstance(key, Var | Const | Ref | Display):
            return self.expr(key)
        if isinstance(key, tuple):
            return ast.Tuple([self._key(part) for part in key], ast.Load())
        return self.constant(key)

    def value(self, equation: Equation) -> ast.expr:
        """Return what `equation` computes, as an expression."""
        match equation:
            case Apply():
                return self._apply(equation)
            case Loop(kind=LoopKind.COMPREHENSION):
                return self.comprehension(equation)
            case Loop():
                return self.lax_loop(equation)
            case Branch(kind=BranchKind.IF | BranchKind.IFEXP):
                return self.ternary(equation)
            case Branch():
                return self.lax_branch(equation)
            case Opaque():
                return self._opaque_expression(equation)
            case _:
                assert_never(equation)

    def _apply(self, apply: Apply) -> ast.expr:
        fn, args = apply.fn, apply.args
        if has_syntax(apply):
            return self._syntax(fn.value, args)  # type: ignore[union-attr]
        keywords = [ast.keyword(name, self.expr(value)) for name, value in apply.kwargs]
        match fn:
            case Method():
                receiver, *rest = args
                callee = _attribute(self.expr(receiver), fn.name)
                return ast.Call(callee, [self.expr(arg) for arg in rest], keywords)
            case Ref():
                callee = self.spelling.ref(fn)
                extra = self.spelling.needs(callee.id) if isinstance(callee, ast.Name) else ()
                keywords += [ast.keyword(name, _name(name)) for name in extra]
                return ast.Call(callee, [self.expr(arg) for arg in args], keywords)
            case Var() | Closure():
                return ast.Call(self.expr(fn), [self.expr(arg) for arg in args], keywords)
            case _:
                assert_never(fn)

    def _syntax(self, fn: Any, args: tuple[Tree, ...]) -> ast.expr:
        """Return the operator, index or attribute that Python has for `fn`."""
        if fn is operator.getitem:
            return ast.Subscript(self.expr(args[0]), self._index(args[1]), ast.Load())
        if fn is getattr:
            assert isinstance(args[1], Const)
            return _attribute(self.expr(args[0]), args[1].value)
        operands = [self.expr(arg) for arg in args]
        if fn is operator.not_:
            return _not(operands[0])
        if fn in _UNARY:
            return ast.UnaryOp(_UNARY[fn](), operands[0])
        if fn in _BINARY:
            return ast.BinOp(operands[0], _BINARY[fn](), operands[1])
        if fn is operator.contains:
            return ast.Compare(operands[1], [ast.In()], [operands[0]])
        return ast.Compare(operands[0], [_COMPARISONS[fn]()], [operands[1]])

    def _index(self, index: Tree) -> ast.expr:
        match index:
            case Slice():
                parts = (index.lower, index.upper, index.step)
                lower, upper, step = (
                    None if part == Const(None) else self.expr(part) for part in parts
                )
                return ast.Slice(lower, upper, step)
            case Display(kind=kind, items=items) if kind is tuple and items:
                return ast.Tuple([self._index(item) for item in items], ast.Load())
            case _:
                return self.expr(index)


@dataclass(frozen=True)
class _Shape:
    """The parameters of a local function and what it returns; a `pair` for `lax.scan`."""

    first: tuple[Pattern, ...]
    second: tuple[Pattern, ...] | None
    result: Callable[[], ast.expr]
    pair: bool = False


# ---- pieces of trees ----------------------------------------------------------------------------


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def _list() -> ast.expr:
    return ast.List([], ast.Load())


def _tuple_target(items: list[ast.expr]) -> ast.expr:
    return ast.Tuple(items, ast.Store())


def _attribute(value: ast.expr, name: str) -> ast.expr:
    return ast.Attribute(value, name, ast.Load())


def _assign(target: ast.expr, value: ast.expr) -> ast.stmt:
    return ast.Assign([target], value)


def _call(
    fn: ast.expr, args: list[ast.expr], keywords: dict[str, ast.expr] | None = None
) -> ast.expr:
    named = [ast.keyword(name, value) for name, value in (keywords or {}).items()]
    return ast.Call(fn, args, named)


def definition(name: str, arguments: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    node = ast.FunctionDef(name, arguments, body, [])  # type: ignore[call-overload]
    if sys.version_info >= (3, 12):
        node.type_params = []
    return node


def _arguments(names: list[str]) -> ast.arguments:
    return ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])


def _packed(items: list[ast.expr]) -> ast.expr:
    """Return what a lax loop carries: nothing, one value, or a tuple."""
    if not items:
        return ast.Constant(None)
    return items[0] if len(items) == 1 else ast.Tuple(items, ast.Load())


def _only(result: Tree) -> Tree:
    assert isinstance(result, Display) and len(result.items) == 1
    return result.items[0]


def _like(result: Tree, items: Tree) -> Tree:
    assert isinstance(items, Display)
    return items if isinstance(result, Display) else items.items[0]


def _unreversed(iterable: Iter | None) -> tuple[bool, Iter | None]:
    """Return whether a lax loop runs backwards, and what it then goes along."""
    reverse = False
    while isinstance(iterable, Reversed):
        reverse, iterable = not reverse, iterable.part
    return reverse, iterable


def _not(test: ast.expr) -> ast.expr:
    match test:
        case ast.Compare(left=left, ops=[ast.In()], comparators=comparators):
            return ast.Compare(left, [ast.NotIn()], comparators)
        case ast.Compare(left=left, ops=[ast.Is()], comparators=comparators):
            return ast.Compare(left, [ast.IsNot()], comparators)
        case _:
            return ast.UnaryOp(ast.Not(), test)


def _negated(test: ast.expr) -> ast.expr:
    """Return what is true where `test` is not, as a condition: its value may be another than `not test`."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    return _not(test)


def literal(value: Any) -> ast.expr:
    if isinstance(value, complex):
        imaginary = ast.Constant(complex(0.0, abs(value.imag)))
        sign = math.copysign(1.0, value.imag)
        if value.real == 0 and math.copysign(1.0, value.real) > 0:
            return imaginary if sign > 0 else ast.UnaryOp(ast.USub(), imaginary)
        op = ast.Add() if sign > 0 else ast.Sub()
        return ast.BinOp(literal(value.real), op, imaginary)
    if isinstance(value, int | float) and not isinstance(value, bool) and _is_negative(value):
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def _is_negative(value: int | float) -> bool:
    return value < 0 or (isinstance(value, float) and math.copysign(1.0, value) < 0)


def has_syntax(apply: Apply) -> bool:
    """Whether `apply` is written as an operator, an index or an attribute rather than as a call."""
    if not isinstance(apply.fn, Ref) or apply.kwargs:
        return False
    fn, args = apply.fn.value, apply.args
    if any(isinstance(arg, Star) for arg in args) or type(fn).__hash__ is None:
        return False
    if fn is getattr:
        return len(args) == 2 and isinstance(args[1], Const) and _is_name(args[1].value)
    if fn is operator.getitem or fn is operator.contains:
        return len(args) == 2
    return len(args) == (1 if fn in _UNARY else 2 if fn in _BINARY or fn in _COMPARISONS else -1)


def is_number(capture: Capture) -> bool:
    """Whether `capture` reads a plain number: text can state what it is today."""
    return type(capture.read()) in (int, float, complex)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isidentifier() and not keyword.iskeyword(value)
