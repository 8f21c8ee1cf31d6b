"""Lower the body of another Python function in place, for the bodies of loops and branches."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from invcompiler.frontend.callables import target_of
from invcompiler.frontend.lowering import Lowering, Unfollowed
from invcompiler.ir.nodes import Ref, Tree


def lower_call(inner: Lowering, fn: Ref, args: Sequence[Tree]) -> Tree:
    """Return what `fn` returns for `args`, with its equations in the block of `inner`.

    Raises SourceUnavailableError if it cannot be read.
    """
    target = target_of(fn.value)
    raise Unfollowed("a function of its own", ast.Pass(lineno=1, col_offset=0)) if target else ValueError
