"""What an emitted module is: its text, and what a caller must know to load and call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from invcompiler.ir.nodes import Capture, Span


@dataclass(frozen=True)
class Header:
    """What the first function of a module says of itself.

    `doc` is its docstring. With `line_comments` a statement that has a line of the user's for itself names it.
    """

    doc: str | None = None
    line_comments: bool = False


@dataclass(frozen=True, eq=False)
class Text:
    """An emitted module.

    `main` is the function in it that answers. It has a keyword-only parameter for each of `captures`, to be
    bound to what the capture reads today, and for each of `objects`, which no text can name. `lines` says for the first line
    of each statement of `source` where in the user's text it comes from, or None where that is not known.
    """

    source: str
    main: str
    captures: tuple[tuple[str, Capture], ...] = ()
    objects: tuple[tuple[str, Any], ...] = ()
    lines: tuple[tuple[int, Span | None], ...] = ()
