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
    if not isinstance(equation, Apply) or not isinstance(equation.fn, Var):
        return equation
    new = made.get(equation.fn)
    return replace(equation, fn=new) if isinstance(new, Ref) else equation


def _made(call: Apply) -> Ref | None:
    assert isinstance(call.fn, Ref)
    if not getattr(call.fn.value, "__makes_function__", False) or None in dict(call.kwargs):
        return None
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for name, tree in (*((None, arg) for arg in call.args), *call.kwargs):
        found = _object(tree)
        if found is None:
            return None
        if name is None:
            args.append(found[0])
        else:
            kwargs[name] = found[0]
    made = call.fn.value(*args, **kwargs)
    return Ref(made, made.__name__)


def _object(tree: Tree) -> tuple[Any] | None:
    """Return the object that `tree` names, in a tuple, or None."""
    return (tree.value,) if isinstance(tree, Ref) else literal(tree)


__all__ = ["make_now"]
