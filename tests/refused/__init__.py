"""Programs that must be refused, each with the line that the caret must hit.

A comment `#~ text` stands on that line, and `text` in the message beside it: a stored message is
generated, and accepted unread. The messages are in `messages/`; `--update-golden` writes them.
"""

import importlib

import jax

THEMES = [
    "branches",
    "degrees_of_freedom",
    "dropped",
    "entangled",
    "no_rule",
    "not_injective",
    "shapes",
    "singular",
    "syntax",
]

with jax.enable_x64(True):
    for theme in THEMES:
        importlib.import_module(f"{__name__}.{theme}")
