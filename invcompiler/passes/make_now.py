"""`inv.grad(loss)` in a function is made while the function is read, so that its source becomes a part of what is emitted.

Functions that make functions of ours say so by an attribute, `__makes_function__`. Made now is what they make of functions that
the text can name and of literals.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from invcompiler.ir.build import literal
from invcompiler.ir.nodes import Apply, Block, Branch, Equation, Function, Loop, Ref, Tree, Var
from invcompiler.ir.walk import map_operands, map_tree


def make_now(function: Function) -> Function:
    """Return `function` with what such calls make in their place."""
    return replace(function, body=_block(function.body, {}))


def _block(block: Block, made: dict[Var, Tree]) -> Block:
    kept: list[Equation] = []
    for equation in block.equations:
        equation = _with_callee(map_operands(lambda var: made.get(var, var), equation), made)
        match equation:
            case Apply(fn=Ref()) if (new := _made(equation)) is not None:
                made[equation.out] = new
                continue
            case Loop():
                equation = replace(equation, body=_block(equation.body, made))
            case Branch():
                blocks = tuple(_block(inner, made) for inner in equation.blocks)
                equation = replace(equation, blocks=blocks)
        kept.append(equation)
    return Block(block.params, tuple(kept), map_tree(lambda var: made.get(var, var), block.result))


def _with_callee(equation: Equation, made: dict[Var, Tree]) -> Equation:
    if isinstance(equation, Apply) and isinstance(equation.fn, Var):
        return replace(equation, fn=made.get(equation.fn, equation.fn))
    return equation


def _made(call: Apply) -> Ref | None:
    assert isinstance(call.fn, Ref)
    if not getattr(call.fn.value, "__makes_function__", False):
        return None
    args = list(map(_object, call.args))
    kwargs = {name: _object(tree) for name, tree in call.kwargs}
    if None in args or None in kwargs or None in kwargs.values():
        return None
    values = [value for (value,) in args]  # type: ignore[misc]
    made = call.fn.value(*values, **{name: value[0] for name, value in kwargs.items()})  # type: ignore[index, misc]
    return Ref(made, made.__name__)


def _object(tree: Tree) -> tuple[Any] | None:
    """Return the object that `tree` names, in a tuple, or None."""
    return (tree.value,) if isinstance(tree, Ref) else literal(tree)


__all__ = ["make_now"]
