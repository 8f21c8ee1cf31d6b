"""Choose the final names: the user's, each as soon as it is free again, and the same in every run.

A var's name is a wish. A name is used again when the value that had it is no longer needed
(`b = (b - t) * jnp.exp(-s)`), else it gets a number: `b_1`. What a loop carries or a branch yields has one
name in all of its blocks, so that no copies are needed where liveness allows. What has no name of its own is called for the
value that it was made from, or for the function that made it.
"""

from __future__ import annotations

import builtins
import keyword
import operator
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from invcompiler.backend.nest import Body, Nest, Pattern, Step
from invcompiler.backend.structure import blocks, direct
from invcompiler.backend.substitute import stored_names
from invcompiler.ir.nodes import (
    Apply,
    Branch,
    BranchKind,
    Closure,
    Const,
    Display,
    Equation,
    Function,
    Loop,
    LoopKind,
    Method,
    Opaque,
    Ref,
    Slice,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import iter_leaves, leaves

UNAVAILABLE = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins)})
"""Names that no value may have: keywords, and builtins, which must not be shadowed. (A parameter of the user's may.)"""

_NUMBERED = re.compile(r"(.*?)_(\d+)$")
_OPERATORS = frozenset(id(fn) for fn in vars(operator).values() if callable(fn))


_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne", "is_", "is_not", "not_", "contains")
_CONDITIONS = frozenset(id(getattr(operator, name)) for name in _COMPARISONS)


@dataclass(eq=False)
class Names:
    """The final names of one function."""

    of: dict[Var, str] = field(default_factory=dict)
    functions: dict[Equation, tuple[str, ...]] = field(default_factory=dict)
    """The names of the local functions that a loop or branch is printed with."""
    lists: dict[Var, str] = field(default_factory=dict)
    records: dict[Equation, tuple[str, str]] = field(default_factory=dict)
    """What a local function calls its carried values and its items, where these are several."""
    temporaries: dict[Opaque, dict[str, str]] = field(default_factory=dict)
    closures: dict[Closure, str] = field(default_factory=dict)


def choose_names(
    function: Function, nest: Nest, module_names: Iterable[str], hoisted: dict[Var, str]
) -> Names:
    """Return names for all that `function` binds, other than `module_names` and builtins.

    Parameters keep the names that they have: callers use them. `hoisted` are the names of captured values.
    """
    namer = _Namer(nest, UNAVAILABLE | set(module_names))
    scope = _Scope(namer.reserved)
    for param in function.params:
        assert param.var.name is not None
        namer.bind(scope, param.var, param.var.name)
    namer.names.of.update(hoisted)
    namer.body(nest.body, scope, owned=tuple(param.var for param in function.params))
    return namer.names


class _Scope:
    """The names that are taken in one Python scope."""

    def __init__(
        self, reserved: frozenset[str] | set[str], holders: dict[str, Var | None] | None = None
    ):
        self.reserved = reserved
        self.holders = {} if holders is None else dict(holders)
        self.next: dict[str, int] = {}

    def copy(self) -> _Scope:
        return _Scope(self.reserved, self.holders)

    def is_free(self, name: str) -> bool:
        return name not in self.holders and name not in self.reserved

    def pick(self, wish: str) -> str:
        """Return `wish` if it is free, else the first free name with a number."""
        if self.is_free(wish):
            return wish
        match = _NUMBERED.fullmatch(wish)
        base = match[1] if match else wish
        number = self.next.get(base, 1)
        while not self.is_free(f"{base}_{number}"):
            number += 1
        self.next[base] = number
        return f"{base}_{number}"

    def take(self, name: str, var: Var | None) -> None:
        self.holders[name] = var

    def release(self, name: str) -> None:
        self.holders.pop(name, None)
        match = _NUMBERED.fullmatch(name)
        if match and match[1] in self.next:
            self.next[match[1]] = min(self.next[match[1]], int(match[2]))


class _Namer:
    def __init__(self, nest: Nest, reserved: frozenset[str]):
        self.nest = nest
        self.reserved = reserved
        self.names = Names()
        self.wishes: dict[Var, str] = {}
        self.forced: dict[Var, str] = {}
        self.immortal: set[Var] = set()

    # ---- wishes ----

    def wish(self, var: Var) -> str:
        if var in self.wishes:
            return self.wishes[var]
        if var.name is not None and var.name.isidentifier() and var.name != "_":
            wish = var.name
        elif var in self.nest.inlined:
            wish = self._made_by(self.nest.inlined[var])
        else:
            wish = self.names.of.get(var, "value")
        self.wishes[var] = wish
        return wish

    def _made_by(self, equation: Equation) -> str:
        """Return a name for what `equation` computes: that of its main operand, or of its function."""
        match equation:
            case Apply(fn=Method(name=name)):
                return self._operand(equation.args[0]) or name
            case Apply(fn=Ref(value=fn), args=(_, Const(value=str() as name))) if fn is getattr:
                return name
            case Apply(fn=Ref(value=fn)) if id(fn) in _CONDITIONS:
                return "condition"
            case Apply(fn=Ref(value=fn)) if id(fn) in _OPERATORS:
                return next(filter(None, map(self._operand, equation.args)), "value")
            case Apply(fn=Ref(spelling=spelling)):
                return self._result_of(spelling, equation.args)
            case Loop():
                return "items" if not equation.init else self.wish(equation.body.params[0])
            case Branch() | Opaque() | Apply():
                return "value"

    def _operand(self, tree: Tree) -> str | None:
        match tree:
            case Var():
                return self.wish(tree)
            case Star():
                return self._operand(tree.value)
            case Display(items=items):
                return next(filter(None, map(self._operand, items)), None)
            case Const() | Ref() | Slice() | Closure():
                return None

    def _result_of(self, spelling: str, args: tuple[Tree, ...]) -> str:
        function = re.sub(r"\W+", "_", spelling.rpartition(".")[2]).strip("_") or "value"
        operand = args[0] if len(args) == 1 else None
        if isinstance(operand, Var) and operand.name is not None and len(operand.name) <= 12:
            return f"{function}_{operand.name}"
        return f"{function}_out" if function in self.reserved else function

    # ---- binding ----

    def bind(self, scope: _Scope, var: Var, name: str) -> None:
        self.names.of[var] = name
        scope.take(name, var)

    def _bind_wish(self, scope: _Scope, var: Var) -> None:
        forced = self.forced.get(var)
        name = forced if forced is not None and scope.is_free(forced) else None
        self.bind(scope, var, name or scope.pick(self.wish(var)))

    def _release(self, scope: _Scope, variables: Iterable[Var]) -> None:
        for var in variables:
            name = self.names.of.get(var)
            if name is not None and scope.holders.get(name) is var and var not in self.immortal:
                scope.release(name)

    # ---- bodies ----

    def body(self, body: Body, scope: _Scope, owned: tuple[Var, ...]) -> None:
        """Name what `body` binds. `owned` are the vars from outside that may die in it."""
        last = _last_reads(body, self.nest)
        dying: dict[int, list[Var]] = defaultdict(list)
        for var in owned:
            dying[last.get(var, -1)].append(var)
        self._release(scope, dying[-1])
        for at, step in enumerate(body.steps):
            self._hold_closures(scope, step.closures)
            self._step(step, scope, tuple(v for v in dying.pop(at, ()) if v not in self.immortal))
            for var in bound(step.targets):
                self._schedule(var, last.get(var), dying, scope)
        self._hold_closures(scope, body.result_closures)
        self._expressions((body.result,), scope)

    def _schedule(self, var: Var, last: int | None, dying: dict, scope: _Scope) -> None:
        if last is None:
            self._release(scope, (var,))
        else:
            dying[last].append(var)

    def _hold_closures(self, scope: _Scope, closures: Iterable[Closure]) -> None:
        """A function may be called later: the names that it reads keep their meaning from here on."""
        for closure in closures:
            for _, tree in closure.env:
                self.immortal.update(self.nest.reads(tree))
            if closure.name is not None and closure not in self.names.closures:
                name = scope.pick(closure.name)
                self.names.closures[closure] = name
                scope.take(name, None)

    def _step(self, step: Step, scope: _Scope, dying: tuple[Var, ...]) -> None:
        value = step.value
        if not isinstance(value, Var):
            self._expressions(direct(value), scope)
        match value:
            case Loop(kind=LoopKind.FOR | LoopKind.COMPREHENSION):
                self._python_loop(step, value, scope, dying)
            case Branch(kind=BranchKind.IF | BranchKind.IFEXP):
                self._python_branch(step, value, scope, dying)
            case Opaque(code=list()):
                self._opaque(value, scope, dying)
            case Loop() | Branch():
                self._inner_functions(value, scope)
                self._release(scope, dying)
                self._targets(step, scope)
            case _:
                self._release(scope, dying)
                self._targets(step, scope)

    def _targets(self, step: Step, scope: _Scope) -> None:
        if not isinstance(step.value, Var):
            for at, out in enumerate(step.value.outs):
                if out.name is None:
                    wish = self._yielded(step.value, at) or _key(step.value)
                    self.wishes[out] = wish or self._made_by(step.value)
        for var in bound(step.targets):
            self._bind_wish(scope, var)

    # ---- statements with bodies ----

    def _python_loop(self, step: Step, loop: Loop, scope: _Scope, dying: tuple[Var, ...]) -> None:
        (body,) = self.nest.bodies[loop]
        running = set(body.reads)
        if loop.iterable is not None:
            running.update(v for t in iter_leaves(loop.iterable) for v in self.nest.reads(t))
        starts = [var for var in dying if var not in running]
        carried = loop.body.params[: len(loop.init)]
        self._release(scope, starts)
        inner = scope.copy()
        for param, out in zip(carried, loop.outs, strict=False):
            self.wishes[param] = self._carried_wish(param, out)
            self.bind(inner, param, inner.pick(self.wishes[param]))
        lists = {
            at: out
            for at, out in enumerate(loop.outs)
            if at >= len(carried)
            if not isinstance(step.targets[at], tuple)
        }
        for at, out in lists.items():
            self.bind(inner, out, inner.pick(out.name or self._yielded(loop, at) or "items"))
        for pattern in body.patterns[len(carried) :]:
            for var in bound((pattern,)):
                self._bind_wish(inner, var)
        self._prefer(body, [self.names.of[param] for param in carried])
        items = tuple(bound(body.patterns[len(carried) :]))
        self.body(body, inner, owned=(*carried, *items))
        self._release(scope, dying)
        for param, out in zip(carried, loop.outs, strict=False):
            self.bind(scope, out, self.names.of[param])
        for out in lists.values():
            self.bind(scope, out, self.names.of[out])
        for var in bound(target for target in step.targets if isinstance(target, tuple)):
            self._bind_wish(scope, var)  # what a comprehension is unpacked into

    def _carried_wish(self, param: Var, out: Var) -> str:
        return param.name or out.name or "carry"

    def _prefer(self, body: Body, names: list[str]) -> None:
        """Ask that the results of `body` get `names`, so that nothing is copied at its end."""
        assert isinstance(body.result, Display)
        for item, name in zip(body.result.items, names, strict=False):
            if isinstance(item, Var) and item not in self.names.of:
                self.forced[item] = name

    def _python_branch(
        self, step: Step, branch: Branch, scope: _Scope, dying: tuple[Var, ...]
    ) -> None:
        before = scope.copy()
        self._release(scope, dying)
        for out in branch.outs:
            if out.name is None:
                at = branch.outs.index(out)
                self.wishes[out] = self._yielded(branch, at) or "value"
            self.bind(scope, out, scope.pick(self.wish(out)))
        names = [self.names.of[out] for out in branch.outs]
        for body in self.nest.bodies[branch]:
            inner = before.copy()
            self._prefer(body, names)
            self.body(body, inner, owned=dying)

    def _yielded(self, equation: Equation, at: int) -> str | None:
        """Return what the blocks of a loop or branch call the value that they yield `at` a place."""
        results = [block.result for block in blocks(equation)]
        items = [r.items[at] for r in results if isinstance(r, Display)]
        return next((item.name for item in items if isinstance(item, Var) and item.name), None)

    def _opaque(self, opaque: Opaque, scope: _Scope, dying: tuple[Var, ...]) -> None:
        rebound = {tree for name, tree in opaque.ins if name in opaque.bound}
        read = {v for name, t in opaque.ins if name not in opaque.bound for v in self.nest.reads(t)}
        self._release(scope, [var for var in dying if var in rebound and var not in read])
        for out, name in zip(opaque.outs, opaque.bound, strict=True):
            self.wishes[out] = name
            self._bind_wish(scope, out)
        local = [n for n in stored_names(opaque.code) if n not in opaque.bound]
        picked = {}
        for name in local:
            picked[name] = scope.pick(name)
            scope.take(picked[name], None)
        self.names.temporaries[opaque] = picked
        for name in picked.values():
            scope.release(name)
        self._release(scope, dying)

    def _inner_functions(self, equation: Loop | Branch, scope: _Scope) -> None:
        """Name the bodies of a loop or branch of `lax`, each a scope of its own."""
        bodies = self.nest.bodies[equation]
        wishes = _function_names(equation)
        picked = []
        for wish in wishes:
            picked.append(scope.pick(wish))
            scope.take(picked[-1], None)
        for body in bodies:
            self._function_body(equation, body, scope, picked)
        for name in picked:
            scope.release(name)
        self.names.functions[equation] = tuple(picked)

    def _function_body(
        self, equation: Loop | Branch, body: Body, scope: _Scope, functions: list
    ) -> None:
        seen = {self.names.of[v]: v for v in body.reads if v in self.names.of}
        inner = _Scope(self.reserved | set(functions), {**dict.fromkeys(seen)})
        if isinstance(equation, Loop):
            self._name_records(equation, body, inner)
        for pattern in body.patterns:
            for var in bound((pattern,)):
                if isinstance(equation, Loop) and var in body.params[: len(equation.init)]:
                    at = body.params.index(var)
                    self.wishes[var] = self._carried_wish(var, equation.outs[at])
                self._bind_wish(inner, var)
        self._wish_results(equation, body)
        self.body(body, inner, owned=tuple(bound(body.patterns)))

    def _wish_results(self, equation: Loop | Branch, body: Body) -> None:
        """Let what a local function returns be called as the statement that calls it calls it."""
        assert isinstance(body.result, Display)
        carried = body.params[: len(equation.init)] if isinstance(equation, Loop) else ()
        for at, (item, out) in enumerate(zip(body.result.items, equation.outs, strict=True)):
            wish = carried[at].name if at < len(carried) else None
            wish = wish or out.name or self._yielded(equation, at)
            if isinstance(item, Var) and item.name is None and wish is not None:
                self.wishes.setdefault(item, wish)

    def _name_records(self, loop: Loop, body: Body, inner: _Scope) -> None:
        """Name the parameters of a local function that stand for several values, or for one that is unpacked."""
        carried = len(loop.init)
        names = []
        for patterns, wish in (body.patterns[:carried], "carry"), (body.patterns[carried:], "item"):
            name = "_"
            if len(patterns) > 1 or any(isinstance(pattern, tuple) for pattern in patterns):
                name = inner.pick(wish)
                inner.take(name, None)
            names.append(name)
        self.names.records[loop] = (names[0], names[1])

    # ---- expressions with scopes of their own ----

    def _expressions(self, trees: Iterable[Tree], scope: _Scope) -> None:
        """Name what is bound inside expressions: items of comprehensions, params of lambdas."""
        if not self.nest.bodies:
            return
        for tree in trees:
            for var in leaves(tree):
                equation = self.nest.inlined.get(var)
                if equation is not None:
                    self._expressions(direct(equation), scope)
                    self._inlined_bodies(equation, scope)

    def _inlined_bodies(self, equation: Equation, scope: _Scope) -> None:
        match equation:
            case Loop(kind=LoopKind.COMPREHENSION) | Branch(kind=BranchKind.IF | BranchKind.IFEXP):
                for body in self.nest.bodies[equation]:
                    self._function_body(equation, body, scope, [])
            case Loop() | Branch():
                self._inner_functions(equation, scope)


def _key(equation: Equation) -> str | None:
    """Return the key of the item of a dict that `equation` is, if that can be a name."""
    match equation:
        case Apply(fn=Ref(value=fn), args=(_, Const(value=str() as key))) if (
            fn is operator.getitem and key.isidentifier() and not keyword.iskeyword(key)
        ):
            return key
    return None


def bound(patterns: Iterable[Pattern]) -> Iterator[Var]:
    """Yield the vars that `patterns` bind, from left to right."""
    for pattern in patterns:
        if isinstance(pattern, Var):
            yield pattern
        elif pattern is not None:
            yield from bound(pattern)


def _last_reads(body: Body, nest: Nest) -> dict[Var, int]:
    last: dict[Var, int] = {}
    for at, step in enumerate(body.steps):
        last.update((var, at) for var in step.reads)
    last.update((var, len(body.steps)) for var in nest.reads(body.result))
    return last


def _function_names(equation: Loop | Branch) -> tuple[str, ...]:
    match equation:
        case Loop():
            return ("step",)
        case Branch(kind=BranchKind.SWITCH, blocks=blocks):
            return tuple(f"case_{at}" for at in range(len(blocks)))
        case Branch():
            return ("if_true", "if_false")
