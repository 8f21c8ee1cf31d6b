"""Calls that pass a local function on are written out: the function is then called in sight.

    def apply(g, x):                  def f(x, w):
        return g(x) + 1                   return w * x + 1
    def f(x, w):
        return apply(lambda z: w * z, x)

A call inside of one of the same function is left as it is, for recursion would not end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Capture,
    Closure,
    Display,
    Equation,
    Function,
    Loop,
    Ref,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import map_operands, map_tree
from invcompiler.passes.fresh import bind_trees, called_closure, fresh_block, inline_closures

Reading = Callable[[Any], Function | None]


def inline_higher_order(function: Function, read: Reading) -> Function:
    """Return `function` with the bodies of local functions, and of what they are passed to, where they are called.

    `read` gives the IR of a function of the user's, or None if it has none.
    """
    inliner = _Inliner(read, function)
    body = inliner.block(inline_closures(function.body), {}, ())
    return replace(function, body=body, captures=tuple(inliner.captures.values()))


def passes_closure(call: Apply) -> bool:
    """Whether a function that the text defines is among the arguments of `call`."""
    trees = (*call.args, *(tree for _, tree in call.kwargs))
    return any(map(_holds_closure, trees))


def _holds_closure(tree: Tree) -> bool:
    match tree:
        case Closure():
            return True
        case Display():
            return any(map(_holds_closure, tree.items))
        case Star():
            return _holds_closure(tree.value)
        case _:
            return False


class _Inliner:
    def __init__(self, read: Reading, function: Function):
        self.read = read
        self.captures = {_place(capture): (var, capture) for var, capture in function.captures}

    def block(self, block: Block, known: dict[Var, Tree], within: tuple[Any, ...]) -> Block:
        equations: list[Equation] = []
        for equation in block.equations:
            equation = map_operands(lambda var: known.get(var, var), equation)
            match equation:
                case Apply():
                    body = self.called(equation, within)
                    if body is None:
                        equations.append(equation)
                        continue
                    equations.extend(body.equations)
                    known[equation.out] = body.result
                case Loop():
                    equations.append(
                        replace(equation, body=self.block(equation.body, known, within))
                    )
                case Branch():
                    blocks = tuple(self.block(inner, known, within) for inner in equation.blocks)
                    equations.append(replace(equation, blocks=blocks))
                case _:
                    equations.append(equation)
        result = map_tree(lambda var: known.get(var, var), block.result)
        return Block(block.params, tuple(equations), result)

    def called(self, call: Apply, within: tuple[Any, ...]) -> Block | None:
        """Return the body of the function that is called with a local function, or None if the call stays."""
        if isinstance(call.fn, Closure):
            body = called_closure(call.fn, call)
            return None if body is None else self.again(body, within)
        if not isinstance(call.fn, Ref) or not passes_closure(call):
            return None
        callee = call.fn.value
        if any(callee is other for other in within):
            return None
        function = self.read(callee)
        bound = None if function is None else bind_trees(function, call)
        if function is None or bound is None:
            return None
        values = {**bound, **self.captured(function)}
        body = fresh_block(replace(function.body, params=()), values)
        return self.again(body, (*within, callee))

    def again(self, body: Block, within: tuple[Any, ...]) -> Block:
        return self.block(inline_closures(body), {}, within)

    def captured(self, function: Function) -> dict[Var, Tree]:
        """Return the var that each captured value of a callee has here."""
        found: dict[Var, Tree] = {}
        for var, capture in function.captures:
            found[var] = self.captures.setdefault(_place(capture), (var, capture))[0]
        return found


def _place(capture: Capture) -> tuple:
    return capture.name, id(capture.scope), capture.steps


__all__ = ["inline_higher_order", "passes_closure"]
