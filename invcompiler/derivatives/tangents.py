"""`tangent` and `jvp`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.derivatives.derivative import Derivative
from invcompiler.derivatives.forms import look_of
from invcompiler.derivatives.makers import Maker
from invcompiler.derivatives.once import Once
from invcompiler.derivatives.targets import Argnums
from invcompiler.ir.dict_order import sorted_dicts
from invcompiler.ir.nodes import Function
from invcompiler.passes.adjoint_pairs import run_by
from invcompiler.passes.derivative_programs import Subject, tangent_program


class TangentMaker(Maker):
    suffix = "jvp"
    says = "Value and tangent"

    def __init__(self, f: Any, argnums: Argnums = 0, **options: Any):
        super().__init__(run_by(f), argnums, **options)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.signature = inspect.Signature(
            [inspect.Parameter("primals", kind), inspect.Parameter("tangents", kind)]
        )

    def program(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Function, bool]:
        primals, _ = (*args, *kwargs.values())
        write = lambda of: tangent_program(of, self.vars(of), len(primals))
        return self._written(tuple(primals), {}, write)

    def as_jax_sees(self, args: tuple) -> tuple:
        return args  # `Tangent.jvp` sees to it

    def write(self, of: Subject) -> Function:
        return tangent_program(of, self.vars(of), len(of.params))


class Tangent:
    """The tangent program of a function: `.jvp(primals, tangents) -> (out, out_dot)`, and its `.source`."""

    def __init__(self, f: Callable[..., Any], argnums: Argnums = 0):
        self._maker = TangentMaker(f, argnums)
        self._generated = Derivative(self._maker)

    @property
    def source(self) -> str:
        return self._generated.source

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
        """Return `f(*primals)` and its tangent. `tangents` has one item for each of `argnums`, or for each primal."""
        primals, tangents = tuple(primals), tuple(tangents)
        chosen = self._maker.chosen
        if len(tangents) == len(primals) != len(chosen):
            tangents = tuple(tangents[number] for number in chosen)
        if len(tangents) != len(chosen):
            raise ValueError(f"expected {len(chosen)} tangents, got {len(tangents)}")
        primals, tangents = (
            Maker.as_jax_sees(self._maker, primals),
            tuple(map(sorted_dicts, tangents)),
        )
        _check_alike([primals[number] for number in chosen], tangents)
        return self._generated(primals, tangents)

    def __repr__(self) -> str:
        return f"<tangent of {self._maker.target.name}>"


def _check_alike(primals: Sequence[Any], tangents: Sequence[Any]) -> None:
    for primal, tangent_ in zip(primals, tangents, strict=True):
        structures: list[Any] = [jax.tree.structure(primal), jax.tree.structure(tangent_)]
        if structures[0] != structures[1]:
            raise TypeError("primals and tangents must have the same tree structure")
        for x, x_dot in zip(jax.tree.leaves(primal), jax.tree.leaves(tangent_), strict=True):
            if jnp.shape(x) != jnp.shape(x_dot):
                raise ValueError(
                    f"a primal of shape {jnp.shape(x)} has a tangent of shape {jnp.shape(x_dot)}"
                )
            _check_tangent_dtype(x, x_dot)


def _check_tangent_dtype(x: Any, x_dot: Any) -> None:
    _, dtype = look_of(x)
    found = getattr(x_dot, "dtype", None) or jnp.result_type(x_dot)
    if dtype is not None and found != dtype:
        raise TypeError(
            f"a primal of dtype {jnp.result_type(x).name} has a tangent of dtype {np.dtype(found).name}, "
            f"not {np.dtype(dtype).name}"
        )


def tangent(f: Callable[..., Any], argnums: Argnums = 0) -> Tangent:
    """Return the tangent program of `f`: an object with `.jvp(primals, tangents) -> (out, out_dot)` and `.source`."""
    return Tangent(f, argnums)


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple:
    """Return `(f(*primals), its tangent)`, like `jax.jvp`.

    With `has_aux` the function returns a pair, of which the first item is differentiated, and the result is
    `(value, tangent, aux)`. Raises TypeError or ValueError for tangents that do not look like the primals.
    """
    if not all(isinstance(given, tuple | list) for given in (primals, tangents)):
        raise TypeError("primals and tangents must be tuples or lists")
    if len(primals) != len(tangents):
        raise TypeError(f"got {len(primals)} primals and {len(tangents)} tangents")
    out, out_dot = _tangent_of(f, tuple(range(len(primals)))).jvp(primals, tangents)
    if not has_aux:
        return out, out_dot
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise TypeError("with has_aux the function must return a pair")
    return out[0], out_dot[0], out[1]


_tangent_of = Once(tangent)


__all__ = ["Tangent", "jvp", "tangent"]
