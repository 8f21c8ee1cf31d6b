"""Find the text of a Python function, and prove that it is the truth.

The parsed text is compiled again and held against the code object that runs: a file edited after
import, two lambdas on one line or a stale notebook cell give the right tree or a
`SourceUnavailableError`, never somebody else's tree.

>>> import textwrap
>>> text_of(textwrap.dedent).node.name
'dedent'
"""

from __future__ import annotations

import ast
import linecache
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass

from invcompiler.errors import SourceUnavailableError
from invcompiler.frontend.names import every
from invcompiler.frontend.same_code import is_code, is_same_code
from invcompiler.ir.nodes import Span

_LAMBDA = "<lambda>"
_FEATURES = ("annotations",)
_MOST_CACHED = 4096


@dataclass(frozen=True, eq=False)
class Text:
    """The tree of one function and where it stands: `shift` is added to the tree's line numbers."""

    node: ast.FunctionDef | ast.Lambda
    file: str
    shift: int
    lines: tuple[str, ...] | None  # set where columns count bytes of other than ASCII text

    def span(self, node: ast.AST) -> Span:
        first, last = node.lineno, node.end_lineno  # type: ignore[attr-defined]
        start, end = node.col_offset, node.end_col_offset  # type: ignore[attr-defined]
        if self.lines is not None:
            start, end = self._column(first, start), self._column(last, end)
        return Span(self.file, first + self.shift, start, last + self.shift, end)

    def _column(self, line: int, offset: int) -> int:
        assert self.lines is not None
        at = line + self.shift - 1
        if not 0 <= at < len(self.lines):
            return offset
        return len(self.lines[at].encode()[:offset].decode(errors="ignore"))


_texts: dict[int, tuple[types.CodeType, Text]] = {}
_modules: dict[str, tuple[str, ast.Module]] = {}


def text_of(function: types.FunctionType) -> Text:
    """Return the text that `function` was compiled from.

    Raises SourceUnavailableError if there is none, or if what there is has changed since.
    """
    code = function.__code__
    made = getattr(function, "__syntax__", None)
    if made is not None and made[0] is code:  # a wrapper may have the attribute of what it wraps
        _, node, span = made
        return Text(node, span.file, span.line - node.lineno, None)
    found = _texts.get(id(code))
    if found is not None and found[0] is code:
        return found[1]
    text = _find(code, function.__globals__)
    if len(_texts) >= _MOST_CACHED:
        _texts.clear()
    _texts[id(code)] = (code, text)
    return text


def _find(code: types.CodeType, namespace: dict) -> Text:
    lines = linecache.getlines(code.co_filename, namespace)
    text = _match(code, lines)
    if text is None:
        linecache.checkcache(code.co_filename)
        fresh = linecache.getlines(code.co_filename, namespace)
        text = _match(code, fresh) if fresh != lines else None
        lines = fresh
    if text is None:
        # since Python 3.13 the text of `python -c` is found under the name that `exec` gives to all that it compiles
        raise _unavailable(code, bool(lines) and code.co_filename != "<string>")
    return text


def _unavailable(code: types.CodeType, has_text: bool) -> SourceUnavailableError:
    name = code.co_name
    where = Span(code.co_filename, code.co_firstlineno, 0, code.co_firstlineno, 0)
    if has_text:
        reason = f"the text of `{name}` is not what runs: it has changed since it was compiled"
        hint = "reload the module, or run the cell again"
    else:
        reason = f"no Python source of `{name}` can be found"
        hint = "define it in a file or a notebook cell"
    error = SourceUnavailableError(reason=reason, span=where, function=name, hint=hint)
    error.is_stale = has_text
    return error


def _match(code: types.CodeType, lines: list[str]) -> Text | None:
    first = code.co_firstlineno
    if not 0 < first <= len(lines):
        return None
    search = _lambdas if code.co_name == _LAMBDA else _definitions
    candidates = [
        (node, shift)
        for node, shift in search(code, lines)
        if is_same_code(code, node, _needs_lines(code, node, shift))
    ]
    if not candidates:
        return None
    node, shift = _at_position(code, candidates)
    text = "".join(lines[first - 1 : (node.end_lineno or 0) + shift])
    return Text(node, code.co_filename, shift, None if text.isascii() else tuple(lines))


def _needs_lines(code: types.CodeType, node: ast.AST, shift: int) -> int:
    """Return by how much to shift `node` so that it compiles to the same: classes know their line."""
    if sys.version_info < (3, 13) or not any(map(is_code, code.co_consts)):
        return 0
    return shift if any(isinstance(part, ast.ClassDef) for part in every(node)) else 0


# ---- definitions --------------------------------------------------------------------------------


def _definitions(code: types.CodeType, lines: list[str]) -> Iterator[tuple[ast.FunctionDef, int]]:
    """Yield the `def`s that begin on the first line of `code`, decorators included."""
    tree, shift = _parse_block(lines, code.co_firstlineno - 1)
    if tree is None:
        tree, shift = _parse_all(code.co_filename, lines), 0
    if tree is None:
        return
    for node in ast.walk(tree) if shift == 0 else tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            begins = min((d.lineno for d in node.decorator_list), default=node.lineno)
            if begins + shift == code.co_firstlineno:
                yield node, shift  # type: ignore[misc]


def _parse_block(lines: list[str], start: int) -> tuple[ast.Module | None, int]:
    """Parse the definition that begins at `lines[start]`, and nothing else.

    A definition ends before a line that is indented no more than its first, unless that line stands
    inside brackets or a string, or between decorators: then it does not parse, and the next is tried.
    """
    indent = _indent(lines[start])
    attempts = 0
    for end in _ends(lines, start, indent):
        tree = _parse(lines[start:end], indent)
        if tree is not None:
            return tree, start - (1 if indent else 0)
        attempts += 1
        if attempts > 12:
            break
    return None, 0


def _parse(lines: list[str], indent: int) -> ast.Module | None:
    text = "".join(lines)
    try:
        if not indent:
            return ast.parse(text)
        block = ast.parse("if 1:\n" + text).body[0]
    except (SyntaxError, ValueError):
        return None
    return ast.Module(block.body, [])  # type: ignore[attr-defined]


def _ends(lines: list[str], start: int, indent: int) -> Iterator[int]:
    for at in range(start + 1, len(lines)):
        line = lines[at].lstrip()
        if line and not line.startswith("#") and _indent(lines[at]) <= indent:
            yield at
    yield len(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _parse_all(file: str, lines: list[str]) -> ast.Module | None:
    text = "".join(lines)
    found = _modules.get(file)
    if found is not None and found[0] == text:
        return found[1]
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    if len(_modules) > 16:
        _modules.clear()
    _modules[file] = (text, tree)
    return tree


# ---- lambdas ------------------------------------------------------------------------------------


def _lambdas(code: types.CodeType, lines: list[str]) -> Iterator[tuple[ast.Lambda, int]]:
    """Yield the lambdas that begin on the first line of `code`."""
    start = code.co_firstlineno - 1
    indent = _indent(lines[start])
    tree = _parse([lines[start]], indent)
    shift = start - (1 if indent else 0)
    if tree is None:
        tree, shift = _parse_all(code.co_filename, lines), 0
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and node.lineno + shift == code.co_firstlineno:
            yield node, shift


def _at_position(code: types.CodeType, candidates: list) -> tuple:
    """Return the candidate that stands where `code` says; all of them compute the same."""
    if len(candidates) == 1:
        return candidates[0]
    ran = set(code.co_positions())
    for node, shift in candidates:
        body = node.body if isinstance(node, ast.Lambda) else None
        if body is not None:
            at = (
                body.lineno + shift,
                body.end_lineno + shift,
                body.col_offset,
                body.end_col_offset,
            )
            if at in ran:
                return node, shift
    return candidates[0]
