"""What invcompiler raises. An error is data: where, what was known, what was missing, a way out.

The classes hold facts; `invcompiler.diagnostics` draws them, so that `str(error)` is the message of a
good compiler: the place, the line with a caret, one sentence of reason, and a hint.
"""

from __future__ import annotations

from invcompiler import diagnostics
from invcompiler.ir.nodes import Span


class InvcompilerError(Exception):
    """The base of every error that invcompiler raises on purpose.

    reason    what is wrong: the first line of the message
    span      the smallest piece of the user's text that shows it
    function  the name of the user's function
    label     the text behind the carets under `span`
    known     what was given, as a user would name it
    missing   what could not be recovered
    hint      what to do about it
    notes     other places that matter, each with a text of its own; an empty text shows the bare line
    """

    def __init__(
        self,
        reason: str = "",
        *,
        span: Span | None = None,
        function: str = "",
        label: str = "",
        known: tuple[str, ...] = (),
        missing: tuple[str, ...] = (),
        hint: str = "",
        notes: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        # `args` is the reason alone: pickle and copy rebuild from it and put the other facts back.
        super().__init__(reason)
        self.reason = reason
        self.span = span
        self.function = function
        self.label = label
        self.known = tuple(known)
        self.missing = tuple(missing)
        self.hint = hint
        self.notes = tuple(notes)

    def __str__(self) -> str:
        return diagnostics.render(self)


class SourceUnavailableError(InvcompilerError):
    """There is no Python source for a function, or what was found is not what runs (`is_stale`)."""

    is_stale = False


class UnsupportedSyntaxError(InvcompilerError):
    """A construct outside the subset stands on a path that unknowns flow through."""


class AdjointBlockError(InvcompilerError):
    """An `inv.adjoint_of` block that has no meaning as it is written: left to JAX it would have no effect."""


class NonInvertibleError(InvcompilerError):
    """Raised by a custom rule: not for this set of knowns."""


class InversionError(InvcompilerError, ValueError):
    """The unknowns cannot be recovered. The subclass says why."""


class InformationDroppedError(InversionError):
    """The output does not determine the unknown: a part of it is dropped, or two of them give one output."""


class EntangledError(InversionError):
    """An unknown appears where no rule can isolate it."""


class NoRuleError(InversionError):
    """Nothing is known about how to invert a function that an unknown is passed to."""


class BranchError(InversionError):
    """The output does not tell which of several branches it came from."""


class DegreesOfFreedomError(InversionError):
    """A log-determinant was asked for, and inputs and outputs differ in their number of real elements."""


class ShapeError(InversionError):
    """The shapes of the unknowns do not follow from the output, or an example contradicts it."""
