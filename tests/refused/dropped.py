"""The output does not determine the unknown: a part of it is dropped."""

# The formatter would change the mark.
# fmt: off

import jax
import jax.numpy as jnp
from jax import lax

import invcompiler as inv
from invcompiler.errors import InformationDroppedError as Dropped
from tests.refused.registry import refused

Inversion = inv.InversionError


@refused(Dropped)
def total(x):
    return jnp.sum(x)  #~ many inputs of


@refused(Dropped)
def total_by_method(x):
    return 2 * x.sum()  #~ many inputs of


@refused(Dropped)
def mean(x):
    y = jnp.exp(x)
    return jnp.mean(y)  #~ many inputs of


@refused(Dropped)
def mean_of_rows(x):
    return x.mean(axis=-1)  #~ many inputs of


@refused(Dropped)
def maximum_element(x):
    return jnp.max(x)  #~ many inputs of


@refused(Dropped)
def product_of_elements(x):
    return jnp.prod(x)  #~ many inputs of


@refused(Dropped)
def norm(x):
    return jnp.linalg.norm(x)  #~ many inputs of


@refused(Dropped)
def any_element(x):
    return jnp.any(x)  #~ many inputs of


@refused(Dropped)
def head_only(x):
    return jnp.exp(x[..., :4])  #~ the only use


@refused(Dropped)
def gap_between_slices(x):
    return x[:2], x[3:]  #~ the only use


@refused(Dropped)
def every_other_element(x):
    return x[::2] * 2  #~ the only use


@refused(Dropped, example=jax.ShapeDtypeStruct((5,), jnp.float64))
def slices_that_do_not_cover(x):
    return jnp.concatenate([x[:2], x[3:]])  #~ the only use


@refused(Dropped)
def first_half_only(x):
    a, b = jnp.split(x, 2)  #~ only a part of
    return a + 1


@refused(Dropped)
def item_never_used(params):
    return params["scale"] * 2  #~ the only use


@refused(Dropped)
def part_never_used(pair):
    a, b = pair  #~ the only use
    return jnp.exp(a)


@refused(Dropped)
def attribute_never_used(z):
    return z.real  #~ the only use


@refused(Dropped, argnums=1)
def argument_never_used(x, w):  #~ does not reach the output
    return x * 2


@refused(Dropped, argnums=(0, 1))
def one_of_two_never_used(x, w):  #~ does not reach the output
    return jnp.exp(x)


@refused(Dropped)
def constant(x):  #~ does not reach the output
    return jnp.ones(3)


@refused(Dropped)
def overwritten_element(x):
    return x.at[0].set(0.0)  #~ that are overwritten here are dropped


@refused(Dropped)
def overwritten_half(x):
    x = jnp.exp(x)
    x = x.at[:2].set(1.0)  #~ that are overwritten here are dropped
    return x * 2


@refused(Dropped)
def overwritten_by_other_half(x):
    return x.at[:2].set(x[2:])  #~ that are overwritten here are dropped


@refused(Dropped)
def subset_by_index(x):
    return x[jnp.array([0, 0, 1])]  #~ the only use


@refused(Dropped)
def lower_triangle(x):
    return jnp.tril(x)  #~ the rest of the matrix


@refused(Inversion)
def diagonal_of_matrix(x):
    return jnp.diagonal(x)  #~ no rule to invert


@refused(Dropped)
def sorted_values(x):
    return jnp.sort(x)  #~ many inputs of


@refused(Dropped)
def argsorted(x):
    return jnp.argsort(x)  #~ many inputs of


@refused(Dropped)
def argmax(x):
    return jnp.argmax(x, axis=-1)  #~ many inputs of


@refused(Inversion)
def differences(x):
    return jnp.diff(x)  #~ drops what all elements have in common


@refused(Dropped)
def masked_to_zero(x, mask):
    return jnp.where(mask, x, 0.0)  #~ the only use


@refused(Dropped)
def final_carry_only(x):
    def step(total, element):
        return total + element, None

    total, _ = lax.scan(step, 0.0, x)  #~ only what the loop carries
    return total


@refused(Dropped)
def total_in_a_loop(xs):
    total = 0.0
    for x in xs:  #~ only what the loop carries
        total = total + x
    return total


def squared_length(v):
    return v @ v  #~ appears more than once


@refused(Inversion, at=squared_length)
def dropped_in_a_helper(x):
    return squared_length(jnp.exp(x))


@refused(Dropped)
def softmax(x):
    return jax.nn.softmax(x, axis=-1)  #~ many inputs of


@refused(Dropped)
def log_softmax(x):
    return jax.nn.log_softmax(x)  #~ many inputs of


@refused(Inversion)
def logsumexp(x):
    return jax.scipy.special.logsumexp(x)  #~ no rule to invert


@refused(Inversion)
def determinant(x):
    return jnp.linalg.det(x)  #~ many inputs of


@refused(Dropped)
def one_branch_drops(x, flag):
    return lax.cond(flag, lambda x: x * 2, lambda x: jnp.zeros_like(x), x)  #~ does not reach the output


@refused(Dropped)
def set_twice_in_one_place(x):
    return jnp.zeros(3).at[jnp.array([0, 1, 1])].set(x)  #~ the elements that are overwritten
