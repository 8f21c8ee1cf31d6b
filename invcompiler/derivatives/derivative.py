"""What a generated derivative is: jitted, and written anew for each signature."""

from __future__ import annotations

from typing import Any

from invcompiler.generated import Generated, Program
from invcompiler.ir.nodes import Function


class Derivative(Generated):
    """A generated derivative. It is jitted, unless the function asks for the values of arrays."""

    @property
    def program(self) -> Program:
        """The program that was called last; before the first call, the one that holds for arguments of any shape."""
        with self._cache.lock:
            self._refresh()
            if self._cache.programs:
                return list(self._cache.programs.values())[-1]
            if not isinstance(self._generic, Program):
                self._generic = self._maker.generic_program()
        return super().program

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*self._maker.as_jax_sees(args), **kwargs)

    def function_for(self, args: tuple, kwargs: dict[str, Any]) -> Function:
        """Return the IR of this function for arguments that look like these: for derivatives of derivatives."""
        return self._maker.program(args, kwargs)[0]


__all__ = ["Derivative"]
