"""Write a nested and named function as a Python tree: parameters, statements, Python's own loops and branches.

Parentheses are the printer's business: a tree has none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from invcompiler.backend.bindings import references
from invcompiler.backend.expressions import Spelling
from invcompiler.backend.lax_calls import LaxCalls
from invcompiler.backend.names import Names
from invcompiler.backend.nest import Body, Nest, Pattern, Step
from invcompiler.backend.pieces import (
    assign,
    attribute,
    call,
    definition,
    empty_list,
    is_number,
    like,
    literal,
    name_of,
    negated_test,
    only,
    store,
    tuple_target,
)
from invcompiler.backend.structure import shortcut
from invcompiler.ir.nodes import (
    Apply,
    Branch,
    BranchKind,
    Capture,
    Closure,
    Display,
    Each,
    Enumerate,
    Equation,
    Function,
    Iter,
    Loop,
    LoopKind,
    Opaque,
    Param,
    ParameterKind,
    Range,
    Reversed,
    Span,
    Tree,
    Var,
    Zip,
)
from invcompiler.ir.walk import free_vars


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


class _Writer(LaxCalls):
    def __init__(self, nest: Nest, names: Names, spelling: Spelling):
        super().__init__(nest, names, spelling)
        self.spans: dict[ast.stmt, tuple[Span, ...]] = {}
        self.defined: set[Closure] = set()

    # ---- functions ----

    def docstring(self, doc: str | None) -> list[ast.stmt]:
        return [ast.Expr(ast.Constant(doc))] if doc else []

    def captured_defaults(self, function: Function) -> list[ast.stmt]:
        """Return statements that give parameters their defaults, where these are values that only the function's body sees."""
        captured = dict(function.captures)
        used = frozenset(free_vars(replace(function.body, params=())))
        return [
            ast.If(
                ast.Compare(name_of(self.names.of[param.var]), [ast.Is()], [ast.Constant(None)]),
                [assign(store(self.names.of[param.var]), self.expr(param.default))],
                [],
            )
            for param in function.params
            if param.var in used
            and param.default is not None
            and self._is_inner(param.default, captured)
        ]

    def _is_inner(self, default: Tree, captured: Mapping[Var, Capture]) -> bool:
        """Whether a default is not there yet when the function is defined: a captured array, a function below it."""
        if isinstance(default, Var):
            return not is_number(captured[default])
        return any(map(self.spelling.is_inner, references(default)))

    def _default(self, param: Param, captured: Mapping[Var, Capture]) -> ast.expr | None:
        """Return what stands behind the `=` of a parameter: for what is not there yet, a stand-in."""
        default = param.default
        if default is None:
            return None
        if self._is_inner(default, captured):
            return literal(None)
        if isinstance(default, Var):
            return literal(captured[default].read())
        return self.expr(default)

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
                statements = self.steps(body.steps[:-1]) + self.definitions(last.closures)
                new = self.with_definitions(lambda: [ast.Return(self.value(call))])
                return statements + [self._marked(statement, call) for statement in new]
        statements = self.steps(body.steps) + self.definitions(body.result_closures)
        return statements + self.with_definitions(lambda: [self._return(result)])

    def _returning_branch(self, body: Body, result: Tree) -> list[ast.stmt] | None:
        """Return `if p: return a` and what follows it, where all that a last branch yields is returned."""
        branch = body.steps[-1].value if body.steps else None
        if not isinstance(branch, Branch) or branch not in self.nest.returning:
            return None
        bodies = self.nest.bodies[branch]
        closures = self.definitions(body.steps[-1].closures)
        test = self.expr(branch.predicate)
        yes, no = (self._returning(inner, like(result, inner.result)) for inner in bodies)
        return [*closures, self._marked(ast.If(test, yes, []), branch), *no]

    def _return(self, result: Tree) -> ast.stmt:
        statement = ast.Return(self.expr(result))
        self.spans[statement] = tuple(dict.fromkeys(self._tree_spans(result)))
        return statement

    # ---- statements ----

    def steps(self, steps: Iterable[Step]) -> list[ast.stmt]:
        return [statement for step in steps for statement in self._step(step)]

    def _step(self, step: Step) -> list[ast.stmt]:
        statements = self.definitions(step.closures)
        return statements + self.with_definitions(lambda: self._statement(step))

    def _statement(self, step: Step) -> list[ast.stmt]:
        value = step.value
        match value:
            case Var():
                return [assign(self.target(step.targets[0]), self.expr(value))]
            case Apply():
                new = [assign(self.target(step.targets[0]), self.value(value))]
            case Loop(kind=LoopKind.FOR):
                new = self._for(value)
            case Loop(kind=LoopKind.COMPREHENSION):
                new = self._comprehension(step, value)
            case Loop():
                new = self.lax_loop_statements(step, value)
            case Branch(kind=BranchKind.IF | BranchKind.IFEXP):
                new = self._if(step, value)
            case Branch():
                new = self.lax_branch_statements(step, value)
            case Opaque():
                new = self._opaque(step, value)
            case _:
                assert_never(value)
        return [self._marked(statement, value) for statement in new]

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

    def definitions(self, closures: Iterable[Closure]) -> list[ast.stmt]:
        """Return the `def`s of the user's local functions that are needed now for the first time."""
        statements: list[ast.stmt] = []
        for closure in closures:
            if isinstance(closure.node, ast.FunctionDef) and closure not in self.defined:
                self.defined.add(closure)
                meanings = self.meanings(closure.env)
                meanings[closure.node.name] = name_of(self.names.closures[closure])
                statements.append(self.copied(closure.node, meanings))
        return statements

    def target(self, pattern: Pattern) -> ast.expr:
        match pattern:
            case None:
                return store("_")
            case Var():
                return store(self.names.of[pattern])
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
            targets = ast.Tuple([store(name) for name, _ in wanted], ast.Store())
            return [assign(targets, ast.Tuple([self.expr(v) for _, v in wanted], ast.Load()))]
        return [assign(store(name), self.expr(value)) for name, value in wanted]

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
        lists = [assign(store(self.names.of[out]), empty_list()) for out in loop.outs[carried:]]
        assert loop.iterable is not None
        target = self._item_target(loop.iterable, list(body.patterns[carried:]))
        inner = self.steps(body.steps) + self.definitions(body.result_closures)
        assert isinstance(body.result, Display)
        results = body.result.items
        inner += self.with_definitions(lambda: self._appends(loop, body))
        inner += self.with_definitions(lambda: self._copies(names, results[:carried]))
        statement = ast.For(target, self.iterated(loop.iterable), inner or [ast.Pass()], [])
        return [*starts, *lists, statement]

    def _appends(self, loop: Loop, body: Body) -> list[ast.stmt]:
        assert isinstance(body.result, Display)
        carried = len(loop.init)
        collected = zip(loop.outs[carried:], body.result.items[carried:], strict=True)
        return [
            ast.Expr(call(attribute(name_of(self.names.of[out]), "append"), [self.expr(item)]))
            for out, item in collected
        ]

    def _comprehension(self, step: Step, loop: Loop) -> list[ast.stmt]:
        (body,) = self.nest.bodies[loop]
        if loop.init or body.steps or len(loop.outs) != 1:
            return self._for(loop)
        return [assign(self.target(step.targets[0]), self.comprehension(loop))]

    def comprehension(self, loop: Loop) -> ast.expr:
        (body,) = self.nest.bodies[loop]
        assert loop.iterable is not None
        target = self._item_target(loop.iterable, list(body.patterns))
        element = self.expr(only(body.result))
        generator = ast.comprehension(target, self.iterated(loop.iterable), [], 0)
        return ast.ListComp(element, [generator])

    def _item_target(self, iterable: Iter, patterns: list[Pattern]) -> ast.expr:
        """Return what stands between `for` and `in`; takes its leaves from the front of `patterns`."""
        match iterable:
            case Range() | Each():
                return self.target(patterns.pop(0))
            case Enumerate():
                counter = self.target(patterns.pop(0))
                return tuple_target([counter, self._item_target(iterable.part, patterns)])
            case Zip():
                return tuple_target([self._item_target(p, patterns) for p in iterable.parts])
            case Reversed():
                return self._item_target(iterable.part, patterns)
            case _:
                assert_never(iterable)

    # ---- Python branches ----

    def _if(self, step: Step, branch: Branch) -> list[ast.stmt]:
        bodies = self.nest.bodies[branch]
        if len(branch.outs) == 1 and all(body.is_expression for body in bodies):
            return [assign(self.target(step.targets[0]), self.ternary(branch))]
        names = [self.names.of[out] for out in branch.outs]
        yes, no = (self._branch(body, names) for body in bodies)
        test = self.expr(branch.predicate)
        unpacked = [
            assign(self.target(target), name_of(self.names.of[out]))
            for target, out in zip(step.targets, branch.outs, strict=True)
            if isinstance(target, tuple)
        ]
        if not yes and not no:
            return unpacked
        if not yes:
            return [ast.If(negated_test(test), no, []), *unpacked]
        return [ast.If(test, yes, no), *unpacked]

    def _branch(self, body: Body, names: list[str]) -> list[ast.stmt]:
        assert isinstance(body.result, Display)
        statements = self.steps(body.steps) + self.definitions(body.result_closures)
        results = body.result.items
        return statements + self.with_definitions(lambda: self._copies(names, results))

    def ternary(self, branch: Branch) -> ast.expr:
        yes, no = (only(body.result) for body in self.nest.bodies[branch])
        predicate = self.expr(branch.predicate)
        operator_ = shortcut(branch)
        if operator_ is not None:
            other = self.expr(yes if operator_ is ast.And else no)
            return ast.BoolOp(operator_(), [predicate, other])
        return ast.IfExp(predicate, self.expr(yes), self.expr(no))

    # ---- what is copied ----

    def _opaque(self, step: Step, opaque: Opaque) -> list[ast.stmt]:
        if not isinstance(opaque.code, list):
            return [assign(self.target(step.targets[0]), self.opaque_expression(opaque))]
        outs = dict(zip(opaque.bound, opaque.outs, strict=True))
        starts = [(n, tree) for n, tree in opaque.ins if n in outs]
        names = [self.names.of[outs[name]] for name, _ in starts]
        before = self._copies(names, [tree for _, tree in starts])
        meanings = self.meanings(opaque.ins)
        meanings.update((n, name_of(m)) for n, m in self.names.temporaries[opaque].items())
        meanings.update((name, name_of(self.names.of[out])) for name, out in outs.items())
        unpacked = [
            assign(self.target(target), name_of(self.names.of[out]))
            for target, out in zip(step.targets, opaque.outs, strict=True)
            if isinstance(target, tuple)
        ]
        return [*before, *self.copied(opaque.code, meanings), *unpacked]
