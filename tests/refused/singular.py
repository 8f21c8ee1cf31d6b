"""Maps that can be seen to be singular: constants are evaluated to find out."""

# The formatter would change the mark.
# fmt: off

import jax.numpy as jnp
import numpy as np

import invcompiler as inv
from tests.refused.registry import refused

Inversion = inv.InversionError
MASK = jnp.array([1.0, 0.0, 1.0])
RANK_ONE = jnp.array([[1.0, 2.0], [2.0, 4.0]])
WIDE = jnp.ones((2, 3))
ZERO = 0.0


@refused(Inversion)
def times_zero(x):
    return x * 0  #~ zero


@refused(Inversion)
def times_captured_zero(x):
    return x * ZERO + 1  #~ zero


@refused(Inversion)
def times_array_with_a_zero(x):
    return x * jnp.array([1.0, 0.0])  #~ zero


@refused(Inversion)
def times_captured_array_with_a_zero(x):
    return MASK * x  #~ zero


@refused(Inversion)
def times_numpy_array_with_a_zero(x):
    return jnp.multiply(x, np.array([0.0, 2.0]))  #~ zero


@refused(Inversion)
def times_zeros(x):
    return x * jnp.zeros_like(x)  #~ does not depend on the unknown


@refused(Inversion)
def minus_itself(x):
    return x - x  #~ cancels here


@refused(Inversion)
def over_itself(x):
    return x / x  #~ the unknown cancels


@refused(Inversion)
def cancelled_through_a_name(x):
    y = 2 * x + 1
    return y - 2 * x  #~ cancels here


@refused(Inversion)
def power_of_zero(x):
    return x**0  #~


@refused(Inversion)
def base_of_one(x):
    return 1.0**x  #~ no real logarithm


@refused(Inversion)
def minus_its_mean(x):
    return x - x.mean()  #~ the unknown cancels here


@refused(Inversion)
def minus_its_first_element(x):
    return x - x[0]  #~ an unknown on both sides


@refused(Inversion)
def plus_its_reverse(x):
    return x + x[::-1]  #~ an unknown on both sides


@refused(Inversion)
def singular_matrix(x):
    return RANK_ONE @ x  #~ the matrix is singular


@refused(Inversion)
def singular_matrix_in_text(x):
    return jnp.array([[1.0, 1.0], [1.0, 1.0]]) @ x  #~ the matrix is singular


@refused(Inversion)
def wide_matrix(x):
    return WIDE @ x  #~ only a square one


@refused(Inversion, call=(jnp.ones(2), jnp.ones((2, 3))))
def wide_matrix_argument(x, w):
    return w @ x  #~


@refused(Inversion)
def sum_and_its_double(pair):
    a, b = pair
    return a + b, 2 * a + 2 * b  #~ cancels here


@refused(Inversion)
def standardised(x):
    return (x - x.mean()) / x.std()  #~ an unknown on both sides


@refused(Inversion)
def multiplied_by_zeroed_update(x):
    return x.at[0].multiply(0.0)  #~ a factor is zero


@refused(Inversion)
def xor_with_itself(x):
    return x ^ x  #~ appears more than once


@refused(Inversion)
def constant_quotient(x):
    return (2 * x + 4) / (x + 2)  #~ the unknown cancels


@refused(Inversion)
def zero_frequency(x):
    low_pass = jnp.array([1.0, 1.0, 0.0])
    return jnp.fft.irfft(jnp.fft.rfft(x) * low_pass, n=4)  #~ a frequency is multiplied by zero


@refused(Inversion)
def projected_along(x, v):
    return x - v * (v @ x) / (v @ v)  #~ the unknown cancels here


ROWS = jnp.arange(6.0).reshape(2, 3) + jnp.eye(2, 3)


@refused(Inversion, call=(ROWS,))
def centred_rows(x):
    return x - x.mean(0)  #~ the unknown cancels here


@refused(Inversion, call=(ROWS,))
def projected_rows(x):
    w = jnp.array([0.5, 0.5])
    return x - jnp.outer(jnp.array([1.0, 1.0]), w @ x)  #~ the unknown cancels here


@refused(Inversion)
def einsum_of_rank_one(x):
    return jnp.einsum("bi,oi->bo", x, RANK_ONE)  #~ the matrix is singular


@refused(Inversion, call=(ROWS.T,))
def tensordot_of_rank_one(x):
    return jnp.tensordot(x, RANK_ONE, axes=(0, 1))  #~ the matrix is singular


@refused(Inversion, call=(ROWS[:, :2],))
def sum_of_products_of_rank_one(x):
    return jnp.sum(RANK_ONE * x[:, None, :], axis=-1)  #~ the matrix is singular
