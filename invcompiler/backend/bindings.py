"""What each name at the top of an emitted module is bound to, and which functions need what passed along.

Every object that a function refers to becomes an import, a function of the module, or a keyword-only
parameter of the main function, which hands it to whoever needs it.
"""

from __future__ import annotations

import ast
import functools
import operator
import re
import sys
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.backend import imports
from invcompiler.backend.expressions import Spelling
from invcompiler.backend.helpers import Helper, Sources, plain_function, read_helper
from invcompiler.backend.imports import Import
from invcompiler.backend.names import UNAVAILABLE
from invcompiler.backend.pieces import has_syntax, is_number, literal
from invcompiler.backend.structure import blocks, direct
from invcompiler.backend.substitute import fresh_name, stored_anywhere
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Capture,
    Closure,
    Const,
    Display,
    Function,
    Ref,
    Slice,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.recursion import identity
from invcompiler.ir.walk import free_vars

_ROOTS = {"jnp": jnp, "jax": jax, "lax": jax.lax}
_OURS = frozenset({"jax", "jnp", "functools"})
_NUMBERS = (int, float, complex)
_STATIC = (type(None), bool, str, bytes, type(Ellipsis))


@dataclass(eq=False)
class Binding:
    """A name of the module: `kind` says what is bound to it, `name` is chosen last."""

    wish: str
    name: str = ""


@dataclass(eq=False)
class Builtin(Binding):
    pass


@dataclass(eq=False)
class Imported(Binding):
    """A module or an object of one."""

    module: types.ModuleType | None = None
    place: tuple[str, str] | None = None

    def statement(self) -> Import:
        if self.module is not None:
            found = imports.import_of(self.module, self.name)
            assert found is not None
            return found
        assert self.place is not None
        return Import(self.place[0], self.place[1].partition(".")[0], self.name)


@dataclass(eq=False)
class Unit(Binding):
    """A function of the emitted module, compiled or copied."""

    function: Function | None = None
    helper: Helper | None = None
    calls: dict[Unit, None] = field(default_factory=dict)
    own: dict[Hoisted, None] = field(default_factory=dict)
    hoisted: tuple[Hoisted, ...] = ()
    meanings: dict[str, Meaning] = field(default_factory=dict)
    before: dict[Unit, None] = field(default_factory=dict)
    """The units that must stand above this one: its defaults name them."""


@dataclass(eq=False)
class Hoisted(Binding):
    """A keyword-only parameter: of a captured value, or of an object that no text can name."""

    capture: Capture | None = None
    value: Any = None

    @property
    def default(self) -> ast.expr | None:
        """Captured numbers have the value of today as their default."""
        if self.capture is None:
            return None
        value = self.capture.read()
        return literal(value) if type(value) in _NUMBERS and value == value else None


@dataclass(frozen=True)
class Meaning:
    """How an object is written: an expression whose one free name is that of `binding`."""

    binding: Binding | None
    expression: ast.expr

    def written(self) -> ast.expr:
        if self.binding is None:
            return self.expression
        return _rebased(self.expression, self.binding.name)


class Module:
    """The bindings of one emitted module, whose first function is `main`."""

    def __init__(self, main: Function, sources: Sources):
        self.sources = sources
        self.modules: dict[int, Imported] = {}
        self.objects: dict[int, Imported] = {}
        self.submodules: dict[str, None] = {}
        self.units: dict[int, Unit] = {}
        self.captures: dict[Any, Hoisted] = {}
        self.hoists: list[Hoisted] = []
        self._meanings: dict[tuple[int, str], Meaning] = {}
        self._keep: list[Any] = []
        self.main = self._function(main)
        self._share_hoists()
        self._choose_names()
        self._passed = {
            unit.name: tuple(hoisted.name for hoisted in unit.hoisted)
            for unit in self.units.values()
        }

    # ---- what is used ----

    def _function(self, function: Function) -> Unit:
        key = identity(
            function
        )  # one for a function and for the stand-in that calls it from inside
        if key in self.units:
            return self.units[key]
        unit = Unit(_word(function.name), function=function)
        self.units[key] = unit
        self._keep.append(function)
        for capture in _used_captures(function):
            unit.own[self.capture(capture)] = None
        used = set(free_vars(replace(function.body, params=())))
        for param in function.params:
            if param.default is not None and param.var in used:
                self._use_all(unit, [param.default])
        self._use_block(unit, function.body)
        return unit

    def _use_block(self, unit: Unit, block: Block) -> None:
        for equation in block.equations:
            if isinstance(equation, Apply) and isinstance(equation.fn, Ref):
                if not has_syntax(equation):
                    self._use(unit, equation.fn)
            self._use_all(unit, direct(equation))
            for inner in blocks(equation):
                self._use_block(unit, inner)
        self._use_all(unit, [block.result])

    def _use_all(self, unit: Unit, trees: Iterable[Tree]) -> None:
        for tree in trees:
            for ref in references(tree):
                self._use(unit, ref)

    def _use(self, unit: Unit, ref: Ref) -> None:
        self._depend(unit, self.meaning(ref).binding)

    def _depend(self, unit: Unit, binding: Binding | None) -> None:
        if isinstance(binding, Unit):
            unit.calls[binding] = None
        elif isinstance(binding, Hoisted):
            unit.own[binding] = None

    # ---- meanings ----

    def meaning(self, ref: Ref) -> Meaning:
        """Return how `ref` is written in this module."""
        key = (id(ref.value), ref.spelling)
        if key not in self._meanings:
            self._keep.append(ref)
            self._meanings[key] = self._meaning(ref)
        return self._meanings[key]

    def _meaning(self, ref: Ref) -> Meaning:
        if isinstance(ref.value, Function):
            return _plainly(self._function(ref.value))
        ref = _callable_operator(ref)
        path = _parsed(ref.spelling)
        first = _first_word(path)
        name = _word(ref.spelling.rpartition(".")[2]) if first != ref.spelling else first
        root = ref.root if ref.root is not None else self._usual_root(ref, first)
        if isinstance(root, types.ModuleType) and imports.is_library_module(root):
            if (binding := self._module(root, first)) is not None:
                self._import_submodules(root, path)
                return Meaning(binding, path)
        if (named := self._named(ref.value, name)) is not None:
            return self._through_module(ref, named, root, path)
        if root is not None and root is not ref.value and first != ref.spelling:
            if (holder := self._named(root, first)) is not None:
                return Meaning(holder, path)
        return _plainly(self._object(ref.value, name))

    def _through_module(self, ref: Ref, named: Binding, root: Any, path: ast.expr) -> Meaning:
        """Return `flows.State` or `jnp.tanh` for what is imported and was not named by one word."""
        if not isinstance(named, Imported) or named.place is None or isinstance(path, ast.Name):
            return _plainly(named)
        module, name = sys.modules[named.place[0]], named.place[1]
        if isinstance(root, types.ModuleType):
            binding = self._module(root, _first_word(path))
        elif imports.is_library_module(module):
            binding, path = self._module(module, imports.usual_alias(module)), _dotted("_", name)
        else:
            return _plainly(named)
        if binding is None:
            return _plainly(named)
        self.objects.pop(id(ref.value), None)
        return Meaning(binding, path)

    def _usual_root(self, ref: Ref, first: str) -> Any:
        """Return the module that `jnp` usually is, for a Ref that a pass made without saying so."""
        root = _ROOTS.get(first)
        tail = ref.spelling.partition(".")[2]
        return (
            root if root is not None and imports.lookup(root.__name__, tail) is ref.value else None
        )

    def _named(self, value: Any, name: str) -> Binding | None:
        """Return what binds a name to `value` without a parameter, or None if nothing does."""
        if imports.is_builtin(value, name):
            return Builtin(name, name)
        if isinstance(value, types.ModuleType):
            return self._module(value, name)
        function = plain_function(value)
        if function is not None and not imports.is_library_function(function):
            copied = self._copied(function, name)
            if copied is not None:
                return copied
        place = imports.public_place(value, name)
        return None if place is None else self._imported(value, place, name)

    def _module(self, module: types.ModuleType, alias: str) -> Imported | None:
        if imports.import_of(module, alias) is None:
            return None
        return self.modules.setdefault(id(module), Imported(alias, module=module))

    def _imported(self, value: Any, place: tuple[str, str], name: str) -> Imported | None:
        if "." in place[1]:
            return None
        self._keep.append(value)
        return self.objects.setdefault(id(value), Imported(name, place=place))

    def _import_submodules(self, root: types.ModuleType, path: ast.expr) -> None:
        """See to it that `jax.scipy.special` is loaded where `import jax` alone may not do that."""
        if root is jnp:  # which loads what it has
            return
        value: Any = root
        for name in _attributes(path):
            value = getattr(value, name, None)
            if not isinstance(value, types.ModuleType):
                return
            if value.__name__.startswith("jax.numpy."):
                continue  # they come with it
            if root is not jax or value.__name__.count(".") > 1:
                self.submodules[value.__name__] = None

    def _object(self, value: Any, wish: str) -> Hoisted:
        key = ("object", id(value))
        if key not in self.captures:
            self._keep.append(value)
            self.captures[key] = Hoisted(wish, value=value)
        return self.captures[key]

    def capture(self, capture: Capture) -> Hoisted:
        key = _place(capture)
        if key not in self.captures:
            last = capture.steps[-1][1] if capture.steps else capture.name
            wish = last if isinstance(last, str) and last.isidentifier() else capture.name
            self.captures[key] = Hoisted(wish, capture=capture)
        return self.captures[key]

    # ---- copied functions ----

    def _copied(self, function: types.FunctionType, name: str) -> Unit | None:
        if id(function) in self.units:
            return self.units[id(function)]
        helper = read_helper(function, self.sources)
        if helper is None:
            return None
        wish = helper.node.name if function.__name__.isidentifier() else name
        unit = self.units[id(function)] = Unit(wish, helper=helper)
        for free, capture in helper.free:
            unit.meanings[free] = self._free_meaning(free, capture)
            binding = unit.meanings[free].binding
            self._depend(unit, binding)
            if free in helper.needed_at_definition and isinstance(binding, Unit):
                unit.before[binding] = None
        if self._needs_values_at_definition(unit):
            del self.units[id(function)]
            return None
        return unit

    def _needs_values_at_definition(self, unit: Unit) -> bool:
        """Whether a default of `unit` would need a captured value, which there is not outside functions."""
        assert unit.helper is not None
        bindings = (unit.meanings[name].binding for name in unit.helper.needed_at_definition)
        return any(
            isinstance(binding, Hoisted)
            or (isinstance(binding, Unit) and any(one.own for one in _reachable(binding)))
            for binding in bindings
        )

    def _free_meaning(self, name: str, capture: Capture) -> Meaning:
        value = capture.read()
        if isinstance(value, _STATIC):
            return Meaning(None, literal(value))
        if self.sources.is_hoisted(value):
            return _plainly(self.capture(capture))
        return _plainly(self._named(value, name) or self._object(value, name))

    # ---- names ----

    def _share_hoists(self) -> None:
        """Give each function the parameters that it or any function it calls needs."""
        needed = {unit: dict(unit.own) for unit in self.units.values()}
        changed = True
        while changed:
            changed = False
            for unit, hoists in needed.items():
                before = len(hoists)
                for called in unit.calls:
                    hoists.update(needed[called])
                changed |= len(hoists) > before
        self.hoists = list(needed[self.main])
        for unit, hoists in needed.items():
            unit.hoisted = tuple(hoists)

    def _choose_names(self) -> None:
        taken = self._taken = {*UNAVAILABLE, *self._parameters()}
        self._call(self.main, taken, self.main.wish)
        for module in self.modules.values():
            assert module.module is not None
            usual = imports.usual_alias(module.module)
            self._call(module, taken, module.wish if module.wish not in taken else usual)
        for binding in (*self.units.values(), *self.objects.values(), *self.captures.values()):
            if not binding.name:
                self._call(binding, taken, binding.wish)

    def _call(self, binding: Binding, taken: set[str], wish: str) -> None:
        binding.name = fresh_name(wish, taken) if wish in taken else wish
        taken.add(binding.name)

    def _parameters(self) -> Iterator[str]:
        for unit in self.units.values():
            if unit.function is not None:
                yield from (param.var.name or "_" for param in unit.function.params)
            if unit.helper is not None:
                arguments = unit.helper.node.args
                yield from (node.arg for node in ast.walk(arguments) if isinstance(node, ast.arg))
                yield from stored_anywhere(unit.helper.node.body)

    def names(self) -> set[str]:
        """Return every name of the module: no local name may hide one."""
        bindings = (*self.modules.values(), *self.objects.values(), *self.units.values())
        return {binding.name for binding in (*bindings, *self.captures.values())} | _OURS

    def import_statements(self) -> list[ast.stmt]:
        used = [binding.statement() for binding in (*self.modules.values(), *self.objects.values())]
        roots = {one.module for one in used if one.name is None and one.alias == one.module}
        for name in self.submodules:
            if (top := name.partition(".")[0]) in roots:
                used.append(Import(name, None, top))
        return imports.statements(used)

    # ---- for `to_ast` ----

    def spelling(self) -> Spelling:
        return Spelling(
            self._written,
            self._is_inner,
            self._needs,
            self._lax,
            self._jnp,
            self._jax,
            self._partial,
        )

    def _written(self, ref: Ref) -> ast.expr:
        return self.meaning(ref).written()

    def _is_inner(self, ref: Ref) -> bool:
        """Whether a default cannot name an object: it is a parameter, a function further down, or no other text names it."""
        meaning = self._meanings.get((id(ref.value), ref.spelling))
        return meaning is None or isinstance(meaning.binding, Unit | Hoisted)

    def _needs(self, name: str) -> tuple[str, ...]:
        return self._passed.get(name, ())

    def _lax(self, name: str) -> ast.expr:
        if id(jax.lax) in self.modules:
            return _dotted(self.modules[id(jax.lax)].name, name)
        return _dotted(self._our(jax, "jax"), f"lax.{name}")

    def _jnp(self, name: str) -> ast.expr:
        return _dotted(self._our(jnp, "jnp"), name)

    def _jax(self, name: str) -> ast.expr:
        return _dotted(self._our(jax, "jax"), name)

    def _partial(self) -> ast.expr:
        return _dotted(self._our(functools, "functools"), "partial")

    def _our(self, module: types.ModuleType, alias: str) -> str:
        """Return the name of a module that the emitted code needs, and that the user's may not."""
        if id(module) not in self.modules:
            binding = self.modules[id(module)] = Imported(alias, module=module)
            self._call(binding, self._taken, alias)
        return self.modules[id(module)].name


def _reachable(unit: Unit) -> list[Unit]:
    """Return `unit` and the units that it calls, directly or not."""
    found = {unit: None}
    waiting = [unit]
    while waiting:
        new = [called for called in waiting.pop().calls if called not in found]
        found.update(dict.fromkeys(new))
        waiting += new
    return list(found)


# ---- references ---------------------------------------------------------------------------------


def references(tree: Tree) -> Iterator[Ref]:
    """Yield the objects that `tree` names, and the constants that only a name can spell."""
    match tree:
        case Ref():
            yield tree
        case Display():
            if tree.spelling is not None:
                yield tree.spelling
            for item in tree.items:
                yield from references(item)
        case Slice():
            for part in (tree.lower, tree.upper, tree.step):
                yield from references(part)
        case Star():
            yield from references(tree.value)
        case Closure():
            for _, value in tree.env:
                yield from references(value)
        case Var() | Const():
            return


def _used_captures(function: Function) -> list[Capture]:
    """Return the captures that the text of `function` reads: a number that is only a default is stated there."""
    defaults = {param.default for param in function.params if isinstance(param.default, Var)}
    in_body = set(free_vars(function.body))
    return [
        capture
        for var, capture in function.captures
        if var in in_body or (var in defaults and not is_number(capture))
    ]


def _word(name: str) -> str:
    """Return `name` as one that a `def` can have."""
    word = re.sub(r"\W+", "_", name.replace("<lambda>", "function")).strip("_")
    return (
        word if word.isidentifier() and word not in UNAVAILABLE else f"{word or 'value'}_function"
    )


def _callable_operator(ref: Ref) -> Ref:
    """Return `operator.add` for a Ref that is spelled `+`, where it is not written as an operator."""
    if getattr(ref.value, "__module__", None) != "_operator":
        return ref
    return Ref(ref.value, f"operator.{ref.value.__name__}", operator)


def _place(capture: Capture) -> Any:
    """Return what identifies the place that `capture` reads, from whichever function it is read."""
    scope: Any = capture.scope
    if isinstance(scope, types.FunctionType):
        code = scope.__code__
        if capture.name in code.co_freevars:
            scope = (scope.__closure__ or ())[code.co_freevars.index(capture.name)]
        else:
            scope = scope.__globals__
    return (id(scope), capture.name, repr(capture.steps))


def _plainly(binding: Binding) -> Meaning:
    return Meaning(binding, ast.Name(binding.wish, ast.Load()))


def _parsed(spelling: str) -> ast.expr:
    if "<" in spelling:  # the name of a lambda
        return ast.Name(_word(spelling), ast.Load())
    return ast.parse(spelling, mode="eval").body


def _first_word(path: ast.expr) -> str:
    while isinstance(path, ast.Attribute | ast.Subscript):
        path = path.value
    assert isinstance(path, ast.Name)
    return path.id


def _attributes(path: ast.expr) -> list[str]:
    names: list[str] = []
    while isinstance(path, ast.Attribute | ast.Subscript):
        if isinstance(path, ast.Attribute):
            names.append(path.attr)
        path = path.value
    return names[::-1]


def _rebased(path: ast.expr, name: str) -> ast.expr:
    match path:
        case ast.Attribute():
            return ast.Attribute(_rebased(path.value, name), path.attr, ast.Load())
        case ast.Subscript():
            return ast.Subscript(_rebased(path.value, name), path.slice, ast.Load())
        case _:
            return ast.Name(name, ast.Load())


def _dotted(first: str, rest: str) -> ast.expr:
    value: ast.expr = ast.Name(first, ast.Load())
    for part in rest.split("."):
        value = ast.Attribute(value, part, ast.Load())
    return value
