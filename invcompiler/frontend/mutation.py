"""What changes in place. Lists and dicts that the text builds are followed, through every name they have.

Everything else that changes is kept apart: the statements from the one that makes a value to the last one
that changes it are copied as one piece, and what was made elsewhere must not change at all.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from invcompiler.errors import SourceUnavailableError
from invcompiler.frontend.expressions import GETITEM, OPERATORS, dict_items, operation
from invcompiler.frontend.lowering import Local, Lowering, Unbound, Unfollowed
from invcompiler.frontend.names import bound_names, children, every, parameters
from invcompiler.frontend.source import text_of
from invcompiler.frontend.structure import contains, is_mutable, is_open
from invcompiler.frontend.survey import changed_values, given_on, root_name, survey
from invcompiler.ir.nodes import Const, Display, Ref, Star, Tree, Var

_HARMLESS = frozenset(
    "block_until_ready debug info warning error exception log write flush print record perturb sow".split()
)


def written_region(lowering: Lowering, statements: list[ast.stmt], at: int) -> int | None:
    """Return where the last change ends of a value that the statement at `at` makes, if it changes."""
    changed = lowering.unit.survey().changed
    node = statements[at]
    if not changed or not isinstance(node, ast.Assign | ast.AnnAssign | ast.FunctionDef):
        return None
    made = [name for name in bound_names([node]) if name in changed]
    last = at
    for place in range(at + 1, len(statements)) if made else ():
        if any(name in lowering.unit.survey(statements[place]).changed for name in made):
            last = place
    return None if last == at else last + 1


def makes_followed(lowering: Lowering, node: ast.stmt) -> bool:
    """Lower a binding if what it makes are lists and dicts that the text shows; return whether it did."""
    mark = lowering.mark()
    changed = lowering.unit.survey().changed
    made = [name for name in bound_names([node]) if name in changed]
    try:
        lowering.statement(node)
        followed = all(is_mutable(lowering.env[name]) for name in made)  # type: ignore[arg-type]
    except Unfollowed:
        followed = False
    if not followed:
        lowering.undo(mark)
    return followed


# ---- changes that are followed --------------------------------------------------------------------


def is_followed_change(lowering: Lowering, target: ast.Subscript) -> bool:
    return is_mutable(lowering.receiver(target.value))


def store(lowering: Lowering, target: ast.expr, value: Tree) -> None:
    """Lower `target = value` for an item of a list or dict that the text builds."""
    if not isinstance(target, ast.Subscript):
        raise Unfollowed("assignment to an attribute", target)
    before = lowering.receiver(target.value)
    if not is_mutable(before):
        raise Unfollowed("assignment to items in place", target)
    assert isinstance(before, Display)
    index = lowering.expression(target.slice)
    if not isinstance(index, Const):
        raise Unfollowed("assignment to an item with a computed index", target)
    after = with_item(before, index.value, value)
    if after is None:
        raise Unfollowed("assignment to an item that is not there", target)
    lowering.replace(before, after, _name(target.value))


def with_item(before: Display, index: object, value: Tree) -> Display | None:
    if before.kind is dict:
        items = dict(zip(before.keys or (), before.items, strict=True))
        items[index] = value
        return Display(dict, tuple(items.values()), tuple(items))
    if not is_open(before) or type(index) is not int:
        return None
    if not -len(before.items) <= index < len(before.items):
        return None
    items_ = list(before.items)
    items_[index] = value
    return replace(before, items=tuple(items_))


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def extend_in_place(
    lowering: Lowering, before: Tree, kind: type, value: Tree, node: ast.AugAssign
) -> None:
    assert isinstance(before, Display)
    after: Tree | None = None
    if before.kind is list and kind is ast.Add:
        after = _extended(before, value)
    elif before.kind is list and kind is ast.Mult:
        after = operation(lowering, kind, before, value, node)
    elif before.kind is dict and kind is ast.BitOr:
        after = _updated(before, value)
    if not isinstance(after, Display):
        raise Unfollowed("a list or dict that is extended in place", node)
    lowering.replace(before, after, _name(node.target))


def _extended(before: Display, value: Tree) -> Display:
    if isinstance(value, Display) and issubclass(value.kind, tuple | list):
        return replace(before, items=(*before.items, *value.items))
    return replace(before, items=(*before.items, Star(value)))


def _updated(before: Display, value: Tree) -> Display | None:
    new = dict_items(value)
    if new is None:
        return None
    items = {**(dict_items(before) or {}), **new}
    return Display(dict, tuple(items.values()), tuple(items))


def changed_by_method(
    before: Display, method: str, args: tuple[Tree, ...], kwargs: dict[str | None, Tree]
) -> tuple[Display, Tree] | None:
    """Return a list or dict after a call of one of its methods, and what the call returns."""
    none = Const(None)
    match method, args:
        case "append", (value,) if before.kind is list and not kwargs:
            return replace(before, items=(*before.items, value)), none
        case "extend", (value,) if before.kind is list and not kwargs:
            return _extended(before, value), none
        case "clear", () if not kwargs:
            return replace(before, items=(), keys=None if before.keys is None else ()), none
        case "update", () | (_,) if before.kind is dict and None not in kwargs:
            after = _updated(before, args[0]) if args else before
            named = Display(dict, tuple(kwargs.values()), tuple(kwargs))
            return None if after is None else (_updated(after, named) or after, none)
    return _with_position(before, method, args) if not kwargs else None


def _with_position(before: Display, method: str, args: tuple[Tree, ...]):
    constants = [arg.value for arg in args if isinstance(arg, Const)]
    if before.kind is dict:
        return _popped_key(before, args, constants) if method == "pop" else None
    if not is_open(before):
        return None
    items = list(before.items)
    match method, args:
        case "reverse", ():
            return replace(before, items=tuple(reversed(items))), Const(None)
        case "insert", (Const(value=place), value) if type(place) is int:
            items.insert(place, value)
            return replace(before, items=tuple(items)), Const(None)
        case "pop", () | (Const(),) if items:
            place = constants[0] if constants else -1
            if type(place) is not int or not -len(items) <= place < len(items):
                return None
            value = items.pop(place)
            return replace(before, items=tuple(items)), value
    return None


def _popped_key(before: Display, args: tuple[Tree, ...], constants: list):
    items = dict_items(before) or {}
    if not args or not isinstance(args[0], Const) or len(args) > 2:
        return None
    if constants[0] not in items:
        return (before, args[1]) if len(args) == 2 else None
    value = items.pop(constants[0])
    return Display(dict, tuple(items.values()), tuple(items)), value


# ---- calls for their effect -------------------------------------------------------------------------


def bare_call(lowering: Lowering, node: ast.Call) -> None:
    """Lower a call whose value is not used: it is made for what it changes, or for nothing."""
    func = node.func
    if isinstance(func, ast.Attribute):
        if _collects(lowering, func, node):
            return
        receiver = lowering.receiver(func.value)
        if func.attr not in _HARMLESS and not is_mutable(receiver) and not _is_named(receiver):
            raise _effect(lowering, node)
    lowering.whole = node
    if changed_values(node):
        raise Unfollowed("a function that changes its argument in place", node)
    lowering.expression(node)


def _is_named(receiver: Tree) -> bool:
    """Whether what is called is a function of a module or class, rather than of an object."""
    return isinstance(receiver, Ref) and isinstance(receiver.value, types.ModuleType | type)


def _effect(lowering: Lowering, node: ast.Call) -> Exception:
    if changed_values(node) or changed_values(ast.Expr(node)):
        return Unfollowed("a method that changes its object", node)
    what = "a method that is called for its effect"
    return lowering.unsupported(what, node, "let it return what it computes")


def _collects(lowering: Lowering, func: ast.Attribute, node: ast.Call) -> bool:
    """Whether the call appends to a list that the loop around it collects."""
    name = _name(func.value)
    if name is None or func.attr != "append" or name not in lowering.collections:
        return False
    lowering.collections[name][name] = lowering.expression(node.args[0])
    return True


def refuse_change_of_arguments(
    lowering: Lowering, function: object, args: Iterable[Tree], node: ast.AST
) -> None:
    """Refuse to pass a list or dict that has a name to a function that changes its arguments."""
    shared = [arg for arg in args if is_mutable(arg) and id(arg) in lowering.unit.shared]
    if not shared or not isinstance(function, types.FunctionType | type):
        return
    if isinstance(function, types.FunctionType) and changes_parameters(function):
        raise lowering.unsupported("a function that changes its argument in place", node)
    for arg in shared:
        lowering.unit.freeze(arg)


def changes_parameters(function: types.FunctionType) -> bool:
    try:
        node = text_of(function).node
    except SourceUnavailableError:
        return False
    names = {argument.arg for argument in parameters(node.args)}
    return not names.isdisjoint(survey(node).changed)


# ---- what copied code changes -------------------------------------------------------------------------


def changed_outside(lowering: Lowering, nodes: Sequence[ast.AST]) -> tuple[str, ...]:
    """Return the followed lists and dicts that copied code changes; refuse any other change from outside."""
    own = bound_names(nodes)
    found = []
    seen = survey(*nodes)
    augmented = {
        name: node for name, node in seen.augmented.items() if may_change(lowering, name, node)
    }
    for name, node in (seen.changed | augmented).items():
        if name in own and binds_first(lowering, nodes, name):
            continue
        entry = lowering.env.get(name)
        followed = (
            entry is not None and not isinstance(entry, Local | Unbound) and is_mutable(entry)
        )
        if not followed or id(entry) in (lowering.unit.shared | lowering.unit.frozen):
            raise lowering.unsupported(
                f"a change of `{name}` in place",
                node,
                f"make a new value, and assign it to `{name}`",
            )
        found.append(name)
    if seen.changed or augmented:
        found += _escaping(lowering, nodes, found)
    return tuple(found)


def _escaping(lowering: Lowering, nodes: Sequence[ast.AST], changed: Sequence[str]) -> list[str]:
    """Return the other lists and dicts that copied code may give the names of those that it changes."""
    escaping = []
    for name in given_on(nodes):
        entry = lowering.env.get(name)
        if name in changed or not isinstance(entry, Display) or not is_mutable(entry):
            continue
        if lowering.unit.is_shared(entry):
            what = f"a change of what may be `{name}`"
            raise lowering.unsupported(what, nodes[0], "make a new value")
        escaping.append(name)
    return escaping


def may_be_shared_list(lowering: Lowering, before: Tree, value: Tree) -> bool:
    """Whether `before += value` may change a list or a NumPy array that has another name."""
    if not isinstance(before, Var):
        return False
    unit = lowering.unit
    if unit.lists.get(before) or (before in unit.copied and _may_be_list(lowering, value)):
        return True
    if not _is_numpys(lowering, before):
        return False
    trees = (entry for entry in lowering.env.values() if isinstance(entry, Var | Display))
    return sum(contains(tree, before) for tree in trees) > 1


def _may_be_list(lowering: Lowering, value: Tree) -> bool:
    """Whether `value` may be a list: what is not known to be one, or to be made of one, is taken for a number."""
    unit = lowering.unit
    made = unit.made.get(value) if isinstance(value, Var) else None
    if made is None or not isinstance(made.fn, Ref):
        return isinstance(value, Display) or value in unit.lists or value in unit.copied
    if made.fn in _OF_LISTS:
        return any(_may_be_list(lowering, part) for part in made.args)
    return value in unit.lists


_OF_LISTS = (OPERATORS[ast.Add], OPERATORS[ast.Mult], GETITEM)


def _is_numpys(lowering: Lowering, var: Var) -> bool:
    """Whether `var` was made by a function of NumPy: its value changes under `+=`."""
    made = lowering.unit.made.get(var)
    return isinstance(getattr(made, "fn", None), Ref) and is_numpys(made.fn.value)  # type: ignore[union-attr]


def is_numpys(fn: object) -> bool:
    module = getattr(fn, "__module__", None) or getattr(type(fn), "__module__", None) or ""
    return module.partition(".")[0] == "numpy"


def may_change(lowering: Lowering, name: str, node: ast.AST) -> bool:
    """Whether `name += value` may change an object rather than bind the name to another one."""
    entry = lowering.env.get(name)
    if isinstance(entry, Var) and entry in lowering.unit.copied:
        value = node.value  # type: ignore[attr-defined]
        named = lowering.env.get(value.id) if isinstance(value, ast.Name) else None
        listed = isinstance(named, Display) or named in lowering.unit.copied
        return listed or isinstance(value, ast.List | ast.ListComp | ast.Tuple)
    if isinstance(entry, Var):
        return entry in lowering.unit.lists or _is_numpys(lowering, entry)
    return entry is not None and not isinstance(entry, Local | Unbound) and is_mutable(entry)


def binds_first(lowering: Lowering, nodes: Sequence[ast.AST], name: str) -> bool:
    """Whether the first thing that `nodes` do with `name` is to give it a value of its own, whatever happens."""
    first = nodes[0]
    if isinstance(first, ast.FunctionDef) and first.name == name:
        return True
    if not isinstance(first, ast.Assign | ast.AnnAssign) or name not in bound_names([first]):
        return False
    if first.value is None or any(
        isinstance(part, ast.Name) and part.id == name for part in every(first.value)
    ):
        return False
    return not any(is_alias(lowering, part, sure) for part, sure in may_be(first.value))


def may_be(node: ast.expr) -> Iterator[tuple[str, bool]]:
    """Yield the names whose values `node` may be or hold; for arguments of calls that is not sure."""
    match node:
        case ast.Name(id=name):
            yield name, True
        case ast.Subscript() | ast.Attribute():
            if (name := root_name(node)) is not None:
                yield name, True
        case ast.Call(func=ast.Attribute(attr=attr)) if attr in _MAKES_NEW:
            return
        case ast.Call():
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                yield from ((name, False) for name, _ in may_be(argument))
        case ast.BinOp() | ast.Compare() | ast.UnaryOp():
            return
        case _:
            for part in children(node):
                if isinstance(part, ast.expr):
                    yield from may_be(part)


_MAKES_NEW = frozenset(
    "array copy deepcopy zeros ones empty full zeros_like ones_like empty_like full_like arange eye".split()
)


def is_alias(lowering: Lowering, name: str, sure: bool) -> bool:
    """Whether what is made of the value of `name` may be an object that has that name as well."""
    entry = lowering.env.get(name)
    if entry is None or isinstance(entry, Local | Unbound | Const):
        return False
    unit = lowering.unit
    return sure or isinstance(entry, Display) or entry in unit.lists or entry in unit.copied
