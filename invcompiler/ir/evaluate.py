"""Running the IR: what a function means, said by doing it.

`evaluate` interprets a function on values or on JAX tracers, so it is the oracle that the frontend is tested
against (`evaluate(read(f), args) == f(*args)`), and, under `jax.eval_shape`, the abstract run that tells the scheduler shapes.
"""

from __future__ import annotations
import __future__

import ast
import copy
import inspect
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import jax
import jax.numpy as jnp
from jax import lax

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
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
    Range,
    Ref,
    Reversed,
    Slice,
    Star,
    Tree,
    Var,
    Zip,
)

Observer = Callable[[Var, Any], None]


def evaluate(
    function: Function,
    args: tuple = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    captures: Mapping[Var, Any] | None = None,
    observe: Observer | None = None,
) -> Any:
    """Return `function(*args, **kwargs)`.

    Captures are read anew unless `captures` gives their value; it also gives the values of the free vars of a
    function that was read from a closure. `observe(var, value)` is called for all that is bound: each time round for the
    vars of a Python loop, with tracers for those of a lax loop, and not for the vars of callees.
    """
    given = {**(captures or {}), **bind_arguments(function, args, kwargs or {})}
    return run(function, given, observe)


def run(function: Function, given: Mapping[Var, Any], observe: Observer | None = None) -> Any:
    """Return the function's result; captures and parameters that `given` lacks are read and take their defaults."""
    running = _Run(dict(given), observe)
    for var, capture in function.captures:
        running.bind(var, given[var] if var in given else capture.read())
    for param in function.params:
        if param.var not in given and param.default is None:
            raise TypeError(f"{function.name}() needs a value for {param.var!r}")
        running.bind(param.var, running.param(param))
    return running.result(function.body)


def bind_arguments(function: Function, args: tuple, kwargs: Mapping[str, Any]) -> dict[Var, Any]:
    """Return the value of each parameter that the call gives one; raises TypeError like a call."""
    names = _parameter_names(function)
    signature = inspect.Signature(
        [
            inspect.Parameter(name, param.kind, default=param.default or inspect.Parameter.empty)
            for name, param in zip(names, function.params, strict=True)
        ]
    )
    bound = signature.bind(*args, **kwargs).arguments
    empty: dict[Any, Any] = {
        inspect.Parameter.VAR_POSITIONAL: (),
        inspect.Parameter.VAR_KEYWORD: {},
    }
    given = {}
    for name, param in zip(names, function.params, strict=True):
        if name in bound:
            given[param.var] = bound[name]
        elif param.kind in empty:
            given[param.var] = empty[param.kind]
    return given


def _parameter_names(function: Function) -> list[str]:
    names: list[str] = []
    for i, param in enumerate(function.params):
        wish = param.var.name
        names.append(wish if wish and wish not in names else f"_{i}")
    return names


@dataclass
class _Run:
    values: dict[Var, Any]
    observe: Observer | None

    def bind(self, var: Var, value: Any) -> None:
        self.values[var] = value
        if self.observe is not None:
            self.observe(var, value)

    def bind_all(self, outs: tuple[Var, ...], values: Any) -> None:
        for var, value in zip(outs, values, strict=True):
            self.bind(var, value)

    def param(self, param: Param) -> Any:
        if param.var in self.values or param.default is None:
            return self.values[param.var]
        return self.tree(param.default)

    def block(self, block: Block, arguments: tuple = ()) -> Any:
        self.bind_all(block.params, arguments)
        return self.result(block)

    def result(self, block: Block) -> Any:
        for equation in block.equations:
            self.equation(equation)
        return self.tree(block.result)

    # ---- trees ----------------------------------------------------------------------------------

    def tree(self, tree: Tree) -> Any:
        match tree:
            case Var():
                return self.var(tree)
            case Const():
                return tree.value
            case Ref():
                return _callable(tree.value) if isinstance(tree.value, Function) else tree.value
            case Display():
                return self.display(tree)
            case Slice():
                return slice(self.tree(tree.lower), self.tree(tree.upper), self.tree(tree.step))
            case Closure():
                return self.closure(tree)
            case Star():
                raise TypeError("a starred value stands only in a call or a display")
            case _:
                assert_never(tree)

    def var(self, var: Var) -> Any:
        if var not in self.values:
            raise UnboundLocalError(f"`{var.name or var!r}` has no value here")
        return self.values[var]

    def items(self, trees: tuple[Tree, ...]) -> Iterator[Any]:
        for tree in trees:
            if isinstance(tree, Star):
                yield from self.tree(tree.value)
            else:
                yield self.tree(tree)

    def display(self, display: Display) -> Any:
        if display.keys is None:
            return display.kind(self.items(display.items))
        if display.kind is not dict:
            named = zip(display.keys, map(self.tree, display.items), strict=True)
            return display.kind(**dict(named))
        result: dict = {}
        for key, item in zip(display.keys, display.items, strict=True):
            if isinstance(item, Star):
                result.update(self.tree(item.value))
            else:
                result[key] = self.tree(item)
        return result

    def closure(self, closure: Closure) -> Callable:
        names = [name for name, _ in closure.env]
        make = compile(_maker(closure, names), closure.span.file, "exec", _FLAGS, True)
        namespace: dict[str, Any] = {}
        exec(make, namespace)
        made = namespace["_make"](*(self.tree(tree) for _, tree in closure.env))
        # it has no file to be read from: whoever reads it finds its tree, and where that stands
        made.__syntax__ = (made.__code__, closure.node, closure.span)
        return made

    # ---- equations ------------------------------------------------------------------------------

    def equation(self, equation: Equation) -> None:
        match equation:
            case Apply():
                self.bind(equation.out, self.apply(equation))
            case Loop():
                self.bind_all(equation.outs, self.loop(equation))
            case Branch():
                self.bind_all(equation.outs, self.branch(equation))
            case Opaque():
                self.opaque(equation)
            case _:
                assert_never(equation)

    def apply(self, equation: Apply) -> Any:
        if equation.arity is not None:
            return self.unpack(equation)
        args = list(self.items(equation.args))
        kwargs: dict[str, Any] = {}
        for name, tree in equation.kwargs:
            kwargs.update({name: self.tree(tree)} if name is not None else self.tree(tree))
        match equation.fn:
            case Method(name=name):
                return getattr(args[0], name)(*args[1:], **kwargs)
            case Ref(value=Function() as function):
                return evaluate(function, tuple(args), kwargs)
            case fn:
                return self.tree(fn)(*args, **kwargs)

    def unpack(self, equation: Apply) -> Any:
        source, index = equation.args
        value = self.tree(source)
        if isinstance(value, Iterator) and isinstance(source, Var):
            value = self.values[source] = list(value)  # later items are asked for one by one
        items = list(value)
        if len(items) != equation.arity:
            raise ValueError(f"expected {equation.arity} values to unpack, got {len(items)}")
        return operator.getitem(items, self.tree(index))

    def opaque(self, equation: Opaque) -> None:
        namespace = {name: self.tree(tree) for name, tree in equation.ins}
        file = equation.span.file if equation.span else "<opaque>"
        code = copy.deepcopy(equation.code)
        if isinstance(code, ast.expr):
            expression = ast.fix_missing_locations(ast.Expression(code))
            result = eval(compile(expression, file, "eval", _FLAGS, True), namespace)
            self.bind_all(equation.outs, (result,))
            return
        module = ast.fix_missing_locations(ast.Module(code, []))
        exec(compile(module, file, "exec", _FLAGS, True), namespace)
        for name, var in zip(equation.bound, equation.outs, strict=True):
            if name in namespace:
                self.bind(var, namespace[name])

    # ---- branches -------------------------------------------------------------------------------

    def branch(self, branch: Branch) -> Any:
        predicate = self.tree(branch.predicate)
        match branch.kind:
            case BranchKind.IF | BranchKind.IFEXP:
                return self.block(branch.blocks[0 if predicate else 1])
            case BranchKind.COND:
                return lax.cond(predicate, *map(self.thunk, branch.blocks))
            case BranchKind.SWITCH:
                return lax.switch(predicate, [self.thunk(block) for block in branch.blocks])
            case _:
                assert_never(branch.kind)

    def thunk(self, block: Block) -> Callable[[], Any]:
        return lambda: self.block(block)

    # ---- loops ----------------------------------------------------------------------------------

    def loop(self, loop: Loop) -> tuple:
        init = tuple(self.tree(tree) for tree in loop.init)
        options = {name: self.tree(tree) for name, tree in loop.options}
        match loop.kind:
            case LoopKind.FOR | LoopKind.COMPREHENSION:
                return self.python_loop(loop, init)
            case LoopKind.SCAN:
                return self.scan(loop, init, options)
            case LoopKind.FORI:
                return self.fori(loop, init, options)
            case LoopKind.MAP:
                xs = self.stacked(loop.iterable)
                return lax.map(lambda x: self.block(loop.body, tuple(x)), tuple(xs), **options)
            case _:
                assert_never(loop.kind)

    def python_loop(self, loop: Loop, init: tuple) -> tuple:
        assert loop.iterable is not None
        carry: tuple = init
        collected: list[list] = [[] for _ in loop.outs[len(init) :]]
        for item in self.iterate(loop.iterable):
            result = self.block(loop.body, (*carry, *item))
            carry = result[: len(init)]
            for values, value in zip(collected, result[len(init) :], strict=True):
                values.append(value)
        return (*carry, *collected)

    def scan(self, loop: Loop, init: tuple, options: dict) -> tuple:
        iterable = loop.iterable
        if isinstance(iterable, Reversed):
            iterable, options = iterable.part, {**options, "reverse": True}
        xs = None if iterable is None else tuple(self.stacked(iterable))

        def step(carry: tuple, x: tuple | None) -> tuple[tuple, tuple]:
            result = self.block(loop.body, (*carry, *(x or ())))
            return result[: len(init)], result[len(init) :]

        carry, collected = lax.scan(step, init, xs, **options)
        return (*carry, *collected)

    def fori(self, loop: Loop, init: tuple, options: dict) -> tuple:
        assert isinstance(loop.iterable, Range)
        start, stop = self.tree(loop.iterable.start), self.tree(loop.iterable.stop)
        step = lambda i, carry: self.block(loop.body, (*carry, i))
        return lax.fori_loop(start, stop, step, init, **options)

    def iterate(self, iterable: Iter) -> Iterator[tuple]:
        """Yield the values of the item vars, step by step."""
        match iterable:
            case Range():
                bounds = (iterable.start, iterable.stop, iterable.step)
                return ((i,) for i in range(*map(self.tree, bounds)))
            case Each():
                value = self.tree(iterable.value)
                items = getattr(value, iterable.view)() if iterable.view else value
                return ((item,) for item in items)
            case Zip():
                parts = zip(*map(self.iterate, iterable.parts), strict=iterable.strict)
                return (sum(items, ()) for items in parts)
            case Enumerate():
                start = self.tree(iterable.start)
                return ((i, *item) for i, item in enumerate(self.iterate(iterable.part), start))
            case Reversed():
                return reversed(list(self.iterate(iterable.part)))
            case _:
                assert_never(iterable)

    def stacked(self, iterable: Iter | None) -> Iterator[Any]:
        """Yield, for each item var of a lax loop, the pytree whose leading axes it walks."""
        match iterable:
            case Range():
                bounds = (iterable.start, iterable.stop, iterable.step)
                yield jnp.arange(*map(self.tree, bounds))
            case Each():
                yield self.tree(iterable.value)
            case Zip():
                for part in iterable.parts:
                    yield from self.stacked(part)
            case Enumerate():
                parts = list(self.stacked(iterable.part))
                start = self.tree(iterable.start)
                yield jnp.arange(start, start + len(jax.tree.leaves(parts)[0]))
                yield from parts
            case Reversed():
                for part in self.stacked(iterable.part):
                    yield jax.tree.map(lambda leaf: leaf[::-1], part)
            case None:
                return
            case _:
                assert_never(iterable)


# Annotations of a copied function are not evaluated: its environment need not name what they do.
_FLAGS = __future__.annotations.compiler_flag


def _callable(function: Function) -> Callable:
    return lambda *args, **kwargs: evaluate(function, args, kwargs)


def _maker(closure: Closure, names: list[str]) -> ast.Module:
    """Return the text of `def _make(<names>): return <the function>`."""
    node = copy.deepcopy(closure.node)
    if isinstance(node, ast.Lambda):
        body: list[ast.stmt] = [ast.Return(node)]
    else:
        body = [node, ast.Return(ast.Name(node.name, ast.Load()))]
    make = ast.parse(f"def _make({', '.join(names)}): pass")
    make.body[0].body = body  # type: ignore[attr-defined]
    return ast.fix_missing_locations(make)


__all__ = ["bind_arguments", "evaluate", "run"]
