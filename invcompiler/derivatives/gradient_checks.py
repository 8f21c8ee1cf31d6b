"""What `jax.grad` says of functions and arguments that have no gradient."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.passes.derivative_programs import Subject


def check_scalar(name: str, of: Subject, options: dict[str, Any]) -> None:
    aval = of.avals.aval(of.function.body.result)
    if options.get("has_aux"):
        if not isinstance(aval, tuple | list) or len(aval) != 2:
            raise TypeError(f"with has_aux, `{name}` must return a pair, got {_described(aval)}")
        aval = aval[0]
    if isinstance(aval, complex if options.get("holomorphic") else float):
        return
    if not isinstance(aval, jax.ShapeDtypeStruct | int | float | complex):
        raise TypeError(
            f"Gradient only defined for scalar-output functions. Output was {_described(aval)}."
        )
    if jnp.shape(aval) != ():
        shape = f"{tuple(jnp.shape(aval))}"
        raise TypeError(
            f"Gradient only defined for scalar-output functions. Output had shape: {shape}."
        )
    _check_output(jnp.result_type(aval), options)


def _check_output(dtype: Any, options: dict[str, Any]) -> None:
    is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
    if options.get("holomorphic"):
        if not is_complex:
            raise TypeError(
                "grad with holomorphic=True requires outputs with a dtype that is a sub-dtype of "
                f"np.complexfloating, but got {dtype.name}."
            )
    elif not jnp.issubdtype(dtype, jnp.floating):
        way = (
            "pass holomorphic=True if the function is holomorphic, or use `inv.vjp`"
            if is_complex
            else "for functions with integer outputs use `inv.vjp`"
        )
        raise TypeError(
            "grad requires real-valued outputs (output dtype that is a sub-dtype of np.floating), "
            f"but got {dtype.name}: {way}."
        )


def _described(aval: Any) -> str:
    """Return how an abstract value is shown: `{'a': float64[3]}`."""
    return str(jax.tree.map(_Shown, aval))


class _Shown:
    def __init__(self, leaf: Any):
        self.leaf = leaf

    def __repr__(self) -> str:
        if not isinstance(self.leaf, jax.ShapeDtypeStruct):
            return repr(self.leaf)
        sizes = ",".join(map(str, self.leaf.shape))
        return f"{self.leaf.dtype.name}[{sizes}]"


def check_input(name: str, number: int, aval: Any, options: dict[str, Any]) -> None:
    for leaf in jax.tree.leaves(aval):
        dtype = getattr(leaf, "dtype", None)
        if dtype is None:
            if not isinstance(leaf, bool | int | float | complex):
                raise TypeError(f"argument {number} of {name}, {leaf!r}, is no array or number.")
            dtype = jnp.result_type(leaf)
        if options.get("holomorphic"):
            if not jnp.issubdtype(dtype, jnp.complexfloating):
                raise TypeError(
                    f"{name} with holomorphic=True requires inputs with a dtype that is a sub-dtype of "
                    f"np.complexfloating, but argument {number} has {dtype.name}."
                )
        elif not jnp.issubdtype(dtype, jnp.inexact) and not options.get("allow_int"):
            raise TypeError(
                f"{name} requires real- or complex-valued inputs (input dtype that is a sub-dtype of "
                f"np.inexact), but argument {number} has {dtype.name}. To differentiate with respect to "
                "integers or booleans pass allow_int=True."
            )


__all__ = ["check_input", "check_scalar"]
