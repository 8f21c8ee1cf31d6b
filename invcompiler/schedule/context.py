"""What the scheduler may ask about the values of one function: facts, domains, containers, positions, rules."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.interval import REAL, Interval
from invcompiler.ir.nodes import (
    Apply,
    Capture,
    Const,
    Display,
    Equation,
    Function,
    Ref,
    Slice,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves, operands
from invcompiler.rules.canonical import Call, canonical
from invcompiler.rules.registry import InverseRule, inverse_rules
from invcompiler.schedule.abstract import Array, Known, Open
from invcompiler.schedule.facts import Facts
from invcompiler.schedule.fields import Ways
from invcompiler.schedule.positions import END, SIZE, Position, linear, plus, symbol, terms_of
from invcompiler.schedule.regions import (
    Band,
    Diagonal,
    Elements,
    Except,
    Item,
    Masked,
    Permuted,
    Piece,
    Region,
    Span1,
)
from invcompiler.schedule.taint import tainted

_FURTHEST = 20  # operations through which a value without a name inherits one


_WHOLE = Slice(Const(None), Const(None), Const(None))
_INDEX_TUPLES = tuple(
    getattr(module, name)
    for module in (jnp, np)
    for name in (
        "tril_indices", "triu_indices", "diag_indices", "tril_indices_from", "triu_indices_from",
        "diag_indices_from",
    )
)  # fmt: skip


@dataclass(eq=False)
class Context:
    """`result` is the function's result tree: where nothing else is known, an unknown is like the output."""

    function: Function
    facts: Facts
    intervals: Mapping[Var, Interval]
    unknown: frozenset[Var]
    result: Tree
    enter: Callable[..., Any]
    relied: list[tuple[Capture, np.ndarray]] = field(default_factory=list)
    runtime_masks: bool = False  # take `m` for a mask where the text has `1 - m` too
    numeric: bool = False  # allow iterative code where there is no closed form
    look_into: Callable[..., Any] = lambda context, part: None
    """What is known of a part of the function, with the functions that it calls written out: `numeric.Seen`."""
    defining: dict[Var, Equation] = field(default_factory=dict)
    narrow: Callable[[Mapping[Var, Interval]], Mapping[Var, Interval]] = lambda declared: declared
    waits: Callable[[Equation], bool] = lambda equation: False
    """Whether a call is one that can be understood as soon as the structure of its operands is known."""
    accepts: Callable[[InverseRule], bool] = lambda rule: True
    """Whether a rule may be used to recover a value."""
    enter_keeping: Callable[..., Any] | None = None
    """Like `enter`, but the plans of what is entered may keep values."""
    tracing: Any = None  # reads functions without source
    _calls: dict[Equation, Call | None] = field(default_factory=dict)

    @cached_property
    def tainted(self) -> frozenset[Var]:
        """Return the vars that depend on the unknowns, in nested blocks too."""
        return tainted(self.function.body, self.unknown)

    @cached_property
    def ways(self) -> Ways:
        """Return which fields of the unknowns meet in some value."""
        return Ways(self)

    def on(self, declared: Mapping[Var, Interval]) -> Context:
        """Return the context of a part of the function, on which values live where `declared` says."""
        return replace(
            self,
            intervals=self.narrow(declared) if declared else self.intervals,
            defining=dict(self.defining),
            _calls={},
        )

    # ---- calls and rules --------------------------------------------------------------------

    def call(self, equation: Apply) -> Call | None:
        """Return the call in canonical form, or None if its callee is not one that rules speak of."""
        if equation not in self._calls:
            self._calls[equation] = canonical(equation)
        return self._calls[equation]

    def rules(self, call: Call, argument: str) -> tuple[InverseRule, ...]:
        rules = (rule for rule in inverse_rules(call.fn) if rule.argument == argument)
        return tuple(filter(self.accepts, rules))

    def interval(self, tree: Tree) -> Interval:
        if isinstance(tree, Var):
            return self.intervals.get(tree, REAL)
        return REAL

    # ---- containers -------------------------------------------------------------------------

    def is_container(self, var: Var) -> bool | None:
        """Whether `var` is a tuple, list, dict or the like; None if it may be either."""
        structure = self.structure(var)
        if structure is not None:
            return True
        return False if self.facts.shape(var) is not None else None

    def is_array(self, var: Var) -> bool:
        """Whether `var` is an array for certain: its shape is known, or the text asks for it."""
        return self.facts.shape(var) is not None or var in self._asked_for_shape

    @cached_property
    def _asked_for_shape(self) -> frozenset[Tree]:
        return frozenset(
            e.args[0]
            for e in self.defining.values()
            if isinstance(e, Apply) and isinstance(e.fn, Ref) and e.fn.value is getattr
            if e.args[1] in (Const("shape"), Const("ndim"), Const("size"), Const("dtype"))
        )

    def is_field(self, var: Var, name: str) -> bool:
        """Whether `.name` of `var` is a part of it (a field of a namedtuple or dataclass)."""
        structure = self.structure(var)
        if structure is None or structure.kind in (tuple, list, dict):
            return False
        return name in (structure.keys or ())

    def structure(self, var: Var) -> Any:
        """Return what is known of `var` as a container: an object with `kind`, `keys` and `length`."""
        found = self.facts.structure(var)
        return self._like_output(var) if found is None else found

    def _like_output(self, var: Var) -> Like | None:
        """An unknown of which nothing is known is taken to be like the output (verified when it is called)."""
        display = self._like_display(var)
        if display is None or self.facts.of(var) is not None or var in self.unpacked:
            return None
        if not self.read_by_string.get(var, set()) <= set(display.keys or ()):
            return None
        return Like(display.kind, display.keys, len(display.items))

    def _like_display(self, var: Tree) -> Display | None:
        """Return the part of the result that `var` is like, if it is a display."""
        if len(self.unknown) != 1:
            return None
        if var in self.unknown:
            return self.result if isinstance(self.result, Display) else None
        made = self.defining.get(var) if isinstance(var, Var) else None
        if not isinstance(made, Apply) or not isinstance(made.fn, Ref):
            return None
        if made.fn.value is not operator.getitem or not isinstance(made.args[1], Const):
            return None
        outer = self._like_display(made.args[0])
        if outer is None:
            return None
        keys = [Const(key) for key in outer.keys or range(len(outer.items))]
        part = outer.items[keys.index(made.args[1])] if made.args[1] in keys else None
        return part if isinstance(part, Display) else None

    @cached_property
    def read_by_string(self) -> Mapping[Var, set[str]]:
        """Return the vars that the text indexes by strings, and by which."""
        found: dict[Var, set[str]] = {}
        for e in self.defining.values():
            if isinstance(e, Apply) and isinstance(e.fn, Ref) and e.fn.value is operator.getitem:
                whole, key = e.args
                if isinstance(whole, Var) and isinstance(key, Const) and type(key.value) is str:
                    found.setdefault(whole, set()).add(key.value)
        return found

    @cached_property
    def unpacked(self) -> Mapping[Var, int]:
        """Return the vars that the text unpacks, and into how many items."""
        return {
            e.args[0]: e.arity
            for e in self.defining.values()
            if isinstance(e, Apply) and e.arity is not None and isinstance(e.args[0], Var)
        }

    def key_of(self, whole: Var, item: Item) -> Any:
        """Return the key of an item in the form in which `item_keys` has it: a field by its name."""
        structure = self.structure(whole)
        if structure is not None and structure.keys and structure.kind is not dict:
            if isinstance(item.key, int) and item.key < len(structure.keys):
                return structure.keys[item.key]
        return item.key

    def item_keys(self, whole: Var, items: Iterable[Item]) -> tuple[Any, ...] | None:
        """Return the keys of all items of `whole`, in order, or None if they can't be told."""
        items = list(items)
        if any(item.key in ("real", "imag") and item.attribute for item in items):
            return ("real", "imag")
        structure = self.structure(whole)
        if structure is not None:
            return tuple(structure.keys or range(structure.length))
        arities = {item.arity for item in items if item.arity is not None}
        if arities:
            return tuple(range(arities.pop())) if len(arities) == 1 else None
        return self.dict_keys.get(whole)

    @cached_property
    def dict_keys(self) -> Mapping[Var, tuple[str, ...]]:
        """Return the keys by which the text reads containers of which nothing else is known: several are taken to be all."""
        several = {var: keys for var, keys in self.read_by_string.items() if len(keys) > 1}
        return {var: tuple(sorted(keys)) for var, keys in several.items()}

    # ---- positions along an axis ------------------------------------------------------------

    def static_int(self, tree: Tree, default: int | None = None) -> int | None:
        if tree == Const(None):
            return default
        if isinstance(tree, Const):
            return tree.value if isinstance(tree.value, int) else None
        known = self.facts.static(tree)
        return known.value if known is not None and isinstance(known.value, int) else None

    def position(self, tree: Tree, whole: Tree, axis: int) -> Position | None:
        """Return where index `tree` points along `axis`, or None if it is not one integer."""
        if isinstance(tree, Const):
            if type(tree.value) is not int:
                return None
            return tree.value if tree.value >= 0 else plus(END, tree.value)
        if not isinstance(tree, Var) or self.facts.shape(tree) or self.is_index_tuple(tree):
            return None
        static = self.static_int(tree)
        if static is not None and static < 0:
            return plus(END, static)
        return self.expand(tree)

    def expand(self, tree: Tree, depth: int = 8) -> Position:
        """Return an integer value as a linear expression over the values that it is computed from."""
        if isinstance(tree, Const) and type(tree.value) is int:
            return tree.value
        call = self._integer_call(tree) if depth else None
        if call is not None:
            one, other = (self.expand(arg, depth - 1) for arg in list(call.arguments.values())[:2])
            if call.fn is jnp.add:
                return plus(one, other)
            if call.fn is jnp.subtract:
                return plus(one, other, -1)
            for factor, value in ((one, other), (other, one)):
                if isinstance(factor, int):
                    return plus(0, value, factor)
        return symbol(tree)

    def _integer_call(self, tree: Tree) -> Call | None:
        made = self.defining.get(tree) if isinstance(tree, Var) else None
        call = self.call(made) if isinstance(made, Apply) else None
        wanted = (jnp.add, jnp.subtract, jnp.multiply)
        return call if call is not None and call.fn in wanted else None

    def slice_region(self, axis: int, part: Slice, step: int, whole: Tree) -> Span1 | None:
        if step == 0:
            return None
        if step < 0:
            whole_axis = part.lower == part.upper == Const(None) and step == -1
            return Span1(axis, END, 0, -1) if whole_axis else None
        start = 0 if part.lower == Const(None) else self.position(part.lower, whole, axis)
        stop = END if part.upper == Const(None) else self.position(part.upper, whole, axis)
        if start is None or stop is None:
            return None
        return Span1(axis, start, stop, step)

    def as_column(self, tree: Tree) -> Tree | None:
        """Return the array that `tree` is with a last axis of length 1 added: `a[..., None]`."""
        made = self.defining.get(tree) if isinstance(tree, Var) else None
        call = self.call(made) if isinstance(made, Apply) else None
        if call is None:
            return None
        array = next(iter(call.arguments.values()))
        if call.fn is jnp.expand_dims:
            axis, rank = self.static_int(call.arguments["axis"]), self.facts.rank(array)
            return array if axis is not None and axis in (-1, rank) else None
        index = call.arguments.get("index")
        if index is None or call.fn is not operator.getitem:
            return None
        parts = index.items if isinstance(index, Display) and index.kind is tuple else (index,)
        if parts[-1] != Const(None) or any(p not in (Const(Ellipsis), _WHOLE) for p in parts[:-1]):
            return None
        whole = Const(Ellipsis) in parts or self.facts.rank(array) == len(parts) - 1
        return array if whole else None

    def concatenated(self, call: Call) -> tuple[tuple[Tree, ...], int] | None:
        """Return the parts of a concatenation (or of `jnp.append`, which flattens what it takes) and its axis."""
        given = call.arguments
        if call.fn is jnp.append:
            parts = given["arr"], given["values"]
            ranks = tuple(self.facts.rank(part) for part in parts)
            return (parts, 0) if ranks in ((1, 0), (1, 1), (0, 1)) else None
        if call.fn is jnp.hstack:
            items = next(iter(given.values()))
            if not isinstance(items, Display):
                return None
            flat = {self.facts.rank(item) for item in items.items} <= {0, 1}
            return (items.items, 0) if flat else None
        arrays, axis = given["arrays"], given["axis"]
        if not isinstance(arrays, Display) or not isinstance(axis, Const):
            return None
        return arrays.items, axis.value

    def item_dim(self, item: Tree, axis: int) -> Position | None:
        """Return how much of an axis a part of a concatenation takes."""
        if self.facts.rank(item) == 0:
            return 1
        if isinstance(item, Display) and item.kind in (list, tuple) and axis == 0:
            return len(item.items)
        return self.dim(item, axis)

    def paddings(self, call: Call) -> tuple[tuple[int, int], ...] | None:
        """Return how much a call of `jnp.pad` adds before and after each axis; one pair is for all of them."""
        widths = self._padding(call.arguments["pad_width"])
        if widths is None or widths.size == 0 or widths.min() < 0 or widths.ndim > 2:
            return None
        if widths.ndim < 2:
            pair = np.broadcast_to(widths, (2,))
            return ((int(pair[0]), int(pair[1])),)
        rows = np.broadcast_to(widths, (len(widths), 2))
        return tuple((int(before), int(after)) for before, after in rows)

    def _padding(self, tree: Tree) -> np.ndarray | None:
        if isinstance(tree, Display) and tree.kind in (list, tuple):
            parts = [self._padding(item) for item in tree.items]
            return None if any(p is None for p in parts) else np.array(parts, int)
        if isinstance(tree, Const) and type(tree.value) is not int:
            return None
        known = self.facts.static(tree) if isinstance(tree, Var) else Known(tree.value)  # type: ignore[union-attr]
        if known is None or not isinstance(known.value, int | tuple | list):
            return None
        found = np.asarray(known.value)
        return found if found.dtype.kind in "iu" else None

    def pad_value(self, call: Call) -> Tree | None:
        """Return the one number that a call of `jnp.pad` adds, if it adds one."""
        options = call.arguments.get("kwargs")
        if call.arguments["mode"] != Const("constant"):
            return None
        if not isinstance(options, Display) or not options.keys:
            return Const(0.0)
        if options.keys != ("constant_values",) or self.facts.rank(options.items[0]) != 0:
            return None
        return options.items[0]

    def dim(self, tree: Tree, axis: int) -> Position | None:
        """Return the size of `tree` along `axis`."""
        found = self.facts.dim(tree, axis)
        if found is None or isinstance(found, int):
            return found
        return linear(dict(found.terms), Fraction(found.constant))

    def settle(self, position: Position, whole: Var, axis: int) -> Position:
        """Return `position` in a form in which equal positions along `axis` of `whole` are equal."""
        terms, constant = terms_of(position)
        if SIZE in terms:
            size = self.dim(whole, axis)
            if size is not None:
                factor = terms.pop(SIZE)
                return self.settle(plus(linear(terms, constant), size, factor), whole, axis)
        for name in list(terms):
            value = self._integer(name)
            if value is not None:
                factor = terms.pop(name)
                more, shift = terms_of(plus(0, value, factor))
                for other, coefficient in more.items():
                    terms[other] = terms.get(other, Fraction(0)) + coefficient
                constant += shift
        return linear(terms, constant)

    def is_first(self, piece: Piece, axis: int, whole: Var) -> bool:
        """Whether a piece is the first element along `axis`."""
        region = piece.region
        if not isinstance(region, Span1) or not piece.compact or region.step != 1:
            return False
        rank = self.facts.rank(whole)
        same = region.axis == axis or ({region.axis, axis} <= {0, -1} and rank in (None, 1))
        return same and (region.start, region.stop) == (0, 1)

    def may_end(self, whole: Var, axis: int, position: Position) -> bool:
        """Whether an unknown of unknown shape ends at `position` if it is like the output (verified when it is called)."""
        if whole not in self.unknown or len(self.unknown) != 1 or self.concrete_shape(whole):
            return False
        if not isinstance(self.result, Var):
            return False
        size = self.dim(self.result, axis)
        return size is not None and self.settle(size, self.result, axis) == position

    def _integer(self, name: Any) -> Position | None:
        """Return what a symbol is worth, if more can be said of it than its name."""
        if not isinstance(name, Var):
            return None
        static = self.static_int(name)
        if static is not None:
            return static
        found = self.facts.value_dim(name)
        if found is None or isinstance(found, int):
            return found
        position = linear(dict(found.terms), Fraction(found.constant))
        return None if position == symbol(name) else position

    # ---- arrays known today -----------------------------------------------------------------

    def concrete_shape(self, var: Tree) -> tuple[int, ...] | None:
        shape = self.facts.shape(var)
        if shape is None or not all(isinstance(size, int) for size in shape):
            return None
        return shape

    def has_told_shape(self, tree: Tree) -> bool:
        """Whether the shape of `tree` is told in terms of the unknowns, not left open."""
        found = self.facts.of(tree)
        if not isinstance(found, Array):
            return isinstance(tree, Const)
        return not isinstance(found.shape, Open) or found.shape.root in self.unknown

    def is_index_tuple(self, tree: Tree) -> bool:
        """Whether a value is a tuple of indices, one for each axis."""
        made = self.defining.get(tree) if isinstance(tree, Var) else None
        if isinstance(made, Apply) and isinstance(made.fn, Ref):
            if any(made.fn.value is fn for fn in _INDEX_TUPLES):
                return True
        structure = self.facts.structure(tree)
        return structure is not None and structure.kind is tuple

    def is_integer_array(self, tree: Tree) -> bool:
        if isinstance(tree, Display):
            return tree.kind in (list, tuple)
        dtype = self.facts.dtype(tree)
        return dtype is not None and np.issubdtype(dtype, np.integer)

    def array(self, tree: Tree) -> np.ndarray | None:
        """Return the value that an index or mask has today, if it can be told."""
        static = self.facts.static(tree)
        if static is not None:
            return np.asarray(static.value)
        value = self.facts.array_value(tree)
        if value is not None:
            self._rely_on(tree)
        return value

    def literal_array(self, tree: Tree) -> np.ndarray | None:
        """Return the value of an array that the text states: nothing that is captured is part of it."""
        captured = {var for var, _ in self.function.captures}
        waiting, seen = list(leaves(tree)), set(leaves(tree))
        while waiting:
            var = waiting.pop()
            if var in captured:
                return None
            made = self.defining.get(var)
            new = set(operands(made)) - seen if made is not None else set()
            seen |= new
            waiting += new
        return self.facts.array_value(tree)

    def _rely_on(self, tree: Tree) -> None:
        """Note which captured arrays `tree` is made of: what is compiled holds for their elements of today."""
        seen = set(leaves(tree))
        waiting = list(seen)
        captures = dict(self.function.captures)
        while waiting:
            var = waiting.pop()
            if var in captures and var in self.facts.captured:
                value = np.array(self.facts.captured[var])
                self.relied.append((captures[var], value))
            made = self.defining.get(var)
            new = set(operands(made)) - seen if made is not None else set()
            seen |= new
            waiting += new

    def is_permutation(self, region: Permuted, whole: Var) -> bool:
        value = self.array(region.index)
        if value is None or value.ndim != 1 or value.dtype.kind not in "iu":
            return False
        size = self.dim(whole, region.axis)
        if isinstance(size, int) and size != len(value):
            return False
        return np.array_equal(np.sort(value % max(len(value), 1)), np.arange(len(value)))

    def elements(self, region: Region, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return which elements of an array of `shape` are in `region`."""
        inside = np.zeros(shape, bool)
        if isinstance(region, Except):
            inner = self.elements(region.region, shape)
            return None if inner is None else ~inner
        if isinstance(region, Masked):
            mask = self.array(region.mask)
            if mask is None:
                return None
            if np.broadcast_shapes(mask.shape, shape) != shape:
                return None  # what it masks is smaller, and broadcasts
            return np.broadcast_to(mask.astype(bool) == region.inside, shape)
        if isinstance(region, Band | Diagonal):
            return _between(region, shape)
        index = self.literal_index(region, shape)
        if index is None:
            return None
        inside[index] = True
        return inside

    def picks(self, region: Region) -> tuple[int, frozenset[int]] | None:
        """Return an axis and which places along it, counted from its start, `region` picks; None if that depends on its size."""
        match region:
            case Span1(axis=axis, start=int(start), stop=int(stop), step=step) if step > 0:
                return axis, frozenset(range(start, stop, step))
            case Permuted(axis=axis, index=tree):
                value = self.array(tree)
            case Elements(index=tree) if not (
                isinstance(tree, Display) or self.is_index_tuple(tree)
            ):
                axis, value = 0, self.array(tree)
            case _:
                return None
        if value is None or value.dtype.kind not in "iu" or (value < 0).any():
            return None
        return axis, frozenset(value.ravel().tolist())

    def repeats(self, region: Region, whole: Var) -> bool | None:
        """Whether a region names an element twice; None if that shows at run time."""
        if not isinstance(region, Elements):
            return False
        parts = region.index.items if isinstance(region.index, Display) else (region.index,)
        if not any(isinstance(part, Var) and self.facts.shape(part) != () for part in parts):
            return False
        picked = self.picks(region)
        if picked is not None:
            return len(picked[1]) < self.array(region.index).size  # type: ignore[union-attr]
        shape = self.concrete_shape(whole)
        index = None if shape is None else self.literal_index(region, shape)
        if index is None or shape is None:
            return None
        numbers = np.arange(int(np.prod(shape))).reshape(shape)[index]
        return np.unique(numbers).size < numbers.size

    def literal_index(self, region: Region, shape: tuple[int, ...]) -> Any:
        match region:
            case Span1(axis=axis, start=start, stop=stop, step=step):
                size = shape[axis]
                bounds = [self._number(p, size) for p in (start, stop)]
                if None in bounds:
                    return None
                picked = slice(None, None, -1) if step < 0 else slice(bounds[0], bounds[1], step)
                return (slice(None),) * (axis % len(shape)) + (picked,)
            case Permuted(axis=axis, index=tree):
                value = self.array(tree)
                return None if value is None else (slice(None),) * (axis % len(shape)) + (value,)
            case Elements(index=tree):
                return self._literal(tree)
            case _:
                return None

    def _number(self, position: Position, size: int) -> int | None:
        terms, constant = terms_of(position)
        for name, factor in terms.items():
            value = size if name == SIZE else self._integer(name)
            if not isinstance(value, int):
                return None
            constant += factor * value
        return int(constant)

    def _literal(self, tree: Tree) -> Any:
        match tree:
            case Const():
                return tree.value
            case Slice():
                parts = [self.static_int(p) for p in (tree.lower, tree.upper, tree.step)]
                given = (tree.lower, tree.upper, tree.step)
                if any(v is None and t != Const(None) for v, t in zip(parts, given, strict=True)):
                    return None
                return slice(*parts)
            case Display(kind=kind) if kind is tuple:
                items = [self._literal(item) for item in tree.items]
                return None if any(item is None for item in items) else tuple(items)
            case _:
                value = self.array(tree)
                return tuple(value) if value is not None and self.is_index_tuple(tree) else value

    def mask(self, tree: Tree) -> tuple[Tree, bool] | None:
        """Return (mask, True) if `tree` holds only zeros and ones, (mask, False) if it is `1 - mask` or `~mask`."""
        made = self.defining.get(tree) if isinstance(tree, Var) else None
        call = self.call(made) if isinstance(made, Apply) else None
        if call is not None:
            values = list(call.arguments.values())
            if call.fn is jnp.subtract and values[0] in (Const(1), Const(1.0)):
                inner = self.mask(values[1])
                return None if inner is None else (inner[0], not inner[1])
            if call.fn in (jnp.logical_not, jnp.invert, jnp.bitwise_not):
                inner = self.mask(values[0])
                return None if inner is None else (inner[0], not inner[1])
        if not isinstance(tree, Var) or tree in self.tainted:
            return None
        if self.is_proven_mask(tree) or (self.runtime_masks and tree in self.complemented):
            return (tree, True)
        return None

    def is_proven_mask(self, tree: Tree) -> bool:
        """Whether `tree` is known to hold only zeros and ones, or truth values."""
        if self.facts.dtype(tree) == np.bool_:
            return True
        value = self.array(tree)
        return value is not None and value.size > 0 and bool(np.isin(value, (0, 1)).all())

    @cached_property
    def complemented(self) -> frozenset[Tree]:
        """Return the vars `m` of unknown value of which the text takes `1 - m`: masks, which is checked when the code runs."""
        found = set()
        for e in self.defining.values():
            call = self.call(e) if isinstance(e, Apply) else None
            if call is not None and call.fn is jnp.subtract:
                one, other = call.arguments.values()
                if one in (Const(1), Const(1.0)) and isinstance(other, Var):
                    if self.array(other) is None and self.facts.shape(other) != ():
                        found.add(other)
        return frozenset(found)

    # ---- names ------------------------------------------------------------------------------

    def name_of(self, var: Var, taken: Iterable[str] = ()) -> str | None:
        """Return the name of a value; one without a name goes by that of an unknown that it was made of, not by one of `taken`."""
        waiting, seen = [var], {var}
        for _ in range(_FURTHEST):
            if not waiting:
                return None
            var = waiting.pop(0)
            if var.name is not None and var.name not in taken:
                return var.name
            made = self.defining.get(var)
            if var.name is None and isinstance(made, Apply):
                new = [v for v in operands(made) if v in self.tainted and v not in seen]
                seen.update(new)
                waiting = [*new, *waiting]
        return None

    # ---- likeness ---------------------------------------------------------------------------

    def like(self, var: Var, known: Iterable[Var]) -> Var | None:
        """Return a known var of the same shape and dtype as `var`; the output first."""
        candidates = list(leaves(self.result))
        for candidate in candidates:
            if candidate in known and self.facts.same_shape(var, candidate) is True:
                return candidate
        if len(candidates) == 1 and candidates[0] in known and self._may_be_like(var):
            return candidates[0]
        return None

    def _may_be_like(self, var: Var) -> bool:
        """An unknown whose shape nothing tells is taken to be like the output (verified when it is called)."""
        return self.unknown == {var} and self.facts.shape(var) is None


def _between(region: Band | Diagonal, shape: tuple[int, ...]) -> np.ndarray | None:
    if len(shape) < 2:
        return None
    offset = np.arange(shape[-1]) - np.arange(shape[-2])[:, None]
    lo, hi = (region.lo, region.hi) if isinstance(region, Band) else (region.k, region.k)
    inside = (offset >= (-np.inf if lo is None else lo)) & (
        offset <= (np.inf if hi is None else hi)
    )
    return np.broadcast_to(inside, shape)


@dataclass(frozen=True)
class Like:
    """The structure that an unknown has if it is like the output."""

    kind: type
    keys: tuple[Any, ...] | None
    length: int
