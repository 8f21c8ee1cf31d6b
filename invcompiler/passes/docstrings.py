"""The docstrings of emitted functions, broken as a person would: one line, or paragraphs with the quotes on a line of their own."""

from __future__ import annotations

import textwrap

_WIDTH = 100
_INDENT = "    "


def docstring(*paragraphs: str) -> str:
    """Return the text between the quotes.

    >>> docstring("Inverse of `f` with respect to x.")
    'Inverse of `f` with respect to x.'
    """
    if len(paragraphs) == 1 and len(_INDENT) + 6 + len(paragraphs[0]) <= _WIDTH:
        return paragraphs[0]
    width = _WIDTH - len(_INDENT) - 3 - (10 if len(paragraphs) == 1 else 0)
    broken = [textwrap.wrap(p, width, break_on_hyphens=False) for p in paragraphs]
    lines = [
        line for number, part in enumerate(broken) for line in (["", *part] if number else part)
    ]
    indented = [_INDENT + line if line else "" for line in lines]
    return "\n".join([lines[0], *indented[1:], _INDENT])
