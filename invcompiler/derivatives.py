"""Derivatives as source: `adjoint`, `tangent`, `vjp`, `jvp`, `grad`, `value_and_grad`.

Each is compiled at the first call with arguments of a new signature: what is emitted holds for their shapes, dtypes and static
values, and reads as if written for them.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import operator
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.errors import InvcompilerError
from invcompiler.frontend import is_current, is_jitted, read
from invcompiler.generated import Generated, Program, is_traced, place_of, program_of
from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Capture,
    Const,
    Function,
    Param,
    ParameterKind,
    Ref,
    Star,
    Tree,
    Var,
)
from invcompiler.passes.adjoint_pairs import has_own_rule, is_library, run_by
from invcompiler.passes.avals import Avals, abstract
from invcompiler.passes.derivative_programs import (
    Subject,
    adjoint_program,
    generic_subject,
    subject,
    tangent_program,
    value_and_grad_program,
)
from invcompiler.passes.emission import CONCRETE, LeftToJax
from invcompiler.schedule.callees import unwrapped

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
        return self.function or self.as_called(args, kwargs)

    def as_called(self, args: tuple, kwargs: dict[str, Any]) -> Function:
        """Return the function that does nothing but call this one with the parameters that these arguments give a value."""
        bound = self.signature.bind(*args, **kwargs).arguments
        params = tuple(map(_param, self.signature.parameters.values()))
        passed: list[Tree] = []
        named: list[tuple[str | None, Tree]] = []
        for param in params:
            name = param.var.name
            assert name is not None
            if param.kind is _VARIADIC:
                passed.append(Star(param.var))
            elif param.kind is ParameterKind.VAR_KEYWORD:
                named.append((None, param.var))
            elif name in bound and param.kind in _POSITIONAL and not named:
                passed.append(param.var)
            elif name in bound:
                named.append((name, param.var))
        out = Var("y")
        call = Apply(out, Ref(self.f, self.name, self.f), tuple(passed), tuple(named))
        return Function(self.name, params, Block(tuple(p.var for p in params), (call,), out))

    def subject(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Subject, bool]:
        """Return what is differentiated for these arguments, and whether it can be jitted.

        A function that asks for the values of arrays (`while x > 1:`) is left to JAX, which runs it on them.
        """
        given = _look_at(args, kwargs)
        try:
            return subject(self._written_for(args, kwargs), *given), True
        except CONCRETE:
            value = self.f(*args, **kwargs)
        function = self.as_called(args, kwargs)
        met = {p.var: v for p, v in zip(function.params, (*given[0], *given[1].values()))}
        met[function.body.result] = abstract(value, numbers=True)  # type: ignore[index]
        avals = Avals({var: {(): aval} for var, aval in met.items()})
        return Subject(function, avals), False

    def left_to_jax(self, args: tuple, kwargs: dict[str, Any]) -> Subject:
        """Return the function that calls this one as the subject: its derivative is one of JAX's."""
        return subject(self.as_called(args, kwargs), *_look_at(args, kwargs))


def _look_at(args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    look = functools.partial(abstract, numbers=True)
    return tuple(map(look, args)), {name: look(value) for name, value in kwargs.items()}


def _param(parameter: inspect.Parameter) -> Param:
    """Return a parameter of the signature; a default that no text can show is one that calls leave out."""
    default: Tree | None = None
    if parameter.default is not inspect.Parameter.empty:
        default = as_tree(parameter.default) or Const(None)
    return Param(Var(parameter.name), parameter.kind, default)


_VARIADIC = ParameterKind.VAR_POSITIONAL
_POSITIONAL = (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)


def target_of(f: Any) -> Target:
    if isinstance(f, Target):
        return f
    if not callable(f):
        raise TypeError(f"expected a function, got {type(f).__name__}")
    function = None
    generated = getattr(f, "__invcompiler_function__", None)
    reads = generated is not None or not (isinstance(f, FunctionType) and is_library(f))
    if not isinstance(f, Derivative) and not has_own_rule(f) and reads:
        try:
            function = read(unwrapped(f)) if generated is None else generated()
        except InvcompilerError:
            function = None  # its derivative is left to jax
    return Target(f, inspect.signature(f), function)


# ---- which arguments --------------------------------------------------------------------------------


def positions(target: Target, argnums: Argnums) -> tuple[tuple[int, ...], bool]:
    """Return the numbers of the parameters that `argnums` chooses, and whether it is one.

    Raises TypeError or ValueError if it is not an int or a sequence of different ints in range.
    """
    single = _is_index(argnums)
    chosen = (argnums,) if single else argnums
    if isinstance(chosen, bool | str) or not isinstance(chosen, Sequence):
        raise TypeError(f"argnums must be an int or a sequence of ints, got {argnums!r}")
    kinds = {parameter.kind for parameter in target.signature.parameters.values()}
    count = 255 if _VARIADIC in kinds else len(target.signature.parameters)
    numbers = []
    for number in chosen:
        if not _is_index(number):
            raise TypeError(f"argnums must be an int or a sequence of ints, got {argnums!r}")
        number = operator.index(number)
        if not -count <= number < count:
            raise ValueError(
                f"argnums {argnums!r} is out of range: {target.name} has {count} parameters"
            )
        numbers.append(number % count)
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"argnums {argnums!r} names a parameter twice")
    return tuple(numbers), single


def _is_index(number: Any) -> bool:
    return hasattr(number, "__index__") and not isinstance(number, bool)


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
        return self._written(args, kwargs, self.write)

    def _written(
        self, args: tuple, kwargs: dict[str, Any], write: Callable[[Subject], Function]
    ) -> tuple[Function, bool]:
        of, can_jit = self.target.subject(args, kwargs)
        try:
            return write(of), can_jit
        except LeftToJax:
            return write(self.target.left_to_jax(args, kwargs)), can_jit

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

    @property
    def sorts_dicts(self) -> bool:
        return is_jitted(unwrapped(self.target.f))

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
        for number, var in zip(self.chosen, chosen, strict=True):
            _check_input(self.suffix, number, of.avals.aval(var), self.options)
        _check_scalar(self.target.name, of, self.options)
        return value_and_grad_program(of, chosen, self.single, self.value, has_aux)


class GradMaker(ValueAndGradMaker):
    suffix = "grad"
    says = "Gradient"
    value = False


def _makes_function(fn: Callable) -> Callable:
    """Mark a function whose calls are made while a program is compiled: the source of the result becomes a part of it."""
    fn.__makes_function__ = True  # type: ignore[attr-defined]
    return fn


def _check_scalar(name: str, of: Subject, options: dict[str, Any]) -> None:
    aval = of.avals.aval(of.function.body.result)
    if options.get("has_aux"):
        if not isinstance(aval, tuple | list) or len(aval) != 2:
            raise TypeError(f"with has_aux, `{name}` must return a pair, got {_described(aval)}")
        aval = aval[0]
    if isinstance(aval, complex if options.get("holomorphic") else float):
        return
    if not isinstance(aval, jax.ShapeDtypeStruct | int | float | complex):
        raise TypeError(
            f"Gradient only defined for scalar-output functions. Output was {_described(aval)}."
        )
    if jnp.shape(aval) != ():
        shape = f"{tuple(jnp.shape(aval))}"
        raise TypeError(
            f"Gradient only defined for scalar-output functions. Output had shape: {shape}."
        )
    _check_output(jnp.result_type(aval), options)


def _check_output(dtype: Any, options: dict[str, Any]) -> None:
    is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
    if options.get("holomorphic"):
        if not is_complex:
            raise TypeError(
                "grad with holomorphic=True requires outputs with a dtype that is a sub-dtype of "
                f"np.complexfloating, but got {dtype.name}."
            )
    elif not jnp.issubdtype(dtype, jnp.floating):
        way = (
            "pass holomorphic=True if the function is holomorphic, or use `inv.vjp`"
            if is_complex
            else "for functions with integer outputs use `inv.vjp`"
        )
        raise TypeError(
            "grad requires real-valued outputs (output dtype that is a sub-dtype of np.floating), "
            f"but got {dtype.name}: {way}."
        )


def _described(aval: Any) -> str:
    """Return how an abstract value is shown: `{'a': float64[3]}`."""
    return str(jax.tree.map(_Shown, aval))


class _Shown:
    def __init__(self, leaf: Any):
        self.leaf = leaf

    def __repr__(self) -> str:
        if not isinstance(self.leaf, jax.ShapeDtypeStruct):
            return repr(self.leaf)
        sizes = ",".join(map(str, self.leaf.shape))
        return f"{self.leaf.dtype.name}[{sizes}]"


def _check_input(name: str, number: int, aval: Any, options: dict[str, Any]) -> None:
    for leaf in jax.tree.leaves(aval):
        dtype = getattr(leaf, "dtype", None)
        if dtype is None:
            if not isinstance(leaf, bool | int | float | complex):
                raise TypeError(f"argument {number} of {name}, {leaf!r}, is no array or number.")
            dtype = jnp.result_type(leaf)
        if options.get("holomorphic"):
            if not jnp.issubdtype(dtype, jnp.complexfloating):
                raise TypeError(
                    f"{name} with holomorphic=True requires inputs with a dtype that is a sub-dtype of "
                    f"np.complexfloating, but argument {number} has {dtype.name}."
                )
        elif not jnp.issubdtype(dtype, jnp.inexact) and not options.get("allow_int"):
            raise TypeError(
                f"{name} requires real- or complex-valued inputs (input dtype that is a sub-dtype of "
                f"np.inexact), but argument {number} has {dtype.name}. To differentiate with respect to "
                "integers or booleans pass allow_int=True."
            )


@_makes_function
def grad(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Derivative:
    """Return a function of the same arguments that gives the gradient of `f`, like `jax.grad`.

    `f` returns one real number, or with `has_aux` a pair of one and something else; with `holomorphic` it takes and returns complex
    numbers. `.source` is the emitted module. Raises TypeError or ValueError for an `argnums` that makes no sense.
    """
    options = {"has_aux": has_aux, "holomorphic": holomorphic, "allow_int": allow_int}
    return Derivative(GradMaker(f, argnums, **options))


@_makes_function
def value_and_grad(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Derivative:
    """Return a function of the same arguments that gives the value and the gradient of `f`, like `jax.value_and_grad`."""
    options = {"has_aux": has_aux, "holomorphic": holomorphic, "allow_int": allow_int}
    return Derivative(ValueAndGradMaker(f, argnums, **options))


# ---- tangent ------------------------------------------------------------------------------------------


class TangentMaker(Maker):
    suffix = "jvp"
    says = "Value and tangent"

    def __init__(self, f: Any, argnums: Argnums = 0, **options: Any):
        super().__init__(run_by(f), argnums, **options)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.signature = inspect.Signature(
            [inspect.Parameter("primals", kind), inspect.Parameter("tangents", kind)]
        )

    def program(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Function, bool]:
        primals, _ = (*args, *kwargs.values())
        write = lambda of: tangent_program(of, self.vars(of), len(primals))
        return self._written(tuple(primals), {}, write)

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
            _check_tangent_dtype(x, x_dot)


def _check_tangent_dtype(x: Any, x_dot: Any) -> None:
    _, dtype = _look(x)
    found = getattr(x_dot, "dtype", None) or jnp.result_type(x_dot)
    if dtype is not None and found != dtype:
        raise TypeError(
            f"a primal of dtype {jnp.result_type(x).name} has a tangent of dtype {np.dtype(found).name}, "
            f"not {np.dtype(dtype).name}"
        )


def tangent(f: Callable[..., Any], argnums: Argnums = 0) -> Tangent:
    """Return the tangent program of `f`: an object with `.jvp(primals, tangents) -> (out, out_dot)` and `.source`."""
    return Tangent(f, argnums)


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple:
    """Return `(f(*primals), its tangent)`, like `jax.jvp`.

    With `has_aux` the function returns a pair, of which the first item is differentiated, and the result is
    `(value, tangent, aux)`. Raises TypeError or ValueError for tangents that do not look like the primals.
    """
    if not all(isinstance(given, tuple | list) for given in (primals, tangents)):
        raise TypeError("primals and tangents must be tuples or lists")
    if len(primals) != len(tangents):
        raise TypeError(f"got {len(primals)} primals and {len(tangents)} tangents")
    out, out_dot = _tangent_of(f, tuple(range(len(primals)))).jvp(primals, tangents)
    if not has_aux:
        return out, out_dot
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise TypeError("with has_aux the function must return a pair")
    return out[0], out_dot[0], out[1]


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

    def __init__(self, maker: Maker):
        self._maker = maker
        self._generated = Derivative(self._maker)
        self._compiled: dict[Any, _Compiled] = {}

    @property
    def source(self) -> str:
        return self._generated.source

    def fwd(self, *args: Any, **kwargs: Any) -> tuple[Any, Residuals]:
        """Return `f(*args, **kwargs)`, and the residuals that `bwd` needs."""
        key, compiled = self._signature(args, kwargs)
        out, residuals = compiled.fwd(*args, **kwargs)
        return out, Residuals(residuals, _Signature(key, Form.of(out)))

    def bwd(self, residuals: Residuals, out_bar: Any) -> Any:
        """Return the cotangents of the arguments that `argnums` chooses, for a cotangent of the output.

        Raises TypeError if the residuals are not this adjoint's, ValueError if the cotangent does not fit the output.
        """
        signature = residuals.signature if isinstance(residuals, Residuals) else None
        if signature is None or signature.key not in self._compiled:
            raise TypeError("bwd takes the residuals that fwd of the same adjoint returned")
        out_bar = signature.out.fitted(out_bar)
        return self._compiled[signature.key].bwd(residuals.values, out_bar)

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


@dataclasses.dataclass(frozen=True)
class _Signature:
    """Which code the residuals are for, and what the output looked like."""

    key: _Key
    out: Form


@dataclasses.dataclass(frozen=True)
class Form:
    """What a cotangent must look like: the structure of the value, and the shape and dtype of each leaf."""

    structure: Any
    leaves: tuple[tuple[tuple[int, ...], Any], ...]

    @classmethod
    def of(cls, value: Any) -> Form:
        leaves, structure = jax.tree.flatten(value)
        return cls(structure, tuple(map(_look, leaves)))

    def fitted(self, bar: Any) -> Any:
        """Return `bar` with Python numbers as arrays; raises ValueError if it is not of this form."""
        leaves, structure = jax.tree.flatten(bar)
        if structure != self.structure:
            raise ValueError(
                f"the cotangent has the tree structure {structure}, the output {self.structure}"
            )
        pairs = zip(leaves, self.leaves, strict=True)
        return jax.tree.unflatten(structure, [_fitted(leaf, *look) for leaf, look in pairs])


def _look(leaf: Any) -> tuple[tuple[int, ...], Any]:
    if not _is_number(leaf) and not hasattr(leaf, "dtype"):
        return (), None
    dtype = jnp.result_type(leaf)
    is_inexact = jnp.issubdtype(dtype, jnp.inexact)
    return tuple(jnp.shape(leaf)), dtype if is_inexact else jax.dtypes.float0


def _fitted(leaf: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    if dtype is None or dtype == jax.dtypes.float0:
        return leaf
    if shape == () and _is_number(leaf):
        return jnp.asarray(leaf, dtype)
    found = getattr(leaf, "dtype", None)
    if jnp.shape(leaf) != shape or found != dtype:
        look = f"{found or type(leaf).__name__}{list(jnp.shape(leaf))}"
        raise ValueError(
            f"the cotangent of an output of type {np.dtype(dtype).name}{list(shape)} has type {look}"
        )
    return leaf


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, int | float | complex) and not isinstance(leaf, bool)


def pair_of(program: Program) -> tuple[Callable, Callable]:
    """Return `f_fwd` and `f_bwd` of the module of a program that calls the two."""
    calls = [e.fn for e in program.function.body.equations if isinstance(e, Apply)]
    names = [
        fn.value.name for fn in calls if isinstance(fn, Ref) and isinstance(fn.value, Function)
    ]
    fwd, bwd = (_with_objects(getattr(program.module, name), program) for name in names)
    return fwd, bwd


def _compiled(program: Program, maker: Maker, can_jit: bool) -> _Compiled:
    fwd, bwd = pair_of(program)
    needs = inspect.signature(fwd).parameters
    captures = {name: c for name, c in program.text.captures if name in needs}
    run = _static_jit(fwd) if can_jit else fwd

    def bound(*args: Any, **kwargs: Any) -> Any:
        today = {name: capture.read() for name, capture in captures.items()}
        return run(*args, **kwargs, **today)

    return _Compiled(program, bound, _static_jit(bwd) if can_jit else bwd, tuple(captures))


def _with_objects(function: Callable[..., Any], program: Program) -> Callable[..., Any]:
    """Return a function of the module with the objects that no text can name."""
    needs = inspect.signature(function).parameters
    objects = {name: value for name, value in program.text.objects if name in needs}
    return functools.partial(function, **objects) if objects else function


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


def adjoint(f: Callable[..., Any], argnums: Argnums = 0) -> Adjoint:
    """Return the adjoint program of `f` that saves what it needs: an object with `.fwd`, `.bwd` and `.source`.

    Raises TypeError or ValueError for arguments that make no sense.
    """
    return Adjoint(AdjointMaker(f, argnums))


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple:
    """Return `(f(*primals), pullback)`, like `jax.vjp`: `pullback(out_bar)` is a tuple with a cotangent for each primal.

    With `has_aux` the function returns a pair, of which the first item is differentiated, and the result is
    `(value, pullback, aux)`. The pullback is a pytree, and raises ValueError for a cotangent that does not fit the value.
    """
    found = _adjoint_of(f, tuple(range(len(primals))))
    out, residuals = found.fwd(*primals)
    if not has_aux:
        return out, jax.tree_util.Partial(found.bwd, residuals)
    if not isinstance(out, tuple | list) or len(out) != 2:
        raise TypeError("with has_aux the function must return a pair")
    value, aux = out
    return (
        value,
        jax.tree_util.Partial(_OfFirst(found, type(out)), jax.tree.map(_zero, aux), residuals),
        aux,
    )


@dataclasses.dataclass(frozen=True)
class _OfFirst:
    """The pullback of the first item of a pair."""

    adjoint: Adjoint
    kind: type

    def __call__(self, zeros: Any, residuals: Residuals, out_bar: Any) -> tuple:
        return self.adjoint.bwd(residuals, self.kind((out_bar, zeros)))


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
