"""Jit for functions some of whose arguments and results are no arrays."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
import numpy as np

from invcompiler.generated import is_traced
from invcompiler.ir.dict_order import in_order, order_of


def static_jit(f: Callable[..., Any], sorts_dicts: bool = False) -> Callable[..., Any]:
    """Jit `f`; leaves of its arguments and of its result that are neither arrays nor floats stay what they are.

    So does the order of dicts, unless it `sorts_dicts`, as what was jitted before does.
    """
    results: dict[Any, tuple[Any, list, Hashable]] = {}

    @functools.partial(jax.jit, static_argnums=(1, 2, 3))
    def run(traced: list, frozen: tuple, treedef: Any, order: Hashable) -> list:
        args, kwargs = in_order(_filled(treedef, frozen, traced), order)
        result = f(*args, **kwargs)
        leaves, structure = jax.tree.flatten(result)
        kept = None if sorts_dicts else order_of(result)
        results[frozen, treedef, order] = structure, [_frozen(leaf) for leaf in leaves], kept
        return [leaf for leaf in leaves if _is_passed(leaf)]

    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, treedef = jax.tree.flatten((args, kwargs))
        order = None if sorts_dicts else order_of((args, kwargs))
        frozen = tuple(map(_frozen, leaves))
        arrays = run([leaf for leaf in leaves if _is_passed(leaf)], frozen, treedef, order)
        structure, places, kept = results[frozen, treedef, order]
        return in_order(_filled(structure, places, arrays), kept)

    return call


def _is_passed(leaf: Any) -> bool:
    """Whether a leaf passes through jit as an array: zeros of dtype float0 do not."""
    return is_traced(leaf) and getattr(leaf, "dtype", None) != jax.dtypes.float0


def _frozen(leaf: Any) -> Any:
    if getattr(leaf, "dtype", None) == jax.dtypes.float0:
        return _Zeros(leaf.shape)
    return _TRACED if is_traced(leaf) else _Static(leaf)


def _filled(treedef: Any, frozen: Sequence[Any], traced: list) -> Any:
    given = iter(traced)
    leaves = [next(given) if leaf is _TRACED else leaf.value for leaf in frozen]
    return jax.tree.unflatten(treedef, leaves)


@dataclasses.dataclass(frozen=True)
class _Zeros:
    shape: tuple[int, ...]

    @property
    def value(self) -> np.ndarray:
        return np.zeros(self.shape, jax.dtypes.float0)


@dataclasses.dataclass(frozen=True)
class _Static:
    value: Any


_TRACED = _Static("traced")


__all__ = ["static_jit"]
