"""Show containers where facts say what they are: `[*x]`, `point._replace(q=q)`, `jax.tree.map(f, x)`.

Afterwards calls that only build containers from containers of known structure are displays, and a function that is
mapped over a tree is called for each leaf.

>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> from invcompiler.schedule.facts import concrete_facts
>>> def f(x):
...     first, *rest = x
...     return (*rest, first * 2)
>>> function = read(f)
>>> (x,) = (param.var for param in function.params)
>>> facts = concrete_facts(function, {x: (1.0, 2.0, 3.0)})
>>> print(show(show_structures(function, facts, (x,))[0]))
def f(x):
    first = x[0]
    v1 = x[1]  # of 3
    v2 = x[2]  # of 3
    v3 = first * 2
    return (v1, v2, v3)
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

import jax

from invcompiler.frontend.see_through import record_fields
from invcompiler.ir.build import literal
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Closure,
    Const,
    Display,
    Equation,
    Function,
    Loop,
    LoopKind,
    Method,
    Ref,
    Slice,
    Star,
    Tree,
    Var,
)
from invcompiler.passes.normalise_containers import flatten_containers
from invcompiler.passes.normalise_walk import Rebuilder, Walk, is_open
from invcompiler.schedule.abstract import Abstract, Items, Known, container
from invcompiler.schedule.facts import Facts, facts_again
from invcompiler.schedule.taint import tainted

_GETITEM = Ref(operator.getitem, "operator.getitem", operator)
_GETATTR = Ref(getattr, "getattr")
_TREE_MAPS = (jax.tree.map, jax.tree_util.tree_map)
_TREE_LEAVES = (jax.tree.leaves, jax.tree_util.tree_leaves)


def show_structures(
    function: Function, facts: Facts, unknown: tuple[Var, ...]
) -> tuple[Function, Facts]:
    """Return a function of the same value, and the facts about it. Only what depends on the unknowns is touched."""
    showing = _Showing(facts, tainted(function.body, unknown))
    shown = showing.function(function)
    if shown is function:
        return function, facts
    if showing.opened:
        flat = flatten_containers(shown)
        return show_structures(flat, facts_again(flat, facts), unknown)  # of loops around these
    return shown, replace(facts, function=shown, values={**facts.values, **showing.found})


def waits_for_structure(equation: Equation) -> bool:
    """Whether `equation` is one that is shown as soon as the structure of its operand is known."""
    if not isinstance(equation, Apply):
        return False
    if isinstance(equation.fn, Method):
        return equation.fn.name in ("_replace", "_asdict")
    fn = equation.fn.value if isinstance(equation.fn, Ref) else None
    shown = (list, tuple, dict, dataclasses.replace, *_TREE_MAPS, *_TREE_LEAVES)
    return any(fn is one for one in shown) or (fn is operator.or_ and _joins_dicts(equation))


def _joins_dicts(equation: Apply) -> bool:
    return any(isinstance(arg, Display) and arg.kind is dict for arg in equation.args)


class _Showing(Walk):
    def __init__(self, facts: Facts, touched: frozenset[Var]):
        super().__init__()
        self.facts = facts
        self.touched = touched
        self.found: dict[Var, Abstract] = {}  # of vars that are new
        self.opened = False  # a loop starts from containers whose items it can carry one by one

    def block(self, block: Block, builder: Rebuilder) -> Block:
        self.equations(block.equations, builder)
        return builder.block(block.params, self._unstarred(self.tree(block.result), builder))

    def apply(self, equation: Apply, builder: Rebuilder) -> Tree:
        if equation.out not in self.touched:
            return builder.keep(equation)
        args = tuple(self._unstarred(arg, builder) for arg in equation.args)
        if any(new is not old for new, old in zip(args, equation.args, strict=True)):
            opened = self._unstarred(Display(tuple, args), builder)
            assert isinstance(opened, Display)
            equation = replace(equation, args=opened.items)
        shown = self._shown(equation, builder)
        return builder.keep(equation) if shown is None else shown

    def loop(self, loop: Loop, builder: Rebuilder) -> None:
        body = self.block(loop.body, builder.nested())
        assert isinstance(body.result, Display) and isinstance(loop.body.result, Display)
        starts = loop.init
        if loop.kind is LoopKind.FOR:
            pairs = zip(loop.init, body.result.items, strict=False)
            starts = tuple(self._start(start, result, builder) for start, result in pairs)
        elif any(map(_is_taken_apart, body.result.items, loop.body.result.items)):
            self.opened = True
        builder.add(replace(loop, init=starts, body=body))

    def _start(self, start: Tree, result: Tree, builder: Rebuilder) -> Tree:
        """Return what a Python loop starts from, taken apart if each step makes a container of the same structure."""
        if not isinstance(result, Display) or not is_open(result) or start not in self.touched:
            return start
        parts = _in_order_of(result, self._parts(start, builder))
        if parts is None or not _alike(parts, result):
            return start
        self.opened = self.changed = True
        return parts

    # ---- what is known --------------------------------------------------------------------------

    def _abstract(self, tree: Tree) -> Abstract:
        if isinstance(tree, Var) and tree in self.found:
            return self.found[tree]
        if isinstance(tree, Display) and is_open(tree):
            return container(tree.kind, tree.keys, [self._abstract(item) for item in tree.items])
        return self.facts.of(tree)

    def _parts(self, tree: Tree, builder: Rebuilder) -> Display | None:
        """Return the container that `tree` is, with its items, if that is known."""
        if isinstance(tree, Display):
            return tree if is_open(tree) else None
        found = self._abstract(tree)
        if not isinstance(tree, Var) or not isinstance(found, Items):
            return None
        template = _template(found)
        if template is None:
            return None
        items = [
            self._part(tree, found, number, value, builder)
            for number, value in enumerate(found.items)
        ]
        return replace(template, items=tuple(items))

    def _part(
        self, tree: Var, found: Items, number: int, value: Abstract, builder: Rebuilder
    ) -> Tree:
        fn = _GETITEM if found.kind is dict or found.keys is None else _GETATTR
        key = number if found.keys is None else found.keys[number]
        arity = len(found.items) if found.keys is None else None
        out = Var(key if isinstance(key, str) and key.isidentifier() else None)
        return self._new(Apply(out, fn, (tree, Const(key)), arity=arity), value, builder)

    def _new(self, equation: Apply, value: Abstract, builder: Rebuilder) -> Tree:
        tree = builder.keep(equation)
        if tree is equation.out:
            self.found[equation.out] = value
        return tree

    # ---- what is shown ------------------------------------------------------------------------------

    def _shown(self, equation: Apply, builder: Rebuilder) -> Tree | None:
        args = equation.args
        if any(name is None for name, _ in equation.kwargs) or not args:
            return None
        if isinstance(equation.fn, Method):
            return self._of_method(equation.fn.name, equation, builder)
        fn = equation.fn.value if isinstance(equation.fn, Ref) else None
        if fn is operator.getitem:
            return self._slice(args[0], args[1], builder)
        if fn in (list, tuple) and len(args) == 1:
            return self._sequence(fn, args[0], builder)
        if fn is dataclasses.replace and len(args) == 1:
            return self._replaced(equation, builder)
        if fn is dict and len(args) == 1:
            return self._joined(args[0], Display(dict, *_columns(equation.kwargs)), builder)
        if fn is operator.or_ and len(args) == 2:
            return self._joined(*args, builder)
        if any(fn is one for one in _TREE_MAPS) and len(args) > 1 and not equation.kwargs:
            return self._mapped(equation, builder)
        if any(fn is one for one in _TREE_LEAVES) and len(args) == 1 and not equation.kwargs:
            leaves = self._leaves(args[0], builder)
            return None if leaves is None else Display(list, tuple(leaves))
        return None

    def _of_method(self, name: str, equation: Apply, builder: Rebuilder) -> Tree | None:
        if name == "_replace" and len(equation.args) == 1:
            return self._replaced(equation, builder)
        if name == "_asdict" and len(equation.args) == 1:
            parts = self._parts(equation.args[0], builder)
            return None if parts is None else Display(dict, parts.items, parts.keys)
        return None

    def _slice(self, value: Tree, index: Tree, builder: Rebuilder) -> Tree | None:
        picked = literal(index) if isinstance(index, Slice) else None
        found = self._abstract(value) if picked is not None and isinstance(value, Var) else None
        if picked is None or not isinstance(found, Items) or found.kind not in (tuple, list):
            return None
        parts = self._parts(value, builder)
        return None if parts is None else Display(found.kind, parts.items[picked[0]])

    def _sequence(self, kind: type, value: Tree, builder: Rebuilder) -> Tree | None:
        parts = self._parts(value, builder)
        if parts is None or not issubclass(parts.kind, tuple | list):
            return None
        return Display(kind, parts.items)

    def _replaced(self, equation: Apply, builder: Rebuilder) -> Tree | None:
        parts = self._parts(equation.args[0], builder)
        new = dict(equation.kwargs)
        if parts is None or parts.spelling is None or not new.keys() <= set(parts.keys or ()):
            return None
        fields = zip(parts.keys or (), parts.items, strict=True)
        return replace(parts, items=tuple(new.get(key, item) for key, item in fields))

    def _joined(self, one: Tree, other: Tree, builder: Rebuilder) -> Tree | None:
        """Return the dict with the items of two, those of the second one before those of the first."""
        found = [self._parts(tree, builder) for tree in (one, other) if self._is_dict(tree)]
        if len(found) < 2 or None in found:
            return None
        items: dict[Any, Tree] = {}
        for shown in found:
            assert shown is not None
            items.update(zip(shown.keys or (), shown.items, strict=True))
        return Display(dict, tuple(items.values()), tuple(items))

    def _is_dict(self, tree: Tree) -> bool:
        found = self._abstract(tree)
        return isinstance(found, Items) and found.kind is dict

    def _unstarred(self, tree: Tree, builder: Rebuilder) -> Tree:
        """Return `tree` with the items of a container in the place of `*container`."""
        if not isinstance(tree, Display) or not tree.items:
            return tree
        items: list[Tree] = []
        for item in tree.items:
            parts = self._parts(item.value, builder) if isinstance(item, Star) else None
            if parts is not None and parts.kind is not dict and tree.keys is None:
                items += parts.items
            else:
                items.append(self._unstarred(item, builder))
        if len(items) == len(tree.items) and all(map(operator.is_, items, tree.items)):
            return tree
        self.changed = True
        return replace(tree, items=tuple(items))

    # ---- functions mapped over trees -----------------------------------------------------------------

    def _mapped(self, equation: Apply, builder: Rebuilder) -> Tree | None:
        fn, *trees = equation.args
        if not isinstance(fn, Ref | Closure | Var) or not isinstance(trees[0], Var | Display):
            return None
        if not isinstance(self._abstract(trees[0]), Items):
            return None
        call = _Mapping(self, fn, equation, builder)
        return call.over(trees, self._abstract(equation.out))

    def _leaves(self, tree: Tree, builder: Rebuilder) -> list[Tree] | None:
        found = self._abstract(tree)
        if isinstance(found, Known) and found.value is None:
            return []
        if not isinstance(found, Items):
            return None if found is None else [tree]
        parts = self._parts(tree, builder)
        if parts is None:
            return None
        items: Iterable[Tree] = parts.items
        if parts.kind is dict:
            items = [
                item
                for _, item in sorted(zip(parts.keys or (), parts.items, strict=True), key=_first)
            ]
        inner = [self._leaves(item, builder) for item in items]
        if any(leaves is None for leaves in inner):
            return None
        return [leaf for leaves in inner for leaf in leaves or ()]


@dataclasses.dataclass(eq=False)
class _Mapping:
    """Calls `fn` for each leaf of a tree."""

    showing: _Showing
    fn: Ref | Closure | Var
    equation: Apply
    builder: Rebuilder

    def over(self, trees: list[Tree], value: Abstract) -> Tree | None:
        found = self.showing._abstract(trees[0])
        if isinstance(found, Known) and found.value is None:
            return Const(None)
        if isinstance(found, Items):
            return self._items(trees, value)
        name = trees[0].name if isinstance(trees[0], Var) else None
        made = replace(self.equation, out=Var(name), fn=self.fn, args=tuple(trees), kwargs=())
        return self.showing._new(made, value, self.builder)

    def _items(self, trees: list[Tree], value: Abstract) -> Tree | None:
        parts = [_sorted(self.showing._parts(tree, self.builder)) for tree in trees]
        first = parts[0]
        if first is None or any(p is None or not _alike(p, first) for p in parts):
            return None
        values = value.items if isinstance(value, Items) else (None,) * len(first.items)
        columns = zip(*(part.items for part in parts if part is not None), strict=True)
        items = [self.over(list(c), v) for c, v in zip(columns, values, strict=True)]
        if any(item is None for item in items):
            return None
        return replace(first, items=tuple(item for item in items if item is not None))


def _columns(pairs: Collection[tuple]) -> tuple[tuple, tuple]:
    keys, items = zip(*pairs, strict=True) if pairs else ((), ())
    return items, keys


def _first(pair: tuple) -> Any:
    return pair[0]


def _sorted(shown: Display | None) -> Display | None:
    """Return a display with the keys in the order in which `tree.map` gives them."""
    if shown is None or shown.kind is not dict or shown.keys is None:
        return shown
    pairs = sorted(zip(shown.keys, shown.items, strict=True), key=_first)
    return replace(shown, keys=tuple(k for k, _ in pairs), items=tuple(v for _, v in pairs))


def _in_order_of(model: Display, shown: Display | None) -> Display | None:
    """Return a display of a dict with the keys in the order that `model` has them in."""
    if shown is None or shown.kind is not dict or set(shown.keys or ()) != set(model.keys or ()):
        return shown
    items = dict(zip(shown.keys or (), shown.items, strict=True))
    return replace(shown, keys=model.keys, items=tuple(items[key] for key in model.keys or ()))


def _is_taken_apart(now: Tree, before: Tree) -> bool:
    """Whether the items of a container have come to light."""
    return isinstance(now, Display) and is_open(now) and not isinstance(before, Display)


def _alike(one: Display, other: Display) -> bool:
    return one.kind is other.kind and one.keys == other.keys and len(one.items) == len(other.items)


def _template(found: Items) -> Display | None:
    """Return an empty display of the class of a container, if its items are all there is to it."""
    if found.kind in (tuple, list, dict):
        return Display(found.kind, (), found.keys)
    fields = record_fields(found.kind)
    if fields is None or tuple(fields) != tuple(found.keys or ()):
        return None
    return Display(found.kind, (), found.keys, Ref(found.kind, found.kind.__name__, found.kind))


__all__ = ["show_structures", "waits_for_structure"]
