"""What a cotangent must look like."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class Form:
    """What a cotangent must look like: the structure of the value, and the shape and dtype of each leaf."""

    structure: Any
    leaves: tuple[tuple[tuple[int, ...], Any], ...]

    @classmethod
    def of(cls, value: Any) -> Form:
        leaves, structure = jax.tree.flatten(value)
        return cls(structure, tuple(map(look_of, leaves)))

    def fitted(self, bar: Any) -> Any:
        """Return `bar` with Python numbers as arrays; raises ValueError if it is not of this form."""
        leaves, structure = jax.tree.flatten(bar)
        if structure != self.structure:
            raise ValueError(
                f"the cotangent has the tree structure {structure}, the output {self.structure}"
            )
        pairs = zip(leaves, self.leaves, strict=True)
        return jax.tree.unflatten(structure, [_fitted(leaf, *look) for leaf, look in pairs])


def look_of(leaf: Any) -> tuple[tuple[int, ...], Any]:
    if not _is_number(leaf) and not hasattr(leaf, "dtype"):
        return (), None
    dtype = jnp.result_type(leaf)
    is_inexact = jnp.issubdtype(dtype, jnp.inexact)
    return tuple(jnp.shape(leaf)), dtype if is_inexact else jax.dtypes.float0


def _fitted(leaf: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    if dtype is None or dtype == jax.dtypes.float0:
        return leaf
    if shape == () and _is_number(leaf):
        return jnp.asarray(leaf, dtype)
    found = getattr(leaf, "dtype", None)
    if jnp.shape(leaf) != shape or found != dtype:
        look = f"{found or type(leaf).__name__}{list(jnp.shape(leaf))}"
        raise ValueError(
            f"the cotangent of an output of type {np.dtype(dtype).name}{list(shape)} has type {look}"
        )
    return leaf


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, int | float | complex) and not isinstance(leaf, bool)


__all__ = ["Form", "look_of"]
