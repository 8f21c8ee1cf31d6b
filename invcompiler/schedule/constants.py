"""What constants are worth: values that rest on literals and captured arrays alone, evaluated to see whether they are singular.

`x * jnp.array([1., 0.])` is to be refused when the inverse is made. Only functions of jax, numpy, math and operator are run, and
only on request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Closure,
    Const,
    Display,
    Function,
    Loop,
    Method,
    Ref,
    Slice,
    Star,
    Tree,
    Var,
)
from invcompiler.ir.walk import operands
from invcompiler.schedule.abstract import Abstract, Known
from invcompiler.schedule.running import run_now

_LARGEST = 1 << 20  # elements: a constant is looked at, not computed with
_MODULES = ("jax", "numpy", "math", "operator", "_operator")
_RANDOM = (
    "jax.debug",
    "jax.experimental",
    "jax._src.callback",
    "jax._src.debugging",
    "numpy.random",
)
_METHODS = frozenset(
    "reshape ravel flatten transpose swapaxes astype sum mean max min prod copy conj dot set add multiply get".split()
)


class Unsettled(Exception):
    """The value is not known before the function is called."""


class Constants:
    """The constants of one function; each is evaluated once, when it is first asked for."""

    def __init__(
        self, function: Function, captured: Mapping[Var, Any], values: Mapping[Var, Abstract]
    ):
        self._abstract = values
        self._values: dict[Var, Any] = {}
        self._captured = dict(captured)
        self._defining = dict(_definitions(function.body))

    def value(self, tree: Tree) -> np.ndarray | None:
        """Return the number or array that `tree` is, or None if that isn't known, or is not numeric."""
        try:
            return _as_array(self._tree(tree))
        except Unsettled:
            return None

    def _tree(self, tree: Tree) -> Any:
        match tree:
            case Var():
                return self._var(tree)
            case Const() | Ref():
                return tree.value
            case Display(kind=kind, items=items) if kind in (tuple, list):
                if any(isinstance(item, Star) for item in items):
                    raise Unsettled
                return kind(map(self._tree, items))
            case Slice():
                return slice(*map(self._tree, (tree.lower, tree.upper, tree.step)))
            case _:
                raise Unsettled

    def _var(self, var: Var) -> Any:
        """Evaluate what `var` rests on, operands first, without recursion: chains may be long."""
        waiting = [var]
        while waiting:
            top = waiting[-1]
            if top in self._values:
                waiting.pop()
                continue
            needed = [v for v in self._needs(top) if v not in self._values]
            if needed:
                waiting += needed
            else:
                self._values[top] = self._evaluated(waiting.pop())
        if self._values[var] is Unsettled:
            raise Unsettled
        return self._values[var]

    def _needs(self, var: Var) -> tuple[Var, ...]:
        if var in self._captured or isinstance(self._abstract.get(var), Known):
            return ()
        made = self._defining.get(var)
        return operands(made) if made is not None and _is_safe(made) else ()

    def _evaluated(self, var: Var) -> Any:
        known = self._abstract.get(var)
        if var in self._captured:
            return self._captured[var]
        if isinstance(known, Known):
            return known.value
        made = self._defining.get(var)
        if made is None or not _is_safe(made):
            return Unsettled
        try:
            return run_now(lambda: self._applied(made))
        except Unsettled:
            return Unsettled
        except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError, NameError):
            return Unsettled  # the program says so itself when it runs

    def _applied(self, made: Apply) -> Any:
        args = [_small(self._tree(arg)) for arg in made.args]
        if made.arity is not None and not isinstance(args[0], list | tuple):
            args[0] = list(args[0])
        kwargs = {name: _small(self._tree(value)) for name, value in made.kwargs if name}
        if isinstance(made.fn, Method):
            return _small(getattr(args[0], made.fn.name)(*args[1:], **kwargs))
        assert isinstance(made.fn, Ref)
        return _small(made.fn.value(*args, **kwargs))


def _definitions(block: Block) -> Iterator[tuple[Var, Apply]]:
    for equation in block.equations:
        match equation:
            case Apply():
                yield equation.out, equation
            case Loop():
                yield from _definitions(equation.body)
            case Branch():
                for inner in equation.blocks:
                    yield from _definitions(inner)


def _is_safe(made: Apply) -> bool:
    """Whether running the call has no effect and needs nothing but its operands."""
    if any(isinstance(arg, Star | Closure) for arg in made.args):
        return False
    if any(name is None or isinstance(value, Closure) for name, value in made.kwargs):
        return False
    if isinstance(made.fn, Method):
        return made.fn.name in _METHODS
    if not isinstance(made.fn, Ref):
        return False
    return _is_numeric(made.fn.value) and not any(map(_may_run_other_code, made.args))


def _may_run_other_code(tree: Tree) -> bool:
    """Whether `tree` is a function that is not one of ours to call, such as that of a `lax.map`."""
    fn = tree.value if isinstance(tree, Ref) else None
    return callable(fn) and not isinstance(fn, type) and not _is_numeric(fn)


def _is_numeric(fn: Any) -> bool:
    if any(fn is builtin for builtin in (getattr, len, abs, min, max, float, int)):
        return True
    module = getattr(fn, "__module__", None) or type(fn).__module__
    if not isinstance(module, str) or module.startswith(_RANDOM):
        return False
    return module.split(".")[0] in _MODULES


def _small(value: Any) -> Any:
    if isinstance(value, np.ndarray | jax.Array) and value.size > _LARGEST:
        raise Unsettled
    return value


def _as_array(value: Any) -> np.ndarray:
    if not isinstance(
        value, bool | int | float | complex | np.generic | np.ndarray | jax.Array | list | tuple
    ):
        raise Unsettled
    try:
        array = np.asarray(value)
    except (jax.errors.JAXTypeError, TypeError, ValueError):
        raise Unsettled from None  # a tracer, or a ragged list
    if array.dtype.kind in "OSUMm":
        raise Unsettled
    return array


__all__ = ["Constants"]
