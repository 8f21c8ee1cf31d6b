"""Write a rule's template into a function: its body with the operands of a call in the place of its parameters."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from invcompiler.frontend import read
from invcompiler.ir.nodes import Apply, Block, Const, Function, Ref, Tree, Var
from invcompiler.ir.walk import leaves, map_block, operands
from invcompiler.passes.shape_answers import answer
from invcompiler.schedule.plan import Isolate

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


@cache
def template_function(template: Any) -> Function:
    return read(template)


def instantiate(
    emitter: Emitter, step: Isolate, template: Any, output: Tree, isolated: Tree | None
) -> Tree:
    """Return the value of `template` for the call of `step`.

    `isolated` is the recovered operand; without it, the template may ask only for its shape and dtype.
    """
    function = template_function(template)
    arguments: dict[Var, Tree] = {}
    shape_only: Var | None = None
    for param in function.params:
        name = param.var.name
        if name == step.rule.output:
            arguments[param.var] = output
        elif name == step.rule.argument:
            if isolated is None:
                shape_only = param.var
            else:
                arguments[param.var] = isolated
        else:
            assert name is not None
            arguments[param.var] = emitter.value(step.call.arguments[name])
    if shape_only is not None:
        function = _with_answers(emitter, function, shape_only, step.call.arguments)
    return emitter.builder.inline(function, arguments)


@cache
def reads_only_the_shape(template: Any, name: str) -> bool:
    """Whether `template` asks for nothing of its parameter `name` but shape, size or dtype."""
    function = template_function(template)
    asked = [param.var for param in function.params if param.var.name == name]
    rest = [e for e in function.body.equations if not any(_asks(e, var) for var in asked)]
    read = {*leaves(function.body.result), *(var for e in rest for var in operands(e))}
    return not any(var in read for var in asked)


def _with_answers(emitter: Emitter, function: Function, asked: Var, given: Any) -> Function:
    """Return the function with `asked.shape`, `asked.ndim` and so on replaced by what they are."""
    of = next(tree for name, tree in given.items() if name == asked.name)
    answers: dict[Var, Tree] = {}
    kept = []
    for equation in function.body.equations:
        name = _asks(equation, asked)
        if name is None:
            kept.append(equation)
        else:
            answers[equation.outs[0]] = answer(emitter, of, name)
    block = Block((), tuple(kept), function.body.result)
    return replace(function, body=_replaced(block, answers))


def _replaced(block: Block, answers: dict[Var, Tree]) -> Block:

    return map_block(lambda var: answers.get(var, var), block)


def _asks(equation: Any, asked: Var) -> str | None:
    if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
        return None
    if equation.fn.value is getattr and equation.args[0] is asked:
        name = equation.args[1]
        return name.value if isinstance(name, Const) else None
    if equation.fn.value is len and equation.args[0] is asked:
        return "len"
    return None
