"""Python to IR: `read` finds the source of a callable, proves that it is the truth, and lowers it."""

from invcompiler.frontend.callables import Mapped, is_jitted, mapped
from invcompiler.frontend.calling import calling_stated, calling_unread
from invcompiler.frontend.reading import read, read_later
from invcompiler.frontend.resolve import is_current

__all__ = [
    "Mapped",
    "calling_stated",
    "calling_unread",
    "is_current",
    "is_jitted",
    "mapped",
    "read",
    "read_later",
]
