"""`grad` and `value_and_grad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invcompiler.derivatives.derivative import Derivative
from invcompiler.derivatives.gradient_checks import check_input, check_scalar
from invcompiler.derivatives.makers import Maker
from invcompiler.derivatives.targets import Argnums
from invcompiler.ir.nodes import Function
from invcompiler.passes.derivative_programs import Subject, value_and_grad_program


class ValueAndGradMaker(Maker):
    suffix = "value_and_grad"
    says = "Value and gradient"
    value = True

    def write(self, of: Subject) -> Function:
        has_aux = self.options.get("has_aux", False)
        chosen = self.vars(of)
        if of.avals.generic:
            return value_and_grad_program(of, chosen, self.single, self.value, has_aux)
        for number, var in zip(self.chosen, chosen, strict=True):
            check_input(self.suffix, number, of.avals.aval(var), self.options)
        check_scalar(self.target.name, of, self.options)
        return value_and_grad_program(of, chosen, self.single, self.value, has_aux)


class GradMaker(ValueAndGradMaker):
    suffix = "grad"
    says = "Gradient"
    value = False


def _makes_function(fn: Callable) -> Callable:
    """Mark a function whose calls are made while a program is compiled: the source of the result becomes a part of it."""
    fn.__makes_function__ = True  # type: ignore[attr-defined]
    return fn


@_makes_function
def grad(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Derivative:
    """Return a function of the same arguments that gives the gradient of `f`, like `jax.grad`.

    `f` returns one real number, or with `has_aux` a pair of one and something else; with `holomorphic` it takes and returns complex
    numbers. `.source` is the emitted module. Raises TypeError or ValueError for an `argnums` that makes no sense.
    """
    options = {"has_aux": has_aux, "holomorphic": holomorphic, "allow_int": allow_int}
    return Derivative(GradMaker(f, argnums, **options))


@_makes_function
def value_and_grad(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Derivative:
    """Return a function of the same arguments that gives the value and the gradient of `f`, like `jax.value_and_grad`."""
    options = {"has_aux": has_aux, "holomorphic": holomorphic, "allow_int": allow_int}
    return Derivative(ValueAndGradMaker(f, argnums, **options))


__all__ = ["grad", "value_and_grad"]
