"""Which calls give values that are nowhere negative (NaN aside), judged from their operands."""

from __future__ import annotations

import operator

import jax
import jax.numpy as jnp

from invcompiler.rules.canonical import Call
from invcompiler.rules.equation import Context, number

_ALWAYS = {
    jnp.exp,
    jnp.exp2,
    jnp.abs,
    jnp.square,
    jnp.sqrt,
    jnp.cosh,
    jnp.hypot,
    jnp.linalg.norm,
    jax.nn.relu,
    jax.nn.relu6,
    jax.nn.sigmoid,
    jax.nn.softmax,
    jax.nn.softplus,
    jnp.std,
    jnp.var,
}
_IF_ALL_OPERANDS = {jnp.add, jnp.multiply, jnp.divide, jnp.minimum}
_IF_FIRST_OPERAND = {
    jnp.broadcast_to,
    jnp.cumsum,
    jnp.flip,
    jnp.log1p,
    jnp.max,
    jnp.mean,
    jnp.min,
    jnp.prod,
    jnp.ravel,
    jnp.reciprocal,
    jnp.reshape,
    jnp.squeeze,
    jnp.expand_dims,
    jnp.sum,
    jnp.tanh,
    jnp.transpose,
    operator.getitem,
}


def is_nonnegative_call(call: Call, context: Context) -> bool:
    """Whether `call`, of real operands, is nonnegative or NaN whatever its operands are."""
    trees = tuple(call.arguments.values())
    if call.fn in _ALWAYS:
        return True
    if call.fn in _IF_ALL_OPERANDS:
        return all(map(context.is_nonnegative, trees[:2]))
    if call.fn is jnp.maximum:
        return any(map(context.is_nonnegative, trees[:2]))
    if call.fn is jnp.power:
        exponent = number(trees[1])
        is_even = exponent is not None and exponent % 2 == 0
        return is_even or context.is_nonnegative(trees[0])
    return call.fn in _IF_FIRST_OPERAND and context.is_nonnegative(trees[0])


__all__ = ["is_nonnegative_call"]
