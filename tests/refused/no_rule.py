"""Functions of which nothing is known, on the path that unknowns flow through."""

# The formatter would change the mark.
# fmt: off

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import invcompiler as inv
from invcompiler.errors import NoRuleError as NoRule
from tests.refused.registry import refused

Inversion = inv.InversionError
NoSource = inv.SourceUnavailableError


@refused(NoRule)
def special_function(x):
    return jax.scipy.special.i0(x)  #~ no rule to invert


@refused(NoRule)
def numpy_on_the_unknown(x):
    return np.interp(x, np.arange(3.0), np.arange(3.0))  #~ no rule to invert


@refused(Inversion)
def pure_callback(x):
    return jax.pure_callback(np.sin, x, x)  #~ no rule to invert


@refused(Inversion)
def while_loop(x):
    return lax.while_loop(lambda v: v[0] < 10, lambda v: v * 2, x)  #~ no rule to invert


@refused(NoRule)
def singular_values(x):
    return jnp.linalg.svd(x, compute_uv=False)  #~ no rule to invert


@refused(NoRule)
def eigenvalues(x):
    return jnp.linalg.eigvalsh(x)  #~ no rule to invert


@refused(Inversion)
def gradient_of_a_function_of_the_unknown(x):
    return jax.grad(lambda v: jnp.sum(v**3))(x)  #~ no rule to invert


@refused(Inversion)
def to_python(x):
    return jnp.asarray(x.tolist())  #~ no rule to invert


@refused(Inversion)
def to_float(x):
    return float(x) * 2  #~ no rule to invert


@refused(Inversion)
def length(x):
    return len(x)  #~ does not reach the output


refused(NoSource, at=None, name="no_rule.builtin")(sorted)

refused(NoSource, at=None, name="no_rule.numpy_function")(np.sort)


@refused(Inversion)
def scan_of_sizes(x):
    return lax.associative_scan(lambda a, b: jnp.abs(a) + jnp.abs(b), x)  #~ associative_scan


@refused(Inversion)
def scan_of_sums_that_are_cut(x):
    return lax.associative_scan(lambda a, b: a + jnp.where(b > 50, 0.0, b), x)  #~ associative_scan


@refused(Inversion)
def scan_of_maps_by_sizes(x, a):
    def combine(one, other):
        return one[0] * other[0], jnp.abs(other[0]) * one[1] + other[1]
    return lax.associative_scan(combine, (a, x))[1]  #~ associative_scan
