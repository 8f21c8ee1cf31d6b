"""Python to IR: `read` finds the source of a callable, proves that it is the truth, and lowers it."""

from invcompiler.frontend.callables import Mapped, mapped
from invcompiler.frontend.reading import read

__all__ = ["Mapped", "mapped", "read"]
