"""`for` loops and comprehensions.

A loop over items that the text shows is unrolled: its structure is in the text. Any other stays a
loop, whose carried values are the names that its body rebinds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from invcompiler.errors import UnsupportedSyntaxError
from invcompiler.frontend import iterables
from invcompiler.frontend.expressions import truth_of
from invcompiler.frontend.iterables import MOST_UNROLLED
from invcompiler.frontend.lowering import (
    Entry,
    Lowering,
    Unbound,
    Unfollowed,
    expression,
    statement,
)
from invcompiler.frontend.names import bound_names, children
from invcompiler.frontend.statements import Jump, bind_target, returns, run, unroll
from invcompiler.frontend.structure import (
    contains,
    is_mutable,
    is_open,
    leaves_of,
    matches,
    rebuild,
    settled,
    split,
)
from invcompiler.ir.nodes import Const, Display, Iter, Loop, LoopKind, Ref, Star, Tree, Var


@statement(ast.For)
def for_(lowering: Lowering, node: ast.For) -> None:
    over = iterables.source(lowering, node.iter, steps=may_be_left(lowering, node))
    steps = iterables.steps_of(lowering, over)
    if steps is not None:
        if unroll(lowering, node, steps, iterables.lists_of(over.iter)) is not None:
            raise Unfollowed("a loop that always raises", node)
        return
    refuse_change_of_iterable(lowering, node)
    try:
        refuse_break(lowering, node)
        rolled(lowering, node, over.iter)
    except (Unfollowed, UnsupportedSyntaxError) as unfollowed:
        items = iterables.const_items(over.iter, MOST_UNROLLED)
        if items is None:
            raise
        if unroll(lowering, node, items, iterables.lists_of(over.iter)) is not None:
            raise unfollowed from None


def may_be_left(lowering: Lowering, node: ast.For) -> bool:
    return ast.Break in lowering.unit.survey(node).kinds or returns(lowering, node)


def refuse_break(lowering: Lowering, node: ast.For) -> None:
    """A loop that stays a loop runs as often as its iterable says."""
    pending: list[ast.AST] = list(reversed(node.body))
    if ast.Break not in lowering.unit.survey(node).kinds:
        return
    while pending:
        part = pending.pop()
        if isinstance(part, ast.Break):
            raise Unfollowed("a `break` in a loop", part)
        if not isinstance(part, ast.For | ast.While):
            pending.extend(reversed(children(part)))


def refuse_change_of_iterable(lowering: Lowering, node: ast.For) -> None:
    """A loop over a list that it changes sees what it changes."""
    over, seen = lowering.unit.survey(node.iter), lowering.unit.survey(node)
    for name, place in (seen.changed | seen.augmented).items():
        if name in over.loads:
            raise Unfollowed("a loop over a list that it changes", place)


# ---- loops that stay loops ----------------------------------------------------------------------


class ChangesStructure(Exception):
    """A carried value is another container after the body than before it."""

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Carry:
    """A name that the body rebinds: what it is before the loop, and what it looks like inside."""

    name: str
    init: Tree
    inside: Tree


def rolled(lowering: Lowering, node: ast.For, iterable: Iter) -> None:
    """Add a Loop; a carried value that changes its structure is carried as one var."""
    whole: set[str] = set()
    while True:
        try:
            _Rolled(lowering, node, iterable, whole).add()
            return
        except ChangesStructure as changes:
            if changes.name in whole:
                what = "a loop that changes the structure of a value"
                raise Unfollowed(what, node) from None
            seen = lowering.unit.survey(node)
            place = (seen.changed | seen.augmented).get(changes.name)
            if place is not None and is_mutable(lowering.env[changes.name]):  # type: ignore[arg-type]
                what = f"a loop that changes the length of `{changes.name}`"
                raise Unfollowed(what, place) from None
            whole.add(changes.name)


class _Rolled:
    def __init__(self, lowering: Lowering, node: ast.For, iterable: Iter, whole: set[str]):
        self.lowering = lowering
        self.node = node
        self.iterable = iterable
        self.inner = lowering.nested()
        self.inner.looping = True
        self.bound = bound_names([node.target, *node.body])
        self.bound.update((name, None) for name in self._changed())
        self.collected = _collected(lowering, node)
        self.carries = [
            self._carry(name, entry, name in whole) for name, entry in self._candidates()
        ]

    def _changed(self) -> list[str]:
        """Return the lists and dicts that the body changes, other than by collecting."""
        changed = self.lowering.unit.survey(self.node).changed
        return [name for name in changed if isinstance(self.lowering.env.get(name), Display)]

    def _candidates(self) -> Iterator[tuple[str, Entry]]:
        """Yield what lives on from one iteration to the next, or after the loop."""
        targets = bound_names([self.node.target])
        for name in self.bound:
            if name in self.collected:
                continue
            entry = self.lowering.env.get(name)
            used_after = loads_outside(self.lowering, name, self.node)
            if name in targets and not (used_after and iterables.runs(self.iterable)):
                continue
            if entry is None or isinstance(entry, Unbound) or entry in self.lowering.unit.perhaps:
                if not (used_after and iterables.runs(self.iterable)):
                    continue
                entry = Const(None)
            yield name, entry

    def _carry(self, name: str, entry: Entry, whole: bool) -> Carry:
        if not isinstance(entry, Tree):
            raise Unfollowed(f"a loop that redefines the function `{name}`", self.node)

        inside = self._leaf(entry, name) if whole else self._parts(entry, name)
        self.lowering.unit.part(inside, entry)
        self.inner.bind(name, inside)
        return Carry(name, entry, inside)

    def _leaf(self, tree: Tree, name: str) -> Tree:
        return self.lowering.unit.stands_for(Var(name), [tree])

    def _parts(self, tree: Tree, name: str) -> Tree:
        """Return a container with vars for its items, which are called as its keys are."""
        if not isinstance(tree, Display) or not is_open(tree):
            return self._leaf(tree, name)
        keys = [key if isinstance(key, str) else "" for key in tree.keys or ()]
        names = [key if key.isidentifier() else name for key in keys] or [name] * len(tree.items)
        return replace(tree, items=tuple(map(self._parts, tree.items, names)))

    def add(self) -> None:
        item, item_vars = iterables.item_tree(self.iterable, self.node.target)
        collections = self._body(item)
        params, init, new = self._carried()
        outs = tuple(Var(param.name) for param in params)
        lists = tuple(Var(name) for name in collections)
        result = Display(tuple, tuple(map(settled, (*new, *collections.values()))))
        body = self.inner.builder.block((*params, *item_vars), result)
        if not params and not lists and not self.bound:
            return
        span = self.lowering.span(self.node)
        loop = Loop(LoopKind.FOR, (*outs, *lists), init, self.iterable, body, (), span)
        if outs or lists:
            self.lowering.builder.add(loop)
        self._bind(outs, dict(zip(collections, lists, strict=True)))

    def _body(self, item: Tree) -> dict[str, Tree]:
        """Lower the body; return what it appends to the lists that only collect."""
        collections: dict[str, Tree] = {}
        bind_target(self.inner, self.node.target, item)
        self.inner.collections = dict.fromkeys(self.collected, collections)
        for name in self.collected:
            self.inner.bind(name, Unbound(f"`{name}` inside the loop that fills it"))
        jump = run(self.inner, self.node.body)
        if jump is not None and jump is not Jump.CONTINUE:
            raise Unfollowed("a `break` or `return` inside a loop", self.node)
        if len(collections) < len(self.collected):
            raise Unfollowed("an `append` that may not happen", self.node)
        known = {*self.bound, *self.collected}
        if any(name not in known for name in self.inner.changed()):
            raise Unfollowed("a loop that changes a value which has several names", self.node)
        if run(self.inner, self.node.orelse) is not None or self.node.orelse:
            raise Unfollowed("`for ... else`", self.node)
        return collections

    def _carried(self) -> tuple[list[Var], tuple[Tree, ...], list[Tree]]:
        params: list[Var] = []
        init: list[Tree] = []
        new: list[Tree] = []
        for carry in self.carries:
            after = self.inner.env.get(carry.name)
            if not isinstance(after, Tree):
                raise Unfollowed(f"`{carry.name}`, which the loop may not bind", self.node)
            if not matches(carry.inside, after):
                raise ChangesStructure(carry.name)
            params.extend(leaf for leaf in leaves_of(carry.inside) if isinstance(leaf, Var))
            one = isinstance(carry.inside, Var)
            init.extend(map(settled, [carry.init] if one else leaves_of(carry.init)))
            new.extend(split(carry.inside, after))
        return params, tuple(init), new

    def _bind(self, outs: tuple[Var, ...], lists: dict[str, Var]) -> None:
        left = iter(outs)
        carried = {carry.name for carry in self.carries}
        for name in self.bound:
            if name not in carried and name not in self.collected:
                self.lowering.bind(name, Unbound(f"`{name}` after a loop that may not run"))
        for carry in self.carries:
            self.lowering.bind(carry.name, self._after(carry, left))
        for name, out in lists.items():
            before = self.collected[name]
            self.lowering.replace(before, Display(list, (*before.items, Star(out))), name)

    def _after(self, carry: Carry, outs: Iterator[Var]) -> Tree:
        """Return what a carried name stands for after the loop."""
        unit = self.lowering.unit
        new = self.inner.env[carry.name]
        news = split(carry.inside, new)  # type: ignore[arg-type]
        after = rebuild(carry.inside, lambda leaf: unit.stands_for(next(outs), [leaf, next(news)]))
        unit.part(after, new, carry.init)  # type: ignore[arg-type]
        return after


def _collected(lowering: Lowering, node: ast.For) -> dict[str, Display]:
    """Return the lists that the body only appends to, once in each iteration."""
    found: dict[str, Display] = {}
    bound = bound_names([node.target, *node.body, *node.orelse])
    for part in node.body:
        name = appended_name(part)
        if name in bound:
            continue
        entry = None if name is None else lowering.env.get(name)
        if name is None or not isinstance(entry, Display) or entry.kind is not list:
            continue
        if id(entry) not in lowering.unit.frozen and _only_appended(lowering, name, entry, node):
            found[name] = entry
    return found


def _only_appended(lowering: Lowering, name: str, entry: Display, node: ast.For) -> bool:
    """Whether the loop reads the list under no name, but for the one time that it appends to it."""
    if loads_within(lowering, name, node) != 1:
        return False
    if id(entry) not in lowering.unit.shared:
        return True
    others = (
        other
        for other, tree in lowering.env.items()
        if other != name and isinstance(tree, Display) and contains(tree, entry)
    )
    return not any(loads_within(lowering, other, node) for other in others)


def appended_name(node: ast.stmt) -> str | None:
    """Return `parts` for the statement `parts.append(value)`."""
    match node:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="append"),
                args=[value],
                keywords=[],
            )
        ) if not isinstance(value, ast.Starred):
            return name
    return None


def loads_within(lowering: Lowering, name: str, node: ast.AST) -> int:
    return lowering.unit.survey(node).loads.get(name, 0)


def loads_outside(lowering: Lowering, name: str, node: ast.AST) -> bool:
    """Whether `name` is read anywhere but in `node`."""
    everywhere = lowering.unit.survey().loads.get(name, 0)
    return everywhere > loads_within(lowering, name, node)


# ---- comprehensions -----------------------------------------------------------------------------


@expression(ast.ListComp)
def list_comprehension(lowering: Lowering, node: ast.ListComp, name: str | None) -> Tree:
    return comprehend(lowering, node, [node.elt], name)[0]


@expression(ast.GeneratorExp)
def generator(lowering: Lowering, node: ast.GeneratorExp, name: str | None) -> Tree:
    """Lower a generator that is used up where it stands, as in `sum(x * x for x in xs)`: as a list."""
    if node not in lowering.unit.used_up:
        raise Unfollowed("a generator", node)
    return comprehend(lowering, node, [node.elt], name)[0]


@expression(ast.DictComp)
def dict_comprehension(lowering: Lowering, node: ast.DictComp, name: str | None) -> Tree:
    keys, values = comprehend(lowering, node, [node.key, node.value], name, unroll=True)
    if isinstance(keys, Display) and isinstance(values, Display):
        if not all(isinstance(key, Const) for key in keys.items):
            raise Unfollowed("a dict with a computed key", node)
        found = dict(
            zip((key.value for key in keys.items), values.items, strict=True)  # type: ignore[union-attr]
        )
        return Display(dict, tuple(found.values()), tuple(found))
    pairs = lowering.apply(Ref(zip, "zip", zip), (keys, values), node=node)
    return lowering.apply(Ref(dict, "dict", dict), (pairs,), node=node, name=name)


def comprehend(
    lowering: Lowering, node, parts: list[ast.expr], name: str | None, unroll: bool = False
) -> list[Tree]:
    """Return for each of `parts` the list of its values; `unroll` a range whose ends are in the text."""
    if ast.NamedExpr in lowering.unit.survey(node).kinds:
        raise Unfollowed("`:=` in a comprehension", node)
    first = node.generators[0]
    if first.is_async:
        raise Unfollowed("an asynchronous comprehension", node)
    over = iterables.source(lowering, first.iter)
    shown = iterables.steps_of(lowering, over)
    if shown is None and unroll:
        shown = iterables.const_items(over.iter, MOST_UNROLLED)
    if shown is None and (len(node.generators) > 1 or first.ifs):
        shown = iterables.const_items(over.iter, MOST_UNROLLED)
        if shown is None:
            raise Unfollowed("a comprehension with conditions or several loops", node)
    if shown is not None:
        return _unrolled(lowering, node, parts, shown)
    try:
        return _comprehension(lowering, node, parts, over.iter, name)
    except Unfollowed:
        shown = iterables.const_items(over.iter, MOST_UNROLLED)
        if shown is None:
            raise
        return _unrolled(lowering, node, parts, shown)


def _unrolled(lowering: Lowering, node, parts, shown: tuple[Tree, ...]) -> list[Tree]:
    rows: list[list[Tree]] = [[] for _ in parts]
    hidden = _targets(lowering, node)

    def visit(generators: list[ast.comprehension], items: tuple[Tree, ...]) -> None:
        generator = generators[0]
        for item in items:
            bind_target(lowering, generator.target, item)
            if not all(_holds(lowering, test) for test in generator.ifs):
                continue
            if generators[1:]:
                over = iterables.source(lowering, generators[1].iter)
                shown = over.shown
                if shown is None:
                    shown = iterables.const_items(over.iter, MOST_UNROLLED)
                if shown is None:
                    raise Unfollowed("a comprehension with several loops", node)
                visit(generators[1:], shown)
                continue
            for row, part in zip(rows, parts, strict=True):
                row.append(lowering.expression(part))

    visit(node.generators, shown)
    refuse_late(lowering, rows, hidden, node)
    _restore(lowering, hidden)
    return [Display(list, tuple(row)) for row in rows]


def _holds(lowering: Lowering, test: ast.expr) -> bool:
    value = truth_of(lowering.expression(test))
    if value is None:
        raise Unfollowed("a comprehension with a condition", test)
    return value


def _targets(lowering: Lowering, node) -> dict[str, Entry | None]:
    """Return what the names of a comprehension's own scope stand for around it."""
    names = bound_names(generator.target for generator in node.generators)
    return {name: lowering.env.get(name) for name in names}


def _restore(lowering: Lowering, hidden: dict[str, Entry | None]) -> None:
    for name, entry in hidden.items():
        if entry is None:
            lowering.unbind(name)
        else:
            lowering.bind(name, entry)


def refuse_late(lowering: Lowering, rows, hidden, node) -> None:
    """Functions made in a comprehension all see the last item: refuse where that matters."""
    for row in rows:
        for tree in row[:-1]:
            if any(lowering.closes_over(leaf, hidden) for leaf in leaves_of(tree)):
                raise Unfollowed("functions that share the variable of a comprehension", node)


def _comprehension(lowering: Lowering, node, parts, iterable: Iter, name) -> list[Tree]:
    inner = lowering.nested()
    generator = node.generators[0]
    item, params = iterables.item_tree(iterable, generator.target)
    bind_target(inner, generator.target, item)
    values = [inner.expression(part) for part in parts]
    refuse_late(lowering, [[value, value] for value in values], _targets(inner, node), node)
    outs = tuple(Var(name if len(parts) == 1 else None) for _ in parts)
    lowering.unit.lists.update(dict.fromkeys(outs, False))
    body = inner.builder.block(params, Display(tuple, tuple(map(settled, values))))
    span = lowering.span(node)
    lowering.builder.add(Loop(LoopKind.COMPREHENSION, outs, (), iterable, body, (), span))
    return list(outs)
