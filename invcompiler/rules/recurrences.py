"""Formulas for `lax.associative_scan` of sums, products, and affine maps: each value follows from the one before it.

As in `simplices`. y_(t-1) is `shifted(y, axis, first)`, and y_(t+1) for scans from the end is `shifted_back(y, axis, last)`: no loop is
needed, and the Jacobian is triangular.
"""

# fmt: off

from __future__ import annotations

import jax.numpy as jnp

from invcompiler.rules.emitted import shifted, shifted_back
from invcompiler.rules.simplices import Formula

# ---- one after the other -------------------------------------------------------------------------------------

class sums_undone(Formula):                                     # y_t = y_(t-1) + x_t
    "the rule for running sums"
    def solve(y, axis):             return jnp.diff(y, axis=axis, prepend=0)
    def log_term():                 return 0.0

class sums_undone_back(Formula):
    "the rule for running sums from the end"
    def solve(y, axis):             return -jnp.diff(y, axis=axis, append=0)
    def log_term():                 return 0.0

class products_undone(Formula):                                 # y_t = y_(t-1) x_t
    "the rule for running products"
    def solve(y, axis):             return y / shifted(y, axis, 1)
    def log_term(y, axis):          return jnp.log(jnp.abs(shifted(y, axis, 1)))

class products_undone_back(Formula):
    "the rule for running products from the end"
    def solve(y, axis):             return y / shifted_back(y, axis, 1)
    def log_term(y, axis):          return jnp.log(jnp.abs(shifted_back(y, axis, 1)))

class log_sums_undone(Formula):                                 # y_t = log(e^y_(t-1) + e^x_t)
    "the rule for logarithms of running sums"
    def solve(y, axis):             return y + jnp.log(-jnp.expm1(shifted(y, axis, -jnp.inf) - y))
    def log_term(y, axis):          return jnp.log(-jnp.expm1(shifted(y, axis, -jnp.inf) - y))

class log_sums_undone_back(Formula):
    "the rule for logarithms of running sums from the end"
    def solve(y, axis):             return y + jnp.log(-jnp.expm1(shifted_back(y, axis, -jnp.inf) - y))
    def log_term(y, axis):          return jnp.log(-jnp.expm1(shifted_back(y, axis, -jnp.inf) - y))

class affine_undone(Formula):                                   # y_t = a_t y_(t-1) + x_t
    "the rule for affine maps one after the other"
    def solve(y, a, axis):          return y - a * shifted(y, axis, 0)
    def log_term():                 return 0.0

class affine_undone_back(Formula):
    "the rule for affine maps one after the other, from the end"
    def solve(y, a, axis):          return y - a * shifted_back(y, axis, 0)
    def log_term():                 return 0.0

class matvec_undone(Formula):                                   # with matrices a_t, and vectors y_t
    "the rule for affine maps of vectors one after the other"
    def solve(y, a, axis):          return y - jnp.matvec(a, shifted(y, axis, 0))
    def log_term():                 return 0.0

class matvec_undone_back(Formula):
    "the rule for affine maps of vectors one after the other, from the end"
    def solve(y, a, axis):          return y - jnp.matvec(a, shifted_back(y, axis, 0))
    def log_term():                 return 0.0

class matmul_undone(Formula):                                   # with matrices y_t as well
    "the rule for affine maps of matrices one after the other"
    def solve(y, a, axis):          return y - a @ shifted(y, axis, 0)
    def log_term():                 return 0.0

class matmul_undone_back(Formula):
    "the rule for affine maps of matrices one after the other, from the end"
    def solve(y, a, axis):          return y - a @ shifted_back(y, axis, 0)
    def log_term():                 return 0.0
