"""Containers with the same shape: taken apart into leaves where control flow splits, and put together after."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from invcompiler.ir.nodes import Display, Star, Tree


def is_open(tree: Tree) -> bool:
    """Whether `tree` is a container whose items the text shows."""
    return isinstance(tree, Display) and not any(isinstance(item, Star) for item in tree.items)


def is_mutable(tree: Tree) -> bool:
    return isinstance(tree, Display) and tree.kind in (list, dict)


def same_structure(one: Tree, other: Tree) -> bool:
    """Whether two trees are containers of one kind with the same keys and number of items."""
    return (
        is_open(one)
        and is_open(other)
        and isinstance(one, Display)
        and isinstance(other, Display)
        and one.kind is other.kind
        and one.keys == other.keys
        and len(one.items) == len(other.items)
    )


def rebuild(tree: Tree, leaf: Callable[[Tree], Tree]) -> Tree:
    """Return `tree` with every leaf replaced by `leaf(it)`, from left to right."""
    if isinstance(tree, Display) and is_open(tree):
        return replace(tree, items=tuple(rebuild(item, leaf) for item in tree.items))
    return leaf(tree)


def settled(tree: Tree) -> Tree:
    """Return `tree` as a value that nothing is put into any more: `[*items]` of a loop is what it collected."""
    if not isinstance(tree, Display):
        return tree
    if tree.kind is list and len(tree.items) == 1 and isinstance(tree.items[0], Star):
        return tree.items[0].value
    items = tuple(map(settled, tree.items))
    same = all(map(operator.is_, items, tree.items))
    return tree if same else replace(tree, items=items)


def leaves_of(tree: Tree) -> Iterator[Tree]:
    """Yield the leaves of `tree`, from left to right."""
    if isinstance(tree, Display) and is_open(tree):
        for item in tree.items:
            yield from leaves_of(item)
    else:
        yield tree


def join(trees: Sequence[Tree], leaf: Callable[[Sequence[Tree]], Tree]) -> Tree:
    """Return what all `trees` have in common, with `leaf(their leaves)` where they differ."""
    first = trees[0]
    if all(same_tree(tree, first) for tree in trees[1:]):
        return first
    if all(same_structure(tree, first) for tree in trees):
        assert isinstance(first, Display)
        columns = zip(*(tree.items for tree in trees), strict=True)  # type: ignore[union-attr]
        return replace(first, items=tuple(join(column, leaf) for column in columns))
    return leaf(trees)


def same_tree(one: Tree, other: Tree) -> bool:
    """Whether two trees are one value: for lists and dicts, one object."""
    return one is other or (not isinstance(one, Display) and one == other)


def matches(template: Tree, tree: Tree) -> bool:
    """Whether `tree` can be taken apart where `template` is."""
    if not is_open(template):
        return True
    if not same_structure(template, tree):
        return False
    pairs = zip(template.items, tree.items, strict=True)  # type: ignore[union-attr]
    return all(matches(part, item) for part, item in pairs)


def split(template: Tree, tree: Tree) -> Iterator[Tree]:
    """Yield the parts of `tree` at the leaves of `template`."""
    if not is_open(template):
        yield tree
        return
    for part, item in zip(template.items, tree.items, strict=True):  # type: ignore[union-attr]
        yield from split(part, item)


def contains(tree: Tree, part: Tree) -> bool:
    """Whether the very object `part` stands in `tree`."""
    if tree is part:
        return True
    return isinstance(tree, Display) and any(contains(item, part) for item in tree.items)


def exchange(tree: Tree, old: Tree, new: Tree) -> Tree:
    """Return `tree` with the very object `old` replaced by `new`, wherever it stands."""
    if tree is old:
        return new
    if not contains(tree, old):
        return tree
    assert isinstance(tree, Display)
    return replace(tree, items=tuple(exchange(item, old, new) for item in tree.items))
