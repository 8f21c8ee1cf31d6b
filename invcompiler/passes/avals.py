"""What an abstract run shows of every var: shapes, dtypes, and the values that are known before arrays are.

A var in the body of a Python loop, or of a function that is called at several places, is met several times, and need not
look the same each time (`for w, b in layers` with layers of several widths). Each meeting is kept, so that a
question about several vars is answered if, and only if, every meeting gives the one answer.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, MappingView
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, assert_never

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Closure,
    Const,
    Display,
    Function,
    Loop,
    LoopKind,
    Opaque,
    Ref,
    Slice,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves
from invcompiler.passes.accumulators import accumulators, as_later

Path = tuple[int, ...]


@dataclass(frozen=True)
class Known:
    """An answer. `None` instead of it: the meetings disagree, or nothing is known."""

    value: Any


@dataclass(eq=False)
class Avals:
    """`met[var]` are the abstract values of `var`, by the run and the loop iterations it was met in.

    An abstract value is a pytree of `jax.ShapeDtypeStruct` where arrays are, and of the Python values that are the same in
    every run elsewhere.
    """

    met: dict[Var, dict[Path, Any]] = field(default_factory=dict)
    generic: bool = False  # nothing is known: what is emitted must hold for arguments of any shape

    def ask(self, question: Callable[..., Any], *trees: Tree) -> Known | None:
        """Return `question(*abstract values)` if it has one answer in every meeting of the vars of `trees`."""
        used = {var for tree in trees for var in leaves(tree)}
        if any(var not in self.met for var in used):
            return None
        answers = []
        for path in self.paths(used):
            here = {var: self._at(var, path) for var in used}
            if any(value is None for value in here.values()):
                continue
            found = {var: value.value for var, value in here.items() if value is not None}
            values = [abstract_tree(found, tree) for tree in trees]
            answers.append(question(*values))
        if not answers or any(not _same(answers[0], answer) for answer in answers[1:]):
            return None
        return Known(answers[0])

    def aval(self, tree: Tree) -> Any:
        """Return the one abstract value of `tree`, or None."""
        known = self.ask(lambda value: value, tree)
        return None if known is None else known.value

    def paths(self, used: Iterable[Var]) -> Iterator[Path]:
        deepest: dict[Path, None] = {(): None}
        for var in used:
            paths = self.met[var]
            if len(next(iter(paths))) > len(next(iter(deepest))) or deepest == {(): None}:
                deepest = dict.fromkeys(paths)
        return iter(deepest)

    def _at(self, var: Var, path: Path) -> Known | None:
        meetings = self.met[var]
        for length in range(len(path), -1, -1):
            if path[:length] in meetings:
                return Known(meetings[path[:length]])
        return None

    def alike(self, var: Var, model: Var) -> None:
        """State that `var`, which a pass made, looks like `model`."""
        if model in self.met:
            self.met[var] = self.met[model]


def abstract_tree(values: Mapping[Var, Any], tree: Tree) -> Any:
    """Return the abstract value of `tree`, whose vars have `values`."""
    match tree:
        case Var():
            return values[tree]
        case Const():
            return tree.value
        case Ref():
            return tree.value
        case Display(kind=kind, keys=None):
            return kind(_abstract_items(values, tree.items))
        case Display(kind=kind, keys=keys):
            items = [abstract_tree(values, item) for item in tree.items]
            pairs = dict(zip(keys, items, strict=True))
            return pairs if kind is dict else kind(**pairs)
        case Slice():
            return slice(*(abstract_tree(values, t) for t in (tree.lower, tree.upper, tree.step)))
        case Star():
            return Star(abstract_tree(values, tree.value))
        case Closure():
            return tree
        case _:
            assert_never(tree)


def _abstract_items(values: Mapping[Var, Any], trees: Iterable[Tree]) -> Iterator[Any]:
    for tree in trees:
        if isinstance(tree, Star):
            yield from abstract_tree(values, tree.value)
        else:
            yield abstract_tree(values, tree)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and type(a) is type(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
    return a is b or (type(a) is type(b) and a == b)


# ---- the abstract run ---------------------------------------------------------------------------


def abstract_run(
    function: Function,
    runs: Iterable[tuple[tuple, dict[str, Any]]],
    outer: Mapping[Var, Any] | None = None,
) -> Avals:
    """Return what every var of `function` looks like when it is run on each of `runs` (args, kwargs).

    Arguments are abstract values. Raises what the function raises.
    """
    observer = _Observer(_loops_of(function.body))
    for number, (args, kwargs) in enumerate(runs):
        observer.run = number
        _abstract_call(function, args, kwargs, observer, outer or {})
    met = observer.met
    met.update({var: as_later(met[var]) for var in accumulators(function.body) if var in met})
    return Avals({var: _merge(meetings) for var, meetings in met.items()})


def _abstract_call(
    function: Function, args: tuple, kwargs: dict[str, Any], observer: _Observer, outer: Mapping
) -> None:
    captures = {var: outer[var] if var in outer else _captured(c) for var, c in function.captures}
    captures.update({var: value for var, value in outer.items() if var not in captures})
    dynamic, treedef = jax.tree.flatten((args, kwargs, list(captures.values())))
    is_array = [isinstance(leaf, jax.ShapeDtypeStruct) for leaf in dynamic]
    static = [None if array else leaf for leaf, array in zip(dynamic, is_array, strict=True)]

    def body(arrays: list) -> None:
        given = iter(arrays)
        full = [next(given) if a else s for s, a in zip(static, is_array, strict=True)]
        run_args, run_kwargs, values = jax.tree.unflatten(treedef, full)
        bound = dict(zip(captures, values, strict=True))
        evaluate(function, run_args, run_kwargs, captures=bound, observe=observer.observe)

    jax.eval_shape(body, [leaf for leaf, a in zip(dynamic, is_array, strict=True) if a])


def _captured(capture: Any) -> Any:
    return abstract(capture.read(), numbers=True)


@dataclass(frozen=True)
class Held:
    """An object of `kind` that is not a plain value and may hold arrays, such as `x.at`."""

    kind: type


_PLAIN = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    type(Ellipsis),
    slice,
    type,
    ModuleType,
)
_PLAIN += (FunctionType, BuiltinFunctionType, MethodType, functools.partial, np.dtype, enum.Enum)
_PLAIN += (range, jax.tree_util.PyTreeDef, Function, Held, np.ufunc)


def abstract(value: Any, numbers: bool = False) -> Any:
    """Return `value` with arrays (and, if `numbers`, Python floats and complex numbers) made abstract."""

    def leaf(x: Any) -> Any:
        if isinstance(x, jax.ShapeDtypeStruct):
            return x
        if isinstance(x, jax.Array | np.ndarray | np.generic):
            dtype = jax.dtypes.canonicalize_dtype(x.dtype, allow_extended_dtype=True)  # keys too
            return jax.ShapeDtypeStruct(jnp.shape(x), dtype, weak_type=_weak(x))
        if numbers and isinstance(x, float | complex):
            return jax.ShapeDtypeStruct((), jnp.result_type(x), weak_type=True)
        return x if isinstance(x, _PLAIN) or callable(x) or _is_value(x) else Held(type(x))

    if isinstance(value, Iterator | MappingView):
        return Held(type(value))
    return jax.tree.map(leaf, value)


def _is_value(x: Any) -> bool:
    """Whether `x` is compared by what it says, not by which object it is."""
    return type(x).__hash__ not in (None, object.__hash__)


def _weak(x: Any) -> bool:
    return bool(getattr(x, "weak_type", False))


@dataclass(eq=False)
class _Observer:
    """Notes what each var looks like, and in which iteration of the Python loops around it."""

    homes: dict[Var, tuple[Loop, ...]]
    run: int = 0
    met: dict[Var, dict[Path, Any]] = field(default_factory=dict)
    counts: dict[Loop, int] = field(default_factory=dict)

    def observe(self, var: Var, value: Any) -> None:
        loops = self.homes.get(var, ())
        if loops and var is _first_bound(loops[-1].body):
            self.counts[loops[-1]] = self.counts.get(loops[-1], -1) + 1
        path = (self.run, *(self.counts.get(loop, 0) for loop in loops))
        self.met.setdefault(var, {})[path] = abstract(value)


def _first_bound(block: Block) -> Var | None:
    if block.params:
        return block.params[0]
    return next((out for equation in block.equations for out in equation.outs), None)


def _loops_of(block: Block, around: tuple[Loop, ...] = ()) -> dict[Var, tuple[Loop, ...]]:
    """Return, for every var bound in a Python loop, the loops around it, the outermost first."""
    homes: dict[Var, tuple[Loop, ...]] = dict.fromkeys(block.params, around)
    for equation in block.equations:
        homes.update(dict.fromkeys(equation.outs, around))
        match equation:
            case Loop(kind=LoopKind.FOR | LoopKind.COMPREHENSION):
                homes.update(_loops_of(equation.body, (*around, equation)))
            case Loop():
                homes.update(_loops_of(equation.body, around))
            case Branch():
                for inner in equation.blocks:
                    homes.update(_loops_of(inner, around))
            case Apply() | Opaque():
                pass
            case _:
                assert_never(equation)
    return homes


def _merge(meetings: dict[Path, Any]) -> dict[Path, Any]:
    """Forget where a var was met if it looks the same everywhere."""
    first, *others = meetings.values()
    if all(_same(first, other) for other in others):
        return {(): first}
    return meetings


__all__ = ["Avals", "Held", "Known", "abstract", "abstract_run", "abstract_tree"]
