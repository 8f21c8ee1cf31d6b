"""Emitting code for known shapes: what a rule asks about shapes is answered here and now, where it is known.

A rule says `x.shape`, or calls a small function of shapes; the code that is emitted holds `(3, 4)`. Where
the meetings of a var disagree, the question stays in the emitted code.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.errors import InvcompilerError
from invcompiler.ir.build import Builder, as_tree, literal
from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Closure,
    Const,
    Equation,
    Function,
    Method,
    Param,
    ParameterKind,
    Ref,
    Span,
    Tree,
    Var,
)
from invcompiler.ir.walk import leaves
from invcompiler.passes.avals import Avals, Held, Known, abstract
from invcompiler.passes.containers import Container, container, holds_function

CONCRETE = (jax.errors.ConcretizationTypeError, jax.errors.NonConcreteBooleanIndexError)
"""What JAX raises where the value of an array decides."""

_SHAPE_ATTRIBUTES = ("shape", "ndim", "size")
_SHAPE_FUNCTIONS: dict[Any, Callable[[Any], Any]] = {
    jnp.shape: lambda x: tuple(jnp.shape(x)),
    jnp.ndim: jnp.ndim,
    jnp.size: jnp.size,
    len: lambda x: x.shape[0] if isinstance(x, jax.ShapeDtypeStruct) else len(x),
}
_SHAPE_MODULES = {"builtins", "math", "_operator", "operator"}


class NeedsShapes(InvcompilerError):
    """A derivative that can be written only for arguments of known shapes."""


class LeftToJax(InvcompilerError):
    """A function of which JAX can differentiate the call, but no pass the text."""


class Emission(Builder):
    """A `Builder` that knows the abstract values of vars and runs what depends on them alone."""

    def __init__(self, avals: Avals, parent: Emission | None = None):
        super().__init__(parent=parent)
        self.avals = avals
        self.made: dict[Var, Apply] = parent.made if parent else {}
        self.names: dict[Var, str] = parent.names if parent else {}
        self.weak: set[Var] = parent.weak if parent else set()
        self.functions: set[Var] = parent.functions if parent else set()
        self.arrays: set[Var] = parent.arrays if parent else set()

    def nested(self) -> Emission:
        return Emission(self.avals, self)

    def keep(self, equation: Equation) -> None:
        """Append an equation of the program as it stands, so that its value is known to later ones."""
        self.add(equation)
        if isinstance(equation, Apply):
            self.made[equation.out] = equation
            number = self._key(equation)
            if self._find(number) is None:
                self._numbers[number] = equation.out

    def apply(
        self,
        fn: Ref | Var | Method | Closure,
        args: Iterable[Tree],
        kwargs: Iterable[tuple[str | None, Tree]] = (),
        *,
        name: str | None = None,
        span: Span | None = None,
        arity: int | None = None,
    ) -> Tree:
        args, kwargs = tuple(args), tuple(kwargs)
        answer = self._answer(fn, args, kwargs)
        if answer is not None:
            return answer
        before = len(self.equations)
        value = super().apply(fn, args, kwargs, name=name, span=span, arity=arity)
        for equation in self.equations[before:]:
            assert isinstance(equation, Apply)
            self.made[equation.out] = equation
        return value

    def call(self, fn: Callable, *args: Tree, name: str | None = None, **kwargs: Tree) -> Tree:
        """Return the value of a call of `fn`, a public function of jax or an operator."""
        return self.apply(reference(fn), args, tuple(kwargs.items()), name=name)

    def items(
        self, value: Tree, number: int, names: Sequence[str | None] | None = None
    ) -> tuple[Tree, ...]:
        """Unpack `value` into so many items."""
        getitem = reference(operator.getitem)
        wishes = names or [None] * number
        return tuple(
            self.apply(getitem, (value, Const(i)), arity=number, name=wish)
            for i, wish in enumerate(wishes)
        )

    def item(self, tree: Tree, box: Container, number: int) -> Tree:
        """Return item `number` of a container."""
        fn, key = box.access(number)
        item = self.apply(fn, (tree, key))
        known = self.avals.met.get(tree) if isinstance(tree, Var) else None
        if isinstance(item, Var) and item not in self.avals.met and known:
            met = {path: container(aval) for path, aval in known.items()}
            if all(found is not None for found in met.values()):
                self.avals.met[item] = {path: b.items[number] for path, b in met.items() if b}
        return item

    def wish(self, tree: Tree, name: str | None, *, weak: bool = False) -> None:
        """Let a var that has no name be called `name` in the end; a `weak` wish gives way to another one."""
        if not isinstance(tree, Var) or tree.name is not None or name is None:
            return
        if tree not in self.names or (tree in self.weak and not weak):
            self.names[tree] = name
            self.weak.add(tree) if weak else self.weak.discard(tree)

    # ---- what is known while compiling ------------------------------------------------------------

    def ask(self, question: Callable[..., Any], *trees: Tree) -> Known | None:
        """Return the one answer to a question about the abstract values of `trees`, or None."""
        for tree in trees:
            for var in leaves(tree):
                self._look(var)
        return self.avals.ask(question, *trees)

    def is_function(self, var: Tree) -> bool:
        """Whether `var` holds a function, so that it has no cotangent, and what calls it is differentiated with it."""
        if var in self.functions:
            return True
        known = self.ask(holds_function, var)
        return known is not None and known.value

    @property
    def generic(self) -> bool:
        return self.avals.generic

    def is_number(self, tree: Tree) -> bool:
        """Whether `tree` is known to be a number, or an array of rank 0."""
        known = self.ask(jnp.shape, tree)
        return known is not None and known.value == ()

    def aval(self, tree: Tree) -> Any:
        known = self.ask(lambda value: value, tree)
        return None if known is None else known.value

    def _look(self, var: Var) -> None:
        """Find out what a var that was emitted here looks like, from the equation that makes it."""
        if var in self.avals.met or var not in self.made:
            return
        equation = self.made[var]
        inputs = _inputs(equation)
        for operand in inputs:
            self._look(operand)
        met = self.avals.met
        if any(operand not in met or _is_held(met[operand]) for operand in inputs):
            return
        paths = list(self.avals.paths(inputs))
        try:
            met[var] = self._abstract(equation, inputs, paths)
        except CONCRETE:
            return  # it can be seen at run time only

    def _abstract(self, equation: Apply, inputs: list[Var], paths: list) -> dict:
        return {
            path: _abstract_apply(equation, {v: self.avals._at(v, path).value for v in inputs})  # type: ignore[union-attr]
            for path in paths
        }

    def _answer(self, fn: Any, args: tuple[Tree, ...], kwargs: tuple) -> Tree | None:
        if not isinstance(fn, Ref):
            return None
        if _hashable(fn.value) in _ARITHMETIC and not kwargs:
            return _folded(fn.value, args)
        if (
            fn.value is getattr
            and isinstance(args[1], Const)
            and args[1].value in _SHAPE_ATTRIBUTES
        ):
            name = args[1].value
            return self._constant(lambda x: _shape_attribute(x, name), args[0])
        if not kwargs and len(args) == 1 and _hashable(fn.value) in _SHAPE_FUNCTIONS:
            return self._constant(_SHAPE_FUNCTIONS[fn.value], args[0])
        if (
            getattr(fn.value, "is_static", False)
            or getattr(fn.value, "__module__", None) in _SHAPE_MODULES
        ):
            return self._run_now(fn.value, args, kwargs)
        return None

    def _constant(self, question: Callable[[Any], Any], tree: Tree) -> Tree | None:
        known = self.ask(question, tree)
        return None if known is None or known.value is None else as_tree(known.value)

    def _run_now(self, fn: Callable, args: tuple[Tree, ...], kwargs: tuple) -> Tree | None:
        given = [literal(tree) for tree in args]
        named = [(name, literal(tree)) for name, tree in kwargs]
        if None in given or any(name is None or value is None for name, value in named):
            return None
        if fn in (getattr, setattr, print, input, open, iter, zip, enumerate, map, filter):
            return None
        if any(isinstance(value[0], float | complex) for value in given if value):
            return None
        values = [value[0] for value in given if value]
        keywords = {name: value[0] for name, value in named if name and value}
        if any(callable(value) or isinstance(value, ModuleType) for value in values):
            return None
        return as_tree(fn(*values, **keywords))


_ARITHMETIC = {operator.add, operator.sub, operator.mul, operator.truediv, operator.neg}


def _folded(fn: Callable, args: tuple[Tree, ...]) -> Const | None:
    """Return the value of arithmetic with Python numbers: of `1.0 * 5`."""
    numbers = [arg.value for arg in args if isinstance(arg, Const)]
    if len(numbers) < len(args) or any(type(number) not in (int, float) for number in numbers):
        return None
    if fn is operator.truediv and numbers[1] == 0:
        return None
    value = fn(*numbers)
    return Const(value) if math.isfinite(value) else None


def _is_held(meetings: Mapping[Any, Any]) -> bool:
    return any(isinstance(aval, Held) for aval in meetings.values())


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return None
    return value


def _shape_attribute(x: Any, name: str) -> Any:
    if isinstance(x, int | float | complex):
        x = np.asarray(x)  # a number stands where a rule expects an array
    if container(x) is not None or isinstance(x, str | bytes) or not hasattr(x, name):
        return None
    value = getattr(x, name)
    return tuple(value) if name == "shape" else value


def _inputs(equation: Apply) -> list[Var]:
    inputs = [var for arg in equation.args for var in leaves(arg)]
    inputs += [var for _, arg in equation.kwargs for var in leaves(arg)]
    inputs += [] if isinstance(equation.fn, Ref | Method) else list(leaves(equation.fn))
    return list(dict.fromkeys(inputs))


def _abstract_apply(equation: Apply, values: Mapping[Var, Any]) -> Any:
    """Return what one equation gives, run under `jax.eval_shape`."""
    variables = list(values)
    params = tuple(Param(var, ParameterKind.POSITIONAL_OR_KEYWORD) for var in variables)
    function = Function("", params, Block(tuple(variables), (equation,), equation.out))
    flat, treedef = jax.tree.flatten([values[var] for var in variables])
    arrays = [isinstance(leaf, jax.ShapeDtypeStruct) for leaf in flat]
    shown: list[Any] = []

    def body(given: list) -> None:
        it = iter(given)
        full = [next(it) if a else leaf for leaf, a in zip(flat, arrays, strict=True)]
        value = evaluate(function, tuple(jax.tree.unflatten(treedef, full)))
        shown.append(abstract(value))

    jax.eval_shape(body, [leaf for leaf, a in zip(flat, arrays, strict=True) if a])
    return shown[0]


# ---- names of public functions ------------------------------------------------------------------

_MODULES: tuple[tuple[str, ModuleType], ...] = (
    ("jnp", jnp),
    ("lax", jax.lax),
    ("jax.nn", jax.nn),
    ("jax.tree", jax.tree),
    ("jax.scipy.special", jax.scipy.special),
    ("jax", jax),
    ("operator", operator),
    ("math", math),
    ("np", np),
)


def reference(fn: Callable) -> Ref:
    """Return the `Ref` that names a public function of jax, or an operator."""
    name = getattr(fn, "__name__", "")
    if fn is getattr:
        return Ref(fn, "getattr")
    for spelling, module in _MODULES:
        if getattr(module, name, None) is fn:
            root = jax if spelling.startswith("jax") else module
            return Ref(fn, f"{spelling}.{name}", root)
    return Ref(fn, name, fn)


__all__ = ["CONCRETE", "Emission", "LeftToJax", "NeedsShapes", "reference"]
