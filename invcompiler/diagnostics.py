"""Draw facts over the user's text, as a good compiler does: place, line, caret, reason, way out.

Errors and `explain` share these drawings. Nothing here decides anything, and nothing here fails: where a
file is gone, its lines are left out.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from invcompiler.ir.nodes import Span

if TYPE_CHECKING:
    from invcompiler.errors import InvcompilerError

# A longer expression is shown by its first line: more of it would hide the message below.
LONGEST_EXCERPT = 5


@dataclass(frozen=True)
class Mark:
    """A piece of text to underline with `sign`, and what to say about it. Without a sign, the bare line."""

    span: Span
    sign: str
    label: str = ""


def render(error: InvcompilerError) -> str:
    """The message of `error`: its reason, then where it is, then what was known, missing, and would help.

    >>> print(render(InversionError("cannot recover `x`", known=("the output",), missing=("x",))))
    cannot recover `x`
      known:    the output
      missing:  x
    """
    marks = _marks(error)
    width = _gutter_width(marks)
    head = [error.reason] if error.reason else []
    return "\n".join([*head, *_place(error), *excerpt(marks), *_facts(error, width)])


def excerpt(marks: Iterable[Mark]) -> list[str]:
    """The marked lines of one file, numbered, with what is marked underlined and labelled."""
    marks = tuple(marks)
    lines = _lines_shown(marks)
    if not lines:
        return []
    width = _gutter_width(marks)
    rule = " " * width + "|"
    body = [
        row
        for before, line in pairwise([lines[0], *lines])
        for row in (*_gap(before, line), *_rows(marks, line, width))
    ]
    return [rule, *body, rule]


def place(span: Span) -> str:
    """`file:line:column`, from the working directory where the file is below it; columns count from 1."""
    return (
        f"{_shown_path(span.file)}:{span.line}:{_text_column(span.file, span.line, span.col) + 1}"
    )


def _shown_path(file: str) -> str:
    if not os.path.isabs(file):
        return file
    below = os.path.join(os.getcwd(), "")
    return file.removeprefix(below)


def _marks(error: InvcompilerError) -> tuple[Mark, ...]:
    if error.span is None:
        return ()
    primary = Mark(error.span, "^", error.label)
    notes = [Mark(span, "-" if text else "", text) for span, text in error.notes]
    return (primary, *(notes or _line_above(error.span)))


def _line_above(span: Span) -> tuple[Mark, ...]:
    """The line before an error that has no notes: it tells a reader where he is."""
    above = span.line - 1
    if not _source_line(span.file, above).strip():
        return ()
    return (Mark(Span(span.file, above, 0, above, 0), ""),)


def _place(error: InvcompilerError) -> list[str]:
    if error.span is not None:
        return ["  " + place(error.span)]
    return [f"  in `{error.function}`"] if error.function else []


def _facts(error: InvcompilerError, width: int) -> list[str]:
    facts = {
        "known:": ", ".join(error.known),
        "missing:": ", ".join(error.missing),
        "hint:": error.hint,
    }
    continued = "\n" + " " * (width + 10)
    return [
        " " * width + f"{name:<10}" + text.replace("\n", continued)
        for name, text in facts.items()
        if text
    ]


# ---- lines and what is under them -----------------------------------------------------------------


def _lines_shown(marks: tuple[Mark, ...]) -> list[int]:
    lines = {line for mark in marks for line in _lines_of(mark.span)}
    if not any(_source_line(marks[0].span.file, line) for line in lines):
        return []
    return sorted(lines)


def _lines_of(span: Span) -> range:
    if span.end_line - span.line >= LONGEST_EXCERPT:
        return range(span.line, span.line + 1)
    return range(span.line, span.end_line + 1)


def _gutter_width(marks: tuple[Mark, ...]) -> int:
    last = max((line for mark in marks for line in _lines_of(mark.span)), default=0)
    return len(str(last)) + 1


def _gap(before: int, line: int) -> list[str]:
    return ["..."] if line > before + 1 else []


def _rows(marks: tuple[Mark, ...], line: int, width: int) -> Iterator[str]:
    """A source line, and below it one row for each mark."""
    file = marks[0].span.file
    text = _source_line(file, line)
    yield f"{line:>{width - 1}} | {text}".rstrip()
    for mark in marks:
        if mark.span.file == file and mark.sign and line in _lines_of(mark.span):
            yield " " * width + "| " + _underline(mark, line, text)


def _underline(mark: Mark, line: int, text: str) -> str:
    span = mark.span
    indent = len(text) - len(text.lstrip())
    start = _text_column(span.file, line, span.col) if line == span.line else indent
    end = _text_column(span.file, line, span.end_col) if line == span.end_line else len(text)
    # A tab stays a tab, so that what stands below it stays below it.
    lead = "".join("\t" if char == "\t" else " " for char in text[:start])
    label = mark.label if line == _lines_of(span)[-1] else ""
    return f"{lead}{mark.sign * max(end - start, 1)} {label}".rstrip()


def _source_line(file: str, line: int) -> str:
    return linecache.getline(file, line).rstrip("\n") if line > 0 else ""


def _text_column(file: str, line: int, column: int) -> int:
    """A column in characters. Python's syntax trees, and so spans, count bytes of UTF-8."""
    return len(_source_line(file, line).encode()[:column].decode(errors="ignore")) or column
