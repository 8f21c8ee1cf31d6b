"""Documents: text with places where lines may break, and a printer that decides where they do.

The algebra is that of Wadler's "A prettier printer" (2003) as `ruff format` extends it: a group stays on
one line if it fits with what follows it up to the next possible break, and `FitsExpanded` content may span lines
without forcing the group around it to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Union

INDENT = 4


class Line(Enum):
    SOFT = ""  # nothing, or a line break
    SPACE = " "  # a space, or a line break
    HARD = "\n"


@dataclass(eq=False, frozen=True)
class Group:
    """Content that is on one line if it fits. With `outer`, only a group where that one is broken.

    One that is `always_broken` never is.
    """

    content: Doc
    outer: Mark | None = None
    mark: Mark | None = None
    always_broken: bool = False


@dataclass(eq=False, frozen=True)
class Choice:
    """The first of several forms whose first line fits, or the last."""

    forms: tuple[Doc, ...]


@dataclass(eq=False, frozen=True)
class Indent:
    """Indented content; with `outer`, indented where that group is broken."""

    content: Doc
    outer: Mark | None = None


@dataclass(eq=False, frozen=True)
class When:
    """Content that is there if the group around it, or `outer`, is broken (or is not)."""

    broken: bool
    content: Doc
    outer: Mark | None = None


@dataclass(eq=False, frozen=True)
class FitsExpanded:
    """Content that may span lines without breaking `outer`, or whatever group is around it."""

    content: Doc
    outer: Mark | None


@dataclass(eq=False, frozen=True)
class Parenthesized:
    """Content that gets parentheses and a line of its own if it fits only there."""

    content: Doc
    mark: Mark


class Mark:
    """The identity of a group."""


Doc = Union[str, Line, Group, Choice, Indent, When, FitsExpanded, Parenthesized, list["Doc"]]


@dataclass(frozen=True)
class _At:
    """How a piece is printed: `broken` says whether its group is, `overflow` that long text is no obstacle."""

    broken: bool
    indent: int
    all_lines: bool = False
    overflow: bool = False


_Task = tuple[Doc, _At]


def print_doc(doc: Doc, indent: int, width: int) -> str:
    """Return the text of `doc`, whose first line begins at column `indent`."""
    return _Printer(width, indent).run(doc, indent)


class _Printer:
    def __init__(self, width: int, column: int):
        self.width = width
        self.column = column
        self.out: list[str] = []
        self.broken: dict[Mark, bool] = {}
        self.measured = False

    def run(self, doc: Doc, indent: int) -> str:
        stack: list[_Task] = [(doc, _At(True, indent))]
        while stack:
            piece, at = stack.pop()
            match piece:
                case str():
                    self.out.append(piece)
                    self.column += len(piece)
                case list():
                    stack.extend((part, at) for part in reversed(piece))
                case Line():
                    self._line(piece, at)
                case Group():
                    self._group(piece, at, stack)
                case Parenthesized():
                    self._parenthesized(piece, at, stack)
                case FitsExpanded():
                    if piece.outer is None or not self.broken[piece.outer]:
                        self.measured = False
                        at = _At(True, at.indent)
                    stack.append((piece.content, at))
                case Choice():
                    self._choose(piece, at, stack)
                case _:
                    stack.extend(self._plain(piece, at))
        return "".join(self.out)

    def _line(self, line: Line, at: _At) -> None:
        if line is Line.HARD or at.broken:
            self.out.append("\n" + " " * at.indent)
            self.column = at.indent
            self.measured = False
        elif line is Line.SPACE:
            self.out.append(" ")
            self.column += 1

    def _plain(self, piece: Doc, at: _At) -> Iterable[_Task]:
        """Return what an indent or a condition comes down to."""
        match piece:
            case Indent(outer=None):
                return [
                    (piece.content, _At(at.broken, at.indent + INDENT, at.all_lines, at.overflow))
                ]
            case Indent(outer=outer):
                more = INDENT if self._is_broken(outer, at) else 0
                return [
                    (piece.content, _At(at.broken, at.indent + more, at.all_lines, at.overflow))
                ]
            case When():
                return (
                    [(piece.content, at)]
                    if self._is_broken(piece.outer, at) == piece.broken
                    else []
                )
        raise AssertionError(piece)

    def _is_broken(self, mark: Mark | None, at: _At) -> bool:
        return at.broken if mark is None else self.broken[mark]

    # ---- decisions ----

    def _group(self, group: Group, at: _At, stack: list[_Task]) -> None:
        if group.outer is not None and not self.broken[group.outer]:
            stack.append((group.content, at))
            return
        broken = group.always_broken or not self._fits_flat(group.content, group.mark, at, stack)
        if group.mark is not None:
            self.broken[group.mark] = broken
        stack.append((group.content, _At(broken, at.indent)))

    def _choose(self, choice: Choice, at: _At, stack: list[_Task]) -> None:
        flat = _At(False, at.indent)
        if not at.broken and self.measured:
            stack.append((choice.forms[0], flat))
            return
        self.measured = True
        for form in choice.forms[:-1]:
            if self._fits([(form, flat)], stack, self.column):
                stack.append((form, flat))
                return
        stack.append((choice.forms[-1], _At(True, at.indent)))

    def _fits_flat(self, content: Doc, mark: Mark | None, at: _At, stack: list[_Task]) -> bool:
        if not at.broken and self.measured:
            return True
        self.measured = True
        if mark is not None:
            self.broken[mark] = False
        return self._fits([(content, _At(False, at.indent))], stack, self.column)

    def _parenthesized(self, piece: Parenthesized, at: _At, stack: list[_Task]) -> None:
        if self._fits_flat(piece.content, piece.mark, at, stack):
            self.broken[piece.mark] = False
            stack.append((piece.content, _At(False, at.indent)))
            return
        self.broken[piece.mark] = True
        inner = _At(True, at.indent + INDENT, all_lines=True)
        if self._fits([(piece.content, inner)], stack, at.indent + INDENT):
            whole: Doc = ["(", Indent([Line.HARD, piece.content]), Line.HARD, ")"]
            stack.append((whole, _At(True, at.indent)))
        else:
            self.broken[piece.mark] = False
            stack.append((piece.content, _At(False, at.indent)))

    def _fits(self, tasks: list[_Task], rest: list[_Task], column: int) -> bool:
        """Whether `tasks` and what follows them, up to the next line break, stay within the width."""
        following = len(rest)
        while tasks or following:
            if not tasks:
                following -= 1
                tasks.append(rest[following])
            piece, at = tasks.pop()
            match piece:
                case str():
                    column += len(piece)
                    if column > self.width and not at.overflow:
                        return False
                case list():
                    tasks.extend((part, at) for part in reversed(piece))
                case Line():
                    if piece is Line.HARD or at.broken:
                        if not at.all_lines:
                            return True
                        column = at.indent
                    elif piece is Line.SPACE:
                        column += 1
                case Group():
                    inner = self._measured_group(piece, at)
                    tasks.append((piece.content, inner))
                case Choice():
                    tasks.append((piece.forms[-1 if at.broken else 0], at))
                case Parenthesized():
                    self.broken[piece.mark] = False
                    tasks.append((piece.content, at))
                case FitsExpanded():
                    if not at.broken and (piece.outer is None or not self.broken[piece.outer]):
                        at = _At(True, at.indent, all_lines=True, overflow=True)
                    tasks.append((piece.content, at))
                case _:
                    tasks.extend(self._plain(piece, at))
        return True

    def _measured_group(self, group: Group, at: _At) -> _At:
        if group.always_broken and not at.broken:
            at = _At(True, at.indent, at.all_lines, at.overflow)
        if group.mark is not None:
            self.broken[group.mark] = at.broken
        return at
