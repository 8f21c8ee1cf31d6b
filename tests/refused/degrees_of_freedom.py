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


@refused(inv.InversionError, kind="ildj")
def padded(x):
    return jnp.pad(x, (1, 1))  #~ no rule to invert


@refused(inv.InversionError, kind="forward_and_fldj")
def broadcast(x):
    return jnp.broadcast_to(x, (4, 3))  #~ no rule to invert


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
