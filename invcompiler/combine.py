"""Several emitted modules as one: imports once, helper functions that are the same once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable


def combined(texts: Iterable[str]) -> str:
    """Return one module with everything that the modules `texts` define.

    Raises ValueError if two of them define one name differently.
    """
    imports: dict[str, None] = {}
    functions: dict[str, str] = {}
    for text in texts:
        for name, chunk in _chunks(text):
            if name is None:
                imports.setdefault(chunk)
            elif functions.setdefault(name, chunk) != chunk:
                raise ValueError(
                    f"two of the products define `{name}` differently: emit them apart"
                )
    head = "\n".join(sorted(imports, key=_import_key))
    return "\n\n\n".join([head, *functions.values()] if head else functions.values()) + "\n"


def _chunks(text: str) -> Iterable[tuple[str | None, str]]:
    """Yield (None, statement) for each import of a module and (name, text) for each function."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        chunk = "\n".join(lines[start - 1 : node.end_lineno])
        yield getattr(node, "name", None), chunk


def _import_key(statement: str) -> tuple[int, str]:
    module = re.split(r"\s+", statement)[1]
    return (0 if statement.startswith("import") else 1, module)
