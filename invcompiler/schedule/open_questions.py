"""Whether a refusal may be lifted by what is only known when the inverse is called: whether a value is a list, or which class it has."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterator

import jax
import numpy as np

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Const,
    Display,
    Equation,
    Function,
    Loop,
    Method,
    Opaque,
    Ref,
    Span,
    Star,
    Var,
)
from invcompiler.ir.walk import iter_leaves, leaves, operands
from invcompiler.schedule.taint import tainted

_OF_CONTAINERS = (dict, sorted, list, tuple, dataclasses.astuple, dataclasses.asdict)
_UPDATES = (
    "set",
    "add",
    "subtract",
    "multiply",
    "mul",
    "divide",
    "power",
    "min",
    "max",
    "apply",
    "get",
)
_OF_ARRAYS = frozenset((*dir(jax.Array), *dir(np.ndarray), *_UPDATES))
_NEVER_FOLLOWED = (ast.While, ast.Try, ast.TryStar, ast.Match, ast.With, ast.ClassDef, ast.Await)


def is_open(
    function: Function,
    unknown: tuple[Var, ...],
    span: Span | None,
    waits: Callable[[Equation], bool],
) -> bool:
    """Whether what stands at `span` is understood if the unknown that flows through it is a container or object of some class."""
    touched = tainted(function.body, unknown)
    return any(
        _depends_on_structure(equation, touched) or waits(equation)
        for equation in _equations(function.body)
        if equation.span == span and not touched.isdisjoint(operands(equation))
    )


def _equations(block: Block) -> Iterator[Equation]:
    for equation in block.equations:
        yield equation
        inner = (equation.body,) if isinstance(equation, Loop) else ()
        for part in equation.blocks if isinstance(equation, Branch) else inner:
            yield from _equations(part)


def _depends_on_structure(equation: Equation, touched: frozenset[Var]) -> bool:
    match equation:
        case Apply(fn=Method(name=name)):
            return name not in _OF_ARRAYS
        case Apply(fn=Ref(value=fn), args=(_, Const(value=str(name)))) if fn is getattr:
            return name not in _OF_ARRAYS
        case Apply():
            fn = equation.fn.value if isinstance(equation.fn, Ref) else None
            starred = any(isinstance(arg, Star) for arg in equation.args)
            named = any(name is None for name, _ in equation.kwargs)
            return starred or named or any(fn is one for one in _OF_CONTAINERS)
        case Loop():
            trees = () if equation.iterable is None else iter_leaves(equation.iterable)
            parts = [leaf for tree in trees for leaf in leaves(tree)]
            return not touched.isdisjoint(parts) or _carries_container(equation, touched)
        case Opaque():
            return _goes_through_something(equation)
    return False


def _carries_container(loop: Loop, touched: frozenset[Var]) -> bool:
    """Whether each step makes a container of what starts as some value: its items are carried if it is one as well."""
    assert isinstance(loop.body.result, Display)
    pairs = zip(loop.init, loop.body.result.items, strict=False)
    return any(start in touched and isinstance(result, Display) for start, result in pairs)


def _goes_through_something(copied: Opaque) -> bool:
    """Whether copied code iterates over what is not in the text itself, and does nothing that is never followed."""
    code = copied.code if isinstance(copied.code, list) else [copied.code]
    parts = [part for node in code for part in ast.walk(node)]
    if any(isinstance(part, _NEVER_FOLLOWED) for part in parts):
        return False
    iterated = [part.iter for part in parts if isinstance(part, ast.For | ast.comprehension)]
    spread = [part for part in parts if isinstance(part, ast.Dict) and None in part.keys]
    iterated += [value for part in spread for value in part.values]
    names = {part.id for node in iterated for part in ast.walk(node) if isinstance(part, ast.Name)}
    return any(name in names and next(leaves(tree), None) is not None for name, tree in copied.ins)


__all__ = ["is_open"]
