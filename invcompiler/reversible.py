"""`reversible`: a function itself, but reverse-mode derivatives through it reconstruct what they need from the output."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MethodType
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.derivatives import Derivative, Maker, pair_of
from invcompiler.generated import Program, is_traced, place_of, program_of
from invcompiler.ir.nodes import Capture, Function
from invcompiler.passes.avals import abstract
from invcompiler.pipeline import Compilation, compile_reversible, read_normal
from invcompiler.wrapped import with_signature

Argnums = int | Sequence[int]


class ReversibleMaker(Maker):
    """How the programs of one reversible function are made: one for each signature."""

    suffix = "vjp"
    says = "Value, and cotangents by reconstruction from it,"

    def __init__(self, f: Any, argnums: Argnums = 0, **options: Any):
        super().__init__(f, argnums, **options)
        self.function: Function = with_signature(read_normal(f), f)
        self.differentiated: dict[Program, tuple[Capture, ...]] = {}

    def compiled(self, args: tuple, kwargs: dict[str, Any]) -> Compilation:
        look = functools.partial(abstract, numbers=True)
        given = tuple(map(look, args)), {name: look(value) for name, value in kwargs.items()}
        return compile_reversible(self.function, self.chosen, *given, self.options["tolerance"])

    def program(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Function, bool]:
        return self.compiled(args, kwargs).function, True

    def specialise(self, arguments: dict[str, Any]) -> Program:
        bound = inspect.BoundArguments(self.signature, arguments)  # type: ignore[arg-type]
        compiled = self.compiled(bound.args, bound.kwargs)
        function = replace(compiled.function, doc=self.doc)
        program = program_of(function, compiled.rests_on, compiled.relied)
        self.captures.update({place_of(c): c for c in compiled.differentiated})
        self.captures.update({place_of(c): c for _, c in program.text.captures})
        self.differentiated[program] = compiled.differentiated
        return program


class Reversible:
    """A function to all appearances; `.source` is the module that its reverse-mode derivatives run."""

    __invcompiler_transparent__ = True  # calling it is calling `__wrapped__`
    __invcompiler_own_adjoint__ = True  # differentiating it is not

    def __init__(self, f: Callable[..., Any], argnums: Argnums, **options: Any):
        self._argnums = argnums
        self._options = options
        self._maker = ReversibleMaker(f, argnums, **options)
        self._generated = Derivative(self._maker)
        self._runs: dict[Program, Callable[[list], Any]] = {}
        self._lock = threading.RLock()
        functools.update_wrapper(self, f)

    @property
    def source(self) -> str:
        """The emitted module: `f_fwd` and `f_bwd`, and what they call."""
        return self._generated.source

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bound = self._maker.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        program = self._generated._specialised(bound.args, bound.kwargs)
        maker = self._generated._maker
        leaves, treedef = jax.tree.flatten((bound.args, bound.kwargs, maker.captured()))
        return self._run(program, leaves, treedef)([leaf for leaf in leaves if is_traced(leaf)])

    def _run(self, program: Program, leaves: list, treedef: Any) -> Callable[[list], Any]:
        with self._lock:
            if program not in self._runs:
                differentiated = self._generated._maker.differentiated[program]
                self._runs[program] = _with_adjoint(program, differentiated, leaves, treedef)
            return self._runs[program]

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return Reversible(MethodType(self.__wrapped__, instance), self._argnums, **self._options)

    def __reduce__(self) -> Any:
        return _rebuilt, (self.__wrapped__, self._argnums, self._options)

    def __repr__(self) -> str:
        return f"<reversible {getattr(self, '__name__', 'function')}>"


def _rebuilt(f: Callable[..., Any], argnums: Argnums, options: dict[str, Any]) -> Reversible:
    return Reversible(f, argnums, **options)


@dataclass(frozen=True, eq=False)
class _Places:
    """How the leaves of `(args, kwargs, captured)` are passed: traced ones as a list, the others as they are."""

    treedef: Any
    frozen: tuple[Any, ...]
    traced: tuple[int, ...]

    def filled(self, traced: list) -> Any:
        leaves = list(self.frozen)
        for place, value in zip(self.traced, traced, strict=True):
            leaves[place] = value
        return jax.tree.unflatten(self.treedef, leaves)

    def cotangents(
        self, bars: Sequence[Any], captures: Sequence[Capture], avals: Sequence[Any]
    ) -> list[Any]:
        """Return the cotangent of each traced leaf, from those of the arguments and of what is captured, in order."""
        numbers = jax.tree.unflatten(self.treedef, range(len(self.frozen)))
        args, kwargs, captured = numbers
        groups = [*args, *kwargs.values(), *(captured[place_of(c)] for c in captures)]
        found: dict[int, Any] = {}
        for group, bar in zip(groups, bars, strict=True):
            leaves, structure = jax.tree.flatten(group)
            found.update(zip(leaves, structure.flatten_up_to(bar), strict=True))
        return [_like(found.get(n), aval) for n, aval in zip(self.traced, avals, strict=True)]


def _like(bar: Any, aval: Any) -> Any:
    if bar is None or getattr(bar, "dtype", None) == jax.dtypes.float0:
        return bar
    return bar if jnp.result_type(bar) == aval.dtype else jnp.asarray(bar, aval.dtype)


def _with_adjoint(
    program: Program, captures: Sequence[Capture], leaves: list, treedef: Any
) -> Callable[[list], Any]:
    """Return the function of the traced leaves, jitted, with the emitted adjoint as its derivative."""
    fwd, bwd = pair_of(program)
    needs = inspect.signature(fwd).parameters
    names = {n: place_of(c) for n, c in program.text.captures if n in needs}
    objects = {name: value for name, value in program.text.objects if name in needs}
    traced = tuple(i for i, leaf in enumerate(leaves) if is_traced(leaf))
    frozen = tuple(None if is_traced(leaf) else leaf for leaf in leaves)
    places = _Places(treedef, frozen, traced)
    avals = [abstract(leaves[i], numbers=True) for i in traced]
    kept: list[Any] = []  # the structure of the residuals, and what of them is not an array

    def forward(values: list) -> Any:
        args, kwargs, captured = places.filled(values)
        bound = {name: captured[place] for name, place in names.items()}
        return fwd(*args, **kwargs, **bound, **objects)

    @jax.custom_vjp
    def run(values: list) -> Any:
        return forward(values)[0]

    def run_fwd(values: list) -> tuple[Any, list]:
        out, residuals = forward(values)
        found, structure = jax.tree.flatten(residuals)
        kept[:] = [structure, [None if is_traced(leaf) else leaf for leaf in found]]
        return out, [leaf for leaf in found if is_traced(leaf)]

    def run_bwd(residuals: list, out_bar: Any) -> tuple[list]:
        structure, static = kept
        given = iter(residuals)
        found = [next(given) if leaf is None else leaf for leaf in static]
        bars = bwd(jax.tree.unflatten(structure, found), out_bar)
        return (places.cotangents(bars, captures, avals),)

    run.defvjp(run_fwd, run_bwd)
    return jax.jit(run)


def reversible(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    tolerance: float | None = 1e-2,
    store_every: int | None = None,
    exact: bool = False,
) -> Reversible:
    """Return `f` itself, but reverse-mode derivatives through it reconstruct what they need from the output."""
    return Reversible(f, argnums, tolerance=tolerance)
