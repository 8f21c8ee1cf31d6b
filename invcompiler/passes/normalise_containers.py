"""Let loops and branches carry the items of containers, one by one.

What a loop carries has one structure at every step, so a display among its results shows the structure of what it
starts from. A Python loop may start from anything: there, the body must take what is carried apart, and do nothing else with it, unless it starts from a display of the same structure.

>>> from jax import lax
>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> def f(pair, swap):
...     return lax.cond(swap, lambda a, b: (b, a), lambda a, b: (a, b), *pair)
>>> print(show(flatten_containers(read(f))))
def f(pair, swap):
    a = pair[0]  # of 2
    b = pair[1]  # of 2
    v1, v2 = cond swap:
        yield b, a
    else:
        yield a, b
    return (v1, v2)
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import replace

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Const,
    Display,
    Each,
    Enumerate,
    Function,
    Iter,
    Loop,
    LoopKind,
    Range,
    Ref,
    Reversed,
    Tree,
    Var,
    Zip,
)
from invcompiler.ir.walk import leaves, operands
from invcompiler.passes.normalise_calls import shown_arguments, shown_branch
from invcompiler.passes.normalise_indices import host_vars, plain_index
from invcompiler.passes.normalise_walk import Rebuilder, Walk, is_open, taken_block

GETITEM = Ref(operator.getitem, "operator.getitem", operator)
GETATTR = Ref(getattr, "getattr")

_LAX_LOOPS = (LoopKind.SCAN, LoopKind.FORI, LoopKind.MAP)
_LAX_BRANCHES = (BranchKind.COND, BranchKind.SWITCH)
_NONE = Const(None)


def flatten_containers(function: Function) -> Function:
    return _Flattening(function).function(function)


class _Flattening(Walk):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.host = host_vars(function)

    def apply(self, equation: Apply, builder: Rebuilder) -> Tree:
        shown = shown_arguments(equation, builder)
        branch = shown_branch(shown, builder)
        if branch is not None:
            self.branch(branch, builder)
            self.changed = True
            return self.of(equation.out)
        plain = plain_index(shown, builder, self.host)
        self.changed |= plain is not None or shown is not equation
        return builder.keep(shown) if plain is None else plain

    def loop(self, loop: Loop, builder: Rebuilder) -> None:
        loop = self._columns(loop)
        loop = replace(loop, body=self.block(loop.body, builder.nested()))
        while (flat := self._flattened(loop, builder)) is not None:
            loop = replace(flat, body=self.block(flat.body, builder.nested()))
        builder.add(loop)

    def branch(self, branch: Branch, builder: Rebuilder) -> None:
        taken = taken_block(branch)
        if taken is not None:
            self.take(taken, branch.outs, builder)
            return
        blocks = tuple(self.block(block, builder.nested()) for block in branch.blocks)
        branch = replace(branch, blocks=blocks)
        while (flat := self._parted(branch)) is not None:
            branch = flat
        builder.add(branch)

    # ---- what a loop carries and collects -----------------------------------------------------------

    def _flattened(self, loop: Loop, builder: Rebuilder) -> Loop | None:
        """Return `loop` with containers taken apart, one level of them, or None if there are none."""
        assert isinstance(loop.body.result, Display)
        flat = _Flat(self, loop, builder)
        for number, result in enumerate(loop.body.result.items):
            flat.enter(number, result)
        return flat.loop() if flat.found else None

    def _columns(self, loop: Loop) -> Loop:
        """Iterate the items of a display side by side; a lax loop goes along the axes of all of them."""
        if loop.kind not in _LAX_LOOPS or loop.iterable is None:
            return loop
        carried = len(loop.init)
        params = iter(loop.body.params[carried:])
        names = _part_names(loop.body)
        found: list[Var] = []
        iterable = self._column(loop.iterable, params, found, names)
        if found == list(loop.body.params[carried:]):
            return loop
        body = replace(loop.body, params=(*loop.body.params[:carried], *found))
        return replace(loop, iterable=iterable, body=body)

    def _column(self, iterable: Iter, params: Iterator[Var], found: list[Var], names: dict) -> Iter:
        match iterable:
            case Each(value=Display() as value, view="") if is_open(value) and _has_leaves(value):
                return self._parts_of_item(value, next(params), found, names)
            case Each() | Range():
                found.append(next(params))
                return iterable
            case Zip():
                parts = [self._column(part, params, found, names) for part in iterable.parts]
                return replace(iterable, parts=tuple(parts))
            case Enumerate():
                found.append(next(params))
                return replace(iterable, part=self._column(iterable.part, params, found, names))
            case Reversed():
                return Reversed(self._column(iterable.part, params, found, names))

    def _parts_of_item(self, value: Display, param: Var, found: list[Var], names: dict) -> Iter:
        parts: list[Iter] = []

        def leaf(path_name: str | None, tree: Tree) -> Tree:
            found.append(Var(path_name or (tree.name if isinstance(tree, Var) else None)))
            parts.append(Each(tree))
            return found[-1]

        def item(tree: Tree, name: str | None) -> Tree:
            if isinstance(tree, Display) and is_open(tree):
                return replace(tree, items=tuple(item(part, None) for part in tree.items))
            return tree if tree == _NONE else leaf(name, tree)

        keys = _keys(value)
        items = [
            item(t, names.get((param, k)) or _wish(k))
            for t, k in zip(value.items, keys, strict=True)
        ]
        self.settle(param, replace(value, items=tuple(items)))
        return parts[0] if len(parts) == 1 else Zip(tuple(parts))

    # ---- what a branch gives ------------------------------------------------------------------------

    def _parted(self, branch: Branch) -> Branch | None:
        """Return `branch` with one level of containers taken apart, or None if there are none."""
        rows = [list(block.result.items) for block in branch.blocks]  # type: ignore[union-attr]
        inner = [Rebuilder() for _ in branch.blocks]
        outs: list[Var] = []
        results: list[list[Tree]] = [[] for _ in rows]
        for out, *column in zip(branch.outs, *rows, strict=True):
            template = _common(branch.kind, column)
            if template is None:
                parts, columns = [out], [[tree] for tree in column]
            else:
                columns = [take_apart(template, t, b) for t, b in zip(column, inner, strict=True)]
                parts = [Var(_name_of(trees)) for trees in zip(*columns, strict=True)]
                self.settle(out, replace(template, items=tuple(parts)))
            outs += parts
            for row, trees in zip(results, columns, strict=True):
                row += trees
        if len(outs) == len(branch.outs) and tuple(outs) == branch.outs:
            return None
        blocks = [
            Block((), (*block.equations, *extra.equations), Display(tuple, tuple(row)))
            for block, extra, row in zip(branch.blocks, inner, results, strict=True)
        ]
        return replace(branch, outs=tuple(outs), blocks=tuple(blocks))


class _Flat:
    """The parts of one loop, as they are taken apart."""

    def __init__(self, walk: Walk, loop: Loop, builder: Rebuilder):
        self.walk = walk
        self.old = loop
        self.builder = builder
        self.found = False
        self.names = _part_names(loop.body)
        self.fields = _fields(loop.body)
        self.init: list[Tree] = []
        self.params: list[Var] = []
        self.results: list[Tree] = []
        self.outs: list[Var] = []

    def enter(self, number: int, result: Tree) -> None:
        template = self._template(number, result)
        if template is None:
            self._whole(number, result)
            return
        self.found = True
        if number < len(self.old.init):
            self._carried(number, template)
        else:
            self._collected(number, template)

    def _template(self, number: int, result: Tree) -> Display | None:
        """Return the container that a carried or collected value is known to be, if it is one."""
        if not isinstance(result, Display) or not is_open(result) or not _is_plain(result):
            return None
        if self.old.kind in _LAX_LOOPS:
            return result
        if number >= len(self.old.init):
            return None
        start = self.old.init[number]
        if isinstance(start, Display) and is_open(start) and _same(start, result):
            return result
        if result.kind is not tuple:
            return None
        param = self.old.body.params[number]
        return result if _is_only_taken_apart(param, len(result.items), self.old.body) else None

    def _whole(self, number: int, result: Tree) -> None:
        if number < len(self.old.init):
            self.init.append(self.old.init[number])
            self.params.append(self.old.body.params[number])
        self.results.append(result)
        self.outs.append(self.old.outs[number])

    def _carried(self, number: int, template: Display) -> None:
        param = self.old.body.params[number]
        names = [self.names.get((param, key)) or _wish(key) for key in _keys(template)]
        starts = take_apart(template, self.old.init[number], self.builder, names)
        inside: list[Tree] = []
        after: list[Tree] = []
        for key, start, result, name in zip(
            _keys(template), starts, template.items, names, strict=True
        ):
            fixed = self._fixed(param, key, result, start)
            if fixed is not None:
                inside.append(fixed)
                after.append(fixed)
                continue
            name = name or (result.name if isinstance(result, Var) else None)
            self.init.append(start)
            self.params.append(Var(name))
            self.results.append(result)
            self.outs.append(Var(name))
            inside.append(self.params[-1])
            after.append(self.outs[-1])
        self.walk.settle(param, replace(template, items=tuple(inside)))
        self.walk.settle(self.old.outs[number], replace(template, items=tuple(after)))

    def _fixed(self, param: Var, key: object, result: Tree, start: Tree) -> Tree | None:
        """Return an item that is the same at every step; a field that stays may be no array, and then is not carried."""
        if result == _NONE and self.old.kind in _LAX_LOOPS:
            return _NONE
        return start if self.fields.get(result) == (param, key) else None

    def _collected(self, number: int, template: Display) -> None:
        after: list[Tree] = []
        for result in template.items:
            if result == _NONE:
                after.append(_NONE)
                continue
            self.results.append(result)
            self.outs.append(Var(result.name if isinstance(result, Var) else None))
            after.append(self.outs[-1])
        self.walk.settle(self.old.outs[number], replace(template, items=tuple(after)))

    def loop(self) -> Loop:
        items = self.old.body.params[len(self.old.init) :]
        body = Block(
            (*self.params, *items),
            self.old.body.equations,
            Display(tuple, tuple(self.results)),
        )
        return replace(self.old, outs=tuple(self.outs), init=tuple(self.init), body=body)


# ---- containers -----------------------------------------------------------------------------------


def _keys(display: Display) -> tuple:
    return tuple(range(len(display.items))) if display.keys is None else display.keys


def _wish(key: object) -> str | None:
    return key if isinstance(key, str) and key.isidentifier() else None


def _has_leaves(display: Display) -> bool:
    """Whether a container that is iterated holds anything to iterate."""
    return any(
        _has_leaves(item) if isinstance(item, Display) else item != _NONE for item in display.items
    )


def _is_plain(display: Display) -> bool:
    """Whether every item of a container can be carried: fields that are no arrays are part of its structure."""
    constants = [item.value for item in display.items if isinstance(item, Const)]
    refs = any(isinstance(item, Ref) for item in display.items)
    carried = all(value is None or isinstance(value, int | float | complex) for value in constants)
    return bool(display.items) and carried and not refs


def _common(kind: BranchKind, column: list[Tree]) -> Display | None:
    """Return the container that all of `column` are known to be."""
    shown = [tree for tree in column if isinstance(tree, Display) and is_open(tree)]
    if not shown or not all(_same(tree, shown[0]) for tree in shown) or not shown[0].items:
        return None
    hidden = [tree for tree in column if not isinstance(tree, Display)]
    if len(shown) + len(hidden) < len(column) or not all(isinstance(t, Var) for t in hidden):
        return None
    return shown[0] if kind in _LAX_BRANCHES or not hidden else None


def _same(one: Display, other: Display) -> bool:
    alike = one.kind is other.kind and one.keys == other.keys
    return alike and len(one.items) == len(other.items)


def take_apart(
    template: Display, tree: Tree, builder: Rebuilder, names: list[str | None] | None = None
) -> list[Tree]:
    """Return the items of `tree`, which has the structure of `template`."""
    if isinstance(tree, Display) and is_open(tree) and _same(tree, template):
        return list(tree.items)
    wishes = names or [None] * len(template.items)
    access = _access(template)
    return [
        access(builder, tree, key, name) for key, name in zip(_keys(template), wishes, strict=True)
    ]


def _access(template: Display) -> Callable[[Rebuilder, Tree, object, str | None], Tree]:
    is_record = template.keys is not None and template.kind is not dict
    arity = len(template.items) if template.keys is None else None

    def access(builder: Rebuilder, tree: Tree, key: object, name: str | None) -> Tree:
        fn = GETATTR if is_record else GETITEM
        return builder.keep(Apply(Var(name), fn, (tree, Const(key)), arity=arity))

    return access


def _part_names(block: Block) -> dict[tuple[Var, object], str]:
    """Return how the body calls the parts of its params: `a` and `b` for `a, b = carry`."""
    params = set(block.params)
    found: dict[tuple[Var, object], str] = {}
    for equation in block.equations:
        if _takes_part(equation, params) and equation.out.name:
            value, key = equation.args
            found.setdefault((value, key.value), equation.out.name)
    return found


def _fields(block: Block) -> dict[Tree, tuple[Tree, object]]:
    """Return which attributes of params the values of a body are."""
    params = set(block.params)
    return {
        equation.out: (equation.args[0], equation.args[1].value)
        for equation in block.equations
        if _takes_part(equation, params) and equation.fn == GETATTR
    }


def _takes_part(equation: object, params: set[Var]) -> bool:
    return (
        isinstance(equation, Apply)
        and equation.fn in (GETITEM, GETATTR)
        and len(equation.args) == 2
        and equation.args[0] in params
        and isinstance(equation.args[1], Const)
    )


def _is_only_taken_apart(param: Var, count: int, block: Block) -> bool:
    """Whether the body uses `param` by its items alone, and unpacks it into `count`."""
    if param in leaves(block.result):
        return False
    arities = set()
    for equation in block.equations:
        if param not in operands(equation):
            continue
        if not _takes_part(equation, {param}) or equation.arity not in (None, count):
            return False
        arities.add(equation.arity)
    return count in arities


def _name_of(trees: tuple[Tree, ...]) -> str | None:
    names = {tree.name for tree in trees if isinstance(tree, Var)}
    return names.pop() if len(names) == 1 else None


__all__ = ["flatten_containers", "take_apart"]
