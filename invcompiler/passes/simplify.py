"""Write a function as a person would have: `log(abs(exp(s)))` is `s`, and what is computed twice is computed once.

The equations stand in `rules/equations.py`. Afterwards none of them applies anywhere in the
function, nested blocks included, no value is computed twice, and nothing is computed in vain.

>>> from invcompiler.frontend import read
>>> from invcompiler.ir.text import show
>>> def f(y, s, t):
...     return (y - t) / jnp.exp(s), -jnp.sum(jnp.log(jnp.abs(jnp.exp(s))))
>>> print(show(simplify(read(f))))
def f(y, s, t):
    v1 = y - t
    v2 = -s
    v3 = jnp.exp(v2)
    v4 = v1 * v3
    v5 = jnp.sum(s)
    v6 = -v5
    return (v4, v6)
"""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp

from invcompiler.ir.nodes import Function
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.read_rules import read_rules
from invcompiler.passes.rewriting import Rules, canonical_key, rewrite
from invcompiler.rules import equations, shortcuts

_ROUNDS = 8  # each but the last makes some use of a value go away; two or three are the rule


def simplify(function: Function, facts: Any = None) -> Function:
    """Return a function of the same values, up to rounding, that says and computes no more than it must.

    `facts` (shapes and dtypes) let more equations apply. They may be those of the function that this one was made
    from: where that computes with complex numbers, what is true of reals only is left alone.
    """
    real = all_real(facts)
    function = dead_code(function)
    for _ in range(_ROUNDS):
        rewritten = rewrite(function, _rules(), facts, all_real=real)
        function = dead_code(rewritten.function)
        if not rewritten.again:
            break
    return function


def all_real(facts: Any) -> bool:
    """Whether no value that `facts` knows is complex."""
    if facts is None:
        return True
    dtypes = (facts.dtype(var) for var in facts.values)
    return not any(d is not None and jnp.issubdtype(d, jnp.complexfloating) for d in dtypes)


@functools.cache
def _rules() -> Rules:
    return read_rules(
        [*equations.sign.equations, *equations.equation.equations], shortcuts.shortcut.entries
    )


__all__ = ["all_real", "canonical_key", "simplify"]
