"""`lax.scan`, `fori_loop`, `map`, `cond` and `switch`, `functools.reduce`: loops and branches whose bodies are functions."""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.errors import SourceUnavailableError, UnsupportedSyntaxError
from invcompiler.frontend.branches import fork
from invcompiler.frontend.calls import IN_PLACE, STRUCTURED
from invcompiler.frontend.closures import nested_unit
from invcompiler.frontend.expressions import GETATTR, GETITEM
from invcompiler.frontend.functions import lower_call
from invcompiler.frontend.lowering import Lowering, Unfollowed
from invcompiler.frontend.signatures import bind_arguments, statements_of
from invcompiler.frontend.statements import function_result
from invcompiler.frontend.structure import is_open, leaves_of, rebuild, same_structure
from invcompiler.ir.nodes import (
    BranchKind,
    Closure,
    Const,
    Display,
    Each,
    Iter,
    Loop,
    LoopKind,
    Range,
    Ref,
    Reversed,
    Star,
    Tree,
    Var,
    Zip,
)

Arguments = dict[str, Tree]


def structured(fn: Any, *parameters: str):
    """Enter what a call of `fn` with `parameters` lowers to."""

    def enter(lower: Callable[[Lowering, Arguments, ast.AST], Tree]):
        def call(lowering: Lowering, args, kwargs, node: ast.AST) -> Tree | None:
            arguments = _arguments(parameters, args, kwargs)
            if arguments is None:
                return None
            try:
                return lower(lowering, arguments, node)
            except (Unfollowed, UnsupportedSyntaxError):
                return None

        STRUCTURED[fn] = call
        return lower

    return enter


def _arguments(parameters: Sequence[str], args, kwargs) -> Arguments | None:
    found: Arguments = {}
    given = list(args)
    for name in parameters:
        if name.startswith("*"):
            found[name[1:]] = Display(tuple, tuple(given))
            given = []
        elif given:
            found[name] = given.pop(0)
    starred = any(isinstance(arg, Star) for arg in args)
    names = {name for name in parameters if not name.startswith("*")}
    if given or starred or not {name for name, _ in kwargs} <= names - found.keys():
        return None
    return {**found, **dict(kwargs)}


# ---- calling a body -----------------------------------------------------------------------------


def invoke(
    inner: Lowering,
    fn: Tree,
    args: Sequence[Tree],
    node: ast.AST,
    kwargs: Sequence[tuple[str | None, Tree]] = (),
) -> Tree:
    """Return what `fn` returns for `args`: its body in place if it can be read, else a call of it."""
    partial = inner.unit.partial(fn)
    if partial is not None:
        named = {**dict(partial.kwargs), **dict(kwargs)}
        args = (*partial.args[1:], *args)
        return invoke(inner, partial.args[0], args, node, tuple(named.items()))
    if None in dict(kwargs):
        raise Unfollowed("a loop whose body is given `**` arguments", node)
    found = inner.unit.closures.get(fn) if isinstance(fn, Closure) else None
    if isinstance(fn, Closure) and found is not None:
        unit = nested_unit(inner, found, dict(fn.env))
        body = Lowering(unit, inner.builder, {})
        for tree in (*args, *dict(kwargs).values()) if unit.look is not None else ():
            unit.freeze(tree)  # it has a name outside
        bind_arguments(body, found.node.args, args, dict(kwargs), found.defaults)
        return function_result(body, statements_of(found.node))
    if isinstance(fn, Ref):
        try:
            return lower_call(inner, fn, args, dict(kwargs))
        except (SourceUnavailableError, Unfollowed, UnsupportedSyntaxError):
            return inner.apply(fn, args, kwargs, node=node)
    if isinstance(fn, Var | Closure):
        return inner.apply(fn, args, kwargs, node=node)
    raise Unfollowed("a loop whose body is no function", node)


IN_PLACE.append(invoke)


def take_apart(inner: Lowering, template: Tree, tree: Tree, node: ast.AST) -> list[Tree]:
    """Return the parts of `tree` at the leaves of `template`, which it has the structure of."""
    if not is_open(template):
        return [tree]
    assert isinstance(template, Display)
    if same_structure(template, tree):
        items: Sequence[Tree] = tree.items  # type: ignore[union-attr]
    elif isinstance(tree, Var):
        items = _parts(inner, template, tree, node)
    else:
        raise Unfollowed("a loop that changes the structure of a value", node)
    return [
        leaf
        for part, item in zip(template.items, items, strict=True)
        for leaf in take_apart(inner, part, item, node)
    ]


def _parts(inner: Lowering, template: Display, tree: Var, node: ast.AST) -> list[Tree]:
    if template.spelling is not None:
        return [inner.apply(GETATTR, (tree, Const(key)), node=node) for key in template.keys or ()]
    if template.keys is not None:
        return [inner.apply(GETITEM, (tree, Const(key)), node=node) for key in template.keys]
    count = len(template.items)
    return [inner.apply(GETITEM, (tree, Const(i)), node=node, arity=count) for i in range(count)]


def new_vars(tree: Tree, name: str | None = None) -> tuple[Tree, list[Var]]:
    """Return `tree` with a new var at every leaf, and these vars; `name` is for a tree of one leaf."""
    found: list[Var] = []
    if name is not None and not is_open(tree):
        found.append(Var(name))
        return found[0], found

    def leaf(part: Tree) -> Tree:
        found.append(Var(part.name if isinstance(part, Var) else None))
        return found[-1]

    return rebuild(tree, leaf), found


def each_leaf(tree: Tree) -> Iter:
    """Return the iterable over the leading axis of every leaf of `tree`."""
    if not is_open(tree):
        return Each(tree)
    parts = tuple(map(each_leaf, leaves_of(tree)))
    return parts[0] if len(parts) == 1 else Zip(parts)


def options(arguments: Arguments, *names: str) -> tuple[tuple[str, Tree], ...]:
    found = ((name, arguments.get(name)) for name in names)
    return tuple((name, tree) for name, tree in found if tree not in (None, Const(None)))  # type: ignore[misc]


def parameter_names(fn: Tree, count: int) -> list[str | None]:
    """Return how the body of a loop calls its parameters."""
    names: list[str | None] = []
    if isinstance(fn, Closure):
        names += [argument.arg for argument in fn.node.args.args]
    elif isinstance(fn, Ref) and isinstance(fn.value, types.FunctionType):
        names += fn.value.__code__.co_varnames[: fn.value.__code__.co_argcount]
    return [*names, *[None] * count][:count]


# ---- loops --------------------------------------------------------------------------------------


@structured(jax.lax.scan, "f", "init", "xs", "length", "reverse", "unroll")
def scan(lowering: Lowering, arguments: Arguments, node: ast.AST) -> Tree:
    init, xs = arguments["init"], arguments.get("xs", Const(None))
    backwards = arguments.get("reverse", Const(False))
    if not isinstance(backwards, Const) or (backwards.value and xs == Const(None)):
        raise Unfollowed("a `lax.scan` in a computed direction", node)
    inner = lowering.nested()
    names = parameter_names(arguments["f"], 2)
    carry, carried = new_vars(init, names[0])
    has_items = xs != Const(None)
    item, items = new_vars(xs, names[1]) if has_items else (xs, [])
    result = invoke(inner, arguments["f"], (carry, item), node)
    after, ys = take_apart(inner, Display(tuple, (carry, Const(None))), result, node)[:-1], None
    ys = _second(inner, result, node)
    collected = [] if ys == Const(None) else list(leaves_of(ys))
    outs = [Var(var.name) for var in carried]
    over = each_leaf(xs) if has_items else None
    if backwards.value and over is not None:
        over = Reversed(over)
    stacks, stacked = new_vars(ys) if collected else (Const(None), [])
    body = inner.builder.block((*carried, *items), Display(tuple, (*after, *collected)))
    loop = Loop(
        LoopKind.SCAN,
        (*outs, *stacked),
        tuple(leaves_of(init)),
        over,
        body,
        options(arguments, "length", "unroll"),
        lowering.span(node),
    )
    lowering.builder.add(loop)
    left = iter(outs)
    return Display(tuple, (rebuild(init, lambda leaf: next(left)), stacks))


def _second(inner: Lowering, result: Tree, node: ast.AST) -> Tree:
    if isinstance(result, Display):
        return result.items[1]
    return inner.apply(GETITEM, (result, Const(1)), node=node, arity=2)


@structured(jax.lax.fori_loop, "lower", "upper", "body_fun", "init_val", "unroll")
def fori_loop(lowering: Lowering, arguments: Arguments, node: ast.AST) -> Tree:
    init = arguments["init_val"]
    inner = lowering.nested()
    names = parameter_names(arguments["body_fun"], 2)
    carry, carried = new_vars(init, names[1])
    index = Var(names[0] or "i")
    result = invoke(inner, arguments["body_fun"], (index, carry), node)
    after = take_apart(inner, carry, result, node)
    body = inner.builder.block((*carried, index), Display(tuple, tuple(after)))
    outs = [Var(var.name) for var in carried]
    bounds = Range(arguments["lower"], arguments["upper"])
    span = lowering.span(node)
    extra = options(arguments, "unroll")
    lowering.builder.add(
        Loop(LoopKind.FORI, tuple(outs), tuple(leaves_of(init)), bounds, body, extra, span)
    )
    left = iter(outs)
    return rebuild(init, lambda leaf: next(left))


@structured(jax.lax.map, "f", "xs", "batch_size")
def map_(lowering: Lowering, arguments: Arguments, node: ast.AST) -> Tree:
    inner = lowering.nested()
    item, items = new_vars(arguments["xs"], parameter_names(arguments["f"], 1)[0])
    result = invoke(inner, arguments["f"], (item,), node)
    stacks, stacked = new_vars(result)
    body = inner.builder.block(tuple(items), Display(tuple, tuple(leaves_of(result))))
    over = each_leaf(arguments["xs"])
    extra = options(arguments, "batch_size")
    span = lowering.span(node)
    lowering.builder.add(Loop(LoopKind.MAP, tuple(stacked), (), over, body, extra, span))
    return stacks


@structured(functools.reduce, "function", "iterable", "initial")
def reduce(lowering: Lowering, arguments: Arguments, node: ast.AST) -> Tree:
    """The loop over the items that it is, or its steps where the text shows the items."""
    fn, over, carry = (arguments.get(name) for name in ("function", "iterable", "initial"))
    assert fn is not None
    shown = (
        over.items if isinstance(over, Display) and is_open(over) and over.keys is None else None
    )
    if shown is not None:
        steps = list(shown) if carry is None else [carry, *shown]
        if not steps:
            raise Unfollowed("a `reduce` of nothing", node)
        value, *rest = steps
        for item in rest:
            value = invoke(lowering, fn, (value, item), node)
        return value
    if carry is None or not isinstance(over, Var | Ref):
        raise Unfollowed("a `reduce` that starts with an item that the text does not show", node)
    inner = lowering.nested()
    names = parameter_names(fn, 2)
    state, carried = new_vars(carry, names[0])
    item = Var(names[1])
    after = take_apart(inner, state, invoke(inner, fn, (state, item), node), node)
    body = inner.builder.block((*carried, item), Display(tuple, tuple(after)))
    outs = tuple(Var(var.name) for var in carried)
    init = tuple(leaves_of(carry))
    span = lowering.span(node)
    lowering.builder.add(Loop(LoopKind.FOR, outs, init, Each(over), body, (), span))
    left = iter(outs)
    return rebuild(carry, lambda leaf: next(left))


# ---- branches -----------------------------------------------------------------------------------


@structured(jax.lax.cond, "pred", "true_fun", "false_fun", "*operands")
def cond(lowering: Lowering, arguments: Arguments, node: ast.AST) -> Tree:
    functions = [arguments["true_fun"], arguments["false_fun"]]
    return _choose(lowering, BranchKind.COND, arguments["pred"], functions, arguments, node)


@structured(jax.lax.switch, "index", "branches", "*operands")
def switch(lowering: Lowering, arguments: Arguments, node: ast.AST) -> Tree:
    branches = arguments["branches"]
    if not isinstance(branches, Display) or not is_open(branches):
        raise Unfollowed("a `lax.switch` whose branches the text does not show", node)
    functions = list(branches.items)
    return _choose(lowering, BranchKind.SWITCH, arguments["index"], functions, arguments, node)


def _choose(lowering, kind: BranchKind, predicate: Tree, functions, arguments, node) -> Tree:
    operands = arguments["operands"].items

    def side(fn: Tree):
        return lambda inner: invoke(inner, fn, operands, node)

    result = fork(lowering, kind, predicate, [side(fn) for fn in functions], node)
    assert result is not None
    return result


_WHERE = Ref(jnp.where, "jnp.where", jnp)


@structured(jnp.select, "condlist", "choicelist", "default")
def select(lowering: Lowering, arguments: Arguments, node: ast.AST) -> Tree:
    """The choice of the first condition that holds."""
    conditions, choices = (_listed(arguments[name], node) for name in ("condlist", "choicelist"))
    found = arguments.get("default", Const(0))
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        found = lowering.apply(_WHERE, (condition, choice, found), node=node)
    return found


@structured(jnp.piecewise, "x", "condlist", "funclist")
def piecewise(lowering: Lowering, arguments: Arguments, node: ast.AST) -> Tree:
    """What the function of the first condition that holds gives, the last of one function more where none does."""
    conditions = _listed(arguments["condlist"], node)
    functions = _listed(arguments["funclist"], node)
    if len(functions) not in (len(conditions), len(conditions) + 1):
        raise Unfollowed("a `jnp.piecewise` of more functions than conditions", node)
    values = [_value_at(lowering, fn, arguments["x"], node) for fn in functions]
    found = values[-1] if len(values) > len(conditions) else Const(0)
    for condition, value in reversed(list(zip(conditions, values, strict=False))):
        found = lowering.apply(_WHERE, (condition, value, found), node=node)
    return found


def _listed(tree: Tree, node: ast.AST) -> Sequence[Tree]:
    if not isinstance(tree, Display) or tree.kind not in (list, tuple) or not is_open(tree):
        raise Unfollowed("conditions that the text does not list", node)
    return tree.items


def _value_at(lowering: Lowering, fn: Tree, x: Tree, node: ast.AST) -> Tree:
    """A piece is a function, or a number."""
    is_number = isinstance(fn, Const) and type(fn.value) in (int, float)
    return fn if is_number else invoke(lowering, fn, (x,), node)
