"""Compile a JAX function's Python source to the source of its inverse, its log-determinants and its derivatives.

The modules behind the names are imported when one of them is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invcompiler.api import (
        emit,
        explain,
        fldj,
        forward_and_fldj,
        ildj,
        inverse,
        inverse_and_ildj,
        source,
    )
    from invcompiler.assumptions import assume
    from invcompiler.closure_conversion import closure_convert
    from invcompiler.custom import custom_inverse
    from invcompiler.debugging import adjoint_of, debug_cotangent
    from invcompiler.decorator import invertible
    from invcompiler.derivatives import grad, jvp, tangent, value_and_grad, vjp
    from invcompiler.errors import (
        InvcompilerError,
        InversionError,
        NonInvertibleError,
        ShapeError,
        SourceUnavailableError,
        UnsupportedSyntaxError,
    )
    from invcompiler.implicit import implicit_inverse
    from invcompiler.ir.interval import Interval
    from invcompiler.reconstructing import adjoint, reversible
    from invcompiler.rules.adjoint_registry import adjoint_rule
    from invcompiler.rules.registry import inverse_rule

_HOMES = {
    "api": "emit explain fldj forward_and_fldj ildj inverse inverse_and_ildj source",
    "assumptions": "assume",
    "closure_conversion": "closure_convert",
    "custom": "custom_inverse",
    "debugging": "adjoint_of debug_cotangent",
    "decorator": "invertible",
    "derivatives": "grad jvp tangent value_and_grad vjp",
    "errors": "InvcompilerError InversionError NonInvertibleError ShapeError SourceUnavailableError "
    "UnsupportedSyntaxError",
    "implicit": "implicit_inverse",
    "ir.interval": "Interval",
    "reconstructing": "adjoint reversible",
    "rules.adjoint_registry": "adjoint_rule",
    "rules.registry": "inverse_rule",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'invcompiler' has no attribute {name!r}")
    value = getattr(import_module(f"invcompiler.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})


__all__ = [
    "Interval",
    "InvcompilerError",
    "InversionError",
    "NonInvertibleError",
    "ShapeError",
    "SourceUnavailableError",
    "UnsupportedSyntaxError",
    "adjoint",
    "adjoint_of",
    "adjoint_rule",
    "assume",
    "closure_convert",
    "custom_inverse",
    "debug_cotangent",
    "emit",
    "explain",
    "fldj",
    "forward_and_fldj",
    "grad",
    "ildj",
    "implicit_inverse",
    "inverse",
    "inverse_and_ildj",
    "inverse_rule",
    "invertible",
    "jvp",
    "reversible",
    "source",
    "tangent",
    "value_and_grad",
    "vjp",
]
