"""Which import makes a spelling valid, and where a library's object can be imported from.

>>> import jax.numpy as jnp
>>> import_of(jnp, "jnp")
Import(module='jax.numpy', name=None, alias='jnp')
>>> public_place(jax.nn.relu)
('jax.nn', 'relu')
"""

from __future__ import annotations

import ast
import builtins
import site
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_LIBRARY_FOLDERS = tuple(
    {
        *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
    }
)
_USUAL = {"jax.numpy": "jnp", "jax.lax": "lax", "numpy": "np", "equinox": "eqx", "optax": "optax"}
_OURS = __name__.partition(".")[0]
_COPIED = (f"{_OURS}.rules.", f"{_OURS}.flows.")  # of ours, what is text to be copied


@dataclass(frozen=True)
class Import:
    """`import module as alias`, or `from module import name as alias`."""

    module: str
    name: str | None
    alias: str

    def statement(self) -> ast.stmt:
        if self.name is None:
            bound = self.module if self.module.partition(".")[0] == self.alias else None
            return ast.Import([ast.alias(self.module, None if bound else self.alias)])
        alias = None if self.name == self.alias else self.alias
        return ast.ImportFrom(self.module, [ast.alias(self.name, alias)], 0)


def import_of(module: types.ModuleType, alias: str) -> Import | None:
    """Return the import that binds `alias` to `module`, or None if it cannot be imported."""
    name = module.__name__
    if name == "__main__" or sys.modules.get(name) is not module:
        return None
    parent, _, last = name.rpartition(".")
    if parent and last == alias:
        return Import(parent, last, alias)
    return Import(name, None, alias)


def usual_alias(module: types.ModuleType) -> str:
    """Return what most programs call `module`."""
    return _USUAL.get(module.__name__, module.__name__.rpartition(".")[2])


def statements(imports: Iterable[Import]) -> list[ast.stmt]:
    """Return the import statements in the order that linters ask for: the standard library first."""
    ordered = sorted(imports, key=_sort_key)
    merged: dict[tuple, ast.stmt] = {}
    for one in ordered:
        key = (one.module, one.name is None, one.alias if one.name is None else None)
        statement = one.statement()
        if key in merged and isinstance(statement, ast.ImportFrom):
            merged[key].names.extend(statement.names)  # type: ignore[attr-defined]
        else:
            merged[key] = statement
    return list(merged.values())


def _sort_key(one: Import) -> tuple:
    return (
        section(one.module),
        one.name is not None,
        one.module.lower(),
        one.name or "",
        one.alias,
    )


def section(module: str) -> int:
    top = module.partition(".")[0]
    return 0 if top == "__future__" else 1 if top in sys.stdlib_module_names else 2


# ---- objects ------------------------------------------------------------------------------------


def is_builtin(value: Any, name: str) -> bool:
    return vars(builtins).get(name, statements) is value


def is_library_function(fn: types.FunctionType) -> bool:
    """Whether `fn` belongs to an installed package: those are imported, not copied.

    Of our own functions those that rules and layers consist of are copied; what users call by name (`inv.grad`) is imported.
    """
    module = f"{fn.__module__ or ''}."
    if module.startswith(f"{_OURS}."):
        return not module.startswith(_COPIED)
    return is_library_file(fn.__code__.co_filename)


def is_library_file(file: str) -> bool:
    return file.startswith("<frozen") or file.startswith(_LIBRARY_FOLDERS)


def is_library_module(module: types.ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file is None or is_library_file(file)


def public_place(value: Any, name: str | None = None) -> tuple[str, str] | None:
    """Return a module and a dotted name in it that denote `value`, of public names where there are any."""
    names = [getattr(value, "__qualname__", None), getattr(value, "__name__", None), name]
    home = getattr(value, "__module__", None)
    candidates = [home] if isinstance(home, str) else []
    if not candidates or _is_private(candidates[0]):
        candidates = [*_public_modules(home or ""), *candidates]
    for module in candidates:
        for path in dict.fromkeys(n for n in names if isinstance(n, str) and "<" not in n):
            if module != "__main__" and lookup(module, path) is value:
                return module, path
    return None


def _is_private(module: str) -> bool:
    return any(part.startswith("_") for part in module.split("."))


def _public_modules(home: str) -> Iterator[str]:
    top = home.partition(".")[0]
    loaded = [name for name in sys.modules if name == top or name.startswith(top + ".")]
    public = (name for name in loaded if not _is_private(name) and ".interpreters" not in name)
    yield from sorted(public, key=lambda name: (name.count("."), name))


def lookup(module: str, path: str) -> Any:
    """Return what `path` denotes in the loaded module `module`, or None."""
    value: Any = sys.modules.get(module)
    for part in path.split("."):
        if value is None:
            return None
        value = (
            vars(value).get(part)
            if isinstance(value, types.ModuleType)
            else getattr(value, part, None)
        )
    return value
