"""Simplifications, as equations: where the text of `before` is met, `after` is written.

Each holds up to rounding at ordinary points, keeps the dtype, and is no worse at 0, at infinity, for NaN and at
the ends of float32's range; tests/passes/test_equations.py tries all of them. So `0 * x` is not in
the table, nor is `x - x`: neither is 0 for infinite x.
"""

# fmt: off

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import jax.scipy.special

from invcompiler.ir.build import literal as literal_value
from invcompiler.rules.equation import (
    CompileTime,
    Guard,
    Table,
    even_literal,
    inexact,
    integer_literal,
    known_number,
    literal,
    negative_literal,
    nonnegative,
    nonzero_literal,
    number,
    positive_literal,
    real,
    static,
)
from invcompiler.rules.triangles import Diagonal, is_orthogonal, is_square, triangle

# ---- signs -------------------------------------------------------------------------------------

sign = Table()


@sign
class negative_of_negative:
    def before(x):    return -(-x)  # noqa: B002
    def after(x):     return x


@sign
class negative_of_difference:
    def before(a, b): return -(a - b)
    def after(a, b):  return b - a


@sign
class negative_of_negative_minus:
    def before(a, b): return b - (-a)
    def after(a, b):  return a + b


@sign
class plus_negative:
    def before(a, b): return a + (-b)
    def after(a, b):  return a - b


@sign
class negative_times_negative:
    def before(a, b): return (-a) * (-b)
    def after(a, b):  return a * b


@sign
class negative_of_negative_times:
    def before(a, b): return -((-a) * b)
    def after(a, b):  return a * b


@sign(a=inexact)
class negative_of_negative_over:
    def before(a, b): return -((-a) / b)
    def after(a, b):  return a / b


@sign(a=inexact)
class negative_of_over_negative:
    def before(a, b): return -(a / (-b))
    def after(a, b):  return a / b


@sign(a=inexact)
class negative_over_negative:
    def before(a, b): return (-a) / (-b)
    def after(a, b):  return a / b


@sign(a=inexact, sole=True)
class plus_negative_times:
    def before(a, b, c): return c + (-a) * b
    def after(a, b, c):  return c - a * b


@sign(a=inexact, sole=True)
class minus_negative_times:
    def before(a, b, c): return c - (-a) * b
    def after(a, b, c):  return c + a * b


@sign(a=inexact, sole=True)
class plus_negative_minus:
    def before(a, b, c): return c + (-a - b)
    def after(a, b, c):  return c - (a + b)


@sign(a=inexact, sole=True)
class plus_negative_times_minus:
    def before(a, b, c, d): return c + ((-a) * b - d)
    def after(a, b, c, d):  return c - (a * b + d)


@sign(x=inexact)
class minus_one_times:
    def before(x):    return -1 * x
    def after(x):     return -x


@sign(x=inexact)
class over_minus_one:
    def before(x):    return x / -1
    def after(x):     return -x


@sign(c=literal, x=inexact, sole=True)
class literal_times_negative:
    def before(c, x): return c * (-x)
    def after(c, x):  return -c * x


@sign(c=literal, x=inexact, sole=True)
class negative_of_literal_times:
    def before(c, x): return -(c * x)
    def after(c, x):  return -c * x


@sign(c=negative_literal)
class plus_negative_literal:
    def before(c, x): return x + c
    def after(c, x):  return x - -c


@sign(c=negative_literal)
class minus_negative_literal:
    def before(c, x): return x - c
    def after(c, x):  return x + -c


@sign(c=negative_literal, x=inexact, sole=True)
class plus_negative_literal_times:
    def before(c, x, a): return a + c * x
    def after(c, x, a):  return a - -c * x


@sign(c=negative_literal, x=inexact, sole=True)
class minus_negative_literal_times:
    def before(c, x, a): return a - c * x
    def after(c, x, a):  return a + -c * x


@sign(c=negative_literal, x=inexact, sole=True)
class minus_times_negative_literal_times:
    def before(c, x, a, b): return a - b * (c * x)
    def after(c, x, a, b):  return a + b * (-c * x)


@sign(a=inexact, sole=True)
class plus_negative_over:
    def before(a, b, c): return c + (-a) / b
    def after(a, b, c):  return c - a / b


@sign(a=inexact, sole=True)
class minus_negative_over:
    def before(a, b, c): return c - (-a) / b
    def after(a, b, c):  return c + a / b


@sign(c=negative_literal, a=inexact, sole=True)
class negative_minus_over_negative_literal:
    def before(c, a, b): return (-a - b) / c
    def after(c, a, b):  return (a + b) / -c


@sign(c=negative_literal, a=inexact, sole=True)
class difference_over_negative_literal:
    def before(c, a, b): return (a - b) / c
    def after(c, a, b):  return (b - a) / -c


# ---- neutral elements ----------------------------------------------------------------------------

equation = Table()


@equation(x=inexact)
class plus_zero:
    def before(x):    return x + 0
    def after(x):     return x


@equation(x=inexact)
class minus_zero:
    def before(x):    return x - 0
    def after(x):     return x


@equation(x=inexact)
class zero_minus:
    def before(x):    return 0 - x
    def after(x):     return -x


@equation(x=inexact)
class times_one:
    def before(x):    return x * 1
    def after(x):     return x


@equation(c=literal)
class literal_times_zero:
    def before(c):    return c * 0.0
    def after(c):     return 0.0


@equation(x=inexact)
class over_one:
    def before(x):    return x / 1
    def after(x):     return x


@equation(x=inexact)
class to_the_first:
    def before(x):    return x**1
    def after(x):     return x


@equation(c=nonzero_literal, x=real)
class times_literal_over_it:
    def before(c, x): return (x * c) / c
    def after(c, x):  return x


@equation(c=nonzero_literal, x=real)
class over_literal_times_it:
    def before(c, x): return (x / c) * c
    def after(c, x):  return x


@equation(a=inexact, b=inexact, c=known_number)
class number_between_terms:
    def before(a, b, c): return (a - c) + (c - b)
    def after(a, b, c):  return a - b


@equation(a=inexact, b=inexact, c=known_number)
class difference_of_differences_from_number:
    def before(a, b, c): return (c - a) - (c - b)
    def after(a, b, c):  return b - a


@equation(a=inexact, b=inexact, c=known_number)
class difference_of_differences_to_number:
    def before(a, b, c): return (a - c) - (b - c)
    def after(a, b, c):  return a - b


@equation(a=inexact, b=inexact, c=known_number)
class difference_of_sums_with_number:
    def before(a, b, c): return (a + c) - (b + c)
    def after(a, b, c):  return a - b


# ---- absolute values -----------------------------------------------------------------------------


@equation(c=positive_literal)
class abs_of_positive_literal:
    def before(c):    return jnp.abs(c)
    def after(c):     return c


@equation(c=negative_literal)
class abs_of_negative_literal:
    def before(c):    return jnp.abs(c)
    def after(c):     return -c


@equation(x=nonnegative)
class abs_of_nonnegative:
    def before(x):    return jnp.abs(x)
    def after(x):     return x


@equation(x=inexact)
class abs_of_negative:
    def before(x):    return jnp.abs(-x)
    def after(x):     return jnp.abs(x)


@equation(x=real)
class square_of_abs:
    def before(x):    return jnp.square(jnp.abs(x))
    def after(x):     return jnp.square(x)


@equation(x=inexact)
class square_of_negative:
    def before(x):    return jnp.square(-x)
    def after(x):     return jnp.square(x)


@equation(x=nonnegative)
class root_of_square:
    def before(x):    return jnp.sqrt(jnp.square(x))
    def after(x):     return x


@equation(x=real)
class root_of_square_of_any_sign:
    def before(x):    return jnp.sqrt(jnp.square(x))
    def after(x):     return jnp.abs(x)


@equation(x=nonnegative)
class square_of_root:
    def before(x):    return jnp.square(jnp.sqrt(x))
    def after(x):     return x


# ---- exponentials and logarithms -------------------------------------------------------------------


@equation(x=real)
class log_of_exp:
    def before(x):    return jnp.log(jnp.exp(x))
    def after(x):     return x


@equation(a=real, b=real)
class log_of_exp_times_exp:
    def before(a, b): return jnp.log(jnp.exp(a) * jnp.exp(b))
    def after(a, b):  return a + b


@equation(a=nonnegative, s=real)
class log_of_scaled_exp:
    def before(a, s): return jnp.log(a * jnp.exp(s))
    def after(a, s):  return jnp.log(a) + s


@equation(a=real, s=real)
class log_of_abs_of_scaled_exp:
    def before(a, s): return jnp.log(jnp.abs(a * jnp.exp(s)))
    def after(a, s):  return jnp.log(jnp.abs(a)) + s


@equation(x=real)
class log1p_of_expm1:
    def before(x):    return jnp.log1p(jnp.expm1(x))
    def after(x):     return x


@equation(x=nonnegative)
class exp_of_log:
    def before(x):    return jnp.exp(jnp.log(x))
    def after(x):     return x


@equation(x=nonnegative)
class exp_of_negative_log:
    def before(x):    return jnp.exp(-jnp.log(x))
    def after(x):     return 1 / x


@equation(x=nonnegative)
class expm1_of_log1p:
    def before(x):    return jnp.expm1(jnp.log1p(x))
    def after(x):     return x


@equation(s=inexact, sole=True)
class over_exp:
    def before(y, s): return y / jnp.exp(s)
    def after(y, s):  return y * jnp.exp(-s)


@equation
class log_of_one:
    def before():     return jnp.log(1)
    def after():      return 0.0


@equation(x=real)
class log_of_root:
    def before(x):    return jnp.log(jnp.sqrt(x))
    def after(x):     return 0.5 * jnp.log(x)


@equation(x=nonnegative)
class log_of_reciprocal:
    def before(x):    return jnp.log(1 / x)
    def after(x):     return -jnp.log(x)


@equation(x=nonnegative)
class log_of_reciprocal_call:
    def before(x):    return jnp.log(jnp.reciprocal(x))
    def after(x):     return -jnp.log(x)


@equation(x=real)
class log_of_abs_of_reciprocal:
    def before(x):    return jnp.log(jnp.abs(1 / x))
    def after(x):     return -jnp.log(jnp.abs(x))


@equation(x=real)
class log_of_abs_of_reciprocal_call:
    def before(x):    return jnp.log(jnp.abs(jnp.reciprocal(x)))
    def after(x):     return -jnp.log(jnp.abs(x))


@equation(x=real)
class log_of_square:
    def before(x):    return jnp.log(jnp.square(x))
    def after(x):     return 2 * jnp.log(jnp.abs(x))


@equation(n=integer_literal, x=real)
class log_of_abs_of_power:
    def before(n, x): return jnp.log(jnp.abs(x**n))
    def after(n, x):  return n * jnp.log(jnp.abs(x))


@equation(n=even_literal, x=real)
class log_of_even_power:
    def before(n, x): return jnp.log(x**n)
    def after(n, x):  return n * jnp.log(jnp.abs(x))


@equation(n=nonzero_literal, x=nonnegative)
class log_of_power:
    def before(n, x): return jnp.log(x**n)
    def after(n, x):  return n * jnp.log(x)


# ---- rows that are normalised ----------------------------------------------------------------------


@equation(x=real, axis=static)
class exp_of_log_softmax:
    def before(x, axis): return jnp.exp(jax.nn.log_softmax(x, axis=axis))
    def after(x, axis):  return jax.nn.softmax(x, axis=axis)


@equation(x=real, axis=static)
class log_of_softmax:
    def before(x, axis): return jnp.log(jax.nn.softmax(x, axis=axis))
    def after(x, axis):  return jax.nn.log_softmax(x, axis=axis)


# ---- sigmoids ------------------------------------------------------------------------------------


@equation(x=real)
class log_of_sigmoid:
    def before(x):    return jnp.log(jax.nn.sigmoid(x))
    def after(x):     return jax.nn.log_sigmoid(x)


@equation(x=real)
class log_of_one_minus_sigmoid:
    def before(x):    return jnp.log(1 - jax.nn.sigmoid(x))
    def after(x):     return -jax.nn.softplus(x)


@equation(x=real)
class log1p_of_negative_sigmoid:
    def before(x):    return jnp.log1p(-jax.nn.sigmoid(x))
    def after(x):     return -jax.nn.softplus(x)


@equation(x=real)
class log_of_one_plus_exp:
    def before(x):    return jnp.log(1 + jnp.exp(x))
    def after(x):     return jax.nn.softplus(x)


@equation(x=real)
class log1p_of_exp:
    def before(x):    return jnp.log1p(jnp.exp(x))
    def after(x):     return jax.nn.softplus(x)


@equation(x=real)
class negative_softplus_of_negative:
    def before(x):    return -jax.nn.softplus(-x)
    def after(x):     return jax.nn.log_sigmoid(x)


@equation(x=real)
class log_sigmoid_of_negative:
    def before(x):    return jax.nn.log_sigmoid(-x)
    def after(x):     return -jax.nn.softplus(x)


@equation(x=real)
class negative_log_sigmoid:
    def before(x):    return -jax.nn.log_sigmoid(x)
    def after(x):     return jax.nn.softplus(-x)


@equation(x=real, sole=True)
class softplus_minus_operand:
    def before(x):    return jax.nn.softplus(x) - x
    def after(x):     return jax.nn.softplus(-x)


@equation(x=real, sole=True)
class operand_minus_softplus:
    def before(x):    return x - jax.nn.softplus(x)
    def after(x):     return jax.nn.log_sigmoid(x)


@equation(x=real)
class log_of_expm1:
    def before(x):    return jnp.log(jnp.expm1(x))
    def after(x):     return x + jnp.log(-jnp.expm1(-x))


@equation(x=real)
class logit_of_exp:
    def before(x):    return jax.scipy.special.logit(jnp.exp(x))
    def after(x):     return x - jnp.log(-jnp.expm1(x))


# ---- inverses of each other ------------------------------------------------------------------------


@equation(x=real)
class logit_of_sigmoid:
    def before(x):    return jax.scipy.special.logit(jax.nn.sigmoid(x))
    def after(x):     return x


@equation(x=real)
class arctanh_of_tanh:
    def before(x):    return jnp.arctanh(jnp.tanh(x))
    def after(x):     return x


@equation(x=real)
class arcsinh_of_sinh:
    def before(x):    return jnp.arcsinh(jnp.sinh(x))
    def after(x):     return x


@equation(x=real)
class sinh_of_arcsinh:
    def before(x):    return jnp.sinh(jnp.arcsinh(x))
    def after(x):     return x


@equation(x=real)
class sinh_of_arctanh:
    def before(x):    return jnp.sinh(jnp.arctanh(x))
    def after(x):     return x / jnp.sqrt((1 - x) * (1 + x))


literal_beyond_one = Guard(
    "a literal whose products overflow no later than those of 1",
    lambda tree, context: literal.holds(tree, context) and abs(number(tree) or 0) >= 1,
)

# ---- sums ----------------------------------------------------------------------------------------


@equation(x=inexact, axis=static, keepdims=static)
class sum_of_negative:
    def before(x, axis, keepdims):  return jnp.sum(-x, axis=axis, keepdims=keepdims)
    def after(x, axis, keepdims):   return -jnp.sum(x, axis=axis, keepdims=keepdims)


@equation(x=inexact, axis=static, keepdims=static)
class sum_of_broadcast_negative:
    def before(x, shape, axis, keepdims):
        return jnp.sum(jnp.broadcast_to(-x, shape), axis=axis, keepdims=keepdims)

    def after(x, shape, axis, keepdims):
        return -jnp.sum(jnp.broadcast_to(x, shape), axis=axis, keepdims=keepdims)


@equation(a=inexact, b=inexact, axis=static, keepdims=static)
class sum_of_negative_minus:
    def before(a, b, axis, keepdims):  return jnp.sum(-a - b, axis=axis, keepdims=keepdims)
    def after(a, b, axis, keepdims):   return -jnp.sum(a + b, axis=axis, keepdims=keepdims)


@equation(a=inexact, b=inexact, axis=static, keepdims=static, sole=True)
class negative_of_sum_of_difference:
    def before(a, b, axis, keepdims):  return -jnp.sum(a - b, axis=axis, keepdims=keepdims)
    def after(a, b, axis, keepdims):   return jnp.sum(b - a, axis=axis, keepdims=keepdims)


@equation(c=literal_beyond_one, x=inexact, axis=static, keepdims=static, sole=True)
class sum_of_literal_times:
    def before(c, x, axis, keepdims):  return jnp.sum(c * x, axis=axis, keepdims=keepdims)
    def after(c, x, axis, keepdims):   return c * jnp.sum(x, axis=axis, keepdims=keepdims)


@equation(c=positive_literal)
class sum_of_broadcast_log_of_literal:
    def before(c, x): return jnp.sum(jnp.broadcast_to(jnp.log(c), x.shape))
    def after(c, x):  return x.size * jnp.log(c)


@equation
class sum_of_broadcast_zero:
    def before(s):    return jnp.sum(jnp.broadcast_to(0.0, s))
    def after(s):     return 0.0


@equation
class no_log_det_for_each_of_the_columns:
    def before(x, a):  return x.size * a.shape[-1] // a.size * 0.0
    def after(x, a):   return 0.0


@equation
class no_log_det_for_each_column:
    def before(x, a):  return x.size // a.shape[0] * 0.0
    def after(x, a):   return 0.0


@equation
class sum_of_zero:
    def before():     return jnp.sum(0.0)
    def after():      return 0.0


@equation
class negative_of_size_times:
    def before(x, b): return -(x.size * b)
    def after(x, b):  return -x.size * b


# ---- structure -----------------------------------------------------------------------------------


@CompileTime
def composed(first, then):
    """Return the permutation of axes that is `first`, and `then` another."""
    return [first[axis] for axis in then]


@CompileTime
def shifted(first, then):
    return first + then


permutation = Guard(
    "a literal permutation of axes",
    lambda tree, context: (literal_value(tree) or (None,))[0] is not None,
)
in_order = Guard(
    "the permutation that leaves axes where they are",
    lambda tree, context: _is_in_order(literal_value(tree)),
)
axis = Guard("a literal axis", literal.holds)


def _is_in_order(axes: tuple | None) -> bool:
    if axes is None or not isinstance(axes[0], tuple | list):
        return False
    return list(axes[0]) == list(range(len(axes[0])))


@equation
class transpose_of_transpose:
    def before(x):           return jnp.transpose(jnp.transpose(x))
    def after(x):            return x


@equation(p=permutation, q=permutation)
class permutation_of_permutation:
    def before(x, p, q):     return jnp.transpose(jnp.transpose(x, p), q)
    def after(x, p, q):      return jnp.transpose(x, composed(p, q))


@equation(p=in_order)
class axes_left_in_order:
    def before(x, p):        return jnp.transpose(x, p)
    def after(x, p):         return x


swapping = Guard(
    "the permutation that swaps two axes",
    lambda tree, context: (literal_value(tree) or (None,))[0] in ((1, 0), [1, 0]),
)


@equation(p=swapping)
class two_axes_swapped:
    def before(x, p):        return jnp.transpose(x, p)
    def after(x, p):         return x.T


def _swaps_the_last(axes: tuple | None) -> bool:
    if axes is None or not isinstance(axes[0], tuple | list) or len(axes[0]) < 3:
        return False
    *before, one, other = axes[0]
    return [*before, other, one] == list(range(len(axes[0])))


swapping_last = Guard(
    "the permutation that swaps the last two of several axes",
    lambda tree, context: _swaps_the_last(literal_value(tree)),
)


@equation(p=swapping_last)
class last_axes_swapped:
    def before(x, p):        return jnp.transpose(x, p)
    def after(x, p):         return x.mT


@equation
class axis_left_in_place:
    def before(x, a):        return jnp.moveaxis(x, a, a)
    def after(x, a):         return x


@equation
class matrix_transpose_of_matrix_transpose:
    def before(x):           return jnp.matrix_transpose(jnp.matrix_transpose(x))
    def after(x):            return x


@equation
class axes_swapped_back:
    def before(x, a, b):     return jnp.swapaxes(jnp.swapaxes(x, a, b), a, b)
    def after(x, a, b):      return x


@equation
class axes_swapped_back_from_the_other:
    def before(x, a, b):     return jnp.swapaxes(jnp.swapaxes(x, a, b), b, a)
    def after(x, a, b):      return x


@equation
class axes_moved_back:
    def before(x, a, b):     return jnp.moveaxis(jnp.moveaxis(x, a, b), b, a)
    def after(x, a, b):      return x


@equation
class flip_of_flip:
    def before(x, a):        return jnp.flip(jnp.flip(x, a), a)
    def after(x, a):         return x


@equation
class reversed_twice:
    def before(x):           return x[::-1][::-1]
    def after(x):            return x


@equation(m=literal, n=literal)
class roll_of_roll:
    def before(x, m, n, a):  return jnp.roll(jnp.roll(x, m, a), n, a)
    def after(x, m, n, a):   return jnp.roll(x, shifted(m, n), a)


@equation
class roll_back:
    def before(x, n, a):     return jnp.roll(jnp.roll(x, n, a), -n, a)
    def after(x, n, a):      return x


@equation
class rolled_back_roll:
    def before(x, n, a):     return jnp.roll(jnp.roll(x, -n, a), n, a)
    def after(x, n, a):      return x


@equation
class roll_by_nothing:
    def before(x, a):        return jnp.roll(x, 0, a)
    def after(x, a):         return x


@equation
class reshape_of_reshape:
    def before(x, s, t):     return jnp.reshape(jnp.reshape(x, s), t)
    def after(x, s, t):      return jnp.reshape(x, t)


@equation
class reshape_to_own_shape:
    def before(x):           return jnp.reshape(x, x.shape)
    def after(x):            return x


@equation
class broadcast_to_own_shape:
    def before(x):           return jnp.broadcast_to(x, x.shape)
    def after(x):            return x


@equation
class reshape_of_ravel:
    def before(x, s):        return jnp.reshape(jnp.ravel(x), s)
    def after(x, s):         return jnp.reshape(x, s)


@equation
class ravel_of_reshape:
    def before(x, s):        return jnp.ravel(jnp.reshape(x, s))
    def after(x, s):         return jnp.ravel(x)


@equation(a=axis)
class squeeze_of_expand_dims:
    def before(x, a):        return jnp.squeeze(jnp.expand_dims(x, a), a)
    def after(x, a):         return x


@equation(a=axis)
class expand_dims_of_squeeze:
    def before(x, a):        return jnp.expand_dims(jnp.squeeze(x, a), a)
    def after(x, a):         return x


@equation(y=inexact)
class first_of_differences:
    def before(y):           return jnp.split(jnp.diff(y, axis=-1, prepend=0), [1], axis=-1)[0]
    def after(y):            return y[..., :1]


@equation(y=inexact)
class first_of_differences_of_rows:
    def before(y):           return jnp.split(jnp.diff(y, axis=0, prepend=0), [1], axis=0)[0]
    def after(y):            return y[:1]


@equation(y=inexact, a=axis)
class differences_after_the_first:
    def before(y, a):        return jnp.split(jnp.diff(y, axis=a, prepend=0), [1], axis=a)[1]
    def after(y, a):         return jnp.diff(y, axis=a)


# ---- matrices that are triangular by the way in which they are computed ------------------------------


def _triangular(name: str, lower: bool, unit: bool) -> Guard:
    def holds(tree, context):
        found = triangle(tree, context)
        if found is None or not (found.lower if lower else found.upper):
            return False
        return not unit or found.diagonal is Diagonal.ONES

    return Guard(name, holds)


lower_triangular = _triangular("a lower triangular matrix", lower=True, unit=False)
upper_triangular = _triangular("an upper triangular matrix", lower=False, unit=False)
unit_lower = _triangular("a lower triangular matrix, with ones on its diagonal", True, True)
unit_upper = _triangular("an upper triangular matrix, with ones on its diagonal", False, True)


@equation(a=unit_lower)
class solve_of_unit_lower:
    def before(a, y):        return jnp.linalg.solve(a, y)
    def after(a, y):
        return jax.scipy.linalg.solve_triangular(a, y, lower=True, unit_diagonal=True)


@equation(a=unit_upper)
class solve_of_unit_upper:
    def before(a, y):        return jnp.linalg.solve(a, y)
    def after(a, y):         return jax.scipy.linalg.solve_triangular(a, y, unit_diagonal=True)


@equation(a=lower_triangular)
class solve_of_lower:
    def before(a, y):        return jnp.linalg.solve(a, y)
    def after(a, y):         return jax.scipy.linalg.solve_triangular(a, y, lower=True)


@equation(a=upper_triangular)
class solve_of_upper:
    def before(a, y):        return jnp.linalg.solve(a, y)
    def after(a, y):         return jax.scipy.linalg.solve_triangular(a, y)


@equation(a=unit_lower)
class log_det_of_unit_lower:
    def before(a):           return jnp.linalg.slogdet(a)[1]
    def after(a):            return 0.0


@equation(a=unit_upper)
class log_det_of_unit_upper:
    def before(a):           return jnp.linalg.slogdet(a)[1]
    def after(a):            return 0.0


@equation(a=lower_triangular)
class log_det_of_lower:
    def before(a):           return jnp.linalg.slogdet(a)[1]
    def after(a):            return jnp.sum(jnp.log(jnp.abs(jnp.diagonal(a))))


@equation(a=upper_triangular)
class log_det_of_upper:
    def before(a):           return jnp.linalg.slogdet(a)[1]
    def after(a):            return jnp.sum(jnp.log(jnp.abs(jnp.diagonal(a))))


@equation
class conj_of_conj:
    def before(x):           return jnp.conj(jnp.conj(x))
    def after(x):            return x


# ---- products and other matrices with a structure ------------------------------------------------------

square = Guard("a square matrix", is_square)
orthogonal = Guard(
    "a matrix that is orthogonal by the way in which it is computed",
    lambda tree, context: real.holds(tree, context) and is_orthogonal(tree, context),
)
vector = Guard("a vector", lambda tree, context: len(context.shape(tree) or (0, 0)) == 1)


@equation(a=square, b=square)
class solve_of_product:
    def before(a, b, y):     return jnp.linalg.solve(a @ b, y)
    def after(a, b, y):      return jnp.linalg.solve(b, jnp.linalg.solve(a, y))


@equation(a=square, b=square)
class log_det_of_product:
    def before(a, b):        return jnp.linalg.slogdet(a @ b)[1]
    def after(a, b):         return jnp.linalg.slogdet(a)[1] + jnp.linalg.slogdet(b)[1]


@equation(a=square, b=square)
class transposed_product:
    def before(a, b):        return (a @ b).T
    def after(a, b):         return b.T @ a.T


@equation(q=orthogonal)
class solve_of_transposed_orthogonal:
    def before(q, y):        return jnp.linalg.solve(q.T, y)
    def after(q, y):         return q @ y


@equation(q=orthogonal)
class solve_of_orthogonal:
    def before(q, y):        return jnp.linalg.solve(q, y)
    def after(q, y):         return q.mT @ y


@equation(q=orthogonal)
class log_det_of_orthogonal:
    def before(q):           return jnp.linalg.slogdet(q)[1]
    def after(q):            return 0.0


@equation
class columns_times_transposed_matrix_as_rows:
    def before(q, y, n):     return (q.mT @ y.reshape(-1, n).T).T.reshape(y.shape)
    def after(q, y, n):      return y @ q


@equation
class columns_times_matrix_as_rows:
    def before(q, y, n):     return (q @ y.reshape(-1, n).T).T.reshape(y.shape)
    def after(q, y, n):      return y @ q.T


# (a x b) y = a y b^T for rows in y: van Loan, The ubiquitous Kronecker product, 2000
@equation(a=square, b=square, y=vector)
class solve_of_kronecker_product:
    def before(a, b, y):     return jnp.linalg.solve(jnp.kron(a, b), y)
    def after(a, b, y):
        columns = jnp.linalg.solve(b, y.reshape(a.shape[0], b.shape[0]).T)
        return jnp.linalg.solve(a, columns.T).reshape(y.shape)


@equation(a=square, b=square)
class log_det_of_kronecker_product:
    def before(a, b):        return jnp.linalg.slogdet(jnp.kron(a, b))[1]
    def after(a, b):
        return b.shape[0] * jnp.linalg.slogdet(a)[1] + a.shape[0] * jnp.linalg.slogdet(b)[1]


# ---- a substitution reads one triangle only ---------------------------------------------------------------

identity = Guard(
    "an identity matrix",
    lambda tree, context: (found := triangle(tree, context)) is not None
    and found.lower
    and found.upper
    and found.diagonal is Diagonal.ONES,
)


@equation
class substitution_in_lower_triangle:
    def before(a, y):
        return jax.scipy.linalg.solve_triangular(jnp.tril(a), y, lower=True)
    def after(a, y):         return jax.scipy.linalg.solve_triangular(a, y, lower=True)


@equation
class substitution_in_upper_triangle:
    def before(a, y):        return jax.scipy.linalg.solve_triangular(jnp.triu(a), y)
    def after(a, y):         return jax.scipy.linalg.solve_triangular(a, y)


@equation(e=identity)
class substitution_in_unit_lower_triangle:
    def before(a, e, y):
        return jax.scipy.linalg.solve_triangular(
            jnp.tril(a, -1) + e, y, lower=True, unit_diagonal=True
        )
    def after(a, e, y):
        return jax.scipy.linalg.solve_triangular(a, y, lower=True, unit_diagonal=True)


@equation(e=identity)
class substitution_in_unit_upper_triangle:
    def before(a, e, y):
        return jax.scipy.linalg.solve_triangular(jnp.triu(a, 1) + e, y, unit_diagonal=True)
    def after(a, e, y):      return jax.scipy.linalg.solve_triangular(a, y, unit_diagonal=True)


@equation
class diagonal_of_lower_triangle:
    def before(a):           return jnp.diagonal(jnp.tril(a))
    def after(a):            return jnp.diagonal(a)


@equation
class diagonal_of_upper_triangle:
    def before(a):           return jnp.diagonal(jnp.triu(a))
    def after(a):            return jnp.diagonal(a)
