"""The public transforms: what each takes, gives and raises."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any

from invcompiler.combine import combined
from invcompiler.derivatives import Adjoint, adjoint, tangent
from invcompiler.generated import Generated
from invcompiler.makers import InverseMaker, checked
from invcompiler.passes.invert import Product
from invcompiler.reconstructing import Reversible
from invcompiler.report import report

_INVERSE = Product(inverse=True)
_ILDJ = Product(inverse=False, ildj=True)
_BOTH = Product(inverse=True, ildj=True)
_FLDJ = Product(inverse=False, ildj=True, forward=True)
_FORWARD = Product(inverse=True, ildj=True, forward=True)


def _generated(
    product: Product,
    f: Any,
    argnums: Any,
    example: Any,
    domain: Any,
    numeric: Any,
    batch_ndims: Any,
) -> Generated:
    request = checked(f, argnums, example, domain, numeric, batch_ndims, product)
    return Generated(InverseMaker(request, _generated))


def inverse(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    example: Any = None,
    domain: Any = None,
    numeric: bool = False,
    batch_ndims: int = 0,
) -> Generated:
    """Return `g(y, *known) -> x` with `g(f(x, *known), *known) == x`.

    Args:
      f: a function, lambda, method, callable object, partial, or jitted function over arrays and pytrees of any shape.
      argnums: which parameters are recovered; all others are known, and are passed to `g` behind the output, in their order.
      example: values or `jax.ShapeDtypeStruct`s like the recovered arguments, where the output does not tell their shapes
        (a tuple for a tuple of argnums).
      domain: where a recovered argument lives, if `f` is only injective there: an `Interval`, "real", "positive",
        "nonnegative" or "unit", or a pytree prefix of them.
      numeric: allow iterative code where there is no closed form. Of functions that act element by element it is proven that they are
        monotone; other systems are taken to be injective (their determinant of one sign), and `x + g(x)` of more than 16 numbers to have
        a g that contracts. What did not converge, or breaks these assumptions where that is seen, is NaN. Derivatives are
        those of the implicit function.
      batch_ndims: how many leading axes are independent examples; it matters for log-determinants only.

    Raises:
      InversionError: x cannot be recovered; the subclass and the message say why and what would help.
      UnsupportedSyntaxError, SourceUnavailableError: `f` cannot be read where unknowns flow through it.
      TypeError, ValueError: an argument makes no sense.
    """
    return _generated(_INVERSE, f, argnums, example, domain, numeric, batch_ndims)


def ildj(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    example: Any = None,
    domain: Any = None,
    numeric: bool = False,
    batch_ndims: int = 0,
) -> Generated:
    """Return `g(y, *known) -> log |det dx/dy|`, where `y = f(x, *known)`.

    The result has the shape of the first `batch_ndims` axes of x and the dtype of x. Arguments and errors are those of `inverse`;
    a `DegreesOfFreedomError` is raised where x and y differ in their number of real elements.
    The change of variables is that of Papamakarios et al. 2021, arXiv:1912.02762, section 2.1.
    """
    return _generated(_ILDJ, f, argnums, example, domain, numeric, batch_ndims)


def inverse_and_ildj(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    example: Any = None,
    domain: Any = None,
    numeric: bool = False,
    batch_ndims: int = 0,
) -> Generated:
    """Return `g(y, *known) -> (x, ildj)`: `inverse` and `ildj` at once, what they share computed once."""
    return _generated(_BOTH, f, argnums, example, domain, numeric, batch_ndims)


def fldj(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    example: Any = None,
    domain: Any = None,
    numeric: bool = False,
    batch_ndims: int = 0,
) -> Generated:
    """Return `g(*args) -> log |det dy/dx|` at `x = args[argnums]`: minus the ILDJ at the output.

    It takes the arguments of `f`. Arguments and errors are those of `ildj`.
    """
    return _generated(_FLDJ, f, argnums, example, domain, numeric, batch_ndims)


def forward_and_fldj(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    example: Any = None,
    domain: Any = None,
    numeric: bool = False,
    batch_ndims: int = 0,
) -> Generated:
    """Return `g(*args) -> (f(*args), fldj)`, what they share computed once."""
    return _generated(_FORWARD, f, argnums, example, domain, numeric, batch_ndims)


KINDS: dict[str, Callable[..., Generated]] = {
    "inverse": inverse,
    "ildj": ildj,
    "inverse_and_ildj": inverse_and_ildj,
    "fldj": fldj,
    "forward_and_fldj": forward_and_fldj,
}


DERIVATIVES: dict[str, Callable[..., Any]] = {"adjoint": adjoint, "tangent": tangent}


def kind_of(kind: str) -> Callable[..., Generated]:
    """Return the transform of that name. Raises ValueError for an unknown one."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}: one of {', '.join(KINDS)}")
    return KINDS[kind]


def made(kind: str, f: Any, argnums: int | tuple[int, ...], **options: Any) -> Any:
    """Return the product of `f` of that kind: derivatives take no options of inverses. Raises ValueError for an unknown kind."""
    if kind in DERIVATIVES:
        return DERIVATIVES[kind](f, argnums)
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}: one of {', '.join((*KINDS, *DERIVATIVES))}")
    return KINDS[kind](f, argnums, **options)


def source(obj: Any) -> str:
    """Return the emitted module text of anything generated. Raises TypeError for anything else."""
    text = getattr(obj, "source", None)
    if callable(text):
        text = text()
    if not isinstance(text, str):
        raise TypeError(f"expected something generated by invcompiler, got {type(obj).__name__}")
    return text


def explain(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    numeric: bool = False,
    example: tuple = (),
) -> str:
    """Return a report of how `f` is inverted: for each line of the user's, what is known when, and by which rule.

    Where `f` cannot be inverted, the report ends in the error that says why. `numeric` allows iterative code, as for `inverse`.

    Of what `adjoint` and `reversible` return, the report says how the way back has each value (kept, computed again, or undone), in how many
    bytes and operations for arguments like those of `example` (a tuple; without it, those of the last call), and where digits are lost.
    """
    if isinstance(f, Adjoint | Reversible):
        return f.explain(*example)
    request = checked(f, argnums, None, None, numeric, 0, _INVERSE)
    return report(InverseMaker(request, _generated))


def emit(
    f: Callable[..., Any],
    path: str | os.PathLike[str],
    kinds: tuple[str, ...] = ("inverse", "inverse_and_ildj", "adjoint"),
    argnums: int | tuple[int, ...] = 0,
    **options: Any,
) -> None:
    """Write a standalone module with the given products of `f`: it needs jax and the modules that `f` names, nothing else.

    `kinds` are "inverse", "ildj", "inverse_and_ildj", "fldj", "forward_and_fldj", "adjoint" and "tangent". Captured arrays are keyword-only parameters of what it defines. Raises what making the products raises, and
    ValueError for an unknown kind.
    """
    text = emitted(f, kinds, argnums, **options)
    pathlib.Path(path).write_text(text, encoding="utf-8")


def emitted(
    f: Callable[..., Any],
    kinds: tuple[str, ...],
    argnums: int | tuple[int, ...] = 0,
    **options: Any,
) -> str:
    """Return the text that `emit` writes."""
    if isinstance(kinds, str):
        raise TypeError(f"`kinds` is a tuple of kinds, got {kinds!r}")
    return combined([made(kind, f, argnums, **options).source for kind in kinds])
