"""The report of `inv.explain` on an adjoint or a reversible function: how the way back has each value, and what that costs."""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Iterator

from invcompiler.ir.nodes import Loop, Span
from invcompiler.passes.decisions import AGAIN, AT_HAND, KEPT, UNDONE, Decision, Decisions


def adjoint_report(title: str, every: Iterable[Decisions], handed: int | None) -> str:
    """Return the report: how many bytes are `handed` over altogether, then each function and each loop, value by value."""
    every = [section for section in every if section.every]
    total = "" if handed is None else f": `fwd` hands over {_number(handed, 'byte')}"
    lines = [f"{title}{total}"]
    lines += [f"{word}: {WORDS[word]}" for word in WORDS if _is_used(word, every)]
    for section in every:
        lines += ["", *_section(section)]
    warnings = list(dict.fromkeys(_warnings(every)))
    if warnings:
        lines += ["", *warnings]
    return "\n".join(lines)


WORDS = {
    KEPT: "handed over by `fwd`",
    AT_HAND: "an argument, an item or a value that the caller has",
    AGAIN: "from what is there, as forward",
    UNDONE: "from what was made of it, by inversion",
}


def _is_used(word: str, every: Iterable[Decisions]) -> bool:
    return any(decision.way == word for section in every for decision in section.every)


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _section(section: Decisions) -> Iterator[str]:
    place = section.place
    if isinstance(place, Loop):
        number = f" {section.steps}" if section.steps else ""
        line = "" if place.span is None else f" of line {place.span.line}"
        yield f"in each of the{number} steps of the loop{line}:"
    else:
        yield f"{place}:"
    rows = [_row(decision) for decision in section.every]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        name, way, size, count, line = row
        cells = (
            name.ljust(widths[0]),
            way.ljust(widths[1]),
            size.rjust(widths[2]),
            count.rjust(widths[3]),
            line,
        )
        yield ("  " + "  ".join(cells)).rstrip()


def _row(decision: Decision) -> tuple[str, str, str, str, str]:
    size = "" if decision.bytes is None else _number(decision.bytes, "byte")
    is_free = decision.way in (KEPT, AT_HAND) or decision.work is None
    count = "" if is_free else _number(decision.work or 0, "operation")
    return decision.name, decision.way, size, count, _line(decision.span)


def _line(span: Span | None) -> str:
    if span is None:
        return ""
    return f"line {span.line}: {linecache.getline(span.file, span.line).strip()}"


def _warnings(every: Iterable[Decisions]) -> Iterator[str]:
    for section in every:
        for decision in section.every:
            if decision.risk is not None:
                line = "" if decision.span is None else f", line {decision.span.line}"
                yield f"warning: `{decision.name}`{line}: {decision.risk}"


__all__ = ["adjoint_report"]
