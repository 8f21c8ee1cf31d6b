"""What has no rule is differentiated by JAX: calls of `jax.vjp` and `jax.jvp` in the emitted code.

    y = jnp.cumprod(x)        forward           back
                              y = ...           _, cumprod_vjp = jax.vjp(jnp.cumprod, x)
                                                (x_bar,) = cumprod_vjp(y_bar)

Functions of jax's own are cheap, or linear, and what XLA needs of them twice it computes once: their pullback is made
where it is used, and only `x` is kept. What somebody else wrote may be expensive: it is run once, in the forward pass, and
its pullback kept.
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax

from invcompiler.errors import UnsupportedSyntaxError
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Closure,
    Const,
    Display,
    Equation,
    Function,
    Method,
    Opaque,
    Param,
    ParameterKind,
    Ref,
    Slice,
    Span,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import free_vars, leaves, operands
from invcompiler.passes.adjoint import Pullback, Walk
from invcompiler.passes.containers import GETITEM
from invcompiler.passes.cotangents import ZERO, Cotangents
from invcompiler.passes.emission import Emission, LeftToJax, reference
from invcompiler.passes.fresh import fresh_block

_NOWHERE = Span("<derivative>", 1, 0, 1, 0)
_CHEAP = ("jax", "jaxlib", "numpy", "operator", "_operator", "builtins", "math")


@dataclass(frozen=True)
class Differentiable:
    """A function of the vars that a call varies with: `fn(*variables)` is the call's value."""

    fn: Ref | Closure
    variables: tuple[Var, ...]
    name: str


def vjp_of_call(walk: Walk, equation: Apply) -> Pullback:
    _refuse_while_loop(equation)
    part = differentiable(walk.definitions, walk.active, walk.forward, equation)
    label = f"{part.name}_vjp"
    if walk.recompute or is_cheap(equation):
        walk.forward.keep(equation)
        return lambda cots: _pull(cots, _vjp(cots.emit, part, label)[1], part, equation.out)
    value, pull = _vjp(walk.forward, part, label)
    walk.forward.keep(Apply(equation.out, GETITEM, (value, Const(0)), (), equation.span, 2))
    return lambda cots: _pull(cots, pull, part, equation.out)


def _refuse_while_loop(equation: Apply) -> None:
    if isinstance(equation.fn, Ref) and equation.fn.value is jax.lax.while_loop:
        raise UnsupportedSyntaxError(
            "the number of steps of `lax.while_loop` is known at run time only, "
            "so that its steps cannot be kept for the way back",
            span=equation.span,
            hint="use `lax.fori_loop` or `lax.scan` with a static number of steps, or state the "
            "derivative of what the loop solves: `jax.custom_vjp`, `inv.implicit_inverse`",
        )


def _vjp(emit: Emission, part: Differentiable, label: str) -> tuple[Tree, Tree]:
    """Return the pair that `jax.vjp` returns, and its second item."""
    pair = emit.apply(reference(jax.vjp), (part.fn, *part.variables))
    return pair, emit.apply(GETITEM, (pair, Const(1)), name=label, arity=2)


def _pull(cots: Cotangents, pull: Tree, part: Differentiable, out: Var) -> None:
    bar = cots.take(out)
    if bar == ZERO:
        return
    assert isinstance(pull, Var)
    bars = cots.emit.apply(pull, (cots.whole(bar, out),))
    items = cots.emit.items(bars, len(part.variables))
    for var, item in zip(part.variables, items, strict=True):
        cots.give(var, item)


@dataclass(frozen=True)
class Copied:
    """Copied statements as a function of what varies: `fn(*values)` is `results`, or `(results, others)` if there are any.

    `results` are the outs with a derivative, `others` those without one, such as a key or a counter, that are read later on.
    """

    fn: Closure
    inputs: tuple[Tree, ...]
    results: tuple[Var, ...]
    others: tuple[Var, ...]

    @property
    def keywords(self) -> tuple[tuple[str, Tree], ...]:
        return (("has_aux", Const(True)),) if self.others else ()

    @property
    def parts(self) -> int:
        """The number of items that `jax.jvp` and `jax.vjp` return."""
        return 3 if self.others else 2

    def bind(self, emit: Emission, pair: Tree, span: Span | None) -> None:
        """Bind the outs to what they are in `pair`, the value of `jax.jvp` or `jax.vjp`."""
        self._bind(emit, self.results, pair, 0, span)
        if self.others:
            self._bind(emit, self.others, pair, 2, span)

    def _bind(
        self, emit: Emission, outs: tuple[Var, ...], pair: Tree, at: int, span: Span | None
    ) -> None:
        if len(outs) == 1:
            emit.keep(Apply(outs[0], GETITEM, (pair, Const(at)), (), span, self.parts))
            return
        values = emit.apply(GETITEM, (pair, Const(at)), arity=self.parts)
        for number, out in enumerate(outs):
            emit.keep(Apply(out, GETITEM, (values, Const(number)), (), span, len(outs)))


def copied(equation: Opaque, active: Callable[[Var], bool], read: Callable[[Var], bool]) -> Copied:
    """Return copied statements as a function of those of their inputs that are `active`, for the outs that are `read`."""
    chosen = [(name, tree) for name, tree in equation.ins if any(map(active, leaves(tree)))]
    results = tuple(out for out in equation.outs if active(out) and read(out))
    others = tuple(out for out in equation.outs if not active(out) and read(out))
    fn = _as_function(equation, tuple(name for name, _ in chosen), results, others)
    return Copied(fn, tuple(tree for _, tree in chosen), results, others)


def vjp_of_opaque(walk: Walk, equation: Opaque) -> Pullback:
    """Return the pullback of copied statements: they become a function, and `jax.vjp` differentiates that."""
    part = copied(equation, walk.active, walk.read.__contains__)
    emit = walk.forward
    pair = emit.apply(reference(jax.vjp), (part.fn, *part.inputs), part.keywords)
    part.bind(emit, pair, equation.span)
    pull = emit.apply(GETITEM, (pair, Const(1)), name="step_vjp", arity=part.parts)

    def pullback(cots: Cotangents) -> None:
        taken = [cots.take(out) for out in part.results]
        if all(bar == ZERO for bar in taken):
            return
        whole = [cots.whole(b, out) for b, out in zip(taken, part.results, strict=True)]
        bar = whole[0] if len(whole) == 1 else Display(tuple, tuple(whole))
        assert isinstance(pull, Var)
        items = cots.emit.items(cots.emit.apply(pull, (bar,)), len(part.inputs))
        for tree, item in zip(part.inputs, items, strict=True):
            cots.give(tree, item)

    return pullback


def _as_function(
    equation: Opaque, names: tuple[str, ...], results: tuple[Var, ...], others: tuple[Var, ...]
) -> Closure:
    """Return copied statements as a function of those of their inputs that are called `names`.

    Another input that the statements bind anew, such as a counter, is what its parameter starts with.
    """
    rest = tuple((name, tree) for name, tree in equation.ins if name not in names)
    starts = {name: f"{name}_before" for name, _ in rest if name in equation.bound}
    arguments = ast.arguments(
        [],
        [ast.arg(name) for name in (*names, *starts)],
        None,
        [],
        [],
        None,
        [ast.Name(start, ast.Load()) for start in starts.values()],
    )
    code = equation.code
    node: ast.Lambda | ast.FunctionDef
    if isinstance(code, ast.expr):
        node = ast.Lambda(arguments, code)
    else:
        called = dict(zip(equation.outs, equation.bound, strict=True))
        value = _returned([called[out] for out in results])
        if others:
            value = ast.Tuple([value, _returned([called[out] for out in others])], ast.Load())
        node = ast.parse("def step(): pass").body[0]  # type: ignore[assignment]
        node.args, node.body = arguments, [*code, ast.Return(value)]  # type: ignore[union-attr]
    ast.fix_missing_locations(node)
    env = tuple((starts.get(name, name), tree) for name, tree in rest)

    def lower() -> Function:
        given = {name: Var(name) for name in (*names, *starts)}
        ins = tuple((name, given.get(name, tree)) for name, tree in equation.ins)
        made = {out: Var(out.name) for out in equation.outs}
        copy = Opaque(tuple(made.values()), equation.bound, ins, code, equation.what, equation.span)
        result = _result([made[out] for out in results])
        if others:
            result = Display(tuple, (result, _result([made[out] for out in others])))
        function = _function(tuple(given.values()), (copy,), result)
        defaults = dict(rest)
        params = tuple(replace(p, default=defaults.get(p.var.name)) for p in function.params)
        return replace(function, params=params)

    return Closure(node, env, equation.span or _NOWHERE, lower, "step")


def _returned(names: list[str]) -> ast.expr:
    loads: list[ast.expr] = [ast.Name(name, ast.Load()) for name in names]
    return loads[0] if len(loads) == 1 else ast.Tuple(loads, ast.Load())


def _result(outs: list[Var]) -> Tree:
    return outs[0] if len(outs) == 1 else Display(tuple, tuple(outs))


def is_cheap(equation: Apply) -> bool:
    """Whether a call is of a function of jax's own, so that it may stand twice in the code."""
    fn = equation.fn
    if isinstance(fn, Method):
        return True
    if not isinstance(fn, Ref) or any(isinstance(arg, Closure) for arg in equation.args):
        return False
    if fn.value in (jax.vjp, jax.linearize):
        return False  # what it returns is one object, whose cotangent is of the same object
    if isinstance(fn.value, jax.custom_jvp | jax.custom_vjp) and not _is_jax(fn.value):
        return False
    return _is_jax(fn.value)


def _is_jax(fn: Any) -> bool:
    module = getattr(fn, "__module__", None) or type(fn).__module__
    return str(module).split(".")[0] in _CHEAP


# ---- calls as functions ---------------------------------------------------------------------------


def differentiable(
    definitions: dict[Var, Equation], active: Any, emit: Emission, equation: Apply
) -> Differentiable:
    """Return `equation` as a function of the vars that it varies with.

    Vars that hold functions (`g = jax.vmap(h)`) are not differentiated by: what makes them goes into the function.
    """

    def is_function(var: Var) -> bool:
        return emit.is_function(var) and _is_expression(definitions.get(var))

    chain: dict[Var, Apply | Opaque] = {}

    def collect(part: Apply | Opaque) -> None:
        for var in operands(part):
            if active(var) and is_function(var) and var not in chain:
                definition = definitions[var]
                assert isinstance(definition, Apply | Opaque)
                collect(definition)
                chain[var] = definition

    collect(equation)
    parts = (*chain.values(), equation)
    reads = dict.fromkeys(var for part in parts for var in operands(part))
    variables = tuple(var for var in reads if active(var) and var not in chain)
    if any(map(emit.is_function, variables)):
        raise LeftToJax(
            "a function, or an object that holds one, has no derivative of its own here",
            span=equation.span,
            hint="let the arrays go in by themselves, and put them together with the function where it is called "
            "(`eqx.combine(arrays, static)`, `nnx.merge(graph, state)`)",
        )
    name = _name_of(equation)
    fn = equation.fn
    if isinstance(fn, Ref) and equation.args == variables and not equation.kwargs and not chain:
        if equation.arity is None and fn.value is not getattr:
            return Differentiable(fn, variables, name)
    return Differentiable(_closure(chain, equation, variables), variables, name)


def _is_expression(equation: Equation | None) -> bool:
    if isinstance(equation, Opaque):
        return isinstance(equation.code, ast.expr)
    return isinstance(equation, Apply)


def _name_of(equation: Apply) -> str:
    match equation.fn:
        case Ref(spelling=spelling):
            name = spelling.split(".")[-1]
        case Method(name=name):
            pass
        case _:
            name = equation.out.name or "f"
    return name if name.isidentifier() else "f"


def _function(params: tuple[Var, ...], equations: tuple[Equation, ...], result: Tree) -> Function:
    kinds = tuple(Param(var, ParameterKind.POSITIONAL_OR_KEYWORD) for var in params)
    return Function("<lambda>", kinds, Block(params, equations, result))


def _closure(
    chain: dict[Var, Apply | Opaque], equation: Apply, variables: tuple[Var, ...]
) -> Closure:
    writer = _Writer(chain)
    for var in variables:
        writer.parameter(var)
    body = writer.apply(equation)
    arguments = ast.arguments(
        [], [ast.arg(writer.names[var]) for var in variables], None, [], [], None, []
    )
    node = ast.fix_missing_locations(ast.Lambda(arguments, body))

    def lower() -> Function:
        block = Block(variables, (*chain.values(), equation), equation.out)
        copy = fresh_block(block, {})
        return _function(copy.params, copy.equations, copy.result)

    return Closure(node, tuple(writer.env.items()), equation.span or _NOWHERE, lower)


_BINARY = {
    operator.add: ast.Add,
    operator.sub: ast.Sub,
    operator.mul: ast.Mult,
    operator.truediv: ast.Div,
    operator.matmul: ast.MatMult,
    operator.pow: ast.Pow,
    operator.mod: ast.Mod,
    operator.floordiv: ast.FloorDiv,
}


@dataclass(eq=False)
class _Writer:
    """Writes trees as `ast` expressions whose free names are in `env`."""

    chain: dict[Var, Apply | Opaque]
    names: dict[Var, str] = field(default_factory=dict)
    env: dict[str, Tree] = field(default_factory=dict)

    def parameter(self, var: Var) -> None:
        self.names[var] = self._unused(var.name or "x")

    def _unused(self, wish: str) -> str:
        taken = {*self.names.values(), *self.env}
        name, number = wish, 1
        while name in taken:
            name, number = f"{wish}_{number}", number + 1
        return name

    def free(self, tree: Tree, wish: str) -> ast.expr:
        for name, known in self.env.items():
            if known is tree or (isinstance(tree, Ref) and known == tree):
                return ast.Name(name, ast.Load())
        name = self._unused(wish if wish.isidentifier() else "x")
        self.env[name] = tree
        return ast.Name(name, ast.Load())

    def tree(self, tree: Tree) -> ast.expr:
        match tree:
            case Var() if tree in self.names:
                return ast.Name(self.names[tree], ast.Load())
            case Var() if tree in self.chain:
                definition = self.chain[tree]
                if isinstance(definition, Opaque):
                    return self.opaque(definition)
                return self.apply(definition)
            case Var():
                return self.free(tree, tree.name or "x")
            case Const(value=float() | int() | str() | None | bool()):
                return _constant(tree.value)
            case Const():
                return ast.Constant(tree.value)
            case Ref():
                return self.free(tree, tree.spelling.split(".")[-1])
            case Display(kind=kind) if kind in (tuple, list):
                items = [self.tree(item) for item in tree.items]
                return (ast.Tuple if kind is tuple else ast.List)(items, ast.Load())
            case Display(kind=kind, keys=keys) if kind is dict:
                items = [self.tree(item) for item in tree.items]
                return ast.Dict([_constant(key) for key in keys or ()], items)
            case Display():
                assert tree.spelling is not None
                items = [self.tree(item) for item in tree.items]
                named = [ast.keyword(k, v) for k, v in zip(tree.keys or (), items, strict=True)]
                return ast.Call(self.tree(tree.spelling), [], named)
            case Slice():
                parts = (self.tree(part) for part in (tree.lower, tree.upper, tree.step))
                return ast.Slice(*(None if _is_none(part) else part for part in parts))
            case Star():
                return ast.Starred(self.tree(tree.value), ast.Load())
            case Closure():
                return self.closure(tree)

    def closure(self, closure: Closure) -> ast.expr:
        """Write a function that closes over vars which are parameters here: `(lambda w: <it>)(w)`."""
        if not any(var in self.names or var in self.chain for var in leaves(closure)):
            return self.free(closure, closure.name or "f")
        arguments = ast.arguments([], [ast.arg(n) for n, _ in closure.env], None, [], [], None, [])
        if not isinstance(closure.node, ast.Lambda):
            return self._lifted(closure)
        if all(self._stands(name, tree) for name, tree in closure.env):
            for name, tree in closure.env:
                if not (isinstance(tree, Var) and tree in self.names):
                    self.env[name] = tree
            return closure.node
        values = [self.tree(tree) for _, tree in closure.env]
        return ast.Call(ast.Lambda(arguments, closure.node), values, [])

    def _lifted(self, closure: Closure) -> ast.expr:
        """Write a nested `def` as a function that takes what it closes over first: `functools.partial(flow, params)`."""
        function = closure.lower()
        own = [param.var for param in function.params]
        free = [var for var in free_vars(function.body) if var not in own]
        if function.captures or any(param.default is not None for param in function.params):
            raise LeftToJax("a nested `def` is differentiated where it is defined")
        body = fresh_block(replace(function.body, params=(*free, *own)), {})
        kinds = [ParameterKind.POSITIONAL_OR_KEYWORD] * len(free)
        kinds += [param.kind for param in function.params]
        params = tuple(map(Param, body.params, kinds))
        lifted = replace(function, params=params, body=body)
        partial = self.free(Ref(functools.partial, "functools.partial", functools), "partial")
        of = self.free(Ref(lifted, lifted.name), lifted.name)
        return ast.Call(partial, [of, *map(self.tree, free)], [])

    def opaque(self, equation: Opaque) -> ast.expr:
        """Write a copied expression, whose names are those of its inputs."""
        assert isinstance(equation.code, ast.expr)
        if all(self._stands(name, tree) for name, tree in equation.ins):
            for name, tree in equation.ins:
                if not (isinstance(tree, Var) and tree in self.names):
                    self.env[name] = tree
            return equation.code
        names = [ast.arg(name) for name, _ in equation.ins]
        arguments = ast.arguments([], names, None, [], [], None, [])
        values = [self.tree(tree) for _, tree in equation.ins]
        return ast.Call(ast.Lambda(arguments, equation.code), values, [])

    def _stands(self, name: str, tree: Tree) -> bool:
        """Whether `name` denotes `tree` here already, or may."""
        if isinstance(tree, Var) and tree in self.names:
            return self.names[tree] == name
        if isinstance(tree, Var) and tree in self.chain:
            return False
        if any(leaf in self.names or leaf in self.chain for leaf in leaves(tree)):
            return False
        return name not in self.names.values() and self.env.get(name, tree) == tree

    def apply(self, equation: Apply) -> ast.expr:
        args, fn = equation.args, equation.fn
        if isinstance(fn, Ref) and fn.value in _BINARY and len(args) == 2:
            return ast.BinOp(self.tree(args[0]), _BINARY[fn.value](), self.tree(args[1]))
        if isinstance(fn, Ref) and fn.value is operator.neg:
            return ast.UnaryOp(ast.USub(), self.tree(args[0]))
        if isinstance(fn, Ref) and fn.value is operator.getitem:
            return ast.Subscript(self.tree(args[0]), self.tree(args[1]), ast.Load())
        if isinstance(fn, Ref) and fn.value is getattr and isinstance(args[1], Const):
            return ast.Attribute(self.tree(args[0]), args[1].value, ast.Load())
        keywords = [ast.keyword(name, self.tree(tree)) for name, tree in equation.kwargs]
        if isinstance(fn, Method):
            callee: ast.expr = ast.Attribute(self.tree(args[0]), fn.name, ast.Load())
            return ast.Call(callee, list(map(self.tree, args[1:])), keywords)
        return ast.Call(self.tree(fn), list(map(self.tree, args)), keywords)


def _constant(value: Any) -> ast.expr:
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


__all__ = ["Differentiable", "differentiable", "is_cheap", "vjp_of_call", "vjp_of_opaque"]
