"""The user's own code in the backward pass: to print a cotangent, to clip it, to stop there."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.rules.adjoint_helpers import seen_by
from invcompiler.rules.registry import structural


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def debug_cotangent(x: Any, fn: Callable[[Any], Any]) -> Any:
    """Return `x`, any pytree; in reverse mode call `fn` with its cotangent.

    What `fn` returns is the cotangent from there on; if it returns None (it printed, or stopped in a debugger) the cotangent
    stays what it was. Emitted adjoints show the call; `jax.grad` makes it too.
    """
    return x


debug_cotangent.defvjp(lambda x, fn: (x, None), lambda fn, _, x_bar: (seen_by(fn, x_bar),))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def adjoint_block(x: Any, block: Callable[[Any], Any]) -> Any:
    """Return `x`; in reverse mode `block`, the body of an `adjoint_of` block as a function, returns the cotangent."""
    return x


adjoint_block.defvjp(lambda x, block: (x, None), lambda block, _, x_bar: (block(x_bar),))


class adjoint_of:
    """`with inv.adjoint_of(x) as x_bar:` puts its block into the adjoint, at this place of the walk back.

    The block sees the cotangent of `x` that comes from what follows, and may print it, stop, or assign `x_bar` anew:
    that is the cotangent from there on. `x` is the name of a value, of any pytree. Emitted adjoints show the block.

    Only the derivatives that `inv` emits know of it: where the function runs as it stands, the block sees zeros and
    changes nothing, and under JAX's own tracing it warns that it does.
    """

    __adjoint_block__ = adjoint_block  # by this the frontend knows it

    def __init__(self, x: Any):
        self.x = x

    def __enter__(self) -> Any:
        if not all(map(_is_concrete, jax.tree.leaves(self.x))):
            warnings.warn(
                "an `inv.adjoint_of` block has no effect where JAX traces the function: "
                "differentiate it with `inv.grad` or `inv.vjp`, or use `inv.debug_cotangent`",
                stacklevel=2,
            )
        return jax.tree.map(jnp.zeros_like, self.x)

    def __exit__(self, *exception: object) -> None:
        return None


def _is_concrete(leaf: Any) -> bool:
    try:
        return not isinstance(leaf, jax.Array) or leaf.is_fully_addressable in (True, False)
    except jax.errors.ConcretizationTypeError:
        return False


@structural(debug_cotangent)
class debug_cotangent_is_the_identity:
    def inverse(y):
        return y


@structural(adjoint_block)
class adjoint_block_is_the_identity:
    def inverse(y):
        return y


IDENTITIES = (debug_cotangent, adjoint_block)
"""What returns its first argument."""

__all__ = ["IDENTITIES", "adjoint_block", "adjoint_of", "debug_cotangent"]
