"""The functions that a function made by the compiler calls: replacing each by another, everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Display,
    Equation,
    Function,
    Loop,
    Ref,
    Star,
    Tree,
)

Change = Callable[[Function], Function]


def map_callees(change: Change, function: Function) -> Function:
    """Return `function` with every `Function` that it calls or passes on replaced by `change` of it.

    It is the same object if `change` changes nothing.
    """
    body = _block(change, function.body)
    return function if body is function.body else replace(function, body=body)


def _block(change: Change, block: Block) -> Block:
    equations = tuple(_equation(change, equation) for equation in block.equations)
    result = _tree(change, block.result)
    same = result is block.result and _are(equations, block.equations)
    return block if same else replace(block, equations=equations, result=result)


def _are(new: tuple, old: tuple) -> bool:
    return all(one is other for one, other in zip(new, old, strict=True))


def _equation(change: Change, equation: Equation) -> Equation:
    match equation:
        case Apply():
            fn = _tree(change, equation.fn) if isinstance(equation.fn, Ref) else equation.fn
            args = tuple(_tree(change, arg) for arg in equation.args)
            kwargs = tuple((name, _tree(change, value)) for name, value in equation.kwargs)
            values = (fn, *args, *(value for _, value in kwargs))
            before = (equation.fn, *equation.args, *(value for _, value in equation.kwargs))
            if _are(values, before):
                return equation
            assert isinstance(fn, Ref) or fn is equation.fn
            return replace(equation, fn=fn, args=args, kwargs=kwargs)
        case Loop():
            body = _block(change, equation.body)
            return equation if body is equation.body else replace(equation, body=body)
        case Branch():
            blocks = tuple(_block(change, block) for block in equation.blocks)
            return equation if _are(blocks, equation.blocks) else replace(equation, blocks=blocks)
        case _:
            return equation


def _tree(change: Change, tree: Tree) -> Tree:
    match tree:
        case Ref(value=Function() as called):
            changed = change(called)
            return tree if changed is called else replace(tree, value=changed)
        case Display():
            items = tuple(_tree(change, item) for item in tree.items)
            return tree if _are(items, tree.items) else replace(tree, items=items)
        case Star():
            value = _tree(change, tree.value)
            return tree if value is tree.value else Star(value)
        case _:
            return tree


__all__ = ["map_callees"]
