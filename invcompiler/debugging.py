"""The user's own code in the backward pass: to print a cotangent, to clip it, to stop there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

from invcompiler.rules.adjoint_helpers import seen_by


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def debug_cotangent(x: Any, fn: Callable[[Any], Any]) -> Any:
    """Return `x`; in reverse mode call `fn` with its cotangent.

    What `fn` returns is the cotangent from there on; if it returns None (it printed, or stopped in a debugger) the cotangent
    stays what it was. Emitted adjoints show the call; `jax.grad` makes it too.
    """
    return x


debug_cotangent.defvjp(lambda x, fn: (x, None), lambda fn, _, x_bar: (seen_by(fn, x_bar),))

__all__ = ["debug_cotangent"]
