"""Copy a plain Python function of the user's into the emitted text.

What its free names denote becomes an import, another copied function, a constant, or a keyword-only
parameter that callers pass along; afterwards the copy depends on nothing but its parameters and imports.
"""

from __future__ import annotations

import ast
import copy
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from invcompiler.backend.annotations import without_annotations
from invcompiler.backend.pieces import definition
from invcompiler.backend.substitute import escapes, free_names
from invcompiler.errors import SourceUnavailableError
from invcompiler.ir.nodes import Capture

Definition = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class Sources:
    """How to find the user's text, and what a name in it denotes: the frontend's knowledge.

    `definition` returns the tree of a function, or raises SourceUnavailableError; `find` how to read one of its free names;
    `is_hoisted` says whether a value is passed as an argument rather than named.
    """

    definition: Callable[[types.FunctionType], ast.AST]
    find: Callable[[types.FunctionType, str], Capture | None]
    is_hoisted: Callable[[Any], bool]


@dataclass(frozen=True, eq=False)
class Helper:
    """A function to copy: its `def` without decorators and annotations, and what its free names denote."""

    function: types.FunctionType
    node: ast.FunctionDef
    free: tuple[tuple[str, Capture], ...]
    needed_at_definition: tuple[str, ...]


def plain_function(value: Any) -> types.FunctionType | None:
    """Return the Python function that `value` computes: itself, or the one that `jax.jit` or `custom_inverse` wraps.

    The emitted program is jitted as a whole, and a jitted function computes what its function does.
    """
    if isinstance(value, types.FunctionType):
        return value
    if isinstance(value, _jit_type()) or getattr(type(value), "__invcompiler_transparent__", False):
        return plain_function(getattr(value, "__wrapped__", None))
    return None


def _jit_type() -> type:
    return type(jax.jit(len))


def read_helper(function: types.FunctionType, sources: Sources) -> Helper | None:
    """Return what there is to copy, or None if a copy would not do what `function` does."""
    try:
        node = sources.definition(function)
    except SourceUnavailableError:
        return None
    copied = _as_def(node, function)
    if copied is None or escapes(copied.body) or inspect.iscoroutinefunction(function):
        return None
    defaults = _names_in_defaults(copied, function)
    if defaults is None:
        return None
    found = [(name, sources.find(function, name)) for name in free_names(copied)]
    if any(capture is None for _, capture in found):
        return None
    return Helper(
        function,
        copied,
        tuple((name, capture) for name, capture in found if capture is not None),
        defaults,
    )


def _as_def(node: ast.AST, function: types.FunctionType) -> ast.FunctionDef | None:
    match node:
        case ast.FunctionDef():
            function_def = copy.deepcopy(node)
        case ast.Lambda():
            name = function.__name__ if function.__name__.isidentifier() else "helper"
            body: list[ast.stmt] = [ast.Return(copy.deepcopy(node.body))]
            function_def = definition(name, copy.deepcopy(node.args), body)
        case _:
            return None
    if getattr(function_def, "type_params", None):
        return None
    function_def.decorator_list = []
    function_def.returns = None
    return without_annotations(function_def)


def _names_in_defaults(
    node: ast.FunctionDef, function: types.FunctionType
) -> tuple[str, ...] | None:
    """Return the free names that defaults need when the function is defined.

    None if the text of a default does not state what the default is today.
    """
    positional = function.__defaults__ or ()
    keyword = function.__kwdefaults__ or {}
    if len(positional) != len(node.args.defaults):
        return None
    values: list[tuple[ast.expr, Any]] = list(zip(node.args.defaults, positional, strict=True))
    for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if default is not None:
            values.append((default, keyword.get(arg.arg, default)))
    needed: list[str] = []
    for default, value in values:
        if _states(default, value):
            continue
        if not callable(value) or not isinstance(default, ast.Name | ast.Attribute):
            return None
        needed += free_names(default)
    return tuple(dict.fromkeys(needed))


def _states(default: ast.expr, value: Any) -> bool:
    """Whether the text of a default is a literal that denotes `value`."""
    try:
        stated = ast.literal_eval(default)
    except (ValueError, TypeError):
        return False
    return type(stated) is type(value) and repr(stated) == repr(value)
