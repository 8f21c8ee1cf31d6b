"""The function that is differentiated, and with respect to which of its arguments."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from invcompiler.derivatives.derivative import Derivative
from invcompiler.errors import AdjointBlockError, InvcompilerError
from invcompiler.frontend import is_current, read
from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Const,
    Function,
    Param,
    ParameterKind,
    Ref,
    Star,
    Tree,
    Var,
)
from invcompiler.passes.adjoint_pairs import has_own_rule, is_library
from invcompiler.passes.avals import Avals, abstract
from invcompiler.passes.derivative_programs import Subject, subject
from invcompiler.passes.emission import CONCRETE
from invcompiler.schedule.callees import unwrapped

Argnums = int | Sequence[int]


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """A function of the user's: how it is called, and what was read of it.

    `function` is None if it cannot be read, or states its own derivative: it is then called as it stands.
    """

    f: Callable
    signature: inspect.Signature
    function: Function | None

    @property
    def name(self) -> str:
        name = getattr(self.f, "__name__", type(self.f).__name__)
        return name if name.isidentifier() else "f"

    def is_current(self) -> bool:
        return self.function is None or is_current(self.function)

    def _written_for(self, args: tuple, kwargs: dict[str, Any]) -> Function:
        """Return the IR: of a generated derivative, that which is written for these arguments."""
        if isinstance(self.f, Derivative):
            return self.f.function_for(args, kwargs)
        return self.function or self.as_called(args, kwargs)

    def as_called(self, args: tuple, kwargs: dict[str, Any]) -> Function:
        """Return the function that does nothing but call this one with the parameters that these arguments give a value."""
        bound = self.signature.bind(*args, **kwargs).arguments
        params = tuple(map(_param, self.signature.parameters.values()))
        passed: list[Tree] = []
        named: list[tuple[str | None, Tree]] = []
        for param in params:
            name = param.var.name
            assert name is not None
            if param.kind is _VARIADIC:
                passed.append(Star(param.var))
            elif param.kind is ParameterKind.VAR_KEYWORD:
                named.append((None, param.var))
            elif name in bound and param.kind in _POSITIONAL and not named:
                passed.append(param.var)
            elif name in bound:
                named.append((name, param.var))
        out = Var("y")
        call = Apply(out, Ref(self.f, self.name, self.f), tuple(passed), tuple(named))
        return Function(self.name, params, Block(tuple(p.var for p in params), (call,), out))

    def subject(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Subject, bool]:
        """Return what is differentiated for these arguments, and whether it can be jitted.

        A function that asks for the values of arrays (`while x > 1:`) is left to JAX, which runs it on them.
        """
        given = look_at(args, kwargs)
        try:
            return subject(self._written_for(args, kwargs), *given), True
        except CONCRETE:
            value = self.f(*args, **kwargs)
        function = self.as_called(args, kwargs)
        met = {p.var: v for p, v in zip(function.params, (*given[0], *given[1].values()))}
        met[function.body.result] = abstract(value, numbers=True)  # type: ignore[index]
        avals = Avals({var: {(): aval} for var, aval in met.items()})
        return Subject(function, avals), False

    def left_to_jax(self, args: tuple, kwargs: dict[str, Any]) -> Subject:
        """Return the function that calls this one as the subject: its derivative is one of JAX's."""
        return subject(self.as_called(args, kwargs), *look_at(args, kwargs))


def look_at(args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    look = functools.partial(abstract, numbers=True)
    return tuple(map(look, args)), {name: look(value) for name, value in kwargs.items()}


def _param(parameter: inspect.Parameter) -> Param:
    """Return a parameter of the signature; a default that no text can show is one that calls leave out."""
    default: Tree | None = None
    if parameter.default is not inspect.Parameter.empty:
        default = as_tree(parameter.default) or Const(None)
    return Param(Var(parameter.name), parameter.kind, default)


_VARIADIC = ParameterKind.VAR_POSITIONAL
_POSITIONAL = (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)


def target_of(f: Any) -> Target:
    if isinstance(f, Target):
        return f
    if not callable(f):
        raise TypeError(f"expected a function, got {type(f).__name__}")
    function = None
    generated = getattr(f, "__invcompiler_function__", None)
    reads = generated is not None or not (isinstance(f, FunctionType) and is_library(f))
    if not isinstance(f, Derivative) and not has_own_rule(f) and reads:
        try:
            function = read(unwrapped(f)) if generated is None else generated()
        except AdjointBlockError:
            raise
        except InvcompilerError:
            function = None  # its derivative is left to jax
    return Target(f, inspect.signature(f), function)


def positions(target: Target, argnums: Argnums) -> tuple[tuple[int, ...], bool]:
    """Return the numbers of the parameters that `argnums` chooses, and whether it is one.

    Raises TypeError or ValueError if it is not an int or a sequence of different ints in range.
    """
    single = _is_index(argnums)
    chosen: Any = (argnums,) if single else argnums
    if isinstance(chosen, bool | str) or not isinstance(chosen, Sequence):
        raise TypeError(f"argnums must be an int or a sequence of ints, got {argnums!r}")
    kinds = {parameter.kind for parameter in target.signature.parameters.values()}
    count = 255 if _VARIADIC in kinds else len(target.signature.parameters)
    numbers = []
    for number in chosen:
        if not _is_index(number):
            raise TypeError(f"argnums must be an int or a sequence of ints, got {argnums!r}")
        number = operator.index(number)
        if not -count <= number < count:
            raise ValueError(
                f"argnums {argnums!r} is out of range: {target.name} has {count} parameters"
            )
        numbers.append(number % count)
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"argnums {argnums!r} names a parameter twice")
    return tuple(numbers), single


def _is_index(number: Any) -> bool:
    return hasattr(number, "__index__") and not isinstance(number, bool)


__all__ = ["Argnums", "Target", "look_at", "positions", "target_of"]
