"""A function that calls itself, as the compiler writes it: the call names a stand-in, so that IR stays a tree.

The function and its stand-in share one `Recursion` as their `source`; the backend gives both one name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from invcompiler.ir.nodes import Apply, Block, Function, Param, Ref, Var


@dataclass(frozen=True, eq=False)
class Recursion:
    """What a function and the stand-in that its body calls have in common. It is called only if IR with a stand-in is run."""

    name: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RecursionError(f"`{self.name}` stands in for a function that is called by itself")

    def stand_in(self, params: tuple[Param, ...]) -> Function:
        """Return the function to call in place of one of which only name and parameters are known."""
        out = Var()
        body = Block((), (Apply(out, Ref(self, self.name), ()),), out)
        return Function(self.name, params, body, source=self)


def identity(function: Function) -> int:
    """Return what tells functions apart, but not a function and its stand-in."""
    return id(function.source if isinstance(function.source, Recursion) else function)


__all__ = ["Recursion", "identity"]
