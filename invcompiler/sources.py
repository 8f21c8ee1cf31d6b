"""How the backend finds the user's text of a helper function: the frontend's knowledge, passed down."""

from __future__ import annotations

from invcompiler.backend.helpers import Sources
from invcompiler.frontend.resolve import Scope, is_hoisted
from invcompiler.frontend.source import text_of

SOURCES = Sources(
    definition=lambda function: text_of(function).node,
    find=lambda function, name: Scope(function).find(name),
    is_hoisted=is_hoisted,
)
