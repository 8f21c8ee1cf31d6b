"""Adjoints that reconstruct: `reversible`, and `adjoint` for each way of having primals on the way back."""

from __future__ import annotations

import functools
import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MethodType
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler import derivatives
from invcompiler.derivatives import Adjoint, Argnums, Derivative, Maker, pair_of
from invcompiler.derivatives.targets import look_at
from invcompiler.errors import InvcompilerError
from invcompiler.generated import Program, is_traced, place_of, program_of
from invcompiler.ir.nodes import Capture, Function
from invcompiler.passes.avals import abstract
from invcompiler.passes.decisions import Decisions
from invcompiler.pipeline import read_now_or_later
from invcompiler.reversal import Compiled, Reversal, choices, compile_for, compile_generic


class ReconstructingMaker(Maker):
    """How the programs of an adjoint that reconstructs are made: one for each signature."""

    suffix = "vjp"
    says = "Value, and cotangents by reconstruction from it,"

    def __init__(self, f: Any, argnums: Argnums = 0, **options: Any):
        super().__init__(f, argnums, **options)
        self.function: Function = read_now_or_later(f)
        self.differentiated: dict[Program, tuple[Capture, ...]] = {}
        self.met: tuple[tuple, dict[str, Any]] | None = None  # what the last program was made for

    def compiled(self, args: tuple, kwargs: dict[str, Any]) -> Compiled:
        given = look_at(args, kwargs)
        arrays = [number for number, arg in enumerate(args) if jax.tree_util.all_leaves([arg])]
        make = lambda asked: compile_for(self.function, asked, *given)
        return self._first(make, len(args), arrays)

    def _first(
        self, make: Callable[[Reversal], Compiled], count: int, arrays: Sequence[int]
    ) -> Compiled:
        """Return the program that recovers the most of what has a cotangent; raise why nothing can be recovered.

        `arrays` numbers the parameters that are no containers: most likely one of them is what flows through the function.
        """
        refusals: dict[tuple[int, ...], InvcompilerError] = {}
        for unknown in choices(count, self.chosen):
            asked = Reversal(unknown, self.chosen, self.single, keeping=False)
            try:
                return make(asked)
            except InvcompilerError as refusal:
                refusals.setdefault(unknown, refusal)
        alone = [number for number in self.chosen if number in arrays] or list(self.chosen)
        raise self._must_be_kept(refusals, alone[-1], make)

    def _must_be_kept(
        self,
        refusals: dict[tuple[int, ...], InvcompilerError],
        number: int,
        make: Callable[[Reversal], Compiled],
    ) -> InvcompilerError:
        """Return the refusal for one parameter alone, with what would have to be kept to recover it."""
        refusal = refusals[number,]
        hint = '`residuals="auto"` keeps what cannot be reconstructed'
        kept = make(Reversal((number,), self.chosen, self.single)).kept
        if kept:
            hint = f"{', '.join(kept)} must be kept: " + hint
        refusal.hint = f"{refusal.hint}, or {hint}" if refusal.hint else hint
        return refusal

    @property
    def title(self) -> str:
        return f'adjoint of {self.target.name}{self._place()}, residuals="reconstruct"'

    def decided(self, args: tuple, kwargs: dict[str, Any]) -> Sequence[Decisions]:
        """Return what is decided for arguments like these: of the function first."""
        return self.compiled(args, kwargs).decisions()

    def decided_for_any(self) -> Sequence[Decisions]:
        """Return what is decided for arguments of any shape. Raises an InvcompilerError if that depends on shapes."""
        count = len(self.function.params)
        make = lambda asked: compile_generic(self.function, asked)
        return self._first(make, count, range(count)).decisions()

    def program(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Function, bool]:
        return self.compiled(args, kwargs).function, True

    def generic_program(self) -> Program | InvcompilerError:
        count = len(self.function.params)
        try:
            make = lambda asked: compile_generic(self.function, asked)
            compiled = self._first(make, count, range(count))
        except InvcompilerError:
            return self._not_yet()
        return self._program_of(compiled)

    def _program_of(self, compiled: Compiled) -> Program:
        function = replace(compiled.function, doc=self.doc)
        return program_of(function, compiled.rests_on, compiled.relied)

    def specialise(self, arguments: dict[str, Any]) -> Program:
        bound = inspect.BoundArguments(self.signature, OrderedDict(arguments))
        compiled = self.compiled(bound.args, bound.kwargs)
        self.met = look_at(bound.args, bound.kwargs)
        program = self._program_of(compiled)
        self.captures.update({place_of(c): c for c in compiled.differentiated})
        self.captures.update({place_of(c): c for _, c in program.text.captures})
        self.differentiated[program] = compiled.differentiated
        return program

    def holds(self, program: Program) -> bool:
        return super().holds(program) and all(reliance.holds() for reliance in program.relied)


class ReversibleMaker(ReconstructingMaker):
    """How the programs of one reversible function are made. What cannot be reconstructed is kept."""

    @property
    def title(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"reversible {self.target.name}{self._place()}{options}"

    def _first(
        self, make: Callable[[Reversal], Compiled], count: int, arrays: Sequence[int]
    ) -> Compiled:
        return make(Reversal(self.chosen, **self.options))


class Reversible:
    """A function to all appearances; `.source` is the module that its reverse-mode derivatives run."""

    __invcompiler_transparent__ = True  # calling it is calling `__wrapped__`
    __invcompiler_own_adjoint__ = True  # differentiating it is not
    __wrapped__: Callable[..., Any]

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
        given = jax.tree.leaves((bound.args, bound.kwargs, self._generated._maker.captured()))
        if not self._options.get("sharded") and any(map(_is_on_explicit_axes, given)):
            return self._on_explicit_axes(*args, **kwargs)
        program = self._generated._specialised(bound.args, bound.kwargs)
        maker = self._generated._maker
        leaves, treedef = jax.tree.flatten((bound.args, bound.kwargs, maker.captured()))
        with self._lock:
            run = self._runs.get(program)
            if run is None:
                places = _Places.of(leaves, treedef)
                run = _with_adjoint(program, maker.differentiated[program], places, leaves)
                self._runs[program] = run
        return run([leaf for leaf in leaves if is_traced(leaf)])

    def explain(self, *example: Any) -> str:
        """Return how the way back has each value, and what that costs; warns of what loses digits, as far as that can be seen.

        Sizes are those of `example`, which are arguments or `jax.ShapeDtypeStruct`s in their place; without, those of the last call.
        Raises what making the adjoint raises.
        """
        made = Adjoint(self._maker)
        self._maker.met = getattr(self._generated._maker, "met", None)
        return made.explain(*example)

    @functools.cached_property
    def _on_explicit_axes(self) -> Reversible:
        return Reversible(self.__wrapped__, self._argnums, **self._options, sharded=True)

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

    @classmethod
    def of(cls, leaves: list, treedef: Any) -> _Places:
        frozen = tuple(None if is_traced(leaf) else leaf for leaf in leaves)
        return cls(treedef, frozen, tuple(i for i, leaf in enumerate(leaves) if is_traced(leaf)))

    def filled(self, traced: list) -> Any:
        leaves = list(self.frozen)
        for place, value in zip(self.traced, traced, strict=True):
            leaves[place] = value
        return jax.tree.unflatten(self.treedef, leaves)

    def cotangents(
        self, bars: Sequence[Any], captures: Sequence[Capture], avals: Sequence[Any]
    ) -> list[Any]:
        """Return the cotangent of each traced leaf, from those of the arguments and of what is captured, in order."""
        args, kwargs, captured = jax.tree.unflatten(self.treedef, range(len(self.frozen)))
        groups = [*args, *kwargs.values(), *(captured[place_of(c)] for c in captures)]
        found: dict[int, Any] = {}
        for group, bar in zip(groups, bars, strict=True):
            structure: Any = jax.tree.structure(group)
            leaves = jax.tree.leaves(group)
            found.update(zip(leaves, structure.flatten_up_to(bar), strict=True))
        return [_like(found.get(n), aval) for n, aval in zip(self.traced, avals, strict=True)]


def _like(bar: Any, aval: Any) -> Any:
    if bar is None or getattr(bar, "dtype", None) == jax.dtypes.float0:
        return bar
    return bar if jnp.result_type(bar) == aval.dtype else jnp.asarray(bar, aval.dtype)


def _is_on_explicit_axes(leaf: Any) -> bool:
    """Whether an array is sharded over an axis of a mesh that is part of its type."""
    if not isinstance(leaf, jax.Array):
        return False
    sharding = getattr(jax.typeof(leaf), "sharding", None)
    types = getattr(getattr(sharding, "mesh", None), "axis_types", ()) or ()
    return jax.sharding.AxisType.Explicit in types and any(sharding.spec)


def _axes(leaf: Any) -> frozenset[str]:
    """Return the mesh axes over which a value varies, inside of `jax.shard_map`."""
    aval = jax.typeof(leaf)
    manual = getattr(aval, "manual_axis_type", None)  # `vma` in earlier versions of JAX
    return frozenset(getattr(aval, "vma", ()) if manual is None else manual.varying)


def _as_varying(bar: Any, axes: frozenset[str]) -> Any:
    """Return a cotangent that varies as its primal does: what all devices share has the sum of theirs."""
    if bar is None or getattr(bar, "dtype", None) == jax.dtypes.float0:
        return bar
    summed = tuple(sorted(_axes(bar) - axes))
    missing = tuple(sorted(axes - _axes(bar)))
    bar = jax.lax.psum(bar, summed) if summed else bar
    return jax.lax.pcast(bar, missing, to="varying") if missing else bar


@dataclass(frozen=True)
class _Form:
    """The structure of residuals, what of them is no array, and the axes that the arguments vary over."""

    structure: Any
    static: tuple[Any, ...]
    axes: tuple[frozenset[str], ...]

    def __hash__(self) -> int:
        return hash((self.structure, self.axes))


@jax.tree_util.register_pytree_node_class
@dataclass(frozen=True, eq=False)
class _Kept:
    """Residuals as a pytree of arrays."""

    arrays: tuple[Any, ...]
    form: _Form

    @classmethod
    def of(cls, residuals: Any, axes: tuple[frozenset[str], ...]) -> _Kept:
        leaves, structure = jax.tree.flatten(residuals)
        static = tuple(None if is_traced(leaf) else leaf for leaf in leaves)
        arrays = tuple(leaf for leaf in leaves if is_traced(leaf))
        return cls(arrays, _Form(structure, static, axes))

    @property
    def residuals(self) -> Any:
        given = iter(self.arrays)
        leaves = [next(given) if leaf is None else leaf for leaf in self.form.static]
        return jax.tree.unflatten(self.form.structure, leaves)

    def tree_flatten(self) -> tuple[tuple, _Form]:
        return (self.arrays,), self.form

    @classmethod
    def tree_unflatten(cls, form: _Form, children: Sequence[Any]) -> _Kept:
        return cls(children[0], form)


def _with_adjoint(
    program: Program, captures: Sequence[Capture], places: _Places, leaves: list
) -> Callable[[list], Any]:
    """Return the function of the traced leaves, jitted, with the emitted adjoint as its derivative."""
    fwd, bwd = pair_of(program)
    needs = inspect.signature(fwd).parameters
    names = {n: place_of(c) for n, c in program.text.captures if n in needs}
    avals = [abstract(leaves[i], numbers=True) for i in places.traced]

    def forward(values: list) -> Any:
        args, kwargs, captured = places.filled(values)
        return fwd(*args, **kwargs, **{name: captured[place] for name, place in names.items()})

    @jax.custom_vjp
    def run(values: list) -> Any:
        return forward(values)[0]

    def run_fwd(values: list) -> tuple[Any, _Kept]:
        out, residuals = forward(values)
        return out, _Kept.of(residuals, tuple(map(_axes, values)))

    def run_bwd(kept: _Kept, out_bar: Any) -> tuple[list]:
        bars = places.cotangents(bwd(kept.residuals, out_bar), captures, avals)
        return (list(map(_as_varying, bars, kept.form.axes)),)

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
    """Return `f` itself, but reverse-mode derivatives through it reconstruct what they need from the output.

    What is kept for the way back are the output and the other arguments: nothing that grows with the depth of `f`, unless a part of
    `f` cannot be undone. Gradients are those of all arguments and of captured arrays.

    Args:
      f: a function of arrays and pytrees, with a loop over layers for example. Each step is undone as `inv.inverse` does.
      argnums: which arguments are recovered from the output; they are what flows through the layers.
      tolerance: how far the recovered arguments may be off, relative to their largest element, before the gradient is NaN and a
        RuntimeWarning says so; for this they are kept too. None compares nothing, and keeps nothing.
      store_every: keep every so-manieth state of a loop, which bounds the drift by as many steps.
      exact: make additive updates (`x + net(...)`) reversible bit for bit. What is added is rounded to multiples of 2**-16 (float32),
        and the input too; that is exact as long as values stay below 256. Gradients pass through the rounding.

    Raises:
      TypeError, ValueError: an argument makes no sense.
    """
    if not callable(f):
        raise TypeError(f"expected a function, got {type(f).__name__}: {f!r}")
    _check_tolerance(tolerance)
    _check_store(store_every)
    if not isinstance(exact, bool):
        raise TypeError(f"`exact` must be a bool, got {exact!r}")
    options = {"tolerance": tolerance, "store_every": store_every, "exact": exact}
    return Reversible(f, argnums, **options)


def _check_tolerance(tolerance: Any) -> None:
    if tolerance is None:
        return
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float):
        raise TypeError(f"`tolerance` must be a number or None, got {tolerance!r}")
    if not tolerance >= 0:
        raise ValueError(f"`tolerance` must not be negative, got {tolerance!r}")


def _check_store(store_every: Any) -> None:
    if store_every is None:
        return
    if isinstance(store_every, bool) or not isinstance(store_every, int):
        raise TypeError(f"`store_every` must be an int or None, got {store_every!r}")
    if store_every < 1:
        raise ValueError(f"`store_every` must be positive, got {store_every!r}")


def adjoint(f: Callable[..., Any], argnums: Argnums = 0, residuals: str = "auto") -> Adjoint:
    """Return the adjoint program of `f`: an object with `.fwd`, `.bwd` and `.source`.

    `residuals` says how the way back has the values of the forward pass: "save" keeps them; "reconstruct" keeps the output and the
    arguments that are not recovered from it, and nothing else; "auto" decides.

    Raises TypeError or ValueError for arguments that make no sense; with "reconstruct", at the first call, an InversionError that
    says what would have to be kept.
    """
    if residuals == "reconstruct":
        return Adjoint(ReconstructingMaker(f, argnums))
    if residuals not in ("auto", "save"):
        raise ValueError(f"residuals must be 'auto', 'save' or 'reconstruct', got {residuals!r}")
    return derivatives.adjoint(f, argnums, by_cost=residuals == "auto")


__all__ = ["Reversible", "adjoint", "reversible"]
