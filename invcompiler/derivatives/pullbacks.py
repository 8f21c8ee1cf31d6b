"""`vjp`: a value, and its pullback."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.derivatives.adjoints import Adjoint, Residuals, adjoint
from invcompiler.derivatives.once import Once


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple:
    """Return `(f(*primals), pullback)`, like `jax.vjp`: `pullback(out_bar)` is a tuple with a cotangent for each primal.

    With `has_aux` the function returns a pair, of which the first item is differentiated, and the result is
    `(value, pullback, aux)`. The pullback is a pytree, and raises ValueError for a cotangent that does not fit the value.
    """
    found = _adjoint_of(f, tuple(range(len(primals))))
    out, residuals = found.fwd(*primals)
    if not has_aux:
        return out, jax.tree_util.Partial(found.bwd, residuals)
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise TypeError("with has_aux the function must return a pair")
    value, aux = out
    return (
        value,
        jax.tree_util.Partial(_OfFirst(found, type(out)), jax.tree.map(_zero, aux), residuals),
        aux,
    )


@dataclasses.dataclass(frozen=True)
class _OfFirst:
    """The pullback of the first item of a pair."""

    adjoint: Adjoint
    kind: type

    def __call__(self, zeros: Any, residuals: Residuals, out_bar: Any) -> tuple:
        return self.adjoint.bwd(residuals, self.kind((out_bar, zeros)))


def _zero(x: Any) -> Any:
    if jnp.issubdtype(jnp.result_type(x), jnp.inexact):
        return jnp.zeros_like(x)
    return np.zeros(jnp.shape(x), jax.dtypes.float0)


_adjoint_of = Once(adjoint)


__all__ = ["vjp"]
