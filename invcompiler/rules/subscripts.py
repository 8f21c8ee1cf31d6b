"""Subscripts of a product of two operands, `"known,unknown->value"`: which axes are shared, summed over, made and left alone.

In `"hij,bhj->bhi"` the axis h is shared, j is summed over, i is made of it and b is free: a matrix for each h takes j to i. What these
functions of strings return stands in the emitted text, not their calls. `...` counts as one axis, the label `.`.
"""

from __future__ import annotations

from typing import NamedTuple


class Roles(NamedTuple):
    """The labels of the known operand, the unknown one and the value, and what they are."""

    known: str
    unknown: str
    value: str
    shared: str
    summed: str
    made: str
    free: str


def labels_of(subscripts):
    """Return the labels of the two operands and of the value; None for other subscripts, and where a label repeats in one of them.

    >>> labels_of("...ij,...j->...i")
    ('.ij', '.j', '.i')
    """
    before, arrow, after = subscripts.replace(" ", "").replace("...", ".").partition("->")
    operands = before.split(",")
    if not arrow or len(operands) != 2:
        return None
    parts = (*operands, after)
    return parts if all(len(set(part)) == len(part) for part in parts) else None


def explicit(subscripts):
    """Return subscripts with the labels of the value, which are those that occur once, in alphabetical order, where none are given.

    >>> explicit("ij,kj"), explicit("ij,kj->ki")
    ('ij,kj->ik', 'ij,kj->ki')
    """
    if "->" in subscripts or "." in subscripts:
        return subscripts
    letters = subscripts.replace(" ", "").replace(",", "")
    return f"{subscripts}->{''.join(c for c in sorted(set(letters)) if letters.count(c) == 1)}"


def roles(subscripts):
    """Return the roles of the labels; None if they are not those of a matrix that is applied.

    >>> roles("hij,bhj->bhi")[3:]
    ('h', 'j', 'i', 'b')
    """
    labels = labels_of(subscripts)
    if labels is None:
        return None
    known, unknown, value = labels
    shared = "".join(c for c in known if c in unknown and c in value)
    summed = "".join(c for c in known if c in unknown and c not in value)
    made = "".join(c for c in known if c not in unknown and c in value)
    free = "".join(c for c in value if c not in known)
    used = shared + summed + made
    if set(known) != set(used) or set(unknown) != set(shared + summed + free):
        return None
    if not summed or not made or "." in summed + made:
        return None
    return Roles(known, unknown, value, shared, summed, made, free)


# ---- how to bring operands into the order of a solve: shared axes, one that the matrices act on, free ones ----------


def _order(labels, wanted):
    return tuple(labels.index(label) for label in wanted)


def matrix_axes(subscripts):
    """Return the permutation of the axes of the known operand after which it holds matrices that take what is summed over to what is made.

    >>> matrix_axes("ji,bj->bi")
    (1, 0)
    """
    of = roles(subscripts)
    return _order(of.known, of.shared + of.made + of.summed)


def value_axes(subscripts):
    """Return the permutation of the axes of the value after which it holds columns that these matrices make.

    >>> value_axes("hij,bhj->bhi")
    (1, 2, 0)
    """
    of = roles(subscripts)
    return _order(of.value, of.shared + of.made + of.free)


def unknown_axes(subscripts):
    """Return the permutation that takes the columns that are recovered to the unknown operand.

    >>> unknown_axes("hij,bhj->bhi")
    (2, 0, 1)
    """
    of = roles(subscripts)
    return _order(of.shared + of.summed + of.free, of.unknown)


def count_shared(subscripts):
    """Return how many axes are shared."""
    return len(roles(subscripts).shared)


def count_made(subscripts):
    """Return how many axes are made."""
    return len(roles(subscripts).made)


def is_mirrored(subscripts):
    """Whether the known operand holds the transposes of the matrices, in the order of a solve otherwise."""
    of = roles(subscripts)
    return of.known == of.shared + of.summed + of.made


def is_in_order(subscripts):
    """Whether the value and the unknown have their axes in the order of a solve, and the known operand too, up to a transposition."""
    of = roles(subscripts)
    return (
        of.known in (of.shared + of.made + of.summed, of.shared + of.summed + of.made)
        and of.value == of.shared + of.made + of.free
        and of.unknown == of.shared + of.summed + of.free
    )


def made_axis(subscripts):
    """Return the place of the one axis of the value that is made, counted from the end behind an ellipsis."""
    of = roles(subscripts)
    return _place(of.value, of.made)


def summed_axis(subscripts):
    """Return the place of the one axis of the unknown that is summed over, counted from the end behind an ellipsis."""
    of = roles(subscripts)
    return _place(of.unknown, of.summed)


def _place(labels, label):
    place = labels.index(label)
    behind = "." in labels[:place] or place == len(labels) - 1
    return place - len(labels) if behind and place else place


__all__ = [
    "Roles",
    "count_made",
    "count_shared",
    "explicit",
    "is_in_order",
    "is_mirrored",
    "labels_of",
    "made_axis",
    "matrix_axes",
    "roles",
    "summed_axis",
    "unknown_axes",
    "value_axes",
]
