"""Functions without source, read by tracing them: for the arguments of one call, once their shapes are known."""

from __future__ import annotations

import inspect
import types
import warnings
from collections.abc import Callable, Container, Hashable
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp

from invcompiler.errors import InvcompilerError, SourceUnavailableError
from invcompiler.frontend.tracing import Traced, trace
from invcompiler.ir.nodes import Apply, Function, Param, ParameterKind, Ref, Var
from invcompiler.ir.walk import leaves
from invcompiler.schedule.abstract import Abstract, Array, Unclear, is_fixed, stand_in
from invcompiler.schedule.callees import Callee, callee_of, has_open_arguments, is_library
from invcompiler.schedule.context import Context
from invcompiler.schedule.trial import REFUTATIONS

_PROBES: tuple[tuple[int, ...], ...] = ((3,), (), (3, 3), (2, 3, 3))


@dataclass(eq=False)
class Tracing:
    """Traces each function once for each kind of arguments.

    `has_text` says of a call whether what it runs is read instead, `inverts` whether a function can be inverted for some arguments.
    """

    has_text: Callable[[Callee], bool] = lambda callee: False
    inverts: Callable[..., bool] = lambda *_: True
    functions: list[Function] = field(default_factory=list)
    _made: dict[Hashable, Function | InvcompilerError] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)
    _hopes: dict[Any, bool] = field(default_factory=dict)

    def function(self, callee: Callee, equation: Apply, context: Context) -> Function | None:
        """Return the function that a call runs, as it is for these arguments; None if that is not known or not possible."""
        if not is_candidate(callee, equation, context):
            return None
        trees = (*callee.args, *(tree for _, tree in callee.kwargs))
        found = tuple(context.facts.of(tree) for tree in trees)
        if not all(value is not None and is_fixed(value) for value in found):
            return None
        made = self._traced(callee, found)
        return made if isinstance(made, Function) else None

    def error(self, equation: Apply, context: Context) -> InvcompilerError | None:
        """Return why the function that a call runs could not be traced, if it was tried."""
        callee = callee_of(equation, context)
        if callee is None or not is_candidate(callee, equation, context) or self.has_text(callee):
            return None
        trees = (*callee.args, *(tree for _, tree in callee.kwargs))
        found = tuple(context.facts.of(tree) for tree in trees)
        made = self._made.get(_key(callee, found))
        return made if isinstance(made, InvcompilerError) else None

    def is_hoped_for(self, equation: Apply, context: Context, known: Container[Var]) -> bool:
        """Whether a call may be inverted when it is called with arguments of known shapes.

        Of a library's function that is tried out on arguments of some shapes.
        """
        callee = callee_of(equation, context)
        if callee is None or not is_candidate(callee, equation, context) or self.has_text(callee):
            return False
        if not isinstance(callee.fn, Ref) or not is_library(callee.fn.value):
            return True
        trees = (*callee.args, *(tree for _, tree in callee.kwargs))
        unknown = tuple(any(var not in known for var in leaves(tree)) for tree in trees)
        key = (_key(callee, ()), unknown)
        if key not in self._hopes:
            guesses = (
                tuple(_guess(context.facts.of(tree), shape) for tree in trees) for shape in _PROBES
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of arguments that are not the user's
                self._hopes[key] = any(self._probed(callee, guess, unknown) for guess in guesses)
        return self._hopes[key]

    def _probed(
        self, callee: Callee, values: tuple[Abstract, ...], unknown: tuple[bool, ...]
    ) -> bool:
        function = self._traced(callee, values)
        if not isinstance(function, Function):
            return False
        params = [param.var for param in function.params]
        given = {var: stand_in(value) for var, value in zip(params, values, strict=True)}
        wanted = tuple(var for var, missing in zip(params, unknown, strict=True) if missing)
        return self.inverts(function, given, wanted)

    def _traced(self, callee: Callee, found: tuple[Abstract, ...]) -> Function | InvcompilerError:
        key = _key(callee, found)
        if key not in self._made:
            self._kept.append(callee.fn)
            made = self._made[key] = _trace(callee, found)
            self.functions += [made] if isinstance(made, Function) else []
        return self._made[key]


def _key(callee: Callee, found: tuple[Abstract, ...]) -> Hashable:
    fn: Any = callee.fn
    return (id(fn.value), tuple(name for name, _ in callee.kwargs), found)


def is_candidate(callee: Callee, equation: Apply, context: Context) -> bool:
    """Whether a call is one of a function that rules do not speak of, with arguments by themselves."""
    if callee.mapping is not None or has_open_arguments(callee.args, callee.kwargs):
        return False
    fn = callee.fn
    if not isinstance(fn, Ref) or not callable(fn.value) or isinstance(fn.value, type | Function):
        return False
    if isinstance(context.function.source, Traced) or context.call(equation) is not None:
        return False
    return not is_builtin(fn.value)


def is_builtin(function: Any) -> bool:
    """Whether a function is one of Python's own, which tracers are nothing for."""
    return getattr(function, "__module__", None) in ("builtins", "_operator") and not isinstance(
        function, types.FunctionType
    )


def _guess(value: Abstract, shape: tuple[int, ...]) -> Abstract:
    if value is not None and is_fixed(value):
        return value
    dtype = value.dtype if isinstance(value, Array) else None
    return Array(shape, dtype or jnp.result_type(float))


def _trace(callee: Callee, found: tuple[Abstract, ...]) -> Function | InvcompilerError:
    fn: Any = callee.fn
    name = str(getattr(fn.value, "__name__", None) or fn.spelling.rpartition(".")[2])
    params = _params(fn.value, callee)
    try:
        values = [stand_in(value) for value in found]
        return trace(fn.value, params, values, name)
    except SourceUnavailableError as error:
        return error
    except (Unclear, NotImplementedError, *REFUTATIONS) as error:
        first = str(error).strip().split("\n")[0]
        return SourceUnavailableError(
            reason=f"`{name}` has no source, and cannot be traced: {first}",
            function=name,
            hint="write it as a Python function with source, or state its inverse with `inv.custom_inverse`",
        )


def _params(function: Any, callee: Callee) -> tuple[Param, ...]:
    """Return a parameter for each argument of a call, by the name that the function gives it."""
    try:
        shown = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        shown = []
    names = [p.name for p in shown if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    count = len(callee.args)
    names = [*names, *(f"x_{i}" for i in range(len(names), count))][:count]
    kind = ParameterKind.POSITIONAL_OR_KEYWORD
    positional = tuple(Param(Var(name), kind) for name in names)
    named = (Param(Var(name), ParameterKind.KEYWORD_ONLY) for name, _ in callee.kwargs)
    return (*positional, *named)


__all__ = ["Tracing", "is_candidate"]
