"""Cotangents while they are collected: sums, container by container, in which what is zero is absent.

The cotangent of a var is a tree of the same structure: for an array a tree of one array, for a container a
display, or a var that holds the whole container. `ZERO` stands where nothing has arrived; zeros become
code only where a value must be handed over (`Cotangents.whole`).
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.ir.nodes import Const, Display, Method, Ref, Star, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.passes.containers import (
    Container,
    container,
    is_inexact,
    is_node,
    is_private,
    of_display,
)
from invcompiler.passes.emission import Emission, LeftToJax, NeedsShapes, reference
from invcompiler.passes.residuals import described
from invcompiler.rules.adjoint_registry import Spread

ZERO = Const(None)


@dataclass(frozen=True)
class Slab:
    """A part of the cotangent of an array: `value` at `start:stop` of the axis, zero elsewhere.

    A `single` one is at an index: `value` lacks the axis.
    """

    start: int
    stop: int
    value: Tree
    single: bool = False


@dataclass(frozen=True)
class Slabs:
    """Slabs along one axis of `size` that do not overlap, in order."""

    axis: int
    size: int
    ndim: int
    parts: tuple[Slab, ...]


@dataclass(frozen=True)
class Fields:
    """Cotangents of some items of the dict `var`, of which no more is known."""

    var: Var
    items: tuple[tuple[str, Bar], ...]


Bar = Tree | Slabs | Spread | Fields


@dataclass(frozen=True)
class Sums:
    """The vars that differ between the examples of an axis that `jax.vmap` names; the others have the sum of cotangents."""

    mapped: frozenset[Var]
    axis: str


class Cotangents:
    """The cotangents that have arrived so far, and the code that adds them up."""

    def __init__(self, emit: Emission, active: Callable[[Var], bool]):
        self.emit = emit
        self.active = active
        self.bars: dict[Var, Bar] = {}
        self.sums: Sums | None = None  # while what is given comes from one of many examples

    @contextmanager
    def summing(self, sums: Sums | None) -> Iterator[None]:
        """Sum what is given to vars that all examples share, as long as this lasts; None does not."""
        before, self.sums = self.sums, sums
        yield
        self.sums = before

    def _summed(self, var: Var, bar: Bar) -> Bar:
        if self.sums is None or var in self.sums.mapped or bar == ZERO:
            return bar
        total = self.emit.call(jax.lax.psum, self.dense(bar), Const(self.sums.axis))
        if isinstance(total, Var):
            self.emit.avals.alike(total, var)
        return total

    # ---- giving -------------------------------------------------------------------------------

    def give(self, tree: Tree, bar: Bar) -> None:
        """Add `bar` to the cotangents of the vars in `tree`."""
        if bar == ZERO:
            return
        match tree:
            case Var():
                if self.active(tree):
                    if self.emit.is_function(tree):
                        raise LeftToJax(f"`{tree.name}` is a function, which has no cotangent")
                    bar = self._summed(tree, bar)
                    if isinstance(bar, Var) and bar not in self.emit.avals.met:
                        self.emit.avals.alike(bar, tree)
                    self.bars[tree] = total = self.add(self.bars.get(tree, ZERO), bar, tree)
                    if isinstance(total, Var):
                        self.emit.wish(total, bar_name(tree))
                        self.emit.wish(total, self.name_of(tree), weak=True)
            case Display() if has_star(tree):
                self._give_starred(tree, self.dense(bar))
            case Display():
                for number, item in enumerate(tree.items):
                    self.give(item, self.item(self.dense(bar), of_display(tree), number))
            case Const() | Ref():
                return
            case _:
                if any(map(self.active, leaves(tree))):
                    raise LeftToJax("a function that is passed on has no cotangent")

    def name_of(self, var: Var) -> str | None:
        """Return a name for the cotangent of a var that has none, after what computes it."""
        name = self.emit.names.get(var) or described(self.emit.made.get(var))
        return None if name is None else f"{name}_bar"

    def give_field(self, var: Var, key: str, bar: Tree) -> None:
        """Add `bar` to the cotangent of item `key` of a dict."""
        if bar == ZERO or not self.active(var):
            return
        if self.sums is not None and var not in self.sums.mapped:
            bar = self.emit.call(jax.lax.psum, bar, Const(self.sums.axis))
        here = self.bars.get(var, ZERO)
        if not isinstance(here, Fields):
            self.bars[var] = self.add(here, Fields(var, ((key, bar),)), var)
            return
        items = dict(here.items)
        items[key] = self.dense(self.add(items.get(key, ZERO), bar))
        self.bars[var] = Fields(var, tuple(items.items()))

    def _give_starred(self, tree: Display, bar: Tree) -> None:
        """Deal the items of `bar` out to a display such as `(first, *rest)`."""
        place = 0
        length = len(bar.items) if isinstance(bar, Display) else None
        box = Container(tree.kind, None, (None,) * (length or 0))
        for item in tree.items:
            if not isinstance(item, Star):
                self.give(item, self.item(bar, box, place))
                place += 1
                continue
            known = self.emit.ask(_starred_form, item.value)
            if known is None:
                raise NeedsShapes("the length of a starred value decides what its cotangent is")
            kind, count = known.value
            items = tuple(self.item(bar, box, place + i) for i in range(count))
            self.give(item.value, Display(kind, items))
            place += count

    def update(self, var: Var, index: Tree, value: Tree, **options: Tree) -> None:
        """Add `value` to the cotangent of the array `var` at `index`."""
        if self.sums is not None and var not in self.sums.mapped:
            value = self.emit.call(jax.lax.psum, value, Const(self.sums.axis))
        here = self.dense(self.bars.get(var, ZERO))
        if here == ZERO:
            here = self.zeros(var)
        at = self.emit.apply(reference(getattr), (here, Const("at")))
        place = self.emit.apply(reference(operator.getitem), (at, index))
        bar = self.emit.apply(
            Method("add"), (place, value), tuple(options.items()), name=bar_name(var)
        )
        assert isinstance(bar, Var)
        self.emit.avals.alike(bar, var)
        self.bars[var] = bar

    def item(self, bar: Tree, box: Container, number: int) -> Tree:
        """Return the cotangent of item `number` of a container whose cotangent is `bar`."""
        if isinstance(bar, Display):
            return bar.items[number]
        fn, key = box.access(number)
        item = self.emit.apply(fn, (bar, key))
        if isinstance(key, Const) and isinstance(key.value, str) and key.value.isidentifier():
            self.emit.wish(item, f"{key.value}_bar")
        return item

    # ---- adding -------------------------------------------------------------------------------

    def add(self, a: Bar, b: Bar, var: Var | None = None) -> Bar:
        if a == ZERO:
            return b
        if b == ZERO:
            return a
        if isinstance(a, Slabs) and isinstance(b, Slabs):
            joined = _join(a, b)
            if joined is not None:
                return joined
        if isinstance(a, Spread) and isinstance(b, Spread):
            return Spread(self.emit.call(operator.add, a.value, b.value), a.shape)
        a, b = (self.dense(bar) if isinstance(bar, Slabs | Fields) else bar for bar in (a, b))
        if isinstance(a, Spread) or isinstance(b, Spread):
            a, b = (bar.value if isinstance(bar, Spread) else bar for bar in (a, b))
        if isinstance(a, Display) or isinstance(b, Display):
            return self._add_items(a, b)
        name = bar_name(var) if var else None
        if self._is_container(var, a, b):
            return self.emit.call(jax.tree.map, reference(operator.add), a, b, name=name)
        if a == b:
            return self.emit.call(operator.mul, Const(2), a, name=name)
        return self.emit.call(operator.add, a, b, name=name)

    def _is_container(self, var: Var | None, *bars: Tree) -> bool:
        """Whether `var`, or what has arrived at it, is a container, or may be one."""
        if self.emit.generic:
            return var not in self.emit.arrays
        trees = (*bars, *(() if var is None else (var,)))
        known = [self.emit.ask(lambda x: not jax.tree_util.all_leaves([x]), tree) for tree in trees]
        return any(found is not None and found.value for found in known)

    def _add_items(self, a: Tree, b: Tree) -> Tree:
        shown = a if isinstance(a, Display) else b
        assert isinstance(shown, Display)
        box = of_display(shown)
        pairs = ((self.item(a, box, i), self.item(b, box, i)) for i in range(len(box)))
        return replace(shown, items=tuple(self.dense(self.add(x, y)) for x, y in pairs))

    # ---- taking -------------------------------------------------------------------------------

    def take(self, tree: Tree) -> Tree:
        """Return the cotangent that has arrived at `tree`, with `ZERO` where there is none."""
        match tree:
            case Var():
                return self.dense(self.bars.pop(tree, ZERO))
            case Display():
                items = tuple(self.take(item) for item in tree.items)
                return ZERO if all(i == ZERO for i in items) else replace(tree, items=items)
            case _:
                return ZERO

    def dense(self, bar: Bar) -> Tree:
        """Return the cotangent as one array of its full shape."""
        match bar:
            case Slabs():
                return self._joined(bar)
            case Fields():
                zeros = self.emit.call(jax.tree.map, reference(jnp.zeros_like), bar.var)
                values = tuple(self.dense(value) for _, value in bar.items)
                known = Display(dict, values, tuple(key for key, _ in bar.items))
                return self.emit.call(operator.or_, zeros, known)
            case Spread():
                return self.emit.call(jnp.broadcast_to, bar.value, shape_tree(bar.shape))
            case _:
                return bar

    def _joined(self, slabs: Slabs) -> Tree:
        runs = _runs(slabs)
        values = [self._concatenated(run, slabs.axis) for run in runs]
        if len(runs) == 1 and runs[0][0].start == 0 and runs[0][-1].stop == slabs.size:
            return values[0]
        total: Tree | None = None
        for run, value in zip(runs, values, strict=True):
            padded = self._padded(value, run[0].start, slabs.size - run[-1].stop, slabs)
            total = padded if total is None else self.emit.call(operator.add, total, padded)
        assert total is not None
        return total

    def _concatenated(self, run: list[Slab], axis: int) -> Tree:
        options = {"axis": Const(axis)} if axis else {}
        if len(run) > 1 and all(slab.single for slab in run):
            parts = Display(list, tuple(slab.value for slab in run))
            return self.emit.call(jnp.stack, parts, **options)
        values = [self._with_axis(slab, axis) for slab in run]
        if len(values) == 1:
            return values[0]
        return self.emit.call(jnp.concatenate, Display(list, tuple(values)), **options)

    def _with_axis(self, slab: Slab, axis: int) -> Tree:
        if not slab.single:
            return slab.value
        return self.emit.call(jnp.expand_dims, slab.value, Const(axis))

    def _padded(self, value: Tree, before: int, after: int, slabs: Slabs) -> Tree:
        widths = [pair_tree(0, 0)] * slabs.ndim
        widths[slabs.axis] = pair_tree(before, after)
        if slabs.ndim == 1:
            return self.emit.call(jnp.pad, value, widths[0])
        return self.emit.call(jnp.pad, value, Display(tuple, tuple(widths)))

    # ---- handing over ---------------------------------------------------------------------------

    def whole(self, bar: Bar, tree: Tree, kept: Callable[[Var], bool] = lambda var: False) -> Tree:
        """Return `bar` with zeros where nothing has arrived: the full cotangent of `tree`.

        Integer leaves get zeros of dtype float0, as from `jax.vjp`. `kept` says which vars the code may read
        to make zeros of their shapes.
        """
        return self._whole(self.dense(bar), tree, isinstance(tree, Var) and kept(tree), kept)

    def _whole(self, bar: Tree, tree: Tree, readable: bool, kept: Callable[[Var], bool]) -> Tree:
        if bar != ZERO and not isinstance(bar, Display):
            return bar
        known = self.emit.ask(_form, tree)
        form = None if known is None else known.value
        if form is None and isinstance(tree, Display) and not has_star(tree):
            form = of_display(tree)
        if form is None and isinstance(bar, Display):
            form = of_display(bar)
        if isinstance(form, Container):
            return self._whole_items(bar, form, tree, readable, kept)
        if form is None or form == "node":
            return self.emit.call(jax.tree.map, reference(jnp.zeros_like), tree)
        return self._zero_leaf(form, tree, readable)

    def _whole_items(
        self,
        bar: Tree,
        box: Container,
        tree: Tree,
        readable: bool,
        kept: Callable[[Var], bool],
    ) -> Tree:
        if bar == ZERO and readable and self._is_inexact(tree):
            return self.emit.call(jax.tree.map, reference(jnp.zeros_like), tree)
        bars = bar.items if isinstance(bar, Display) else (ZERO,) * len(box)
        items = []
        for number, part in enumerate(bars):
            shown = isinstance(tree, Display) and not has_star(tree)
            item = tree.items[number] if shown else self.emit.item(tree, box, number)  # type: ignore[union-attr]
            can_read = isinstance(item, Var) and kept(item) if shown else readable
            items.append(self._whole(part, item, can_read, kept))
        return self._replaced(box, bars, tree) if is_private(box.kind) else box.display(items)

    def _replaced(self, box: Container, bars: tuple[Tree, ...], tree: Tree) -> Tree:
        """Return a namedtuple whose class has no public name, made from another one."""
        zeros = self.emit.call(jax.tree.map, reference(jnp.zeros_like), tree)
        pairs = zip(box.keys or (), bars, strict=True)
        given = tuple((key, bar) for key, bar in pairs if bar != ZERO)
        return self.emit.apply(Method("_replace"), (zeros,), given)

    def _is_inexact(self, tree: Tree) -> bool:
        known = self.emit.ask(_all_inexact, tree)
        return known is not None and known.value

    def _zero_leaf(self, form: str, tree: Tree, readable: bool) -> Tree:
        if form == "static":
            return Const(None)
        known = self.emit.ask(lambda x: (np.shape(x), jnp.result_type(x)), tree)
        if form == "exact":
            float0 = Ref(jax.dtypes.float0, "jax.dtypes.float0", jax)
            shape = shape_tree(known.value[0]) if known else self.emit.call(jnp.shape, tree)
            return self.emit.call(np.zeros, shape, float0)
        if known is None or (readable and isinstance(tree, Var)):
            return self.emit.call(jnp.zeros_like, tree)
        return self.emit.call(jnp.zeros, shape_tree(known.value[0]), dtype_ref(known.value[1]))

    def zeros(self, var: Var) -> Tree:
        aval = self.emit.aval(var)
        if aval is None:
            return self.emit.call(jnp.zeros_like, var)
        return self.zeros_of(aval)

    def zeros_of(self, aval: Any) -> Tree:
        if isinstance(aval, float | complex):
            return Const(0.0)
        return self.emit.call(jnp.zeros, shape_tree(aval.shape), dtype_ref(aval.dtype))


def dtype_ref(dtype: Any) -> Ref:
    """Return how a text names a dtype: `jnp.float32`."""
    name = np.dtype(dtype).name
    return Ref(getattr(jnp, name), f"jnp.{name}", jnp)


def pair_tree(a: int, b: int) -> Display:
    return Display(tuple, (Const(a), Const(b)))


def bar_name(var: Var | None) -> str | None:
    return None if var is None or var.name is None else f"{var.name}_bar"


def shape_tree(shape: Iterable[int]) -> Display:
    return Display(tuple, tuple(Const(int(size)) for size in shape))


def has_star(display: Display) -> bool:
    return any(isinstance(item, Star) for item in display.items)


def _starred_form(aval: Any) -> tuple[type, int]:
    return (type(aval) if type(aval) in (tuple, list) else tuple), len(aval)


def _form(aval: Any) -> Container | str:
    """Return the container that `aval` is, without its items, or what kind of leaf."""
    box = container(aval)
    if box is not None:
        return Container(box.kind, box.keys, (None,) * len(box))
    if is_node(aval):
        return "node"
    if is_inexact(aval):
        return "inexact"
    return "exact" if isinstance(aval, jax.ShapeDtypeStruct | int | np.ndarray) else "static"


def _all_inexact(aval: Any) -> bool:
    return all(is_inexact(leaf) for leaf in jax.tree.leaves(aval))


def _join(a: Slabs, b: Slabs) -> Slabs | None:
    if a.axis != b.axis or a.size != b.size:
        return None
    parts = tuple(sorted((*a.parts, *b.parts), key=lambda slab: slab.start))
    apart = all(x.stop <= y.start for x, y in itertools.pairwise(parts))
    return replace(a, parts=parts) if apart else None


def _runs(slabs: Slabs) -> list[list[Slab]]:
    """Return the parts in groups that follow one another without a gap."""
    runs: list[list[Slab]] = []
    for slab in slabs.parts:
        if runs and runs[-1][-1].stop == slab.start:
            runs[-1].append(slab)
        else:
            runs.append([slab])
    return runs


__all__ = [
    "ZERO",
    "Bar",
    "Cotangents",
    "Slab",
    "Slabs",
    "Spread",
    "bar_name",
    "dtype_ref",
    "has_star",
    "shape_tree",
]
