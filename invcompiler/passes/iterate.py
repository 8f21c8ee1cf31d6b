"""Write the code of a part that is solved by iteration: the part as a function, a call of a solver, its log-determinant.

    def kepler(E, e):                      def kepler_inverse(y, e):
        return E - e * jnp.sin(E)              low, high = 1 - jnp.abs(e), 1 + jnp.abs(e)
                                               E = monotone_root(kepler, y, (e,), sign=...)
                                               return E

The solvers (`rules/roots.py`) are copied into the text. They know of derivatives, and give NaN for what does not converge.
"""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from itertools import chain, count
from typing import TYPE_CHECKING

import jax.numpy as jnp

from invcompiler.ir.interval import REAL
from invcompiler.ir.nodes import Apply, Const, Display, Equation, Function, Ref, Tree, Var
from invcompiler.passes.docstrings import docstring
from invcompiler.passes.fresh import fresh_block
from invcompiler.passes.log_det import Term
from invcompiler.passes.ops import call, tuple_of
from invcompiler.rules import roots
from invcompiler.schedule.plan import Iteration, Numeric

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def iterate(emitter: Emitter, step: Numeric) -> None:
    """Bind the unknown to what a solver finds."""
    y = emitter.value(step.value)
    x = _root(emitter, step, y)
    if step.iteration is not Iteration.MONOTONE and step.interval != REAL:
        x = _kept_in_domain(emitter, step, x)
    emitter.bind(step.unknown, x)
    emitter.assumptions.append(_assumption(step))
    if emitter.ildj:
        add_log_det(emitter, step)


def _root(emitter: Emitter, step: Numeric, y: Tree) -> Tree:
    given = (_function(emitter, step), y, _known(emitter, step))
    match step.iteration:
        case Iteration.MONOTONE:
            options = _bracket(emitter, step)
            return call(emitter.builder, roots.monotone_root, *given, **options)
        case Iteration.RESIDUAL:
            options = _probes(step) | ({} if step.sign == 1 else {"sign": Const(step.sign)})
            axes = Const(step.axes)
            return call(emitter.builder, roots.residual_root, *given, axes, **options)
        case Iteration.DENSE:
            axes = Const(step.axes)
            return call(emitter.builder, roots.newton_root, *given, axes, **_probes(step))


def _probes(step: Numeric) -> dict[str, Tree]:
    """Return that the part is not to be looked at around the solution, where that may be outside of its domain."""
    return {} if step.interval == REAL else {"probes": Const(0)}


def _known(emitter: Emitter, step: Numeric) -> Tree:
    return tuple_of(emitter.value(var) for var in step.known)


def _function(emitter: Emitter, step: Numeric) -> Ref:
    """Return the part as a function of the emitted module: one for each step, however often it is named."""
    made = emitter.inverter.parts.get(step)
    if made is None:
        made = emitter.inverter.parts[step] = emitter.inverter.finish(
            _fresh(emitter, step), emitter.facts
        )
    return Ref(made, made.name)


def _fresh(emitter: Emitter, step: Numeric) -> Function:
    part = step.part
    params = tuple(param.var for param in part.params)
    body = fresh_block(replace(part.body, params=params), {}, _names(emitter, step))
    renewed = zip(part.params, body.params, strict=True)
    doc = docstring(f"What is solved for {step.unknown.name or 'the unknown'}.")
    new = tuple(replace(param, var=var) for param, var in renewed)
    return replace(part, params=new, body=replace(body, params=()), doc=doc)


def _names(emitter: Emitter, step: Numeric) -> dict[Var, str]:
    """Return names for parameters that have none: `x` for the unknown, for what is known that of the function that made it."""
    taken = {param.var.name for param in step.part.params}
    names: dict[Var, str] = {}
    for var in (step.unknown, *step.known):
        if var.name is None:
            wish = "x" if var is step.unknown else _made_by(emitter.context.defining.get(var))
            numbered = (f"{wish}_{number}" for number in count(1))
            names[var] = next(name for name in chain([wish], numbered) if name not in taken)
            taken.add(names[var])
    return names


def _made_by(equation: Equation | None) -> str:
    """Return the last word of the name of the function that is called, if there is one."""
    fn = equation.fn if isinstance(equation, Apply) else None
    word = fn.spelling.rpartition(".")[2] if isinstance(fn, Ref) else ""
    return word if word.isidentifier() and word != "getattr" else "given"


def _bracket(emitter: Emitter, step: Numeric) -> dict[str, Tree]:
    """Return where the root is looked for, and whether the part increases or decreases, if that is not the usual."""
    options: dict[str, Tree] = {}
    if step.interval.lo != -math.inf:
        options["lo"] = Const(step.interval.lo)
    if step.interval.hi != math.inf:
        options["hi"] = Const(step.interval.hi)
    sign = _sign(emitter, step)
    if sign != Const(1):
        options["sign"] = sign
    return options


def _sign(emitter: Emitter, step: Numeric) -> Tree:
    """Return the sign of the slope; where its bounds are known at run time only, NaN unless they have one sign."""
    how = step.monotone
    assert how is not None
    if how.sign is not None:
        return Const(how.sign)
    assert how.bounds is not None
    params = [param.var for param in how.bounds.params]
    values = dict(zip(params, (emitter.value(var) for var in step.known), strict=True))
    found = emitter.builder.inline(how.bounds, values)
    assert isinstance(found, Display)
    builder = emitter.builder
    above, below = (operator.ge, operator.le) if how.smooth else (operator.gt, operator.lt)
    sign: Tree = Ref(jnp.nan, "jnp.nan", jnp)
    for bound, compare, value in zip(found.items[::-1], (below, above), (-1, 1), strict=True):
        if not isinstance(bound, Const):
            holds = call(builder, compare, bound, Const(0))
            sign = call(builder, jnp.where, holds, Const(value), sign)
    emitter.wish(sign, "sign")
    return sign


def _kept_in_domain(emitter: Emitter, step: Numeric, x: Tree) -> Tree:
    builder, interval = emitter.builder, step.interval
    for end, is_open, strict, weak in (
        (interval.lo, interval.lo_open, operator.gt, operator.ge),
        (interval.hi, interval.hi_open, operator.lt, operator.le),
    ):
        if math.isfinite(end):
            inside = call(builder, strict if is_open else weak, x, Const(end))
            x = call(builder, jnp.where, inside, x, Ref(jnp.nan, "jnp.nan", jnp))
    return x


def _assumption(step: Numeric) -> str:
    name = step.unknown.name or "The unknown"
    match step.iteration:
        case Iteration.MONOTONE:
            how = step.monotone
            held = (
                "" if how is None or how.sign is not None else ", or it is not seen to be monotone"
            )
            return f"`{name}` is found by iteration, to float precision; NaN where there is no solution{held}."
        case Iteration.RESIDUAL:
            return (
                f"`{name}` is found by iteration, NaN where that does not converge. What is added to it is taken to be a "
                "contraction, or the whole to be injective."
            )
        case Iteration.DENSE:
            return (
                f"`{name}` is found by iteration, NaN where that does not converge. What is solved is taken to be "
                "injective."
            )


def add_log_det(emitter: Emitter, step: Numeric) -> None:
    """Add log |det dv/du|, at the unknown that was found: from the slope where the part acts element by element."""
    x = emitter.value(step.unknown)
    given = (_function(emitter, step), x, _known(emitter, step))
    builder = emitter.builder
    if step.axes == 0:
        slope = call(builder, roots.slope, *given)
        value = call(builder, jnp.log, call(builder, jnp.abs, slope))
    else:
        value = call(builder, roots.log_abs_det, *given, Const(step.axes))
    emitter.log_det.add_term(Term(value, step.unknown, step.axes, full=True))


__all__ = ["add_log_det", "iterate"]
