"""The derivative programs of a function: `f_fwd` and `f_bwd`, `f_value_and_grad`, `f_vjp`.

Each is an IR function made from `f` for arguments that look a certain way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp

from invcompiler.assumptions import assume
from invcompiler.ir.build import as_tree
from invcompiler.ir.evaluate import bind_arguments
from invcompiler.ir.nodes import (
    Block,
    Capture,
    Const,
    Display,
    Function,
    Param,
    ParameterKind,
    Ref,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import free_vars, has_name, leaves, map_block
from invcompiler.passes.adjoint import Walk, reverse
from invcompiler.passes.adjoint_blocks import shown_blocks
from invcompiler.passes.adjoint_pairs import Pairs, positional, readable
from invcompiler.passes.avals import Avals, abstract_run
from invcompiler.passes.choosing import Chooser
from invcompiler.passes.containers import GETITEM
from invcompiler.passes.cotangents import ZERO, Cotangents, bar_name, dtype_ref
from invcompiler.passes.drop_assumptions import drop_assumptions
from invcompiler.passes.emission import Emission, NeedsShapes
from invcompiler.passes.finish import finish
from invcompiler.passes.fresh import named
from invcompiler.passes.inline_higher_order import inline_higher_order
from invcompiler.passes.make_now import make_now
from invcompiler.passes.settled_branches import settle_branches
from invcompiler.passes.tangent import Twins, forward


@dataclass(frozen=True, eq=False)
class Subject:
    """A function, ready to be differentiated, and what its vars look like."""

    function: Function
    avals: Avals

    @property
    def params(self) -> tuple[Var, ...]:
        return tuple(param.var for param in self.function.params)


def subject(function: Function, args: tuple, kwargs: dict[str, Any]) -> Subject:
    """Return `function` prepared for arguments that look like `args` and `kwargs`, which are abstract values.

    Raises what `function` raises for them.
    """
    function = _fixed(function, len(args), tuple(kwargs))
    function = _readied(function)
    function = _with_constants(function, args, kwargs)
    avals = abstract_run(function, [(args, kwargs)])
    return Subject(settle_branches(function, avals), avals)


def generic_subject(function: Function) -> Subject:
    """Return `function` prepared for arguments of which nothing is known.

    Raises NeedsShapes if it takes a variable number of them.
    """
    if any(p.kind in (_VAR_POSITIONAL, ParameterKind.VAR_KEYWORD) for p in function.params):
        raise NeedsShapes("the number of arguments decides what their cotangents are")
    return Subject(_readied(function), Avals(generic=True))


def _readied(function: Function) -> Function:
    function = shown_blocks(drop_assumptions(function, assume), readable)
    return inline_higher_order(make_now(function), readable)


def _fixed(function: Function, given: int, names: tuple[str, ...]) -> Function:
    """Give a function with `*args` or `**options` a parameter for each argument that it is called with."""
    kinds = {param.kind for param in function.params}
    if kinds.isdisjoint((_VAR_POSITIONAL, ParameterKind.VAR_KEYWORD)):
        return function
    params: list[Param] = []
    values: dict[Var, Tree] = {}
    known = {param.var.name for param in function.params}
    for param in function.params:
        if param.kind is _VAR_POSITIONAL:
            extra = [Var(f"{param.var.name}_{i}") for i in range(given - len(params))]
            params = [replace(p, default=None) for p in params] if extra else params
            params += [Param(var, ParameterKind.POSITIONAL_OR_KEYWORD) for var in extra]
            values[param.var] = Display(tuple, tuple(extra))
        elif param.kind is ParameterKind.VAR_KEYWORD:
            named = [Var(name) for name in names if name not in known]
            params += [Param(var, ParameterKind.KEYWORD_ONLY) for var in named]
            keys = tuple(var.name for var in named)
            values[param.var] = Display(dict, tuple(named), keys)
        else:
            params.append(param)
    body = map_block(lambda var: values.get(var, var), function.body)
    body = replace(body, params=tuple(param.var for param in params))
    return replace(function, params=tuple(params), body=body)


def _with_constants(function: Function, args: tuple, kwargs: dict[str, Any]) -> Function:
    """Put static arguments (ints, strings, bools) where they are used: the derivative is written for them."""
    given = bind_arguments(function, args, kwargs)
    values = {
        var: as_tree(value)
        for var, value in given.items()
        if isinstance(value, bool | int | str | None)
    }
    put = lambda var: values.get(var) or var
    return replace(function, body=map_block(put, function.body))


def adjoint_program(of: Subject, chosen: Sequence[Var], single: bool, chooser: Chooser) -> Function:
    """Return `f_vjp(*args, y_bar) -> (y, cotangents)`, which does nothing but call `f_fwd` and `f_bwd`.

    `chooser` decides which primals are kept.

    `f_fwd(*args) -> (y, residuals)` and `f_bwd(residuals, y_bar) -> cotangents` are found by those names in the module that
    it is printed to.
    """
    return calling(of.function, *adjoint_pair(of, chosen, single, chooser))


def calling(function: Function, forward: Function, back: Function) -> Function:
    """Return the function of the arguments and a cotangent that calls the two, `f_fwd` and `f_bwd`, of `function`."""
    bar = Var(bar_name(_output_name(function)))
    params = tuple(replace(p, var=Var(p.var.name)) for p in function.params)
    emit = Emission(Avals())
    args = tuple(
        Star(p.var) if p.kind is _VAR_POSITIONAL else p.var for p in params if p.kind in _ARGS
    )
    named = tuple(
        (None if p.kind is ParameterKind.VAR_KEYWORD else p.var.name, p.var)
        for p in params
        if p.kind not in _ARGS
    )
    pair = emit.apply(Ref(forward, forward.name), args, named)
    value, residuals = (
        emit.apply(GETITEM, (pair, Const(i)), name=name, arity=2)
        for i, name in enumerate((_output_name(function).name, "residuals"))
    )
    bars = emit.apply(Ref(back, back.name), (residuals, bar))
    every = (*params, Param(bar, ParameterKind.KEYWORD_ONLY))
    every = tuple(sorted(every, key=lambda p: p.kind))
    block = emit.block(tuple(p.var for p in every), Display(tuple, (value, bars)))
    name = f"{_name(function)}_vjp"
    defaults = {v for p in params if p.default is not None for v in leaves(p.default)}
    captures = tuple(entry for entry in forward.captures if entry[0] in defaults)
    return Function(name, every, block, captures, function.depends, function.span)


_VAR_POSITIONAL = ParameterKind.VAR_POSITIONAL
_ARGS = (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD, _VAR_POSITIONAL)


def adjoint_pair(
    of: Subject, chosen: Sequence[Var], single: bool, chooser: Chooser
) -> tuple[Function, Function]:
    """Return `f_fwd(*args) -> (y, residuals)` and `f_bwd(residuals, y_bar) -> cotangents`."""
    name = _output_name(of.function)
    bar = Var(bar_name(name))
    walk, cots, back, pairs = _reversed(of, chosen, lambda emit: _like(of, bar), chooser)
    block = back.block((), _bars(cots, chosen, single))
    block, _ = _with_captures(of.function, block, pairs)
    free = (*of.params, *(var for var, _ in pairs.captures.values()))
    kept = chooser.choose(walk.forward, block, free, place=of.function.name)
    residuals = (*kept.free, *kept.residuals)
    forward = _forward(of, walk, Display(tuple, residuals), pairs)
    source = Var("residuals")
    inner = Emission(of.avals)
    wishes = [var.name or walk.forward.names.get(var) for var in residuals]
    items = inner.items(source, len(residuals), wishes)
    body = Block((source, bar), (*inner.equations, *kept.views, *block.equations), block.result)
    values = dict(zip(residuals, items, strict=True))
    body = map_block(lambda var: values.get(var, var), body)
    names = walk.forward.names
    backward = positional(f"{_name(of.function)}_bwd", body.params, body, of.function, names)
    return forward, finish(backward)


def _forward(of: Subject, walk: Walk, residuals: Tree, pairs: Pairs) -> Function:
    result = Display(tuple, (of.function.body.result, residuals))
    block = Block(of.params, tuple(walk.forward.equations), result)
    block, captures = _with_captures(of.function, block, pairs)
    made = replace(
        of.function,
        name=f"{_name(of.function)}_fwd",
        body=block,
        captures=captures_of(captures),
    )
    return named(finish(made), walk.forward.names)


def value_and_grad_program(
    of: Subject, chosen: Sequence[Var], single: bool, value: bool = True, has_aux: bool = False
) -> Function:
    """Return `f_value_and_grad(*args) -> (y, cotangents)`, for a function of one real number.

    With `has_aux` the function returns a pair, of which the first item is differentiated.
    """
    function = of.function
    output = function.body.result
    walk, cots, back, pairs = _reversed(of, chosen, lambda emit: _one(of, emit, has_aux))
    bars = _bars(cots, chosen, single)
    equations = (*walk.forward.equations, *back.equations)
    if has_aux and isinstance(output, Display):
        output = Display(tuple, output.items)
    result = Display(tuple, (output, bars)) if value else bars
    if has_aux and not value:
        aux = _second(back, output)
        equations = (*walk.forward.equations, *back.equations)
        result = Display(tuple, (bars, aux))
    block = Block(of.params, equations, result)
    block, captures = _with_captures(function, block, pairs)
    suffix = "value_and_grad" if value else "grad"
    made = replace(
        function, name=f"{_name(function)}_{suffix}", body=block, captures=captures_of(captures)
    )
    return named(finish(made), walk.forward.names)


def _second(emit: Emission, output: Tree) -> Tree:
    return emit.items(output, 2)[1] if isinstance(output, Var) else output.items[1]  # type: ignore[union-attr]


def _one(of: Subject, emit: Emission, has_aux: bool) -> Tree:
    aval = emit.aval(of.function.body.result)
    first = aval[0] if has_aux else aval
    dtype = getattr(first, "dtype", None)
    one: Tree = Const(1.0)
    if dtype is not None and dtype != jnp.result_type(float):
        one = emit.call(jnp.ones, Display(tuple, ()), dtype_ref(dtype))
    return Display(tuple, (one, ZERO)) if has_aux else one


def pullback_program(of: Subject, chosen: Sequence[Var], single: bool) -> Function:
    """Return `f_vjp(*args, y_bar) -> (y, cotangents)`: forward and back in one go."""
    bar = Var(bar_name(_output_name(of.function)))
    walk, cots, back, pairs = _reversed(of, chosen, lambda emit: _like(of, bar))
    equations = (*walk.forward.equations, *back.equations)
    result = Display(tuple, (of.function.body.result, _bars(cots, chosen, single)))
    raise_ = Block((*of.params, bar), equations, result)
    block, captures = _with_captures(of.function, raise_, pairs)
    params = (*of.function.params, Param(bar, ParameterKind.KEYWORD_ONLY))
    name = f"{_name(of.function)}_vjp"
    made = replace(
        of.function, name=name, params=params, body=block, captures=captures_of(captures)
    )
    return named(finish(made), walk.forward.names)


def tangent_program(of: Subject, chosen: Sequence[Var], given: int) -> Function:
    """Return `f_jvp(primals, tangents) -> (y, y_dot)`: so many primals, and a tangent for each of `chosen`."""
    function = of.function
    twins = Twins()
    for var, capture in function.captures:
        twins.captured(var, capture)
    dots, block, names = forward(function, chosen, of.avals, twins)
    primals, tangents = Var("primals"), Var("tangents")
    inner = Emission(of.avals)
    passed, left = of.params[:given], function.params[given:]
    items = inner.items(primals, given, [var.name for var in passed])
    values = dict(zip(passed, items, strict=True))
    values.update((param.var, param.default) for param in left if param.default is not None)
    items = inner.items(tangents, len(dots), [var.name for var in dots])
    values.update(zip(dots, items, strict=True))
    body = Block((primals, tangents), (*inner.equations, *block.equations), block.result)
    body = map_block(lambda var: values.get(var, var), body)
    read = set(free_vars(body))
    captures = tuple(entry for entry in twins.captures.values() if entry[0] in read)
    made = positional(f"{_name(function)}_jvp", body.params, body, function, names)
    return finish(replace(made, captures=captures))


def _reversed(
    of: Subject, chosen: Sequence[Var], seed: Any, chooser: Chooser | None = None
) -> tuple[Walk, Cotangents, Emission, Pairs]:
    pairs = Pairs(chooser=chooser or Chooser())
    for var, capture in of.function.captures:
        pairs.captured(var, capture)
    walk, cots, back = reverse(of.function, chosen, of.avals, pairs, seed)
    result = of.function.body.result
    if isinstance(result, Var) and not result.name and not has_name(of.function.body, "y"):
        walk.forward.wish(result, "y")
    return walk, cots, back, pairs


def _like(of: Subject, bar: Var) -> Var:
    result = of.function.body.result
    known = of.avals.ask(lambda value: value, result)
    if known is not None:
        of.avals.met[bar] = {(): known.value}
    return bar


def _bars(cots: Cotangents, chosen: Sequence[Var], single: bool) -> Tree:
    whole = tuple(cots.whole(cots.take(var), var, lambda v: v in chosen) for var in chosen)
    return whole[0] if single else Display(tuple, whole)


def _output_name(function: Function) -> Var:
    result = function.body.result
    return result if isinstance(result, Var) and result.name else Var("y")


def _name(function: Function) -> str:
    name = function.name.strip("_")
    return name if name.isidentifier() else "f"


def _with_captures(
    function: Function, block: Block, pairs: Pairs
) -> tuple[Block, dict[Var, Capture]]:
    """Return `block` with one var for each captured value, and those that it and the defaults read."""
    renamed = {var: pairs.captured(var, capture) for var, capture in function.captures}
    assert all(var is new for var, new in renamed.items()), "the function's own captures come first"
    read = set(free_vars(block))
    for param in function.params:
        read.update(() if param.default is None else leaves(param.default))
    return block, {var: capture for var, capture in pairs.captures.values() if var in read}


def captures_of(captures: dict[Var, Capture]) -> tuple[tuple[Var, Capture], ...]:
    return tuple(captures.items())


__all__ = [
    "Subject",
    "adjoint_pair",
    "adjoint_program",
    "calling",
    "generic_subject",
    "pullback_program",
    "subject",
    "tangent_program",
    "value_and_grad_program",
]
