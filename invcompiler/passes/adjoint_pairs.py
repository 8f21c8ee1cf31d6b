"""Calls stay calls: each function that is called gets one function back for each way that it is called.

    h = dense(layer, x)       forward                     back
                              h, z = dense_fwd(layer, x)  layer_bar, x_bar = dense_bwd(layer, x, z, h_bar)

What the function back needs of the call's operands and of its value is passed by the caller, who has them; the function
forward returns what else is needed after its value. If that is nothing, the user's own function is called.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

import jax

from invcompiler.assumptions import assume
from invcompiler.errors import AdjointBlockError, InvcompilerError
from invcompiler.frontend import read
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Capture,
    Closure,
    Const,
    Display,
    Function,
    Loop,
    Param,
    ParameterKind,
    Ref,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.text import show
from invcompiler.ir.walk import free_vars, leaves, map_block
from invcompiler.passes.adjoint import Pullback, Walk, reverse
from invcompiler.passes.avals import Avals, _same, abstract_run
from invcompiler.passes.choosing import Chooser
from invcompiler.passes.containers import GETITEM
from invcompiler.passes.cotangents import ZERO, Cotangents, bar_name
from invcompiler.passes.drop_assumptions import drop_assumptions
from invcompiler.passes.emission import CONCRETE, Emission, LeftToJax
from invcompiler.passes.finish import finish
from invcompiler.passes.fresh import bind_trees, fresh_block
from invcompiler.passes.inline_higher_order import inline_higher_order, passes_closure
from invcompiler.passes.make_now import make_now

RESIDUALS = "residuals"
_POSITIONAL = ParameterKind.POSITIONAL_OR_KEYWORD


@dataclass(frozen=True, eq=False)
class Pair:
    """How one function is called forward and back.

    `forward` is None if the function itself will do. `back` takes, in this order: the parameters `given` (by their
    number), the parts `taken` of the value, `kept` residuals, captures, and the value's cotangent; it returns the
    cotangents of the parameters `returned`.
    """

    forward: Function | None
    back: Function
    given: tuple[int, ...]
    taken: tuple[tuple[int, ...], ...]
    packed: bool | None  # whether several residuals come as one tuple; None if there are none
    forward_captures: tuple[Var, ...]
    back_captures: tuple[Var, ...]
    returned: tuple[int, ...]


@dataclass(eq=False)
class Pairs:
    """The pairs made so far. Functions that are being differentiated further up are left to `jax.vjp`."""

    sharded: bool = (
        False  # on a mesh with explicit axes: JAX knows how what sums over one is sharded
    )
    made: list[tuple[Any, tuple, list, Pair | None]] = field(default_factory=list)
    working: list[Any] = field(default_factory=list)
    captures: dict[tuple, tuple[Var, Capture]] = field(default_factory=dict)
    chooser: Chooser = field(default_factory=Chooser)

    # ---- at a call ------------------------------------------------------------------------------

    def step(self, walk: Walk, equation: Apply) -> Pullback | None:
        """Emit a call forward, and return its pullback, or None if the callee cannot be read."""
        function = callee(equation, walk.forward)
        if function is None:
            return None
        bound = bind_trees(function, equation)
        runs = None if bound is None else runs_of(walk.forward, function, bound)
        if bound is None or runs is None:
            return None
        active = tuple(
            number
            for number, param in enumerate(function.params)
            if any(map(walk.active, leaves(bound[param.var])))
        )
        pair = self.find(equation.fn.value, function, active, runs)  # type: ignore[union-attr]
        if pair is None:
            return None
        return self._call(walk, equation, pair, [bound[p.var] for p in function.params])

    def _call(self, walk: Walk, equation: Apply, pair: Pair, operands: Sequence[Tree]) -> Pullback:
        kept: tuple[Tree, ...] = ()
        if pair.forward is None:
            walk.forward.keep(equation)
        else:
            ref = Ref(pair.forward, pair.forward.name)
            value = walk.forward.apply(ref, (*operands, *pair.forward_captures))
            walk.forward.keep(Apply(equation.out, GETITEM, (value, Const(0)), (), equation.span, 2))
            kept = (walk.forward.apply(GETITEM, (value, Const(1)), name=RESIDUALS, arity=2),)

        def pullback(cots: Cotangents) -> None:
            bar = cots.take(equation.out)
            if bar == ZERO:
                return
            emit = cots.emit
            given = [operands[number] for number in pair.given]
            parts = [_part(emit, equation.out, path) for path in pair.taken]
            whole = cots.whole(bar, equation.out)
            back = Ref(pair.back, pair.back.name)
            bars = emit.apply(back, (*given, *parts, *kept, *pair.back_captures, whole))
            n = len(pair.returned)
            items = (bars,) if n == 1 else emit.items(bars, n)
            for number, item in zip(pair.returned, items, strict=True):
                cots.give(operands[number], item)

        return pullback

    def captured(self, var: Var, capture: Capture) -> Var:
        """Return the one var for a captured value, however many functions capture it."""
        key = (capture.name, id(capture.scope), capture.steps)
        return self.captures.setdefault(key, (var, capture))[0]

    # ---- pairs ----------------------------------------------------------------------------------

    def find(self, key: Any, function: Function, active: tuple, runs: list) -> Pair | None:
        for known, pattern, met, pair in self.made:
            if known is key and pattern == active and _same(met, runs):
                return pair
        if key in self.working:
            return None
        self.working.append(key)
        try:
            pair = self._make(function, active, runs)
        except LeftToJax:
            pair = None
        finally:
            self.working.pop()
        pair = self._shared(key, active, pair)
        self.made.append((key, active, runs, pair))
        return pair

    def _shared(self, key: Any, active: tuple, pair: Pair | None) -> Pair | None:
        """Return an earlier pair that reads the same: most functions do not depend on sizes."""
        if pair is None:
            return None
        for known, pattern, _, other in self.made:
            if known is not key or pattern != active or other is None:
                continue
            if (
                _interface(other) == _interface(pair)
                and reads_same(other.back, pair.back)
                and reads_same(other.forward, pair.forward)
            ):
                return other
        return pair

    def _make(self, function: Function, active: tuple[int, ...], runs: list) -> Pair | None:
        try:
            avals = abstract_run(function, runs) if runs else Avals(generic=True)
        except CONCRETE:
            return None  # it is run on values, by jax.vjp
        params = [param.var for param in function.params]
        wanted = [params[number] for number in active]
        bar = Var(bar_name(_result_name(function)))

        def seed(emit: Any) -> Tree:
            if isinstance(function.body.result, Var):
                avals.alike(bar, function.body.result)
            return bar

        walk, cots, back = reverse(function, wanted, avals, self, seed)
        bars = [cots.whole(cots.take(var), var) if var in cots.bars else ZERO for var in wanted]
        returned = tuple(n for n, b in zip(active, bars, strict=True) if b != ZERO)
        found = [b for b in bars if b != ZERO]
        block = back.block((), found[0] if len(found) == 1 else Display(tuple, tuple(found)))
        return self._assemble(function, walk, block, bar, returned)

    def _assemble(
        self, function: Function, walk: Walk, back: Block, bar: Var, returned: tuple[int, ...]
    ) -> Pair:
        params = [param.var for param in function.params]
        outputs = dict(_paths(function.body.result))
        renamed = {var: self.captured(var, capture) for var, capture in function.captures}
        rename = lambda var: renamed.get(var, var)
        captured = [var for var, _ in self.captures.values()]
        back = map_block(rename, back)
        equations = tuple(walk.forward.equations)
        kept = self.chooser.choose(
            walk.forward, back, (*params, *outputs, *captured), place=function.name
        )
        given = tuple(n for n, var in enumerate(params) if var in kept.free)
        taken = tuple(var for var in kept.free if var in outputs and var not in params)
        used = tuple(var for var in kept.free if var in captured)
        handed, unpacked = _packed(walk, kept.residuals)
        args = (*(params[n] for n in given), *taken, *handed, *used, bar)
        body = Block(args, (*unpacked, *kept.views, *back.equations), back.result)
        name = function.name if function.name.isidentifier() else "f"
        backward = finish(positional(f"{name}_bwd", args, body, function, walk.forward.names))
        forward, forward_used = None, ()
        if kept.residuals:
            packed: Tree = Display(tuple, kept.residuals)
            packed = kept.residuals[0] if len(kept.residuals) == 1 else packed
            result = Display(tuple, (function.body.result, packed))
            block = map_block(rename, Block((), equations, result))
            forward_used = tuple(var for var in free_vars(block) if var in captured)
            forward = finish(
                positional(
                    f"{name}_fwd", (*params, *forward_used), block, function, walk.forward.names
                )
            )
        return Pair(
            forward,
            backward,
            given,
            tuple(outputs[var] for var in taken),
            len(kept.residuals) > 1 if kept.residuals else None,
            forward_used,
            used,
            returned,
        )


def _packed(walk: Walk, residuals: tuple[Var, ...]) -> tuple[tuple[Var, ...], tuple[Apply, ...]]:
    """Return the parameters that hand over the residuals, and the equations that unpack them."""
    if len(residuals) < 2:
        return residuals, ()
    whole = Var(RESIDUALS)
    n = len(residuals)
    items = enumerate(residuals)
    unpacked = tuple(Apply(var, GETITEM, (whole, Const(i)), (), None, n) for i, var in items)
    return (whole,), unpacked


def reads_same(a: Function | None, b: Function | None) -> bool:
    """Whether two functions have one text, and mean the same objects by it."""
    if a is None or b is None:
        return a is b
    return show(a) == show(b) and list(_objects(a.body)) == list(_objects(b.body))


def _objects(block: Block) -> Iterator[int]:
    """Yield what identifies the objects that `block` names, in order."""
    for equation in block.equations:
        match equation:
            case Apply():
                trees = (*equation.args, *(tree for _, tree in equation.kwargs))
                if isinstance(equation.fn, Ref | Closure):
                    yield from _named(equation.fn)
            case Loop():
                yield from _objects(equation.body)
                trees = equation.init
            case Branch():
                for inner in equation.blocks:
                    yield from _objects(inner)
                trees = ()
            case _:
                trees = tuple(tree for _, tree in equation.ins)
        for tree in trees:
            yield from _named(tree)


def _named(tree: Tree) -> Iterator[int]:
    match tree:
        case Ref():
            yield id(tree.value)
        case Display():
            for item in tree.items:
                yield from _named(item)
        case Closure():
            for _, value in tree.env:
                yield from _named(value)


def _interface(pair: Pair) -> tuple:
    captures = (pair.forward_captures, pair.back_captures)
    return pair.given, pair.taken, pair.packed, captures, pair.returned


def positional(
    name: str,
    params: Sequence[Var],
    body: Block,
    source: Function,
    names: Mapping[Var, str] | None = None,
) -> Function:
    body = fresh_block(_named_params(body, tuple(params), names or {}), {}, names)
    kinds = tuple(Param(var, _POSITIONAL) for var in body.params)
    return Function(name, kinds, body, span=source.span)


def _named_params(body: Block, params: tuple[Var, ...], names: Mapping[Var, str]) -> Block:
    """Return `body` with params that have names, each another one."""
    taken: set[str] = set()
    new = []
    for var in params:
        wish = name = var.name or names.get(var) or "value"
        number = 1
        while name in taken:
            name, number = f"{wish}_{number}", number + 1
        taken.add(name)
        new.append(Var(name, var.span))
    values = dict(zip(params, new, strict=True))
    body = map_block(lambda var: values.get(var, var), body)
    return replace(body, params=tuple(new))


def _result_name(function: Function) -> Var:
    result = function.body.result
    return result if isinstance(result, Var) and result.name else Var("y")


def _paths(result: Tree, path: tuple[int, ...] = ()) -> list[tuple[Var, tuple[int, ...]]]:
    """Return where in the value of a function each var of its result stands."""
    if isinstance(result, Var):
        return [(result, path)]
    if isinstance(result, Display) and result.keys is None:
        items = enumerate(result.items)
        return [found for number, item in items for found in _paths(item, (*path, number))]
    return []


def _part(emit: Any, value: Tree, path: tuple[int, ...]) -> Tree:
    for number in path:
        value = emit.apply(GETITEM, (value, Const(number)))
    return value


def runs_of(emit: Emission, function: Function, bound: dict[Var, Tree]) -> list | None:
    """Return what the arguments look like, each time that the call is met."""
    trees = [bound[param.var] for param in function.params]
    met: list = []
    if emit.generic:
        return met if _is_plain(function, ()) else None

    def note(*values: Any) -> None:
        given = (values, {})
        if not any(_same(given, other) for other in met):
            met.append(given)

    emit.ask(note, *trees)
    return met if met and all(_is_plain(function, values) for values, _ in met) else None


def _is_plain(function: Function, values: tuple) -> bool:
    """Whether the parameters are ordinary ones, so that values can be passed by position."""
    positional = (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)
    return all(param.kind in positional for param in function.params)


# ---- what can be read ---------------------------------------------------------------------------


def callee(equation: Apply, emit: Emission) -> Function | None:
    """Return the IR of the function that is called, or None if its derivative is left to JAX.

    Left to JAX are functions with derivative rules of their own, `jax.checkpoint`, and other people's libraries.
    """
    if not isinstance(equation.fn, Ref) or passes_closure(equation):
        return None
    fn = equation.fn.value
    if isinstance(fn, Function):
        return fn
    if hasattr(fn, "function_for"):
        return _generated(fn, equation, emit)
    function = readable(fn)
    if function is None:
        return None
    return inline_higher_order(make_now(drop_assumptions(function, assume)), readable)


def readable(fn: Any) -> Function | None:
    """Return the IR of a function of the user's whose text is differentiated, or None."""
    generated = hasattr(fn, "__invcompiler_function__")
    if isinstance(fn, type | Function) or not callable(fn) or has_own_rule(fn):
        return None
    if is_library(fn) and not generated:
        return None
    try:
        return fn.__invcompiler_function__() if generated else read(fn)
    except AdjointBlockError:
        raise
    except InvcompilerError:
        return None


def _generated(fn: Any, equation: Apply, emit: Emission) -> Function | None:
    """Return the IR of a generated derivative, written for the arguments of a call."""
    if any(isinstance(arg, Star) for arg in equation.args):
        return None
    names = tuple(name for name, _ in equation.kwargs)
    trees = (*equation.args, *(tree for _, tree in equation.kwargs))
    known = emit.ask(lambda *values: values, *trees)
    if known is None or None in names:
        return None
    n = len(equation.args)
    kwargs = dict(zip(names, known.value[n:], strict=True))
    return fn.function_for(known.value[:n], kwargs)


def has_own_rule(fn: Any) -> bool:
    """Whether `fn` says itself how it is differentiated, or what is kept for that."""
    while fn is not None:
        if isinstance(fn, jax.custom_jvp | jax.custom_vjp) or is_checkpoint(fn):
            return True
        if getattr(type(fn), "__invcompiler_own_adjoint__", False):
            return True
        fn = getattr(fn, "__wrapped__", None)
    return False


def run_by(fn: Any) -> Any:
    """Return what a function that states how it is gone back through does: forward mode is that of this."""
    while getattr(type(fn), "__invcompiler_own_adjoint__", False):
        fn = fn.__wrapped__
    return fn


_CHECKPOINT = jax.checkpoint(lambda x: x).__code__


def is_checkpoint(fn: Any) -> bool:
    return isinstance(fn, FunctionType) and fn.__code__ is _CHECKPOINT


_OURS = f"{__name__.partition('.')[0]}."
_READ = (f"{_OURS}rules.", f"{_OURS}flows.")  # of ours, what is written as users write


def is_library(fn: Any) -> bool:
    """Whether `fn` comes with an installed package: it is called as it stands."""
    name = getattr(fn, "__module__", None) or type(fn).__module__
    if str(name).split(".")[0] in sys.stdlib_module_names and name != "__main__":
        return True
    if f"{name}.".startswith(_OURS) and not f"{name}.".startswith(_READ):
        return True
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


__all__ = [
    "Pair",
    "Pairs",
    "callee",
    "has_own_rule",
    "positional",
    "readable",
    "reads_same",
    "run_by",
    "runs_of",
]
