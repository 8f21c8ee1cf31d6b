"""Functions of static values that templates call: what they return stands in the emitted text, not the call.

Axes, shapes and subscripts are known when code is emitted, as a rule; where they are known only when it
runs, the text of the function is copied, like that of any helper.
"""

from __future__ import annotations

import math


def inverse_permutation(axes):
    """Return the permutation that undoes `axes`, whose numbers may count from the end.

    >>> inverse_permutation((2, 0, -2))
    (1, 2, 0)
    """
    order = [axis % len(axes) for axis in axes]
    return tuple(order.index(axis) for axis in range(len(order)))


def negated(shift):
    """Return minus a number, or minus each one of several."""
    return tuple(-s for s in shift) if isinstance(shift, tuple) else -shift


def swapped(subscripts):
    """Return the subscripts of the einsum of one operand that undoes `subscripts`.

    >>> swapped("ij->ji")
    'ji->ij'
    """
    before, after = subscripts.replace(" ", "").split("->")
    return f"{after}->{before}"


def unscaling(subscripts):
    """Return the subscripts that apply the reciprocal of the first operand of an einsum to its value.

    >>> unscaling("i,bi->ib")
    'i,ib->bi'
    """
    operands, after = subscripts.replace(" ", "").split("->")
    known, unknown = operands.split(",")
    return f"{known},{after}->{unknown}"


def points(shape, axes):
    """Return how many elements there are along some axes, or all of them."""
    return math.prod(shape if axes is None else [shape[axis] for axis in axes])


def sizes(shape, axes):
    """Return how many elements there are along each of some axes, or all of them.

    >>> sizes((2, 3, 4), (-2, -1))
    (3, 4)
    """
    return tuple(shape) if axes is None else tuple(shape[axis] for axis in axes)


def cosine_log_det(shape, axes):
    """Return the log-determinant of the cosine transform along some axes, or all: that of n points has rows of square 2 n, the first 4 n.

    >>> round(cosine_log_det((2,), None), 6) == round(math.log(8**0.5 * 4**0.5), 6)
    True
    """
    size = math.prod(shape)
    each = ((n + 1) / n * math.log(2) + math.log(n) for n in sizes(shape, axes))
    return size / 2 * sum(each)


def channels_of(numbers):
    """Return whether the two axes of channels are the "first" or the "last" of the kernel of a convolution, or None.

    `numbers` are its dimension numbers: None, three strings, or three permutations.

    >>> channels_of(("NHWC", "HWIO", "NHWC")), channels_of(None)
    ('last', 'first')
    """
    if numbers is None:
        return "first"
    kernel = numbers[1]
    rank = len(kernel)
    axes = [kernel.index("I"), kernel.index("O")] if isinstance(kernel, str) else kernel[:2]
    return {(0, 1): "first", (rank - 2, rank - 1): "last"}.get((min(axes), max(axes)))


def back(numbers):
    """Return the dimension numbers of a convolution that takes the value of another one to its operand.

    >>> back(("NHWC", "HWIO", "NCHW"))
    ('NCHW', 'HWIO', 'NHWC')
    """
    return numbers and (numbers[2], numbers[1], numbers[0])


__all__ = [
    "back",
    "channels_of",
    "cosine_log_det",
    "inverse_permutation",
    "negated",
    "points",
    "sizes",
    "swapped",
    "unscaling",
]
