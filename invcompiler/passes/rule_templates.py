"""Rules as templates: the body of a plain function, put where its value is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from types import FunctionType

from invcompiler.frontend import read
from invcompiler.ir.nodes import Apply, Block, Branch, Equation, Function, Ref, Tree, Var
from invcompiler.ir.walk import map_operands, map_tree
from invcompiler.passes.emission import Emission
from invcompiler.passes.fresh import bind_trees, fresh_block

_RULES = "invcompiler.rules."


def inline_template(emit: Emission, template: Callable, values: Mapping[str, Tree]) -> Tree:
    """Emit the body of `template`; its parameters take the values of the same names."""
    function = template_of(template)
    arguments = {param.var: values[param.var.name or ""] for param in function.params}
    return emit.inline(function, arguments)


@cache
def template_of(template: Callable) -> Function:
    """Read a rule; the small functions of the rules' modules that it calls are put in its place."""
    function = read(template)
    return replace(function, body=_expanded(function.body))


def _expanded(block: Block) -> Block:
    equations: list[Equation] = []
    known: dict[Var, Tree] = {}
    for equation in block.equations:
        equation = map_operands(lambda var: known.get(var, var), equation)
        body = _helper(equation)
        if body is not None:
            equations.extend(body.equations)
            known[equation.outs[0]] = body.result
        elif isinstance(equation, Branch):
            blocks = tuple(map(_expanded, equation.blocks))
            equations.append(replace(equation, blocks=blocks))
        else:
            equations.append(equation)
    result = map_tree(lambda var: known.get(var, var), block.result)
    return Block(block.params, tuple(equations), result)


def _helper(equation: Equation) -> Block | None:
    """Return the body of the rules' own helper that `equation` calls."""
    if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
        return None
    fn = equation.fn.value
    if not isinstance(fn, FunctionType) or not fn.__module__.startswith(_RULES):
        return None
    if getattr(fn, "is_static", False):
        return None
    function = template_of(fn)
    arguments = bind_trees(function, equation)
    assert arguments is not None
    return fresh_block(replace(function.body, params=()), arguments)


__all__ = ["inline_template", "template_of"]
