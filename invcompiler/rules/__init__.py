"""What is known about each function, as tables; importing this package fills them, one family a module."""

from invcompiler.rules import (
    contractions,
    distributions,
    elementwise,
    indexed,
    interpolation,
    linear,
    nn,
    partition,
    sequences,
    special,
    structural,
    supports,
)

__all__ = [
    "contractions",
    "distributions",
    "elementwise",
    "indexed",
    "interpolation",
    "linear",
    "nn",
    "partition",
    "sequences",
    "special",
    "structural",
    "supports",
]
