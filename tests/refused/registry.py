"""The list of refusals, and where the caret of each must stand."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

MARK = "#~"
REFUSED: list["Refused"] = []


@dataclasses.dataclass(frozen=True, eq=False)
class Refused:
    """A function that `inv.<kind>` must refuse with `error`.

    It is refused when the inverse is made, unless `call` holds the arguments, the output first, that
    show it. `at` is the function whose text bears the mark, or None where there is no text.
    """

    name: str
    function: Callable
    error: type[Exception]
    argnums: int | tuple[int, ...]
    kind: str
    call: tuple | None
    at: Callable | None
    options: Mapping[str, Any]

    def mark(self):
        """Return the number of the marked line and the text that the message must hold."""
        lines, first = inspect.getsourcelines(inspect.unwrap(self.at))
        for number, line in enumerate(lines, first):
            if MARK in line:
                return number, line.partition(MARK)[2].strip()
        raise AssertionError(f"no line of {self.name} is marked")


def refused(error, argnums=0, *, kind="inverse", call=None, at=..., name=None, **options):
    """Register the decorated function, which is returned as it is."""

    def register(function):
        REFUSED.append(
            Refused(
                name=name or f"{function.__module__.rpartition('.')[2]}.{function.__name__}",
                function=function,
                error=error,
                argnums=argnums,
                kind=kind,
                call=call,
                at=function if at is ... else at,
                options=options,
            )
        )
        return function

    return register
