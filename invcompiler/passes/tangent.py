"""Forward mode: every value that varies gets a tangent, computed right after it.

    def f(x):                 def f_jvp(x, x_dot):
        h = jnp.tanh(x)           h = jnp.tanh(x)
        return 3 * h              h_dot = x_dot * (1 - h**2)
                                  return 3 * h, 3 * h_dot

What a function is linear in, its tangent is the function of the tangent; elementwise functions have the same slope as in
reverse mode; what has no rule becomes a call of `jax.jvp`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

import jax
import jax.numpy as jnp

from invcompiler.debugging import IDENTITIES
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Const,
    Display,
    Each,
    Equation,
    Function,
    Iter,
    Loop,
    LoopKind,
    Opaque,
    Ref,
    Reversed,
    Star,
    Tree,
    Var,
    Zip,
)
from invcompiler.ir.walk import free_vars, has_name, leaves, map_block, read_in
from invcompiler.passes.activity import item_trees, useful, varying
from invcompiler.passes.adjoint import called, local_pullbacks
from invcompiler.passes.adjoint_calls import applies, canonical_call, is_alone, projected
from invcompiler.passes.adjoint_loops import view
from invcompiler.passes.adjoint_pairs import callee, positional, reads_same, run_by, runs_of
from invcompiler.passes.avals import Avals, _same, abstract_run
from invcompiler.passes.containers import GETITEM
from invcompiler.passes.cotangents import ZERO, Cotangents, has_star, shape_tree
from invcompiler.passes.drop_assumptions import drop_assumptions
from invcompiler.passes.emission import CONCRETE, Emission, LeftToJax, reference
from invcompiler.passes.finish import finish
from invcompiler.passes.fresh import bind_trees
from invcompiler.passes.jax_derivatives import copied, differentiable
from invcompiler.passes.rule_templates import inline_template
from invcompiler.rules.adjoint_registry import AdjointRule, rule_for
from invcompiler.rules.canonical import Call
from invcompiler.schedule.parts import turned_of


def dot_name(var: Var | None) -> str | None:
    return None if var is None or var.name is None else f"{var.name}_dot"


@dataclass(eq=False)
class Forward:
    """The walk over one block: what it emits, and the tangents so far."""

    emit: Emission
    varied: frozenset[Var]
    useful: frozenset[Var]
    twins: Twins
    dots: dict[Var, Tree] = field(default_factory=dict)
    definitions: dict[Var, Equation] = field(default_factory=dict)
    read: frozenset[Var] = frozenset()  # what the block reads somewhere, or returns

    def active(self, var: Var) -> bool:
        return var in self.varied and var in self.useful

    def nested(self) -> Forward:
        return replace(self, emit=self.emit.nested())

    def dot(self, tree: Tree) -> Tree:
        """Return the tangent of `tree`, with `ZERO` where it does not vary."""
        match tree:
            case Var():
                return self.dots.get(tree, ZERO) if self.active(tree) else ZERO
            case Display() if has_star(tree):
                return self.whole(tree) if any(map(self.active, leaves(tree))) else ZERO
            case Display():
                items = tuple(self.dot(item) for item in tree.items)
                return ZERO if all(i == ZERO for i in items) else replace(tree, items=items)
            case _:
                return ZERO

    def whole(self, tree: Tree) -> Tree:
        """Return the tangent of `tree` with zeros made where it does not vary."""
        if isinstance(tree, Display) and has_star(tree):
            return replace(tree, items=tuple(map(self.whole, tree.items)))
        if isinstance(tree, Star):
            return Star(self.whole(tree.value))
        return Cotangents(self.emit, self.active).whole(self.dot(tree), tree, lambda var: True)

    def block(self, block: Block) -> None:
        self.emit.functions.update(local_pullbacks(block))
        if self.emit.generic:
            self.emit.functions.update(called(block))
        self.read = read_in(block)
        for equation in block.equations:
            self.equation(equation)

    def equation(self, equation: Equation) -> None:
        self.definitions.update(dict.fromkeys(equation.outs, equation))
        if not any(map(self.active, equation.outs)):
            self.emit.keep(equation)
            return
        match equation:
            case Apply():
                _apply(self, equation)
            case Loop():
                _loop(self, equation)
            case Branch():
                _branch(self, equation)
            case Opaque():
                _opaque(self, equation)
            case _:
                assert_never(equation)


# ---- calls --------------------------------------------------------------------------------------


def _apply(walk: Forward, equation: Apply) -> None:
    if walk.emit.is_function(equation.out):
        walk.emit.keep(equation)
        return
    for way in (_projection, _rules, _twin):
        if way(walk, equation):
            return
    _jvp(walk, equation)


def _projection(walk: Forward, equation: Apply) -> bool:
    """Take the item of the tangent that `x[i]` or `x.name` takes of the value."""
    if not isinstance(equation.fn, Ref) or equation.fn.value not in (operator.getitem, getattr):
        return False
    source, key = equation.args
    if not isinstance(source, Var) or any(map(walk.active, leaves(key))):
        return False
    if walk.emit.is_function(source):
        return False
    found = projected(walk.emit, equation)
    if found is None and equation.fn.value is getattr:
        return False
    walk.emit.keep(equation)
    dot = walk.dot(source)
    if dot == ZERO:
        return True
    if isinstance(dot, Display):
        if found is None:
            return False
        walk.dots[equation.out] = dot.items[found[1]]
        return True
    walk.dots[equation.out] = walk.emit.apply(
        equation.fn, (dot, key), name=dot_name(equation.out), arity=equation.arity
    )
    return True


def _rules(walk: Forward, equation: Apply) -> bool:
    call = canonical_call(equation)
    if call is None:
        return False
    wanted = [name for name, tree in call.arguments.items() if any(map(walk.active, leaves(tree)))]
    rules = [rule_for(call.fn, name) for name in wanted]
    if not all(_usable(walk, rule, call, equation) for rule in rules):
        return False
    walk.emit.keep(equation)
    total: Tree | None = None
    for rule in rules:
        assert rule is not None
        part = _part(walk, rule, call, equation)
        if part == ZERO:
            continue
        name = dot_name(equation.out) if rule is rules[-1] else None
        total = part if total is None else walk.emit.call(operator.add, total, part, name=name)
    if total is not None:
        alone = walk.emit.generic and len(rules) == 1 and is_alone(call, rules[0].argument)
        dot = total if alone else _filled(walk, total, equation.out)
        walk.emit.wish(dot, dot_name(equation.out))
        walk.dots[equation.out] = dot
    return True


def _usable(walk: Forward, rule: AdjointRule | None, call: Call, equation: Apply) -> bool:
    if rule is None or not applies(walk.emit, rule, call):
        return False
    if rule.pointwise:
        return True
    operand = call.arguments[rule.argument]
    given = (*equation.args, *(tree for _, tree in equation.kwargs))
    return rule.linear and sum(tree is operand for tree in given) == 1


def _part(walk: Forward, rule: AdjointRule, call: Call, equation: Apply) -> Tree:
    operand = call.arguments[rule.argument]
    if walk.dot(operand) == ZERO:
        return ZERO
    dot = walk.whole(operand)
    if rule.pointwise and not (walk.emit.generic and call.fn is jnp.astype):
        values = {**call.arguments, rule.output: equation.out, "y_bar": dot}
        found = inline_template(walk.emit, rule.template, values)
        return walk.emit.call(operator.mul, dot, found) if rule.elementwise else found
    swap = lambda tree: dot if tree is operand else tree
    return walk.emit.apply(
        equation.fn,
        tuple(map(swap, equation.args)),
        tuple((name, swap(tree)) for name, tree in equation.kwargs),
    )


def _filled(walk: Forward, dot: Tree, out: Var) -> Tree:
    """Broadcast a tangent that came from a smaller operand to the shape of the value, and cast it to its dtype."""
    if isinstance(dot, Display):
        return dot
    same = walk.emit.ask(lambda a, b: len(set(_look(a, b))) == 1, dot, out)
    if same is not None and same.value:
        return dot
    known = walk.emit.ask(_look, dot, out)
    if known is None:
        return walk.emit.call(jnp.broadcast_to, dot, walk.emit.call(jnp.shape, out))
    (shape, dtype), (wanted, kind) = known.value
    if shape != wanted:
        dot = walk.emit.call(jnp.broadcast_to, dot, shape_tree(wanted))
    if dtype != kind:
        dot = walk.emit.call(jnp.asarray, dot, Ref(kind, f"jnp.{kind.name}", jnp))
    return dot


def _look(a: Any, b: Any) -> Any:
    arrays = all(isinstance(x, jax.ShapeDtypeStruct | float | complex) for x in (a, b))
    if not arrays:
        return ((), None), ((), None)
    return tuple((jnp.shape(x), jnp.result_type(x)) for x in (a, b))


def _jvp(walk: Forward, equation: Apply) -> None:
    part = differentiable(walk.definitions, walk.active, walk.emit, equation)
    dots = tuple(walk.whole(var) for var in part.variables)
    primals, tangents = Display(tuple, tuple(part.variables)), Display(tuple, dots)
    pair = walk.emit.apply(reference(jax.jvp), (part.fn, primals, tangents))
    walk.emit.keep(Apply(equation.out, GETITEM, (pair, Const(0)), (), equation.span, 2))
    dot = walk.emit.apply(GETITEM, (pair, Const(1)), name=dot_name(equation.out), arity=2)
    walk.dots[equation.out] = dot


def _opaque(walk: Forward, equation: Opaque) -> None:
    if len(equation.outs) == 1 and walk.emit.is_function(equation.outs[0]):
        walk.emit.keep(equation)
        return
    part = copied(equation, walk.active, walk.read.__contains__)
    primals = Display(tuple, part.inputs)
    tangents = Display(tuple, tuple(map(walk.whole, part.inputs)))
    pair = walk.emit.apply(reference(jax.jvp), (part.fn, primals, tangents), part.keywords)
    part.bind(walk.emit, pair, equation.span)
    dots = walk.emit.apply(GETITEM, (pair, Const(1)), arity=part.parts)
    n = len(part.results)
    walk.dots.update(
        {part.results[0]: dots}
        if n == 1
        else zip(part.results, walk.emit.items(dots, n), strict=True)
    )


# ---- calls of other functions ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Twin:
    """A function with its tangent: `h_jvp(*args, *dots) -> (y, y_dot)`."""

    function: Function
    active: tuple[int, ...]
    captures: tuple[Var, ...]


@dataclass(eq=False)
class Twins:
    """The twins made so far."""

    made: list[tuple[Any, tuple, list, Twin]] = field(default_factory=list)
    working: list[Any] = field(default_factory=list)
    captures: dict[tuple, Any] = field(default_factory=dict)

    def captured(self, var: Var, capture: Any) -> Var:
        key = (capture.name, id(capture.scope), capture.steps)
        return self.captures.setdefault(key, (var, capture))[0]

    def find(self, key: Any, function: Function, active: tuple, runs: list) -> Twin | None:
        for known, pattern, met, twin in self.made:
            if known is key and pattern == active and _same(met, runs):
                return twin
        if key in self.working:
            return None
        self.working.append(key)
        try:
            twin = self._make(function, active, runs)
        except LeftToJax:
            twin = None
        finally:
            self.working.pop()
        if twin is None:
            return None
        for known, pattern, _, other in self.made:
            if known is key and pattern == active and reads_same(other.function, twin.function):
                twin = other
                break
        self.made.append((key, active, runs, twin))
        return twin

    def _make(self, function: Function, active: tuple[int, ...], runs: list) -> Twin | None:
        try:
            avals = abstract_run(function, runs) if runs else Avals(generic=True)
        except CONCRETE:
            return None  # it is run on values, by jax.jvp
        params = [param.var for param in function.params]
        chosen = [params[number] for number in active]
        dots, body, names = forward(function, chosen, avals, self)
        renamed = {var: self.captured(var, capture) for var, capture in function.captures}
        every = (*params, *dots)
        block = map_block(lambda v: renamed.get(v, v), replace(body, params=every))
        captured = {var for var, _ in self.captures.values()}
        used = tuple(var for var in free_vars(block) if var in captured)
        block = replace(block, params=(*every, *used))
        name = f"{function.name if function.name.isidentifier() else 'f'}_jvp"
        twin = finish(positional(name, block.params, block, function, names))
        return Twin(twin, active, used)


def _twin(walk: Forward, equation: Apply) -> bool:
    if isinstance(equation.fn, Ref) and run_by(equation.fn.value) is not equation.fn.value:
        plain = run_by(equation.fn.value)
        equation = replace(equation, fn=Ref(plain, equation.fn.spelling, equation.fn.root))
    function = callee(equation, walk.emit)
    if function is None:
        return False
    bound = bind_trees(function, equation)
    runs = None if bound is None else runs_of(walk.emit, function, bound)
    if bound is None or runs is None:
        return False
    operands = [bound[param.var] for param in function.params]
    active = tuple(
        number for number, tree in enumerate(operands) if any(map(walk.active, leaves(tree)))
    )
    twin = walk.twins.find(equation.fn.value, function, active, runs)  # type: ignore[union-attr]
    if twin is None:
        return False
    dots = tuple(walk.whole(operands[number]) for number in active)
    ref = Ref(twin.function, twin.function.name)
    pair = walk.emit.apply(ref, (*operands, *dots, *twin.captures))
    walk.emit.keep(Apply(equation.out, GETITEM, (pair, Const(0)), (), equation.span, 2))
    name = dot_name(equation.out)
    walk.dots[equation.out] = walk.emit.apply(GETITEM, (pair, Const(1)), name=name, arity=2)
    return True


# ---- loops and branches -----------------------------------------------------------------------------


def _loop(walk: Forward, loop: Loop) -> None:
    n = len(loop.init)
    body = loop.body
    carried = [i for i in range(n) if walk.active(loop.outs[i]) or walk.active(body.params[i])]
    items = [i for i in range(n, len(body.params)) if walk.active(body.params[i])]
    collected = [j for j in range(n, len(loop.outs)) if walk.active(loop.outs[j])]
    init = tuple(_started(walk, loop, i) for i in carried)
    trees = item_trees(loop)
    if any(walk.emit.is_function(trees[i - n]) for i in items):
        raise LeftToJax("what a loop walks is a generator")
    parts = [Each(walk.whole(trees[i - n]), view(loop, i - n)) for i in items]
    inner = walk.nested()
    carried_dots = tuple(_dot(inner, body.params[i]) for i in carried)
    item_dots = tuple(_dot(inner, body.params[i]) for i in items)
    inner.block(body)
    results = body.result.items  # type: ignore[union-attr]
    new_carried = tuple(inner.whole(results[i]) for i in carried)
    new_collected = tuple(inner.whole(results[j]) for j in collected)
    result = (*results[:n], *new_carried, *results[n:], *new_collected)
    params = (*body.params[:n], *carried_dots, *body.params[n:], *item_dots)
    outs = tuple(Var(dot_name(loop.outs[i])) for i in carried)
    gathered = tuple(Var(dot_name(loop.outs[j])) for j in collected)
    kind = LoopKind.FOR if loop.kind is LoopKind.COMPREHENSION and gathered else loop.kind
    walk.emit.keep(
        replace(
            loop,
            kind=kind,
            outs=(*loop.outs[:n], *outs, *loop.outs[n:], *gathered),
            init=(*loop.init, *init),
            iterable=_zipped(loop, parts, [i - n for i in items]),
            body=Block(params, tuple(inner.emit.equations), Display(tuple, result)),
        )
    )
    for number, out in zip((*carried, *collected), (*outs, *gathered), strict=True):
        walk.dots[loop.outs[number]] = out
        walk.emit.avals.alike(out, loop.outs[number])


def _started(walk: Forward, loop: Loop, number: int) -> Tree:
    """Return the tangent that a carried value starts with: of its final value's form, if it starts as a constant."""
    tangents = Cotangents(walk.emit, walk.active)
    tree = loop.init[number]
    model = _model(walk, tree, loop.outs[number])
    return tangents.whole(walk.dot(tree), model, lambda var: var is not loop.outs[number])


def _dot(walk: Forward, var: Var) -> Var:
    dot = Var(dot_name(var))
    walk.emit.avals.alike(dot, var)
    walk.dots[var] = dot
    return dot


def _zipped(loop: Loop, parts: Sequence[Iter], numbers: Sequence[int]) -> Iter | None:
    """Walk `parts`, the tangents of the items `numbers`, beside the items, each from the end that its item is taken from."""
    if not parts:
        return loop.iterable
    assert loop.iterable is not None
    if loop.kind in (LoopKind.FOR, LoopKind.COMPREHENSION):
        turned = list(turned_of(loop.iterable))
        beside = (Reversed(p) if turned[i] else p for i, p in zip(numbers, parts, strict=True))
        return Zip((loop.iterable, *beside))
    iterable = loop.iterable
    if isinstance(iterable, Reversed):
        return Reversed(_joined(iterable.part, parts))
    return _joined(iterable, parts)


def _joined(iterable: Iter, parts: Sequence[Iter]) -> Iter:
    inner = iterable.parts if isinstance(iterable, Zip) else (iterable,)
    return Zip((*inner, *parts))


def _branch(walk: Forward, branch: Branch) -> None:
    active = [i for i, out in enumerate(branch.outs) if walk.active(out)]
    blocks = []
    for block in branch.blocks:
        inner = walk.nested()
        inner.block(block)
        results = block.result.items  # type: ignore[union-attr]
        tangents = Cotangents(inner.emit, walk.active)
        dots = tuple(
            tangents.whole(inner.dot(results[i]), _model(walk, results[i], branch.outs[i]))
            for i in active
        )
        blocks.append(inner.emit.block((), Display(tuple, (*results, *dots))))
    outs = tuple(Var(dot_name(branch.outs[i])) for i in active)
    walk.emit.keep(replace(branch, outs=(*branch.outs, *outs), blocks=tuple(blocks)))
    for number, out in zip(active, outs, strict=True):
        walk.dots[branch.outs[number]] = out
        walk.emit.avals.alike(out, branch.outs[number])


def _model(walk: Forward, tree: Tree, out: Var) -> Tree:
    """Return what a tangent of `tree` looks like: a constant, as what it becomes."""
    return tree if walk.emit.generic or any(leaves(tree)) else out


# ---- a function -------------------------------------------------------------------------------------


def forward(
    function: Function, chosen: Iterable[Var], avals: Avals, twins: Twins
) -> tuple[tuple[Var, ...], Block, dict[Var, str]]:
    """Return the params for the tangents of `chosen`, the block of value and tangent, and names for its vars."""
    chosen = tuple(chosen)
    function = drop_assumptions(function, *IDENTITIES)
    varied = varying(function.body, chosen, avals)
    wanted = useful(function.body, (function.body.result,), varied)
    walk = Forward(Emission(avals), varied, wanted, twins)
    result = function.body.result
    if isinstance(result, Var) and not result.name and not has_name(function.body, "y"):
        walk.emit.wish(result, "y")
    dots = tuple(_dot(walk, var) for var in chosen)
    walk.block(function.body)
    dot = walk.whole(result)
    if isinstance(result, Var) and walk.emit.names.get(result) == "y":
        walk.emit.wish(dot, "y_dot")
    pair = Display(tuple, (result, dot))
    block = walk.emit.block((), pair)
    return dots, block, walk.emit.names


__all__ = ["Forward", "Twins", "forward"]
