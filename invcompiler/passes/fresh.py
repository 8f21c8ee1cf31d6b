"""Copies of blocks in which every bound var is a new one, so that one text can stand at two places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from invcompiler.errors import InvcompilerError
from invcompiler.ir.evaluate import bind_arguments
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Closure,
    Display,
    Equation,
    Function,
    Loop,
    Opaque,
    ParameterKind,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import map_operands, map_tree


def fresh_block(
    block: Block, values: Mapping[Var, Tree], names: Mapping[Var, str] | None = None
) -> Block:
    """Return a copy of `block` that binds new vars and reads `values` of the vars that it is given.

    `names` has names for vars that have none.
    """
    return _copy(block, dict(values), names or {})


def _copy(block: Block, known: dict[Var, Tree], names: Mapping[Var, str]) -> Block:
    params = tuple(_renewed(var, known, names) for var in block.params)
    equations = tuple(_fresh(equation, known, names) for equation in block.equations)
    return Block(params, equations, map_tree(lambda var: known.get(var, var), block.result))


def _renewed(var: Var, known: dict[Var, Tree], names: Mapping[Var, str]) -> Var:
    known[var] = new = Var(var.name or names.get(var), var.span)
    return new


def _fresh(equation: Equation, known: dict[Var, Tree], names: Mapping[Var, str]) -> Equation:
    match equation:
        case Loop():
            body = _copy(equation.body, known, names)
            equation = replace(map_operands(lambda v: known.get(v, v), equation), body=body)
        case Branch():
            blocks = tuple(_copy(block, known, names) for block in equation.blocks)
            predicate = map_tree(lambda v: known.get(v, v), equation.predicate)
            equation = replace(equation, predicate=predicate, blocks=blocks)
        case Apply() | Opaque():
            equation = map_operands(lambda var: known.get(var, var), equation)
        case _:
            assert_never(equation)
    outs = tuple(_renewed(out, known, names) for out in equation.outs)
    if isinstance(equation, Apply):
        return replace(equation, out=outs[0])
    return replace(equation, outs=outs)


def named(function: Function, names: Mapping[Var, str]) -> Function:
    """Return `function` with names for vars that have none."""
    params = tuple(param.var for param in function.params)
    body = fresh_block(replace(function.body, params=params), {}, names)
    renewed = zip(function.params, body.params, strict=True)
    return replace(
        function, params=tuple(replace(param, var=var) for param, var in renewed), body=body
    )


def inline_closures(block: Block) -> Block:
    """Put the bodies of lambdas and nested functions where they are called."""
    known: dict[Var, Tree] = {}
    return _inlined(block, known)


def _spliced(equation: Equation) -> Equation:
    """Write `f(*(a, b))` as `f(a, b)`."""
    if not isinstance(equation, Apply):
        return equation
    args: list[Tree] = []
    for arg in equation.args:
        shown = isinstance(arg, Star) and isinstance(arg.value, Display) and arg.value.keys is None
        args.extend(arg.value.items if shown else (arg,))  # type: ignore[union-attr]
    kwargs: list[tuple[str | None, Tree]] = []
    for name, tree in equation.kwargs:
        if name is None and isinstance(tree, Display) and tree.kind is dict:
            kwargs.extend(zip(tree.keys or (), tree.items, strict=True))
        else:
            kwargs.append((name, tree))
    return replace(equation, args=tuple(args), kwargs=tuple(kwargs))


def _inlined(block: Block, known: dict[Var, Tree]) -> Block:
    equations: list[Equation] = []
    for equation in block.equations:
        equation = _spliced(map_operands(lambda var: known.get(var, var), equation))
        match equation:
            case Apply(fn=Closure() as closure):
                body = called_closure(closure, equation)
                if body is None:
                    equations.append(equation)
                    continue
                body = _inlined(body, known)
                equations.extend(body.equations)
                known[equation.out] = body.result
            case Loop():
                equations.append(replace(equation, body=_inlined(equation.body, known)))
            case Branch():
                blocks = tuple(_inlined(inner, known) for inner in equation.blocks)
                equations.append(replace(equation, blocks=blocks))
            case Apply() | Opaque():
                equations.append(equation)
            case _:
                assert_never(equation)
    return Block(block.params, tuple(equations), map_tree(lambda v: known.get(v, v), block.result))


def called_closure(closure: Closure, call: Apply) -> Block | None:
    try:
        function = closure.lower()
    except InvcompilerError:
        return None  # what cannot be read is differentiated by jax
    arguments = bind_trees(function, call)
    if arguments is None:
        return None
    return fresh_block(replace(function.body, params=()), arguments)


def bind_trees(function: Function, call: Apply) -> dict[Var, Tree] | None:
    """Return the operand for each parameter of `function`, or None where the text does not show it."""
    if any(isinstance(arg, Star) for arg in call.args) or any(n is None for n, _ in call.kwargs):
        return None
    try:
        given = bind_arguments(function, call.args, dict(call.kwargs))  # type: ignore[arg-type]
    except TypeError:
        return None  # the call says so itself when it runs
    bound: dict[Var, Tree] = {}
    for param in function.params:
        value = given.get(param.var, param.default)
        if param.kind is ParameterKind.VAR_POSITIONAL:
            value = Display(tuple, tuple(value))  # type: ignore[arg-type]
        elif param.kind is ParameterKind.VAR_KEYWORD:
            value = Display(dict, tuple(value.values()), tuple(value))  # type: ignore[union-attr]
        if value is None:
            return None
        bound[param.var] = value
    return bound


__all__ = ["bind_trees", "called_closure", "fresh_block", "inline_closures", "named"]
