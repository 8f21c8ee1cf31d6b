"""Functions that take one array apart into several, which put it together again."""

from __future__ import annotations

import jax.numpy as jnp

from invcompiler.rules.registry import structural


@structural(jnp.split, jnp.array_split)
class split:
    def inverse(y, axis):
        return jnp.concatenate(y, axis=axis)


@structural(jnp.hsplit)
class hsplit:
    def inverse(y):
        return jnp.hstack(y)


@structural(jnp.vsplit)
class vsplit:
    def inverse(y):
        return jnp.vstack(y)


@structural(jnp.dsplit)
class dsplit:
    def inverse(y):
        return jnp.dstack(y)


@structural(jnp.unstack)
class unstack:
    def inverse(y, axis):
        return jnp.stack(y, axis=axis)


@structural(jnp.stack)
class stack:
    """Of a list that was made somewhere else: where the text shows the items, each is read on its own."""

    def inverse(y, axis):
        return jnp.unstack(y, axis=axis)
