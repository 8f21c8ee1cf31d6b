"""What a Python function is made of, beside its text: its names, its defaults, the arguments it is given."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from invcompiler.frontend.callables import Given, Target, stated_rule, target_of
from invcompiler.frontend.lowering import Lowering, Unfollowed, Unit
from invcompiler.frontend.names import local_names
from invcompiler.frontend.resolve import Captures, Scope
from invcompiler.frontend.same_code import owner_of
from invcompiler.frontend.signatures import bind_arguments, kinds, statements_of
from invcompiler.frontend.source import text_of
from invcompiler.frontend.statements import function_result
from invcompiler.ir.nodes import Capture, Const, Ref, Tree

_LIBRARIES = ("jax.", "numpy.", "scipy.")


def unit_of(function: types.FunctionType, captures: Captures) -> Unit:
    """Return what all blocks of `function` share."""
    text = text_of(function)
    code = Capture("__code__", function, (), lambda: function.__code__)
    captures.rest_on(code, code.read())
    owner = owner_of(function.__code__)
    names = local_names(text.node)
    scope = Scope(function)
    return Unit(text, captures, names, function.__name__, scope, text.node, owner=owner)


def rest_on_rules(target: Target, captures: Captures) -> None:
    """Note that what is read depends on which inverses are stated today."""
    for passed in target.through:
        capture = Capture("rule", passed, (), lambda passed=passed: stated_rule(passed))
        captures.rest_on(capture, stated_rule(passed))


def given_trees(
    names: Sequence[str], target: Target, captures: Captures
) -> tuple[list[Tree], dict[str, Tree]]:
    """Return the arguments that a method or partial has been given, by position and by name."""

    def tree(name: str, given: Given) -> Tree:
        return captures.tree(Capture(name, given.scope, (), given.read))

    args = [tree(name, given) for name, given in zip(names, target.args, strict=False)]
    return args, {name: tree(name, given) for name, given in target.kwargs}


def default_trees(
    function: types.FunctionType, arguments: ast.arguments, captures: Captures
) -> dict[str, Tree]:
    """Return what the defaults are today: literals as they are, and arrays as captures."""
    positional = [*arguments.posonlyargs, *arguments.args]
    values = function.__defaults__ or ()
    found: dict[str, Tree] = {}

    def enter(name: str, read: Callable[[], Any]) -> None:
        value = read()
        capture = Capture(name, function, (), read)
        if type(value) in (int, float, complex):
            captures.rest_on(capture, value)
            found[name] = Const(value)
        else:
            found[name] = captures.tree(capture)

    for place, argument in enumerate(positional[len(positional) - len(values) :]):
        enter(argument.arg, lambda place=place: (function.__defaults__ or ())[place])
    for name in function.__kwdefaults__ or ():
        enter(name, lambda name=name: (function.__kwdefaults__ or {})[name])
    return found


def lower_call(inner: Lowering, fn: Ref, args: Sequence[Tree], kwargs: Mapping[str, Tree]) -> Tree:
    """Return what `fn` returns for `args`, with its equations in the block of `inner`.

    Raises SourceUnavailableError if it cannot be read, and Unfollowed if it calls itself this way or is
    a library's, which has rules of its own; or if its inverse is stated.
    """
    target = target_of(fn.value)
    function = target.function
    rest_on_rules(target, inner.unit.captures)
    if any(stated_rule(passed) is not None for passed in target.through):
        raise Unfollowed("a body whose inverse is stated", inner.unit.node)
    deepest = 1 if inner.unit.look is None else inner.unit.look.deepest
    is_library = f"{function.__module__}.".startswith(_LIBRARIES)
    if is_library or inner.unit.within.count(function.__code__) >= deepest:
        raise Unfollowed("a body that is called", inner.unit.node)
    captures = inner.unit.captures
    unit = unit_of(function, captures)
    unit.within = (*inner.unit.within, function.__code__)
    if inner.unit.look is not None:
        unit.look, unit.made, unit.closures = inner.unit.look, inner.unit.made, inner.unit.closures
        for tree in (*args, *kwargs.values()):
            unit.freeze(tree)  # it has a name outside
    arguments = unit.node.args
    names = [argument.arg for argument, _ in kinds(arguments)]
    given, named = given_trees(names, target, captures)
    body = Lowering(unit, inner.builder, {})
    defaults = default_trees(function, arguments, captures)
    bind_arguments(body, arguments, (*given, *args), {**named, **kwargs}, defaults)
    return function_result(body, statements_of(unit.node))
