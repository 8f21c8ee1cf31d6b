"""Parts of values: which elements of a whole a part holds, and when parts cover the whole.

A *view* says that `part` is the elements `region` of `whole`. It is true in both directions: a known whole gives its parts,
and known parts that cover a whole give the whole. `x[:k]`, `split`, `concatenate`, `stack`, tuple items and `.at[...]` are all views.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Union

from invcompiler.ir.nodes import Tree, Var


@dataclass(frozen=True)
class Item:
    """One item of a container with `arity` items (None: not shown by the text): a tuple's, a list's, a dict's by key, a field."""

    key: Any
    arity: int | None = None
    attribute: bool = False


@dataclass(frozen=True)
class Span1:
    """`start:stop:step` along one axis, all of the others. `stop=None` is the end.

    `start` and `stop` are dims (ints or linear expressions). `squeezed`: the part lacks the axis (an integer index).
    """

    axis: int
    start: Any
    stop: Any
    step: int = 1
    squeezed: bool = False


@dataclass(frozen=True)
class Elements:
    """What any other index picks: `whole[index]`. `may_repeat`: it may name an element twice, which shows at run time."""

    index: Tree
    may_repeat: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Except:
    """All elements but those of a region."""

    region: Span1 | Elements


@dataclass(frozen=True)
class Masked:
    """The elements where `mask` (of the shape of the whole, 0/1 or bool) is true, or where it is false."""

    mask: Tree
    inside: bool = True


@dataclass(frozen=True)
class Permuted:
    """All elements, in the order that a permutation `index` of one axis gives them: `x[perm]`, or `jnp.take(x, perm, axis)`."""

    axis: int
    index: Tree
    taken: bool = False


@dataclass(frozen=True)
class Band:
    """What lies between two diagonals of a matrix, in the shape of the whole: `lo <= column - row <= hi`; None is for no bound."""

    lo: int | None
    hi: int | None


@dataclass(frozen=True)
class Diagonal:
    """One diagonal of a matrix, as a vector: `column - row == k`."""

    k: int


Region = Union[Item, Span1, Elements, Except, Masked, Permuted, Band, Diagonal]


class Form(enum.Enum):
    """How pieces cover a whole."""

    ITEMS = "the items of a container"
    CHAIN = "one behind the other along an axis"
    COMPLEMENT = "a region and the rest"
    STRIDES = "interleaved along an axis"
    PERMUTATION = "all elements in another order"
    BANDS = "between diagonals, zero elsewhere"
    SCATTER = "anyhow"


@dataclass(frozen=True, eq=False)
class View:
    """`part` is the elements `region` of `whole`."""

    part: Var
    whole: Var
    region: Region


@dataclass(frozen=True, eq=False)
class Agreement:
    """`one` and `other` have the same shape, and the same elements in `region`."""

    one: Var
    other: Var
    region: Region

    def other_than(self, var: Var) -> Var:
        return self.other if var is self.one else self.one


@dataclass(frozen=True, eq=False)
class Piece:
    """Known elements of a whole: `source` holds just those of the region (`compact`), or has the shape of the whole
    and agrees with it there."""

    region: Region
    source: Var
    compact: bool = True
