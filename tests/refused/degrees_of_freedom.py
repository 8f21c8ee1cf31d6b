"""A log-determinant is asked for where inputs and outputs differ in their number of elements."""

# The formatter would change the mark.
# fmt: off

import jax
import jax.numpy as jnp

import invcompiler as inv
from invcompiler.errors import DegreesOfFreedomError as Dof
from tests.refused.registry import refused


@refused(Dof, kind="ildj")
def repeated_output(x):
    return x, x * 2  #~ follows from the other outputs


@refused(Dof, kind="inverse_and_ildj")
def repeated_by_concatenate(x):
    return jnp.concatenate([x, x])  #~ stands here twice


@refused(Dof, kind="ildj")
def log_det_beside_the_output(x, w):
    return x * jnp.exp(w), jnp.sum(w)  #~ does not depend on the unknown


@refused(Dof, kind="fldj")
def known_beside_the_output(x, w):
    return x + w, w  #~ does not depend on the unknown


@refused(Dof, kind="ildj", example=jax.ShapeDtypeStruct((3,), jnp.float64))
def padded(x):
    return jnp.pad(x, (1, 1))  #~ numbers come out


@refused(Dof, kind="forward_and_fldj", example=jax.ShapeDtypeStruct((3,), jnp.float64))
def broadcast(x):
    return jnp.broadcast_to(x, (4, 3))  #~ numbers come out


@refused(Dof, kind="ildj", example=jax.ShapeDtypeStruct((3,), jnp.float64), call=(jnp.zeros(3, complex),))
def real_to_complex(x):
    return x * (1 + 2j)  #~


@refused(inv.InversionError, kind="ildj", call=(jnp.zeros(3, jnp.int32),))
def integers(x):
    return x + 1  #~ integers in, integers out


@refused(Dof, kind="ildj", example=jax.ShapeDtypeStruct((4,), jnp.float64))
def overlapping_slices(x):
    return x[:3], x[2:]  #~ numbers come out


@refused(Dof, kind="ildj")
def reconstructible_mean(x):
    return x, x.mean()  #~ follows from the other outputs


@refused(Dof, kind="ildj")
def simplex(x):
    return jax.nn.softmax(jnp.concatenate([x, jnp.zeros(1)]))  #~ follows from the others


@refused(Dof, kind="ildj")
def factor_of_a_scaled_matrix(s):
    return jnp.linalg.cholesky(2 * s)  #~ has each number twice


@refused(Dof, kind="ildj", example=jax.ShapeDtypeStruct((3, 3), jnp.float64))
def product_with_a_triangle(s):
    w = jnp.array([[1.0, 2, 0], [0, 1, 3], [1, 0, 1]])
    return w @ jnp.linalg.cholesky(s)  #~ has zeros
