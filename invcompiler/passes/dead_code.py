"""Leave out what the result does not depend on: equations, carried values of loops, unread captures.

Afterwards every equation binds something that is read, unless it is the only way to a loop's trip count.

>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> def f(x):
...     unused = jnp.exp(x)
...     return 2 * x
>>> print(show(dead_code(read(f))))
def f(x):
    v1 = 2 * x
    return v1
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from invcompiler.ir.nodes import Block, Branch, Display, Equation, Function, Loop, Tree, Var
from invcompiler.ir.walk import leaves, operands


def dead_code(function: Function) -> Function:
    """Return `function` without what its result does not depend on, or `function` if there is nothing."""
    live: set[Var] = set()
    body = _block(function.body, live)
    for param in function.params:
        live.update(() if param.default is None else leaves(param.default))
    captures = tuple(entry for entry in function.captures if entry[0] in live)
    if body is function.body and len(captures) == len(function.captures):
        return function
    return replace(function, body=body, captures=captures)


def live_block(block: Block) -> Block:
    """Return `block` without what its result does not depend on."""
    return _block(block, set())


def _block(block: Block, live: set[Var]) -> Block:
    """Return what of `block` its result needs, and add to `live` what that reads."""
    live.update(leaves(block.result))
    kept: list[Equation] = []
    for equation in reversed(block.equations):
        if not any(out in live for out in equation.outs):
            continue
        equation = _trimmed(equation, live)
        kept.append(equation)
        live.update(operands(equation))
    equations = tuple(reversed(kept))
    same = len(equations) == len(block.equations) and all(map(_is, equations, block.equations))
    return block if same else replace(block, equations=equations)


def _is(a: object, b: object) -> bool:
    return a is b


def _trimmed(equation: Equation, live: set[Var]) -> Equation:
    match equation:
        case Branch():
            return _trimmed_branch(equation, live)
        case Loop():
            return _trimmed_loop(equation, live)
        case _:
            return equation


def _trimmed_branch(branch: Branch, live: set[Var]) -> Branch:
    keep = [out in live for out in branch.outs]
    blocks = tuple(_block(_with_items(block, keep), live) for block in branch.blocks)
    if all(keep) and all(map(_is, blocks, branch.blocks)):
        return branch
    return replace(branch, outs=_picked(branch.outs, keep), blocks=blocks)


def _trimmed_loop(loop: Loop, live: set[Var]) -> Loop:
    keep = _needed(loop, live)
    carries = keep[: len(loop.init)]
    items = loop.body.params[len(loop.init) :]
    body = _with_items(loop.body, keep)
    if not all(carries):
        body = replace(body, params=(*_picked(loop.body.params, carries), *items))
    body = _block(body, live)
    if body is loop.body:
        return loop
    init = _picked(loop.init, carries)
    return replace(loop, outs=_picked(loop.outs, keep), init=init, body=body)


def _needed(loop: Loop, live: set[Var]) -> list[bool]:
    """Return which outs of `loop` must stay: those that are read, and the carries that feed them.

    Each round keeps one more carry or is the last.
    """
    keep = [out in live for out in loop.outs]
    carries = loop.body.params[: len(loop.init)]
    while True:
        read: set[Var] = set()
        _block(_with_items(loop.body, keep), read)
        now = [kept or var in read for kept, var in zip(keep, carries, strict=False)]
        now += keep[len(carries) :]
        if now == keep:
            return keep
        keep = now


def _with_items(block: Block, keep: list[bool]) -> Block:
    if all(keep):
        return block
    assert isinstance(block.result, Display)
    result: Tree = replace(block.result, items=_picked(block.result.items, keep))
    return replace(block, result=result)


def _picked(items: Iterable, keep: Iterable[bool]) -> tuple:
    return tuple(item for item, kept in zip(items, keep, strict=False) if kept)


__all__ = ["dead_code", "live_block"]
