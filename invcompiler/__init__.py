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
from invcompiler.decorator import invertible
from invcompiler.errors import (
    InvcompilerError,
    InversionError,
    NonInvertibleError,
    ShapeError,
    SourceUnavailableError,
    UnsupportedSyntaxError,
)
from invcompiler.ir.interval import Interval
from invcompiler.rules.registry import inverse_rule

__all__ = [
    "Interval",
    "InvcompilerError",
    "InversionError",
    "NonInvertibleError",
    "ShapeError",
    "SourceUnavailableError",
    "UnsupportedSyntaxError",
    "assume",
    "emit",
    "explain",
    "fldj",
    "forward_and_fldj",
    "ildj",
    "inverse",
    "inverse_and_ildj",
    "inverse_rule",
    "invertible",
    "source",
]
