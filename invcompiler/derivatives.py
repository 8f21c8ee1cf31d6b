"""Derivatives as source: `adjoint`, `tangent`, `vjp`, `jvp`, `grad`, `value_and_grad`.

Each is compiled at the first call with arguments of a new signature: what is emitted holds for their shapes, dtypes and static
values, and reads as if written for them.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.errors import InvcompilerError
from invcompiler.frontend import is_current, read
from invcompiler.generated import Generated, Program, is_traced, place_of, program_of
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Capture,
    Function,
    Param,
    ParameterKind,
    Ref,
    Star,
    Var,
)
from invcompiler.passes.adjoint_pairs import has_own_rule
from invcompiler.passes.avals import Avals, abstract
from invcompiler.passes.derivative_programs import (
    Subject,
    adjoint_program,
    generic_subject,
    subject,
    tangent_program,
    value_and_grad_program,
)
from invcompiler.passes.emission import CONCRETE

Argnums = int | Sequence[int]


# ---- the function that is differentiated ------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """A function of the user's: how it is called, and what was read of it.

    `function` is None if it cannot be read, or states its own derivative: it is then called as it stands.
    """

    f: Callable
    signature: inspect.Signature
    function: Function | None

    @property
    def name(self) -> str:
        name = getattr(self.f, "__name__", type(self.f).__name__)
        return name if name.isidentifier() else "f"

    def is_current(self) -> bool:
        return self.function is None or is_current(self.function)

    def _written_for(self, args: tuple, kwargs: dict[str, Any]) -> Function:
        """Return the IR: of a generated derivative, that which is written for these arguments."""
        if isinstance(self.f, Derivative):
            return self.f.function_for(args, kwargs)
        return self.function or self.as_called

    @functools.cached_property
    def as_called(self) -> Function:
        """Return the function that does nothing but call this one."""
        params = tuple(
            Param(Var(name), parameter.kind)
            for name, parameter in self.signature.parameters.items()
        )
        args: tuple[Any, ...] = tuple(p.var for p in params if p.kind in _POSITIONAL)
        args += tuple(Star(p.var) for p in params if p.kind is _VARIADIC)
        named = tuple(
            (p.var.name if p.kind is ParameterKind.KEYWORD_ONLY else None, p.var)
            for p in params
            if p.kind in (ParameterKind.KEYWORD_ONLY, ParameterKind.VAR_KEYWORD)
        )
        out = Var("y")
        call = Apply(out, Ref(self.f, self.name, self.f), args, named)
        return Function(self.name, params, Block(tuple(p.var for p in params), (call,), out))

    def subject(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Subject, bool]:
        """Return what is differentiated for these arguments, and whether it can be jitted.

        A function that asks for the values of arrays (`while x > 1:`) is left to JAX, which runs it on them.
        """
        look = functools.partial(abstract, numbers=True)
        given = tuple(map(look, args)), {name: look(value) for name, value in kwargs.items()}
        try:
            return subject(self._written_for(args, kwargs), *given), True
        except CONCRETE:
            value = self.f(*args, **kwargs)
        function = self.as_called
        met = {p.var: v for p, v in zip(function.params, (*given[0], *given[1].values()))}
        met[function.body.result] = look(value)  # type: ignore[index]
        avals = Avals({var: {(): aval} for var, aval in met.items()})
        return Subject(function, avals), False


_VARIADIC = ParameterKind.VAR_POSITIONAL
_POSITIONAL = (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)


def target_of(f: Any) -> Target:
    if isinstance(f, Target):
        return f
    if not callable(f):
        raise TypeError(f"expected a function, got {type(f).__name__}")
    function = None
    if not isinstance(f, Derivative) and not has_own_rule(f):
        generated = getattr(f, "__invcompiler_function__", None)
        try:
            function = read(f) if generated is None else generated()
        except InvcompilerError:
            function = None  # its derivative is left to jax
    return Target(f, inspect.signature(f), function)


# ---- which arguments --------------------------------------------------------------------------------


def positions(target: Target, argnums: Argnums) -> tuple[tuple[int, ...], bool]:
    """Return the numbers of the parameters that `argnums` chooses, and whether it is one.

    Raises TypeError or ValueError if it is not an int or a sequence of different ints in range.
    """
    single = isinstance(argnums, int) and not isinstance(argnums, bool)
    chosen = (argnums,) if single else argnums
    if isinstance(chosen, bool | str) or not isinstance(chosen, Sequence):
        raise TypeError(f"argnums must be an int or a sequence of ints, got {argnums!r}")
    kinds = {parameter.kind for parameter in target.signature.parameters.values()}
    count = 255 if _VARIADIC in kinds else len(target.signature.parameters)
    numbers = []
    for number in chosen:
        if not isinstance(number, int) or isinstance(number, bool):
            raise TypeError(f"argnums must be an int or a sequence of ints, got {argnums!r}")
        if not -count <= number < count:
            raise ValueError(
                f"argnums {argnums!r} is out of range: {target.name} has {count} parameters"
            )
        numbers.append(number % count)
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"argnums {argnums!r} names a parameter twice")
    return tuple(numbers), single


def _split(signature: inspect.Signature, arguments: dict[str, Any]) -> tuple[tuple, dict]:
    """Return bound arguments as a call gives them; those that are their own default are left out."""
    given = {
        name: value
        for name, value in arguments.items()
        if value is not signature.parameters[name].default
    }
    bound = inspect.BoundArguments(signature, given)  # type: ignore[arg-type]
    return bound.args, bound.kwargs


# ---- what Generated is made from ----------------------------------------------------------------------


class Derivative(Generated):
    """A generated derivative. It is jitted, unless the function asks for the values of arrays."""

    @property
    def program(self) -> Program:
        """The program that was called last; before the first call, the one that holds for arguments of any shape."""
        with self._cache.lock:
            self._refresh()
            if self._cache.programs:
                return list(self._cache.programs.values())[-1]
            if not isinstance(self._generic, Program):
                self._generic = self._maker.generic_program()
        return super().program

    def function_for(self, args: tuple, kwargs: dict[str, Any]) -> Function:
        """Return the IR of this function for arguments that look like these: for derivatives of derivatives."""
        return self._maker.program(args, kwargs)[0]


class Maker:
    """How a derivative function is made: the part that `Generated` asks."""

    suffix = ""
    says = ""

    def __init__(self, f: Any, argnums: Argnums = 0, **options: Any):
        self.target = target_of(f)
        self.argnums = argnums
        self.options = options
        self.chosen, self.single = positions(self.target, argnums)
        self.describes = self.target.f
        self.name = f"{self.target.name}_{self.suffix}"
        self.signature = self.target.signature
        self.captures: dict[str, Capture] = {}
        self.concrete: list[Program] = []

    @property
    def doc(self) -> str:
        return f"{self.says} of `{self.target.name}`{self._place()}{self._respect()}."

    def _place(self) -> str:
        span = None if self.target.function is None else self.target.function.span
        return "" if span is None else f" ({os.path.basename(span.file)}:{span.line})"

    def _respect(self) -> str:
        names = list(self.target.signature.parameters)
        chosen = [names[min(number, len(names) - 1)] for number in self.chosen]
        if len(names) < 2:
            return ""
        *first, last = chosen
        return (
            f" with respect to {', '.join(first)} and {last}"
            if first
            else f" with respect to {last}"
        )

    def write(self, of: Subject) -> Function:
        """Return the IR of the derivative of a subject."""
        raise TypeError("each kind of derivative writes its own program")

    def program(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Function, bool]:
        """Return the IR of the derivative for these arguments, and whether it can be jitted."""
        of, can_jit = self.target.subject(args, kwargs)
        return self.write(of), can_jit

    def vars(self, of: Subject) -> tuple[Var, ...]:
        return tuple(of.params[number] for number in self.chosen)

    # ---- what `Generated` asks ----

    def generic(self) -> InvcompilerError:
        return self._not_yet()

    def generic_program(self) -> Program | InvcompilerError:
        """Return the program that holds for arguments of any shape, or why there is none."""
        if self.target.function is None:
            return self._not_yet()
        try:
            function = self.write(generic_subject(self.target.function))
        except InvcompilerError:
            return self._not_yet()
        return self._program(function)

    def _not_yet(self) -> InvcompilerError:
        return InvcompilerError(
            f"`{self.name}` is written for the shapes of its arguments, and has not been called yet",
            function=self.target.name,
            hint="call it once, then read its source",
        )

    def is_current(self) -> bool:
        return self.target.is_current()

    def renewed(self) -> Maker:
        return type(self)(self.target.f, self.argnums, **self.options)

    def captured(self) -> dict[str, Any]:
        return {place: capture.read() for place, capture in self.captures.items()}

    def holds(self, program: Program) -> bool:
        return all(map(is_current, program.rests_on))

    def can_jit(self, program: Program) -> bool:
        return program not in self.concrete

    def defaults(self) -> dict[str, Any]:
        return {}

    def specialise(self, arguments: dict[str, Any]) -> Program:
        args, kwargs = _split(self.signature, arguments)
        function, can_jit = self.program(args, kwargs)
        program = self._program(function)
        self.captures.update({place_of(capture): capture for _, capture in program.text.captures})
        if not can_jit:
            self.concrete.append(program)
        return program

    def _program(self, function: Function) -> Program:
        rests_on = () if self.target.function is None else (self.target.function,)
        return program_of(dataclasses.replace(function, doc=self.doc), rests_on)

    def reduce(self) -> Any:
        return _rebuilt, (type(self), self.target.f, self.argnums, self.options)


def _rebuilt(kind: type[Maker], f: Any, argnums: Argnums, options: dict[str, Any]) -> Derivative:
    return Derivative(kind(f, argnums, **options))


# ---- grad ---------------------------------------------------------------------------------------------


class ValueAndGradMaker(Maker):
    suffix = "value_and_grad"
    says = "Value and gradient"
    value = True

    def write(self, of: Subject) -> Function:
        has_aux = self.options.get("has_aux", False)
        chosen = self.vars(of)
        if of.avals.generic:
            return value_and_grad_program(of, chosen, self.single, self.value, has_aux)
        _check_scalar(self.target.name, of, has_aux)
        for number, var in zip(self.chosen, chosen, strict=True):
            _check_inexact(self.suffix, number, of.avals.aval(var), self.options)
        return value_and_grad_program(of, chosen, self.single, self.value, has_aux)


class GradMaker(ValueAndGradMaker):
    suffix = "grad"
    says = "Gradient"
    value = False


def _check_scalar(name: str, of: Subject, has_aux: bool) -> None:
    aval = of.avals.aval(of.function.body.result)
    if has_aux:
        if not isinstance(aval, tuple) or len(aval) != 2:
            raise TypeError(f"with has_aux, `{name}` must return a pair, got {aval}")
        aval = aval[0]
    if isinstance(aval, float | complex):
        return
    if not isinstance(aval, jax.ShapeDtypeStruct) or aval.shape != ():
        look = aval if not isinstance(aval, jax.ShapeDtypeStruct) else aval.shape
        raise TypeError(f"Gradient only defined for scalar-output functions. Output had: {look}.")
    if not jnp.issubdtype(aval.dtype, jnp.floating):
        raise TypeError(
            f"grad requires real-valued outputs (output dtype that is a sub-dtype of np.floating), "
            f"but got {aval.dtype.name}."
        )


def _check_inexact(name: str, number: int, aval: Any, options: dict[str, Any]) -> None:
    for leaf in jax.tree.leaves(aval):
        dtype = getattr(leaf, "dtype", None) or np.result_type(type(leaf))
        if not jnp.issubdtype(dtype, jnp.floating) and not options.get("allow_int"):
            raise TypeError(
                f"{name} requires real- or complex-valued inputs (input dtype that is a sub-dtype of "
                f"np.inexact), but argument {number} has {np.dtype(dtype).name}."
            )


def grad(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, allow_int: bool = False
) -> Derivative:
    """Return a function of the same arguments that gives the gradient of `f`, like `jax.grad`.

    `f` returns one real number, or with `has_aux` a pair of one and something else. `.source` is the emitted module.
    Raises TypeError or ValueError for an `argnums` that makes no sense.
    """
    return Derivative(GradMaker(f, argnums, has_aux=has_aux, allow_int=allow_int))


def value_and_grad(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, allow_int: bool = False
) -> Derivative:
    """Return a function of the same arguments that gives the value and the gradient of `f`, like `jax.value_and_grad`."""
    return Derivative(ValueAndGradMaker(f, argnums, has_aux=has_aux, allow_int=allow_int))


# ---- tangent ------------------------------------------------------------------------------------------


class TangentMaker(Maker):
    suffix = "jvp"
    says = "Value and tangent"

    def __init__(self, f: Any, argnums: Argnums = 0, **options: Any):
        super().__init__(f, argnums, **options)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.signature = inspect.Signature(
            [inspect.Parameter("primals", kind), inspect.Parameter("tangents", kind)]
        )

    def program(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Function, bool]:
        primals, _ = (*args, *kwargs.values())
        of, can_jit = self.target.subject(tuple(primals), {})
        return tangent_program(of, self.vars(of), len(primals)), can_jit

    def write(self, of: Subject) -> Function:
        return tangent_program(of, self.vars(of), len(of.params))


class Tangent:
    """The tangent program of a function: `.jvp(primals, tangents) -> (out, out_dot)`, and its `.source`."""

    def __init__(self, f: Callable[..., Any], argnums: Argnums = 0):
        self._maker = TangentMaker(f, argnums)
        self._generated = Derivative(self._maker)

    @property
    def source(self) -> str:
        return self._generated.source

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
        """Return `f(*primals)` and its tangent. `tangents` has one item for each of `argnums`, or for each primal."""
        primals, tangents = tuple(primals), tuple(tangents)
        chosen = self._maker.chosen
        if len(tangents) == len(primals) != len(chosen):
            tangents = tuple(tangents[number] for number in chosen)
        if len(tangents) != len(chosen):
            raise ValueError(f"expected {len(chosen)} tangents, got {len(tangents)}")
        _check_alike([primals[number] for number in chosen], tangents)
        return self._generated(primals, tangents)

    def __repr__(self) -> str:
        return f"<tangent of {self._maker.target.name}>"


def _check_alike(primals: Sequence[Any], tangents: Sequence[Any]) -> None:
    for primal, tangent_ in zip(primals, tangents, strict=True):
        structures: list[Any] = [jax.tree.structure(primal), jax.tree.structure(tangent_)]
        if structures[0] != structures[1]:
            raise TypeError("primals and tangents must have the same tree structure")
        for x, x_dot in zip(jax.tree.leaves(primal), jax.tree.leaves(tangent_), strict=True):
            if jnp.shape(x) != jnp.shape(x_dot):
                raise ValueError(
                    f"a primal of shape {jnp.shape(x)} has a tangent of shape {jnp.shape(x_dot)}"
                )


def tangent(f: Callable[..., Any], argnums: Argnums = 0) -> Tangent:
    """Return the tangent program of `f`: an object with `.jvp(primals, tangents) -> (out, out_dot)` and `.source`."""
    return Tangent(f, argnums)


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return `(f(*primals), its tangent)`, like `jax.jvp`."""
    return _tangent_of(f, tuple(range(len(primals)))).jvp(primals, tangents)


# ---- adjoint ------------------------------------------------------------------------------------------


@jax.tree_util.register_pytree_node_class
class Residuals:
    """What a `fwd` keeps for its `bwd`: a tuple, and the signature that both were written for."""

    def __init__(self, values: Any, signature: Any):
        self.values = values
        self.signature = signature

    def tree_flatten(self) -> tuple[tuple, Any]:
        return (self.values,), self.signature

    @classmethod
    def tree_unflatten(cls, signature: Any, children: Sequence[Any]) -> Residuals:
        return cls(children[0], signature)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]

    def __repr__(self) -> str:
        return f"Residuals{self.values!r}"


class AdjointMaker(Maker):
    suffix = "vjp"
    says = "Value and cotangents"

    def write(self, of: Subject) -> Function:
        return adjoint_program(of, self.vars(of), self.single)


@dataclasses.dataclass(frozen=True, eq=False)
class _Compiled:
    """One signature of an adjoint: its module, and `fwd` and `bwd` as they are called."""

    program: Program
    fwd: Callable
    bwd: Callable
    fwd_captures: tuple[str, ...]


class Adjoint:
    """The adjoint program of a function.

    `.fwd(*args) -> (out, residuals)`, `.bwd(residuals, out_bar) -> cotangent` (a tuple of them for a tuple of
    argnums), and `.source`, the emitted module that has both.
    """

    def __init__(self, f: Callable[..., Any], argnums: Argnums = 0, residuals: str = "auto"):
        if residuals not in ("auto", "save"):
            raise ValueError(f"residuals must be 'auto' or 'save', got {residuals!r}")
        self._maker = AdjointMaker(f, argnums)
        self._generated = Derivative(self._maker)
        self._compiled: dict[Any, _Compiled] = {}

    @property
    def source(self) -> str:
        return self._generated.source

    def fwd(self, *args: Any, **kwargs: Any) -> tuple[Any, Residuals]:
        """Return `f(*args, **kwargs)`, and the residuals that `bwd` needs."""
        key, compiled = self._signature(args, kwargs)
        out, residuals = compiled.fwd(*args, **kwargs)
        return out, Residuals(residuals, key)

    def bwd(self, residuals: Residuals, out_bar: Any) -> Any:
        """Return the cotangents of the arguments that `argnums` chooses, for a cotangent of the output."""
        if not isinstance(residuals, Residuals) or residuals.signature not in self._compiled:
            raise TypeError("bwd takes the residuals that fwd of the same adjoint returned")
        return self._compiled[residuals.signature].bwd(residuals.values, out_bar)

    def _signature(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Any, _Compiled]:
        program = self._generated._specialised(args, kwargs)
        key = _Key(program.text.source, id(program))
        if key not in self._compiled:
            can_jit = self._maker.can_jit(program)
            self._compiled[key] = _compiled(program, self._maker, can_jit)
        return key, self._compiled[key]

    def __repr__(self) -> str:
        return f"<adjoint of {self._maker.target.name}>"


@dataclasses.dataclass(frozen=True)
class _Key:
    text: str
    number: int


def _compiled(program: Program, maker: Maker, can_jit: bool) -> _Compiled:
    calls = [e.fn for e in program.function.body.equations if isinstance(e, Apply)]
    names = [
        fn.value.name for fn in calls if isinstance(fn, Ref) and isinstance(fn.value, Function)
    ]
    fwd, bwd = (getattr(program.module, name) for name in names)
    needs = inspect.signature(fwd).parameters
    captures = {name: c for name, c in program.text.captures if name in needs}
    objects = {name: value for name, value in program.text.objects if name in needs}
    fwd = functools.partial(fwd, **objects)
    run = _static_jit(fwd) if can_jit else fwd

    def bound(*args: Any, **kwargs: Any) -> Any:
        today = {name: capture.read() for name, capture in captures.items()}
        return run(*args, **kwargs, **today)

    return _Compiled(program, bound, _static_jit(bwd) if can_jit else bwd, tuple(captures))


def _static_jit(f: Callable[..., Any]) -> Callable[..., Any]:
    """Jit `f`; leaves of its arguments and of its result that are neither arrays nor floats stay what they are."""
    results: dict[Any, tuple[Any, list]] = {}

    @functools.partial(jax.jit, static_argnums=(1, 2))
    def run(traced: list, frozen: tuple, treedef: Any) -> list:
        args, kwargs = _filled(treedef, frozen, traced)
        leaves, structure = jax.tree.flatten(f(*args, **kwargs))
        results[frozen, treedef] = structure, [_frozen(leaf) for leaf in leaves]
        return [leaf for leaf in leaves if _is_passed(leaf)]

    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, treedef = jax.tree.flatten((args, kwargs))
        frozen = tuple(map(_frozen, leaves))
        arrays = run([leaf for leaf in leaves if _is_passed(leaf)], frozen, treedef)
        return _filled(*results[frozen, treedef], arrays)

    return call


def _is_passed(leaf: Any) -> bool:
    """Whether a leaf passes through jit as an array: zeros of dtype float0 do not."""
    return is_traced(leaf) and getattr(leaf, "dtype", None) != jax.dtypes.float0


def _frozen(leaf: Any) -> Any:
    if getattr(leaf, "dtype", None) == jax.dtypes.float0:
        return _Zeros(leaf.shape)
    return _TRACED if is_traced(leaf) else _Static(leaf)


def _filled(treedef: Any, frozen: Sequence[Any], traced: list) -> Any:
    given = iter(traced)
    leaves = [next(given) if leaf is _TRACED else leaf.value for leaf in frozen]
    return jax.tree.unflatten(treedef, leaves)


@dataclasses.dataclass(frozen=True)
class _Zeros:
    shape: tuple[int, ...]

    @property
    def value(self) -> np.ndarray:
        return np.zeros(self.shape, jax.dtypes.float0)


@dataclasses.dataclass(frozen=True)
class _Static:
    value: Any


_TRACED = _Static("traced")


def adjoint(f: Callable[..., Any], argnums: Argnums = 0, residuals: str = "auto") -> Adjoint:
    """Return the adjoint program of `f`: an object with `.fwd`, `.bwd` and `.source`.

    Raises TypeError or ValueError for arguments that make no sense.
    """
    return Adjoint(f, argnums, residuals)


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple:
    """Return `(f(*primals), pullback)`, like `jax.vjp`: `pullback(out_bar)` is a tuple with a cotangent for each primal."""
    found = _adjoint_of(f, tuple(range(len(primals))))
    out, residuals = found.fwd(*primals)
    if not has_aux:
        return out, jax.tree_util.Partial(_pull, found.bwd, residuals)
    value, aux = out
    zeros = jax.tree.map(_zero, aux)
    return value, jax.tree_util.Partial(_pull_first, found.bwd, zeros, residuals), aux


def _pull(bwd: Callable, residuals: Residuals, out_bar: Any) -> tuple:
    return bwd(residuals, out_bar)


def _pull_first(bwd: Callable, zeros: Any, residuals: Residuals, out_bar: Any) -> tuple:
    return bwd(residuals, (out_bar, zeros))


def _zero(x: Any) -> Any:
    if jnp.issubdtype(jnp.result_type(x), jnp.inexact):
        return jnp.zeros_like(x)
    return np.zeros(jnp.shape(x), jax.dtypes.float0)


# Functions are differentiated at one place again and again: what was made for one is kept while it lives.
_lock = threading.Lock()
_adjoints: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_tangents: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _kept(table: weakref.WeakKeyDictionary, make: Callable, f: Any, argnums: tuple) -> Any:
    try:
        with _lock:
            made = table.setdefault(f, {})
            if argnums not in made:
                made[argnums] = make(f, argnums)
            return made[argnums]
    except TypeError:
        return make(f, argnums)


_adjoint_of = functools.partial(_kept, _adjoints, adjoint)
_tangent_of = functools.partial(_kept, _tangents, tangent)

__all__ = [
    "Adjoint",
    "Derivative",
    "Residuals",
    "Tangent",
    "adjoint",
    "grad",
    "jvp",
    "tangent",
    "value_and_grad",
    "vjp",
]
