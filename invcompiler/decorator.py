"""`@invertible`: the function itself to all appearances, with what is generated from it as attributes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any

from invcompiler import api
from invcompiler.derivatives import Adjoint, adjoint
from invcompiler.generated import Generated


class Invertible:
    """A function with `.inverse`, `.ildj`, `.inverse_and_ildj`, `.fldj` and `.forward_and_fldj`, each made when it is first asked for."""

    __invcompiler_transparent__ = True  # calling it is calling `__wrapped__`

    def __init__(self, f: Any, options: dict[str, Any]):
        self._method: type | None = None
        if isinstance(f, classmethod | staticmethod):
            self._method, f = type(f), f.__func__
        self.options = options
        self._made: dict[str, Generated] = {}
        self._adjoint: Adjoint | None = None
        functools.update_wrapper(self, f)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the function as `self.method`: bound to its object, to its class, or to nothing, as Python would bind it."""
        receiver = owner if self._method is classmethod else instance
        if receiver is None or self._method is staticmethod:
            return self
        return Invertible(MethodType(self.__wrapped__, receiver), self.options)

    def _generated(self, kind: str) -> Generated:
        if kind not in self._made:
            self._made[kind] = api.kind_of(kind)(self.__wrapped__, **self.options)
        return self._made[kind]

    @property
    def inverse(self) -> Generated:
        return self._generated("inverse")

    @property
    def ildj(self) -> Generated:
        return self._generated("ildj")

    @property
    def inverse_and_ildj(self) -> Generated:
        return self._generated("inverse_and_ildj")

    @property
    def fldj(self) -> Generated:
        return self._generated("fldj")

    @property
    def forward_and_fldj(self) -> Generated:
        return self._generated("forward_and_fldj")

    @property
    def adjoint(self) -> Adjoint:
        if self._adjoint is None:
            self._adjoint = adjoint(self.__wrapped__, self.options["argnums"], by_cost=True)
        return self._adjoint

    def source(self, kind: str = "inverse") -> str:
        """Return the emitted text of one kind of product. Raises ValueError for an unknown kind."""
        if kind == "adjoint":
            return self.adjoint.source
        return self._generated(kind).source

    def explain(self) -> str:
        """Return the report of `inv.explain`."""
        argnums, numeric = self.options.get("argnums", 0), self.options.get("numeric", False)
        return api.explain(self.__wrapped__, argnums, numeric=numeric)

    def __repr__(self) -> str:
        return f"<invertible {self.__wrapped__!r}>"

    def __reduce__(self) -> Any:
        if self is _named(self.__module__, self.__qualname__):
            return self.__qualname__  # by reference, as functions are
        return (Invertible, (self.__wrapped__, self.options))


def _named(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def invertible(
    f: Callable[..., Any] | None = None,
    argnums: int | tuple[int, ...] = 0,
    *,
    example: Any = None,
    domain: Any = None,
    numeric: bool = False,
    batch_ndims: int = 0,
) -> Any:
    """Decorate a function or method: it stays what it is, and has `.inverse`, `.ildj` and so on.

    Bare (`@invertible`) or with the arguments of `inverse` (`@invertible(argnums=1)`). What is generated is made when it is first
    used, so errors come then.
    """
    options = {
        "argnums": argnums,
        "example": example,
        "domain": domain,
        "numeric": numeric,
        "batch_ndims": batch_ndims,
    }
    if f is None:
        return lambda g: _decorated(g, options)
    return _decorated(f, options)


def _decorated(f: Any, options: dict[str, Any]) -> Invertible:
    if not callable(f) and not isinstance(f, classmethod):
        raise TypeError(f"expected a function, got {type(f).__name__}: {f!r}")
    return Invertible(f, options)
