"""Circular convolutions by Fourier transforms: `irfft(rfft(x) * rfft(k), n)`, `real(ifft(fft(x) * fft(k)))`.

Each transform alone loses something, or has more numbers than x: the last one drops imaginary parts, which are zero if the
spectrum that x is multiplied by is one of real numbers itself. Where that can be seen, the whole is inverted by the same
transforms and a division, and log |det| is the sum of log |spectrum| over all frequencies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from invcompiler.ir.nodes import Apply, Const, Display, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.canonical import NONE, Call, declare
from invcompiler.rules.conditions import static_value
from invcompiler.rules.registry import Refusal
from invcompiler.schedule import affine
from invcompiler.schedule.affine import Coefficient
from invcompiler.schedule.plan import Spectral

if TYPE_CHECKING:
    from invcompiler.schedule.solve import Solver

_FULL = {jnp.fft.ifft: jnp.fft.fft, jnp.fft.ifft2: jnp.fft.fft2, jnp.fft.ifftn: jnp.fft.fftn}
_HALF = {jnp.fft.irfft: jnp.fft.rfft, jnp.fft.irfft2: jnp.fft.rfft2}
for _fn in (*_FULL, *_FULL.values(), *_HALF, *_HALF.values()):
    declare(_fn)

# of spectra of real numbers, these have the spectra of real numbers as values
_KEEPING = (
    jnp.multiply, jnp.divide, jnp.add, jnp.subtract, jnp.negative, jnp.conj, jnp.conjugate,
    jnp.exp, jnp.square, jnp.reciprocal, jnp.abs,
)  # fmt: skip


def collect(solver: Solver) -> Spectral | None:
    """Return the step that undoes the first circular convolution whose value is known."""
    for equation in solver.graph.equations:
        if not isinstance(equation, Apply) or equation.out not in solver.known:
            continue
        if equation not in solver.used and solver.waiting[equation]:
            step = _step(solver, equation)
            if step is not None:
                return step
    return None


def _step(solver: Solver, equation: Apply) -> Spectral | None:
    call = solver.call(equation)
    if call is None:
        return None
    back, partner = equation, _HALF.get(call.fn)
    half = partner is not None
    if call.fn is jnp.real:
        made = solver.graph.defining.get(_operand(call))  # type: ignore[arg-type]
        found = solver.call(made) if isinstance(made, Apply) else None
        if found is None or found.fn not in _FULL:
            return None
        assert isinstance(made, Apply)
        back, call, partner = made, found, _FULL[found.fn]
    if partner is None:
        return None
    product = _product(solver, _operand(call))
    if product is None:
        return None
    spectrum, factors, transformed = product
    there = solver.graph.defining.get(transformed)
    forth = solver.call(there) if isinstance(there, Apply) else None
    if forth is None or forth.fn is not partner or not _are_partners(call, forth):
        return None
    x = _operand(forth)
    if not isinstance(x, Var) or x in solver.known or not _is_real(solver, x):
        return None
    if not affine.same_shapes(solver, (equation.out, x)) or _waits(solver, call, back):
        return None
    reading = _Spectra(solver, x, forth, half)
    if not all(map(reading.is_of_reals, factors)) or (half and not reading.is_of_last_axes()):
        return None
    value = affine.value_of(solver, spectrum)
    if value is not None and not (np.isfinite(value) & (value != 0)).all():
        solver.refusals[equation] = Refusal("a frequency is multiplied by zero here, and lost")
        return None
    assert isinstance(there, Apply)
    axes = 2 if partner in (jnp.fft.fft2, jnp.fft.rfft2) else 1
    real = equation if equation is not back else None
    return Spectral(equation, equation.out, x, there, back, real, spectrum, half, axes)


def _operand(call: Call) -> Tree:
    return next(iter(call.arguments.values()))


def _product(solver: Solver, tree: Tree) -> tuple[Coefficient, list[Tree], Var] | None:
    """Return what a spectrum is multiplied by, as one coefficient and its factors, and the spectrum."""
    spectrum: Coefficient = 1
    factors: list[Tree] = []
    while isinstance(tree, Var):
        made = solver.graph.defining.get(tree)
        call = solver.call(made) if isinstance(made, Apply) else None
        if call is None or call.fn not in (jnp.multiply, jnp.divide, jnp.negative):
            return (spectrum, factors, tree) if factors else None
        first, *rest = call.arguments.values()
        if call.fn is jnp.negative:
            spectrum, tree = affine.negative(spectrum), first
            continue
        known = [arg for arg in (first, rest[0]) if _is_known(solver, arg)]
        if len(known) != 1 or (call.fn is jnp.divide and known[0] is first):
            return None
        combine = affine.multiply if call.fn is jnp.multiply else affine.divide
        spectrum = combine(spectrum, known[0])
        factors.append(known[0])
        tree = first if known[0] is rest[0] else rest[0]
    return None


def _is_known(solver: Solver, tree: Tree) -> bool:
    return all(var in solver.known for var in leaves(tree))


def _are_partners(back: Call, forth: Call) -> bool:
    """Whether the transforms are of the same axes and norm, and the first one of all points."""
    same = all(
        back.arguments.get(name) == forth.arguments.get(name) for name in ("axis", "axes", "norm")
    )
    whole = all(forth.arguments.get(name, NONE) == NONE for name in ("n", "s"))
    return same and whole


def _waits(solver: Solver, call: Call, back: Apply) -> bool:
    """Whether the number of points of the transform back is not known yet."""
    others = [tree for tree in call.arguments.values() if tree is not _operand(call)]
    return not all(_is_known(solver, tree) for tree in others)


def _is_real(solver: Solver, tree: Tree) -> bool:
    dtype = solver.context.facts.dtype(tree)
    if dtype is None:
        return isinstance(tree, Const) or not solver.context.facts.is_concrete
    return np.dtype(dtype).kind in "fiuV"


class _Spectra:
    """Which known values are spectra of real numbers, over the frequencies of one transform of x."""

    def __init__(self, solver: Solver, x: Var, transform: Call, half: bool):
        self.solver = solver
        self.facts = solver.context.facts
        self.x = x
        self.transform = transform
        self.half = half

    def is_of_reals(self, tree: Tree, depth: int = 0) -> bool:
        if affine.number(tree) is not None:
            return True
        if self.facts.rank(tree) == 0 and _is_real(self.solver, tree):
            return True
        value = self.facts.array_value(tree)
        dtype = self.facts.dtype(tree) if value is None else value.dtype
        if self.half and dtype is not None and np.dtype(dtype).kind in "fiuV":
            return True
        made = self.solver.graph.defining.get(tree) if isinstance(tree, Var) else None
        call = self.solver.call(made) if isinstance(made, Apply) else None
        if call is None or depth > 12:
            return False
        if call.fn is self.transform.fn:
            return self._is_alike(call)
        if call.fn in _KEEPING:
            operands = list(call.arguments.values())[:2]
            return all(self.is_of_reals(arg, depth + 1) for arg in operands)
        return False

    def is_of_last_axes(self) -> bool:
        """Whether the transform is of the last axes, the usual ones."""
        last = Display(tuple, (Const(-2), Const(-1)))
        axes = self.transform.arguments.get("axes", last)
        return axes == last and self._axis(self.transform, self.x) == -1

    def _is_alike(self, call: Call) -> bool:
        """Whether a transform of known real numbers is of as many points, along the same axes."""
        operand = _operand(call)
        if not _is_real(self.solver, operand) or call.arguments.get("s", NONE) != NONE:
            return False
        if call.arguments.get("axes") != self.transform.arguments.get("axes"):
            return False
        axes = [self._axis(c, tree) for c, tree in ((call, operand), (self.transform, self.x))]
        if axes[0] != axes[1]:
            return not self.facts.is_concrete and None in axes
        if "n" not in call.arguments or axes[0] is None:
            return True
        points: Any = self.facts.dim(operand, axes[0])
        if call.arguments["n"] != NONE:
            stated = static_value(call.arguments["n"], self.facts)
            points = None if stated is None else stated[0]
        wanted = self.facts.dim(self.x, axes[0])
        known = isinstance(points, int) and isinstance(wanted, int)
        return points == wanted if known else not self.facts.is_concrete

    def _axis(self, call: Call, tree: Tree) -> int | None:
        """Return the axis of a transform, counted from the end; -1 for those of several."""
        axis = call.arguments.get("axis", Const(-1))
        if not isinstance(axis, Const) or type(axis.value) is not int:
            return None
        if axis.value < 0:
            return axis.value
        rank = self.facts.rank(tree)
        return None if rank is None else axis.value - rank


__all__ = ["collect"]
