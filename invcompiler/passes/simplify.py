"""Write a function as a person would have: `log(abs(exp(s)))` is `s`, and what is computed twice is computed once.

The equations stand in `rules/equations.py`. Afterwards none of them applies anywhere in the
function, nested blocks included, no value is computed twice, and nothing is computed in vain.

>>> def f(y, s, t):
...     return (y - t) / jnp.exp(s), -jnp.sum(jnp.log(jnp.abs(jnp.exp(s))))
>>> print(show(simplify(read(f))))
def f(y, s, t):
    v = y - t
    v_1 = -s
    v_2 = jnp.exp(v_1)
    v_3 = v * v_2
    v_4 = jnp.sum(s)
    v_5 = -v_4
    return v_3, v_5
"""

from __future__ import annotations

import functools
from typing import Any

from invcompiler.ir.nodes import Function
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.read_rules import read_rules
from invcompiler.passes.rewriting import Rules, canonical_key, rewrite
from invcompiler.rules import equations, shortcuts

_ROUNDS = 8  # each but the last makes some use of a value go away; two or three are the rule


def simplify(function: Function, facts: Any = None) -> Function:
    """Return a function of the same values, up to rounding, that says and computes no more than it must.

    `facts` (shapes and dtypes of the function's values) let more equations apply.
    """
    function = dead_code(function)
    for _ in range(_ROUNDS):
        rewritten = rewrite(function, _rules(), facts)
        if rewritten is function:
            break
        function = dead_code(rewritten)
    return function


@functools.cache
def _rules() -> Rules:
    return read_rules(
        [*equations.sign.equations, *equations.equation.equations], shortcuts.shortcut.entries
    )


__all__ = ["canonical_key", "simplify"]
