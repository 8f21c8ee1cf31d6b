"""Adjoint programs: `fwd` keeps residuals, `bwd` takes them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from invcompiler.adjoint_report import adjoint_report
from invcompiler.derivatives.derivative import Derivative
from invcompiler.derivatives.forms import Form
from invcompiler.derivatives.makers import Maker
from invcompiler.derivatives.static_jit import static_jit
from invcompiler.derivatives.targets import Argnums, look_at
from invcompiler.errors import InvcompilerError
from invcompiler.generated import Program
from invcompiler.ir.nodes import Apply, Function, Ref
from invcompiler.passes.cheapest import bytes_of
from invcompiler.passes.choosing import Chooser
from invcompiler.passes.decisions import Decisions
from invcompiler.passes.derivative_programs import Subject, adjoint_program


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
    """How the programs of an adjoint are made. `by_cost`: what is cheapest is kept; everything that is read otherwise."""

    suffix = "vjp"
    says = "Value and cotangents"

    def __init__(self, f: Any, argnums: Argnums = 0, **options: Any):
        super().__init__(f, argnums, **options)
        self.decisions: list[Decisions] = []  # of the program that was made last
        self.met: tuple[tuple, dict[str, Any]] | None = None  # what it was made for

    def program(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Function, bool]:
        self.met = look_at(args, kwargs)
        return super().program(args, kwargs)

    def write(self, of: Subject) -> Function:
        chooser = Chooser(self.options.get("by_cost", False))
        made = adjoint_program(of, self.vars(of), self.single, chooser)
        self.decisions = chooser.made
        return made

    def decided(self, args: tuple, kwargs: dict[str, Any]) -> Sequence[Decisions]:
        """Return what is decided for arguments like these: of the function first."""
        self.program(args, kwargs)
        return self.decisions[::-1]

    def decided_for_any(self) -> Sequence[Decisions]:
        """Return what is decided for arguments of any shape. Raises an InvcompilerError if that depends on shapes."""
        if isinstance(refusal := self.generic_program(), InvcompilerError):
            raise refusal
        return self.decisions[::-1]

    @property
    def title(self) -> str:
        residuals = "auto" if self.options.get("by_cost") else "save"
        return f'adjoint of {self.target.name}{self._place()}, residuals="{residuals}"'


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
        args = self._maker.as_jax_sees(args)
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

    def explain(self, *example: Any) -> str:
        """Return how `bwd` has each value that it reads, and what that costs: bytes that are kept, operations that are done again.

        Sizes are those of `example`, which are arguments or `jax.ShapeDtypeStruct`s in their place; without, those of the last call.
        Raises what making the adjoint raises.
        """
        maker: Any = self._generated._maker
        fresh = maker.renewed()
        met = (example, {}) if example else maker.met
        if met is None:
            return adjoint_report(fresh.title, fresh.decided_for_any(), None)
        args, kwargs = met
        _, residuals = jax.eval_shape(self.fwd, *args, **kwargs)
        handed = bytes_of(tuple(residuals))
        return adjoint_report(fresh.title, fresh.decided(args, kwargs), handed)

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
    run = static_jit(fwd, maker.sorts_dicts) if can_jit else fwd

    def bound(*args: Any, **kwargs: Any) -> Any:
        today = {name: capture.read() for name, capture in captures.items()}
        return run(*args, **kwargs, **today)

    return _Compiled(
        program, bound, static_jit(bwd, maker.sorts_dicts) if can_jit else bwd, tuple(captures)
    )


def _with_objects(function: Callable[..., Any], program: Program) -> Callable[..., Any]:
    """Return a function of the module with the objects that no text can name."""
    needs = inspect.signature(function).parameters
    objects = {name: value for name, value in program.text.objects if name in needs}
    return functools.partial(function, **objects) if objects else function


def adjoint(f: Callable[..., Any], argnums: Argnums = 0, by_cost: bool = False) -> Adjoint:
    """Return the adjoint program of `f`: an object with `.fwd`, `.bwd` and `.source`.

    It saves what it needs; with `by_cost`, what is cheaper to compute again, or to undo exactly, is not saved.
    Raises TypeError or ValueError for arguments that make no sense.
    """
    return Adjoint(AdjointMaker(f, argnums, by_cost=by_cost))


__all__ = ["Adjoint", "AdjointMaker", "Residuals", "adjoint", "pair_of"]
