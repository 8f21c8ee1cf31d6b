"""Give functions that are called a parameter for every array that they capture: what is differentiated shows where it goes in.

Afterwards every captured array of the program is a capture of the function itself, and reaches callees as an argument.

    def net(a):                     def net(w, a):
        return jnp.tanh(a @ w)          return jnp.tanh(a @ w)
    def f(x):                       def f(x):
        return x + net(x)               return x + net(w, x)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from invcompiler.errors import InvcompilerError
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Capture,
    Equation,
    Function,
    Loop,
    Param,
    ParameterKind,
    Ref,
    Var,
)
from invcompiler.ir.walk import map_block
from invcompiler.passes.adjoint_pairs import has_own_rule
from invcompiler.rules.adjoint_registry import has_rules
from invcompiler.rules.registry import inverse_rules
from invcompiler.schedule.callees import is_library


def hoist_callees(function: Function, read: Callable[[Any], Function]) -> Function:
    """Return `function`, the arrays that its callees capture captured by itself."""
    return _Hoisting(read).function(function)


@dataclass(eq=False)
class _Hoisting:
    read: Callable[[Any], Function]
    done: dict[int, Function | None] = field(default_factory=dict)

    def function(self, function: Function) -> Function:
        captures = {_key(capture): var for var, capture in function.captures}
        added: list[tuple[Var, Capture]] = []

        def outer(capture: Capture) -> Var:
            key = _key(capture)
            if key not in captures:
                captures[key] = Var(capture.name if capture.name.isidentifier() else None)
                added.append((captures[key], capture))
            return captures[key]

        body = self.block(function.body, outer)
        if not added and body is function.body:
            return function
        return replace(function, body=body, captures=(*function.captures, *added))

    def block(self, block: Block, outer: Callable[[Capture], Var]) -> Block:
        equations = tuple(self.equation(equation, outer) for equation in block.equations)
        same = all(a is b for a, b in zip(equations, block.equations, strict=True))
        return block if same else replace(block, equations=equations)

    def equation(self, equation: Equation, outer: Callable[[Capture], Var]) -> Equation:
        match equation:
            case Apply(fn=Ref(value=callee)):
                return self.call(equation, self.callee(callee), outer)
            case Loop():
                body = self.block(equation.body, outer)
                return equation if body is equation.body else replace(equation, body=body)
            case Branch():
                blocks = tuple(self.block(block, outer) for block in equation.blocks)
                same = all(a is b for a, b in zip(blocks, equation.blocks, strict=True))
                return equation if same else replace(equation, blocks=blocks)
            case _:
                return equation

    def call(
        self, equation: Apply, callee: Function | None, outer: Callable[[Capture], Var]
    ) -> Apply:
        if callee is None:
            return equation
        hoisted = tuple(entry for entry in callee.captures if holds_arrays(entry[1]))
        if not hoisted:
            return equation
        given = tuple(outer(capture) for _, capture in hoisted)
        made = self.with_params(callee, hoisted)
        return replace(equation, fn=Ref(made, made.name), args=(*given, *equation.args))

    def with_params(self, callee: Function, hoisted: tuple[tuple[Var, Capture], ...]) -> Function:
        key = id(callee)
        if key not in self.done:
            taken = {param.var.name for param in callee.params}
            new = {var: _unused(var, capture, taken) for var, capture in hoisted}
            body = map_block(lambda var: new.get(var, var), callee.body)
            kind = ParameterKind.POSITIONAL_OR_KEYWORD
            if callee.params and callee.params[0].kind is ParameterKind.POSITIONAL_ONLY:
                kind = ParameterKind.POSITIONAL_ONLY
            params = (*(Param(var, kind) for var in new.values()), *callee.params)
            body = replace(body, params=tuple(param.var for param in params))
            left = tuple(entry for entry in callee.captures if entry not in hoisted)
            self.done[key] = replace(callee, params=params, body=body, captures=left)
        found = self.done[key]
        assert found is not None
        return found

    def callee(self, fn: Any) -> Function | None:
        """Return what is called with its own callees' arrays hoisted; None if it is called as it stands."""
        if isinstance(fn, Function):
            return None
        key = id(fn)
        if key not in self.done:
            self.done[key] = None  # a function that calls itself stays as it is
            if self.can_read(fn):
                try:
                    self.done[key] = self.function(self.read(fn))
                except InvcompilerError:
                    pass  # it is opaque to every other pass too
        return self.done[key]

    def can_read(self, fn: Any) -> bool:
        if isinstance(fn, type) or not callable(fn) or is_library(fn) or has_own_rule(fn):
            return False
        return not inverse_rules(fn) and not has_rules(fn)


def _unused(var: Var, capture: Capture, taken: set[str | None]) -> Var:
    name = wish = var.name or capture.name
    number = 1
    while name in taken:
        name, number = f"{wish}_{number}", number + 1
    taken.add(name)
    return Var(name, var.span)


def holds_arrays(capture: Capture) -> bool:
    """Whether the captured value is, or holds, an array or a real number."""
    return any(map(_has_cotangent, jax.tree.leaves(capture.read())))


def _has_cotangent(value: Any) -> bool:
    return isinstance(value, float | complex | np.ndarray | jax.Array)


def _key(capture: Capture) -> tuple:
    return (capture.name, id(capture.scope), capture.steps)


__all__ = ["hoist_callees", "holds_arrays"]
