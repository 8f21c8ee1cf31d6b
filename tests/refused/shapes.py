"""Shapes that do not follow from the output, or contradict it."""

# The formatter would change the mark.
# fmt: off

import jax
import jax.numpy as jnp

import invcompiler as inv
from tests.refused.registry import refused

Shape = inv.ShapeError
MATRIX = jax.ShapeDtypeStruct((2, 3), jnp.float64)


@refused(Shape, call=(jnp.zeros(5),), argnums=(0, 1))
def where_to_cut(a, b):
    return jnp.concatenate([a, b])  #~ does not follow


@refused(Shape, call=(jnp.zeros(4),), example=MATRIX)
def example_of_another_size(x):
    return x.ravel()  #~ this is the output


@refused(Shape, call=(jnp.zeros(3), jnp.zeros((2, 3))))
def output_that_never_was(x, w):
    return x + w  #~
