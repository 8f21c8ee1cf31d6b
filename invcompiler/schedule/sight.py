"""What a rule of shapes sees: the abstract values so far, and one call in terms of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from invcompiler.ir.nodes import Const, Display, Star, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.schedule.abstract import (
    Abstract,
    Array,
    Integer,
    Items,
    Known,
    Like,
    Open,
    Perhaps,
    Shape,
    of_tree,
    static,
)
from invcompiler.schedule.dims import Size, axis_of, symbol
from invcompiler.schedule.layout import broadcast


@dataclass
class Sight:
    """The abstract values so far. `unknown` are the vars to be recovered, `tainted` all that depend on them."""

    values: dict[Var, Abstract]
    tainted: set[Var]
    unknown: frozenset[Var] = frozenset()

    def of(self, tree: Tree) -> Abstract:
        return of_tree(tree, self.values)

    def kept(self, tree: Tree) -> Abstract:
        """Return the abstract value; that it is what `tree` is, where nothing else is known."""
        found = self.of(tree)
        return Like(tree) if found is None and isinstance(tree, Var) else found

    def shape(self, tree: Tree) -> Shape | None:
        """Return the shape; a var of which nothing is known is taken for an array, whose shape is its own."""
        match self.of(tree):
            case Array(shape=shape):
                return shape
            case Integer() | Known(value=bool() | int() | float() | complex()):
                return ()
            case Like(root=root):
                return Open(root)
            case None | Perhaps() if isinstance(tree, Var):
                return Open(tree)
            case _:
                return None

    def size(self, tree: Tree) -> Size | None:
        """Return the integer that `tree` is; a var of which nothing is known stands for itself."""
        match self.of(tree):
            case Known(value=int() as value) if type(value) is int:
                return value
            case Integer(size=size):
                return size
            case Perhaps(size=size):
                return size
            case None if isinstance(tree, Var):
                return symbol(tree)
            case _:
                return None

    def elementwise(self, trees: Iterable[Tree]) -> Shape | None:
        """Return the shape of an elementwise function's value. Where ranks are unknown that of an unknown wins."""
        shapes = [(self.shape(tree), tree) for tree in trees]
        if any(shape is None for shape, _ in shapes):
            return None
        sized = [(shape, tree) for shape, tree in shapes if shape is not None and shape != ()]
        leading = [shape for shape, tree in sized if self.is_leading(shape, tree)]
        return broadcast([shape for shape, _ in sized], leading)

    def is_leading(self, shape: Shape, tree: Tree) -> bool:
        """Whether `shape` is that of an unknown, but for other sizes along some axes, none of which is broadcast."""
        if isinstance(shape, Open):
            drops = (shape.dropped_lead, shape.dropped_trail)
            whole = drops == (len(shape.lead), len(shape.trail))
            return whole and shape.root in self.unknown and 1 not in (*shape.lead, *shape.trail)
        ranks = {len(s) for v in self.unknown if isinstance(s := self.shape(v), tuple)}
        return len(shape) in ranks and 1 not in shape and self.is_tainted(tree)

    def is_tainted(self, tree: Tree) -> bool:
        return any(var in self.tainted for var in leaves(tree))


@dataclass
class CallSight:
    """A call as a rule of shapes sees it: its arguments by name, and what is known of them."""

    sight: Sight
    out: Var
    given: Mapping[str, Tree]

    def tree(self, name: str) -> Tree:
        return self.given.get(name, Const(None))

    def of(self, name: str) -> Abstract:
        return self.sight.of(self.tree(name))

    def shape(self, name: str) -> Shape | None:
        return self.sight.shape(self.tree(name))

    def dtype(self, name: str) -> Any:
        found = self.of(name)
        return found.dtype if isinstance(found, Array) else None

    def value(self, name: str) -> Any:
        """Return the static value of an argument, MISSING if it has none."""
        return static(self.of(name))

    def axis(self, name: str = "axis") -> int | None:
        value = self.value(name)
        return value if isinstance(value, int) else None

    def axes(self, name: str = "axis") -> tuple[int, ...] | None:
        value = self.value(name)
        if isinstance(value, int):
            return (value,)
        is_axes = isinstance(value, tuple | list) and all(isinstance(v, int) for v in value)
        return tuple(value) if is_axes else None

    def size(self, name: str) -> Size | None:
        return self.sight.size(self.tree(name))

    def array(self, shape: Shape | None, dtype: Any = None) -> Abstract:
        return None if shape is None else Array(shape, dtype)

    def own(self, axis: int = 0) -> Size:
        """Return a size of the result that only the result can tell."""
        return axis_of(self.out, axis)

    def parts(self, name: str) -> list[Shape | None] | None:
        """Return the shapes of the arrays in a container."""
        tree = self.tree(name)
        if isinstance(tree, Display):
            if any(isinstance(item, Star) for item in tree.items):
                return None
            return [self.sight.shape(item) for item in tree.items]
        found = self.sight.of(tree)
        if isinstance(found, Items):
            return [item.shape if isinstance(item, Array) else None for item in found.items]
        return None

    def part_dtype(self, name: str) -> Any:
        tree = self.tree(name)
        found = [self.sight.of(i) for i in tree.items] if isinstance(tree, Display) else []
        dtypes = {item.dtype if isinstance(item, Array) else None for item in found}
        return dtypes.pop() if len(dtypes) == 1 else None


__all__ = ["CallSight", "Sight"]
