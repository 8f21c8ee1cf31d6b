"""Whether a function is elementwise, as far as its source shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from invcompiler.errors import InvcompilerError
from invcompiler.frontend import read
from invcompiler.ir.nodes import Apply, Block, Branch, BranchKind, Loop, Var
from invcompiler.ir.walk import leaves
from invcompiler.passes.activity import varying
from invcompiler.passes.adjoint_calls import canonical_call
from invcompiler.passes.avals import Avals, abstract
from invcompiler.passes.derivative_programs import subject
from invcompiler.passes.emission import CONCRETE
from invcompiler.rules.adjoint_registry import rule_for


def is_elementwise(f: Callable[..., Any], y: Any, args: tuple = ()) -> bool:
    """Whether each element of `f(y, *args)` depends on the same element of the array `y` alone.

    False where the source does not show it.
    """
    if not hasattr(y, "shape") or y.shape == ():
        return hasattr(y, "shape")
    look = lambda value: abstract(value, numbers=True)
    try:
        of = subject(read(f), tuple(map(look, (y, *args))), {})
    except (InvcompilerError, *CONCRETE):
        return False
    result = of.function.body.result
    if not isinstance(result, Var) or not _is_like(of.avals, result, y.shape):
        return False
    varied = varying(of.function.body, of.params[:1], of.avals)
    return _block(of.function.body, varied, of.avals, y.shape)


def _is_like(avals: Avals, var: Var, shape: tuple[int, ...]) -> bool:
    known = avals.ask(lambda aval: isinstance(aval, jax.ShapeDtypeStruct) and aval.shape, var)
    return known is not None and known.value == shape


def _block(block: Block, varied: frozenset[Var], avals: Avals, shape: tuple[int, ...]) -> bool:
    return all(
        _equation(equation, varied, avals, shape)
        for equation in block.equations
        if any(out in varied for out in equation.outs)
    )


def _equation(equation: Any, varied: frozenset[Var], avals: Avals, shape: tuple) -> bool:
    if not all(_is_like(avals, out, shape) for out in equation.outs if out in varied):
        return False
    match equation:
        case Apply():
            return _call(equation, varied)
        case Loop():
            items = equation.body.params[len(equation.init) :]
            if any(var in varied for var in items) or len(equation.outs) > len(equation.init):
                return False
            return _block(equation.body, varied, avals, shape)
        case Branch(kind=BranchKind.IF | BranchKind.IFEXP):
            return all(_block(block, varied, avals, shape) for block in equation.blocks)
        case _:
            return False


def _call(equation: Apply, varied: frozenset[Var]) -> bool:
    call = canonical_call(equation)
    if call is None:
        return False
    wanted = [n for n, tree in call.arguments.items() if any(v in varied for v in leaves(tree))]
    rules = [rule_for(call.fn, name) for name in wanted]
    return all(rule is not None and rule.pointwise for rule in rules)


__all__ = ["is_elementwise"]
