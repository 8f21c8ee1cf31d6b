"""What is known about each function, as tables; importing this package fills them, one family a module."""

from invcompiler.rules import (
    elementwise,
    indexed,
    linear,
    nn,
    partition,
    sequences,
    special,
    structural,
)

__all__ = [
    "elementwise",
    "indexed",
    "linear",
    "nn",
    "partition",
    "sequences",
    "special",
    "structural",
]
