"""What is known of a function's values when it is compiled: shapes, dtypes, containers, static values.

There are two makers. `concrete_facts` runs the function abstractly, by `jax.eval_shape`, for arguments of given shapes: what it says
is so. `symbolic_facts` runs nothing of the user's: shapes are worked out relative to those of the parameters, and where
an unknown meets values of unknown rank its shape is taken to be the result's. A specialised compile verifies that.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np

from invcompiler.ir.dict_order import in_order, order_of
from invcompiler.ir.evaluate import bind_arguments, run
from invcompiler.ir.nodes import Apply, Const, Function, Ref, Star, Tree, Var
from invcompiler.ir.walk import free_vars
from invcompiler.schedule.abstract import (
    Abstract,
    Array,
    Integer,
    Items,
    Known,
    Like,
    Open,
    Perhaps,
    Unclear,
    abstract,
    is_fixed,
    is_traced,
    join,
    of_tree,
    stand_in,
)
from invcompiler.schedule.constants import Constants
from invcompiler.schedule.dims import Size, axis_of
from invcompiler.schedule.layout import open_dim
from invcompiler.schedule.shapes import infer


@dataclass(frozen=True)
class Structure:
    """A container: its class, its keys or field names (None for lists and tuples), and how many items it has."""

    kind: type
    keys: tuple[Any, ...] | None
    length: int


@dataclass(frozen=True, eq=False)
class Facts:
    """Answers about the values of one function. All questions take trees; None is "that is not known"."""

    function: Function
    values: Mapping[Var, Abstract]
    unknown: frozenset[Var] = frozenset()
    is_concrete: bool = False
    captured: Mapping[Var, Any] = field(default_factory=dict)
    _callees: dict[Hashable, Facts] = field(default_factory=dict, repr=False)

    def of(self, tree: Tree) -> Abstract:
        return of_tree(tree, self.values)

    # ---- arrays ---------------------------------------------------------------------------------

    def shape(self, tree: Tree) -> tuple[Size, ...] | None:
        """Return the shape, whose sizes are integers or `Dim`s; `()` for a Python number."""
        found = self.of(tree)
        match found:
            case Array(shape=shape):
                return shape if isinstance(shape, tuple) else None
            case Integer() | Known(value=bool() | int() | float() | complex()):
                return ()
            case _:
                return None

    def rank(self, tree: Tree) -> int | None:
        shape = self.shape(tree)
        return None if shape is None else len(shape)

    def dim(self, tree: Tree, axis: int) -> Size | None:
        """Return the size along `axis`, also where the rank is unknown. A bad axis has none."""
        shape = self.shape(tree)
        if shape is not None:
            return shape[axis] if -len(shape) <= axis < len(shape) else None
        layout = self._layout(tree)
        return None if layout is None else open_dim(layout, axis)

    def _layout(self, tree: Tree) -> Any:
        found = self.of(tree)
        if isinstance(found, Array):
            return found.shape
        if isinstance(found, Like):
            return Open(found.root)
        is_dark = found is None or isinstance(found, Perhaps)
        return Open(tree) if is_dark and isinstance(tree, Var) else None

    def dtype(self, tree: Tree) -> np.dtype | None:
        """Return the dtype of an array; Python numbers have none."""
        found = self.of(tree)
        return found.dtype if isinstance(found, Array) else None

    def weak_type(self, tree: Tree) -> bool | None:
        found = self.of(tree)
        return found.weak if isinstance(found, Array) and found.dtype is not None else None

    def same_shape(self, one: Tree, other: Tree) -> bool | None:
        """Whether the two have one shape, as far as that can be said; containers have none."""
        first, second = self._layout(one), self._layout(other)
        if first is None:
            first = self.shape(one)
        if second is None:
            second = self.shape(other)
        if first is None or second is None:
            return None
        if first == second:
            return True
        if isinstance(first, Open) or isinstance(second, Open):
            return None
        if len(first) != len(second):
            return False
        differ = any(
            isinstance(a, int) and isinstance(b, int) and a != b
            for a, b in zip(first, second, strict=True)
        )
        return False if differ else None

    # ---- Python values ----------------------------------------------------------------------------

    def static(self, tree: Tree) -> Known | None:
        """Return the Python value that `tree` has for everyone who uses what is compiled now.

        Floats and complex numbers that are not literals have none: they are traced like arrays.
        """
        found = self.of(tree)
        if isinstance(found, Items) and found.kind in (tuple, list):
            parts = [self._plain(item) for item in found.items]
            if any(part is None for part in parts):
                return None
            return Known(found.kind(part.value for part in parts if part is not None))
        return found if isinstance(found, Known) else None

    def _plain(self, value: Abstract) -> Known | None:
        if isinstance(value, Items) and value.kind in (tuple, list):
            parts = [self._plain(item) for item in value.items]
            if None not in parts:
                return Known(value.kind(part.value for part in parts if part is not None))
        return value if isinstance(value, Known) else None

    def value_dim(self, tree: Tree) -> Size | None:
        """Return the Python integer that `tree` holds, if it holds one, as a size."""
        found = self.of(tree)
        if isinstance(found, Known) and type(found.value) is int:
            return found.value
        return found.size if isinstance(found, Integer | Perhaps) else None

    def structure(self, tree: Tree) -> Structure | None:
        """Return what container `tree` is, if it is known to be one; arrays are none."""
        found = self.of(tree)
        if isinstance(found, Items):
            return Structure(found.kind, found.keys, len(found.items))
        return None

    def array_value(self, tree: Tree) -> np.ndarray | None:
        """Return the value that `tree` has today, where that rests on literals and captured arrays alone."""
        return self._constants.value(tree)

    @cached_property
    def _constants(self) -> Constants:
        return Constants(self.function, self.captured, self.values)

    @property
    def output(self) -> Abstract:
        return self.of(self.function.body.result)

    @cached_property
    def signature(self) -> Hashable:
        """What these facts rest on: a function has equal facts for equal signatures."""
        params = [param.var for param in self.function.params]
        captures = [var for var, _ in self.function.captures]
        rests_on = dict.fromkeys([*params, *captures, *free_vars(self.function.body)])
        return (self.is_concrete, self.unknown, tuple(self.values.get(var) for var in rests_on))

    # ---- calls ------------------------------------------------------------------------------------

    def of_call(
        self, apply: Apply, callee: Function, unknown: Iterable[Var] | None = None
    ) -> Facts:
        """Return the facts of `callee`, which is what `apply` calls.

        `unknown` are the parameters of `callee` that are to be recovered. Calls whose arguments do not differ
        in what is known of them share one object.
        """
        arguments = self._arguments(apply, callee)
        for var in free_vars(callee.body):
            if var in self.values and var not in arguments:
                arguments[var] = self.values[var]
        known = {var: value for var, value in arguments.items() if value is not None}
        whole = self.is_concrete and len(known) == len(arguments)
        if not whole:
            owned = ((var, _own(value, var)) for var, value in known.items())
            known = {var: value for var, value in owned if value is not None}
        key = (callee, frozenset(unknown or ()), tuple(known.items()))
        if key not in self._callees:
            found = _entered(callee, known, whole, frozenset(unknown or ()))
            self._callees[key] = replace(found, _callees=self._callees)
        return self._callees[key]

    def _arguments(self, apply: Apply, callee: Function) -> dict[Var, Abstract]:
        args: list[Abstract] = []
        for tree in apply.args:
            if not isinstance(tree, Star):
                args.append(self.of(tree))
                continue
            starred = self.of(tree.value)
            if not isinstance(starred, Items):
                return {param.var: None for param in callee.params}
            args += starred.items
        kwargs: dict[str, Abstract] = {}
        for name, tree in apply.kwargs:
            found = self.of(tree)
            if name is not None:
                kwargs[name] = found
            elif isinstance(found, Items) and found.keys is not None:
                kwargs.update(zip(found.keys, found.items, strict=True))
            else:
                return {param.var: None for param in callee.params}
        try:
            bound = bind_arguments(callee, tuple(args), kwargs)
        except TypeError:
            return {param.var: None for param in callee.params}
        return {var: _packed(value) for var, value in bound.items()}


def _packed(value: Any) -> Abstract:
    """Return the abstract value of a parameter; those of `*args` and `**kwargs` come as containers."""
    if isinstance(value, tuple):
        return Items(tuple, None, value, tuple)
    if isinstance(value, dict):
        keys = tuple(value)
        items = tuple(value.values())
        return Items(dict, keys, items, lambda parts: dict(zip(keys, parts, strict=True)))
    return value


def _entered(
    callee: Function, known: Mapping[Var, Abstract], whole: bool, unknown: frozenset[Var]
) -> Facts:
    if whole:
        try:
            values = {var: stand_in(value) for var, value in known.items()}
        except Unclear:
            pass
        else:
            return concrete_facts(callee, values)
    return _inferred(callee, known, unknown)


def _own(value: Abstract, var: Var) -> Abstract:
    """Return what a callee may know of its argument: nothing that is said in terms of the caller's vars."""
    if is_fixed(value):
        return value
    match value:
        case Array(shape=tuple() as shape, dtype=dtype, weak=weak):
            own = (d if isinstance(d, int) else axis_of(var, i) for i, d in enumerate(shape))
            return Array(tuple(own), dtype, weak)
        case Array(dtype=dtype, weak=weak) if dtype is not None:
            return Array(Open(var), dtype, weak)
        case _:
            return None


# ---- makers -------------------------------------------------------------------------------------


def concrete_facts(function: Function, arguments: Mapping[Var, Any]) -> Facts:
    """Return the facts of `function` for `arguments`: a value for each parameter without a default.

    Of arrays, tracers, ShapeDtypeStructs, floats and complex numbers in the arguments only shape and dtype are used; everything else
    is static. Arguments may also be given for captures; the others are read. Raises whatever the function
    raises for such arguments.
    """
    captured = {var: capture.read() for var, capture in function.captures if var not in arguments}
    given = {**captured, **arguments}
    leaves, treedef = jax.tree.flatten(tuple(given.values()))
    order = order_of(tuple(given.values()))
    traced = [i for i, leaf in enumerate(leaves) if is_traced(leaf)]
    seen: dict[Var, Abstract] = {}

    own = frozenset(id(leaf) for leaf in leaves)

    def observe(var: Var, value: Any) -> None:
        found = abstract(value, own)
        seen[var] = join(seen[var], found, var) if var in seen else found

    def abstractly(values: list) -> None:
        filled = list(leaves)
        for i, value in zip(traced, values, strict=True):
            filled[i] = value
        values = in_order(jax.tree.unflatten(treedef, filled), order)
        run(function, dict(zip(given, values, strict=True)), observe)

    jax.eval_shape(abstractly, [leaves[i] for i in traced])
    if not all(map(is_fixed, seen.values())):
        seen = infer(function, seen, frozenset())
    return Facts(function, seen, is_concrete=True, captured=captured)


def facts_again(function: Function, facts: Facts) -> Facts:
    """Return the facts of another form of the function that `facts` speaks of, for the same arguments."""
    known = {p.var: facts.of(p.var) for p in function.params}
    found = {var: value for var, value in known.items() if value is not None}
    if facts.is_concrete:
        return concrete_facts(function, {var: stand_in(value) for var, value in found.items()})
    fixed = {var: value for var, value in found.items() if is_fixed(value)}
    return _inferred(function, fixed, facts.unknown)


def symbolic_facts(
    function: Function,
    examples: Mapping[Var, Any] | None = None,
    *,
    unknown: Iterable[Var] = (),
    defaults: bool = True,
    ranks: Mapping[Var, int] | None = None,
) -> Facts:
    """Return the facts of `function` for any arguments, without running anything of it. `ranks` are those that parameters are taken to have.

    `examples` gives parameters that are like example values or ShapeDtypeStructs. The parameters `unknown` are to be recovered.
    With `defaults`, parameters that have a static default are taken to have it.
    """
    known = {var: abstract(value) for var, value in (examples or {}).items()}
    for var, rank in (ranks or {}).items():
        known[var] = Array(tuple(axis_of(var, axis) for axis in range(rank)))
    if defaults:
        for param in function.params:
            if isinstance(param.default, Const | Ref) and param.var not in known:
                known[param.var] = _default(param.default.value)
    return _inferred(function, known, frozenset(unknown))


def _default(value: Any) -> Abstract:
    """Return what is known of a parameter by its default: of a number that is traced, only that it is one."""
    return Array((), None, True) if isinstance(value, float | complex) else Known(value)


def _inferred(function: Function, known: Mapping[Var, Abstract], unknown: frozenset[Var]) -> Facts:
    captured = {var: capture.read() for var, capture in function.captures}
    found = {var: abstract(value) for var, value in captured.items()}
    values = infer(function, {**found, **known}, unknown)
    return Facts(function, values, unknown, captured=captured)


__all__ = ["Facts", "Structure", "concrete_facts", "facts_again", "symbolic_facts"]
