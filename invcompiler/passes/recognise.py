"""Replace naive spellings of invertible functions by one call: `1 / (1 + exp(-x))` is a sigmoid.

The spellings stand in `rules/idioms.py`. Afterwards an unknown that the spelling names several times is
named once, so that it can be isolated, and the inverse and the log-determinant come out in their stable forms.

>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> def f(x):
...     e = jnp.exp(-x)
...     return 1 / (1 + e)
>>> print(show(recognise(read(f))))
def f(x):
    v1 = jax.nn.sigmoid(x)
    return v1
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import jax.numpy as jnp

from invcompiler.ir.nodes import Apply, Const, Function, Ref, Tree, Var
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.read_rules import read_rules
from invcompiler.passes.rewriting import Rules, rewrite
from invcompiler.passes.simplify import all_real
from invcompiler.rules import equations, idioms
from invcompiler.rules.canonical import Call, canonical
from invcompiler.rules.equation import number


def recognise(
    function: Function, facts: Any = None, unknown: Iterable[Var] | None = None
) -> Function:
    """Return a function of the same values, up to rounding, in which naive spellings are calls.

    `unknown`: only what depends on these vars is touched; by default everything. What stays keeps its vars,
    so that facts about `function` hold for what is returned.
    """
    recognised = rewrite(function, _rules(), facts, unknown, all_real(facts)).function
    return function if recognised is function else dead_code(recognised)


@functools.cache
def _rules() -> Rules:
    tables = (idioms.idiom, idioms.folded, equations.sign)
    return read_rules(
        [equation for table in tables for equation in table.equations], readings=_readings
    )


# ---- other readings of one call ------------------------------------------------------------------------


def _call(fn: Any, *args: Tree) -> Call:
    call = canonical(Apply(Var(), Ref(fn, fn.__name__), args))
    assert call is not None
    return call


def _readings(call: Call) -> Iterator[Call]:
    """Yield what else `call` can be read as, for matching only: `x / 2` as `0.5 * x`."""
    trees = tuple(call.arguments.values())
    if call.fn is jnp.reciprocal:
        yield _call(jnp.divide, Const(1), trees[0])
    elif call.fn is jnp.divide:
        yield from _readings_of_quotient(*trees[:2])
    elif call.fn is jnp.power:
        yield from _readings_of_power(*trees[:2])
    elif call.fn in _MIRRORED:
        yield from _readings_of_comparison(call.fn, *trees[:2])


_STRICT = {jnp.greater_equal: jnp.greater, jnp.less_equal: jnp.less}
_MIRRORED = {
    jnp.greater: jnp.less,
    jnp.less: jnp.greater,
    jnp.greater_equal: jnp.less_equal,
    jnp.less_equal: jnp.greater_equal,
}


def _readings_of_comparison(fn: Any, left: Tree, right: Tree) -> Iterator[Call]:
    """Idioms compare where their pieces meet: there `x >= 0` is as good as `x > 0`."""
    yield _call(_MIRRORED[fn], right, left)
    if fn in _STRICT:
        yield _call(_STRICT[fn], left, right)
        yield _call(_MIRRORED[_STRICT[fn]], right, left)


def _readings_of_quotient(x: Tree, divisor: Tree) -> Iterator[Call]:
    value = number(divisor)
    if value:
        yield _call(jnp.multiply, x, Const(1 / value))


def _readings_of_power(x: Tree, exponent: Tree) -> Iterator[Call]:
    match number(exponent):
        case 2:
            yield _call(jnp.square, x)
        case 0.5:
            yield _call(jnp.sqrt, x)
        case -1:
            yield _call(jnp.divide, Const(1), x)


__all__ = ["recognise"]
