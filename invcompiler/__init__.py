"""Compile a JAX function's Python source to the source of its inverse, its log-determinants and its derivatives."""

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
from invcompiler.decorator import invertible
from invcompiler.derivatives import adjoint, grad, jvp, tangent, value_and_grad, vjp
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
from invcompiler.rules.adjoint_registry import adjoint_rule
from invcompiler.rules.registry import inverse_rule

__all__ = [
    "Interval",
    "InvcompilerError",
    "InversionError",
    "NonInvertibleError",
    "ShapeError",
    "SourceUnavailableError",
    "UnsupportedSyntaxError",
    "adjoint",
    "adjoint_rule",
    "assume",
    "closure_convert",
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
    "source",
    "tangent",
    "value_and_grad",
    "vjp",
]
