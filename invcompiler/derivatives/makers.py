"""How a derivative is made: the part that `Generated` asks."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable
from typing import Any

from invcompiler.derivatives.derivative import Derivative
from invcompiler.derivatives.targets import Argnums, positions, target_of
from invcompiler.errors import InvcompilerError
from invcompiler.frontend import is_current, is_jitted
from invcompiler.generated import Program, place_of, program_of
from invcompiler.ir.dict_order import sorted_dicts
from invcompiler.ir.nodes import Capture, Function, Var
from invcompiler.passes.derivative_programs import Subject, generic_subject
from invcompiler.passes.emission import LeftToJax
from invcompiler.schedule.callees import unwrapped


class Maker:
    """How a derivative function is made: the part that `Generated` asks."""

    suffix = ""
    says = ""

    def __init__(self, f: Any, argnums: Argnums = 0, **options: Any):
        self.target = target_of(f)
        self.argnums = argnums
        self.options = options
        self.chosen, self.single = positions(self.target, argnums)
        self.describes = self.target.f
        self.name = f"{self.target.name}_{self.suffix}"
        self.signature = self.target.signature
        self.captures: dict[str, Capture] = {}
        self.concrete: list[Program] = []

    @property
    def doc(self) -> str:
        return f"{self.says} of `{self.target.name}`{self._place()}{self._respect()}."

    def _place(self) -> str:
        span = None if self.target.function is None else self.target.function.span
        return "" if span is None else f" ({os.path.basename(span.file)}:{span.line})"

    def _respect(self) -> str:
        names = list(self.target.signature.parameters)
        chosen = [names[min(number, len(names) - 1)] for number in self.chosen]
        if len(names) < 2:
            return ""
        *first, last = chosen
        return (
            f" with respect to {', '.join(first)} and {last}"
            if first
            else f" with respect to {last}"
        )

    def write(self, of: Subject) -> Function:
        """Return the IR of the derivative of a subject."""
        raise TypeError("each kind of derivative writes its own program")

    def program(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Function, bool]:
        """Return the IR of the derivative for these arguments, and whether it can be jitted."""
        return self._written(args, kwargs, self.write)

    def _written(
        self, args: tuple, kwargs: dict[str, Any], write: Callable[[Subject], Function]
    ) -> tuple[Function, bool]:
        of, can_jit = self.target.subject(args, kwargs)
        try:
            return write(of), can_jit
        except LeftToJax:
            return write(self.target.left_to_jax(args, kwargs)), can_jit

    def vars(self, of: Subject) -> tuple[Var, ...]:
        return tuple(of.params[number] for number in self.chosen)

    # ---- what `Generated` asks ----

    def generic(self) -> InvcompilerError:
        return self._not_yet()

    def generic_program(self) -> Program | InvcompilerError:
        """Return the program that holds for arguments of any shape, or why there is none."""
        if self.target.function is None:
            return self._not_yet()
        try:
            function = self.write(generic_subject(self.target.function))
        except InvcompilerError:
            return self._not_yet()
        return self._program(function)

    def _not_yet(self) -> InvcompilerError:
        return InvcompilerError(
            f"`{self.name}` is written for the shapes of its arguments, and has not been called yet",
            function=self.target.name,
            hint="call it once, then read its source",
        )

    def is_current(self) -> bool:
        return self.target.is_current()

    def renewed(self) -> Maker:
        return type(self)(self.target.f, self.argnums, **self.options)

    def captured(self) -> dict[str, Any]:
        return {place: capture.read() for place, capture in self.captures.items()}

    def holds(self, program: Program) -> bool:
        return all(map(is_current, program.rests_on))

    def as_jax_sees(self, args: tuple) -> tuple:
        """Return arguments for `f`: JAX takes those apart that it differentiates by, which sorts their dicts."""
        return tuple(
            sorted_dicts(arg) if number in self.chosen else arg for number, arg in enumerate(args)
        )

    @property
    def sorts_dicts(self) -> bool:
        return is_jitted(unwrapped(self.target.f))

    def can_jit(self, program: Program) -> bool:
        return program not in self.concrete

    def defaults(self) -> dict[str, Any]:
        return {}

    def specialise(self, arguments: dict[str, Any]) -> Program:
        args, kwargs = _split(self.signature, arguments)
        function, can_jit = self.program(args, kwargs)
        program = self._program(function)
        self.captures.update({place_of(capture): capture for _, capture in program.text.captures})
        if not can_jit:
            self.concrete.append(program)
        return program

    def _program(self, function: Function) -> Program:
        rests_on = () if self.target.function is None else (self.target.function,)
        return program_of(dataclasses.replace(function, doc=self.doc), rests_on)

    def reduce(self) -> Any:
        return _rebuilt, (type(self), self.target.f, self.argnums, self.options)


def _rebuilt(kind: type[Maker], f: Any, argnums: Argnums, options: dict[str, Any]) -> Derivative:
    return Derivative(kind(f, argnums, **options))


def _split(signature: inspect.Signature, arguments: dict[str, Any]) -> tuple[tuple, dict]:
    """Return bound arguments as a call gives them; those that are their own default are left out."""
    given = {
        name: value
        for name, value in arguments.items()
        if value is not signature.parameters[name].default
    }
    bound = inspect.BoundArguments(signature, given)
    return bound.args, bound.kwargs


__all__ = ["Maker"]
