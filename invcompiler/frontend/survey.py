"""What a function's text contains, found in one walk: most of what must be looked for is not there."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from invcompiler.frontend.names import every

CHANGES = frozenset(
    "append extend insert remove pop clear sort reverse update setdefault popitem add discard fill put "
    "resize setflags itemset partition appendleft extendleft popleft rotate difference_update "
    "intersection_update symmetric_difference_update __setitem__ __delitem__ __iadd__".split()
)
_RULES = frozenset({"defjvp", "defjvps", "defvjp"})  # they give a function its derivative
VALUE_AND_CHANGE = frozenset({"pop", "popitem", "setdefault", "popleft"})
_CHANGES_ARGUMENT = frozenset(
    "fill_diagonal copyto place putmask put_along_axis shuffle heappush heappop heapify insort "
    "insort_left insort_right setattr delattr setitem delitem iadd".split()
)


@dataclass(frozen=True, eq=False)
class Survey:
    """The kinds of node in a text, how often it reads each name, and the names whose values it changes in place.

    `augmented` are the names in `a += b`, which changes a list and rebinds a number.
    """

    kinds: frozenset[type]
    loads: dict[str, int]
    changed: dict[str, ast.AST]
    augmented: dict[str, ast.AST]


def survey(*nodes: ast.AST) -> Survey:
    kinds: set[type] = set()
    loads: dict[str, int] = {}
    changed: dict[str, ast.AST] = {}
    augmented: dict[str, ast.AST] = {}
    for node in every(*nodes):
        kind = node.__class__
        kinds.add(kind)
        if kind is ast.Name:
            if node.ctx.__class__ is ast.Load:  # type: ignore[attr-defined]
                loads[node.id] = loads.get(node.id, 0) + 1  # type: ignore[attr-defined]
        elif kind in _MAY_CHANGE:
            if kind is ast.AugAssign and isinstance(node.target, ast.Name):  # type: ignore[attr-defined]
                name = node.target.id  # type: ignore[attr-defined]
                loads[name] = loads.get(name, 0) + 1
                augmented.setdefault(name, node)
            for expr in changed_values(node):
                if (name := root_name(expr)) is not None:
                    changed.setdefault(name, node)
    return Survey(frozenset(kinds), loads, changed, augmented)


_MAY_CHANGE = frozenset(
    {ast.Subscript, ast.Attribute, ast.Expr, ast.Call, ast.AugAssign, ast.FunctionDef}
)


_TAKES_ITEMS = frozenset(
    {"len", "sum", "min", "max", "sorted", "list", "tuple", "dict", "enumerate"}
)


def given_on(nodes: Sequence[ast.AST]) -> dict[str, None]:
    """Return the names whose values `nodes` pass on as they are, so that they may get other names."""
    used: set[ast.AST] = set()
    names: dict[str, None] = {}
    for node in every(*nodes):
        used.update(_only_used(node))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node not in used:
            names.setdefault(node.id)
    return names


def _only_used(node: ast.AST) -> Sequence[ast.AST]:
    """Return the operands of `node` that do not become its value."""
    match node:
        case ast.Subscript() | ast.Attribute() | ast.FormattedValue() | ast.Starred():
            return (node.value,)
        case ast.For() | ast.comprehension():
            return (node.iter,)
        case ast.BinOp():
            return (node.left, node.right)
        case ast.Compare():
            return (node.left, *node.comparators)
        case ast.If() | ast.While() | ast.IfExp():
            return (node.test,)
        case ast.Call(func=ast.Name(id=name)) if name in _TAKES_ITEMS:
            return node.args
    return ()


def changed_values(node: ast.AST) -> Sequence[ast.expr]:
    """Return the expressions whose values `node` itself changes in place."""
    match node:
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            return (value,)
        case ast.Attribute(value=value, ctx=ast.Store() | ast.Del()):
            return (value,)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=value, attr=attr))) if (
            attr in CHANGES or attr in _RULES
        ):
            return (value,)
        case ast.FunctionDef(decorator_list=decorators):
            return [rule for rule in map(_ruled, decorators) if rule is not None]
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in VALUE_AND_CHANGE:
            return (value,)
        case ast.Call(func=ast.Attribute(attr=attr) | ast.Name(id=attr), args=[first, *_]):
            changes = attr in _CHANGES_ARGUMENT and not _is_out_of_place(node)
            return (first,) if changes else ()
    return ()


def _ruled(decorator: ast.expr) -> ast.expr | None:
    """Return `f` for `@f.defjvp` and `@partial(f.defjvp, symbolic_zeros=True)`."""
    match decorator:
        case ast.Attribute(value=value, attr=attr) if attr in _RULES:
            return value
        case ast.Call(args=[first, *_]):
            return _ruled(first)
    return None


def root_name(node: ast.expr) -> str | None:
    """Return `d` for `d["a"].rows[0]`."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _is_out_of_place(call: ast.Call) -> bool:
    """Whether a call says that it leaves its argument as it is: `jnp.fill_diagonal(a, v, inplace=False)`."""
    return any(
        keyword.arg == "inplace"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is False
        for keyword in call.keywords
    )
