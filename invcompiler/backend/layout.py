"""The lines of a module: where they break, and how many empty ones stand between, as `ruff format` has it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from invcompiler.backend.breaking import break_line
from invcompiler.backend.imports import section

WIDTH = 100


class Begin(str):
    """An empty piece of text that says which statement begins here."""

    statement: ast.stmt

    def __new__(cls, statement: ast.stmt) -> Begin:
        begin = super().__new__(cls)
        begin.statement = statement
        return begin


@dataclass
class Line:
    """One line before it is broken. `statement` is set on the first line of a statement."""

    text: str
    statement: ast.stmt | None = None
    number: int = 0

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip(" "))


@dataclass(frozen=True)
class LaidOut:
    text: str
    statements: tuple[tuple[int, ast.stmt], ...]


def lay_out(pieces: list[str], comments: Mapping[ast.stmt, str]) -> LaidOut:
    """Return the text that `pieces` (text, line breaks, beginnings of statements) make up."""
    out: list[str] = []
    statements: list[tuple[int, ast.stmt]] = []
    blanks = _Blanks()
    for line in _lines(pieces):
        out += [""] * blanks.above(line)
        if line.statement is not None:
            statements.append((len(out) + 1, line.statement))
        out += _broken(line, comments.get(line.statement, "") if line.statement else "")
    return LaidOut("\n".join(out) + "\n", tuple(statements))


def _lines(pieces: list[str]) -> list[Line]:
    lines: list[Line] = []
    current: list[str] = []
    statement: ast.stmt | None = None

    def flush() -> None:
        nonlocal statement
        if "".join(current).strip():
            lines.append(Line("".join(current).rstrip(), statement))
            statement = None
        current.clear()

    for piece in pieces:
        if isinstance(piece, Begin):
            statement = piece.statement
        elif piece and not piece.strip("\n"):
            flush()
        else:
            current.append(piece)
    flush()
    return lines


class _Blanks:
    """Counts the empty lines above each line."""

    def __init__(self) -> None:
        self.previous: Line | None = None
        self.ends_definition: dict[int, bool] = {}
        """For each indent of a block that is open: whether its last statement is a definition."""

    def above(self, line: Line) -> int:
        previous, self.previous = self.previous, line
        closed = [
            self.ends_definition.pop(i) for i in list(self.ends_definition) if i > line.indent
        ]
        follows = any(closed) or self.ends_definition.get(line.indent, False)
        if not _continues(line):
            self.ends_definition[line.indent] = _is_definition(line)
        return 0 if previous is None else self._between(previous, line, follows)

    def _between(self, previous: Line, line: Line, follows: bool) -> int:
        if previous.text.lstrip().startswith("@") or _continues(line):
            return 0
        if line.indent > previous.indent:
            return int(_is_definition(line) and not previous.text.lstrip().startswith("def "))
        if follows or _is_definition(line):
            return 1 if line.indent else 2
        if _is_import(previous) and previous.indent == line.indent:
            return int(not _is_import(line) or _section(previous) != _section(line))
        return 0


def _is_definition(line: Line) -> bool:
    return line.text.lstrip().startswith(("def ", "class ", "@", "async def "))


def _continues(line: Line) -> bool:
    """Whether `line` belongs to the compound statement above it."""
    return line.statement is None and line.text.lstrip().startswith(
        ("else:", "elif ", "except", "finally:", "case ")
    )


def _is_import(line: Line) -> bool:
    return line.text.lstrip().startswith(("import ", "from "))


def _section(line: Line) -> int:
    """Return the group of imports that linters put an import in; inside a function there is one."""
    return 0 if line.indent else section(line.text.split()[1])


def _broken(line: Line, comment: str) -> list[str]:
    text = line.text
    if "\n" in text:
        return text.split("\n")
    if len(text) > WIDTH:
        indent = line.indent
        return (" " * indent + break_line(text, indent, WIDTH)).split("\n")
    if comment and len(text) + 2 + len(comment) <= WIDTH:
        return [f"{text}  {comment}"]
    return [text]
