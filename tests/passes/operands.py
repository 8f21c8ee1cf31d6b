"""Operands for the parameters of equations: what a guard lets in, ordinary values and the ends of the range."""

from itertools import product

import numpy as np

from invcompiler.rules import equation as guards
from invcompiler.rules import equations, idioms

ORDINARY = np.array([-5.0, -3.0, -1.5, -1.0, -0.7, -0.1, -1e-3, 1e-3, 0.2, 0.5, 0.9, 1.0, 2.5, 5.0])
EXTREME = np.array(
    [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        3e38,
        -3e38,
        2e-38,
        20.0,
        -20.0,
        88.9,
        -88.9,
        120.0,
        -120.0,
    ]
)
COMPLEX = np.array([1 + 2j, -0.5 + 0.1j, -2 - 1j, 0.3 - 3j])
INTEGERS = np.array([-3, -1, 0, 1, 2, 7])

LITERALS = {
    guards.literal: (2.0, -0.5, 3),
    guards.nonzero_literal: (2.0, -0.5, 3),
    guards.positive_literal: (0.5, 2.0, 3),
    guards.negative_literal: (-2.0, -3),
    guards.integer_literal: (2, 3, -1, -2, 2.0),
    guards.even_literal: (2, -4.0),
    guards.known_number: (2.0, 3),  # less a negative number is written as plus a positive one
    idioms.power_of_two: (2, 0.5, -4.0),
    idioms.exponent: (2, 5),
    idioms.fraction: (0.01, 0.5),
}

CUBE = np.arange(24.0).reshape(2, 3, 4)
RIGHT = np.arange(6.0).reshape(3, 2) - 2.5
LOWER = np.array([[2.0, 0.0, 0.0], [0.5, -1.0, 0.0], [3.0, 0.25, 0.5]])
UNIT = np.tril(LOWER, -1) + np.eye(3)
SUMS = {"axis": (None, 0, (0, -1)), "keepdims": (False, True)}
STRUCTURAL = {
    "sum_of_negative": SUMS,
    "sum_of_broadcast_negative": {**SUMS, "shape": ((5, 2, 3, 4),)},
    "sum_of_negative_minus": {**SUMS, "a": (CUBE,), "b": (CUBE[::-1], CUBE[0])},
    "negative_of_sum_of_difference": {**SUMS, "a": (CUBE,), "b": (CUBE[::-1], CUBE[0])},
    "sum_of_literal_times": {**SUMS, "c": (2.0, -1.5, 3)},
    "sum_of_broadcast_log_of_literal": {"c": (0.5, 2)},
    "sum_of_broadcast_zero": {"s": ((2, 3), (4,), ())},
    "sum_of_zero": {},
    "no_log_det_for_each_of_the_columns": {"a": (LOWER, CUBE)},
    "no_log_det_for_each_column": {"a": (LOWER, CUBE)},
    "exp_of_log_softmax": {"axis": (0, 1)},
    "log_of_softmax": {"axis": (0, 1)},
    "negative_of_size_times": {"b": (CUBE, 2.0)},
    "reshape_to_own_shape": {},
    "broadcast_to_own_shape": {},
    "transpose_of_transpose": {},
    "permutation_of_permutation": {"p": ((2, 0, 1), (1, 0, 2)), "q": ((1, 2, 0), (0, 2, 1))},
    "axes_left_in_order": {"p": ((0, 1, 2),)},
    "two_axes_swapped": {"x": (LOWER, RIGHT), "p": ((1, 0),)},
    "last_axes_swapped": {"p": ((0, 2, 1),)},
    "axis_left_in_place": {"a": (0, -1)},
    "matrix_transpose_of_matrix_transpose": {},
    "axes_swapped_back": {"a": (0, -1), "b": (1,)},
    "axes_swapped_back_from_the_other": {"a": (0, -1), "b": (1,)},
    "axes_moved_back": {"a": (0, -1), "b": (1,)},
    "flip_of_flip": {"a": (None, 0, -1)},
    "reversed_twice": {},
    "roll_of_roll": {"m": (1, -2), "n": (3,), "a": (0, 2, None)},
    "roll_back": {"n": (1, -2), "a": (0, 2, None)},
    "rolled_back_roll": {"n": (1, -2), "a": (0, 2, None)},
    "roll_by_nothing": {"a": (0, None)},
    "reshape_of_reshape": {"s": ((6, 4), -1), "t": ((4, 6), (2, 3, 4))},
    "reshape_of_ravel": {"s": ((6, 4), -1)},
    "ravel_of_reshape": {"s": ((6, 4), -1)},
    "squeeze_of_expand_dims": {"a": (0, 1, -1)},
    "expand_dims_of_squeeze": {"x": (CUBE[:, :1],), "a": (1, -2)},
    "first_of_differences": {"y": (CUBE,)},
    "first_of_differences_of_rows": {"y": (CUBE,)},
    "differences_after_the_first": {"y": (CUBE,), "a": (-1, 0)},
    "solve_of_unit_lower": {"a": (UNIT,), "y": (RIGHT, RIGHT[:, 0])},
    "solve_of_unit_upper": {"a": (UNIT.T,), "y": (RIGHT, RIGHT[:, 0])},
    "solve_of_lower": {"a": (LOWER,), "y": (RIGHT, RIGHT[:, 0])},
    "solve_of_upper": {"a": (LOWER.T,), "y": (RIGHT, RIGHT[:, 0])},
    "log_det_of_unit_lower": {"a": (UNIT,)},
    "log_det_of_unit_upper": {"a": (UNIT.T,)},
    "log_det_of_lower": {"a": (LOWER, -LOWER)},
    "log_det_of_upper": {"a": (LOWER.T,)},
    "solve_of_product": {"a": (LOWER,), "b": (UNIT,), "y": (RIGHT, RIGHT[:, 0])},
    "log_det_of_product": {"a": (LOWER,), "b": (UNIT,)},
    "transposed_product": {"a": (LOWER,), "b": (UNIT,)},
    "solve_of_transposed_orthogonal": {
        "q": (np.linalg.qr(LOWER)[0],),
        "y": (RIGHT, RIGHT[:, 0]),
    },
    "columns_times_matrix_as_rows": {"q": (LOWER,), "y": (RIGHT.T, RIGHT.T[0]), "n": (3,)},
    "columns_times_transposed_matrix_as_rows": {
        "q": (LOWER,),
        "y": (RIGHT.T, RIGHT.T[None]),
        "n": (3,),
    },
    "solve_of_orthogonal": {"q": (np.linalg.qr(LOWER)[0],), "y": (RIGHT, RIGHT[:, 0])},
    "log_det_of_orthogonal": {"q": (np.linalg.qr(LOWER)[0],)},
    "solve_of_kronecker_product": {"a": (LOWER,), "b": (UNIT,), "y": (np.kron(LOWER[0], UNIT[1]),)},
    "log_det_of_kronecker_product": {"a": (LOWER,), "b": (UNIT,)},
    "substitution_in_lower_triangle": {"a": (LOWER + UNIT.T,), "y": (RIGHT, RIGHT[:, 0])},
    "substitution_in_upper_triangle": {"a": (LOWER.T + UNIT,), "y": (RIGHT, RIGHT[:, 0])},
    "substitution_in_unit_lower_triangle": {
        "a": (LOWER + UNIT.T,),
        "e": (np.eye(len(LOWER)),),
        "y": (RIGHT, RIGHT[:, 0]),
    },
    "substitution_in_unit_upper_triangle": {
        "a": (LOWER + UNIT.T,),
        "e": (np.eye(len(LOWER)),),
        "y": (RIGHT, RIGHT[:, 0]),
    },
    "diagonal_of_lower_triangle": {"a": (LOWER + UNIT.T,)},
    "diagonal_of_upper_triangle": {"a": (LOWER + UNIT.T,)},
    "conj_of_conj": {},
}

SIMPLIFICATIONS = (*equations.sign.equations, *equations.equation.equations)
IDIOMS = tuple(idioms.idiom.equations)
ELEMENTWISE = tuple(e for e in (*SIMPLIFICATIONS, *IDIOMS) if e.name not in STRUCTURAL)
REARRANGING = tuple(e for e in SIMPLIFICATIONS if e.name in STRUCTURAL)


def parameters(equation):
    code = equation.before.__code__
    return code.co_varnames[: code.co_argcount]


def guard_of(equation, name):
    return dict(equation.guards).get(name)


def literals(equation):
    """Return, for every choice of the literals of `equation`, a dict of them."""
    names = [n for n in parameters(equation) if guard_of(equation, n) in LITERALS]
    choices = [LITERALS[guard_of(equation, name)] for name in names]
    return [dict(zip(names, chosen)) for chosen in product(*choices)]


def arrays(equation, values, dtype=None):
    """Return arrays for the other parameters, which together take every combination of `values`."""
    names = [n for n in parameters(equation) if guard_of(equation, n) not in LITERALS]
    axes = [
        np.abs(values) if guard_of(equation, n) is guards.nonnegative else values for n in names
    ]
    grid = np.meshgrid(*axes) if axes else []
    return {name: axis.ravel().astype(dtype or axis.dtype) for name, axis in zip(names, grid)}


def rearrangements(equation):
    """Return choices of all operands of an equation about shapes."""
    given = {"x": (CUBE,), **STRUCTURAL[equation.name]}
    names = parameters(equation)
    return [dict(zip(names, chosen)) for chosen in product(*(given[name] for name in names))]
