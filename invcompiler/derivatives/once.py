"""Functions are differentiated at one place again and again: what was made for one is kept while it lives."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any


class Once:
    """`make(f, argnums)`, called once for each."""

    def __init__(self, make: Callable):
        self._make = make
        self._made: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def __call__(self, f: Any, argnums: tuple) -> Any:
        try:
            with self._lock:
                made = self._made.setdefault(f, {})
                if argnums not in made:
                    made[argnums] = self._make(f, argnums)
                return made[argnums]
        except TypeError:
            return self._make(f, argnums)


__all__ = ["Once"]
