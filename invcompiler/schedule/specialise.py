"""A function as one call needs it: what it closes over as parameters, containers of the call taken apart, functions put in place.

What comes out takes each unknown of the call as a parameter of its own, so that it can be inverted like any other
function. Calls of one structure share one function.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from invcompiler.ir.build import tree_key
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Closure,
    Const,
    Display,
    Function,
    Param,
    ParameterKind,
    Ref,
    Tree,
    Var,
)
from invcompiler.ir.walk import free_vars, leaves, map_block
from invcompiler.schedule.callees import Callee, bind
from invcompiler.schedule.context import Context
from invcompiler.schedule.folding import Folding

Kind = ParameterKind
_VARIADIC = (Kind.VAR_POSITIONAL, Kind.VAR_KEYWORD)
_BY_NAME = (Kind.KEYWORD_ONLY, Kind.VAR_KEYWORD)


@dataclass(frozen=True, eq=False)
class Bound:
    """A function, and what each of its parameters takes; parameters that keep their default are not among them.

    `axes` are those of the arguments of a function that `jax.vmap` runs.
    """

    function: Function
    arguments: Mapping[Var, Tree]
    axes: Mapping[Var, Any]


@dataclass(frozen=True, eq=False)
class _Slot:
    """A leaf of an argument that becomes a parameter."""

    hint: str
    tree: Tree
    axis: Any
    kind: ParameterKind


@dataclass(frozen=True, eq=False)
class _Made:
    """A specialised function; `slots` take the leaves of a call in order, `closed` what is found around the function."""

    function: Function
    slots: tuple[Var, ...]
    closed: tuple[tuple[Var, Var], ...]


@dataclass(eq=False)
class Specialiser:
    """Makes each function once for each structure of calls."""

    _made: dict[Hashable, _Made] = field(default_factory=dict)

    def __call__(
        self,
        function: Function,
        callee: Callee,
        is_known: Callable[[Tree], bool],
        context: Context,
        in_place: bool,
    ) -> Bound | None:
        """Return the function of a call, or None if the call does not fit its parameters.

        A container with an unknown in it is taken apart; with `in_place`, functions among the arguments take the place
        of the parameters.
        """
        given = bind(function, callee.args, callee.kwargs)
        if given is None:
            return None
        if isinstance(callee.fn, Closure):
            given |= _defaults(function, given)
        axes = _axes(function, callee)
        if axes is None:
            return None
        call = _Call(function, given, axes, is_known, context, in_place, callee.mapping is not None)
        made = self._made.get(call.key)
        if made is None:
            made = self._made[call.key] = call.make()
        slots = dict(zip(made.slots, call.slots, strict=True))
        bound = {var: slot.tree for var, slot in slots.items()} | dict(made.closed)
        return Bound(made.function, bound, {var: slot.axis for var, slot in slots.items()})


def _defaults(function: Function, given: Mapping[Var, Tree]) -> dict[Var, Tree]:
    """Return the defaults of a local function that are values of the function around it."""
    own = {param.var for param in function.params}
    absent = (p for p in function.params if p.var not in given and p.default is not None)
    return {
        p.var: p.default
        for p in absent
        if p.default is not None and any(var not in own for var in leaves(p.default))
    }


def _axes(function: Function, callee: Callee) -> dict[Var, Any] | None:
    """Return the mapped axis of each parameter's argument, in the structure of the argument."""
    if callee.mapping is None:
        return {}
    places = [Const(place) for place in range(len(callee.args))]
    names = tuple((name, Const(len(places) + i)) for i, (name, _) in enumerate(callee.kwargs))
    bound = bind(function, tuple(places), names)
    if bound is None or len(callee.mapping.axes) != len(places) + len(names):
        return None

    def axis(tree: Tree) -> Any:
        if isinstance(tree, Display):
            found = [axis(item) for item in tree.items]
            return dict(zip(tree.keys, found, strict=True)) if tree.keys else tuple(found)
        assert isinstance(tree, Const) and callee.mapping is not None
        return callee.mapping.axes[tree.value]

    return {var: axis(tree) for var, tree in bound.items()}


@dataclass(eq=False)
class _Call:
    """One call: which of its arguments become which parameters."""

    function: Function
    given: Mapping[Var, Tree]
    axes: Mapping[Var, Any]
    is_known: Callable[[Tree], bool]
    context: Context
    in_place: bool
    is_mapped: bool
    slots: list[_Slot] = field(init=False)
    inside: dict[Var, Tree] = field(init=False)
    """What takes the place of each given parameter; a `Const` of a slot's number stands for a new parameter."""

    def __post_init__(self) -> None:
        self.slots = []
        self.whole: set[Var] = set()
        self.inside = {
            param.var: self._placed(param, self.given[param.var])
            for param in self.function.params
            if param.var in self.given
        }
        closes = bool(self._free()) or self._has_closures()
        structure = tuple((var, tree_key(tree)) for var, tree in self.inside.items())
        scope = self.context.function if closes else None
        self.key = (self.function, structure, scope, self.is_mapped)

    def _free(self) -> tuple[Var, ...]:
        return _free_vars(self.function.params, self.function, self.function.body)

    def _lends(self) -> bool:
        """Whether a parameter's default is a value of the function around."""
        own = {var for var, _ in self.function.captures}
        defaults = (p.default for p in self.function.params if p.default is not None)
        return any(var not in own for tree in defaults for var in leaves(tree))

    def _has_closures(self) -> bool:
        return any(_holds(tree, Closure) for tree in self.inside.values())

    # ---- arguments ------------------------------------------------------------------------------

    def _placed(self, param: Param, tree: Tree) -> Tree:
        axis = self.axes.get(param.var)
        name = param.var.name or "value"
        if self._is_spread(tree, param.kind):
            return self._spread(tree, name, axis, param)
        count = len(self.slots)
        placed = self._leaf(tree, name, axis, param)
        if len(self.slots) > count:
            self.whole.add(param.var)
        return placed

    def _is_spread(self, tree: Tree, kind: ParameterKind | None = None) -> bool:
        if not isinstance(tree, Display):
            return False
        if kind in _VARIADIC and (self.is_mapped or not tree.items):
            return True
        return not self.is_known(tree) or (self.in_place and _holds_functions(tree))

    def _is_in_place(self, tree: Tree) -> bool:
        if isinstance(tree, Closure):
            return self.in_place or not self.is_known(tree)
        return self.in_place and is_function(tree)

    def _spread(self, tree: Tree, name: str, axis: Any, param: Param) -> Tree:
        assert isinstance(tree, Display)
        keys = tree.keys or range(len(tree.items))
        names = _part_names(param.var, self.function.body)
        own = param.kind is Kind.VAR_KEYWORD
        items = []
        for key, item in zip(keys, tree.items, strict=True):
            hint = str(key) if own else names.get(key, f"{name}_{key}")
            part = _part(axis, key)
            if self._is_spread(item):
                items.append(self._spread(item, hint, part, replace(param, var=Var(hint))))
            elif isinstance(item, Const):
                items.append(item)
            else:
                items.append(self._leaf(item, hint, part, param))
        return replace(tree, items=tuple(items))

    def _leaf(self, tree: Tree, hint: str, axis: Any, param: Param) -> Tree:
        if self._is_in_place(tree):
            return tree
        for number, slot in enumerate(self.slots):
            if slot.tree is tree and slot.axis == axis and not self.is_known(tree):
                return _place(number)  # one unknown as several arguments
        kind = Kind.KEYWORD_ONLY if param.kind in _BY_NAME else Kind.POSITIONAL_OR_KEYWORD
        self.slots.append(_Slot(hint, tree, axis, kind))
        return _place(len(self.slots) - 1)

    # ---- the function ---------------------------------------------------------------------------

    def make(self) -> _Made:
        own = [p.var for p in self.function.params if p.var in self.given]
        if self.whole == set(own) and not (self.is_mapped or self._free() or self._lends()):
            return _Made(self.function, tuple(own), ())
        slots: dict[int, Var] = {}
        params: list[Param] = []
        names = {p.var.name for p in self.function.params if p.var not in self.given}
        names |= {p.var.name for p in self.function.params if p.var in self.whole}
        for param in self.function.params:
            if param.var not in self.given:
                params.append(replace(param, kind=self._left(param)))
            elif param.var in self.whole:
                slots[next(_places(self.inside[param.var]))] = param.var
                params.append(self._kept(param))
            else:
                for number in _places(self.inside[param.var]):
                    if number not in slots:
                        slots[number] = var = Var(_fresh(self.slots[number].hint, names))
                        params.append(Param(var, self._kind(self.slots[number].kind)))
        body = self._body(slots)
        closed, captures, body = self._closed(params, body, names)
        kind = Kind.POSITIONAL_OR_KEYWORD if self.is_mapped else Kind.KEYWORD_ONLY
        params += [Param(var, kind) for var in closed.values()]
        function = replace(
            self.function,
            params=_in_order(params),
            body=replace(body, params=()),
            captures=(*self.function.captures, *captures),
        )
        pairs = tuple((var, outer) for outer, var in closed.items())
        return _Made(function, tuple(slots[number] for number in sorted(slots)), pairs)

    def _left(self, param: Param) -> ParameterKind:
        """Return the kind of a parameter that keeps its default."""
        return Kind.KEYWORD_ONLY if self.is_mapped else param.kind

    def _kind(self, kind: ParameterKind) -> ParameterKind:
        return Kind.POSITIONAL_OR_KEYWORD if self.is_mapped else kind

    def _kept(self, param: Param) -> Param:
        if param.kind in _VARIADIC:
            return param
        own = {var for var, _ in self.function.captures}
        keeps = not self.is_mapped and set(leaves(param.default or Const(None))) <= own
        return Param(param.var, self._kind(param.kind), param.default if keeps else None)

    def _body(self, slots: Mapping[int, Var]) -> Block:
        inside = {
            var: _filled(tree, slots) for var, tree in self.inside.items() if var not in self.whole
        }
        if not inside:
            return self.function.body
        builder = Folding()
        result = builder.inline(self.function, inside)
        return builder.block((), result)

    def _closed(
        self, params: list[Param], body: Block, names: set[str | None]
    ) -> tuple[dict[Var, Var], list[tuple[Var, Any]], Block]:
        """Give what the body finds around the function names of its own: captures stay captures, the rest are parameters."""
        outer = dict(self.context.function.captures)
        fresh: dict[Var, Var] = {}
        for var in _free_vars(params, self.function, body):
            fresh[var] = Var(_fresh(var.name or "value", names), var.span)
        captures = [(new, outer[var]) for var, new in fresh.items() if var in outer]
        closed = {var: new for var, new in fresh.items() if var not in outer}
        if fresh:
            body = map_block(lambda var: fresh.get(var, var), body)
        return closed, captures, body


def _free_vars(params: Any, function: Function, body: Block) -> tuple[Var, ...]:
    own = {param.var for param in params} | {var for var, _ in function.captures}
    return tuple(var for var in free_vars(body) if var not in own)


def _place(number: int) -> Tree:
    return Const(_Number(number))


@dataclass(frozen=True)
class _Number:
    """Stands for the parameter that a leaf becomes, until there is one."""

    value: int


def _part(axis: Any, key: Any) -> Any:
    """Return the axis of one item of an argument: an integer, and None, are those of all."""
    if axis is None or isinstance(axis, int):
        return axis
    return getattr(axis, key) if isinstance(key, str) and not isinstance(axis, dict) else axis[key]


def _places(tree: Tree) -> Iterator[int]:
    if isinstance(tree, Const) and isinstance(tree.value, _Number):
        yield tree.value.value
    elif isinstance(tree, Display):
        for item in tree.items:
            yield from _places(item)


def _filled(tree: Tree, slots: Mapping[int, Var]) -> Tree:
    if isinstance(tree, Const) and isinstance(tree.value, _Number):
        return slots[tree.value.value]
    if isinstance(tree, Display):
        return replace(tree, items=tuple(_filled(item, slots) for item in tree.items))
    return tree


def _in_order(params: list[Param]) -> tuple[Param, ...]:
    """Return the parameters as a `def` can have them: what cannot be given by position is given by name."""
    found: list[Param] = []
    by_name = has_default = False
    for param in params:
        positional = param.kind in (Kind.POSITIONAL_ONLY, Kind.POSITIONAL_OR_KEYWORD)
        if positional and (by_name or (has_default and param.default is None)):
            param = replace(param, kind=Kind.KEYWORD_ONLY)
        by_name |= param.kind in (Kind.KEYWORD_ONLY, Kind.VAR_POSITIONAL)
        has_default |= param.default is not None
        found.append(param)
    variadic = [param for param in found if param.kind is Kind.VAR_KEYWORD]
    return (*(param for param in found if param not in variadic), *variadic)


def _part_names(whole: Var, body: Block) -> dict[Any, str]:
    """Return the names that the text gives to the parts of a parameter."""
    found: dict[Any, str] = {}
    for equation in body.equations:
        if isinstance(equation, Apply) and isinstance(equation.fn, Ref) and len(equation.args) == 2:
            taken, key = equation.args
            if equation.fn.value in (operator.getitem, getattr) and taken is whole:
                if isinstance(key, Const) and equation.out.name:
                    found.setdefault(key.value, equation.out.name)
    return found


def _fresh(wish: str, taken: set[str | None]) -> str:
    word = wish if wish.isidentifier() else "value"
    name, count = word, 0
    while name in taken:
        count += 1
        name = f"{word}_{count}"
    taken.add(name)
    return name


def is_function(tree: Tree) -> bool:
    """Whether a tree is a function that the text shows."""
    if isinstance(tree, Closure):
        return True
    return isinstance(tree, Ref) and callable(tree.value) and not isinstance(tree.value, type)


def _holds(tree: Tree, kind: type) -> bool:
    if isinstance(tree, Display):
        return any(_holds(item, kind) for item in tree.items)
    return isinstance(tree, kind)


def _holds_functions(tree: Tree) -> bool:
    if isinstance(tree, Display):
        return any(map(_holds_functions, tree.items))
    return is_function(tree)


def holds_functions(trees: Any) -> bool:
    """Whether there is a local function among the arguments, or a container of functions."""
    return any(
        isinstance(tree, Closure) or (isinstance(tree, Display) and _holds_functions(tree))
        for tree in trees
    )
